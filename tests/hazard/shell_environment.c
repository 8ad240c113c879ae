// Two threads set, read and take away variables while the program starts shells; see
// process/launched.h. Prints whether each found its own, and what is left of the library's.
//
//   shell_environment COMMAND ROUNDS
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char** environ;

static atomic_int g_over;
static atomic_int g_lost;

static void* change(void* name) {
  char value[32];
  for (unsigned n = 0; !atomic_load(&g_over); ++n) {
    snprintf(value, sizeof(value), "%u", n);
    setenv(name, value, 1);
    const char* found = getenv("STAYS");
    atomic_fetch_add(&g_lost, found == NULL || strcmp(found, "1") != 0);
    if (n % 7 == 0) {
      unsetenv(name);
    }
  }
  return NULL;
}

int main(int count, char** arguments) {
  if (count < 3) {
    return 2;
  }
  setenv("STAYS", "1", 1);
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, change, "ONE");
  pthread_create(&threads[1], NULL, change, "TWO");
  int ran = 0;
  for (int round = atoi(arguments[2]); round > 0; --round) {
    // libc's own shells fail now and then while others set variables, with and without us.
    ran += system(arguments[1]) == 0;  // NOLINT(cert-env33-c): the test's own program
  }
  atomic_store(&g_over, 1);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  for (char** entry = environ; *entry != NULL; ++entry) {
    if (strncmp(*entry, "LD_PRELOAD=", 11) == 0 || strncmp(*entry, "_LAMPREY", 8) == 0) {
      printf("left: %s\n", *entry);
    }
  }
  printf("ran %s, lost %d\n", ran > 0 ? "some" : "none", atomic_load(&g_lost));
  return 0;
}
