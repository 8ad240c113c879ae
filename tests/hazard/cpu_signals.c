// What a program that is sampled could notice of the samples: signals that it fetches or looks at,
// handlers of its own for the same signal, interrupted calls, timers of threads that ended, small
// stacks, forks. It prints what it sees, which has to be the same as without.
//
//   cpu_signals hidden | own | own-signal | alone | ignored | profiled | churn N | small | fork |
//   sent | spin T MS
//   cpu_signals calls KIND N
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile unsigned long g_sink;
static volatile int g_urgent;

static long cpu_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void spin(long ms) {
  const long until = cpu_ms(CLOCK_THREAD_CPUTIME_ID) + ms;
  while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < until) {
    for (int i = 0; i < 10000; ++i) {
      g_sink += (unsigned long)i * (unsigned long)i;
    }
  }
}

static void on_urgent(int number) { g_urgent += number == SIGURG; }

static void hidden(void) {
  spin(50);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  spin(100);  // whatever comes now stays pending
  sigset_t pending;
  sigpending(&pending);
  printf("pending %d\n", sigismember(&pending, SIGURG));
  const struct timespec soon = {0, 20000000};
  siginfo_t info;
  const int fetched = sigtimedwait(&all, &info, &soon);
  printf("fetched %d %s\n", fetched, fetched < 0 ? strerror(errno) : "");
  const int descriptor = signalfd(-1, &all, SFD_NONBLOCK);
  spin(50);
  char bytes[sizeof(struct signalfd_siginfo)];
  printf("read %zd\n", read(descriptor, bytes, sizeof(bytes)));
  kill(getpid(), SIGUSR1);
  int number = 0;
  printf("waited %d", sigwait(&all, &number));
  printf(" for %d\n", number);
  struct sigaction now;
  sigaction(SIGURG, NULL, &now);
  printf("default %d\n", now.sa_handler == SIG_DFL);
}

static void own(int by_signal) {
  spin(50);
  struct sigaction mine = {.sa_handler = on_urgent};
  struct sigaction before;
  if (by_signal) {
    before.sa_handler = signal(SIGURG, on_urgent);
  } else {
    sigaction(SIGURG, &mine, &before);
  }
  printf("before %d\n", before.sa_handler == SIG_DFL);
  spin(100);
  for (int i = 0; i < 5; ++i) {
    raise(SIGURG);
  }
  struct sigaction now;
  sigaction(SIGURG, NULL, &now);
  printf("urgent %d, mine %d\n", g_urgent, now.sa_handler == on_urgent);
}

static void alone(void) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGURG);
  sigprocmask(SIG_BLOCK, &one, NULL);
  spin(50);
  kill(getpid(), SIGURG);
  int number = 0;
  sigwait(&one, &number);
  printf("waited for %d\n", number == SIGURG);
}

static void ignored(void) {
  spin(50);
  printf("before %d\n", signal(SIGURG, SIG_IGN) == SIG_DFL);
  spin(50);
  printf("then %d\n", signal(SIGURG, SIG_DFL) == SIG_IGN);
  spin(50);
}

extern const char __executable_start, etext;
static volatile int g_profiled;
static int g_elsewhere;

static void on_profiled(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  const mcontext_t* registers = &((const ucontext_t*)context)->uc_mcontext;
#if defined(__x86_64__)
  const unsigned long pc = (unsigned long)registers->gregs[REG_RIP];
#else
  const unsigned long pc = registers->pc;
#endif
  g_elsewhere += pc < (unsigned long)&__executable_start || pc >= (unsigned long)&etext;
  ++g_profiled;
}

// A profiler of the program's own, whose timer ends in the same ticks of the kernel's clock: what
// it interrupts is this loop, which calls nothing.
static void profiled(void) {
  struct sigaction action = {.sa_sigaction = on_profiled, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  const struct itimerval each_tick = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &each_tick, NULL);
  while (g_profiled < 100) {
    ++g_sink;
  }
  printf("elsewhere %d\n", g_elsewhere);
}

static void* brief(void* argument) {
  free(malloc(16));
  spin(argument != NULL ? 30 : 0);
  return NULL;
}

static int timers_left(void) {
  FILE* file = fopen("/proc/self/timers", "r");
  int count = 0;
  char line[256];
  while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
    count += strncmp(line, "ID:", 3) == 0;
  }
  return file != NULL ? count : -1;
}

static void churn(int count) {
  for (int i = 0; i < count; i += 50) {
    pthread_t threads[50];
    for (int k = 0; k < 50; ++k) {
      pthread_create(&threads[k], NULL, brief, k == 0 && i % 1000 == 0 ? (void*)&g_sink : NULL);
    }
    for (int k = 0; k < 50; ++k) {
      pthread_join(threads[k], NULL);
    }
  }
  fprintf(stderr, "timers %d\n", timers_left());
}

static void* spin_deep(void* argument) {
  (void)argument;
  spin(200);
  return NULL;
}

static void small(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  pthread_t thread;
  printf("created %d\n", pthread_create(&thread, &attributes, spin_deep, NULL));
  pthread_join(thread, NULL);
}

static void wait_for(pid_t child) {
  int status = 0;
  printf("%d", waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

static void forks(void) {
  static int left = 10;
  for (; left > 0; --left) {
    spin(5);
    const pid_t child = fork();
    if (child == 0) {
      spin(10);
      _exit(7);
    }
    wait_for(child);
    const pid_t other = vfork();
    if (other == 0) {
      _exit(7);
    }
    wait_for(other);
  }
  printf("\n");
}

// By others, or by chance: neither a sample nor a request.
static void sent(void) {
  const union sigval value = {.sival_int = 12345};
  for (int i = 0; i < 100; ++i) {
    kill(getpid(), SIGURG);
    sigqueue(getpid(), SIGURG, value);
  }
  spin(20);
  printf("alive\n");
}

static void* spin_for(void* ms) {
  spin(*(long*)ms);
  return NULL;
}

static void spin_in(int count, long ms) {
  pthread_t threads[64];
  for (int i = 0; i < count; ++i) {
    pthread_create(&threads[i], NULL, spin_for, &ms);
  }
  for (int i = 0; i < count; ++i) {
    pthread_join(threads[i], NULL);
  }
  printf("%ld\n", cpu_ms(CLOCK_PROCESS_CPUTIME_ID));
}

// How many of `count` calls that block for 20 us end with EINTR.
static int interrupted(const char* kind, int count) {
  int pipes[2];
  int pair[2];
  if (pipe(pipes) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
    return -1;
  }
  const struct timeval brief_time = {0, 20};
  setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &brief_time, sizeof(brief_time));
  const int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
  int seen = 0;
  for (int i = 0; i < count; ++i) {
    for (int k = 0; k < 3000; ++k) {
      g_sink += (unsigned long)k;
    }
    const struct timespec brief_wait = {0, 20000};
    int result = 0;
    errno = 0;
    if (strcmp(kind, "ppoll") == 0) {
      struct pollfd watched = {pipes[0], POLLIN, 0};
      result = ppoll(&watched, 1, &brief_wait, NULL);
    } else if (strcmp(kind, "epoll") == 0) {
      result = (int)syscall(441, epoll, &event, 1, &brief_wait, NULL, 8);  // epoll_pwait2
    } else if (strcmp(kind, "select") == 0) {
      fd_set set;
      FD_ZERO(&set);
      FD_SET(pipes[0], &set);
      struct timeval left = {0, 20};
      result = select(pipes[0] + 1, &set, NULL, NULL, &left);
    } else if (strcmp(kind, "nanosleep") == 0) {
      result = nanosleep(&brief_wait, NULL);
    } else if (strcmp(kind, "recv") == 0) {
      char byte;
      result = (int)recv(pair[0], &byte, 1, 0);
    } else {
      static int word;
      result = (int)syscall(SYS_futex, &word, 128, 0, &brief_wait, NULL, 0);
    }
    seen += result < 0 && errno == EINTR;
  }
  return seen;
}

int main(int count, char** arguments) {
  const char* way = count > 1 ? arguments[1] : "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (strcmp(way, "hidden") == 0) {
    hidden();
  } else if (strncmp(way, "own", 3) == 0) {
    own(strcmp(way, "own-signal") == 0);
  } else if (strcmp(way, "alone") == 0) {
    alone();
  } else if (strcmp(way, "ignored") == 0) {
    ignored();
  } else if (strcmp(way, "profiled") == 0) {
    profiled();
  } else if (strcmp(way, "churn") == 0) {
    churn(atoi(arguments[2]));
  } else if (strcmp(way, "small") == 0) {
    small();
  } else if (strcmp(way, "fork") == 0) {
    forks();
  } else if (strcmp(way, "sent") == 0) {
    sent();
  } else if (strcmp(way, "spin") == 0) {
    spin_in(atoi(arguments[2]), atol(arguments[3]));
  } else if (strcmp(way, "calls") == 0) {
    printf("interrupted %d\n", interrupted(arguments[2], atoi(arguments[3])));
  } else {
    return 2;
  }
  return 0;
}
