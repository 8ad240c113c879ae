/* Crashes where a stack is hard to walk: one word says where. The test knows which functions must
   be on the stack, so none of them may be inlined, cloned or left by a tail call. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALONE __attribute__((noipa, noinline))
#define WITH_FRAME_POINTER __attribute__((optimize("no-omit-frame-pointer")))

typedef void (*Crash)(void);
static volatile int* volatile g_bad = (volatile int*)16;
static volatile int g_zero;

ALONE void leaf(void) { *g_bad = 1; }

ALONE void calls_null(void) {
  Crash volatile nothing = NULL;
  nothing();  // NOLINT: the crash
  g_zero = 0;
}

ALONE WITH_FRAME_POINTER void calls_null_with_frame_pointer(void) {
  Crash volatile nothing = NULL;
  nothing();  // NOLINT: the crash
  g_zero = 0;
}

ALONE void calls_wild(void) {
  Crash volatile wild = (Crash)(uintptr_t)0x123456789000;
  wild();
  g_zero = 0;
}

ALONE void calls_data(void) {
  static char data[64] = {1};
  Crash volatile wild = (Crash)(uintptr_t)data;
  wild();
  g_zero = 0;
}

static void on_signal(int number) {
  (void)number;
  leaf();
  g_zero = 0;
}

ALONE void raises(void) {
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  g_zero = 0;
}

ALONE int endless(int n) {
  volatile char room[200];
  memset((void*)room, n, sizeof(room));
  return g_zero != 0 ? 0 : endless(n + 1) + room[3];
}
ALONE void overflows(void) { g_zero = endless(1); }

static int compare(const void* a, const void* b) {
  leaf();
  return *(const int*)a - *(const int*)b;
}
ALONE void calls_back(void) {
  int numbers[] = {2, 1, 3};
  qsort(numbers, 3, sizeof(int), compare);
  g_zero = 0;
}

/* The linkage table's stub itself faults: what it jumps by cannot be read. */
extern char _GLOBAL_OFFSET_TABLE_[];
ALONE void through_a_stub(void) {
  const uintptr_t page = (uintptr_t)_GLOBAL_OFFSET_TABLE_ & ~(uintptr_t)4095;
  mprotect((void*)page, 8192, PROT_NONE);
  g_zero = getpgrp();
}

#if defined(__x86_64__)
/* Between the push and the copy of the frame pointer; after the pop, before the return. */
void in_prologue(void);
void in_epilogue(void);
void with_odd_frame(void);
void without_stack(void);
void with_ruined_frame_pointer(void);
__asm__(
    ".text\n"
    ".type in_prologue, @function\nin_prologue:\n.cfi_startproc\n"
    "push %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_offset %rbp, -16\n"
    "mov $16, %eax\nmovl $1, (%rax)\n"
    "mov %rsp, %rbp\n.cfi_def_cfa_register %rbp\npop %rbp\n.cfi_def_cfa %rsp, 8\nret\n"
    ".cfi_endproc\n.size in_prologue, . - in_prologue\n"
    ".type in_epilogue, @function\nin_epilogue:\n.cfi_startproc\n"
    "push %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_offset %rbp, -16\n"
    "mov %rsp, %rbp\n.cfi_def_cfa_register %rbp\nsub $64, %rsp\nleave\n.cfi_def_cfa %rsp, 8\n"
    ".cfi_restore %rbp\nmov $16, %eax\nmovl $1, (%rax)\nret\n"
    ".cfi_endproc\n.size in_epilogue, . - in_epilogue\n"
    /* As in OpenSSL's assembly, and in the loader's lazy binding: counted from a register that no
       convention names. */
    ".type with_odd_frame, @function\nwith_odd_frame:\n.cfi_startproc\n"
    "mov %rsp, %r11\n.cfi_def_cfa_register %r11\nsub $64, %rsp\nand $-64, %rsp\n"
    "mov $16, %eax\nmovl $1, (%rax)\nmov %r11, %rsp\n.cfi_def_cfa_register %rsp\nret\n"
    ".cfi_endproc\n.size with_odd_frame, . - with_odd_frame\n"
    ".type without_stack, @function\nwithout_stack:\n.cfi_startproc\n"
    "mov $16, %esp\nmovl $1, (%rsp)\nret\n"
    ".cfi_endproc\n.size without_stack, . - without_stack\n"
    ".type with_ruined_frame_pointer, @function\nwith_ruined_frame_pointer:\n.cfi_startproc\n"
    "push %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_offset %rbp, -16\n"
    "mov %rsp, %rbp\n.cfi_def_cfa_register %rbp\nmovabs $0x4141414141414141, %rbp\n"
    "mov $16, %eax\nmovl $1, (%rax)\nleave\n.cfi_def_cfa %rsp, 8\nret\n"
    ".cfi_endproc\n.size with_ruined_frame_pointer, . - with_ruined_frame_pointer\n");

ALONE WITH_FRAME_POINTER void smashed(void) {
  uint64_t* volatile frame = __builtin_frame_address(0);
  frame[1] = 0x4141414141414141; /* the return faults */
  __asm__ volatile("" : : : "memory");
}

/* Code made at run time, without tables, that keeps a frame pointer; `loop`: whose saved one points
   at itself. */
static inline __attribute__((always_inline)) void run_made_code(int loop) {
  static const unsigned char machine_code[] = {
      0x55, 0x48, 0x89, 0xE5,                            /* push %rbp; mov %rsp, %rbp */
      0x48, 0x85, 0xFF, 0x74, 0x04,                      /* test %rdi, %rdi; je over */
      0x48, 0x89, 0x6D, 0x00,                            /* mov %rbp, (%rbp) */
      0xB8, 0x10, 0,    0,    0,    0xC7, 0, 1, 0, 0, 0, /* over: mov $16, %eax; movl $1, (%rax) */
      0x5D, 0xC3};
  void* code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, machine_code, sizeof(machine_code));
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  ((void (*)(long))(uintptr_t)code)(loop);
  g_zero = 0;
}
ALONE void runs_made_code(void) { run_made_code(0); }
ALONE void runs_looping_code(void) { run_made_code(1); }
#else
void in_prologue(void);
void in_epilogue(void);
__asm__(
    ".text\n"
    ".type in_prologue, @function\nin_prologue:\n.cfi_startproc\n"
    "stp x29, x30, [sp, #-16]!\n.cfi_def_cfa_offset 16\n.cfi_offset 29, -16\n.cfi_offset 30, -8\n"
    "mov x0, #16\nstr x0, [x0]\nmov x29, sp\nldp x29, x30, [sp], #16\n"
    ".cfi_restore 30\n.cfi_restore 29\n.cfi_def_cfa_offset 0\nret\n"
    ".cfi_endproc\n.size in_prologue, . - in_prologue\n"
    ".type in_epilogue, @function\nin_epilogue:\n.cfi_startproc\n"
    "stp x29, x30, [sp, #-16]!\n.cfi_def_cfa_offset 16\n.cfi_offset 29, -16\n.cfi_offset 30, -8\n"
    "mov x29, sp\nldp x29, x30, [sp], #16\n.cfi_restore 30\n.cfi_restore 29\n"
    ".cfi_def_cfa_offset 0\nmov x0, #16\nstr x0, [x0]\nret\n"
    ".cfi_endproc\n.size in_epilogue, . - in_epilogue\n");
#endif

static const struct {
  const char* name;
  Crash crash;
} kCrashes[] = {
    {"leaf", leaf},
    {"null_call", calls_null},
    {"null_call_with_frame_pointer", calls_null_with_frame_pointer},
    {"wild_call", calls_wild},
    {"data_call", calls_data},
    {"handler", raises},
    {"overflow", overflows},
    {"callback", calls_back},
    {"stub", through_a_stub},
    {"prologue", in_prologue},
    {"epilogue", in_epilogue},
#if defined(__x86_64__)
    {"odd_frame", with_odd_frame},
    {"no_stack", without_stack},
    {"ruined_frame_pointer", with_ruined_frame_pointer},
    {"smashed", smashed},
    {"made_code", runs_made_code},
    {"looping_code", runs_looping_code},
#endif
};

ALONE void middle(Crash crash) {
  crash();
  g_zero = 0;
}

ALONE void outer(Crash crash) {
  volatile char room[100];
  room[0] = 1;
  middle(crash);
  g_zero = (unsigned char)room[0];
}

int main(int count, char** arguments) {
  for (size_t i = 0; count > 1 && i < sizeof(kCrashes) / sizeof(kCrashes[0]); ++i) {
    if (strcmp(arguments[1], kCrashes[i].name) == 0) {
      outer(kCrashes[i].crash);
    }
  }
  return 2;
}
