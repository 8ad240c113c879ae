// Ends in every way there is; one word says which. Prints nothing that is not the program's own.
#undef NDEBUG  // assert() is one of the ways
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int g_zero = 0;
static volatile int* volatile g_bad = (volatile int*)16;
static volatile char g_sink;
static jmp_buf g_back;

__attribute__((noinline)) static int deeper(int n) {
  volatile char room[512];
  memset((void*)room, n, sizeof(room));
  g_sink = room[n & 511];
  return (n < g_zero - 1 ? 0 : deeper(n + 1)) + room[3];
}

static void* in_thread(void* how);
static void jump_out(int number) {
  (void)number;
  longjmp(g_back, 1);
}
static void say_and_default(int number) {
  static const char text[] = "handled\n";
  if (write(1, text, sizeof(text) - 1) < 0) {
    _exit(99);
  }
  struct sigaction plain = {0};
  plain.sa_handler = SIG_DFL;
  sigaction(number, &plain, NULL);
  raise(number);
}

// As Rust's handler does: the fault happens again.
static void only_default(int number) {
  struct sigaction plain = {0};
  plain.sa_handler = SIG_DFL;
  sigaction(number, &plain, NULL);
}

// As the JVM's and Ruby's do.
static void say_and_abort(int number) {
  (void)number;
  abort();
}

static void truncated_mapping(void) {
  char path[] = "/var/tmp/lamprey-deaths-XXXXXX";
  const int fd = mkstemp(path);
  unlink(path);
  if (fd < 0 || ftruncate(fd, 8192) != 0) {
    _exit(98);
  }
  char* bytes = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ftruncate(fd, 0) != 0) {
    _exit(97);
  }
  bytes[4096] = 1;
}

static void in_vfork_child(int abnormal) {
  const pid_t child = vfork();
  if (child == 0) {
    if (abnormal) {
      *g_bad = 1;
    }
    _exit(5);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("child %x\n", (unsigned)status);
}

static void divide(void) {
  const int divisor = atoi("0"); /* a divisor that compilers and linters know would be refused */
  g_zero = 7 / divisor;
}

// The kernel's notes of it stay.
static void survive_fault(void) {
  signal(SIGSEGV, jump_out);
  if (setjmp(g_back) == 0) {
    *g_bad = 1;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void with_own_handler(const char* how) {
  if (strcmp(how, "survive-abort") == 0) {
    signal(SIGABRT, jump_out);
    if (setjmp(g_back) == 0) {
      abort();
    }
    printf("survived\n");
    exit(6);
  }
  struct sigaction action = {0};
  action.sa_handler = strcmp(how, "default-again") == 0       ? only_default
                      : strstr(how, "handler-aborts") != NULL ? say_and_abort
                                                              : say_and_default;
  // The kernel writes down what happened for those that ask for it, as runtimes' handlers do;
  // CPython's faulthandler does not.
  action.sa_flags = SA_NODEFER | (strstr(how, "plain") != NULL ? 0 : SA_SIGINFO);
  const int sent = strcmp(how, "sent-plain-handler") == 0;
  const int spins = strcmp(how, "own-handler-spins") == 0;
  if (sent || spins) {
    survive_fault();
  }
  sigaction(SIGSEGV, &action, NULL);
  if (strcmp(how, "plain-handler-divides") == 0) {
    sigaction(SIGFPE, &action, NULL);
    divide();
  }
  if (sent) {
    kill(getpid(), SIGSEGV);
  }
  if (spins) {
    printf("ready\n");
    for (volatile int forever = 1; forever;) {
    }
  }
  if (strcmp(how, "sent-handler-aborts") == 0) {
    kill(getpid(), SIGSEGV);  // no fault: a process sent it
  }
  *g_bad = 1;
}

static void die(const char* how) {
  if (strcmp(how, "null") == 0) {
    *g_bad = 1;
  } else if (strcmp(how, "overflow") == 0) {
    g_sink = (char)deeper(0);
  } else if (strcmp(how, "divide") == 0) {
    divide();
  } else if (strcmp(how, "trap") == 0) {
    __builtin_trap();
  } else if (strcmp(how, "abort") == 0) {
    abort();
  } else if (strcmp(how, "assert") == 0) {
    assert(g_zero == 1);
  } else if (strcmp(how, "double-free") == 0) {
    char* volatile block = malloc(24);
    free(block);
    free(block);
  } else if (strcmp(how, "bus") == 0) {
    truncated_mapping();
  } else if (strcmp(how, "exit") == 0) {
    exit(3);
  } else if (strcmp(how, "_exit") == 0) {
    _exit(4);
  } else if (strcmp(how, "quick_exit") == 0) {
    quick_exit(7);
  } else if (strcmp(how, "exit_group") == 0) {
    syscall(SYS_exit_group, 8);
  } else if (strcmp(how, "raise") == 0) {
    raise(SIGUSR1);
  } else if (strcmp(how, "kill-self") == 0) {
    kill(getpid(), SIGKILL);
  } else if (strcmp(how, "term-self") == 0) {
    kill(getpid(), SIGTERM);
  } else if (strcmp(how, "pipe") == 0) {
    int ends[2];
    if (pipe(ends) == 0) {
      close(ends[0]);
      g_sink = (char)write(ends[1], "x", 1);
    }
  } else if (strcmp(how, "vfork") == 0) {
    in_vfork_child(0);
  } else if (strcmp(how, "vfork-crash") == 0) {
    in_vfork_child(1);
  } else if (strcmp(how, "pause") == 0) {
    printf("ready\n");
    fflush(stdout);
    pause();
  } else if (strncmp(how, "thread-", 7) == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, (void*)(how + 7));
    pthread_join(thread, NULL);
  } else {
    with_own_handler(how);
  }
}

static void* in_thread(void* how) {
  die(how);
  return NULL;
}

int main(int count, char** arguments) {
  if (count < 2) {
    return 2;
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  if (strcmp(arguments[1], "return") != 0) {
    die(arguments[1]);
  }
  return 9;
}
