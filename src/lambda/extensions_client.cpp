// Extensions API client, synchronous; see the header.
#include "lambda/extensions_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <thread>

#include "descriptors/ready.h"
#include "lambda/http_answer.h"
#include "lambda/tcp.h"

namespace lamprey::lambda {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{1000};
constexpr std::size_t kReadAtOnce = 4096;  // an event has ~400 bytes

}  // namespace

struct ExtensionsClient::Connection {
  Socket socket;
  std::string pending;  // came behind what was taken
};

ExtensionsClient::ExtensionsClient(ClientOptions options) : options_(std::move(options)) {}

ExtensionsClient::~ExtensionsClient() = default;

void ExtensionsClient::complain(const std::string& text) const {
  if (options_.complain) {
    options_.complain(text);
  }
}

void ExtensionsClient::pause() {
  std::this_thread::sleep_for(pause_);
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
}

std::string ExtensionsClient::request_text(bool is_register, const std::string& body) const {
  if (!is_register) {
    return fmt::format(
        "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: {}\r\n"
        "Lambda-Extension-Identifier: {}\r\n\r\n",
        options_.api, identifier_);
  }
  return fmt::format(
      "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: {}\r\nLambda-Extension-Name: {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      options_.api, options_.name, body.size(), body);
}

// One request and its answer on the connection that is kept; nothing, and no connection, when
// anything about it failed.
std::optional<HttpAnswer> ExtensionsClient::exchange(bool is_register, const std::string& body,
                                                     const Idle& idle) try {
  if (!connection_) {
    connection_ = std::make_unique<Connection>(Connection{connect_to(options_.api), {}});
  }
  const Socket& socket = connection_->socket;
  send_all(socket, request_text(is_register, body));
  if (idle) {
    while (!descriptors::wait_readable(socket.descriptor(), idle(), waker_)) {
    }
  }
  AnswerParser parser;
  bool complete = false;
  while (!complete) {
    complete = receive(socket, connection_->pending, kReadAtOnce) == Received::kBytes
                   ? parser.take(connection_->pending)
                   : parser.end();
  }
  HttpAnswer answer = std::move(parser.answer());
  if (!answer.keep_alive) {
    connection_.reset();
  }
  return answer;
} catch (const std::exception& error) {
  // Anything that broke mid-way leaves the connection in an unknown state.
  connection_.reset();
  complain(fmt::format("Extensions API at {}: {}", options_.api, error.what()));
  return std::nullopt;
}

Registration ExtensionsClient::register_for(const std::vector<std::string>& events) {
  std::string body;
  for (const std::string& event : events) {  // plain words
    body += (body.empty() ? "\"" : ",\"") + event + "\"";
  }
  body = "{\"events\":[" + body + "]}";
  pause_ = kFirstPause;
  while (true) {
    const auto answer = exchange(true, body, {});
    if (answer && answer->status == 200 && !answer->identifier.empty()) {
      identifier_ = answer->identifier;
      return parse_registration(answer->body);
    }
    if (answer) {
      complain(fmt::format("register was answered with {}: {}", answer->status,
                           answer->body.substr(0, 200)));
    }
    pause();
  }
}

Event ExtensionsClient::next(const Idle& idle) {
  pause_ = milliseconds{0};  // a connection that broke while it was frozen is tried at once
  while (true) {
    const auto answer = exchange(false, {}, idle);
    if (answer && answer->status == 200) {
      if (auto event = parse_event(answer->body)) {
        return *event;
      }
    }
    if (answer) {
      complain(fmt::format("next was answered with {}: {}", answer->status,
                           answer->body.substr(0, 200)));
    }
    pause();
  }
}

}  // namespace lamprey::lambda
