// What a program sees of its descriptors: the numbers it is given, what is open, and that nothing
// breaks when it closes everything, as a daemon does. Output must be the same with the library.
//
//   descriptors numbers | closefrom | close_range | loop | closed-stderr
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opaque.h"

static void print_open(void) {
  char target[256];
  char path[64];
  for (int fd = 3; fd < 1024; ++fd) {
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n >= 0) {
      target[n] = '\0';
      printf("open %d %s\n", fd, target);
    }
  }
}

static void use_everything(void) {
  char byte;
  const int file = open("/dev/zero", O_RDONLY);
  const int other = socket(AF_UNIX, SOCK_STREAM, 0);
  printf("file %d socket %d read %zd\n", file, other, read(file, &byte, 1));
  print_open();
  close(file);
  close(other);
  free(opaque(malloc(100000)));
}

int main(int count, char** arguments) {
  const char* mode = count > 1 ? arguments[1] : "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  use_everything();
  for (int i = 0; i < 10; ++i) {
    open("/dev/null", O_RDONLY);
  }
  if (strcmp(mode, "closefrom") == 0) {
    closefrom(3);
  } else if (strcmp(mode, "close_range") == 0) {
    close_range(3, ~0U, 0);
  } else if (strcmp(mode, "loop") == 0) {
    for (int fd = 3; fd < 65536; ++fd) {
      close(fd);
    }
  } else if (strcmp(mode, "closed-stderr") == 0) {
    close(2);
    close(0);
    printf("next %d\n", open("/dev/null", O_WRONLY));
  } else if (strcmp(mode, "numbers") != 0) {
    return 2;
  }
  use_everything();
  return 0;
}
