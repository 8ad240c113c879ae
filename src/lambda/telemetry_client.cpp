// Telemetry API over plain TCP (one event a line), without ever waiting; see the header.
#include "lambda/telemetry_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>

#include "lambda/hosts_file.h"
#include "lambda/json_members.h"
#include "lambda/tcp.h"

namespace lamprey::lambda {
namespace {

constexpr std::size_t kMaxWaiting = 16;
constexpr std::size_t kMaxPending = std::size_t{64} * 1024;  // a platform event has ~400 bytes
constexpr std::size_t kMaxAnswer = 4096;
constexpr std::size_t kReadAtOnce = 4096;
constexpr double kMaxFigure = 1e15;

std::optional<std::uint64_t> figure(const JsonMembers& event, const char* path, double scale) {
  const double value = event.number(path).value_or(-1) * scale;
  if (!(value >= 0 && value < kMaxFigure)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(std::llround(value));
}

std::string request_for(const std::string& api, const std::string& identifier, const char* schema,
                        unsigned port) {
  const std::string body =
      fmt::format(R"({{"schemaVersion":"{}","types":["platform"],)"
                  R"("buffering":{{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}},)"
                  R"("destination":{{"protocol":"TCP","port":{}}}}})",
                  schema, port);
  return fmt::format(
      "PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: {}\r\nLambda-Extension-Identifier: {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      api, identifier, body.size(), body);
}

}  // namespace

std::optional<PlatformReport> parse_platform_report(std::string_view text) {
  constexpr const char* kBilled = "record.metrics.billedDurationMs";
  constexpr const char* kMaxMemory = "record.metrics.maxMemoryUsedMB";
  constexpr const char* kInit = "record.metrics.initDurationMs";
  constexpr const char* kRestore = "record.metrics.restoreDurationMs";
  const auto event = JsonMembers::read(
      text, {"type", "record.requestId", "record.metrics", kBilled, kMaxMemory, kInit, kRestore});
  if (!event || event->text("type") != "platform.report" ||
      event->text("record.requestId").empty() || !event->is_object("record.metrics")) {
    return std::nullopt;
  }
  PlatformReport report;
  report.request_id = event->text("record.requestId");
  report.billed_ms = figure(*event, kBilled, 1);
  report.max_memory_mb = figure(*event, kMaxMemory, 1);
  report.init_ns = figure(*event, kInit, 1e6);
  report.restore_ns = figure(*event, kRestore, 1e6);
  return report;
}

std::string listening_address(std::string_view hosts) {
  return address_in(hosts, "sandbox.localdomain").value_or("127.0.0.1");
}

struct TelemetryClient::Sockets {
  Socket listener;
  Socket request;
  Socket events;
};

TelemetryClient::TelemetryClient(std::string api, std::function<void(const std::string&)> complain)
    : api_(std::move(api)), complain_(std::move(complain)) {}

TelemetryClient::~TelemetryClient() = default;

void TelemetryClient::give_up(const std::string& why) {
  sockets_.reset();
  complain_(fmt::format("no telemetry: {}", why));
}

void TelemetryClient::subscribe(const std::string& identifier, const char* schema) try {
  sockets_ = std::make_unique<Sockets>();
  Sockets& s = *sockets_;
  s.listener = listen_at(listening_address(read_hosts_file()));
  s.request = connect_to(api_);
  send_all(s.request, request_for(api_, identifier, schema, port_of(s.listener)));
  never_block(s.request);
} catch (const std::exception& error) {
  give_up(error.what());
}

void TelemetryClient::look_at_answer() try {
  Sockets& s = *sockets_;
  if (!s.request.is_open()) {
    return;
  }
  Received last = Received::kBytes;
  while (answer_.size() < kMaxAnswer && last == Received::kBytes) {
    last = receive(s.request, answer_, kReadAtOnce);
  }
  const bool whole = answer_.find("\r\n\r\n") != std::string::npos;
  if (!whole && last == Received::kNothingYet) {
    return;
  }
  s.request.reset();
  if (!answer_.starts_with("HTTP/1.1 200")) {
    give_up(answer_.empty()
                ? "End of file"
                : "the subscription was answered with " + answer_.substr(0, answer_.find('\r')));
  }
} catch (const std::exception& error) {
  give_up(error.what());
}

void TelemetryClient::receive_events() try {
  Sockets& s = *sockets_;
  if (Socket fresh = accept_from(s.listener); fresh.is_open()) {
    s.events = std::move(fresh);
    pending_.clear();
  }
  if (!s.events.is_open()) {
    return;
  }
  Received last = Received::kBytes;
  for (std::size_t total = 0; total < kMaxPending && last == Received::kBytes;
       total += kReadAtOnce) {
    last = receive(s.events, pending_, kReadAtOnce);
    take_lines();
  }
  if (last == Received::kEnd) {
    s.events.reset();  // the platform will connect again
  }
} catch (const std::exception&) {
  sockets_->events.reset();
}

void TelemetryClient::take_lines() {
  for (std::size_t end = 0; (end = pending_.find('\n')) != std::string::npos;) {
    if (auto report = parse_platform_report(std::string_view(pending_).substr(0, end))) {
      reports_.push_back(std::move(*report));
    }
    pending_.erase(0, end + 1);
  }
  if (pending_.size() > kMaxPending) {
    pending_.clear();
  }
  while (reports_.size() > kMaxWaiting) {
    reports_.pop_front();
  }
}

void TelemetryClient::collect() {
  if (sockets_) {
    look_at_answer();
  }
  if (sockets_) {
    receive_events();
  }
}

std::optional<PlatformReport> TelemetryClient::take() {
  if (reports_.empty()) {
    return std::nullopt;
  }
  PlatformReport report = std::move(reports_.front());
  reports_.pop_front();
  return report;
}

}  // namespace lamprey::lambda
