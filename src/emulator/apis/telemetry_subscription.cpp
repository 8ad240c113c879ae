// One subscriber of the Telemetry API. Who may subscribe is decided elsewhere.
#include "emulator/apis/telemetry_subscription.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace lamprey::emulator {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr unsigned kAttempts = 3;
constexpr std::size_t kLongestAnswer = 64U << 10;
// AWS: a batch may reach twice maxBytes; a subscriber that is further behind loses events.
constexpr std::size_t kMaxBatchesWaiting = 8;

std::size_t total_bytes(const std::deque<std::string>& events) {
  std::size_t total = 0;
  for (const std::string& event : events) {
    total += event.size();
  }
  return total;
}

}  // namespace

TelemetrySubscription::TelemetrySubscription(asio::io_context& io, TelemetrySettings settings,
                                             Dropped dropped)
    : socket_(io),
      timer_(io),
      retry_(io),
      settings_(std::move(settings)),
      dropped_(std::move(dropped)) {}

void TelemetrySubscription::add(std::string event) {
  if (ended_) {
    return;
  }
  if (waiting_bytes_ + event.size() > settings_.max_bytes * kMaxBatchesWaiting) {
    ++lost_records_;  // told later: the report is an event for this same buffer
    lost_bytes_ += event.size();
    return;
  }
  waiting_bytes_ += event.size();
  waiting_.push_back(std::move(event));
  if (waiting_.size() >= settings_.max_items || waiting_bytes_ >= settings_.max_bytes) {
    flush();
  } else {
    arm();
  }
}

void TelemetrySubscription::arm() {
  if (armed_ || paused_ || ended_ || waiting_.empty()) {
    return;
  }
  armed_ = true;
  timer_.expires_after(settings_.timeout);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) {
      self->armed_ = false;
      self->flush();
    }
  });
}

void TelemetrySubscription::pause() {
  paused_ = true;
  armed_ = false;
  timer_.cancel();
}

void TelemetrySubscription::resume() {
  paused_ = false;
  arm();
}

void TelemetrySubscription::end() {
  ended_ = true;
  timer_.cancel();
  retry_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void TelemetrySubscription::flush() {
  if (sending_ || paused_ || ended_ || waiting_.empty()) {
    return;
  }
  batch_ = std::exchange(waiting_, {});
  waiting_bytes_ = 0;
  attempts_ = 0;
  message_ = batch_text();
  sending_ = true;
  send();
}

std::string TelemetrySubscription::batch_text() {
  std::string body;
  body.reserve(total_bytes(batch_) + batch_.size() + 2);
  for (const std::string& event : batch_) {
    if (settings_.http) {
      body += body.empty() ? "[" : ",";
    }
    body += event;
    if (!settings_.http) {
      body += '\n';
    }
  }
  if (!settings_.http) {
    return body;
  }
  body += ']';
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      settings_.path, settings_.host, settings_.port, body.size(), body);
}

void TelemetrySubscription::send() {
  ++attempts_;
  if (socket_.is_open() && !settings_.http) {
    connected({});
    return;
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
  socket_.async_connect(
      tcp::endpoint(asio::ip::address_v4::loopback(), settings_.port),
      [self = shared_from_this()](boost::system::error_code error) { self->connected(error); });
}

void TelemetrySubscription::connected(boost::system::error_code error) {
  if (error) {
    finished(false);
    return;
  }
  asio::async_write(socket_, asio::buffer(message_),
                    [self = shared_from_this()](boost::system::error_code failure, std::size_t) {
                      self->written(failure);
                    });
}

void TelemetrySubscription::written(boost::system::error_code error) {
  if (error || !settings_.http) {
    finished(!error);
    return;
  }
  // Only that an answer came matters; what it says does not.
  answer_.clear();
  asio::async_read_until(socket_, asio::dynamic_buffer(answer_, kLongestAnswer), "\r\n",
                         [self = shared_from_this()](boost::system::error_code failure,
                                                     std::size_t) { self->finished(!failure); });
}

void TelemetrySubscription::finished(bool delivered) {
  boost::system::error_code ignored;
  if (settings_.http || !delivered) {
    socket_.close(ignored);
  }
  if (ended_) {
    sending_ = false;
    return;
  }
  if (!delivered && attempts_ < kAttempts) {
    // The listener may not stand yet, or a connection did not survive a freeze: once more, later.
    retry_.expires_after(settings_.timeout);
    retry_.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error && !self->ended_) {
        self->send();
      }
    });
    return;
  }
  sending_ = false;
  if (!delivered) {
    lost_records_ += batch_.size();
    lost_bytes_ += total_bytes(batch_);
  }
  batch_.clear();
  if (lost_records_ > 0) {
    const std::size_t records = std::exchange(lost_records_, 0);
    dropped_(records, std::exchange(lost_bytes_, 0));
  }
  arm();
}

}  // namespace lamprey::emulator
