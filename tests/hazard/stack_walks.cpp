// Allocates from many kinds of frames and says on stdout, for each, what glibc's own backtrace()
// sees there: "name address address ...". The test compares that with the recording. Run with
// LAMPREY_SAMPLE_BYTES=1, so that every allocation is sampled.
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/hazard/opaque.h"

namespace {

constexpr int kMaxFrames = 256;

// The allocation and the backtrace return to the same frames above this function.
__attribute__((noinline)) void probe(const char* name) {
  void* block = std::malloc(100);
  void* frames[kMaxFrames];
  const int depth = backtrace(frames, kMaxFrames);
  std::printf("%s", name);
  for (int i = 1; i < depth; ++i) {  // without this function's own
    // In exact mode a signal may have interrupted the gate: a frame of the library's, which its own
    // walks leave out.
    Dl_info info = {};
    const bool named = dladdr(frames[i], &info) != 0 && info.dli_fname != nullptr;
    if (!named || std::strstr(info.dli_fname, "liblamprey") == nullptr) {
      std::printf(" %p", frames[i]);
    }
  }
  std::printf("\n");
  opaque(block);
}

__attribute__((noinline)) int deep(const char* name, int left) {
  if (left == 0) {
    probe(name);
    return 0;
  }
  const int below = deep(name, left - 1);
  return below + opaque_int(1);
}

__attribute__((noinline)) void large_frame(const char* name) {
  char room[60000];
  std::memset(room, opaque_int(1), sizeof(room));
  probe(name);
  opaque(room);
}

__attribute__((noinline)) void moving_frame(const char* name) {
  char* room = static_cast<char*>(alloca(static_cast<std::size_t>(opaque_int(1)) * 300));
  room[0] = 1;
  probe(name);
  opaque(room);
}

// The stack pointer is aligned anew: the caller's frame is found by an expression.
__attribute__((noinline)) void realigned_frame(const char* name) {
  alignas(256) char room[512];
  room[0] = static_cast<char>(opaque_int(1));
  char* moving = static_cast<char*>(alloca(static_cast<std::size_t>(opaque_int(1)) * 100));
  moving[0] = room[0];
  probe(name);
  opaque(room);
  opaque(moving);
}

int compare(const void* a, const void* b) {
  static bool done = false;
  if (!done) {
    done = true;
    probe("callback");
  }
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void on_signal(int) { probe("signal"); }

void* in_thread(void*) {
  deep("thread", 5);
  return nullptr;
}

void raise_on_other_stack() {
  static char room[65536];
  stack_t stack = {};
  stack.ss_sp = room;
  stack.ss_size = sizeof(room);
  sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_handler = [](int) { probe("other_stack"); };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR2, &action, nullptr);
  raise(SIGUSR2);
}

}  // namespace

int main() {
  void* warm[4];
  backtrace(warm, 4);  // its first call loads libgcc
  static char buffer[65536];
  setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
  deep("deep", 12);
  deep("deeper", 150);
  large_frame("large_frame");
  moving_frame("moving_frame");
  realigned_frame("realigned_frame");
  int numbers[] = {3, 1, 2};
  qsort(numbers, 3, sizeof(int), compare);
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  raise_on_other_stack();
  pthread_t thread;
  pthread_create(&thread, nullptr, in_thread, nullptr);
  pthread_join(thread, nullptr);
  std::fflush(stdout);
  return 0;
}
