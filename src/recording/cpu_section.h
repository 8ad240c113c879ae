// The part of a recording that only a process has whose CPU time is sampled, at the end of the
// file: which functions it was spent in. Part of the contract of layout.h; nothing here reads or
// writes a recording.
//
// Stacks of samples differ in their innermost instruction nearly every time, so they have a table
// of their own (docs/cpu.md): an entry is a stack in which the innermost address is the beginning
// of its function, and the program's own innermost function has no line; its lines are counted
// beside it. A function that calls itself directly stands there once.
//
// What is counted are intervals of CPU time, CpuProfile::interval_ns each. All threads add with
// atomics: a sample is taken a hundred times a second.
#pragma once

#include <cstdint>

namespace lamprey::recording {

inline constexpr std::uint32_t kCpuSites = 1024;
// The last of them are kept for stacks of one frame: when the others are used up, a sample is
// counted for its innermost function alone.
inline constexpr std::uint32_t kCpuSitesAlone = 192;
inline constexpr std::uint32_t kCpuFrameWords = 24 * 1024;
inline constexpr std::uint32_t kMaxCpuDepth = 64;  // frames of an entry
inline constexpr std::uint32_t kCpuLines = 4;      // of an entry

inline constexpr std::uint32_t kMaxCpuHz = 1000;
inline constexpr std::uint32_t kDefaultCpuHz = 97;  // no beat with what happens every 10 ms

enum class CpuState : std::uint32_t {
  kOff = 0,
  kOn = 1,
  kGoProgram = 2,    // its runtime uses the signal
  kSignalInUse = 3,  // the program has a use for the signal: no more samples since then
  kRefused = 4,      // the kernel gives no timer on a thread's CPU clock
  kDotNet = 5,       // its runtime cannot be interrupted by a handler on the alternate stack
};

// Of CpuSite::flags: its innermost function is one in which a thread waits without sleeping.
inline constexpr std::uint16_t kCpuAwake = 2;

// One line of the program's own innermost function.
struct CpuLine {
  std::uint32_t line;
  std::uint32_t intervals;
};

struct CpuSite {
  std::uint64_t hash;
  std::uint64_t intervals;
  std::uint32_t first;       // of its frames, in CpuProfile::words; as in Stack
  std::uint16_t depth;       // stored last; 0: not finished, or given up
  std::uint16_t generation;  // as in Stack
  std::uint16_t flags;       // as in Stack, and kCpuAwake
  std::uint16_t reserved;
  std::uint32_t other_lines;  // intervals in lines that found no room
  CpuLine lines[kCpuLines];
};

struct CpuProfile {
  CpuState state;
  std::uint32_t hz;
  std::uint64_t interval_ns;
  std::uint64_t samples;    // signals; one may stand for several intervals
  std::uint64_t intervals;  // of all samples
  std::uint64_t unplaced;   // of these, intervals whose stack found no room, or could not be taken
  std::uint32_t threads_refused;  // threads without a timer: the signal blocked, or no timer left
  std::uint32_t sites_used;       // handed out from the front, those for one frame left out
  std::uint32_t sites_alone;      // handed out from kCpuSites - kCpuSitesAlone on
  std::uint32_t words_used;
  CpuSite sites[kCpuSites];
  std::uint64_t words[kCpuFrameWords];
};

static_assert(sizeof(CpuSite) == 64);

}  // namespace lamprey::recording
