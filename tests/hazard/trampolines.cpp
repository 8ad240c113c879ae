// Allocates below code made at run time as CPython makes it for PYTHONPERFSUPPORT on x86_64, a
// trampoline for each function: no tables, no frame pointer. Says on stdout where that code is.
// "none" on other machines, whose trampolines keep a frame pointer.
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/hazard/opaque.h"

#if defined(__x86_64__)

using Inner = void (*)(long depth);

// Calls code(depth, ..., inner), the fourth argument in rcx as that code wants it, with nonsense in
// the frame pointer's register: a program built without frame pointers keeps there what it likes.
extern "C" void call_through(Inner inner, long depth, std::uintptr_t code);
asm(R"(
        .text
        .type call_through, @function
call_through:
        .cfi_startproc
        push %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        mov $4097, %ebp
        mov %rdi, %rcx
        mov %rsi, %rdi
        call *%rdx
        pop %rbp
        .cfi_def_cfa_offset 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size call_through, . - call_through
)");

namespace {

// sub $8, %rsp; call *%rcx; add $8, %rsp; ret
constexpr unsigned char kCode[] = {0x48, 0x83, 0xec, 8, 0xff, 0xd1, 0x48, 0x83, 0xc4, 8, 0xc3};

std::uintptr_t g_code;

void evaluate(long depth) {
  if (depth == 0) {
    opaque(std::malloc(12345));
  } else {
    call_through(evaluate, depth - 1, g_code);
  }
}

}  // namespace

int main() {
  void* code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(code, kCode, sizeof(kCode));
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  g_code = reinterpret_cast<std::uintptr_t>(code);
  std::printf("%p\n", code);
  evaluate(3);
}

#else

int main() { std::puts("none"); }

#endif
