// The stubs and the gate on x86-64. See exact_gate.h for what they promise.
#if defined(__x86_64__)

#include <sys/mman.h>

#include "preload/base/raw_syscall.h"
#include "preload/exact/exact_gate.h"
#include "preload/exact/exact_sites.h"
#include "preload/exact/instruction.h"

namespace lamprey::preload::exact {

extern "C" {
// Known to the assembly by these names.
[[gnu::visibility("hidden")]] GateSite lamprey_exact_sites[kStubs];
[[gnu::visibility("hidden")]] extern const char lamprey_exact_stubs[];
}

namespace {

// Where instructions are copied that stood before a call: they are executed here, and then its
// stub.
struct Prelude {
  std::uint8_t code[40];
};
constexpr std::size_t kPreludes = 512;
constexpr std::size_t kPreludeBytes = sizeof(Prelude) * kPreludes;
static_assert(sizeof(Prelude) >= kMaxCopied + 5);

constinit Prelude* g_preludes = nullptr;
constinit std::size_t g_preludes_used = 0;

std::uintptr_t stub_address(std::uint32_t index) {
  constexpr std::size_t kStubBytes = 16;
  return reinterpret_cast<std::uintptr_t>(lamprey_exact_stubs) + (index * kStubBytes);
}

// Adds `by` to the 4 bytes of distance at `at`; false when it does not fit.
bool add_distance(std::uint8_t* at, std::int64_t by) {
  std::int32_t distance = 0;
  __builtin_memcpy(&distance, at, sizeof(distance));
  const std::int64_t moved = distance + by;
  const auto narrow = static_cast<std::int32_t>(moved);
  __builtin_memcpy(at, &narrow, sizeof(narrow));
  return narrow == moved;
}

bool copy_code(Prelude& prelude, Copied copied, std::uintptr_t stub) {
  std::size_t at = 0;
  for (; at < copied.bytes; ++at) {
    prelude.code[at] = copied.code[at];
  }
  const std::int64_t by = copied.code - prelude.code;
  for (at = 0; at < copied.bytes;) {
    const Instruction read = read_instruction(copied.code + at, copied.bytes - at);
    const bool good = read.length != 0 && (read.relative_at == 0 ||
                                           add_distance(prelude.code + at + read.relative_at, by));
    if (!good) {
      return false;
    }
    at += read.length;
  }
  prelude.code[at] = 0xE9;  // jmp
  __builtin_memset(prelude.code + at + 1, 0, 4);
  return add_distance(
      prelude.code + at + 1,
      static_cast<std::int64_t>(stub - reinterpret_cast<std::uintptr_t>(prelude.code + at + 5)));
}

}  // namespace

bool prepare_stubs() {
  const long at = raw_syscall(SYS_mmap, 0, kPreludeBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw_failed(at)) {
    return false;
  }
  g_preludes = reinterpret_cast<Prelude*>(at);
  return true;
}

std::uintptr_t make_stub(std::uint32_t index, const GateSite& site, Copied copied) {
  lamprey_exact_sites[index] = site;
  if (copied.bytes == 0) {
    return stub_address(index);
  }
  if (g_preludes_used == kPreludes || copied.bytes > kMaxCopied ||
      !copy_code(g_preludes[g_preludes_used], copied, stub_address(index))) {
    return 0;
  }
  return reinterpret_cast<std::uintptr_t>(g_preludes[g_preludes_used++].code);
}

bool seal_stubs() {
  return raw_syscall(SYS_mprotect, pointer_argument(g_preludes), kPreludeBytes,
                     PROT_READ | PROT_EXEC) == 0;
}

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

}  // namespace lamprey::preload::exact

#endif
