// Reader: the trail (trail_section.h), from which the totals at the ends of many invocations are
// told that no boundary has any more. Nothing about opening or the header.
#include <algorithm>
#include <cstddef>
#include <cstring>

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
  // `back`: from a boundary to the one before it.
  Numbers(const std::uint8_t* at, const std::uint8_t* end, bool back)
      : at_(at), end_(end), back_(back) {}

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
    return ((value & 1U) != 0) != back_ ? 0 - (value >> 1U) : value >> 1U;
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
    const std::uint64_t longest = next();
    totals.max_ticks = back_ ? 0 : longest;  // that of the boundary before is not known
    std::uint32_t from = 0;
    while (const auto bucket = index(from, kBuckets)) {
      totals.buckets[*bucket] += static_cast<std::uint32_t>(change());
      from = *bucket + 1;
    }
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool back_;
  bool good_ = true;
};

// False: it makes no sense, and part of it was added.
bool add(Totals& totals, Numbers numbers, bool kernel) {
  static_assert(sizeof(BoundaryWords) == kTrailWords * sizeof(std::uint64_t));
  numbers.words(static_cast<BoundaryWords*>(&totals), kTrailWords);
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

// Reads what is new. What was overwritten meanwhile is left out.
void Reader::read_trail(TrailReading& trail) const {
  const std::uint64_t at = header_->trail.offset;
  Head head{};
  trail.first = trail.end = trail.next;
  if (!read_now(at, &head, sizeof(head)) || head.entries <= trail.next ||
      !read_now(at + offsetof(Trail, index), trail.index, sizeof(trail.index))) {
    return;
  }
  std::uint64_t first = head.entries;
  std::uint64_t until = head.claimed;
  while (first != trail.next && head.entries - first != kTrailEntries) {
    const TrailEntry& entry = trail.entry(first - 1);
    if (entry.mark != first || entry.from > entry.until || entry.until > until ||
        head.claimed - entry.from > kTrailBytes) {
      break;
    }
    until = entry.from;
    --first;
  }
  const std::uint64_t end = head.entries;
  const std::uint64_t bytes = first == end ? 0 : trail.entry(end - 1).until - until;
  const std::uint64_t straight = std::min(bytes, kTrailBytes - (until % kTrailBytes));
  const std::uint64_t ring = at + offsetof(Trail, bytes);
  if (!read_now(ring + (until % kTrailBytes), trail.bytes, straight) ||
      !read_now(ring, trail.bytes + straight, bytes - straight) ||
      !read_now(at, &head, sizeof(head))) {
    return;
  }
  while (first != end && head.claimed - trail.entry(first).from > kTrailBytes) {
    ++first;
  }
  trail.from = until;
  trail.first = first;
  trail.end = end;
}

// `back`: takes it away again.
void Reader::add_trail_entry(TrailReading& trail, std::uint64_t number, bool back) {
  const bool kernel = header_->exact == ExactState::kOn && header_->kernel.count != 0;
  const TrailEntry& entry = trail.entry(number);
  const std::uint8_t* const bytes = trail.bytes + (entry.from - trail.from);
  if (trail.now != nullptr &&
      !add(*trail.now, {bytes, bytes + (entry.until - entry.from), back}, kernel)) {
    drop("trail: numbers that cannot be");
    trail.now = nullptr;
  }
  if (trail.now != nullptr) {
    trail.now->kernel_known = kernel;
  }
  trail.next = back ? number : number + 1;
  trail.sequence = back ? entry.before : entry.sequence;
}

// Some before it are missing: it goes back to `begin` from a whole boundary that is still there.
void Reader::begin_trail_at(TrailReading& trail, std::uint64_t begin) {
  std::uint64_t number = trail.end;
  trail.now = nullptr;
  while (trail.now == nullptr && number != begin) {
    trail.now = kept_boundary(trail.entry(--number).sequence);
  }
  trail.next = begin;
  for (++number; trail.now != nullptr && number != begin; --number) {
    add_trail_entry(trail, number - 1, true);
  }
}

// Null: it is not there any more, or one after it was asked for before.
std::unique_ptr<Totals> Reader::trail_boundary(std::uint64_t sequence) {
  if (trail_ == nullptr) {
    trail_ = std::make_unique_for_overwrite<TrailReading>();
    trail_->now = std::make_unique<Totals>();  // before the first all is zero
  }
  TrailReading& trail = *trail_;
  const auto place = [&trail, sequence] {
    std::uint64_t number = std::max(trail.first, trail.next);
    while (number != trail.end && trail.entry(number).sequence != sequence) {
      ++number;
    }
    return number;
  };
  if (trail.next == 0 || trail.sequence != sequence) {
    std::uint64_t wanted = place();
    if (wanted == trail.end) {
      read_trail(trail);
      wanted = place();
    }
    if (wanted == trail.end) {
      return nullptr;
    }
    if (trail.now == nullptr || trail.next < trail.first) {
      begin_trail_at(trail, std::max(trail.first, trail.next));
    }
    while (trail.next <= wanted) {
      add_trail_entry(trail, trail.next, false);
    }
  }
  return trail.now == nullptr ? nullptr : std::make_unique<Totals>(*trail.now);
}

}  // namespace lamprey::recording
