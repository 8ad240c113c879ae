// The Telemetry API, version 2022-07-01: subscriptions and their checks, and the distribution of
// events. What an event says is decided elsewhere (platform_log.h).
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "emulator/apis/extensions_api.h"
#include "emulator/apis/telemetry_subscription.h"
#include "emulator/base/http_server.h"

namespace lamprey::emulator {

class TelemetryApi {
 public:
  using Subscribed = std::function<void(const TelemetrySettings&)>;

  TelemetryApi(boost::asio::io_context& io, Subscribed subscribed);

  static bool owns(const std::string& path);
  void handle(const HttpRequest& request, const ExtensionsApi& extensions, const Respond& respond);

  // `category` is platform, function or extension; `type` the event's full type. What happens
  // before subscriptions close is also given to those who subscribe later.
  void publish(const std::string& category, const std::string& type, const nlohmann::json& record);
  void close_subscriptions();
  void pause();
  void resume();
  void flush();
  void reset();  // a new set of processes is about to start

 private:
  void subscribe(TelemetrySettings settings);

  boost::asio::io_context& io_;
  Subscribed subscribed_;
  std::vector<std::shared_ptr<TelemetrySubscription>> subscriptions_;
  std::vector<std::pair<std::string, std::string>> history_;  // category, event
  bool open_ = false;
};

}  // namespace lamprey::emulator
