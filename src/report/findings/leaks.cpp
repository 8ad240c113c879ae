// Telling leaks from what only looks like one; see the header.
#include "report/findings/leaks.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>
#include <string_view>

#include "report/text/frame_names.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kTestEvery = 8;     // invocations
constexpr std::int64_t kLeastBytes = 1024;  // an invocation; awslambdaric itself keeps 128
// Resident memory moves by itself (page by page, arena by arena).
constexpr std::int64_t kLeastResidentBytes = std::int64_t{16} * 1024;
constexpr std::int64_t kMaxInvocationsLeft = 100'000;
constexpr std::int64_t kFewInvocationsLeft = 100;
// A site is named when it grows by at least this part of the whole growth.
constexpr std::int64_t kLeastShare = 10;  // %
// The same of all that was mapped, for the site that mapped most of it.
constexpr std::int64_t kLeastMappedShare = 50;  // %
// Stacks with that many innermost frames in common are one place.
constexpr std::size_t kSamePlace = 4;
// Live blocks that grow by much less than resident memory are a part of the leak: an interpreter
// keeps small objects in arenas that it maps, and only their lists are malloc's.
bool is_much_more(std::int64_t resident, std::int64_t live) { return resident / 3 * 2 > live; }
// Until then a leak of live blocks waits for resident memory, which moves in steps, to show itself.
constexpr std::uint64_t kPatience = 96;  // invocations

std::int64_t level_of(std::uint64_t bytes) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, INT64_MAX));
}

std::uint64_t hash_of(const Stack& stack, std::size_t frames) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const Frame& frame : std::span(stack).first(std::min(frames, stack.size()))) {
    const std::uint64_t word =
        frame.function
            ? std::hash<std::string>{}(frame.function->name + frame.function->file) + frame.line
            : frame.address;
    hash = (hash ^ word) * 1099511628211U;
  }
  return hash;
}

// Whether what was mapped and the live blocks together are as large as resident memory. Then growth
// that neither explains is first use of a heap that its owner mapped as a whole (a JVM with -Xms).
// Such growth is as steady as a leak's, and ends when all of the heap was used.
bool is_first_use(const Report& report) {
  const ProcessFigures& process = report.process;
  std::int64_t room = report.memory->live_bytes.value_or(0) -
                      level_of(process.rss_anonymous_bytes.value_or(process.rss_bytes.value_or(0)));
  for (const MemorySite& site : report.memory->sites) {
    room += site.mapping ? site.live_bytes : 0;
  }
  return room >= 0;
}

// An interpreter maps memory for the objects of all functions together. The function that needed it
// next is often a busy neighbour of the one whose objects stay: of ten kinds of leaks beside a
// healthy function that parses JSON, it was the wrong one in eight.
constexpr std::string_view kWhereHeapGrew =
    ". That is where the interpreter's heap had to grow; what stays may be another function's.";
constexpr std::string_view kHeapAdvice =
    "The function named needed the next piece of the interpreter's heap; the objects that stay may "
    "be another's. Look for what the handler keeps between invocations: globals, caches without a "
    "bound. In Python LAMPREY_TRACE_LANGUAGE=on counts each object where it is made, at a cost.";

std::string since_words(std::uint64_t invocation) {
  return invocation <= 1 ? std::string("the first")
                         : fmt::format("number {}", human_count(invocation));
}

std::int64_t mean_rise(const Levels& levels, const Levels& invocations) {
  return levels.size() < 2 ? 0
                           : (levels.newest() - levels.at(0)) / span_of(invocations, levels.size());
}

std::optional<std::int64_t> invocations_left(const Report& report, std::int64_t bytes_each) {
  constexpr std::uint64_t kMaxMb = 1U << 20U;
  if (!report.memory_limit_mb || !report.process.rss_bytes || bytes_each <= 0 ||
      *report.memory_limit_mb > kMaxMb) {
    return std::nullopt;
  }
  const auto limit = static_cast<std::int64_t>(*report.memory_limit_mb << 20U);
  return std::max<std::int64_t>(limit - level_of(*report.process.rss_bytes), 0) / bytes_each;
}

}  // namespace

void LeakWatch::Watched::test(const Levels* invocations) {
  before = growth.has_value();
  growth = invocations != nullptr ? steady_growth(levels, *invocations) : steady_growth(levels);
}

LeakWatch::Site* LeakWatch::site_for(const MemorySite& site) {
  const std::uint64_t hash = hash_of(site.stack, SIZE_MAX);
  const auto known = std::find_if(sites_.begin(), sites_.end(),
                                  [hash](const Site& entry) { return entry.hash == hash; });
  if (known != sites_.end()) {
    return &*known;
  }
  if (sites_.size() >= kMaxSites) {
    const auto least =
        std::min_element(sites_.begin(), sites_.end(), [](const Site& a, const Site& b) {
          return a.watched.levels.newest() < b.watched.levels.newest();
        });
    if (least->watched.levels.newest() >= site.live_bytes) {
      return nullptr;
    }
    sites_.erase(least);
  }
  sites_.push_back({});
  sites_.back().hash = hash;
  sites_.back().place = hash_of(site.stack, kSamePlace);
  sites_.back().stack = site.stack;
  sites_.back().mapping = site.mapping;
  sites_.back().heap = site.mapping && has_functions(site.stack);
  if (looks_ > 1 && site.mapping) {
    sites_.back().watched.levels.add(site.live_bytes - site.live_delta_bytes);  // before: mostly 0
  }
  return &sites_.back();
}

void LeakWatch::add_sites(const MemoryFigures& memory) {
  for (const MemorySite& site : memory.sites) {
    Site* entry = site.stack.empty() ? nullptr : site_for(site);
    if (entry != nullptr && entry->seen != looks_) {
      entry->seen = looks_;
      entry->watched.levels.add(site.live_bytes);
    }
  }
  for (Site& site : sites_) {  // not listed this time: its level stays
    if (site.seen != looks_) {
      site.watched.levels.add(site.watched.levels.newest());
    }
  }
}

const LeakWatch::Site* LeakWatch::worst_site(const Growth& growth) const {
  const Site* worst = nullptr;
  for (const Site& site : sites_) {
    const auto& own = site.watched.growth;
    if (own && !site.mapping &&
        own->bytes_per_invocation * 100 >= growth.bytes_per_invocation * kLeastShare &&
        (worst == nullptr ||
         own->bytes_per_invocation > worst->watched.growth->bytes_per_invocation)) {
      worst = &site;
    }
  }
  return worst;
}

std::int64_t LeakWatch::Site::gain() const {
  const Levels& levels = watched.levels;
  return levels.size() < 2 ? 0 : levels.newest() - levels.at(0);
}

std::int64_t LeakWatch::rise(const Site& site) const {
  return mean_rise(site.watched.levels, invocations_);
}

// A compiler at run time makes the same code again and again, at new addresses. One line of
// JavaScript thus has many stacks, none of which grows steadily. So all stacks with the same
// innermost frames must explain the growth together.
const LeakWatch::Site* LeakWatch::worst_place(const Growth& growth) const {
  const Site* worst = nullptr;
  std::int64_t most = 0;
  for (const Site& site : sites_) {
    std::int64_t all = 0;
    for (const Site& other : sites_) {
      all += other.place == site.place && !other.mapping ? other.gain() : 0;
    }
    if (all > most) {
      worst = &site;
      most = all;
    }
  }
  const std::int64_t span = span_of(invocations_, live_.levels.size());
  return most >= growth.bytes_per_invocation * span / 100 * kLeastMappedShare ? worst : nullptr;
}

// CPython maps an arena wherever the last one happens to run out: the stacks differ, the cause does
// not. So all mappings together must explain the growth.
const LeakWatch::Site* LeakWatch::worst_mapping(const Growth& growth) const {
  const Site* worst = nullptr;
  std::int64_t all = 0;
  for (const Site& site : sites_) {
    const std::int64_t each = site.mapping ? rise(site) : 0;
    all += each;
    if (each > 0 && (worst == nullptr || each > rise(*worst))) {
      worst = &site;
    }
  }
  return all >= growth.bytes_per_invocation / 100 * kLeastMappedShare ? worst : nullptr;
}

void LeakWatch::add_levels(const Report& report) {
  ++looks_;
  invocations_.add(level_of(report.invocation.value_or(looks_)));
  if (report.memory->live_bytes) {
    live_.levels.add(*report.memory->live_bytes);
  }
  if (report.process.rss_bytes) {
    resident_.levels.add(level_of(*report.process.rss_bytes));
  } else if (resident_.levels.size() != 0) {
    resident_.levels.add(resident_.levels.newest());  // not looked at: growth is by invocation
  }
  add_sites(*report.memory);
  if (looks_ % kTestEvery == 0) {
    test();
  }
}

void LeakWatch::test() {
  const Levels* invocations = each_ ? nullptr : &invocations_;
  live_.test(invocations);
  resident_.test(invocations);
  for (Site& site : sites_) {
    site.watched.test(invocations);
  }
}

void LeakWatch::look(Report& report) {
  if (!report.memory) {
    return;
  }
  heap_.look(report);
  add_levels(report);
  if (!heap_.is_collected()) {
    judge(report);
    return;
  }
  if (!after_collections_) {
    after_collections_ = std::make_unique<LeakWatch>();
    after_collections_->each_ = false;
  }
  const std::size_t findings = report.findings.size();
  if (heap_.was_collected()) {
    after_collections_->add_levels(report);
    after_collections_->judge(report);
  }
  if (report.findings.size() == findings && heap_.outgrew_garbage()) {
    judge(report);
  }
}

void LeakWatch::judge(Report& report) {
  if (told_ != 0 && looks_ - told_ < kAgain) {
    return;
  }
  const bool live = live_.is_leak() && live_.growth->bytes_per_invocation >= kLeastBytes;
  const bool resident = resident_.is_leak() &&
                        resident_.growth->bytes_per_invocation >= kLeastResidentBytes &&
                        (worst_mapping(*resident_.growth) != nullptr || !is_first_use(report));
  if (resident && (!live || is_much_more(resident_.growth->bytes_per_invocation,
                                         live_.growth->bytes_per_invocation))) {
    tell(report, *resident_.growth, true);
  } else if (live && !(looks_ < kPatience && told_ == 0 && !resident_.is_leak() &&
                       is_much_more(mean_rise(resident_.levels, invocations_),
                                    live_.growth->bytes_per_invocation))) {
    tell(report, *live_.growth, false);
  }
}

void LeakWatch::tell(Report& report, const Growth& growth, bool resident_only) {
  const auto left = invocations_left(report, growth.bytes_per_invocation);
  if (left && *left > kMaxInvocationsLeft) {
    return;
  }
  const std::size_t seen = (resident_only ? resident_ : live_).levels.size();
  // The window moves on while the leak goes on: it has grown since it was first told.
  if (told_ == 0 || looks_ - told_ > kAgain + kTestEvery) {
    since_ = invocations_.newest() - span_of(invocations_, seen);
  }
  told_ = looks_;
  Finding finding;
  finding.code = "memory.leak";
  finding.severity = left && *left < kFewInvocationsLeft ? Severity::kCritical : Severity::kWarning;
  const auto since = static_cast<std::uint64_t>(std::max<std::int64_t>(since_, 1));
  finding.text = fmt::format(
      "{} grows by {} in each invocation, since {} at the latest, and does not "
      "level off{}.",
      resident_only ? "Resident memory" : "Live memory", human_bytes(growth.bytes_per_invocation),
      since_words(since),
      left ? fmt::format(": out of memory in {} more",
                         human_count(static_cast<std::uint64_t>(*left)))
           : std::string());
  finding.evidence = {
      {"bytes_per_invocation", growth.bytes_per_invocation},
      {"confidence_percent", growth.confidence_percent},
      {"invocations",
       span_of(invocations_, std::max(live_.levels.size(), resident_.levels.size())) + 1}};
  finding.add_evidence("since_invocation", static_cast<std::int64_t>(since));
  if (left) {
    finding.add_evidence("invocations_left", *left);
  }
  tell_where(finding, growth, resident_only);
  report.findings.push_back(std::move(finding));
}

// Objects that stay are kept in something: a list, a table of a dict. What is large of that is
// malloc's, so its blocks grow with the interpreter's heap, and know who made them.
const LeakWatch::Site* LeakWatch::keeper() const {
  const Site* site = live_.is_leak() ? worst_place(*live_.growth) : nullptr;
  return site != nullptr && has_functions(site->stack) ? site : nullptr;
}

const LeakWatch::Site* LeakWatch::site_of(const Growth& growth, bool resident_only) const {
  if (!resident_only) {
    const Site* site = worst_site(growth);
    return site != nullptr ? site : worst_place(growth);
  }
  const Site* site = worst_mapping(growth);
  if (site == nullptr) {
    return live_.is_leak() ? worst_site(*live_.growth) : nullptr;
  }
  const Site* keeps = site->heap ? keeper() : nullptr;
  return keeps != nullptr ? keeps : site;
}

void LeakWatch::tell_where(Finding& finding, const Growth& growth, bool resident_only) const {
  const Site* site = site_of(growth, resident_only);
  const bool live_too = live_.is_leak();
  finding.advice =
      resident_only && site == nullptr && !live_too && live_.levels.size() != 0
          ? "malloc's live bytes do not grow with it: look at the interpreter's own heap, memory "
            "mapped directly, or fragmentation."
          : "Look for what the handler keeps between invocations: globals, caches without "
            "a bound, listeners added again and again.";
  if (site == nullptr) {
    return;
  }
  finding.site = site->stack;
  if (site->heap) {
    finding.site_note = kWhereHeapGrew;
    finding.advice = kHeapAdvice;
  }
  const auto& own = site->watched.growth;
  finding.add_evidence("site_bytes_per_invocation",
                       resident_only || !own ? rise(*site) : own->bytes_per_invocation);
}

}  // namespace lamprey::report
