// A runtime that speaks with the Runtime API in every way that a client may: bytes in pieces, any
// of the system calls, one connection or one for each call, chunks, 100-continue, pipelining.
// Prints the request ids and body sizes that it was given; the same with the library and without.
//
//   runtime_client PORT INVOCATIONS [NAME=VALUE]...
//     send-piece=N recv-piece=N    bytes a call
//     send=send|write|writev|sendmsg|sendto   recv=recv|read|readv|recvmsg|recvfrom
//     body=N       bytes of the response, full of text that looks like requests
//     connections=call             a connection for each call
//     style=chunked|expect|pipelined|error|peek|nonblocking
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int g_port;
static size_t g_send_piece = 1 << 20;
static size_t g_recv_piece = 1 << 20;
static const char* g_send = "send";
static const char* g_recv = "recv";
static const char* g_style = "";
static size_t g_body = 2;
static int g_per_call;
static int g_fd = -1;
static char g_buffer[65536];
static size_t g_have;  // bytes received and not yet used

static int is(const char* a, const char* b) { return strcmp(a, b) == 0; }

static void wait_for(short what) {
  struct pollfd one = {g_fd, what, 0};
  poll(&one, 1, -1);
}

static void open_connection(void) {
  const struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)g_port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int flags = is(g_style, "nonblocking") ? SOCK_NONBLOCK : 0;
  const int no_delay = 1;
  g_have = 0;
  g_fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  setsockopt(g_fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
  if (connect(g_fd, (const struct sockaddr*)&address, sizeof(address)) != 0) {
    if (errno != EINPROGRESS) {
      perror("connect");
      exit(3);
    }
    wait_for(POLLOUT);
  }
}

static ssize_t send_some(const char* data, size_t size) {
  // Two pieces, so that the first is not the whole request line.
  const size_t first = size > 9 ? 9 : size;
  struct iovec pieces[2] = {{(void*)data, first}, {(void*)(data + first), size - first}};
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
  if (is(g_send, "write")) {
    return write(g_fd, data, size);
  }
  if (is(g_send, "writev")) {
    return writev(g_fd, pieces, 2);
  }
  if (is(g_send, "sendmsg")) {
    return sendmsg(g_fd, &message, MSG_NOSIGNAL);
  }
  if (is(g_send, "sendto")) {
    return sendto(g_fd, data, size, MSG_NOSIGNAL, NULL, 0);
  }
  return send(g_fd, data, size, MSG_NOSIGNAL);
}

static void send_all(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send_some(data, size < g_send_piece ? size : g_send_piece);
    if (sent < 0 && errno == EAGAIN) {
      wait_for(POLLOUT);
    } else if (sent < 0) {
      return;  // the other side has hung up: receiving will tell
    } else {
      data += sent;
      size -= (size_t)sent;
    }
  }
}

static ssize_t receive_some(char* into, size_t size) {
  const size_t first = size > 3 ? 3 : size;
  struct iovec pieces[2] = {{into, first}, {into + first, size - first}};
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
  if (is(g_style, "peek")) {
    recv(g_fd, into, size, MSG_PEEK);
  }
  if (is(g_recv, "read")) {
    return read(g_fd, into, size);
  }
  if (is(g_recv, "readv")) {
    return readv(g_fd, pieces, 2);
  }
  if (is(g_recv, "recvmsg")) {
    return recvmsg(g_fd, &message, 0);
  }
  if (is(g_recv, "recvfrom")) {
    return recvfrom(g_fd, into, size, 0, NULL, NULL);
  }
  return recv(g_fd, into, size, 0);
}

// Receives more; 0 when the other side has hung up.
static int receive(void) {
  size_t room = sizeof(g_buffer) - 1 - g_have;
  ssize_t got;
  do {
    got = receive_some(g_buffer + g_have, room < g_recv_piece ? room : g_recv_piece);
    if (got < 0 && errno == EAGAIN) {
      wait_for(POLLIN);
    }
  } while (got < 0 && errno == EAGAIN);
  g_have += got > 0 ? (size_t)got : 0;
  g_buffer[g_have] = '\0';
  return got > 0;
}

static void use(size_t bytes) {
  memmove(g_buffer, g_buffer + bytes, g_have - bytes + 1);
  g_have -= bytes;
}

static long header_number(const char* head, const char* name) {
  const char* at = strcasestr(head, name);
  return at != NULL ? strtol(at + strlen(name) + 1, NULL, 10) : -1;
}

static int skip_body(size_t left) {
  while (left > 0) {
    const size_t part = g_have < left ? g_have : left;
    use(part);
    left -= part;
    if (left > 0 && !receive()) {
      return 0;
    }
  }
  return 1;
}

static int skip_chunks(size_t* total) {
  for (;;) {
    char* end;
    while ((end = strstr(g_buffer, "\r\n")) == NULL) {
      if (!receive()) {
        return 0;
      }
    }
    const size_t size = strtoul(g_buffer, NULL, 16);
    use((size_t)(end + 2 - g_buffer));
    *total += size;
    if (!skip_body(size + 2)) {
      return 0;
    }
    if (size == 0) {
      return 1;
    }
  }
}

// One response, past its body. Its status; 0 when the connection ended first. `id` may be NULL.
static int response(char* id, size_t* body) {
  char* end;
  *body = 0;
  while ((end = strstr(g_buffer, "\r\n\r\n")) == NULL || g_have == 0) {
    if (!receive()) {
      return 0;
    }
  }
  *end = '\0';
  const int status = strncmp(g_buffer, "HTTP/1.", 7) == 0 ? atoi(g_buffer + 9) : -1;
  const char* found = strcasestr(g_buffer, "Lambda-Runtime-Aws-Request-Id:");
  if (id != NULL) {
    const char* value = found != NULL ? found + 30 + strspn(found + 30, " ") : "";
    snprintf(id, 64, "%.*s", (int)strcspn(value, "\r\n"), value);
  }
  const long length = header_number(g_buffer, "Content-Length:");
  const int chunked = strcasestr(g_buffer, "Transfer-Encoding: chunked") != NULL;
  use((size_t)(end + 4 - g_buffer));
  *body = length > 0 ? (size_t)length : 0;
  if (status != 100 && !(chunked ? skip_chunks(body) : skip_body(*body))) {
    return 0;
  }
  return status == 100 ? response(id, body) : status;
}

static size_t make_post(char* into, const char* id) {
  const int chunked = is(g_style, "chunked");
  const char* what = is(g_style, "error") ? "error" : "response";
  size_t n =
      (size_t)sprintf(into,
                      "POST /2018-06-01/runtime/invocation/%s/%s HTTP/1.1\r\n"
                      "Host: 127.0.0.1:%d\r\nUser-Agent: hazard\r\n%s",
                      id, what, g_port, is(g_style, "expect") ? "Expect: 100-continue\r\n" : "");
  n += (size_t)(chunked ? sprintf(into + n, "Transfer-Encoding: chunked\r\n\r\n")
                        : sprintf(into + n, "Content-Length: %zu\r\n\r\n", g_body));
  return n;
}

static void fill(char* into, size_t size) {
  static const char text[] =
      "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
      "POST /2018-06-01/runtime/invocation/no-such-id/response HTTP/1.1\r\n\r\n";
  for (size_t at = 0; at < size; at += sizeof(text) - 1) {
    memcpy(into + at, text, size - at < sizeof(text) - 1 ? size - at : sizeof(text) - 1);
  }
}

static size_t add_body(char* into) {
  if (!is(g_style, "chunked")) {
    fill(into, g_body);
    return g_body;
  }
  size_t n = 0;
  for (size_t at = 0; at < g_body; at += 1000) {
    const size_t part = g_body - at < 1000 ? g_body - at : 1000;
    n += (size_t)sprintf(into + n, "%zx;extension=1\r\n", part);
    fill(into + n, part);
    n += part;
    n += (size_t)sprintf(into + n, "\r\n");
  }
  return n + (size_t)sprintf(into + n, "0\r\nLambda-Runtime-Function-Error-Type: x\r\n\r\n");
}

static const char* kNext =
    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: "
    "hazard\r\n\r\n";

static void prepare_connection(void) {
  if (g_per_call && g_fd >= 0) {
    close(g_fd);
    g_fd = -1;
  }
  if (g_fd < 0) {
    open_connection();
  }
}

static int answer(char* request, const char* id, int pipeline_next) {
  size_t body;
  prepare_connection();
  size_t n = make_post(request, id);
  if (is(g_style, "expect")) {
    send_all(request, n);
    usleep(1000);
    n = 0;
  }
  n += add_body(request + n);
  if (pipeline_next) {
    n += (size_t)sprintf(request + n, "%s", kNext);
  }
  send_all(request, n);
  return response(NULL, &body);
}

static void option(const char* name, const char* value) {
  if (is(name, "send-piece")) {
    g_send_piece = strtoul(value, NULL, 10);
  } else if (is(name, "recv-piece")) {
    g_recv_piece = strtoul(value, NULL, 10);
  } else if (is(name, "send")) {
    g_send = value;
  } else if (is(name, "recv")) {
    g_recv = value;
  } else if (is(name, "body")) {
    g_body = strtoul(value, NULL, 10);
  } else if (is(name, "connections")) {
    g_per_call = is(value, "call");
  } else if (is(name, "style")) {
    g_style = value;
  } else {
    fprintf(stderr, "runtime_client: unknown option %s\n", name);
    exit(2);
  }
}

int main(int count, char** arguments) {
  const int invocations = count > 2 ? atoi(arguments[2]) : 0;
  g_port = count > 1 ? atoi(arguments[1]) : 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 3; i < count; ++i) {
    char* value = strchr(arguments[i], '=');
    if (value == NULL) {
      return 2;
    }
    *value = '\0';
    option(arguments[i], value + 1);
  }
  char* request = malloc(2 * g_body + 4096);
  const int pipelined = is(g_style, "pipelined");
  int failures = 0;
  for (int i = 0; i < invocations && failures < 20;) {
    char id[64];
    size_t body;
    prepare_connection();
    if (!pipelined || i == 0) {
      send_all(kNext, strlen(kNext));
    }
    const int status = response(id, &body);
    if (status != 200) {
      printf("next: status %d\n", status);
      ++failures;
      close(g_fd);
      g_fd = -1;
      continue;
    }
    ++i;
    printf("next: %s, %zu bytes\n", id, body);
    printf("answered: %d\n", answer(request, id, pipelined && i < invocations));
  }
  prepare_connection();
  send_all(kNext, strlen(kNext));  // and now the environment would be frozen
  free(request);
  return 0;
}
