// Prints every signal's disposition, flags and mask as each of libc's functions shows them, before
// and after the program sets handlers of its own; and the alternate stack.
#define _XOPEN_SOURCE 600
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // sigset: old programs have it

static void own(int number) { (void)number; }

static void show(const char* when) {
  for (int number = 1; number < 65; ++number) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    if (sigaction(number, NULL, &action) != 0) {
      printf("%s %d refused\n", when, number);
      continue;
    }
    const char* handler = action.sa_handler == SIG_DFL   ? "default"
                          : action.sa_handler == SIG_IGN ? "ignored"
                          : action.sa_handler == own     ? "own"
                                                         : "STRANGE";
    unsigned long mask = 0;
    memcpy(&mask, &action.sa_mask, sizeof(mask));
    printf("%s %d %s flags %x mask %lx restorer %d\n", when, number, handler,
           (unsigned)action.sa_flags, mask, action.sa_restorer != NULL);
  }
  stack_t stack;
  memset(&stack, 0, sizeof(stack));
  sigaltstack(NULL, &stack);
  printf("%s stack %d flags %d size %zu\n", when, stack.ss_sp != NULL, stack.ss_flags,
         stack.ss_size);
}

static const char* word(void (*handler)(int)) {
  return handler == SIG_DFL   ? "default"
         : handler == SIG_ERR ? "error"
         : handler == own     ? "own"
                              : "STRANGE";
}

int main(void) {
  show("start");
  struct sigaction plain = {0};
  struct sigaction old;
  for (int number = 1; number < 32; ++number) {  // as Node does
    memset(&old, 0x55, sizeof(old));
    plain.sa_handler = SIG_DFL;
    const int result = sigaction(number, &plain, &old);
    printf("defaulted %d %d %d\n", number, result, result == 0 && old.sa_handler == SIG_DFL);
  }
  show("defaulted");
  printf("signal %s\n", word(signal(SIGSEGV, own)));
  printf("signal %s\n", word(signal(SIGSEGV, SIG_DFL)));
  printf("sigset %s\n", word(sigset(SIGBUS, own)));
  printf("ignored %s\n", word(signal(SIGPIPE, SIG_IGN)));
  plain.sa_handler = own;
  plain.sa_flags = SA_RESTART;
  sigaddset(&plain.sa_mask, SIGUSR2);
  printf("sigaction %d\n", sigaction(SIGFPE, &plain, &old));
  printf("before %s\n", word(old.sa_handler));
  plain.sa_handler = SIG_DFL;
  printf("sigaction %d\n", sigaction(SIGILL, &plain, &old));
  show("changed");
  static char room[65536];
  stack_t stack = {room, 0, sizeof(room)};
  stack_t before;
  memset(&before, 0x55, sizeof(before));
  printf("sigaltstack %d\n", sigaltstack(&stack, &before));
  printf("before %d flags %d size %zu\n", before.ss_sp != NULL, before.ss_flags, before.ss_size);
  show("stacked");
  struct sigaction again = {0};  // over a handler of its own, as Rust's handler does
  again.sa_handler = SIG_DFL;
  printf("sigaction %d\n", sigaction(SIGFPE, &again, &old));
  printf("before %s\n", word(old.sa_handler));
  show("again");
  return 0;
}
