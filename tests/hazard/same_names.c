// Asks about files of the same name in directories that are reached in the same words: after chdir,
// by a descriptor that was closed and given out again, by absolute paths in turn, by "..", and,
// unless undisturbed, from a signal handler. Usage: same_names FOLDER [undisturbed]. FOLDER holds
// a, b and c, each with a file x. The numbers of questions are what test_paths.py expects.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static char g_paths[3][4096];
static volatile sig_atomic_t g_handled;

static void ask(const char* path, int times) {
  struct stat found;
  for (int i = 0; i < times; ++i) {
    if (stat(path, &found) != 0) {
      perror(path);
      exit(3);
    }
  }
}

static void ask_at(const char* directory, int times) {
  const int fd = open(directory, O_RDONLY | O_DIRECTORY);
  struct stat found;
  for (int i = 0; i < times; ++i) {
    if (fd < 0 || fstatat(fd, "x", &found, 0) != 0) {
      exit(4);
    }
  }
  close(fd);
}

static void on_alarm(int signal) {
  (void)signal;
  struct stat found;
  stat(g_paths[2], &found);
  ++g_handled;
}

int main(int argc, char** argv) {
  if (argc < 2 || chdir(argv[1]) != 0) {
    return 2;
  }
  char path[8192];
  for (int i = 0; i < 3; ++i) {
    snprintf(g_paths[i], sizeof(g_paths[i]), "%s/%c/x", argv[1], 'a' + i);
  }
  ask("a/x", 100);
  if (chdir("a") != 0) {
    return 2;
  }
  ask("../b/x", 20);
  ask("x", 10);
  if (chdir("../b") != 0) {
    return 2;
  }
  ask("x", 1000);
  ask("../b/x", 2000);
  for (int i = 0; i < 5; ++i) {
    ask_at("../a", 4);
    ask_at("../b", 800);
  }
  for (int i = 0; i < 1000; ++i) {
    ask(g_paths[i % 2], 1);
  }
  snprintf(path, sizeof(path), "%s/b/../a/x", argv[1]);
  ask(path, 7);
  ask("../b/./x", 3);

  const struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 300}, {0, 300}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  if (argc < 3 || strcmp(argv[2], "undisturbed") != 0) {
    setitimer(ITIMER_REAL, &often, NULL);
  }
  for (int i = 0; i < 100000; ++i) {
    ask(g_paths[i % 2], 1);
  }
  setitimer(ITIMER_REAL, &never, NULL);
  printf("%d\n", (int)g_handled);
  return 0;
}
