/* A custom runtime in C on bare sockets: one kept-alive connection, each request in two writes and
 * each answer read in small pieces. Built with glibc and with static musl by the tests.
 *
 * Each invocation makes the number of malloc(1000) and free that the event is ({} counts as 0). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Another file may be linked in that does something with each event. */
extern void handle_event(const char* event) __attribute__((weak));

static int connection;
static char head[4096];
static char body[65536];

static void fail(const char* what) {
  fprintf(stderr, "client: %s\n", what);
  exit(1);
}

static void connect_to(const char* api) {
  const char* colon = strchr(api, ':');
  char host[64];
  int one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (colon == NULL || (size_t)(colon - api) >= sizeof host) {
    fail("no host:port in AWS_LAMBDA_RUNTIME_API");
  }
  memcpy(host, api, (size_t)(colon - api));
  host[colon - api] = '\0';
  address.sin_port = htons((unsigned short)atoi(colon + 1));
  connection = socket(AF_INET, SOCK_STREAM, 0);
  /* Else the kernel joins what is written in two pieces, after waiting 40 ms. */
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
      connect(connection, (struct sockaddr*)&address, sizeof address) != 0) {
    fail("cannot connect");
  }
}

static void send_all(const char* data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
    if (sent <= 0) {
      fail("cannot send");
    }
    data += sent;
    size -= (size_t)sent;
  }
}

/* Fills head and body. */
static void receive(void) {
  size_t got = 0;
  size_t length = 0;
  head[0] = '\0';
  while (got < 4 || memcmp(head + got - 4, "\r\n\r\n", 4) != 0) {
    if (got + 1 >= sizeof head || recv(connection, head + got, 1, 0) != 1) {
      fail("no answer");
    }
    head[++got] = '\0';
  }
  for (char* line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, "content-length:", 15) == 0) {
      length = strtoul(line + 17, NULL, 10);
    }
  }
  for (got = 0; got < length;) {
    ssize_t part = recv(connection, body + got, length - got, 0);
    if (part <= 0 || length >= sizeof body) {
      fail("cut answer");
    }
    got += (size_t)part;
  }
  body[length] = '\0';
}

static void find_id(char* id, size_t size) {
  const char* name = "lambda-runtime-aws-request-id:";
  for (char* line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, strlen(name)) == 0) {
      const char* value = line + 2 + strlen(name) + strspn(line + 2 + strlen(name), " ");
      snprintf(id, size, "%.*s", (int)strcspn(value, "\r"), value);
      return;
    }
  }
  fail("no request id");
}

int main(void) {
  const char* api = getenv("AWS_LAMBDA_RUNTIME_API");
  char id[64];
  char request[512];
  connect_to(api != NULL ? api : "");
  for (;;) {
    const char* first = "GET /2018-06-01/runtime/invo";
    snprintf(request, sizeof request, "cation/next HTTP/1.1\r\nHost: %s\r\n\r\n", api);
    send_all(first, strlen(first));
    send_all(request, strlen(request));
    receive();
    find_id(id, sizeof id);
    if (handle_event != NULL) {
      handle_event(body);
    }
    for (long i = strtol(body, NULL, 10); i > 0; --i) {
      void* volatile block = malloc(1000);
      free(block);
    }
    snprintf(request, sizeof request,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\n"
             "Content-Length: %zu\r\n\r\n",
             id, api, strlen(body));
    send_all(request, strlen(request));
    send_all(body, strlen(body));
    receive();
  }
}
