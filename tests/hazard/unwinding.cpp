// Ways out of a hooked call that are no return: a C++ exception thrown by a signal handler while
// the call is blocked, a longjmp from one, and exceptions that pass frames which called hooked
// functions. Prints what happened; must be the same with the library. The calls afterwards must
// still count.
//
// Throwing out of a handler that interrupted a system call is what -fnon-call-exceptions programs
// (Java native code, some C++ servers) do; libc's unwind tables permit it for cancellation points.
#include <fcntl.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <new>
#include <stdexcept>
#include <string>

#include "tests/hazard/opaque.h"

namespace {

sigjmp_buf g_back;
int g_pair[2];
char g_byte;

void throw_from_handler(int) { throw std::runtime_error("thrown by the handler"); }
void jump_from_handler(int) { siglongjmp(g_back, 1); }

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGALRM, &action, nullptr);
  ualarm(20000, 0);
}

// The compiler must believe that anything may throw here: called through pointers.
using Blocking = void (*)();
const Blocking kBlocking[] = {
    [] { static_cast<void>(!::read(g_pair[0], &g_byte, 1)); },
    [] { ::recv(g_pair[0], &g_byte, 1, 0); },
    [] { ::poll(nullptr, 0, -1); },
    [] { ::sleep(100); },
    [] {
      const timespec time = {100, 0};
      ::nanosleep(&time, nullptr);
    },
};

void throw_through(Blocking block) {
  try {
    handle(throw_from_handler);
    block();
    std::puts("returned");
  } catch (const std::runtime_error& error) {
    std::printf("caught: %s\n", error.what());
  }
}

void jump_out_of(Blocking block) {
  if (sigsetjmp(g_back, 1) == 0) {
    handle(jump_from_handler);
    block();
    std::puts("returned");
  } else {
    std::puts("jumped out");
  }
}

int compare(const void*, const void*) {
  std::free(opaque(std::malloc(10)));
  static_cast<void>(!::read(g_pair[0], &g_byte, 0));
  throw std::logic_error("thrown by a callback");
}

void throw_through_qsort() {
  int numbers[8] = {3, 1, 2, 9, 8, 7, 6, 5};
  try {
    std::qsort(numbers, 8, sizeof(int), compare);
  } catch (const std::logic_error& error) {
    std::printf("caught: %s\n", error.what());
  }
}

void run_out_of_memory() {
  try {
    ::operator delete(opaque(::operator new(opaque_size(std::size_t{1} << 62))));
  } catch (const std::bad_alloc&) {
    std::puts("caught: bad_alloc");
  }
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, g_pair) != 0) {
    return 1;
  }
  for (const Blocking block : kBlocking) {
    throw_through(block);
    jump_out_of(block);
  }
  throw_through_qsort();
  run_out_of_memory();
  const int zero = ::open("/dev/zero", O_RDONLY);
  for (int i = 0; i < 50; ++i) {
    if (::read(zero, &g_byte, 1) != 1) {
      return 1;
    }
  }
  return 0;
}
