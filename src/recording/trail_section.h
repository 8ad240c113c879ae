// The part of a recording that only LAMPREY_FLUSH=batch has, at the end of the file: what each of
// the newest boundaries has that the one before had not. So whoever reads seldom can tell the
// invocations apart that ended since. Part of the contract of layout.h; nothing here reads or
// writes a recording.
//
// A boundary has some 150 KB, most of it counters that did not change. Here it takes about 1 KB: a
// row of numbers, each in 7-bit groups, lowest first, the top bit set in all but the last group.
// Bytes are numbered from the start of the recording; byte n stands at bytes[n % kTrailBytes].
// In this order, where "change" is the number after less the number before (modulo 2^64), its
// absolute value shifted left by one, the lowest bit set when it is negative:
//
//   words    which of the kTrailWords words from Boundary::at on changed (bits), and their changes
//   calls    for each call that changed: call + 1; changes of calls, errors, bytes and ticks;
//            max_ticks itself; for each bucket that changed its distance from the one before it
//            (the first: from -1) and the change; 0. At the end of all calls: 0
//   targets  for each that changed: its distance from the one before it (the first: from -1); which
//            of the words of TargetTotals changed (bits), and their changes. At the end: 0
//   kernel   in exact mode, as calls: the kernel's, by number + 1
//
// The first boundary's changes are from zero. Boundaries follow in the order in which they were
// written: with it the reader's sum of all changes is the boundary itself.
#pragma once

#include <cstdint>

namespace lamprey::recording {

inline constexpr std::uint32_t kTrailBytes = 1U << 18U;
inline constexpr std::uint32_t kTrailEntries = 256;
inline constexpr std::uint32_t kTrailWords = 25;  // of a Boundary: those before targets_used
// The writer may overwrite bytes below Trail::claimed - kTrailBytes; it claims so many at a time.
inline constexpr std::uint32_t kTrailClaim = 4096;
// The companion is woken after init, and after so many boundaries or bytes. Invocations of a small
// function follow each other faster than a companion gets the CPU: three quarters are left for
// that.
inline constexpr std::uint64_t kTrailDueEntries = 32;  // a quarter of the ring of invocations
inline constexpr std::uint64_t kTrailDueBytes = kTrailBytes / 4;
inline constexpr std::uint64_t kTrailDueErrors = 4;  // half of the ring of words for errors
// A companion that has so many invocations left to tell of does not get the CPU: the environment is
// frozen between invocations that are shorter than what it takes to wake up. Before the ring of
// invocations is full, the runtime waits for it.
inline constexpr std::uint64_t kTrailBehind = 96;

struct TrailEntry {
  std::uint64_t mark;  // number of the boundary + 1; 0 while this is being written. Stored last
  std::uint64_t sequence;
  std::uint64_t before;  // that of the boundary before it; the first has its own
  std::uint64_t from;    // its bytes
  std::uint64_t until;
};

struct Trail {
  std::uint64_t entries;  // boundaries written. Stored last
  std::uint64_t claimed;  // stored before anything below is overwritten
  // As they were when the companion was last woken.
  std::uint64_t told_entries;
  std::uint64_t told_bytes;
  std::uint64_t told_errors;
  std::uint64_t errors;  // invocations that failed
  // The only word of a recording that the reader writes: the first invocation that it has not told
  // of; 0: nobody reads. And what it was when the runtime last waited in vain.
  std::uint64_t told_until;
  std::uint64_t waited_at;
  TrailEntry index[kTrailEntries];  // entry (number % kTrailEntries)
  std::uint8_t bytes[kTrailBytes];
};

}  // namespace lamprey::recording
