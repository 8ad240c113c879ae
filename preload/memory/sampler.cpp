// The rare half of sampling; see the header.
#include "preload/memory/sampler.h"

#include "preload/base/ticks.h"
#include "preload/memory/mappings.h"
#include "preload/memory/sampling_math.h"
#include "preload/memory/sites.h"
#include "preload/process/thread.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::memory::sampler {
namespace {

using recording::load;
using recording::shared_add;
using recording::store;
using recording::ThreadSlot;

constexpr std::uint64_t kDefaultBytes = 65536;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 40;

// Too many samples in this invocation: from now on every second one.
void keep_budget() {
  recording::Header& header = g_writer.header();
  shared_add(header.samples, 1);
  const std::uint64_t round = __atomic_add_fetch(&header.samples_this_round, 1U, __ATOMIC_RELAXED);
  if (round % recording::kMaxSamples != 0 || load(header.sample_bytes) < recording::kFixedBelow) {
    return;
  }
  const std::uint64_t now = load(header.sample_now);
  if (now < kMaxBytes) {
    store(header.sample_now, now * 2);
  }
}

void count_sample(const void* block, std::size_t requested, std::size_t usable, Kind kind,
                  double weight) {
  keep_budget();
  const std::uint32_t stack = stack::capture();
  recording::Site& site = sites::of(stack);
  shared_add(site.samples, 1);
  shared_add(site.allocated_bytes, sampling::weighted(requested, weight));
  if (kind == Kind::kNew) {
    shared_add(site.allocated_blocks, sampling::weighted(recording::kBlockUnits, weight));
  }
  const live_set::Sampled sampled = {sampling::weighted(usable, weight), stack, sites::round()};
  if (live_set::put(block, sampled)) {
    sites::add_live(stack, sampled.live_bytes);
  } else {
    shared_add(g_writer.header().samples_unplaced, 1);
  }
}

std::uint64_t measure_of(std::size_t requested, Kind kind) {
  return std::uint64_t{requested} + (kind == Kind::kNew ? 1 : 0);
}

std::uint64_t measured(const ThreadSlot& slot) {
  return load(slot.memory.allocated_bytes) + load(slot.memory.allocations);
}

// A thread's first mark lies before the allocation that asks for it: whether that one is sampled is
// left to the same chance as ever. Returns the mean if it is, else 0.
std::uint64_t begin(ThreadSlot& slot, std::uint64_t measure, std::uint64_t mean) {
  slot.random = sampling::seed_from(ticks() ^ reinterpret_cast<std::uintptr_t>(&slot) ^
                                    (static_cast<std::uint64_t>(load(slot.tid)) << 32U));
  const std::uint64_t distance = sampling::next_distance(slot.random, mean);
  if (distance <= measure) {
    return mean;
  }
  store(slot.sample_mean, mean);
  store(slot.next_sample, measured(slot) - measure + distance);
  return 0;
}

}  // namespace

bool attach(const char* text) {
  std::uint64_t bytes = 0;
  bool good = true;
  for (const char* c = text; good && c != nullptr && *c != '\0'; ++c) {
    good = *c >= '0' && *c <= '9' && bytes <= kMaxBytes;
    bytes = (bytes * 10) + static_cast<std::uint64_t>(*c - '0');
  }
  good = good && bytes <= kMaxBytes;
  const bool given = text != nullptr && *text != '\0';
  bytes = good && given ? bytes : kDefaultBytes;
  if ((g_writer.header().flags & recording::kFlagStacks) == 0) {
    bytes = 0;
  }
  g_writer.header().sample_bytes = bytes;
  g_writer.header().sample_now = bytes;
  return good;
}

void __attribute__((noinline))
take(ThreadSlot& slot, const void* block, std::size_t requested, std::size_t usable, Kind kind) {
  const std::uint64_t mean_now = load(g_writer.header().sample_now);
  if (mean_now == 0) {
    store(slot.next_sample, UINT64_MAX);
    return;
  }
  const std::uint64_t measure = measure_of(requested, kind);
  std::uint64_t mean = load(slot.sample_mean);
  if (mean == 0) {
    mean = begin(slot, measure, mean_now);
    if (mean == 0) {
      return;
    }
  }
  store(slot.sample_mean, mean_now);
  store(slot.next_sample, measured(slot) + sampling::next_distance(slot.random, mean_now));
  count_sample(block, requested, usable, kind, sampling::weight_of(measure, mean));
}

// Several threads may pass the shared mark together: the one that moves it takes the sample.
void take_shared(const void* block, std::size_t requested, std::size_t usable, Kind kind) {
  ThreadSlot& slot = g_writer.shared_slot();
  const std::uint64_t mean = load(g_writer.header().sample_bytes);
  std::uint64_t mark = load(slot.next_sample);
  const std::uint64_t now = measured(slot);
  if (mean == 0 || now < mark) {
    return;
  }
  std::uint64_t random = sampling::seed_from(now ^ ticks());
  const std::uint64_t next = now + sampling::next_distance(random, mean);
  if (__atomic_compare_exchange_n(&slot.next_sample, &mark, next, false, __ATOMIC_RELAXED,
                                  __ATOMIC_RELAXED) &&
      mark != 0) {
    count_sample(block, requested, usable, kind,
                 sampling::weight_of(measure_of(requested, kind), mean));
  }
}

void take_mapping(std::uintptr_t begin, std::uint64_t bytes) {
  const std::uint64_t mean = load(g_writer.header().sample_now);
  std::uint64_t random = sampling::seed_from(ticks() ^ (begin << 16U));
  if (mean == 0 || bytes == 0 || sampling::next_distance(random, mean) > bytes) {
    return;
  }
  keep_budget();
  const double weight = sampling::weight_of(bytes, mean);
  const std::uint64_t standing_for = sampling::weighted(bytes, weight);
  const std::uint32_t stack = stack::capture();
  recording::Site& site = sites::of(stack);
  if (stack != 0) {
    store(site.flags, recording::kSiteMapping);
  }
  shared_add(site.samples, 1);
  shared_add(site.allocated_bytes, standing_for);
  shared_add(site.allocated_blocks, sampling::weighted(recording::kBlockUnits, weight));
  if (mappings::follow({begin, begin + bytes, standing_for, stack, sites::round()})) {
    sites::add_live(stack, standing_for);
  }
}

void __attribute__((noinline)) freed(const void* block) {
  live_set::Sampled sampled;
  if (live_set::take(block, sampled)) {
    sites::remove_live(sampled.stack, sampled.live_bytes, sampled.round);
  }
}

Moved moving(const void* block) {
  Moved moved = {false, {0, 0, 0}};
  if (live_set::may_hold(block)) {
    moved.sampled = live_set::take(block, moved.was);
  }
  if (moved.sampled) {
    sites::remove_live(moved.was.stack, moved.was.live_bytes, moved.was.round);
  }
  return moved;
}

void not_moved(const void* block, const Moved& moved) {
  if (!moved.sampled) {
    return;
  }
  if (live_set::put(block, moved.was)) {
    sites::restore_live(moved.was.stack, moved.was.live_bytes, moved.was.round);
  } else {
    shared_add(g_writer.header().samples_unplaced, 1);
  }
}

}  // namespace lamprey::preload::memory::sampler
