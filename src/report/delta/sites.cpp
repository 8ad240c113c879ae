// Differences of sampled sites; see the header.
#include "report/delta/sites.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "report/delta/stacks.h"
#include "report/model/counted.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

constexpr std::size_t kByLive = 14;  // the rest of kMaxSites are those that allocated most

}  // namespace

// A site's figures without its stack: up to 2,048 of them are sorted.
struct SiteLedger::Candidate {
  std::uint32_t stack = 0;  // index + 1
  std::int64_t live_bytes = 0;
  std::int64_t live_delta_bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t allocations = 0;
  std::uint64_t churn_bytes = 0;
  std::optional<std::int64_t> peak_bytes;
  bool mapping = false;
};

namespace {

using Candidate = SiteLedger::Candidate;

// Ties keep the order of their stacks, so that similar invocations give similar lines.
constexpr auto kMoreAllocated = [](const Candidate& a, const Candidate& b) {
  return a.allocated_bytes != b.allocated_bytes ? a.allocated_bytes > b.allocated_bytes
                                                : a.stack < b.stack;
};

constexpr auto kMoreLive = [](const Candidate& a, const Candidate& b) {
  return a.live_bytes != b.live_bytes ? a.live_bytes > b.live_bytes : kMoreAllocated(a, b);
};

// Those with most live bytes first; then, of the others, those that allocated most.
void keep_top(std::vector<Candidate>& candidates) {
  if (candidates.size() > kMaxSites) {
    put_first(candidates, 0, kByLive, kMoreLive);
    put_first(candidates, kByLive, kMaxSites - kByLive, kMoreAllocated);
    candidates.resize(kMaxSites);
  }
  put_in_order(candidates, kMoreLive);
}

MemorySite figures_of(const Candidate& candidate) {
  MemorySite site;
  site.live_bytes = candidate.live_bytes;
  site.live_delta_bytes = candidate.live_delta_bytes;
  site.allocated_bytes = candidate.allocated_bytes;
  site.allocations = candidate.allocations;
  site.churn_bytes = candidate.churn_bytes;
  site.peak_bytes = candidate.peak_bytes;
  site.mapping = candidate.mapping;
  site.stack_id = candidate.stack;
  return site;
}

void add_stack(MemorySite& site, const std::optional<recording::CapturedStack>& stack,
               const ModuleMap& modules) {
  site.stack_id = 0;
  if (stack) {
    site.stack = modules.frames_of(*stack);
  }
  if (site.mapping) {
    Frame frame;
    frame.label = "mmap";
    site.stack.insert(site.stack.begin(), frame);
  }
  site.stack_text = site.stack.empty() ? "(stack not kept)" : "";  // else the sink names it
}

// The stacks of those that have none yet, all or only of those at which something changed.
void add_stacks(recording::Reader& reader, KnownModules& known, std::vector<MemorySite>& sites,
                bool changed_only) {
  std::vector<std::uint32_t> wanted;
  std::vector<MemorySite*> of;
  for (MemorySite& site : sites) {
    const bool changed = site.live_delta_bytes != 0 || site.allocated_bytes != 0;
    const bool has = !site.stack.empty() || !site.stack_text.empty();
    if (!has && (changed || !changed_only)) {
      wanted.push_back(site.stack_id);
      of.push_back(&site);
    }
  }
  if (wanted.empty()) {
    return;
  }
  const ModuleMap& modules = known.of(reader);
  const auto stacks = reader.stacks(wanted);
  for (std::size_t i = 0; i < of.size(); ++i) {
    add_stack(*of[i], stacks[i], modules);
  }
}

}  // namespace

SiteLedger::Seen SiteLedger::seen(const recording::Site& site) {
  return {site.allocated_bytes, site.allocated_blocks,
          difference(site.live_added, site.live_removed), site.churned_bytes};
}

// In an invocation whose samples never rose above what was live at START, no peak was copied: START
// is its peak.
SiteLedger::PeakOf SiteLedger::peak_of(const recording::Header& header, std::uint64_t invocation) {
  if (header.started != invocation || header.peak_round > invocation + 1) {
    return PeakOf::kOther;
  }
  return header.peak_round == invocation + 1 ? PeakOf::kThis : PeakOf::kStart;
}

SiteLedger::Candidate SiteLedger::changes_of(const recording::Site& site, const Seen& after,
                                             const Seen& earlier, PeakOf peak) {
  Candidate candidate;
  candidate.live_bytes = after.live_bytes;
  candidate.live_delta_bytes = difference(static_cast<std::uint64_t>(after.live_bytes),
                                          static_cast<std::uint64_t>(earlier.live_bytes));
  candidate.allocated_bytes = grown(after.allocated_bytes, earlier.allocated_bytes);
  candidate.allocations =
      (grown(after.allocated_blocks, earlier.allocated_blocks) + (recording::kBlockUnits / 2)) /
      recording::kBlockUnits;
  candidate.churn_bytes = grown(after.churned_bytes, earlier.churned_bytes);
  candidate.mapping = (site.flags & recording::kSiteMapping) != 0;
  if (peak != PeakOf::kOther) {
    candidate.peak_bytes =
        peak == PeakOf::kThis ? static_cast<std::int64_t>(site.peak_bytes) : earlier.live_bytes;
  }
  return candidate;
}

// What changed at each site, and the figures to compare the next look with. The sites are read a
// few at a time: all of them would be the largest that the companion holds.
std::vector<SiteLedger::Candidate> SiteLedger::candidates(recording::Reader& reader,
                                                          const std::vector<Seen>& before,
                                                          std::vector<Seen>& now, PeakOf peak) {
  std::vector<Candidate> candidates;
  now.clear();
  now.reserve(before.size());
  const auto look = [&](const recording::Site& site) {
    const std::size_t index = now.size();
    const Seen after = seen(site);
    Candidate candidate =
        changes_of(site, after, index < before.size() ? before[index] : Seen{}, peak);
    candidate.stack = static_cast<std::uint32_t>(index);
    now.push_back(after);
    if (candidate.live_bytes != 0 || candidate.live_delta_bytes != 0 ||
        candidate.allocated_bytes != 0) {
      candidates.push_back(candidate);
    }
  };
  look(reader.header().no_stack);
  reader.for_each_site(look);
  return candidates;
}

std::vector<MemorySite> SiteLedger::between(recording::Reader& reader,
                                            const std::vector<Seen>& before, std::vector<Seen>& now,
                                            PeakOf peak, KnownModules& known, bool changed_only) {
  std::vector<MemorySite> top;
  {
    std::vector<Candidate> found = candidates(reader, before, now, peak);
    keep_top(found);
    top.reserve(found.size());
    for (const Candidate& candidate : found) {
      top.push_back(figures_of(candidate));
    }
  }
  add_stacks(reader, known, top, changed_only);
  return top;
}

std::vector<MemorySite> SiteLedger::take(recording::Reader& reader, std::uint64_t invocation,
                                         bool changed_only) {
  std::vector<Seen> now;
  std::vector<MemorySite> top =
      between(reader, before_, now, peak_of(reader.header(), invocation), modules_, changed_only);
  before_ = std::move(now);
  return top;
}

void SiteLedger::describe(recording::Reader& reader, std::vector<MemorySite>& sites) {
  add_stacks(reader, modules_, sites, false);
}

std::vector<MemorySite> SiteLedger::whole(recording::Reader& reader) {
  std::vector<Seen> now;
  KnownModules modules;
  return between(reader, {}, now, peak_of(reader.header(), 0), modules, false);
}

}  // namespace lamprey::report
