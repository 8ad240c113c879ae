// Prints what a child process inherits of the library: LD_PRELOAD, variables that begin with
// _LAMPREY, and whether liblamprey.so is mapped. With arguments, becomes another program in place:
//
//   environment                    prints
//   environment HOW PROGRAM ...    HOW: execve execv execvp execvpe execl execlp execle fexecve
//   empty
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char** environ;

static int is_mapped(const char* part) {
  char line[1024];
  int found = 0;
  FILE* maps = fopen("/proc/self/maps", "re");
  while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
    found |= strstr(line, part) != NULL;
  }
  if (maps != NULL) {
    fclose(maps);
  }
  return found;
}

static int print(void) {
  int entries = 0;
  for (char** entry = environ; *entry != NULL; ++entry, ++entries) {
    if (strncmp(*entry, "LD_PRELOAD=", 11) == 0 || strncmp(*entry, "_LAMPREY", 8) == 0) {
      printf("%s\n", *entry);
    }
  }
  printf("mapped: %s\n", is_mapped("liblamprey.so") ? "yes" : "no");
  printf("recorded: %s\n", is_mapped("/tmp/lamprey/") || is_mapped(".rec") ? "yes" : "no");
  return 0;
}

int main(int count, char** arguments) {
  if (count < 3) {
    return print();
  }
  const char* how = arguments[1];
  const char* program = arguments[2];
  char** rest = arguments + 2;
  char* none[] = {NULL};
  if (strcmp(how, "execve") == 0) {
    execve(program, rest, environ);
  } else if (strcmp(how, "execv") == 0) {
    execv(program, rest);
  } else if (strcmp(how, "execvp") == 0) {
    execvp(program, rest);
  } else if (strcmp(how, "execvpe") == 0) {
    execvpe(program, rest, environ);
  } else if (strcmp(how, "execl") == 0) {
    execl(program, program, rest[1], (char*)NULL);
  } else if (strcmp(how, "execlp") == 0) {
    execlp(program, program, rest[1], (char*)NULL);
  } else if (strcmp(how, "execle") == 0) {
    execle(program, program, rest[1], (char*)NULL, environ);
  } else if (strcmp(how, "fexecve") == 0) {
    fexecve(open(program, O_RDONLY | O_CLOEXEC), rest, environ);
  } else if (strcmp(how, "empty") == 0) {
    execve(program, rest, none);
  }
  perror("environment: exec");
  return 1;
}
