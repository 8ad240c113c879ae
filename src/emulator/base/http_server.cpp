// A small HTTP/1.1 server on 127.0.0.1. It knows nothing of Lambda.
#include "emulator/base/http_server.h"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>

namespace lamprey::emulator {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

// A streamed response may reach 200 MB on Lambda; more than this closes the connection.
constexpr std::uint64_t kLargestBody = 256ULL << 20;
constexpr std::uint32_t kLargestHeader = 64U << 10;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<HttpHandler> handler)
      : socket_(std::move(socket)), handler_(std::move(handler)) {
    beast::error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  void read() {
    parser_.emplace();
    parser_->body_limit(kLargestBody);
    parser_->header_limit(kLargestHeader);
    http::async_read_header(socket_, buffer_, *parser_,
                            [self = shared_from_this()](beast::error_code error, std::size_t) {
                              if (!error) {
                                self->read_body();
                              }
                            });
  }

 private:
  void read_body() {
    headers_at_ = std::chrono::steady_clock::now();
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      continue_ = {};
      continue_.version(11);
      continue_.result(http::status::continue_);
      http::async_write(socket_, continue_,
                        [self = shared_from_this()](beast::error_code error, std::size_t) {
                          if (!error) {
                            self->read_rest();
                          }
                        });
      return;
    }
    read_rest();
  }

  void read_rest() {
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) {
                         self->handle();
                       }
                     });
  }

  void handle() {
    http::request<http::string_body> message = parser_->release();
    keep_alive_ = message.keep_alive();
    HttpRequest request;
    request.method = message.method();
    const std::string_view target(message.target().data(), message.target().size());
    request.path = std::string(target.substr(0, target.find('?')));
    request.body = std::move(message.body());
    request.headers = std::move(static_cast<http::fields&>(message.base()));
    request.headers_at = headers_at_;
    request.body_at = std::chrono::steady_clock::now();
    (*handler_)(std::move(request), [self = shared_from_this()](HttpResponse response) {
      self->write(std::move(response));
    });
  }

  void write(HttpResponse response) {
    response_ = {};
    response_.version(11);
    response_.result(response.status);
    response_.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) {
      response_.set(name, value);
    }
    response_.body() = std::move(response.body);
    response_.keep_alive(keep_alive_);
    if (response.status != 204) {
      response_.prepare_payload();
    }
    http::async_write(socket_, response_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error && self->keep_alive_) {
                          self->read();
                          return;
                        }
                        beast::error_code ignored;
                        self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  tcp::socket socket_;
  std::shared_ptr<HttpHandler> handler_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::empty_body> continue_;
  http::response<http::string_body> response_;
  std::chrono::steady_clock::time_point headers_at_;
  bool keep_alive_ = false;
};

}  // namespace

std::string HttpRequest::header(std::string_view name) const {
  const auto found = headers.find(beast::string_view(name.data(), name.size()));
  return found == headers.end() ? std::string() : std::string(found->value());
}

HttpServer::HttpServer(asio::io_context& io, std::uint16_t port, HttpHandler handler)
    : acceptor_(io), handler_(std::make_shared<HttpHandler>(std::move(handler))) {
  const tcp::endpoint address(asio::ip::address_v4::loopback(), port);
  acceptor_.open(address.protocol());
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  acceptor_.bind(address);
  acceptor_.listen();
  accept();
}

HttpServer::~HttpServer() { stop(); }

std::uint16_t HttpServer::port() const { return acceptor_.local_endpoint().port(); }

void HttpServer::stop() {
  beast::error_code ignored;
  acceptor_.close(ignored);
}

void HttpServer::accept() {
  acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) {
      return;  // the server may be gone already
    }
    if (!error) {
      std::make_shared<Session>(std::move(socket), handler_)->read();
    }
    accept();
  });
}

}  // namespace lamprey::emulator
