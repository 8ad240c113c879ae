// The Invoke endpoint that --serve offers (the one the RIE offers too): HTTP in, invocations out.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>

#include "emulator/base/http_server.h"
#include "emulator/front/fleet.h"

namespace lamprey::emulator {

class InvokeEndpoint {
 public:
  // Throws boost::system::system_error when the port cannot be had; 0 = any free one.
  InvokeEndpoint(boost::asio::io_context& io, std::uint16_t port, Fleet& fleet);

  std::uint16_t port() const { return server_.port(); }
  void stop() { server_.stop(); }

 private:
  void handle(const HttpRequest& request, const Respond& respond);

  Fleet& fleet_;
  HttpServer server_;
};

}  // namespace lamprey::emulator
