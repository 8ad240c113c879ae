// Waits at stack pointers where it waited before, for other callers: what the thread's recent
// stacks must not mistake for each other. Usage: same_places ROUNDS [undisturbed]. Callers of one
// frame size, frames of moving size, frames found by a frame pointer, coroutines on memory that is
// given back, threads that come and go on one stack and, unless undisturbed, signal handlers that
// wait inside a wait and longjmp out of them.
#define _GNU_SOURCE
#include <alloca.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "opaque.h"

enum { kStackBytes = 65536 };

static unsigned g_random = 1;
static sigjmp_buf g_out;
static volatile sig_atomic_t g_may_leave, g_handled, g_left;

static unsigned draw(unsigned* state) {
  *state = *state * 1664525U + 1013904223U;
  return *state >> 16;
}

static void wait_here(void) { poll(NULL, 0, 0); }

typedef void (*Step)(unsigned* state, int depth);
static void go_on(unsigned* state, int depth);

// Two callers that differ in their code alone.
__attribute__((noinline)) static void by_left(unsigned* state, int depth) {
  go_on(state, depth);
  opaque(&depth);
}
__attribute__((noinline)) static void by_right(unsigned* state, int depth) {
  go_on(state, depth);
  opaque(state);
}
// Two calls in one function.
__attribute__((noinline)) static void by_either(unsigned* state, int depth) {
  if (draw(state) % 2 == 0) {
    go_on(state, depth);
    opaque(&depth);
  } else {
    go_on(state, depth);
    opaque(state);
  }
}
// A frame that only its frame pointer finds.
__attribute__((noinline)) static void by_moving(unsigned* state, int depth) {
  const size_t bytes = (size_t)16 * (1 + draw(state) % 4);
  char* room = alloca(bytes);
  memset(room, 1, bytes);
  opaque(room);
  go_on(state, depth);
  opaque(room);
}

__attribute__((noinline)) static void go_on(unsigned* state, int depth) {
  static const Step steps[] = {by_left, by_right, by_either, by_moving};
  if (depth > 0) {
    steps[draw(state) % 4](state, depth - 1);
  } else {
    wait_here();
  }
  opaque(&depth);
}

static ucontext_t g_main_context, g_coroutine;
static void coroutine(void) {
  go_on(&g_random, 3);
  swapcontext(&g_coroutine, &g_main_context);
}

// On memory that comes and goes, so that the next one lies where another was, or shorter.
static void run_coroutine(size_t bytes) {
  void* stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) {
    exit(3);
  }
  getcontext(&g_coroutine);
  g_coroutine.uc_stack.ss_sp = stack;
  g_coroutine.uc_stack.ss_size = bytes;
  g_coroutine.uc_link = &g_main_context;
  makecontext(&g_coroutine, coroutine, 0);
  swapcontext(&g_main_context, &g_coroutine);
  munmap(stack, bytes);
}

static void* thread_main(void* argument) {
  unsigned state = (unsigned)(size_t)argument;
  for (int i = 0; i < 20; ++i) {
    go_on(&state, (int)(draw(&state) % 6));
  }
  return NULL;
}

static void on_alarm(int signal) {
  (void)signal;
  ++g_handled;
  unsigned state = (unsigned)g_handled;
  go_on(&state, 2);
  if (g_may_leave && g_handled % 8 == 0) {
    ++g_left;
    siglongjmp(g_out, 1);
  }
}

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 2000;
  const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 700}, {0, 700}};
  const int disturbed = argc < 3 || strcmp(argv[2], "undisturbed") != 0;
  if (disturbed) {
    setitimer(ITIMER_REAL, &often, NULL);
  }
  // On a fast machine these rounds may see too few alarms for one that leaves.
  for (volatile int i = 0; i < rounds || (disturbed && g_left == 0 && i < 100 * rounds); ++i) {
    if (sigsetjmp(g_out, 1) == 0) {
      g_may_leave = 1;
      for (int again = 0; again < 20; ++again) {
        unsigned state = draw(&g_random) % 64;  // few paths, so that they come again
        go_on(&state, (int)(state % 8));
      }
    }
    g_may_leave = 0;
    if (i % 8 == 0) {
      run_coroutine((size_t)kStackBytes * (1 + draw(&g_random) % 2));
    }
    if (i % 64 == 0) {
      pthread_t thread;
      if (pthread_create(&thread, NULL, thread_main, (void*)(size_t)i) != 0 ||
          pthread_join(thread, NULL) != 0) {
        return 4;
      }
    }
  }
  const struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
  printf("handled %d left %d\n", g_handled > 0, g_left > 0);
  return 0;
}
