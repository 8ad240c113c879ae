// The Runtime API of the local Lambda, request by request, without processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/apis/runtime_api.h"
#include "tests/unit/emulator_requests.h"

namespace lamprey::emulator::testing {
namespace {

using boost::beast::http::verb;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// ---- Runtime API ------------------------------------------------------------------------------

class EmulatorRuntimeApi : public ::testing::Test {
 protected:
  EmulatorRuntimeApi()
      : api_({[this] { ++nexts_; },
              [this](FunctionResponse response) { responses_.push_back(std::move(response)); },
              [this](const std::string& type, const std::string&) { init_error_ = type; }}) {
    api_.reset();
  }

  std::optional<HttpResponse> ask(verb method, const std::string& path,
                                  const std::string& body = "", const Headers& headers = {}) {
    std::optional<HttpResponse> response;
    // A long poll outlives this call, so what it writes to must too.
    auto kept = std::make_shared<std::optional<HttpResponse>>();
    api_.handle(request(method, "/2018-06-01" + path, body, headers),
                [kept](HttpResponse answer) { *kept = std::move(answer); });
    last_ = kept;
    return *kept;
  }

  void start_invocation(const std::string& id = "id-1") {
    ask(verb::get, "/runtime/invocation/next");
    Invocation invocation;
    invocation.request_id = id;
    invocation.event = "{\"a\":1}";
    invocation.trace_id = "Root=1";
    const WallTime deadline{std::chrono::milliseconds(1234567)};
    api_.deliver(invocation, deadline, "arn:function");
  }

  RuntimeApi api_;
  std::shared_ptr<std::optional<HttpResponse>> last_;
  int nexts_ = 0;
  std::vector<FunctionResponse> responses_;
  std::string init_error_;
};

TEST_F(EmulatorRuntimeApi, WorkersHaveSeveralInvocationsAtATime) {
  api_.reset(true);
  EXPECT_FALSE(api_.waiting());
  start_invocation("id-1");
  start_invocation("id-2");
  EXPECT_FALSE(api_.waiting());
  EXPECT_EQ(2, nexts_);
  EXPECT_EQ(400, ask(verb::post, "/runtime/invocation/id-3/response")->status);
  EXPECT_EQ(202, ask(verb::post, "/runtime/invocation/id-2/response")->status);
  EXPECT_EQ(400, ask(verb::post, "/runtime/invocation/id-2/response")->status);
  EXPECT_EQ(202, ask(verb::post, "/runtime/invocation/id-1/error")->status);
  ASSERT_THAT(responses_, SizeIs(2));
  EXPECT_EQ("id-2", responses_[0].request_id);
  EXPECT_EQ("id-1", responses_[1].request_id);
}

TEST_F(EmulatorRuntimeApi, NextIsAnsweredWithTheInvocation) {
  EXPECT_FALSE(ask(verb::get, "/runtime/invocation/next"));
  EXPECT_EQ(1, nexts_);
  EXPECT_TRUE(api_.waiting());
  start_invocation();
  ASSERT_TRUE(*last_);
  EXPECT_EQ(200U, (*last_)->status);
  EXPECT_EQ("{\"a\":1}", (*last_)->body);
  const Headers headers((*last_)->headers.begin(), (*last_)->headers.end());
  EXPECT_EQ("id-1", headers.at("Lambda-Runtime-Aws-Request-Id"));
  EXPECT_EQ("1234567", headers.at("Lambda-Runtime-Deadline-Ms"));
  EXPECT_EQ("arn:function", headers.at("Lambda-Runtime-Invoked-Function-Arn"));
  EXPECT_EQ("Root=1", headers.at("Lambda-Runtime-Trace-Id"));
}

TEST_F(EmulatorRuntimeApi, ResponseIsTakenOnceAndOnlyForTheRightId) {
  start_invocation();
  auto wrong = ask(verb::post, "/runtime/invocation/other/response", "1");
  EXPECT_EQ(400U, wrong->status);
  EXPECT_EQ("InvalidRequestID", error_type(wrong));
  EXPECT_TRUE(responses_.empty());
  auto right = ask(verb::post, "/runtime/invocation/id-1/response", "1");
  EXPECT_EQ(202U, right->status);
  EXPECT_EQ("{\"status\":\"OK\"}\n", right->body);
  auto again = ask(verb::post, "/runtime/invocation/id-1/response", "2");
  EXPECT_EQ(403U, again->status);
  EXPECT_EQ("InvalidStateTransition", error_type(again));
  ASSERT_THAT(responses_, SizeIs(1));
  EXPECT_EQ("1", responses_[0].answer.body);
  EXPECT_EQ("", responses_[0].answer.function_error);
}

TEST_F(EmulatorRuntimeApi, NextWithoutResponseIsRefused) {
  start_invocation();
  EXPECT_EQ(403U, ask(verb::get, "/runtime/invocation/next")->status);
  ask(verb::post, "/runtime/invocation/id-1/response", "1");
  EXPECT_FALSE(ask(verb::get, "/runtime/invocation/next"));
  EXPECT_EQ(2, nexts_);
}

TEST_F(EmulatorRuntimeApi, ResponseBeforeAnyInvocationIsRefused) {
  EXPECT_EQ(400U, ask(verb::post, "/runtime/invocation/id-1/response", "1")->status);
}

TEST_F(EmulatorRuntimeApi, LargestResponseIsSixMegabytesAndABit) {
  start_invocation();
  EXPECT_EQ(202U,
            ask(verb::post, "/runtime/invocation/id-1/response", std::string(kLargestPayload, 'x'))
                ->status);
  start_invocation("id-2");
  auto large =
      ask(verb::post, "/runtime/invocation/id-2/response", std::string(kLargestPayload + 1, 'x'));
  EXPECT_EQ(413U, large->status);
  EXPECT_EQ("RequestEntityTooLarge", error_type(large));
  EXPECT_THAT(responses_[1].answer.body, HasSubstr("Function.ResponseSizeTooLarge"));
  EXPECT_EQ("Unhandled", responses_[1].answer.function_error);
}

TEST_F(EmulatorRuntimeApi, StreamedResponseMayBeLargerAndMayFailInItsTrailers) {
  start_invocation();
  const Headers streaming = {{"Lambda-Runtime-Function-Response-Mode", "streaming"}};
  EXPECT_EQ(202U, ask(verb::post, "/runtime/invocation/id-1/response",
                      std::string(kLargestPayload + 1, 'x'), streaming)
                      ->status);
  EXPECT_EQ("", responses_[0].answer.function_error);
  start_invocation("id-2");
  ask(verb::post, "/runtime/invocation/id-2/response", "half",
      {{"Lambda-Runtime-Function-Response-Mode", "streaming"},
       {"Lambda-Runtime-Function-Error-Type", "Oops"}});
  EXPECT_EQ("Oops", responses_[1].error_type);
  EXPECT_EQ("Unhandled", responses_[1].answer.function_error);
}

TEST_F(EmulatorRuntimeApi, ErrorsCarryTheirType) {
  start_invocation();
  EXPECT_EQ(
      202U,
      ask(verb::post, "/runtime/invocation/id-1/error", "{\"errorType\":\"FromBody\"}")->status);
  EXPECT_EQ("FromBody", responses_[0].error_type);
  api_.reset();
  EXPECT_EQ(202U, ask(verb::post, "/runtime/init/error", "{}",
                      {{"Lambda-Runtime-Function-Error-Type", "Runtime.Bad"}})
                      ->status);
  EXPECT_EQ("Runtime.Bad", init_error_);
  EXPECT_EQ(403U, ask(verb::get, "/runtime/invocation/next")->status);
  api_.reset();
  ask(verb::post, "/runtime/init/error", "{\"errorType\":\"InBody\"}");
  EXPECT_EQ("InBody", init_error_);
}

TEST_F(EmulatorRuntimeApi, UnknownPathsAreNotFound) {
  EXPECT_EQ(404U, ask(verb::get, "/runtime/restore/nothing")->status);
  EXPECT_EQ(404U, ask(verb::get, "/runtime/nothing")->status);
  EXPECT_EQ("pong", ask(verb::get, "/ping")->body);
}

}  // namespace
}  // namespace lamprey::emulator::testing
