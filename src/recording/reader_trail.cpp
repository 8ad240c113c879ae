// Reader: the trail (trail_section.h), from which the totals at the ends of many invocations are
// told that no boundary has any more. Nothing about opening or the header.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "recording/trail_reading.h"

namespace lamprey::recording {
namespace {

constexpr std::uint32_t kTargetWords = sizeof(TargetTotals) / sizeof(std::uint64_t);

struct Head {  // Trail up to `told_entries`
  std::uint64_t entries;
  std::uint64_t claimed;
};
static_assert(sizeof(Head) == offsetof(Trail, told_entries));

void change_word(void* words, std::uint64_t index, std::uint64_t change) {
  char* const at = static_cast<char*>(words) + (index * sizeof(std::uint64_t));
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  word += change;
  std::memcpy(at, &word, sizeof(word));
}

// Reads the numbers of one boundary. What is not there, or makes no sense, ends it for good.
class Numbers {
 public:
  Numbers(const std::uint8_t* at, const std::uint8_t* end) : at_(at), end_(end) {}

  bool good() const { return good_; }
  bool are_over() const { return good_ && at_ == end_; }
  std::uint64_t next() {
    std::uint64_t value = 0;
    for (std::uint32_t shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const std::uint64_t byte = *at_++;
      value |= (byte & 0x7FU) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    good_ = false;
    return 0;
  }
  std::uint64_t change() {
    const std::uint64_t value = next();
    return (value & 1U) != 0 ? 0 - (value >> 1U) : value >> 1U;
  }
  // A number less one that has to be below `count`; nothing at the end of the list.
  std::optional<std::uint32_t> index(std::uint64_t from, std::uint32_t count) {
    const std::uint64_t step = next();
    good_ = good_ && step <= count && from + step <= count;
    return good_ && step != 0 ? std::optional(static_cast<std::uint32_t>(from + step - 1))
                              : std::nullopt;
  }
  void words(void* into, std::uint32_t count) {
    const std::uint64_t changed = next();
    good_ = good_ && changed >> count == 0;
    for (std::uint32_t i = 0; good_ && i < count; ++i) {
      if ((changed >> i & 1U) != 0) {
        change_word(into, i, change());
      }
    }
  }
  void call(CallTotals& totals) {
    totals.calls += change();
    totals.errors += change();
    totals.bytes += change();
    totals.ticks += change();
    totals.max_ticks = next();
    std::uint32_t from = 0;
    while (const auto bucket = index(from, kBuckets)) {
      totals.buckets[*bucket] += static_cast<std::uint32_t>(change());
      from = *bucket + 1;
    }
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool good_ = true;
};

// Totals has the words of a boundary in another order.
void add_words(Numbers& numbers, Totals& totals) {
  struct {
    ClockPair at;
    MemoryTotals memory;
    MappingTotals mappings;
    std::int64_t peak_live_bytes;
    ResourceUse use;
  } words{totals.at, totals.memory, totals.mappings, totals.peak_live_bytes, totals.use};
  static_assert(sizeof(words) == kTrailWords * sizeof(std::uint64_t));
  numbers.words(&words, kTrailWords);
  totals.at = words.at;
  totals.memory = words.memory;
  totals.mappings = words.mappings;
  totals.peak_live_bytes = words.peak_live_bytes;
  totals.use = words.use;
}

// False: it makes no sense, and part of it was added.
bool add(Totals& totals, Numbers numbers, bool kernel) {
  add_words(numbers, totals);
  while (const auto call = numbers.index(0, kCallCount)) {
    numbers.call(totals.calls[*call]);
  }
  std::uint32_t from = 0;
  while (const auto target = numbers.index(from, kTargets)) {
    numbers.words(&totals.targets[*target], kTargetWords);
    from = *target + 1;
  }
  if (kernel) {
    while (const auto number = numbers.index(0, kKernelNumbers)) {
      numbers.call(totals.kernel[*number]);
    }
  }
  return numbers.are_over();
}

}  // namespace

// Reads the entries that are new, oldest first, and their bytes. What was overwritten meanwhile is
// left out.
void Reader::read_trail(TrailReading& trail) const {
  const std::uint64_t at = header_->trail.offset;
  Head head{};
  std::vector<TrailEntry> index(kTrailEntries);
  trail.entries.clear();
  trail.used = 0;
  if (!read_now(at, &head, sizeof(head)) || head.entries <= trail.next ||
      !read_now(at + offsetof(Trail, index), index.data(), sizeof(Trail::index))) {
    return;
  }
  const std::uint64_t news = std::min<std::uint64_t>(head.entries - trail.next, kTrailEntries);
  std::uint64_t until = head.claimed;
  for (std::uint64_t i = 0; i < news; ++i) {
    const TrailEntry& entry = index[(head.entries - 1 - i) % kTrailEntries];
    if (entry.mark != head.entries - i || entry.from > entry.until || entry.until > until ||
        head.claimed - entry.from > kTrailBytes) {
      break;
    }
    until = entry.from;
    trail.entries.push_back(entry);
  }
  if (trail.entries.empty()) {
    return;
  }
  std::reverse(trail.entries.begin(), trail.entries.end());
  trail.from = until;
  trail.bytes.resize(trail.entries.back().until - until);
  const std::uint64_t bytes = at + offsetof(Trail, bytes);
  const std::size_t straight =
      std::min<std::size_t>(trail.bytes.size(), kTrailBytes - (until % kTrailBytes));
  const bool read = read_now(bytes + (until % kTrailBytes), trail.bytes.data(), straight) &&
                    read_now(bytes, trail.bytes.data() + straight, trail.bytes.size() - straight) &&
                    read_now(at, &head, sizeof(head));
  std::erase_if(trail.entries, [&](const TrailEntry& entry) {
    return !read || head.claimed - entry.from > kTrailBytes;
  });
}

// Where some before it are missing, a whole boundary that is still there is as good as their sum.
void Reader::take_trail_entry(TrailReading& trail, const TrailEntry& entry) {
  const bool kernel = header_->exact == ExactState::kOn && header_->kernel.count != 0;
  if (!trail.known || entry.mark != trail.next + 1) {
    auto kept = kept_boundary(entry.sequence);
    trail.known = kept != nullptr;
    if (trail.known) {
      trail.now = std::move(*kept);
    }
  } else if (const std::uint8_t* const bytes = trail.bytes.data() + (entry.from - trail.from);
             !add(trail.now, {bytes, bytes + (entry.until - entry.from)}, kernel)) {
    drop("trail: numbers that cannot be");
    trail.known = false;
  } else {
    trail.now.kernel_known = kernel;
  }
  trail.next = entry.mark;
  trail.sequence = entry.sequence;
}

// Null: it is not there any more, or one after it was asked for before.
std::unique_ptr<Totals> Reader::trail_boundary(std::uint64_t sequence) {
  if (trail_ == nullptr) {
    trail_ = std::make_unique<TrailReading>();
  }
  TrailReading& trail = *trail_;
  if (trail.used == trail.entries.size()) {
    read_trail(trail);
  }
  const auto wanted = std::find_if(
      trail.entries.begin() + static_cast<std::ptrdiff_t>(trail.used), trail.entries.end(),
      [sequence](const TrailEntry& entry) { return entry.sequence == sequence; });
  if (wanted != trail.entries.end()) {
    const auto until = static_cast<std::size_t>(wanted - trail.entries.begin()) + 1;
    while (trail.used != until) {
      take_trail_entry(trail, trail.entries[trail.used++]);
    }
  }
  if (trail.used == trail.entries.size()) {
    trail.bytes = {};
  }
  const bool there = trail.known && trail.next != 0 && trail.sequence == sequence;
  return there ? std::make_unique<Totals>(trail.now) : nullptr;
}

}  // namespace lamprey::recording
