// How a running thread is asked where it is, and how it answers: part of the contract of layout.h.
// The companion asks shortly before a deadline (report/procfs/closeup.h); the library answers
// (preload/cpu).
#pragma once

#include <cstdint>

#include "recording/stack_sections.h"

namespace lamprey::recording {

// Whoever wants to know where a running thread is sends it this signal by rt_tgsigqueueinfo(2),
// with SI_QUEUE and Header::ask as its value. A thread that is asleep must not be asked: its call
// would be interrupted, and its stack is in its in-flight record already.
inline constexpr int kAskSignal = 23;  // SIGURG: ignored by default

// InFlight::asked: the stack (index in Stack[] + 1), and how many invocations had started then.
inline constexpr std::uint32_t kAskedStackBits = 12;
constexpr std::uint32_t asked_word(std::uint32_t stack, std::uint64_t started) {
  return (static_cast<std::uint32_t>(started) << kAskedStackBits) | stack;
}
// 0: none was taken since then.
constexpr std::uint32_t asked_stack(std::uint32_t word, std::uint64_t started) {
  const std::uint32_t stack = word & ((1U << kAskedStackBits) - 1);
  return word == asked_word(stack, started) ? stack : 0;
}

static_assert(kStacks < 1U << kAskedStackBits);

}  // namespace lamprey::recording
