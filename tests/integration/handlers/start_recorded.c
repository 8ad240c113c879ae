/* Stands where a test suite expects a program and becomes that program, in the same process: the
 * one of this name in SUITE_PROGRAMS, under SUITE_LIBRARY if that is set. A program and not a
 * script, because suites look at what they test with ldd. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char** words) {
  (void)count;
  const char* folder = getenv("SUITE_PROGRAMS");
  const char* library = getenv("SUITE_LIBRARY");
  char* name = strdup(words[0]);
  char program[4096];
  char pid[24];
  if (folder == NULL || name == NULL) {
    return 125;
  }
  snprintf(program, sizeof(program), "%s/%s", folder, basename(name));
  if (library != NULL) {
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("LD_PRELOAD", library, 1);
    setenv("_LAMPREY_TARGET", pid, 1);
    setenv("_LAMPREY_ROLE", "run", 1);
  }
  execv(program, words);
  perror(program);
  return 127;
}
