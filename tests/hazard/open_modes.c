// open and its kin take a mode only with O_CREAT or O_TMPFILE (open(2)): prints the modes that
// files get, in the directory named. Must be the same with the library.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

extern int open64(const char* path, int flags, ...);
extern int openat64(int at, const char* path, int flags, ...);
extern int creat64(const char* path, mode_t mode);

static void show(const char* what, int fd) {
  struct stat status = {0};
  if (fd < 0 || fstat(fd, &status) != 0) {
    perror(what);
    return;
  }
  printf("%s %o\n", what, status.st_mode & 07777U);
  close(fd);
}

int main(int count, char** arguments) {
  if (count != 2 || chdir(arguments[1]) != 0) {
    return 2;
  }
  umask(0);
  show("open", open("a", O_CREAT | O_EXCL | O_RDWR, 0641));
  show("open64", open64("b", O_CREAT | O_EXCL | O_RDWR, 0604));
  show("openat", openat(AT_FDCWD, "c", O_CREAT | O_EXCL | O_RDWR, 04711));
  show("openat64", openat64(AT_FDCWD, "d", O_CREAT | O_EXCL | O_RDWR, 0111));
  show("creat", creat("e", 0653));
  show("creat64", creat64("f", 0635));
  show("temporary", open(".", O_TMPFILE | O_RDWR, 0624));
  show("temporary at", openat(AT_FDCWD, ".", O_TMPFILE | O_RDWR, 0642));
  show("temporary 64", open64(".", O_TMPFILE | O_RDWR, 0246));
  show("without a mode", open("a", O_RDONLY));
  show("directory", open(".", O_RDONLY | O_DIRECTORY));
  return 0;
}
