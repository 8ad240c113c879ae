// A child that shares its parent's memory closes the parent's descriptors, as far as it is
// concerned, and opens others under their numbers. Then the parent uses its own.
//
//   vforks none | vfork | clone     how the child is made
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kRounds = 10 };

static int g_file;
static int g_other_file;
static int g_connection;

static int in_child(void* nothing) {
  (void)nothing;
  close(g_file);
  close(g_connection);
  open("/dev/null", O_RDONLY);
  open("/dev/zero", O_RDONLY);
  // And a third under the number of the parent's other file, which leads to a host.
  close(g_other_file);
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  (void)connect(socket(AF_INET, SOCK_DGRAM, 0), (const struct sockaddr*)&address, sizeof(address));
  execl("/bin/true", "true", (char*)NULL);
  _exit(9);
}

static pid_t by_vfork(void) {
  const pid_t child = vfork();
  if (child == 0) {
    in_child(NULL);
  }
  return child;
}

static pid_t by_clone(void) {
  static char stack[65536];
  return clone(in_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

// A connection to ourselves; what is sent comes back on `other`.
static int connect_to_self(int* other) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listening, (struct sockaddr*)&address, size) != 0 || listen(listening, 1) != 0 ||
      getsockname(listening, (struct sockaddr*)&address, &size) != 0) {
    return -1;
  }
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr*)&address, size) != 0) {
    return -1;
  }
  *other = accept(listening, NULL, NULL);
  close(listening);
  return connection;
}

int main(int count, char** arguments) {
  const char* how = count == 2 ? arguments[1] : "";
  char bytes[100];
  char other_bytes[1];
  int other = -1;
  g_file = open("/etc/passwd", O_RDONLY);
  g_other_file = open("/etc/group", O_RDONLY);
  g_connection = connect_to_self(&other);
  if (g_file < 0 || g_connection < 0) {
    return 1;
  }
  for (int round = 0; round < kRounds; ++round) {
    const pid_t child = strcmp(how, "vfork") == 0   ? by_vfork()
                        : strcmp(how, "clone") == 0 ? by_clone()
                                                    : 0;
    int status = 0;
    if (child != 0) {
      waitpid(child, &status, 0);
    }
    const ssize_t read_from_file = pread(g_file, bytes, sizeof(bytes), 0);
    pread(g_other_file, other_bytes, 1, 0);
    const ssize_t sent = send(g_connection, bytes, sizeof(bytes), 0);
    const ssize_t came = recv(other, bytes, sizeof(bytes), 0);
    printf("%zd %zd %zd %d\n", read_from_file, sent, came, status);
  }
  return 0;
}
