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

bool is_behind_system_call(std::uintptr_t pc) {
#if defined(__x86_64__)
  constexpr std::uint8_t kCall[] = {0x0F, 0x05};
#else
  constexpr std::uint8_t kCall[] = {0x01, 0, 0, 0xD4};
#endif
  const std::uintptr_t at = pc - sizeof(kCall);
  return page_probe::readable(at, sizeof(kCall)) &&
         __builtin_memcmp(reinterpret_cast<const void*>(at), kCall, sizeof(kCall)) == 0;
}

// What the processor said, as the kernel keeps it beside the registers.
struct Trap {
  int signal;  // that follows from it; 0: none
  int code;
  std::uintptr_t address;
};

// An access to memory that was refused; the kernel makes one of two signals of it.
Trap access_to(std::uintptr_t address, bool is_mapped, int killed_by) {
  if (killed_by == SIGBUS) {
    return {SIGBUS, BUS_ADRERR, address};
  }
  return {SIGSEGV, is_mapped ? SEGV_ACCERR : SEGV_MAPERR, address};
}

#if defined(__x86_64__)
// DIV or IDIV. The number of a division's trap is 0, which is also there where no trap ever was.
bool is_division(std::uintptr_t pc) {
  constexpr std::size_t kMaxBytes = 4;  // prefixes, opcode, ModRM
  if (!page_probe::readable(pc, kMaxBytes)) {
    return false;
  }
  const auto* code = reinterpret_cast<const std::uint8_t*>(pc);
  std::size_t at = code[0] == 0x66 ? 1 : 0;
  at += (code[at] & 0xF0U) == 0x40 ? 1 : 0;  // REX
  const unsigned operation = (code[at + 1] >> 3U) & 7U;
  return (code[at] == 0xF6 || code[at] == 0xF7) && (operation == 6 || operation == 7);
}

Trap trap_of(const ucontext_t& context, const InterruptedRegisters& at, int killed_by) {
  constexpr long long kPageFault = 14;
  const auto& registers = context.uc_mcontext.gregs;
  const long long number = registers[REG_TRAPNO];
  if (number == kPageFault) {
    return access_to(static_cast<std::uintptr_t>(registers[REG_CR2]), (registers[REG_ERR] & 1) != 0,
                     killed_by);
  }
  switch (number) {
    case 0:
      return is_division(at.pc) ? Trap{SIGFPE, FPE_INTDIV, at.pc} : Trap{};
    case 6:
      return {SIGILL, ILL_ILLOPN, at.pc};
    case 13:
      return {SIGSEGV, SI_KERNEL, 0};
    default:
      return {};
  }
}
#else
// The record of the exception syndrome among those behind the registers
// (arch/arm64/include/uapi/asm/sigcontext.h); 0: none, the kernel writes it for faults only.
std::uint64_t syndrome_of(const ucontext_t& context) {
  constexpr std::uint32_t kSyndrome = 0x45535201;
  const auto* records = reinterpret_cast<const std::uint8_t*>(&context.uc_mcontext.__reserved);
  constexpr std::size_t kBytes = sizeof(context.uc_mcontext.__reserved);
  for (std::size_t at = 0; at + 16 <= kBytes;) {
    std::uint32_t magic = 0;
    std::uint32_t size = 0;
    __builtin_memcpy(&magic, records + at, sizeof(magic));
    __builtin_memcpy(&size, records + at + 4, sizeof(size));
    if (magic == kSyndrome) {
      std::uint64_t syndrome = 0;
      __builtin_memcpy(&syndrome, records + at + 8, sizeof(syndrome));
      return syndrome;
    }
    if (magic == 0 || size < 16 || size % 16 != 0) {
      break;
    }
    at += size;
  }
  return 0;
}

Trap trap_of(const ucontext_t& context, const InterruptedRegisters& at, int killed_by) {
  const std::uint64_t syndrome = syndrome_of(context);
  if (syndrome == 0) {
    return {};
  }
  constexpr std::uint64_t kInstructionAbort = 0x20;
  constexpr std::uint64_t kDataAbort = 0x24;
  constexpr std::uint64_t kPermission = 3;
  const std::uint64_t what = (syndrome >> 26U) & 0x3FU;
  const bool is_abort = what == kInstructionAbort || what == kDataAbort;
  if (is_abort) {
    return access_to(static_cast<std::uintptr_t>(context.uc_mcontext.fault_address),
                     ((syndrome >> 2U) & 0xFU) == kPermission, killed_by);
  }
  return what == 0 ? Trap{SIGILL, ILL_ILLOPC, at.pc} : Trap{};
}
#endif

bool read_trap(const ucontext_t& context, const InterruptedRegisters& at, int killed_by,
               HandledFault& fault) {
  const Trap trap = trap_of(context, at, killed_by);
  if (trap.signal == 0 || trap.signal != killed_by || is_behind_system_call(at.pc)) {
    return false;
  }
  fault = {trap.signal, trap.code, trap.address, at.pc, at.sp};
  return true;
}

bool read_frame(std::uintptr_t trampoline_sp, std::uintptr_t interrupted_pc, int killed_by,
                HandledFault& fault) {
  const std::uintptr_t context = trampoline_sp + kContextAt;
  const std::uintptr_t info_at = trampoline_sp + kInfoAt;
  constexpr std::size_t kRegistersEnd = offsetof(ucontext_t, uc_mcontext) + sizeof(mcontext_t);
  if (context % 8 != 0 || !page_probe::readable(context, kRegistersEnd) ||
      !page_probe::readable(info_at, sizeof(siginfo_t))) {
    return false;
  }
  const InterruptedRegisters at = interrupted_registers(reinterpret_cast<const void*>(context));
  const auto* info = reinterpret_cast<const siginfo_t*>(info_at);
  if (at.pc != interrupted_pc) {
    return false;
  }
  if (info->si_signo == killed_by && info->si_code <= 0) {
    return false;  // a process sent it
  }
  if (!is_fault(info->si_signo) || info->si_code <= 0) {
    return read_trap(*reinterpret_cast<const ucontext_t*>(context), at, killed_by, fault);
  }
  fault = {info->si_signo, info->si_code, reinterpret_cast<std::uintptr_t>(info->si_addr), at.pc,
           at.sp};
  return true;
}

NativeFrames g_frames;  // too large for a handler's stack
bool g_taken = false;

bool find_in_frames(HandledFault& fault, int killed_by) {
  const modules::Range own = modules::own();
  unwind::Trace nobody_looks;
  nobody_looks.base = UINTPTR_MAX;
  unwind::walk_frames(g_frames, own.begin, own.end, nobody_looks);
  for (std::uint32_t i = 1; i < g_frames.count; ++i) {
    // The return address that stands for an interrupted instruction is that instruction's.
    const std::uintptr_t pc = g_frames.frames[i].pc;
    const NativeFrame& inner = g_frames.frames[i - 1];
    if (is_trampoline(inner.pc) && (read_frame(inner.sp, pc, killed_by, fault) ||
                                    read_frame(inner.sp, pc - 1, killed_by, fault))) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool find_handled_fault(HandledFault& fault, int killed_by) {
  if (__atomic_test_and_set(&g_taken, __ATOMIC_ACQUIRE)) {
    return false;
  }
  const bool found = find_in_frames(fault, killed_by);
  __atomic_clear(&g_taken, __ATOMIC_RELEASE);
  return found;
}

}  // namespace lamprey::preload::stack
