// A client of Lambda's Extensions API: register, and wait for the next event. It keeps one
// connection alive, has no timeout on `next` (the environment is frozen inside it), and never gives
// up: a broken connection, an error or nonsense is tried again after a pause that grows to a
// second. What an event means is not known here.
//
// Blocking; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lambda/event.h"
#include "lambda/http_answer.h"

namespace lamprey::lambda {

struct ClientOptions {
  std::string api;   // "host:port", AWS_LAMBDA_RUNTIME_API
  std::string name;  // base name of the extension's file
  // Told of everything that went wrong, in words; may be empty.
  std::function<void(const std::string&)> complain;
};

class ExtensionsClient {
 public:
  explicit ExtensionsClient(ClientOptions options);
  ~ExtensionsClient();
  ExtensionsClient(const ExtensionsClient&) = delete;
  ExtensionsClient& operator=(const ExtensionsClient&) = delete;

  // Returns when the platform has accepted it.
  Registration register_for(const std::vector<std::string>& events);

  // What the platform knows this extension by; empty before it registered.
  const std::string& identifier() const { return identifier_; }

  // What may be done while nothing comes; says how long it wants to wait until it is called again.
  using Idle = std::function<std::chrono::milliseconds()>;
  // The next event, whenever it comes.
  Event next(const Idle& idle = {});
  // Idle is called early when this can be read.
  void wake_by(int descriptor) { waker_ = descriptor; }

 private:
  struct Connection;

  std::optional<HttpAnswer> exchange(bool is_register, const std::string& body, const Idle& idle);
  std::string request_text(bool is_register, const std::string& body) const;
  void pause();
  void complain(const std::string& text) const;

  ClientOptions options_;
  std::string identifier_;
  std::unique_ptr<Connection> connection_;
  std::chrono::milliseconds pause_{0};
  int waker_ = -1;
};

}  // namespace lamprey::lambda
