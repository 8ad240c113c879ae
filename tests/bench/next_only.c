/* The least that an extension can be: it registers for every invocation and asks for the next one.
 * What this costs is the floor for any extension. No measurement here. */
#define _GNU_SOURCE  // strcasestr
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int asked(int api, const char* request, char* answer, size_t room) {
  size_t have = 0;
  if (send(api, request, strlen(request), MSG_NOSIGNAL) < 0) {
    return -1;
  }
  while (have + 1 < room) {
    ssize_t got = recv(api, answer + have, room - 1 - have, 0);
    if (got <= 0) {
      return -1;
    }
    have += (size_t)got;
    answer[have] = '\0';
    const char* body = strstr(answer, "\r\n\r\n");
    const char* length = strcasestr(answer, "content-length:");
    if (body != NULL && length != NULL &&
        have >= (size_t)(body + 4 - answer) + strtoul(length + 15, NULL, 10)) {
      return 0;
    }
  }
  return -1;
}

// NOLINTBEGIN(clang-analyzer-security.insecureAPI.*): each text is held to the size of its place.
int main(void) {
  char address[64];
  char request[512];
  char answer[8192];
  char identifier[64] = "";
  const char* api_text = getenv("AWS_LAMBDA_RUNTIME_API");
  if (api_text == NULL || strlen(api_text) >= sizeof(address)) {
    return 1;
  }
  strcpy(address, api_text);
  char* port = strchr(address, ':');
  if (port == NULL) {
    return 1;
  }
  *port++ = '\0';
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  inet_pton(AF_INET, address, &to.sin_addr);
  int api = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  if (connect(api, (struct sockaddr*)&to, sizeof(to)) != 0) {
    return 1;
  }
  setsockopt(api, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const char* events = "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}";
  snprintf(request, sizeof(request),
           "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: api\r\n"
           "Lambda-Extension-Name: next_only\r\nContent-Length: %zu\r\n\r\n%s",
           strlen(events), events);
  if (asked(api, request, answer, sizeof(answer)) != 0) {
    return 1;
  }
  const char* found = strcasestr(answer, "lambda-extension-identifier:");
  if (found == NULL || sscanf(found + 28, " %63[^\r\n]", identifier) != 1) {
    return 1;
  }
  snprintf(request, sizeof(request),
           "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: api\r\n"
           "Lambda-Extension-Identifier: %s\r\n\r\n",
           identifier);
  while (asked(api, request, answer, sizeof(answer)) == 0) {
    if (strstr(answer, "SHUTDOWN") != NULL) {
      return 0;
    }
  }
  return 1;
}
// NOLINTEND(clang-analyzer-security.insecureAPI.*)
