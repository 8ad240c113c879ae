// Differences of CPU samples; see the header.
#include "report/delta/cpu.h"

#include <algorithm>
#include <utility>

#include "report/model/counted.h"
#include "report/model/order.h"

namespace lamprey::report {

std::optional<CpuFigures> CpuLedger::between(recording::Reader& reader, KnownModules& modules) {
  const auto now = reader.cpu_samples();
  if (!now || now->state == recording::CpuState::kOff) {
    return std::nullopt;
  }
  CpuFigures figures;
  figures.hz = now->hz;
  figures.samples = grown(now->samples, std::exchange(samples_, now->samples));
  figures.total_ns =
      grown(now->intervals, std::exchange(intervals_, now->intervals)) * now->interval_ns;
  figures.unplaced_ns =
      grown(now->unplaced, std::exchange(unplaced_, now->unplaced)) * now->interval_ns;
  struct Spent {
    std::size_t entry;
    std::uint64_t intervals;
  };
  std::vector<Spent> spent;
  before_.resize(std::max(before_.size(), now->sites.size()));
  for (std::size_t entry = 0; entry < now->sites.size(); ++entry) {
    const std::uint64_t all = now->sites[entry].intervals;
    const std::uint64_t since = grown(all, std::exchange(before_[entry], all));
    if (since != 0) {
      spent.push_back({entry, since});
    }
  }
  if (figures.samples == 0 && spent.empty() && now->state != recording::CpuState::kOn) {
    return std::nullopt;  // no samples are taken, or no more
  }
  put_in_order(spent, [](const Spent& a, const Spent& b) {
    return a.intervals != b.intervals ? a.intervals > b.intervals : a.entry < b.entry;
  });
  spent.resize(std::min(spent.size(), kMaxCpuSites));
  const ModuleMap& map = modules.of(reader);
  for (const Spent& each : spent) {
    if (const auto stack = reader.cpu_stack(now->sites[each.entry])) {
      CpuSite site;
      site.cpu_ns = each.intervals * now->interval_ns;
      site.awake = (now->sites[each.entry].flags & recording::kCpuAwake) != 0;
      site.stack = map.frames_of(*stack);
      figures.sites.push_back(std::move(site));
    }
  }
  return figures;
}

std::optional<CpuFigures> CpuLedger::take(recording::Reader& reader) {
  return between(reader, modules_);
}

std::optional<CpuFigures> CpuLedger::whole(recording::Reader& reader) {
  CpuLedger ledger;
  return ledger.between(reader, ledger.modules_);
}

}  // namespace lamprey::report
