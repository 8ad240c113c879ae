// See generated_code.h.
#include "preload/stack/generated_code.h"

#include "preload/base/page_probe.h"

namespace lamprey::preload::stack::unwind {

#if defined(__x86_64__)

namespace {

bool is_prologue(const unsigned char* code) {  // push %rbp; mov %rsp, %rbp
  return code[0] == 0x55 && code[1] == 0x48 && code[2] == 0x89 && code[3] == 0xE5;
}

}  // namespace

// Code that asks something before it makes its frame is some instructions short of it: V8's does.
Returns returns_at(std::uintptr_t pc) {
  constexpr std::uintptr_t kAhead = 40;
  constexpr unsigned char kReturn = 0xC3;
  constexpr unsigned char kTrap = 0xCC;  // what lies between functions
  if (!page_probe::readable(pc, kAhead + 4)) {
    return Returns::kInFrame;
  }
  const auto* code = reinterpret_cast<const unsigned char*>(pc);
  if (code[0] == kReturn || code[0] == 0xC2) {
    return Returns::kAtStack;
  }
  if (code[0] == 0x5D || (code[0] == 0x48 && code[1] == 0x89 && code[2] == 0xE5)) {
    return Returns::kAboveStack;  // before "pop %rbp", behind "push %rbp"
  }
  for (std::uintptr_t i = 0; i < kAhead && code[i] != kReturn && code[i] != kTrap; ++i) {
    if (is_prologue(code + i)) {
      return Returns::kAtStack;
    }
  }
  return Returns::kInFrame;
}

#else

Returns returns_at(std::uintptr_t) { return Returns::kInFrame; }

#endif

}  // namespace lamprey::preload::stack::unwind
