// The walk of unwind.h: registers, one step, and the cache that makes a step cheap.
#include "preload/unwind.h"

#include "preload/modules.h"
#include "preload/unwind_expression.h"
#include "preload/unwind_tables.h"
#include "recording/counting.h"

namespace lamprey::preload::unwind {
namespace {

using recording::load;
using recording::store;

constexpr std::uintptr_t kLargestStack = std::uintptr_t{1} << 30;
constexpr std::uintptr_t kLargestGuess = std::uintptr_t{1} << 20;  // a frame without tables
constexpr std::uintptr_t kLowestCode = 4096;
constexpr int kMostSteps = 256;

std::uintptr_t g_main_stack_end = 0;
std::uintptr_t g_main_thread = 0;  // its thread pointer

// -- the cache ------------------------------------------------------------------------------------
// One word an entry, so that it is never torn. The 47 bits of a return address are multiplied by an
// odd number modulo 2^47, which no two addresses share: 13 of them choose the entry, 34 are kept in
// it. The other 30 say how to step: which register the CFA is counted from (1), that it is a guess
// (1), CFA offset (12), and how far below the CFA the frame pointer (8; 0: not saved) and the
// return address (8) lie, all in units.
constexpr unsigned kAddressBits = 47;
constexpr unsigned kIndexBits = 13;
constexpr unsigned kTagBits = kAddressBits - kIndexBits;
constexpr std::uint64_t kAddressMask = (std::uint64_t{1} << kAddressBits) - 1;
constexpr std::uint64_t kScatter = 0x5851F42D4C95U | 1U;
#if defined(__x86_64__)
constexpr unsigned kAddressShift = 0;
constexpr std::uint64_t kUnit = 8;
#else
constexpr unsigned kAddressShift = 1;  // instructions are aligned to 4: 48 bits fit
constexpr std::uint64_t kUnit = 8;
#endif

std::uint64_t g_known[std::size_t{1} << kIndexBits];

struct Step {
  bool from_frame;         // the CFA is counted from the frame pointer, else the stack pointer
  bool guess;              // no table said so
  std::uint32_t cfa;       // units above that register
  std::uint32_t frame;     // units below the CFA where the frame pointer is; 0: not saved
  std::uint32_t returned;  // units below the CFA where the return address is
};

std::uint64_t scattered(std::uintptr_t pc) {
  return ((pc >> kAddressShift) * kScatter) & kAddressMask;
}

bool recall(std::uint64_t key, Step& step) {
  const std::uint64_t word = load(g_known[key >> kTagBits]);
  if (word == 0 || (word >> (64 - kTagBits)) != (key & ((std::uint64_t{1} << kTagBits) - 1))) {
    return false;
  }
  step.from_frame = (word & 1U) != 0;
  step.guess = (word & 2U) != 0;
  step.cfa = static_cast<std::uint32_t>((word >> 2U) & 0xFFFU);
  step.frame = static_cast<std::uint32_t>((word >> 14U) & 0xFFU);
  step.returned = static_cast<std::uint32_t>((word >> 22U) & 0xFFU);
  return true;
}

void remember(std::uint64_t key, const Step& step) {
  const std::uint64_t word = (step.from_frame ? 1U : 0U) | (step.guess ? 2U : 0U) |
                             (std::uint64_t{step.cfa} << 2U) | (std::uint64_t{step.frame} << 14U) |
                             (std::uint64_t{step.returned} << 22U) | (key << (64 - kTagBits));
  store(g_known[key >> kTagBits], word);
}

// -- the walk -------------------------------------------------------------------------------------

std::uintptr_t thread_pointer() {
  return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
}

// Where the stack that holds `sp` ends; 0: unknown (a coroutine's, a signal handler's own).
// glibc and musl put a thread's own control block, which the thread pointer names, at the upper end
// of its stack; the main thread's lies elsewhere, its stack ends at the environment.
std::uintptr_t end_of_stack(std::uintptr_t sp) {
  if (sp < g_main_stack_end && g_main_stack_end - sp < kLargestStack) {
    return g_main_stack_end;
  }
  const std::uintptr_t thread = thread_pointer();
  return thread != g_main_thread && sp < thread && thread - sp < kLargestStack ? thread : 0;
}

#if defined(__aarch64__)
// Signed return addresses (PAC) carry a signature in their upper bits; user space has 48.
std::uintptr_t plain_address(std::uint64_t value) { return value & 0x0000FFFFFFFFFFFFU; }
#else
std::uintptr_t plain_address(std::uint64_t value) { return value; }
#endif

bool aligned(std::uintptr_t address) { return address % sizeof(std::uint64_t) == 0; }

bool take_cached(Registers& r, const Step& step) {
  const std::uintptr_t base = step.from_frame ? r.fp : r.sp;
  const std::uintptr_t cfa = base + (step.cfa * kUnit);
  if (cfa <= r.sp || !aligned(cfa) || (r.end != 0 && cfa > r.end) ||
      (step.guess && (r.end == 0 || cfa - r.sp > kLargestGuess)) || cfa - r.sp > kLargestStack) {
    return false;
  }
  const auto at = [cfa](std::uint32_t units) {
    return *reinterpret_cast<const std::uint64_t*>(cfa - (units * kUnit));
  };
  if (cfa - (step.returned * kUnit) < r.sp ||
      (step.frame != 0 && cfa - (step.frame * kUnit) < r.sp)) {
    return false;  // nothing below the stack pointer is anybody's
  }
  const std::uint64_t frame = step.frame != 0 ? at(step.frame) : r.fp;
  r.pc = plain_address(at(step.returned));
  r.lr = 0;  // whatever it holds, it is not this frame's any more
  r.fp = frame;
  r.sp = cfa;
  r.interrupted = false;
  return r.pc >= kLowestCode;
}

// Both platforms' calling conventions keep the frame pointer and the return address side by side,
// the frame pointer pointing at them.
constexpr Step kGuess = {true, true, 2, 2, 1};

// A rule as a cacheable step; false when it needs more than a step says.
bool to_step(const Rules& rules, Step& step) {
  const auto units_below = [](const Rule& rule, std::uint32_t& units) {
    const std::int64_t below = -rule.offset;
    units = static_cast<std::uint32_t>(below / static_cast<std::int64_t>(kUnit));
    return rule.kind == Rule::Kind::kAt && below > 0 && below % 8 == 0 && below / 8 <= 0xFF;
  };
  if (rules.cfa_computed || rules.signal_frame || rules.cfa_offset < 0 ||
      rules.cfa_offset % 8 != 0 || rules.cfa_offset / 8 > 0xFFF) {
    return false;
  }
  step = {rules.cfa_register == kFrameRegister, false,
          static_cast<std::uint32_t>(rules.cfa_offset / 8), 0, 0};
  return units_below(rules.return_address, step.returned) &&
         (rules.frame_pointer.kind == Rule::Kind::kSame ||
          units_below(rules.frame_pointer, step.frame));
}

// The general step; false at the end of the stack and where nothing can be said.
bool take_rules(Registers& r, const Rules& rules) {
  std::uint64_t cfa = 0;
  if (rules.cfa_computed) {
    if (!evaluate(rules.cfa_expression, r, nullptr, cfa)) {
      return false;
    }
  } else {
    cfa = (rules.cfa_register == kFrameRegister ? r.fp : r.sp) +
          static_cast<std::uint64_t>(rules.cfa_offset);
  }
  std::uint64_t pc = 0;
  std::uint64_t fp = 0;
  if (!aligned(cfa) || !caller_value(rules.return_address, r, cfa, r.lr, pc) ||
      !caller_value(rules.frame_pointer, r, cfa, r.fp, fp)) {
    return false;
  }
  // Only a signal frame may lead to another stack, and only a leaf (arm64) has no frame at all.
  const bool forward = cfa > r.sp || (cfa == r.sp && r.interrupted);
  if (!rules.signal_frame &&
      (!forward || cfa - r.sp > kLargestStack || (r.end != 0 && cfa > r.end))) {
    return false;
  }
  if (rules.signal_frame) {
    r.end = end_of_stack(cfa);
  }
  r = {plain_address(pc), cfa, fp, 0, r.end, rules.signal_frame};
  return r.pc >= kLowestCode;
}

bool step_up(Registers& r) {
  const std::uint64_t key = scattered(r.pc);
  Step step;
  if (!r.interrupted && recall(key, step)) [[likely]] {
    return take_cached(r, step);
  }
  // A return address may be the first of the next function (after a call that never returns): the
  // call itself is what counts.
  const std::uintptr_t call = r.interrupted ? r.pc : r.pc - 1;
  if (take_signal_return(r)) {
    r.end = end_of_stack(r.sp);
    return r.pc >= kLowestCode;
  }
  Tables tables;
  const modules::Answer answer = modules::find_tables(call, tables);
  Rules rules;
  if (answer == modules::Answer::kFound && find_rules(tables, call, rules)) {
    if (!r.interrupted && to_step(rules, step)) {
      remember(key, step);
      return take_cached(r, step);
    }
    return take_rules(r, rules);
  }
  if (r.interrupted) {
    return false;  // anywhere in a prologue: nothing to guess by
  }
  if (answer != modules::Answer::kAskLater) {
    remember(key, kGuess);
  }
  return take_cached(r, kGuess);
}

}  // namespace

void set_main_stack(std::uintptr_t end) {
  g_main_stack_end = end;
  g_main_thread = thread_pointer();
}

void forget_addresses() {
  for (std::uint64_t& word : g_known) {
    if (load(word) != 0) {
      store(word, 0);
    }
  }
}

// Not inlined and not a tail call: its own frame is the first that is stepped out of.
Walk __attribute__((noinline)) walk(std::uint64_t* frames, std::uint32_t capacity,
                                    std::uintptr_t skip_begin, std::uintptr_t skip_end) {
  Registers r = {};
#if defined(__x86_64__)
  asm volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
               : "=r"(r.pc), "=r"(r.sp), "=r"(r.fp));
#else
  asm volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29" : "=r"(r.pc), "=r"(r.sp), "=r"(r.fp));
  r.lr = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
#endif
  r.end = end_of_stack(r.sp);
  Walk result = {0, false};
  for (int steps = 0; steps < kMostSteps && step_up(r); ++steps) {
    if (r.pc >= skip_begin && r.pc < skip_end) {
      continue;
    }
    if (result.depth == capacity) {
      result.cut = true;
      break;
    }
    frames[result.depth++] = r.pc;
  }
  asm volatile("" : : : "memory");
  return result;
}

}  // namespace lamprey::preload::unwind
