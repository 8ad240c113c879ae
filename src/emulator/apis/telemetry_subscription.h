// One subscriber of the Telemetry API: its buffer and the delivery to it on loopback. Who may
// subscribe, and to what, is decided elsewhere.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace lamprey::emulator {

struct TelemetrySettings {
  std::string extension;
  std::set<std::string> types;  // platform, function, extension
  std::size_t max_items = 10000;
  std::size_t max_bytes = 262144;
  std::chrono::milliseconds timeout{1000};
  bool http = true;  // else TCP with one JSON object a line
  std::string host;  // for the Host header; the connection goes to 127.0.0.1
  std::uint16_t port = 0;
  std::string path = "/";
};

class TelemetrySubscription : public std::enable_shared_from_this<TelemetrySubscription> {
 public:
  // `dropped` is told of events that could not be delivered: how many, how many bytes.
  using Dropped = std::function<void(std::size_t, std::size_t)>;

  TelemetrySubscription(boost::asio::io_context& io, TelemetrySettings settings, Dropped dropped);

  const TelemetrySettings& settings() const { return settings_; }
  void add(std::string event);  // JSON text of one event
  void flush();                 // sends what is there as soon as the line is free
  void pause();                 // the environment is frozen: nothing is sent
  void resume();
  void end();  // the subscriber's process is gone; nothing more is sent

 private:
  void arm();
  void send();
  void connected(boost::system::error_code error);
  void written(boost::system::error_code error);
  void finished(bool delivered);
  std::string batch_text();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;  // the buffering time
  boost::asio::steady_timer retry_;
  TelemetrySettings settings_;
  Dropped dropped_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::deque<std::string> batch_;  // on its way
  std::string message_;
  std::string answer_;
  std::size_t lost_records_ = 0;
  std::size_t lost_bytes_ = 0;
  unsigned attempts_ = 0;
  bool sending_ = false;
  bool armed_ = false;
  bool paused_ = false;
  bool ended_ = false;
};

}  // namespace lamprey::emulator
