// Writing the timeline: which waits of an invocation took longest, and when (timeline_section.h).
#include "recording/writer.h"

namespace lamprey::recording {
namespace {

// The entry of a full bank with the shortest wait, taken from whoever had it; nullptr: none is
// shorter than `ticks`, or somebody else was faster.
Wait* take_shortest(Wait (&bank)[kWaits], std::uint64_t ticks) {
  Wait* shortest = nullptr;
  std::uint64_t least = ticks;
  for (Wait& wait : bank) {
    const std::uint64_t took = load(wait.ticks);
    if (took != 0 && took < least) {
      shortest = &wait;
      least = took;
    }
  }
  return shortest != nullptr && exchange_if(shortest->ticks, least, std::uint64_t{0}) ? shortest
                                                                                      : nullptr;
}

}  // namespace

void Writer::add_wait(const Wait& wait) {
  if (is_concurrent(header())) {
    return;
  }
  const std::uint64_t bank = load(header().started) % kWaitBanks;
  Wait(&entries)[kWaits] = timeline().banks[bank];
  Wait* place = nullptr;
  if (load(header().waits_taken[bank]) < kWaits) {
    const std::uint32_t next =
        __atomic_fetch_add(&header().waits_taken[bank], 1U, __ATOMIC_RELAXED);
    place = next < kWaits ? &entries[next] : nullptr;
  }
  place = place != nullptr ? place : take_shortest(entries, wait.ticks);
  if (place == nullptr) {
    return;
  }
  take_back(place->ticks, std::uint64_t{0});
  store(place->ended, wait.ended);
  store(place->call, wait.call);
  store(place->spent_on, wait.spent_on);
  store(place->phase, wait.phase);
  store(place->target, wait.target);
  store(place->tid, wait.tid);
  store(place->stack, wait.stack);
  recording::publish(place->ticks, wait.ticks);
}

void Writer::note_import(const Import& import, std::uint64_t least) {
  Import& now = header().importing;
  if (load(now.package) == import.package) {
    store(now.newest, import.newest);
    return;
  }
  Wait parts[2];
  const std::uint32_t count = import_parts(now, import.began, parts);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (parts[i].ticks >= least) {
      add_wait(parts[i]);
    }
  }
  take_back(now.package, 0U);
  store(now.began, import.began);
  store(now.newest, import.newest);
  store(now.tid, import.tid);
  store(now.stack, import.stack);
  recording::publish(now.package, import.package);
}

void Writer::restart_timeline(std::uint64_t sequence) {
  store(header().waits_taken[sequence % kWaitBanks], 0U);
}

}  // namespace lamprey::recording
