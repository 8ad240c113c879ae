// The part of a recording that only exact mode has, at the end of the file: the system calls by
// their number, and copies of their totals at the end of init and of each invocation. Part of the
// contract of layout.h; nothing here reads or writes a recording.
//
// A row belongs to one number and is handed out at its first call. All threads add to it with
// atomics: a system call takes 0.1 us and more, and the mode is opt-in.
#pragma once

#include <cstdint>

#include "recording/call_totals.h"
#include "recording/kernel_calls.h"

namespace lamprey::recording {

inline constexpr std::uint32_t kKernelRows =
    128;  // the largest programs make some 90 kinds of call

// Why exact mode is not on, in Kernel::state.
enum class ExactState : std::uint32_t {
  kOff = 0,  // not asked for
  kOn = 1,
  kNotGlibc = 2,
  kNewGlibc = 3,   // 2.41 and later: cancellable calls share one place, which judges by addresses
  kNoCounter = 4,  // no time stamp counter that can be trusted: the clock is itself a call
  kThreads = 5,    // other threads ran already
  kRefused = 6,    // the system does not let code be changed
  kNoPlaces = 7,   // no place found that could be led to the gate
  kListed = 8,     // the layer's compatibility list says that it stays off here
};

struct KernelRow {
  std::uint32_t number;  // of the call, + 1; 0: not handed out
  std::uint32_t reserved;
  CallTotals totals;
};

// Valid when sequence_begin == sequence_end == sequence + 1, as a Boundary.
struct KernelBoundary {
  std::uint64_t sequence_begin;
  std::uint64_t sequence_end;
  std::uint64_t rows_used;
  KernelRow rows[kKernelRows];
};

inline constexpr std::uint32_t kKernelBoundaries = 4;  // kBoundaries

struct Kernel {
  std::uint32_t places;       // of libc's system calls that lead to the gate
  std::uint32_t places_left;  // those that could not
  std::uint32_t rows_used;    // handed out; more than kKernelRows when some were refused
  std::uint32_t reserved;
  std::uint64_t uncounted;               // calls for which there was no row
  std::uint16_t row_of[kKernelNumbers];  // + 1; 0: none yet
  KernelRow rows[kKernelRows];
  KernelBoundary boundaries[kKernelBoundaries];
};

}  // namespace lamprey::recording
