// Extensions API client over Boost.Beast, synchronous; see the header.
#include "lambda/extensions_client.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

namespace lamprey::lambda {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{1000};
constexpr std::uint64_t kMostBody = std::uint64_t{64} * 1024;  // events are a few hundred bytes

}  // namespace

struct ExtensionsClient::Connection {
  asio::io_context context{1};
  tcp::socket socket{context};
  boost::beast::flat_buffer buffer;
};

struct ExtensionsClient::Answer {
  unsigned status = 0;
  std::string identifier;
  std::string body;
};

ExtensionsClient::ExtensionsClient(ClientOptions options) : options_(std::move(options)) {
  const std::size_t colon = options_.api.rfind(':');
  host_ = options_.api.substr(0, colon);
  port_ = colon == std::string::npos ? "80" : options_.api.substr(colon + 1);
}

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

void ExtensionsClient::connect() {
  if (connection_) {
    return;
  }
  auto fresh = std::make_unique<Connection>();
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host_, not_an_address);
  if (!not_an_address) {
    const auto port = static_cast<std::uint16_t>(std::strtoul(port_.c_str(), nullptr, 10));
    fresh->socket.connect({address, port});
  } else {
    tcp::resolver resolver(fresh->context);
    asio::connect(fresh->socket, resolver.resolve(host_, port_));
  }
  fresh->socket.set_option(tcp::no_delay(true));
  connection_ = std::move(fresh);
}

// One request and its answer on the connection that is kept; nothing, and no connection, when
// anything about it failed.
std::optional<ExtensionsClient::Answer> ExtensionsClient::exchange(
    bool is_register, const std::string& body, const std::function<void()>& idle,
    milliseconds pace) try {
  connect();
  http::request<http::string_body> request(
      is_register ? http::verb::post : http::verb::get,
      is_register ? "/2020-01-01/extension/register" : "/2020-01-01/extension/event/next", 11);
  request.set(http::field::host, options_.api);
  request.keep_alive(true);
  if (is_register) {
    request.set("Lambda-Extension-Name", options_.name);
    request.set(http::field::content_type, "application/json");
    request.body() = body;
    request.prepare_payload();
  } else {
    request.set("Lambda-Extension-Identifier", identifier_);
  }
  http::write(connection_->socket, request);
  if (idle) {
    pollfd waiting{connection_->socket.native_handle(), POLLIN, 0};
    while (poll(&waiting, 1, static_cast<int>(pace.count())) == 0) {
      idle();
    }
  }
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostBody);
  http::read(connection_->socket, connection_->buffer, parser);
  Answer answer;
  answer.status = parser.get().result_int();
  answer.identifier = std::string(parser.get()["Lambda-Extension-Identifier"]);
  answer.body = std::move(parser.get().body());
  if (!parser.get().keep_alive()) {
    connection_.reset();
  }
  return answer;
} catch (const boost::system::system_error& error) {
  // what() would add the place in Boost's source.
  connection_.reset();
  complain(fmt::format("Extensions API at {}: {}", options_.api, error.code().message()));
  return std::nullopt;
} catch (const std::exception& error) {
  // Anything that broke mid-way leaves the connection in an unknown state.
  connection_.reset();
  complain(fmt::format("Extensions API at {}: {}", options_.api, error.what()));
  return std::nullopt;
}

Registration ExtensionsClient::register_for(const std::vector<std::string>& events) {
  const std::string body = nlohmann::json{{"events", events}}.dump();
  pause_ = kFirstPause;
  while (true) {
    const auto answer = exchange(true, body, {}, {});
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

Event ExtensionsClient::next(const std::function<void()>& idle, milliseconds pace) {
  pause_ = milliseconds{0};  // a connection that broke while it was frozen is tried at once
  while (true) {
    const auto answer = exchange(false, {}, idle, pace);
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
