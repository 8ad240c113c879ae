// An Extensions API for tests: hands out the events it is given, and misbehaves when told. Serves
// one connection at a time on 127.0.0.1. No assertions live here.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lamprey::testing {

class FakeExtensionsApi {
 public:
  enum class Trouble { kClose, kError500, kGarbage, kCutHeader, kNoEvent };

  FakeExtensionsApi() : acceptor_(context_, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
    address_ = "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeExtensionsApi() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  FakeExtensionsApi(const FakeExtensionsApi&) = delete;
  FakeExtensionsApi& operator=(const FakeExtensionsApi&) = delete;

  const std::string& address() const { return address_; }

  void invoke(const std::string& request_id, std::uint64_t deadline_in_ms = 3000) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    push(R"({"eventType":"INVOKE","deadlineMs":)" +
         std::to_string(static_cast<std::uint64_t>(now.count()) + deadline_in_ms) +
         R"(,"requestId":")" + request_id + R"(","invokedFunctionArn":"arn"})");
  }
  void shut_down(const std::string& reason) {
    push(R"({"eventType":"SHUTDOWN","shutdownReason":")" + reason + R"(","deadlineMs":1})");
  }
  void push(const std::string& event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    }
    changed_.notify_all();
  }
  // The next request is answered like that instead.
  void misbehave(Trouble trouble) {
    const std::lock_guard lock(mutex_);
    troubles_.push_back(trouble);
  }

  // Blocks until `count` requests for an event have come; false after 5 s.
  bool wait_for_next(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return nexts_ >= count; });
  }
  std::size_t nexts() {
    const std::lock_guard lock(mutex_);
    return nexts_;
  }
  std::vector<std::string> registrations() {
    const std::lock_guard lock(mutex_);
    return registrations_;
  }
  std::string name_header() {
    const std::lock_guard lock(mutex_);
    return name_header_;
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  void serve() {
    while (true) {
      boost::system::error_code error;
      Socket socket(context_);
      acceptor_.accept(socket, error);
      if (error) {
        return;
      }
      while (answer_one(socket)) {
      }
    }
  }

  bool answer_one(Socket& socket) {
    boost::system::error_code error;
    Request request;
    boost::beast::http::read(socket, buffer_, request, error);
    if (error) {
      buffer_.clear();
      return false;
    }
    const bool is_next = request.target() == "/2020-01-01/extension/event/next";
    std::unique_lock lock(mutex_);
    if (!is_next) {
      registrations_.push_back(request.body());
      name_header_ = std::string(request["Lambda-Extension-Name"]);
    } else {
      ++nexts_;
    }
    changed_.notify_all();
    if (!troubles_.empty()) {
      const Trouble trouble = troubles_.front();
      troubles_.pop_front();
      lock.unlock();
      return make_trouble(socket, trouble);
    }
    std::string body = R"({"functionName":"orders","functionVersion":"7","handler":"a.b"})";
    if (is_next) {
      changed_.wait(lock, [&] { return stopping_ || !events_.empty(); });
      if (stopping_) {
        return false;
      }
      body = events_.front();
      events_.pop_front();
    }
    lock.unlock();
    return send(socket, 200, body);
  }

  static bool make_trouble(Socket& socket, Trouble trouble) {
    boost::system::error_code error;
    switch (trouble) {
      case Trouble::kClose:
        break;
      case Trouble::kError500:
        return send(socket, 500, R"({"errorType":"x"})");
      case Trouble::kGarbage:
        boost::asio::write(socket, boost::asio::buffer(std::string("\x01\x02 what?\r\n\r\n")),
                           error);
        break;
      case Trouble::kCutHeader:
        boost::asio::write(socket, boost::asio::buffer(std::string("HTTP/1.1 200 OK\r\nConte")),
                           error);
        break;
      case Trouble::kNoEvent:
        return send(socket, 200, R"([{"eventType":7}])");
    }
    return false;
  }

  static bool send(Socket& socket, unsigned status, const std::string& body) {
    boost::beast::http::response<boost::beast::http::string_body> response(
        static_cast<boost::beast::http::status>(status), 11);
    response.set("Lambda-Extension-Identifier", "id-1");
    response.body() = body;
    response.prepare_payload();
    boost::system::error_code error;
    boost::beast::http::write(socket, response, error);
    return !error;
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::beast::flat_buffer buffer_;
  std::string address_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> events_;
  std::deque<Trouble> troubles_;
  std::vector<std::string> registrations_;
  std::string name_header_;
  std::size_t nexts_ = 0;
  bool stopping_ = false;
};

}  // namespace lamprey::testing
