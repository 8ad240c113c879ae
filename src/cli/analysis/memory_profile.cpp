// Adding up sites; see the header.
#include "cli/analysis/memory_profile.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kMaxFrames = 128;
// A short record lists no more than this many sites: it says nothing about the others.
constexpr std::size_t kShortList = 3;
// Innermost frame of what was mapped, not malloc'ed (report/delta/sites.cpp).
constexpr std::string_view kMapped = "mmap";
// How a stack ends of which a line has the inner frames only.
constexpr std::string_view kMore = "...";

// "f (m +0x12)" → "f (m)", "f (/a.py:12)" → "f (/a.py)": two calls in one function are one box in a
// picture.
std::string without_offset(std::string_view frame) {
  if (frame.starts_with("??") || !frame.ends_with(')')) {
    return std::string(frame);
  }
  std::size_t end = frame.rfind(" +0x");
  if (end == std::string_view::npos) {
    end = frame.rfind(':');
    const bool line = end != std::string_view::npos && end + 2 < frame.size() &&
                      frame.find_first_not_of("0123456789", end + 1) == frame.size() - 1;
    end = line ? end : frame.size() - 1;
  }
  return std::string(frame.substr(0, end)) + ")";
}

void add_member(std::int64_t& sum, const Value& object, const char* key) {
  sum = bounded_sum(sum, signed_number(object, key).value_or(0));
}

}  // namespace

Frames frames_of(const std::string& stack) {
  Frames frames;
  std::string_view rest = stack;
  while (!rest.empty() && frames.size() < kMaxFrames) {
    const std::size_t end = rest.find("; ");
    if (const std::string_view frame = rest.substr(0, end); !frame.empty()) {
      frames.push_back(frame == kMore ? "(outer frames cut)" : without_offset(frame));
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  std::reverse(frames.begin(), frames.end());
  return frames;
}

MemoryProfile::Environment& MemoryProfile::environment(const Value& record) {
  auto& of_function = environments_[text(record, "function_name")];
  const std::uint64_t invocation = number(record, "invocation").value_or(0);
  const auto later = of_function.lower_bound(invocation);
  if (later == of_function.begin()) {
    return of_function.emplace(invocation, Environment{})->second;
  }
  // The first of those that are as far: which one continues is not known.
  auto moved = of_function.extract(of_function.lower_bound(std::prev(later)->first));
  moved.key() = invocation;
  return of_function.insert(std::move(moved))->second;
}

void MemoryProfile::add(const Value& record) {
  const Value memory = record["memory"];
  if (is(record, "type", "shutdown") ||
      !memory.is_object()) {  // a shutdown sums up what was said before
    return;
  }
  add_member(allocated_, memory, "allocated_bytes");
  add_member(allocations_, memory, "allocations");
  Environment& here = environment(record);
  here.live_total = signed_number(memory, "live_bytes").value_or(here.live_total);
  const Value sites = list(memory, "sites");
  if (sites.empty()) {
    return;
  }
  ++records_;
  if (sites.size() > kShortList) {
    here.live.clear();
  }
  std::vector<std::pair<const Frames*, Value>> listed;
  for (const Value site : sites) {
    Frames frames = frames_of(text(site, "stack"));
    if (!frames.empty()) {
      const Frames* known = &sums_.try_emplace(std::move(frames)).first->first;
      here.live[known] = 0;
      listed.emplace_back(known, site);
    }
  }
  for (const auto& [frames, site] : listed) {
    add_member(here.live[frames], site, "live_bytes");
    SiteSum& sum = sums_.find(*frames)->second;
    add_member(sum.growth_bytes, site, "live_delta_bytes");
    add_member(sum.allocated_bytes, site, "allocated_bytes");
    add_member(sum.allocations, site, "allocations");
  }
}

std::map<Frames, SiteSum> MemoryProfile::sites() const {
  std::map<Frames, SiteSum> all = sums_;
  SiteSum rest{0, 0, allocated_, allocations_};
  for (const auto& [function, environments] : environments_) {
    for (const auto& [invocation, here] : environments) {
      rest.live_bytes = bounded_sum(rest.live_bytes, here.live_total);
      for (const auto& [frames, bytes] : here.live) {
        SiteSum& sum = all[*frames];
        sum.live_bytes = bounded_sum(sum.live_bytes, bytes);
      }
    }
  }
  for (const auto& [frames, sum] : all) {
    if (frames.back() == kMapped) {
      continue;  // no part of malloc's totals
    }
    rest.live_bytes = bounded_sum(rest.live_bytes, -std::max<std::int64_t>(sum.live_bytes, 0));
    rest.allocated_bytes = bounded_sum(rest.allocated_bytes, -sum.allocated_bytes);
    rest.allocations = bounded_sum(rest.allocations, -sum.allocations);
  }
  // The sites are estimates: together they may be more than the exact totals.
  rest.live_bytes = std::max<std::int64_t>(rest.live_bytes, 0);
  rest.allocated_bytes = std::max<std::int64_t>(rest.allocated_bytes, 0);
  rest.allocations = std::max<std::int64_t>(rest.allocations, 0);
  if (!all.empty() && (rest.live_bytes != 0 || rest.allocated_bytes != 0)) {
    all[{kNotListed}] = rest;
  }
  return all;
}

}  // namespace lamprey::cli
