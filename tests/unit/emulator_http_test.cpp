// The HTTP server below the APIs, over real sockets, and the Invoke endpoint of --serve.
#include <gmock/gmock.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <thread>

#include "emulator/base/http_server.h"
#include "emulator/front/invoke_endpoint.h"
#include "tests/unit/emulator_harness.h"

namespace lamprey::emulator::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using tcp = boost::asio::ip::tcp;

// Sends text over one connection and reads until the other side closes it, or `enough` bytes that
// end in `until` came.
std::string talk(std::uint16_t port, const std::string& text) {
  boost::asio::io_context io;
  tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), port});
  boost::asio::write(socket, boost::asio::buffer(text));
  std::string answer;
  boost::system::error_code ignored;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer), ignored);
  return answer;
}

class EmulatorHttpServer : public ::testing::Test {
 protected:
  // Talks from another thread while the server runs here.
  std::string exchange(const std::string& text) {
    auto answer = std::async(std::launch::async, talk, server_.port(), text);
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io_.run_for(std::chrono::milliseconds(10));
    }
    return answer.get();
  }

  boost::asio::io_context io_;
  std::vector<HttpRequest> requests_;
  HttpServer server_{io_, 0, [this](HttpRequest request, const Respond& respond) {
                       respond({200,
                                "got " + std::to_string(request.body.size()),
                                "text/plain",
                                {{"X-Path", request.path}}});
                       requests_.push_back(std::move(request));
                     }};
};

TEST_F(EmulatorHttpServer, KeepsTheConnectionAndTakesPipelinedRequests) {
  const std::string answer = exchange(
      "GET /one?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  ASSERT_EQ(2U, requests_.size());
  EXPECT_EQ("/one", requests_[0].path);
  EXPECT_EQ("hello", requests_[1].body);
  EXPECT_THAT(answer, HasSubstr("X-Path: /two"));
  EXPECT_THAT(answer, HasSubstr("got 5"));
}

TEST_F(EmulatorHttpServer, ReadsChunkedBodiesAndTheirTrailers) {
  exchange(
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
      "Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n"
      "3\r\nabc\r\n4\r\ndefg\r\n0\r\nLambda-Runtime-Function-Error-Type: Oops\r\n\r\n");
  ASSERT_EQ(1U, requests_.size());
  EXPECT_EQ("abcdefg", requests_[0].body);
  EXPECT_EQ("Oops", requests_[0].header("lambda-runtime-function-error-type"));
}

TEST_F(EmulatorHttpServer, AnswersExpectContinue) {
  const std::string answer = exchange(
      "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\nhi");
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(EmulatorHttpServer, NonsenseClosesTheConnectionAndNothingElse) {
  exchange("this is no HTTP\r\n\r\n");
  EXPECT_TRUE(requests_.empty());
  exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(1U, requests_.size());
}

class EmulatorInvokeEndpoint : public EmulatorTest {
 protected:
  // Serves while `client` runs in another thread with the endpoint's port.
  void serve(const std::function<void(std::uint16_t)>& client) {
    Console console("", [this](std::string_view line) { lines_.emplace_back(line); });
    boost::asio::io_context io(1);
    Fleet fleet(io, options_, console);
    InvokeEndpoint endpoint(io, 0, fleet);
    auto done = std::async(std::launch::async, client, endpoint.port());
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io.run_for(std::chrono::milliseconds(10));
    }
    bool over = false;
    fleet.shutdown([&over] { over = true; });
    while (!over) {
      io.restart();
      io.run_for(std::chrono::milliseconds(10));
    }
    done.get();
  }

  static std::string post(std::uint16_t port, const std::string& body,
                          const std::string& headers = "",
                          const std::string& path = "/2015-03-31/functions/function/invocations") {
    return talk(port, "POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers +
                          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
};

TEST_F(EmulatorInvokeEndpoint, AnswersAsLambdaDoes) {
  std::string good;
  std::string bad;
  std::string nonsense;
  std::string nowhere;
  std::string later;
  serve([&](std::uint16_t port) {
    good = post(port, "{\"do\":\"\"}");
    bad = post(port, "{\"do\":\"error\"}");
    nonsense = post(port, "{");
    nowhere = post(port, "{}", "", "/elsewhere");
    later = post(port, "{}", "X-Amz-Invocation-Type: Event\r\n");
  });
  EXPECT_THAT(good, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(good, HasSubstr("X-Amz-Executed-Version: $LATEST"));
  EXPECT_THAT(good, Not(HasSubstr("X-Amz-Function-Error")));
  EXPECT_THAT(good, HasSubstr("\"pid\""));
  EXPECT_THAT(bad, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(bad, HasSubstr("X-Amz-Function-Error: Unhandled"));
  EXPECT_THAT(bad, HasSubstr("ValueError"));
  EXPECT_THAT(nonsense, HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(nowhere, HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(later, HasSubstr("HTTP/1.1 202"));
}

TEST_F(EmulatorInvokeEndpoint, RefusesWhatLambdaRefuses) {
  const std::string large = "\"" + std::string(std::size_t{1} << 20, 'x') + "\"";
  const std::string too_large = "\"" + std::string((std::size_t{6} << 20) + 100, 'x') + "\"";
  std::vector<std::string> answers;
  serve([&](std::uint16_t port) {
    answers = {post(port, too_large), post(port, large, "X-Amz-Invocation-Type: Event\r\n"),
               post(port, "{}", "X-Amz-Invocation-Type: Later\r\n"),
               post(port, "{}", "X-Amz-Invocation-Type: DryRun\r\n"),
               post(port, large, "X-Amz-Invocation-Type: RequestResponse\r\n")};
  });
  EXPECT_THAT(answers[0], AllOf(HasSubstr("HTTP/1.1 413"), HasSubstr("smaller than 6291556")));
  EXPECT_THAT(answers[1], AllOf(HasSubstr("HTTP/1.1 413"), HasSubstr("smaller than 1048576")));
  EXPECT_THAT(answers[2], AllOf(HasSubstr("HTTP/1.1 400"), HasSubstr("RequestResponse, Event")));
  EXPECT_THAT(answers[3], HasSubstr("HTTP/1.1 204"));
  EXPECT_THAT(answers[4], HasSubstr("HTTP/1.1 200"));
  EXPECT_EQ(1U, count_lines("END RequestId"));
}

TEST_F(EmulatorInvokeEndpoint, ConcurrentInvocationsGetEnvironmentsOfTheirOwnUpToTheLimit) {
  options_.concurrency = 2;
  serve([&](std::uint16_t port) {
    std::vector<std::future<std::string>> answers;
    answers.reserve(4);
    for (int i = 0; i < 4; ++i) {
      answers.push_back(std::async(
          std::launch::async, [port] { return post(port, "{\"do\":\"sleep\",\"seconds\":0.3}"); }));
    }
    for (auto& answer : answers) {
      EXPECT_THAT(answer.get(), HasSubstr("\"pid\""));
    }
  });
  EXPECT_EQ(2U, count_lines("RUNTIME started")) << log();
  EXPECT_EQ(4U, count_lines("END RequestId"));
}

// Whoever asked has its answer long before the extension is done; then the emulator is stopped.
TEST_F(EmulatorInvokeEndpoint, AnAnsweredInvocationEndsBeforeTheEnvironmentDoes) {
  options_.environment["EXT"] = R"({"next_delay":0.4})";
  add_extension("ext.py");
  serve([](std::uint16_t port) { EXPECT_THAT(post(port, "{}"), HasSubstr("\"pid\"")); });
  EXPECT_EQ(1U, count_lines("END RequestId")) << log();
  EXPECT_EQ(1U, count_lines("REPORT RequestId")) << log();
  EXPECT_EQ(1U, count_lines("shutdownReason")) << log();
}

}  // namespace
}  // namespace lamprey::emulator::testing
