// Runs a function with every register that a system call must keep filled with a pattern, and says
// which did not keep it. For exact.cpp alone; the assembly knows where each field stands.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>

#if defined(__x86_64__)

// And 128 bytes below the function's return address: what a leaf function keeps in its red zone.
// Those that a call may change (rax, rcx, r11) are not there.
struct Registers {
  unsigned long general[11];  // rdi rsi rdx rbx r8 r9 r10 r12 r13 r14 r15
  unsigned char vector[16][16];
  unsigned long below[16];
};

#else

struct Registers {
  unsigned long general[17];  // x1 to x7, x9 to x17, the flags
  unsigned char vector[32][16];
  unsigned long below[1];  // there is no red zone
};

#endif

extern "C" {  // named in the assembly, for it uses all registers
inline Registers exact_in;
inline Registers exact_out;
inline void* exact_function;
inline unsigned long exact_first;  // arm64: x0
}

#if defined(__x86_64__)

inline void call_with() {
  asm volatile(
      R"(
      pushq %%rbp
      subq $8, %%rsp
      leaq exact_in(%%rip), %%rax
      leaq exact_out(%%rip), %%rcx
      pushq %%rcx
      pushq exact_function(%%rip)
      movups 88(%%rax), %%xmm0
      movups 104(%%rax), %%xmm1
      movups 120(%%rax), %%xmm2
      movups 136(%%rax), %%xmm3
      movups 152(%%rax), %%xmm4
      movups 168(%%rax), %%xmm5
      movups 184(%%rax), %%xmm6
      movups 200(%%rax), %%xmm7
      movups 216(%%rax), %%xmm8
      movups 232(%%rax), %%xmm9
      movups 248(%%rax), %%xmm10
      movups 264(%%rax), %%xmm11
      movups 280(%%rax), %%xmm12
      movups 296(%%rax), %%xmm13
      movups 312(%%rax), %%xmm14
      movups 328(%%rax), %%xmm15
      leaq 344(%%rax), %%rsi
      leaq -136(%%rsp), %%rdi
      movl $16, %%ecx
      cld
      rep movsq
      movq 0(%%rax), %%rdi
      movq 8(%%rax), %%rsi
      movq 16(%%rax), %%rdx
      movq 24(%%rax), %%rbx
      movq 32(%%rax), %%r8
      movq 40(%%rax), %%r9
      movq 48(%%rax), %%r10
      movq 56(%%rax), %%r12
      movq 64(%%rax), %%r13
      movq 72(%%rax), %%r14
      movq 80(%%rax), %%r15
      callq *(%%rsp)
      movq 8(%%rsp), %%rax
      movq %%rdi, 0(%%rax)
      movq %%rsi, 8(%%rax)
      movq %%rdx, 16(%%rax)
      movq %%rbx, 24(%%rax)
      movq %%r8, 32(%%rax)
      movq %%r9, 40(%%rax)
      movq %%r10, 48(%%rax)
      movq %%r12, 56(%%rax)
      movq %%r13, 64(%%rax)
      movq %%r14, 72(%%rax)
      movq %%r15, 80(%%rax)
      leaq 344(%%rax), %%rdi
      leaq -136(%%rsp), %%rsi
      movl $16, %%ecx
      rep movsq
      movups %%xmm0, 88(%%rax)
      movups %%xmm1, 104(%%rax)
      movups %%xmm2, 120(%%rax)
      movups %%xmm3, 136(%%rax)
      movups %%xmm4, 152(%%rax)
      movups %%xmm5, 168(%%rax)
      movups %%xmm6, 184(%%rax)
      movups %%xmm7, 200(%%rax)
      movups %%xmm8, 216(%%rax)
      movups %%xmm9, 232(%%rax)
      movups %%xmm10, 248(%%rax)
      movups %%xmm11, 264(%%rax)
      movups %%xmm12, 280(%%rax)
      movups %%xmm13, 296(%%rax)
      movups %%xmm14, 312(%%rax)
      movups %%xmm15, 328(%%rax)
      addq $24, %%rsp
      popq %%rbp
      )"
      :
      :
      : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
        "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#else

// Registers that a call must keep hold what the assembly itself goes by.
inline void call_with() {
  asm volatile(
      R"(
      adrp x19, exact_in
      add x19, x19, :lo12:exact_in
      adrp x20, exact_function
      ldr x20, [x20, :lo12:exact_function]
      adrp x21, exact_first
      ldr x0, [x21, :lo12:exact_first]
      add x22, x19, #136
      ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [x22], #64
      ld1 {v4.16b, v5.16b, v6.16b, v7.16b}, [x22], #64
      ld1 {v8.16b, v9.16b, v10.16b, v11.16b}, [x22], #64
      ld1 {v12.16b, v13.16b, v14.16b, v15.16b}, [x22], #64
      ld1 {v16.16b, v17.16b, v18.16b, v19.16b}, [x22], #64
      ld1 {v20.16b, v21.16b, v22.16b, v23.16b}, [x22], #64
      ld1 {v24.16b, v25.16b, v26.16b, v27.16b}, [x22], #64
      ld1 {v28.16b, v29.16b, v30.16b, v31.16b}, [x22], #64
      ldr x1, [x19, #128]
      msr nzcv, x1
      ldp x1, x2, [x19]
      ldp x3, x4, [x19, #16]
      ldp x5, x6, [x19, #32]
      ldp x7, x9, [x19, #48]
      ldp x10, x11, [x19, #64]
      ldp x12, x13, [x19, #80]
      ldp x14, x15, [x19, #96]
      ldp x16, x17, [x19, #112]
      blr x20
      adrp x19, exact_out
      add x19, x19, :lo12:exact_out
      stp x1, x2, [x19]
      stp x3, x4, [x19, #16]
      stp x5, x6, [x19, #32]
      stp x7, x9, [x19, #48]
      stp x10, x11, [x19, #64]
      stp x12, x13, [x19, #80]
      stp x14, x15, [x19, #96]
      stp x16, x17, [x19, #112]
      mrs x1, nzcv
      str x1, [x19, #128]
      add x22, x19, #136
      st1 {v0.16b, v1.16b, v2.16b, v3.16b}, [x22], #64
      st1 {v4.16b, v5.16b, v6.16b, v7.16b}, [x22], #64
      st1 {v8.16b, v9.16b, v10.16b, v11.16b}, [x22], #64
      st1 {v12.16b, v13.16b, v14.16b, v15.16b}, [x22], #64
      st1 {v16.16b, v17.16b, v18.16b, v19.16b}, [x22], #64
      st1 {v20.16b, v21.16b, v22.16b, v23.16b}, [x22], #64
      st1 {v24.16b, v25.16b, v26.16b, v27.16b}, [x22], #64
      st1 {v28.16b, v29.16b, v30.16b, v31.16b}, [x22], #64
      )"
      :
      :
      : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
        "x14", "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x30", "memory", "cc", "v0", "v1",
        "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
        "v29", "v30", "v31");
}

#endif

// `function` is called with `a` and `b`. Bits of `ignored`: general registers that it may change.
inline bool same_after(const char* what, void* function, unsigned long a, unsigned long b,
                       unsigned long ignored) {
  for (std::size_t i = 0; i < sizeof(exact_in); ++i) {
    reinterpret_cast<unsigned char*>(&exact_in)[i] = static_cast<unsigned char>((i * 37) + 11);
  }
  std::memset(&exact_out, 0, sizeof(exact_out));
  exact_function = function;
#if defined(__x86_64__)
  exact_in.general[0] = a;
  exact_in.general[1] = b;
#else
  exact_first = a;
  exact_in.general[0] = b;
  exact_in.general[16] = 0x90000000;       // N and V
  exact_out.below[0] = exact_in.below[0];  // nobody writes it
#endif
  call_with();
  bool good = true;
  for (std::size_t i = 0; i < std::size(exact_in.general); ++i) {
    if (exact_in.general[i] != exact_out.general[i] && (ignored & (1UL << i)) == 0) {
      std::printf("%s: general register %zu changed\n", what, i);
      good = false;
    }
  }
  if (std::memcmp(exact_in.vector, exact_out.vector, sizeof(exact_in.vector)) != 0) {
    std::printf("%s: a vector register changed\n", what);
    good = false;
  }
  if (std::memcmp(exact_in.below, exact_out.below, sizeof(exact_in.below)) != 0) {
    std::printf("%s: the red zone changed\n", what);
    good = false;
  }
  return good;
}
