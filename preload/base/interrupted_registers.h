// The registers of the instruction that a signal interrupted, out of the ucontext_t that a handler
// with SA_SIGINFO is given. Which other registers a walker needs is its own business.
#pragma once

#include <ucontext.h>

#include <cstdint>

namespace lamprey::preload {

struct InterruptedRegisters {
  std::uintptr_t pc;
  std::uintptr_t sp;
  std::uintptr_t fp;
  std::uintptr_t link;  // the return address's register; 0 where there is none (x86_64)
};

inline InterruptedRegisters interrupted_registers(const void* context) {
  const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto of = [&machine](int which) {
    return static_cast<std::uintptr_t>(machine.gregs[which]);
  };
  return {of(REG_RIP), of(REG_RSP), of(REG_RBP), 0};
#else
  return {machine.pc, machine.sp, machine.regs[29], machine.regs[30]};
#endif
}

}  // namespace lamprey::preload
