// The walk of unwind.h: registers, and one step. What makes it cheap is unwind_cache.h.
#include "preload/stack/unwind.h"

#include "preload/base/page_probe.h"
#include "preload/stack/generated_code.h"
#include "preload/stack/hotspot/hotspot.h"
#include "preload/stack/modules.h"
#include "preload/stack/unwind_cache.h"
#include "preload/stack/unwind_expression.h"
#include "preload/stack/unwind_tables.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::unwind {

constinit std::uint64_t g_known_steps[std::size_t{1} << kIndexBits] = {};

namespace {

using recording::load;
using recording::store;

constexpr std::uintptr_t kLargestStack = std::uintptr_t{1} << 30;
constexpr std::uintptr_t kLargestGuess = std::uintptr_t{1} << 20;  // a frame without tables
constexpr std::uintptr_t kLowestCode = 4096;

// In a stack, a word with the highest bit is no address (recording/functions.h).
constexpr bool is_code(std::uintptr_t pc) {
  return static_cast<std::intptr_t>(pc) >= static_cast<std::intptr_t>(kLowestCode);
}
constexpr int kMaxSteps = NativeFrames::kMax + 16;  // this library's own frames are not kept

std::uintptr_t g_main_stack_end = 0;
std::uintptr_t g_main_thread = 0;  // its thread pointer
bool g_trampolines = false;        // may be met
bool g_v8 = false;                 // its frames may be met

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

std::uintptr_t end_of_page(std::uintptr_t address) {
  return (address & ~(page_probe::kPage - 1)) + page_probe::kPage;
}

bool aligned(std::uintptr_t address) { return address % sizeof(std::uint64_t) == 0; }

// What the steps of a walk relied on, for whoever wants to see later whether it would be the same.
struct Relied {
  Trace& trace;
  std::uintptr_t base;
  std::uint32_t count = 0;
  bool complete;

  void on(std::uintptr_t address, std::uint64_t word) {
    if (address < base) {
      return;  // a frame of this library's, the same whenever `base` is
    }
    const std::uintptr_t at = (address - base) / sizeof(std::uint64_t);
    if (at > UINT16_MAX || count == Trace::kMax) {
      complete = false;
      return;
    }
    trace.at[count] = static_cast<std::uint16_t>(at);
    trace.words[count++] = word;
  }
};

std::uint64_t word_at(std::uintptr_t address) {
  return *reinterpret_cast<const std::uint64_t*>(address);
}

// A step that leaves the pages which could be read so far: asks for those that it reads. Returns
// the end of the last one, 0 when one of them cannot be read.
std::uintptr_t __attribute__((noinline))
end_of_readable(std::uintptr_t cfa, Step step, std::uintptr_t end_of_stack) {
  const std::uintptr_t returned = cfa - step.returned();
  const std::uintptr_t frame = step.frame() != 0 ? cfa - step.frame() : returned;
  if ((end_of_stack != 0 && cfa > end_of_stack) ||
      !page_probe::readable(returned, sizeof(std::uint64_t)) ||
      !page_probe::readable(frame, sizeof(std::uint64_t))) {
    return 0;
  }
  return end_of_page(returned > frame ? returned : frame);
}

#if defined(__aarch64__)
// Where the caller's frame begins behind one without tables that ends at `cfa`. That is there, but
// where C++ entered V8: its entry saves 20 registers above the frame pointer. A word below that
// says what the frame is (V8 src/execution/frame-constants.h, EntryFrameConstants; frames.h: ENTRY
// and CONSTRUCT_ENTRY, shifted by 1).
std::uintptr_t __attribute__((noinline))
behind_entry(std::uintptr_t cfa, std::uintptr_t lowest, std::uintptr_t end, Relied& relied) {
  constexpr std::uintptr_t kMark = 24;    // below an ordinary frame's CFA
  constexpr std::uintptr_t kSaved = 144;  // above it
  const std::uintptr_t at = cfa - kMark;
  if (!load(g_v8) || at < lowest || !page_probe::readable(at, sizeof(std::uint64_t))) {
    return cfa;
  }
  const std::uint64_t mark = word_at(at);
  relied.on(at, mark);
  return (mark == 2 || mark == 4) && kSaved < end - cfa ? cfa + kSaved : cfa;
}
#endif

[[gnu::always_inline]] inline bool take(Registers& r, Step step, Relied& relied) {
  const std::uintptr_t cfa = (step.from_frame() ? r.fp : r.sp) + step.cfa();
  const std::uintptr_t room = cfa - r.sp;  // nothing below the stack pointer is anybody's
  if (cfa <= r.sp || !aligned(cfa) || room > kLargestStack || step.returned() > room ||
      step.frame() > room) {
    return false;
  }
  if (cfa > r.readable) [[unlikely]] {
    r.readable = end_of_readable(cfa, step, r.end);
    if (r.readable == 0) {
      return false;
    }
  }
  if (step.guess()) {
    if (r.end == 0 || room > kLargestGuess) {
      return false;
    }
    r.guessed = true;
  }
  r.by_guess = step.guess();
  if (step.from_frame()) {
    relied.on(r.fp_from, r.fp);
  }
  const std::uint64_t returned = word_at(cfa - step.returned());
  relied.on(cfa - step.returned(), returned);
  if (step.frame() != 0) {
    r.fp_from = cfa - step.frame();
    r.fp = word_at(r.fp_from);
  }
  r.pc = plain_address(returned);
  r.lr = 0;  // whatever it holds, it is not this frame's any more
#if defined(__aarch64__)
  r.sp = step.guess() ? behind_entry(cfa, r.sp, r.end, relied) : cfa;
#else
  r.sp = cfa;
#endif
  r.interrupted = false;
  return is_code(r.pc);
}

// Both platforms' calling conventions keep the frame pointer and the return address side by side,
// the frame pointer pointing at them.
constexpr Step kGuess(true, true, 2, 2, 1);

// What CPython makes for each function with PYTHONPERFSUPPORT: "sub $8, %rsp; call *%rcx; add $8,
// %rsp; ret" on x86_64, without tables and without a frame pointer. (arm64's keeps one.)
constexpr Step kTrampoline(false, false, 2, 0, 1);

// Reads the code that `r` returns to: only where each step so far was told by tables. Even so it
// may be none: what lies above the first frame of a coroutine is anybody's.
bool in_trampoline(const Registers& r) {
#if defined(__x86_64__)
  constexpr unsigned char kCode[] = {0xFF, 0xD1, 0x48, 0x83, 0xC4, 8, 0xC3};  // from the call on
  if (!g_trampolines || r.guessed || !page_probe::readable(r.pc - 2, sizeof(kCode))) {
    return false;
  }
  const auto* code = reinterpret_cast<const unsigned char*>(r.pc - 2);
  for (const unsigned char byte : kCode) {
    if (*code++ != byte) {
      return false;
    }
  }
  return true;
#else
  static_cast<void>(r);
  return false;
#endif
}

// Nobody called this code: its CFA lies nowhere, so the walk ends here.
constexpr Step kOutermost(false, false, 0, 0, 0);

// A rule as a cacheable step; false when it needs more than a step says.
bool to_step(const Rules& rules, Step& step) {
  const auto units_below = [](const Rule& rule, std::uint64_t& units) {
    const std::int64_t below = -rule.offset;
    units = static_cast<std::uint64_t>(below / static_cast<std::int64_t>(kUnit));
    return rule.kind == Rule::Kind::kAt && below > 0 && below % 8 == 0 && below / 8 <= 0xFF;
  };
  if (rules.cfa_computed || rules.signal_frame || rules.cfa_offset < 0 ||
      rules.cfa_offset % 8 != 0 || rules.cfa_offset / 8 > 0xFFF) {
    return false;
  }
  std::uint64_t returned = 0;
  std::uint64_t frame = 0;
  if (!units_below(rules.return_address, returned) ||
      (rules.frame_pointer.kind != Rule::Kind::kSame && !units_below(rules.frame_pointer, frame))) {
    return false;
  }
  step = Step(rules.cfa_register == kFrameRegister, false,
              static_cast<std::uint64_t>(rules.cfa_offset) / kUnit, frame, returned);
  return true;
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
  r = {plain_address(pc), cfa, fp, 0, r.end, 0, 0, rules.signal_frame, r.guessed, false};
  return is_code(r.pc);
}

// A frame of Java's code: the JVM tells how it steps, and that rests on more than words of the
// stack. Never from the cache, since what was compiled may be thrown away and its place used again.
[[gnu::always_inline]] inline bool step_java(Registers& r, Relied& relied) {
  relied.complete = false;
  hotspot::Position position = {r.pc, r.sp, r.fp, r.readable};
  if (!hotspot::step(position, r.end)) {
    return false;
  }
  r.pc = plain_address(position.pc);
  r.sp = position.sp;
  r.fp = position.fp;
  r.fp_from = 0;
  r.lr = 0;
  r.by_guess = true;  // without tables
  return is_code(r.pc);
}

// By the tables, for an address that is not known yet.
bool __attribute__((noinline)) step_anew(Registers& r, Relied& relied) {
  relied.complete = false;  // they may tell to read anything
  const std::uint64_t key = scattered(r.pc);
  Step step = kGuess;
  // A return address may be the first of the next function (after a call that never returns): the
  // call itself is what counts.
  const std::uintptr_t call = r.interrupted ? r.pc : r.pc - 1;
  if (take_signal_return(r)) {
    r.end = end_of_stack(r.sp);
    return is_code(r.pc);
  }
  Tables tables;
  const modules::Answer answer = modules::find_tables(call, tables);
  Rules rules;
  if (answer == modules::Answer::kFound && find_rules(tables, call, rules)) {
    if (!r.interrupted && to_step(rules, step)) {
      remember(key, step);
      return take(r, step, relied);
    }
    if (!r.interrupted && rules.return_address.kind == Rule::Kind::kUndefined) {
      remember(key, kOutermost);
      return false;
    }
    return take_rules(r, rules);
  }
  if (r.interrupted) {
    return false;  // anywhere in a prologue: nothing to guess by
  }
  step = in_trampoline(r) ? kTrampoline : kGuess;
  if (answer != modules::Answer::kAskLater && !(g_trampolines && r.guessed)) {
    remember(key, step);
  }
  return take(r, step, relied);
}

[[gnu::always_inline]] inline bool step_up(Registers& r, Relied& relied) {
  Step step = kOutermost;
  if (!r.interrupted && known(scattered(r.pc), step)) [[likely]] {
    return take(r, step, relied);
  }
  if (!r.interrupted && hotspot::holds(r.pc)) {
    return step_java(r, relied);
  }
  Registers registers = r;  // copies, so that the loop's own can stay in the machine's
  Relied so_far = relied;
  const bool up = step_anew(registers, so_far);
  r = registers;
  relied.count = so_far.count;
  relied.complete = so_far.complete;
  return up;
}

// Where a walk begins: in the function that asks. Its own frame is the first that is stepped out
// of, so it must be one that is neither inlined nor left by a tail call.
[[gnu::always_inline]] inline Registers registers_here() {
  Registers r = {};
#if defined(__x86_64__)
  asm volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
               : "=r"(r.pc), "=r"(r.sp), "=r"(r.fp));
#else
  asm volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29" : "=r"(r.pc), "=r"(r.sp), "=r"(r.fp));
  r.lr = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
#endif
  r.end = end_of_stack(r.sp);
  r.readable = end_of_page(r.sp);
  return r;
}

// -- from an interrupted instruction on -----------------------------------------------------------

// Out of code without tables. `has_frame`: the frame pointer is its own, not its caller's.
bool step_out_of_generated(Registers& r, Relied& relied, bool& has_frame) {
  const Returns where = returns_at(r.pc);
  has_frame = where == Returns::kInFrame;
  const Step step = has_frame                    ? kGuess
                    : where == Returns::kAtStack ? Step(false, true, 1, 0, 1)
                                                 : Step(false, true, 2, 2, 1);
  return take(r, step, relied);
}

// The first step. `own_frame`: whether `r` has a frame that its language's reader may look at.
bool step_out(Registers& r, Relied& relied, bool& own_frame) {
  own_frame = true;
  if (hotspot::holds(r.pc)) {
    hotspot::Position position = {r.pc, r.sp, r.fp, 0};
    if (!hotspot::step_interrupted(position, r.end)) {
      return false;
    }
    r = {plain_address(position.pc), position.sp, position.fp, 0, r.end, 0, 0, false, true, true};
    return is_code(r.pc);
  }
  Tables tables;
  if (modules::find_tables(r.pc, tables) == modules::Answer::kFound &&
      extent_of(tables, r.pc).begin != 0) {
    return step_anew(r, relied);
  }
  return step_out_of_generated(r, relied, own_frame);
}

// Nobody called the frame that `r` returns to.
bool is_outermost(const Registers& r) {
  Step step = kOutermost;
  return known(scattered(r.pc), step) && step.cfa() == 0 && step.returned() == 0;
}

}  // namespace

void set_main_stack(std::uintptr_t end) {
  g_main_stack_end = end;
  g_main_thread = thread_pointer();
}

void expect_trampolines() { g_trampolines = true; }

void expect_v8() { store(g_v8, true); }

void forget_addresses() {
  for (std::uint64_t& word : g_known_steps) {
    if (load(word) != 0) {
      store(word, 0);
    }
  }
}

Walk __attribute__((noinline))
walk(std::uint64_t* frames, std::uint32_t capacity, std::uintptr_t skip_begin,
     std::uintptr_t skip_end, Trace& trace) {
  Registers r = registers_here();
  Relied relied = {trace, trace.base, 0, r.end != 0};
  Walk result = {0, false};
  for (int steps = 0; steps < kMaxSteps; ++steps) {
    if (!step_up(r, relied)) {
      break;
    }
    if (r.pc >= skip_begin && r.pc < skip_end) {
      continue;
    }
    if (result.depth == capacity) {
      result.cut = true;
      break;
    }
    frames[result.depth++] = r.pc;
  }
  result.cut = result.cut || hotspot::holds(r.pc);
  trace.count = relied.count;
  trace.complete = relied.complete;
  asm volatile("" : : : "memory");
  return result;
}

void __attribute__((noinline)) walk_frames(NativeFrames& native, std::uintptr_t skip_begin,
                                           std::uintptr_t skip_end, Trace& trace) {
  Registers r = registers_here();
  Relied relied = {trace, trace.base, 0, r.end != 0};
  native.count = 0;
  native.cut = false;
  native.end_of_stack = r.end;
  for (int steps = 0; steps < kMaxSteps; ++steps) {
    if (!step_up(r, relied)) {
      break;
    }
    if (native.count != 0) {
      native.frames[native.count - 1].without_tables = r.by_guess;
    }
    if (r.pc >= skip_begin && r.pc < skip_end) {
      continue;
    }
    if (native.count == NativeFrames::kMax) {
      native.cut = true;
      break;
    }
    native.frames[native.count++] = {r.pc, r.sp, r.fp, false, false};
  }
  native.cut = native.cut || hotspot::holds(r.pc);  // Java has a caller
  trace.count = relied.count;
  trace.complete = relied.complete;
  asm volatile("" : : : "memory");
}

bool walk_interrupted(NativeFrames& native, const InterruptedRegisters& at,
                      std::uintptr_t skip_begin, std::uintptr_t skip_end) {
  Trace nobody_looks;
  nobody_looks.base = UINTPTR_MAX;
  Registers r = {at.pc, at.sp, at.fp, at.link, end_of_stack(at.sp), 0, 0, true, false, false};
  Relied relied = {nobody_looks, UINTPTR_MAX, 0, false};
  native.count = 0;
  native.cut = false;
  native.end_of_stack = r.end;
  const auto keep = [&native, skip_begin, skip_end](const NativeFrame& frame) {
    if ((frame.pc < skip_begin || frame.pc >= skip_end) && native.count < NativeFrames::kMax) {
      native.frames[native.count++] = frame;
    }
  };
  bool own_frame = true;
  Registers up = r;
  const bool stepped = step_out(up, relied, own_frame);
  if (own_frame) {
    keep({r.pc + 1, r.sp, r.fp, up.by_guess && stepped, true});
  }
  bool generated = up.by_guess && stepped;
  bool going = stepped;
  for (int steps = 0; going && steps < kMaxSteps; ++steps) {
    keep({up.pc, up.sp, up.fp, false, false});
    going = step_up(up, relied);
    if (going && native.count != 0 && !native.frames[native.count - 1].interrupted) {
      native.frames[native.count - 1].without_tables = up.by_guess;
    }
    generated = generated || up.by_guess;
  }
  native.cut = hotspot::holds(up.pc) || native.count == NativeFrames::kMax;
  return generated || is_outermost(up);
}

}  // namespace lamprey::preload::stack::unwind
