// Runs on stacks of its own making, beside memory that is not there, with a frame pointer that
// points nowhere good: what a coroutine library, a just-in-time compiler or hand-written assembly
// may do. Whoever walks these stacks must not fault.
//
//   wild_stacks far|near|thread   code without unwind tables; the frame pointer leads off the stack
//   wild_stacks top               the stack's first frame says that it returns to above its top
//   wild_stacks later             what the frame pointer leads to is unmapped between two waits
//
// Says "alive". Run with LAMPREY_SAMPLE_BYTES=1, so that each allocation's stack is walked.
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/hazard/opaque.h"

extern "C" {
// Calls `function` with the stack pointer at `top` and this frame pointer. Has no unwind table.
void run_on(void* top, void (*function)(), std::uintptr_t frame_pointer);
// Goes to a function with a table, whose return address would lie at `top` or above; it calls
// allocate_here() and comes back.
void start_at(void* top);
void allocate_here();
}

#if defined(__x86_64__)
asm(R"(
  .text
  .globl run_on
run_on:
  push %rbx
  push %rbp
  mov %rsp, %rbx
  mov %rdi, %rsp
  mov %rdx, %rbp
  call *%rsi
  mov %rbx, %rsp
  pop %rbp
  pop %rbx
  ret

  .globl start_at
start_at:
  push %rbx
  mov %rsp, %rbx
  mov %rdi, %rsp
  jmp first_frame
came_back:
  mov %rbx, %rsp
  pop %rbx
  ret

first_frame:
  .cfi_startproc
  call allocate_here
  jmp came_back
  .cfi_endproc
)");
#else
asm(R"(
  .text
  .globl run_on
run_on:
  stp x29, x30, [sp, -32]!
  str x19, [sp, 16]
  mov x19, sp
  mov sp, x0
  mov x29, x2
  blr x1
  mov sp, x19
  ldr x19, [sp, 16]
  ldp x29, x30, [sp], 32
  ret

  .globl start_at
start_at:
  stp x29, x30, [sp, -32]!
  str x19, [sp, 16]
  mov x19, sp
  mov sp, x0
  b first_frame
came_back:
  mov sp, x19
  ldr x19, [sp, 16]
  ldp x29, x30, [sp], 32
  ret

first_frame:
  .cfi_startproc
  .cfi_def_cfa sp, 16
  .cfi_offset x30, -8
  bl allocate_here
  b came_back
  .cfi_endproc
)");
#endif

void allocate_here() {
  void* block = std::malloc(100);
  opaque(block);
  std::free(block);
}

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kStackBytes = 64 * kPage;
constexpr std::size_t kBeyond = 16 * kPage;

char* here() { return static_cast<char*>(__builtin_frame_address(0)); }

// A stack that ends at the top, then a hole. `at`: where, or nullptr.
char* stack_below_a_hole(char* at) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(at) & ~(kPage - 1);
  void* got = mmap(reinterpret_cast<void*>(wanted), kStackBytes + kBeyond, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | (at != nullptr ? MAP_FIXED_NOREPLACE : 0), -1, 0);
  if (got == MAP_FAILED || (at != nullptr && got != reinterpret_cast<void*>(wanted))) {
    std::perror("mmap");
    std::exit(2);
  }
  char* top = static_cast<char*>(got) + kStackBytes;
  munmap(top, kBeyond);
  return top;
}

void run_beside_a_hole(char* at) {
  char* top = stack_below_a_hole(at);
  run_on(top, allocate_here, reinterpret_cast<std::uintptr_t>(top + kPage));
}

void* in_thread(void*) {
  run_beside_a_hole(nullptr);
  return nullptr;
}

void run_in_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t{256} * 1024);
  pthread_t thread;
  pthread_create(&thread, &attributes, in_thread, nullptr);
  pthread_join(thread, nullptr);
}

void* g_led_to = nullptr;

// Waits always from the same frame: the stack is recognised, not walked.
void wait_often() {
  for (int i = 0; i < 20; ++i) {
    if (i == 10) {
      munmap(g_led_to, kPage);
    }
    poll(nullptr, 0, 0);
  }
}

void unmap_between() {
  char* top = stack_below_a_hole(here() - (4 << 20));
  g_led_to = mmap(top + kPage, kPage, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (g_led_to != top + kPage) {
    std::exit(2);
  }
  run_on(top, wait_often, reinterpret_cast<std::uintptr_t>(top + kPage));
}

}  // namespace

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  if (std::strcmp(how, "far") == 0) {
    run_beside_a_hole(here() - (64 << 20));
  } else if (std::strcmp(how, "near") == 0) {
    run_beside_a_hole(here() - (4 << 20));
  } else if (std::strcmp(how, "thread") == 0) {
    run_in_thread();
  } else if (std::strcmp(how, "top") == 0) {
    start_at(stack_below_a_hole(here() - (4 << 20)));
  } else if (std::strcmp(how, "later") == 0) {
    unmap_between();
  } else {
    return 2;
  }
  std::printf("alive\n");
  return 0;
}
