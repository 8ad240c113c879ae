// Adding up sites; see the header.
#include "cli/analysis/memory_profile.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
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

void add_to(SiteSum& sum, const SiteSum& more) {
  sum.growth_bytes = bounded_sum(sum.growth_bytes, more.growth_bytes);
  sum.allocated_bytes = bounded_sum(sum.allocated_bytes, more.allocated_bytes);
  sum.allocations = bounded_sum(sum.allocations, more.allocations);
}

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(by);
    if (const std::string_view part = text.substr(0, end); !part.empty()) {
      parts.push_back(part);
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + by.size());
  }
  return parts;
}

std::string box_of(std::string_view frame) {
  return frame == kMore ? "(outer frames cut)" : without_offset(frame);
}

struct ProfiledStack {
  Frames frames;
  SiteSum sum;
  std::int64_t live_bytes = 0;
};

// "12 1 12 0 3 0; ...": figures, then places in `frames`. What makes no sense is left out.
std::optional<ProfiledStack> stack_of(std::string_view site, const Frames& frames) {
  constexpr std::size_t kFigures = 4;
  ProfiledStack stack;
  std::int64_t figures[kFigures] = {};
  std::size_t index = 0;
  for (const std::string_view word : split(site, " ")) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) {
      return std::nullopt;
    }
    if (index < kFigures) {
      figures[index] = value;
    } else if (value >= 0 && static_cast<std::size_t>(value) < frames.size()) {
      stack.frames.push_back(frames[static_cast<std::size_t>(value)]);
    }
    ++index;
  }
  if (stack.frames.empty() || stack.frames.size() > kMaxFrames) {
    return std::nullopt;
  }
  std::reverse(stack.frames.begin(), stack.frames.end());
  stack.sum.allocated_bytes = figures[0];
  stack.sum.allocations = figures[1];
  stack.live_bytes = figures[2];
  stack.sum.growth_bytes = figures[3];
  return stack;
}

// "f (#2:12)" → "f (/var/task/app.py:12)".
std::string with_path(std::string_view frame, const std::vector<std::string_view>& files) {
  constexpr std::string_view kNumber = " (#";
  const std::size_t at = frame.rfind(kNumber);
  std::size_t number = 0;
  if (at == std::string_view::npos) {
    return std::string(frame);
  }
  const char* const begin = frame.data() + at + kNumber.size();
  const auto [end, error] = std::from_chars(begin, frame.data() + frame.size(), number);
  if (error != std::errc() || number >= files.size()) {
    return std::string(frame);
  }
  return std::string(frame.substr(0, at + 2))
      .append(files[number])
      .append(end, frame.data() + frame.size());
}

std::vector<ProfiledStack> stacks_of(const Value& profile) {
  const std::string paths = text(profile, "files");
  const std::string frames = text(profile, "frames");
  const std::string sites = text(profile, "sites");
  const std::vector<std::string_view> files = split(paths, "; ");
  Frames boxes;
  for (const std::string_view frame : split(frames, "; ")) {
    boxes.push_back(box_of(with_path(frame, files)));
  }
  std::vector<ProfiledStack> stacks;
  for (const std::string_view site : split(sites, "; ")) {
    if (auto stack = stack_of(site, boxes)) {
      stacks.push_back(std::move(*stack));
    }
  }
  return stacks;
}

}  // namespace

Frames frames_of(const std::string& stack) {
  Frames frames;
  std::string_view rest = stack;
  while (!rest.empty() && frames.size() < kMaxFrames) {
    const std::size_t end = rest.find("; ");
    if (const std::string_view frame = rest.substr(0, end); !frame.empty()) {
      frames.push_back(box_of(frame));
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  std::reverse(frames.begin(), frames.end());
  return frames;
}

MemoryProfile::Environment& MemoryProfile::environment(Environments& of_function,
                                                       std::uint64_t invocation) {
  const auto later = of_function.lower_bound(invocation);
  if (later == of_function.begin()) {
    return of_function.emplace(invocation, Environment{})->second;
  }
  // The first of those that are as far: which one continues is not known.
  auto moved = of_function.extract(of_function.lower_bound(std::prev(later)->first));
  moved.key() = invocation;
  return of_function.insert(std::move(moved))->second;
}

const Frames* MemoryProfile::known(Frames frames) {
  return &sums_.try_emplace(std::move(frames)).first->first;
}

void MemoryProfile::add_listed(Environment& here, std::uint64_t invocation, const Value& sites) {
  if (sites.size() > kShortList) {
    here.live.clear();
  }
  std::map<const Frames*, std::int64_t> live;
  for (const Value site : sites) {
    Frames frames = frames_of(text(site, "stack"));
    if (frames.empty()) {
      continue;
    }
    const Frames* const at = known(std::move(frames));
    here.first_listed = std::min(here.first_listed, invocation);
    SiteSum& sum = here.listed[at];
    add_member(live[at], site, "live_bytes");
    add_member(sum.growth_bytes, site, "live_delta_bytes");
    add_member(sum.allocated_bytes, site, "allocated_bytes");
    add_member(sum.allocations, site, "allocations");
  }
  for (const auto& [at, bytes] : live) {
    here.live[at] = bytes;
  }
}

// What lines listed is in it, unless they are older than it: then the profile before it is missing.
void MemoryProfile::add_profile(Environment& here, const Value& profile) {
  const auto since = number(profile, "since");
  if (since && here.first_listed <= *since) {
    for (const auto& [at, sum] : here.listed) {
      add_to(sums_.find(*at)->second, sum);
    }
  }
  here.listed.clear();
  here.first_listed = UINT64_MAX;
  here.live.clear();
  for (const ProfiledStack& stack : stacks_of(profile)) {
    const Frames* const at = known(stack.frames);
    add_to(sums_.find(*at)->second, stack.sum);
    std::int64_t& live = here.live[at];
    live = bounded_sum(live, stack.live_bytes);
  }
}

// Of an environment that has ended: no other line continues it.
void MemoryProfile::add_last_profile(Environments& of_function, const Value& profile) {
  const auto later = of_function.upper_bound(number(profile, "until").value_or(0));
  if (later == of_function.begin()) {
    return;  // nothing is known of it
  }
  auto last = of_function.extract(of_function.lower_bound(std::prev(later)->first));
  Environment& here = last.mapped();
  add_profile(here, profile);
  ended_.live_total = bounded_sum(ended_.live_total, here.live_total);
  for (const auto& [at, bytes] : here.live) {
    ended_.live[at] = bounded_sum(ended_.live[at], bytes);
  }
}

void MemoryProfile::add(const Value& record) {
  const Value memory = record["memory"];
  const Value profile = record["allocation_profile"];
  if (!memory.is_object()) {
    return;
  }
  Environments& of_function = environments_[text(record, "function_name")];
  if (is(record, "type", "shutdown")) {  // its other figures sum up what was said before
    if (profile.is_object()) {
      add_last_profile(of_function, profile);
    }
    return;
  }
  add_member(allocated_, memory, "allocated_bytes");
  add_member(allocations_, memory, "allocations");
  const std::uint64_t invocation = number(record, "invocation").value_or(0);
  Environment& here = environment(of_function, invocation);
  here.live_total = signed_number(memory, "live_bytes").value_or(here.live_total);
  const Value sites = list(memory, "sites");
  if (profile.is_object()) {
    ++records_;
    add_profile(here, profile);
  } else if (!sites.empty()) {
    ++records_;
    add_listed(here, invocation, sites);
  }
}

std::map<Frames, SiteSum> MemoryProfile::sites() const {
  std::map<Frames, SiteSum> all = sums_;
  SiteSum rest{0, 0, allocated_, allocations_};
  const auto add_environment = [&](const Environment& here) {
    rest.live_bytes = bounded_sum(rest.live_bytes, here.live_total);
    for (const auto& [frames, bytes] : here.live) {
      SiteSum& sum = all[*frames];
      sum.live_bytes = bounded_sum(sum.live_bytes, bytes);
    }
    for (const auto& [frames, sum] : here.listed) {
      add_to(all[*frames], sum);
    }
  };
  add_environment(ended_);
  for (const auto& [function, environments] : environments_) {
    for (const auto& [invocation, here] : environments) {
      add_environment(here);
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
