// The stubs, the gate and what it calls; see the header. Compiled to use general registers only
// (library.cmake), but for prepare_gate, which runs at attach and uses no others either.
#include "preload/exact_gate.h"

#include "preload/thread.h"
#include "preload/ticks.h"
#include "recording/kernel_calls.h"

namespace lamprey::preload::exact {

using recording::KernelCallKind;
using recording::kKernelNumbers;

extern "C" {
// Known to the assembly by these names.
[[gnu::visibility("hidden")]] GateSite lamprey_exact_sites[kStubs];
// Of each number: 0 counted, 1 counted with bytes, kPass not counted and made outside of the gate.
[[gnu::visibility("hidden")]] std::uint8_t lamprey_exact_kinds[kKernelNumbers];

[[gnu::visibility("hidden")]] extern const char lamprey_exact_stubs[];

[[gnu::visibility("hidden"), gnu::used]] std::uint64_t lamprey_exact_enter();
[[gnu::visibility("hidden"), gnu::used]] void lamprey_exact_leave(std::uint64_t number,
                                                                  std::int64_t result,
                                                                  std::uint64_t begun);
}

namespace {

constexpr std::uint8_t kPass = 2;
constexpr std::size_t kStubBytes = 16;

}  // namespace

// The moment at which the call is made; 0: it is not to be counted.
std::uint64_t lamprey_exact_enter() { return recording_here() ? ticks() : 0; }

void lamprey_exact_leave(std::uint64_t number, std::int64_t result, std::uint64_t begun) {
  constexpr std::int64_t kLowestError = -4095;
  const std::uint64_t end = ticks();
  if (!recording_here()) {
    return;  // a child, made by this very call
  }
  const bool failed = result < 0 && result >= kLowestError;
  const bool moved = !failed && lamprey_exact_kinds[number] == 1;
  g_writer.count_kernel(static_cast<std::uint32_t>(number), g_writer.busy_between(begun, end),
                        failed, moved ? static_cast<std::uint64_t>(result) : 0);
}

std::uintptr_t stub_address(std::uint32_t index) {
  return reinterpret_cast<std::uintptr_t>(lamprey_exact_stubs) + (index * kStubBytes);
}

GateSite& gate_site(std::uint32_t index) { return lamprey_exact_sites[index]; }

void prepare_gate() {
  // From the table at compile time: names would be relocated in every process.
  struct Kinds {
    std::uint8_t of[kKernelNumbers];
  };
  static constexpr Kinds kKinds = [] {
    Kinds kinds{};
    for (std::uint32_t number = 0; number < kKernelNumbers; ++number) {
      const KernelCallKind kind = recording::kKernelCalls[number].kind;
      const bool pass = kind == KernelCallKind::kUntouched || kind == KernelCallKind::kUnknown;
      kinds.of[number] = pass                             ? kPass
                         : kind == KernelCallKind::kBytes ? std::uint8_t{1}
                                                          : std::uint8_t{0};
    }
    return kinds;
  }();
  for (std::uint32_t number = 0; number < kKernelNumbers; ++number) {
    lamprey_exact_kinds[number] = kKinds.of[number];
  }
}

#if defined(__x86_64__)

// The stack, from the place's own stack pointer S downwards: 128 bytes that are the place's; at
// S-136 the stub's index, then the address that unwinding goes to; at S-144 rbp; then what is
// saved.
asm(R"(
    .text
    .balign 64
    .hidden lamprey_exact_stubs
    .globl lamprey_exact_stubs
    .type lamprey_exact_stubs, @object
lamprey_exact_stubs:
    .set .Lindex, 0
    .rept 1024
    leaq -128(%rsp), %rsp
    pushq $.Lindex
    jmp .Lgate
    .balign 16
    .set .Lindex, .Lindex + 1
    .endr
    .size lamprey_exact_stubs, . - lamprey_exact_stubs

    # The same calls made where the stack is as it was: rcx is free until the kernel takes it.
    .balign 16
.Lplain:
    .set .Lindex, 0
    .rept 1024
    syscall
    cmpq lamprey_exact_sites + .Lindex * 32 + 16(%rip), %rax
    jmpq *lamprey_exact_sites + .Lindex * 32 + 8(%rip)
    .balign 16
    .set .Lindex, .Lindex + 1
    .endr

    .type lamprey_exact_gate, @function
lamprey_exact_gate:
.Lgate:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_def_cfa rsp, 136
    .cfi_offset rip, -136
    movq (%rsp), %rcx
    shlq $5, %rcx
    leaq lamprey_exact_sites(%rip), %r11
    addq %rcx, %r11
    movslq 24(%r11), %rcx
    testq %rcx, %rcx
    cmovnsq %rcx, %rax
    cmpq $512, %rax
    jae .Lpass
    leaq lamprey_exact_kinds(%rip), %rcx
    cmpb $2, (%rcx,%rax)
    je .Lpass
    movq (%r11), %rcx
    movq %rcx, (%rsp)
    pushq %rbp
    .cfi_def_cfa_offset 144
    .cfi_offset rbp, -144
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rax
    subq $16, %rsp
    andq $-16, %rsp
    call lamprey_exact_enter
    movq %rax, -72(%rbp)
    movq -8(%rbp), %rdi
    movq -16(%rbp), %rsi
    movq -24(%rbp), %rdx
    movq -32(%rbp), %r8
    movq -40(%rbp), %r9
    movq -48(%rbp), %r10
    movq -64(%rbp), %rax
    syscall
    movq -72(%rbp), %rdx
    testq %rdx, %rdx
    je .Lleave
    movq -64(%rbp), %rdi
    movq %rax, %rsi
    movq %rax, -64(%rbp)
    call lamprey_exact_leave
    movq -64(%rbp), %rax
    movq -8(%rbp), %rdi
    movq -16(%rbp), %rsi
    movq -32(%rbp), %r8
    movq -40(%rbp), %r9
    movq -48(%rbp), %r10
.Lleave:
    movq -24(%rbp), %rdx
    movq -56(%rbp), %r11
    movq %rbp, %rsp
    popq %rbp
    .cfi_def_cfa rsp, 136
    .cfi_restore rbp
    movq 8(%r11), %rcx
    cmpl $0, 28(%r11)
    jne .Lnarrow
    cmpq 16(%r11), %rax
    leaq 136(%rsp), %rsp
    .cfi_def_cfa_offset 0
    jmpq *%rcx
.Lnarrow:
    .cfi_def_cfa_offset 136
    cmpl 16(%r11), %eax
    leaq 136(%rsp), %rsp
    .cfi_def_cfa_offset 0
    jmpq *%rcx
.Lpass:
    .cfi_def_cfa_offset 136
    movq (%rsp), %rcx
    shlq $4, %rcx
    leaq .Lplain(%rip), %r11
    addq %rcx, %r11
    leaq 136(%rsp), %rsp
    .cfi_def_cfa_offset 0
    jmpq *%r11
    .cfi_endproc
    .size lamprey_exact_gate, . - lamprey_exact_gate
)");

#endif

}  // namespace lamprey::preload::exact
