// See handled_fault.h.
#include "preload/stack/handled_fault.h"

#include <signal.h>
#include <ucontext.h>

#include "preload/base/interrupted_registers.h"
#include "preload/base/page_probe.h"
#include "preload/stack/modules.h"
#include "preload/stack/unwind.h"

namespace lamprey::preload::stack {
namespace {

// Where the kernel puts both, counted from the trampoline's stack pointer
// (arch/x86/include/asm/sigframe.h, with its own ucontext of 304 bytes;
// arch/arm64/kernel/signal.c).
#if defined(__x86_64__)
constexpr std::uintptr_t kContextAt = 0;
constexpr std::uintptr_t kInfoAt = 304;
#else
constexpr std::uintptr_t kContextAt = 128;
constexpr std::uintptr_t kInfoAt = 0;
#endif

// The instructions that a handler returns to: rt_sigreturn(2), as libc's or the vDSO's (gdb knows
// the frame by them, too). By the stack alone a return address that happens to stand where the
// kernel would have put the interrupted instruction's is taken for one.
#if defined(__x86_64__)
constexpr std::uint8_t kReturn[] = {0x48, 0xC7, 0xC0, 0x0F, 0, 0, 0, 0x0F, 0x05};
#else
constexpr std::uint8_t kReturn[] = {0x68, 0x11, 0x80, 0xD2, 0x01, 0, 0, 0xD4};
#endif

bool is_trampoline(std::uintptr_t pc) {
  return page_probe::readable(pc, sizeof(kReturn)) &&
         __builtin_memcmp(reinterpret_cast<const void*>(pc), kReturn, sizeof(kReturn)) == 0;
}

bool is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
         number == SIGTRAP;
}

bool read_frame(std::uintptr_t trampoline_sp, std::uintptr_t interrupted_pc, HandledFault& fault) {
  const std::uintptr_t context = trampoline_sp + kContextAt;
  const std::uintptr_t info_at = trampoline_sp + kInfoAt;
  constexpr std::size_t kRegistersEnd = offsetof(ucontext_t, uc_mcontext) + sizeof(mcontext_t);
  if (context % 8 != 0 || !page_probe::readable(context, kRegistersEnd) ||
      !page_probe::readable(info_at, sizeof(siginfo_t))) {
    return false;
  }
  const InterruptedRegisters at = interrupted_registers(reinterpret_cast<const void*>(context));
  const auto* info = reinterpret_cast<const siginfo_t*>(info_at);
  if (at.pc != interrupted_pc || !is_fault(info->si_signo) || info->si_code <= 0) {
    return false;
  }
  fault = {info->si_signo, info->si_code, reinterpret_cast<std::uintptr_t>(info->si_addr), at.pc,
           at.sp};
  return true;
}

NativeFrames g_frames;  // too large for a handler's stack
bool g_taken = false;

bool find_in_frames(HandledFault& fault) {
  const modules::Range own = modules::own();
  unwind::Trace nobody_looks;
  nobody_looks.base = UINTPTR_MAX;
  unwind::walk_frames(g_frames, own.begin, own.end, nobody_looks);
  for (std::uint32_t i = 1; i < g_frames.count; ++i) {
    // The return address that stands for an interrupted instruction is that instruction's.
    const std::uintptr_t pc = g_frames.frames[i].pc;
    const NativeFrame& inner = g_frames.frames[i - 1];
    if (is_trampoline(inner.pc) &&
        (read_frame(inner.sp, pc, fault) || read_frame(inner.sp, pc - 1, fault))) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool find_handled_fault(HandledFault& fault) {
  if (__atomic_test_and_set(&g_taken, __ATOMIC_ACQUIRE)) {
    return false;
  }
  const bool found = find_in_frames(fault);
  __atomic_clear(&g_taken, __ATOMIC_RELEASE);
  return found;
}

}  // namespace lamprey::preload::stack
