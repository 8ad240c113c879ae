// The Extensions API, version 2020-01-01: who registered, for what, and what each is doing. Phases,
// processes and time limits live elsewhere.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator/base/http_server.h"
#include "emulator/base/invocation.h"
#include "emulator/options/function_variables.h"

namespace lamprey::emulator {

inline constexpr std::size_t kMaxExtensions = 10;

struct Extension {
  enum class State { kStarted, kRegistered, kWaiting, kRunning, kFailed };

  std::string name;
  std::string identifier;  // empty until it has registered
  bool external = true;
  bool wants_invoke = false;
  bool wants_shutdown = false;
  State state = State::kStarted;
  Respond waiting;      // its unanswered event/next
  HttpResponse queued;  // an event that it has not asked for yet
  bool has_queued = false;
  std::string error_type;  // what it gave to init/error or exit/error

  bool registered() const { return !identifier.empty(); }
  std::vector<std::string> events() const;
};

// What the extensions did. Called on the io_context's thread.
struct ExtensionEvents {
  std::function<void(const Extension&)> registered;
  std::function<void(const Extension&)> asked_next;
  // `during_init` tells init/error from exit/error.
  std::function<void(const Extension&, bool during_init)> failed;
};

class ExtensionsApi {
 public:
  explicit ExtensionsApi(ExtensionEvents events);

  static bool owns(const std::string& path);
  void handle(const HttpRequest& request, Respond respond);

  // A new set of processes is about to start; `external` are the file names of the extensions.
  void reset(FunctionIdentity function, const std::vector<std::string>& external);
  void close_registration() { registration_open_ = false; }

  bool all_external_registered() const;
  bool all_waiting() const;     // every registered one has called event/next
  bool invoke_is_over() const;  // every one subscribed to INVOKE is back in event/next
  bool any_registered() const;
  bool any_external_registered() const;
  const std::vector<std::unique_ptr<Extension>>& list() const { return list_; }
  const Extension* by_identifier(const std::string& identifier) const;

  void send_invoke(const Invocation& invocation, WallTime deadline);
  // Sends SHUTDOWN to the extension of that name when it subscribed; false when it did not.
  bool send_shutdown(const std::string& name, const std::string& reason, WallTime deadline);

 private:
  Extension* find(const std::string& name);
  Extension* identified(const HttpRequest& request, const Respond& respond);
  void registration(const HttpRequest& request, const Respond& respond);
  bool read_events(const HttpRequest& request, bool external, Extension& wanted,
                   const Respond& respond) const;
  void next(const HttpRequest& request, Respond respond);
  void failure(const HttpRequest& request, const Respond& respond, bool during_init);
  void send(Extension& extension, std::string body);

  ExtensionEvents events_;
  FunctionIdentity function_;
  std::vector<std::unique_ptr<Extension>> list_;
  bool registration_open_ = false;
};

}  // namespace lamprey::emulator
