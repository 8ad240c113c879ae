// Where a system call of libc's goes in exact mode, instead of into the kernel directly: through a
// stub of its own and the one gate, which counts and makes the call. exact.cpp leads places here.
//
// What the code around the place may rely on, and what keeps it true:
//   * All registers but the result (and rcx, r11 on x86-64), and on arm64 the flags, are as they
//     were: the gate saves those that a C++ function may change, and what it calls uses general
//     registers only (the compiler is told so), for libc keeps what it likes in vector registers.
//   * What lies in the 128 bytes below the stack pointer is kept (x86-64's red zone).
//   * The kernel makes calls again that a signal interrupted (SA_RESTART) by going back to the
//     instruction: that is the gate's.
//   * Unwinding, by an exception, a cancelled thread or a profiler, goes through: the gate's tables
//     make it a frame that was interrupted behind the instruction that was replaced. (Not in the
//     few instructions of a stub, where a signal handler sees no further.)
//   * longjmp out of a signal handler may leave the gate behind: it holds nothing.
//   * Calls that return twice, on another stack or never, which come here only by syscall(2), are
//     made with the stack as it was, behind the gate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::exact {

inline constexpr std::uint32_t kStubs = 1024;

// What stub and gate need to know of a place. The assembly below knows where each field is.
struct GateSite {
  std::uint64_t unwind_to;  // address behind the instruction that was replaced
  std::uint64_t resume;     // where the program goes on: behind all bytes that were replaced
  std::int64_t compared;    // with what the result is compared before that
  std::int32_t number;      // of the call; negative: it is in the register already
  std::uint32_t narrow;     // 1: only the lower half of the result is compared
};
static_assert(sizeof(GateSite) == 32);

// Code that is executed before a call, taken from in front of it; x86-64 only.
struct Copied {
  const std::uint8_t* code;
  std::size_t bytes;
};

// Memory for what is written at attach. False: there is none.
bool prepare_stubs();

// Makes stub `index`. Returns what its place is to jump to; 0: there is no room for it, or what is
// copied cannot do the same there.
std::uintptr_t make_stub(std::uint32_t index, const GateSite& site, Copied copied);

// After the last make_stub: stubs may be executed, and no longer written. False: they cannot be.
bool seal_stubs();

}  // namespace lamprey::preload::exact
