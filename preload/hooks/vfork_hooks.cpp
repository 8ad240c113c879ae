// The hooks of vfork and clone; see vfork.h. Nothing is counted here: the wait for the child is
// seen elsewhere, and threads_max has the number of threads.
#include "preload/process/vfork.h"

#include "preload/libc/real.h"

namespace lamprey::preload::hooks {

extern "C" {
// Where the hooks go on, filled in at their first call.
[[gnu::visibility("hidden")]] void* lamprey_real_vfork;
[[gnu::visibility("hidden")]] void* lamprey_real_clone;

// Called by the hooks with all registers kept that carry arguments.
[[gnu::visibility("hidden"), gnu::used]] void lamprey_find_vfork() {
  if (available(g_real.vfork, "vfork")) {
    lamprey_real_vfork = reinterpret_cast<void*>(g_real.vfork);
  }
  if (available(g_real.clone, "clone")) {
    lamprey_real_clone = reinterpret_cast<void*>(g_real.clone);
  }
}
}

// If libc has no such function, the hook returns -1 (and leaves errno: no libc lacks them).
#if defined(__x86_64__)

asm(R"(
    .macro lamprey_jump name
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
    endbr64
    movq lamprey_vforked@gottpoff(%rip), %rax
    movb $1, %fs:(%rax)
    movq lamprey_real_\name(%rip), %rax
    testq %rax, %rax
    je 1f
    jmpq *%rax
1:  pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    pushq %r8
    .cfi_adjust_cfa_offset 8
    pushq %r9
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call lamprey_find_vfork
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r9
    .cfi_adjust_cfa_offset -8
    popq %r8
    .cfi_adjust_cfa_offset -8
    popq %rcx
    .cfi_adjust_cfa_offset -8
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    movq lamprey_real_\name(%rip), %rax
    testq %rax, %rax
    je 2f
    jmpq *%rax
2:  movq $-1, %rax
    ret
    .cfi_endproc
    .size \name, . - \name
    .endm
    .text
    .balign 16
    lamprey_jump vfork
    .balign 16
    lamprey_jump clone
)");

#else

asm(R"(
    .macro lamprey_jump name
    .globl \name
    .type \name, %function
\name:
    .cfi_startproc
    hint #34
    adrp x9, :gottprel:lamprey_vforked
    ldr x9, [x9, :gottprel_lo12:lamprey_vforked]
    mrs x10, tpidr_el0
    mov w11, #1
    strb w11, [x10, x9]
    adrp x16, lamprey_real_\name
    ldr x16, [x16, :lo12:lamprey_real_\name]
    cbz x16, 1f
    br x16
1:  stp x29, x30, [sp, #-80]!
    .cfi_def_cfa_offset 80
    .cfi_offset x29, -80
    .cfi_offset x30, -72
    stp x0, x1, [sp, #16]
    stp x2, x3, [sp, #32]
    stp x4, x5, [sp, #48]
    stp x6, x7, [sp, #64]
    bl lamprey_find_vfork
    ldp x0, x1, [sp, #16]
    ldp x2, x3, [sp, #32]
    ldp x4, x5, [sp, #48]
    ldp x6, x7, [sp, #64]
    ldp x29, x30, [sp], #80
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    adrp x16, lamprey_real_\name
    ldr x16, [x16, :lo12:lamprey_real_\name]
    cbz x16, 2f
    br x16
2:  mov x0, #-1
    ret
    .cfi_endproc
    .size \name, . - \name
    .endm
    .text
    .balign 16
    lamprey_jump vfork
    .balign 16
    lamprey_jump clone
)");

#endif

}  // namespace lamprey::preload::hooks
