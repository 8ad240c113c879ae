// A subscriber of Lambda's Telemetry API that nobody ever waits for: the subscription is sent and
// its answer read later, events are taken when they have arrived. What a report is used for is not
// known here.
//
// One thread. No call blocks, but for a connect to the API on this machine.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::lambda {

// Lambda's own account of one invocation (the event platform.report).
struct PlatformReport {
  std::string request_id;
  std::optional<std::uint64_t> billed_ms;
  std::optional<std::uint64_t> max_memory_mb;
  std::optional<std::uint64_t> init_ns;     // only after a cold start
  std::optional<std::uint64_t> restore_ns;  // only after a restore
};

// Nothing when the text is another event, or none at all.
std::optional<PlatformReport> parse_platform_report(std::string_view text);

// Where the platform reaches us: the address of `sandbox.localdomain` in the text of a hosts file,
// loopback where it has none.
std::string listening_address(std::string_view hosts);

class TelemetryClient {
 public:
  // `complain` is told in words what went wrong; each thing once.
  TelemetryClient(std::string api, std::function<void(const std::string&)> complain);
  ~TelemetryClient();
  TelemetryClient(const TelemetryClient&) = delete;
  TelemetryClient& operator=(const TelemetryClient&) = delete;

  // Listens, and sends the subscription. To be called once, between registering and the first
  // `next`: Lambda takes subscriptions only while the environment initialises.
  // `schema`: the version of the events, which Managed Instances restrict.
  void subscribe(const std::string& identifier, const char* schema);

  // Takes what has come in.
  void collect();

  // The oldest report that was not taken yet; at most 16 wait, newer ones displace the oldest.
  std::optional<PlatformReport> take();

 private:
  struct Sockets;

  void look_at_answer();
  void receive_events();
  void take_lines();
  void give_up(const std::string& why);

  std::string api_;
  std::function<void(const std::string&)> complain_;
  std::unique_ptr<Sockets> sockets_;
  std::string answer_;
  std::string pending_;  // the beginning of a line
  std::list<PlatformReport> reports_;
};

}  // namespace lamprey::lambda
