// A small HTTP/1.1 server on 127.0.0.1: keep-alive, Content-Length and chunked bodies, answers that
// may come much later (long polls). It knows nothing of Lambda.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamprey::emulator {

struct HttpRequest {
  boost::beast::http::verb method = boost::beast::http::verb::unknown;
  std::string path;                    // without the query
  boost::beast::http::fields headers;  // trailers of a chunked body included
  std::string body;
  std::chrono::steady_clock::time_point headers_at;  // when the headers had come in
  std::chrono::steady_clock::time_point body_at;     // when the last byte had come in

  // The value of a header, or empty.
  std::string header(std::string_view name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

// Sends the answer. Call it at most once, from the io_context's thread; dropping it uncalled closes
// the connection.
using Respond = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(HttpRequest, Respond)>;

class HttpServer {
 public:
  // Listens at once. Throws boost::system::system_error when the port cannot be had; 0 = any.
  HttpServer(boost::asio::io_context& io, std::uint16_t port, HttpHandler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  void stop();  // takes no further connections

 private:
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<HttpHandler> handler_;
};

}  // namespace lamprey::emulator
