// Stops at every instruction of some work (x86_64: the processor's trap flag; elsewhere a timer)
// and walks the stack there in three ways: libunwind and Lamprey's own walker, both of the library
// that is preloaded (a tripwire build, which exports them), and libgcc's. Says on stdout how often
// they agree, and shows one instant of each kind of difference.
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include "tests/hazard/opaque.h"

namespace {

constexpr unsigned kMax = 64;
using ByUnwind = unsigned (*)(const void*, std::uint64_t*, unsigned);
using ByOurs = unsigned (*)(std::uint64_t*, unsigned);
ByUnwind g_by_libunwind;
ByOurs g_by_ours;

struct Stack {
  std::uint64_t frames[kMax];
  unsigned depth;
};

enum Walker { kLibunwind, kOurs, kLibgcc, kWalkers };
const char* const kNames[kWalkers] = {"libunwind", "ours", "libgcc"};

struct Work {
  unsigned long instants;
  unsigned long whole[kWalkers];  // reached the function that started the work
  unsigned long same[kWalkers];   // as libunwind's
  Stack shown[8][kWalkers];
  unsigned long shown_count[8];
};
Work g_work;
std::uint64_t g_bottom;  // the return address into run(), below which all walks must come

std::uint64_t pc_of(const ucontext_t& context) {
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
#else
  return context.uc_mcontext.pc;
#endif
}

bool reached(const Stack& stack) {
  for (unsigned i = 0; i < stack.depth; ++i) {
    if (stack.frames[i] == g_bottom) {
      return true;
    }
  }
  return false;
}

bool equal(const Stack& a, const Stack& b) {
  return a.depth == b.depth && std::memcmp(a.frames, b.frames, a.depth * sizeof(a.frames[0])) == 0;
}

// From the interrupted instruction on to the function that started the work.
void trim(Stack& stack, std::uint64_t pc) {
  unsigned from = 0;
  while (from < stack.depth && stack.frames[from] != pc) {
    ++from;
  }
  if (from == stack.depth) {
    from = 0;
  }
  std::memmove(stack.frames, stack.frames + from, (stack.depth - from) * sizeof(stack.frames[0]));
  stack.depth -= from;
  for (unsigned i = 0; i < stack.depth; ++i) {
    if (stack.frames[i] == g_bottom) {
      stack.depth = i + 1;
    }
  }
}

volatile sig_atomic_t g_measuring;

void look(int, siginfo_t*, void* context) {
  const std::uint64_t pc = pc_of(*static_cast<ucontext_t*>(context));
  if (!g_measuring) {
    return;
  }
  Stack stacks[kWalkers];
  stacks[kLibunwind].depth = g_by_libunwind(context, stacks[kLibunwind].frames, kMax);
  stacks[kOurs].depth = g_by_ours(stacks[kOurs].frames, kMax);
  void* frames[kMax];
  stacks[kLibgcc].depth = static_cast<unsigned>(backtrace(frames, kMax));
  std::memcpy(stacks[kLibgcc].frames, frames, sizeof(frames));
  ++g_work.instants;
  unsigned kind = 0;
  for (unsigned i = 0; i < kWalkers; ++i) {
    trim(stacks[i], pc);
    g_work.whole[i] += reached(stacks[i]);
    const bool same = equal(stacks[i], stacks[kLibunwind]);
    g_work.same[i] += same;
    kind |= same ? 0 : 1U << i;
  }
  if (g_work.shown_count[kind]++ == 0) {
    std::memcpy(g_work.shown[kind], stacks, sizeof(stacks));
  }
}

// -- the work -------------------------------------------------------------------------------------

__attribute__((noinline)) int leaf(int a) { return a * 3 + 1; }

__attribute__((noinline)) int deep(int left) {
  return left == 0 ? leaf(left) : deep(left - 1) + opaque_int(1);
}

__attribute__((noinline)) void moving_frame() {
  char* room = static_cast<char*>(alloca(static_cast<std::size_t>(opaque_int(1)) * 300));
  std::memset(room, 1, 300);
  opaque(room);
}

__attribute__((noinline)) void realigned_frame() {
  alignas(256) char room[512];
  std::memset(room, opaque_int(1), sizeof(room));
  opaque(room);
}

__attribute__((noinline, optimize("no-omit-frame-pointer"))) int with_frame_pointer(int a) {
  return leaf(a) + opaque_int(1);
}

int compare(const void* a, const void* b) {
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void sort() {
  int numbers[] = {3, 1, 2, 9, 4};
  qsort(numbers, 5, sizeof(int), compare);
}

void print() {
  char text[200];
  snprintf(text, sizeof(text), "%d %s %.3f %p", 12, "text", 3.25, static_cast<void*>(text));
  opaque(text);
}

void library_calls() {
  char text[300];
  std::memset(text, 'a', sizeof(text) - 1);
  text[299] = 0;
  opaque_int(static_cast<int>(std::strlen(text)));
  std::memmove(text, text + 1, 100);
  opaque_int(static_cast<int>(strtol("12345", nullptr, 10)));
  struct timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  opaque_int(getppid());
}

void allocate() {
  void* block = std::malloc(100);
  opaque(block);
  std::free(block);
}

void throw_and_catch() {
  try {
    if (opaque_int(1) == 1) {
      throw std::runtime_error("x");
    }
  } catch (const std::exception& error) {
    opaque_int(static_cast<int>(std::strlen(error.what())));
  }
}

jmp_buf g_back;
__attribute__((noinline)) void jump() { longjmp(g_back, 1); }
void jump_back() {
  if (setjmp(g_back) == 0) {
    jump();
  }
}

#if defined(__x86_64__)
// As in OpenSSL's assembly: the frame is counted from a register that no convention names.
extern "C" int odd_frame(int);
asm(R"(
  .text
  .type odd_frame, @function
odd_frame:
  .cfi_startproc
  mov %rsp, %rax
  .cfi_def_cfa_register %rax
  push %rbx
  .cfi_offset %rbx, -16
  sub $64, %rsp
  and $-64, %rsp
  mov %edi, (%rsp)
  addl $1, (%rsp)
  mov (%rsp), %edi
  mov -8(%rax), %rbx
  .cfi_restore %rbx
  lea (%rax), %rsp
  .cfi_def_cfa_register %rsp
  mov %edi, %eax
  ret
  .cfi_endproc
  .size odd_frame, . - odd_frame
)");

void on_signal(int) { opaque_int(1); }
void raise_signal() {
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
}
#endif

struct Named {
  const char* name;
  void (*work)();
};
const Named kWork[] = {
    {"deep", [] { deep(5); }},
    {"frame_pointer", [] { with_frame_pointer(1); }},
    {"moving_frame", moving_frame},
    {"realigned_frame", realigned_frame},
    {"callback", sort},
    {"print", print},
    {"library_calls", library_calls},
    {"allocate", allocate},
    {"exception", throw_and_catch},
    {"longjmp", jump_back},
#if defined(__x86_64__)
    {"odd_frame", [] { odd_frame(1); }},
    {"signal_handler", raise_signal},
#endif
};

#if defined(__x86_64__)
void trap_flag(bool on) {
  g_measuring = on;
  if (on) {
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  } else {
    asm volatile("pushfq; andq $-0x101, (%%rsp); popfq" ::: "memory", "cc");
  }
}
constexpr int kRounds = 1;
void begin() { trap_flag(true); }
void end() { trap_flag(false); }
#else
constexpr int kRounds = 300;
void begin() { g_measuring = 1; }
void end() { g_measuring = 0; }
#endif

// Its return address is where every whole walk comes by.
__attribute__((noinline)) void bottom(void (*work)()) {
  g_bottom = reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
  begin();
  work();
  end();
}

void show(const Stack& stack) {
  for (unsigned i = 0; i < stack.depth; ++i) {
    Dl_info info = {};
    const auto* address = reinterpret_cast<const void*>(stack.frames[i]);
    if (dladdr(address, &info) == 0) {
      std::printf(" %p", address);
    } else {
      std::printf(
          " %s+0x%lx",
          info.dli_sname != nullptr ? info.dli_sname : strrchr(info.dli_fname, '/') + 1,
          static_cast<unsigned long>(
              stack.frames[i] - reinterpret_cast<std::uint64_t>(
                                    info.dli_saddr != nullptr ? info.dli_saddr : info.dli_fbase)));
    }
  }
  std::printf("\n");
}

template <class Function>
void find(Function& into, const char* name) {
  into = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

void run(const Named& named, bool verbose) {
  g_work = {};
  for (int i = 0; i < kRounds; ++i) {
    bottom(named.work);
  }
  std::printf("%s %lu whole %lu %lu %lu same %lu %lu\n", named.name, g_work.instants,
              g_work.whole[kLibunwind], g_work.whole[kOurs], g_work.whole[kLibgcc],
              g_work.same[kOurs], g_work.same[kLibgcc]);
  for (unsigned kind = 1; verbose && kind < 8; ++kind) {
    if (g_work.shown_count[kind] != 0) {
      std::printf("# %lu of these differ\n", g_work.shown_count[kind]);
      for (unsigned i = 0; i < kWalkers; ++i) {
        std::printf("#   %s:", kNames[i]);
        show(g_work.shown[kind][i]);
      }
    }
  }
}

}  // namespace

int main(int count, char**) {
  find(g_by_libunwind, "lamprey_walk_by_libunwind");
  find(g_by_ours, "lamprey_walk_by_ours");
  if (g_by_libunwind == nullptr || g_by_ours == nullptr) {
    std::fprintf(stderr, "signal_walks: not under a library that exports its walkers\n");
    return 2;
  }
  void* warm[4];
  backtrace(warm, 4);  // its first call loads libgcc
  struct sigaction action = {};
  action.sa_sigaction = look;
  action.sa_flags = SA_SIGINFO;
#if defined(__x86_64__)
  sigaction(SIGTRAP, &action, nullptr);
#else
  sigaction(SIGALRM, &action, nullptr);
  const itimerval every = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &every, nullptr);
#endif
  for (const Named& named : kWork) {
    run(named, count > 1);
  }
  return 0;
}
