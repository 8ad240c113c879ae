// Differences of sampled sites; see the header.
#include "report/sites.h"

#include <algorithm>
#include <utility>

#include "report/stacks.h"

namespace lamprey::report {
namespace {

constexpr std::size_t kByLive = 14;  // the rest of kMostSites are those that allocated most

std::uint64_t grown(std::uint64_t after, std::uint64_t before) {
  return after > before ? after - before : 0;  // a forged file may count backwards
}

std::int64_t difference(std::uint64_t after, std::uint64_t before) {
  return static_cast<std::int64_t>(after - before);
}

struct Candidate {
  std::uint32_t stack = 0;  // index + 1
  MemorySite site;
};

bool more_live(const Candidate& a, const Candidate& b) {
  return a.site.live_bytes > b.site.live_bytes;
}

// The most live first; behind them, of the others, what allocated most.
void keep_top(std::vector<Candidate>& candidates) {
  std::stable_sort(candidates.begin(), candidates.end(), more_live);
  if (candidates.size() <= kMostSites) {
    return;
  }
  const auto rest = candidates.begin() + kByLive;
  std::stable_sort(rest, candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.site.allocated_bytes > b.site.allocated_bytes;
  });
  candidates.resize(kMostSites);
  std::stable_sort(candidates.begin(), candidates.end(), more_live);
}

}  // namespace

SiteLedger::Seen SiteLedger::seen(const recording::Site& site) {
  return {site.allocated_bytes, site.allocated_blocks,
          difference(site.live_added, site.live_removed), site.churned_bytes};
}

// Nothing was copied in an invocation in which samples never rose above what was live at START.
SiteLedger::PeakOf SiteLedger::peak_of(const recording::Header& header, std::uint64_t invocation) {
  if (header.started != invocation || header.peak_round > invocation + 1) {
    return PeakOf::kOther;
  }
  return header.peak_round == invocation + 1 ? PeakOf::kThis : PeakOf::kStart;
}

std::vector<MemorySite> SiteLedger::between(recording::Reader& reader,
                                            const std::vector<Seen>& before, std::vector<Seen>& now,
                                            PeakOf peak) {
  std::vector<recording::Site> sites = reader.sites();
  sites.insert(sites.begin(), reader.header().no_stack);
  std::vector<Candidate> candidates;
  now.clear();
  for (std::uint32_t index = 0; index < sites.size(); ++index) {
    const Seen after = seen(sites[index]);
    const Seen earlier = index < before.size() ? before[index] : Seen{};
    now.push_back(after);
    Candidate candidate;
    candidate.stack = index;
    candidate.site.live_bytes = after.live_bytes;
    candidate.site.live_delta_bytes = difference(static_cast<std::uint64_t>(after.live_bytes),
                                                 static_cast<std::uint64_t>(earlier.live_bytes));
    candidate.site.allocated_bytes = grown(after.allocated_bytes, earlier.allocated_bytes);
    candidate.site.allocations =
        (grown(after.allocated_blocks, earlier.allocated_blocks) + (recording::kBlockUnits / 2)) /
        recording::kBlockUnits;
    candidate.site.churn_bytes = grown(after.churned_bytes, earlier.churned_bytes);
    candidate.site.mapping = (sites[index].flags & recording::kSiteMapping) != 0;
    if (peak != PeakOf::kOther) {
      candidate.site.peak_bytes = peak == PeakOf::kThis
                                      ? static_cast<std::int64_t>(sites[index].peak_bytes)
                                      : earlier.live_bytes;
    }
    if (candidate.site.live_bytes != 0 || candidate.site.live_delta_bytes != 0 ||
        candidate.site.allocated_bytes != 0) {
      candidates.push_back(std::move(candidate));
    }
  }
  keep_top(candidates);
  std::vector<MemorySite> top;
  if (candidates.empty()) {
    return top;
  }
  const ModuleMap modules(reader.modules());
  for (Candidate& candidate : candidates) {
    if (const auto stack = reader.stack(candidate.stack)) {
      candidate.site.stack = modules.frames_of(*stack);
    }
    if (candidate.site.mapping) {
      Frame frame;
      frame.label = "mmap";
      candidate.site.stack.insert(candidate.site.stack.begin(), frame);
    }
    candidate.site.stack_text =
        candidate.site.stack.empty() ? "(stack not kept)" : stack_text(candidate.site.stack);
    top.push_back(std::move(candidate.site));
  }
  return top;
}

std::vector<MemorySite> SiteLedger::take(recording::Reader& reader, std::uint64_t invocation) {
  std::vector<Seen> now;
  std::vector<MemorySite> top = between(reader, before_, now, peak_of(reader.header(), invocation));
  before_ = std::move(now);
  return top;
}

std::vector<MemorySite> SiteLedger::whole(recording::Reader& reader) {
  std::vector<Seen> now;
  return between(reader, {}, now, peak_of(reader.header(), 0));
}

}  // namespace lamprey::report
