// Differences of all sites; see the header.
#include "report/delta/profile.h"

#include <algorithm>
#include <array>
#include <utility>

#include "report/model/counted.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kLeastShare = 2000;  // one in so many is not worth its words

struct Sums {
  std::uint64_t allocated = 0;
  std::uint64_t live = 0;
};

std::uint64_t held(const ProfiledSite& site) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(site.live_bytes, 0));
}

// In millionths.
std::uint64_t share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<std::uint64_t>(__uint128_t{part} * 1'000'000 / whole);
}

// Its share of what was allocated or of what is live, the larger one.
std::uint64_t weight(const ProfiledSite& site, const std::array<Sums, 2>& sums) {
  const Sums& all = sums[site.mapping ? 1 : 0];
  return std::max(share(site.allocated_bytes, all.allocated), share(held(site), all.live));
}

void keep_weightiest(std::vector<ProfiledSite>& sites, std::size_t most) {
  std::array<Sums, 2> sums;
  for (const ProfiledSite& site : sites) {
    Sums& all = sums[site.mapping ? 1 : 0];
    all.allocated += site.allocated_bytes;
    all.live += held(site);
  }
  std::erase_if(sites, [&sums](const ProfiledSite& site) {
    return weight(site, sums) < 1'000'000 / kLeastShare;
  });
  put_in_order(sites, [&sums](const ProfiledSite& a, const ProfiledSite& b) {
    const std::uint64_t of_a = weight(a, sums);
    const std::uint64_t of_b = weight(b, sums);
    return of_a != of_b ? of_a > of_b : a.stack_id < b.stack_id;
  });
  sites.resize(std::min(sites.size(), most));
}

}  // namespace

std::vector<ProfiledSite> ProfileLedger::changes(recording::Reader& reader) {
  std::vector<ProfiledSite> changed;
  std::vector<Seen> now;
  now.reserve(before_.size());
  const auto look = [&](const recording::Site& site) {
    const std::size_t index = now.size();
    const Seen before = index < before_.size() ? before_[index] : Seen{};
    const Seen after = {site.allocated_bytes, site.allocated_blocks,
                        difference(site.live_added, site.live_removed)};
    now.push_back(after);
    ProfiledSite found;
    found.stack_id = static_cast<std::uint32_t>(index);
    found.mapping = (site.flags & recording::kSiteMapping) != 0;
    found.live_bytes = after.live_bytes;
    found.live_delta_bytes = difference(after.live_bytes, before.live_bytes);
    found.allocated_bytes = grown(after.allocated_bytes, before.allocated_bytes);
    found.allocations =
        (grown(after.allocated_blocks, before.allocated_blocks) + (recording::kBlockUnits / 2)) /
        recording::kBlockUnits;
    if (found.allocated_bytes != 0 || found.live_bytes != 0) {
      changed.push_back(found);
    }
  };
  look(reader.header().no_stack);
  reader.for_each_site(look);
  before_ = std::move(now);
  return changed;
}

ProfiledSites ProfileLedger::take(recording::Reader& reader, std::uint64_t invocation,
                                  std::size_t most) {
  ProfiledSites taken;
  taken.since = std::exchange(since_, invocation);
  taken.until = invocation;
  taken.sites = changes(reader);
  keep_weightiest(taken.sites, most);
  taken.stacks_of = [this, &reader](const std::vector<ProfiledSite>& some) {
    std::vector<std::uint32_t> wanted;
    wanted.reserve(some.size());
    for (const ProfiledSite& site : some) {
      wanted.push_back(site.stack_id);
    }
    const ModuleMap& modules = modules_.of(reader);
    std::vector<Stack> stacks;
    stacks.reserve(some.size());
    for (const auto& captured : reader.stacks(wanted)) {
      stacks.push_back(captured ? modules.frames_of(*captured) : Stack());
    }
    return stacks;
  };
  return taken;
}

void ProfileLedger::begin(recording::Reader& reader, std::uint64_t invocation) {
  since_ = invocation;
  changes(reader);
}

}  // namespace lamprey::report
