// The trail (LAMPREY_FLUSH=batch): what a boundary has that the one before had not, in few bytes,
// as trail_section.h says. One thread at a time, the one that has just written the boundary.
#include "recording/writer.h"

namespace lamprey::recording {
namespace {

static_assert(offsetof(Boundary, targets_used) - offsetof(Boundary, at) ==
              kTrailWords * sizeof(std::uint64_t));
constexpr std::uint32_t kTargetWords = sizeof(TargetTotals) / sizeof(std::uint64_t);
static_assert(sizeof(TargetTotals) == kTargetWords * sizeof(std::uint64_t));

constexpr CallTotals kNoCalls = {};
constexpr TargetTotals kNoTotals = {};
constexpr std::uint64_t kNoWords[kTrailWords] = {};

std::uint64_t word_of(const void* words, std::uint32_t index) {
  std::uint64_t word = 0;
  __builtin_memcpy(&word, static_cast<const char*>(words) + (index * sizeof(word)), sizeof(word));
  return word;
}

// Writes numbers behind what is there.
class Pen {
 public:
  Pen(Trail& trail, std::uint64_t at) : trail_(trail), at_(at) {}

  std::uint64_t at() const { return at_; }
  void number(std::uint64_t value) {
    constexpr std::uint64_t kMore = 0x80;
    for (; value >= kMore; value >>= 7U) {
      put(static_cast<std::uint8_t>(value | kMore));
    }
    put(static_cast<std::uint8_t>(value));
  }
  void change(std::uint64_t before, std::uint64_t after) {
    const std::uint64_t grown = after - before;
    const bool negative = grown >> 63U != 0;
    number(((negative ? 0 - grown : grown) << 1U) | (negative ? 1 : 0));
  }
  // Which of `count` words changed, and how.
  void words(const void* before, const void* after, std::uint32_t count) {
    number(changed(before, after, count));
    for (std::uint32_t i = 0; i < count; ++i) {
      if (word_of(before, i) != word_of(after, i)) {
        change(word_of(before, i), word_of(after, i));
      }
    }
  }
  static std::uint64_t changed(const void* before, const void* after, std::uint32_t count) {
    std::uint64_t bits = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      bits |= std::uint64_t{word_of(before, i) != word_of(after, i) ? 1U : 0U} << i;
    }
    return bits;
  }
  // Nothing where no call was made and none took time.
  void call(std::uint32_t number_of_it, const CallTotals& before, const CallTotals& after) {
    if (before.calls == after.calls && before.ticks == after.ticks) {
      return;
    }
    number(number_of_it + 1);
    change(before.calls, after.calls);
    change(before.errors, after.errors);
    change(before.bytes, after.bytes);
    change(before.ticks, after.ticks);
    number(after.max_ticks);
    if (before.calls != after.calls) {
      buckets(before, after);
    }
    number(0);
  }

 private:
  void buckets(const CallTotals& before, const CallTotals& after) {
    std::uint32_t next = 0;
    for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
      const std::uint32_t grown = after.buckets[bucket] - before.buckets[bucket];
      if (grown != 0) {
        number(bucket + 1 - next);
        change(0, grown);
        next = bucket + 1;
      }
    }
  }
  void put(std::uint8_t byte) {
    if (at_ == trail_.claimed) {
      take_back(trail_.claimed, at_ + kTrailClaim);
    }
    trail_.bytes[at_++ % kTrailBytes] = byte;
  }

  Trail& trail_;
  std::uint64_t at_;
};

// What is there before the first.
bool is_used(const Boundary* boundary, std::uint32_t kind, std::uint32_t index) {
  return boundary != nullptr && index - kTargetFirst[kind] < boundary->targets_used[kind];
}

void write_targets(Pen& pen, const Boundary* before, const Boundary& after) {
  std::uint32_t next = 0;
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint32_t end = kTargetFirst[kind] + after.targets_used[kind];
    for (std::uint32_t index = kTargetFirst[kind]; index < end; ++index) {
      const TargetTotals& was = is_used(before, kind, index) ? before->targets[index] : kNoTotals;
      if (Pen::changed(&was, &after.targets[index], kTargetWords) != 0) {
        pen.number(index + 1 - next);
        pen.words(&was, &after.targets[index], kTargetWords);
        next = index + 1;
      }
    }
  }
  pen.number(0);
}

void write_kernel(Pen& pen, const KernelBoundary* before, const KernelBoundary& after) {
  for (std::uint32_t i = 0; i < after.rows_used; ++i) {
    const bool known = before != nullptr && i < before->rows_used;
    if (after.rows[i].number != 0) {
      pen.call(after.rows[i].number - 1, known ? before->rows[i].totals : kNoCalls,
               after.rows[i].totals);
    }
  }
  pen.number(0);
}

}  // namespace

// `number`: of the boundary; it stands at that place of its ring.
void Writer::write_trail(std::uint64_t sequence, std::uint64_t number) const {
  Trail& trail = *this->trail();
  const Boundary& after = boundary_at(number);
  const Boundary* before = number == 0 ? nullptr : &boundary_at(number - 1);
  TrailEntry& entry = trail.index[number % kTrailEntries];
  take_back(entry.mark, 0);
  const TrailEntry& last = trail.index[(number - 1) % kTrailEntries];
  const std::uint64_t from = number == 0 ? 0 : last.until;
  Pen pen(trail, from);
  pen.words(before == nullptr ? static_cast<const void*>(kNoWords) : &before->at, &after.at,
            kTrailWords);
  for (std::uint32_t call = 0; call < kCallCount; ++call) {
    const std::uint32_t place = place_of_[call];
    if (place != 0 && place <= after.calls_used) {
      const bool known = before != nullptr && place <= before->calls_used;
      pen.call(call, known ? before->calls[place - 1].totals : kNoCalls,
               after.calls[place - 1].totals);
    }
  }
  pen.number(0);
  write_targets(pen, before, after);
  if (const Kernel* kernel = this->kernel()) {
    write_kernel(pen, number == 0 ? nullptr : &kernel->boundaries[(number - 1) % kKernelBoundaries],
                 kernel->boundaries[number % kKernelBoundaries]);
  }
  entry.sequence = sequence;
  entry.before = number == 0 ? sequence : last.sequence;
  entry.from = from;
  entry.until = pen.at();
  recording::publish(entry.mark, number + 1);
  recording::publish(trail.entries, number + 1);
}

// Two threads that ask at once may both be told so.
bool Writer::is_trail_due() const {
  Trail* trail = this->trail();
  const std::uint64_t entries = trail == nullptr ? 0 : load(trail->entries);
  if (entries == 0) {
    return false;
  }
  const std::uint64_t bytes = load(trail->index[(entries - 1) % kTrailEntries].until);
  const std::uint64_t errors = load(trail->errors);
  if (load(trail->told_entries) != 0 && entries - load(trail->told_entries) < kTrailDueEntries &&
      bytes - load(trail->told_bytes) < kTrailDueBytes &&
      errors - load(trail->told_errors) < kTrailDueErrors) {
    return false;
  }
  store(trail->told_entries, entries);
  store(trail->told_bytes, bytes);
  store(trail->told_errors, errors);
  return true;
}

bool Writer::is_reader_behind() const {
  const Trail* trail = this->trail();
  if (trail == nullptr || (header().flags & kFlagConcurrent) != 0) {
    return false;
  }
  const std::uint64_t told = load(trail->told_until);
  const std::uint64_t started = load(header().started);
  return told != 0 && told != load(trail->waited_at) && told <= started &&
         started - told >= kTrailBehind;
}

void Writer::stop_waiting_for_reader() const {
  if (Trail* trail = this->trail()) {
    store(trail->waited_at, load(trail->told_until));
  }
}

}  // namespace lamprey::recording
