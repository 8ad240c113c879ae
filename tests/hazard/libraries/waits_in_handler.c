/* Preloaded: waits, for no time, in a signal handler that interrupts whatever runs, a thousand
   times a second of processor time. So a stack is taken at any instruction of the program's. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

static void wait_in_handler(int number) {
  (void)number;
  const int kept = errno;
  poll(0, 0, 0);
  errno = kept;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction action = {0};
  action.sa_handler = wait_in_handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, 0);
  const struct itimerval often = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &often, 0);
}
