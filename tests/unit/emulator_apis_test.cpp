// The Extensions and Telemetry API of the local Lambda, request by request, without processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/apis/extensions_api.h"
#include "emulator/apis/telemetry_api.h"
#include "tests/unit/emulator_requests.h"

namespace lamprey::emulator::testing {
namespace {

using boost::beast::http::verb;
using nlohmann::json;
using ::testing::SizeIs;

// ---- Extensions API ---------------------------------------------------------------------------

class EmulatorExtensionsApi : public ::testing::Test {
 protected:
  EmulatorExtensionsApi()
      : api_({[this](const Extension& e) { seen_.push_back("registered " + e.name); },
              [this](const Extension& e) { seen_.push_back("next " + e.name); },
              [this](const Extension& e, bool init) {
                seen_.push_back((init ? "init " : "exit ") + e.error_type);
              }}) {
    api_.reset({"f", "7", "app.handler", "arn:f", "123456789012"}, {"one", "two"});
  }

  std::optional<HttpResponse> ask(verb method, const std::string& what,
                                  const std::string& body = "", const Headers& headers = {}) {
    auto kept = std::make_shared<std::optional<HttpResponse>>();
    api_.handle(request(method, "/2020-01-01/extension/" + what, body, headers),
                [kept](HttpResponse answer) { *kept = std::move(answer); });
    last_ = kept;
    return *kept;
  }

  std::optional<HttpResponse> enter(const std::string& name, const std::string& body,
                                    Headers headers = {}) {
    headers["Lambda-Extension-Name"] = name;
    return ask(verb::post, "register", body, headers);
  }

  static Headers identifier(const std::optional<HttpResponse>& response) {
    return {response->headers.front()};
  }

  ExtensionsApi api_;
  std::shared_ptr<std::optional<HttpResponse>> last_;
  std::vector<std::string> seen_;
};

constexpr const char* kBoth = R"({"events":["INVOKE","SHUTDOWN"]})";

TEST_F(EmulatorExtensionsApi, RegistrationTellsAboutTheFunction) {
  auto answer = enter("one", kBoth);
  EXPECT_EQ(200U, answer->status);
  EXPECT_EQ("Lambda-Extension-Identifier", answer->headers.front().first);
  EXPECT_EQ(36U, answer->headers.front().second.size());
  EXPECT_EQ(json({{"functionName", "f"}, {"functionVersion", "7"}, {"handler", "app.handler"}}),
            json::parse(answer->body));
  auto with_account = enter("two", kBoth, {{"Lambda-Extension-Accept-Feature", "x, accountId"}});
  EXPECT_EQ("123456789012", json::parse(with_account->body)["accountId"]);
  EXPECT_TRUE(api_.all_external_registered());
}

TEST_F(EmulatorExtensionsApi, RegistrationRefusesWhatLambdaRefuses) {
  EXPECT_EQ("Extension.InvalidExtensionName", error_type(ask(verb::post, "register", kBoth)));
  EXPECT_EQ("Extension.InvalidEventType", error_type(enter("one", R"({"events":["NAP"]})")));
  EXPECT_EQ("InvalidRequestFormat", error_type(enter("one", "nonsense")));
  EXPECT_EQ("InvalidRequestFormat", error_type(enter("one", R"({"events":"INVOKE"})")));
  EXPECT_EQ("InvalidRequestFormat",
            error_type(enter("one", R"({"events":[],"configurationKeys":[]})")));
  EXPECT_EQ("ShutdownEventNotSupportedForInternalExtension", error_type(enter("inner", kBoth)));
  EXPECT_EQ(200U, enter("one", kBoth)->status);
  EXPECT_EQ("Extension.InvalidExtensionState", error_type(enter("one", kBoth)));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(200U, enter("inner" + std::to_string(i), R"({"events":["INVOKE"]})")->status);
  }
  EXPECT_EQ("Extension.TooManyExtensions", error_type(enter("inner8", R"({"events":[]})")));
  EXPECT_FALSE(api_.all_external_registered());
  api_.close_registration();
  EXPECT_EQ("Extension.RegistrationClosed", error_type(enter("two", kBoth)));
}

TEST_F(EmulatorExtensionsApi, CallsNeedAKnownIdentifier) {
  EXPECT_EQ("Extension.MissingExtensionIdentifier", error_type(ask(verb::get, "event/next")));
  EXPECT_EQ("Extension.InvalidExtensionIdentifier",
            error_type(ask(verb::get, "event/next", "", {{"Lambda-Extension-Identifier", "x"}})));
  EXPECT_EQ("Extension.UnknownExtensionIdentifier",
            error_type(ask(verb::get, "event/next", "",
                           {{"Lambda-Extension-Identifier", std::string(36, 'a')}})));
}

TEST_F(EmulatorExtensionsApi, InvokeGoesToSubscribersAndIsOverWhenTheyAreBack) {
  const Headers one = identifier(enter("one", kBoth));
  const Headers two = identifier(enter("two", R"({"events":["SHUTDOWN"]})"));
  EXPECT_FALSE(ask(verb::get, "event/next", "", one));
  const auto first = last_;
  EXPECT_FALSE(api_.all_waiting());
  EXPECT_FALSE(ask(verb::get, "event/next", "", two));
  const auto second = last_;
  EXPECT_TRUE(api_.all_waiting());
  Invocation invocation;
  invocation.request_id = "id";
  api_.send_invoke(invocation, WallTime{std::chrono::milliseconds(99)});
  ASSERT_TRUE(*first);
  EXPECT_FALSE(*second);
  EXPECT_EQ("Lambda-Extension-Event-Identifier", (*first)->headers.front().first);
  EXPECT_EQ(99, json::parse((*first)->body)["deadlineMs"]);
  EXPECT_FALSE(api_.invoke_is_over());
  ask(verb::get, "event/next", "", one);
  EXPECT_TRUE(api_.invoke_is_over());
}

TEST_F(EmulatorExtensionsApi, ShutdownWaitsForAnExtensionThatIsBusy) {
  const Headers one = identifier(enter("one", kBoth));
  identifier(enter("two", R"({"events":["INVOKE"]})"));
  EXPECT_TRUE(api_.send_shutdown("one", "timeout", WallTime{}));
  EXPECT_FALSE(api_.send_shutdown("two", "timeout", WallTime{}));
  EXPECT_FALSE(api_.send_shutdown("three", "timeout", WallTime{}));
  auto event = ask(verb::get, "event/next", "", one);
  ASSERT_TRUE(event);
  EXPECT_EQ("timeout", json::parse(event->body)["shutdownReason"]);
}

TEST_F(EmulatorExtensionsApi, ErrorReportsNeedTheirTypeAndEndTheExtension) {
  const Headers one = identifier(enter("one", kBoth));
  EXPECT_EQ("Extension.MissingHeader", error_type(ask(verb::post, "init/error", "{}", one)));
  Headers typed = one;
  typed["Lambda-Extension-Function-Error-Type"] = "Extension.Mine";
  EXPECT_EQ(202U, ask(verb::post, "init/error", "{}", typed)->status);
  EXPECT_EQ("init Extension.Mine", seen_.back());
  EXPECT_EQ("Extension.InvalidExtensionState", error_type(ask(verb::get, "event/next", "", one)));
  EXPECT_FALSE(api_.send_shutdown("one", "failure", WallTime{}));  // it has said that it goes
}

TEST_F(EmulatorExtensionsApi, AnInitErrorIsForTheTimeBeforeTheFirstNext) {
  const Headers one = identifier(enter("one", kBoth));
  EXPECT_FALSE(ask(verb::get, "event/next", "", one));
  Headers typed = one;
  typed["Lambda-Extension-Function-Error-Type"] = "Extension.Mine";
  EXPECT_EQ("Extension.InvalidExtensionState",
            error_type(ask(verb::post, "init/error", "{}", typed)));
  EXPECT_EQ(202U, ask(verb::post, "exit/error", "{}", typed)->status);
}

// ---- Telemetry API ----------------------------------------------------------------------------

class EmulatorTelemetryApi : public EmulatorExtensionsApi {
 protected:
  EmulatorTelemetryApi()
      : telemetry_(io_, [this](const TelemetrySettings& s) { settings_.push_back(s); }),
        listener_(io_, 0, [this](const HttpRequest& message, const Respond& respond) {
          batches_.push_back(json::parse(message.body));
          paths_.push_back(message.path);
          respond({200, "", "text/plain", {}});
        }) {
    telemetry_.reset();
    mine_ = identifier(enter("one", kBoth));
  }

  json subscription(const json& change = json::object()) const {
    json body = {
        {"schemaVersion", "2022-12-13"},
        {"types", {"platform", "function"}},
        {"buffering", {{"maxItems", 1000}, {"maxBytes", 262144}, {"timeoutMs", 25}}},
        {"destination",
         {{"protocol", "HTTP"},
          {"URI", "http://sandbox.localdomain:" + std::to_string(listener_.port()) + "/in"}}}};
    body.merge_patch(change);
    return body;
  }

  std::optional<HttpResponse> put(const json& body) {
    std::optional<HttpResponse> response;
    telemetry_.handle(request(verb::put, "/2022-07-01/telemetry", body.dump(), mine_), api_,
                      into(response));
    return response;
  }

  void wait(std::chrono::milliseconds duration) { io_.run_for(duration); }

  std::vector<std::string> types() const {
    std::vector<std::string> result;
    for (const json& batch : batches_) {
      for (const json& event : batch) {
        result.push_back(event["type"]);
      }
    }
    return result;
  }

  boost::asio::io_context io_;
  TelemetryApi telemetry_;
  HttpServer listener_;
  Headers mine_;
  std::vector<TelemetrySettings> settings_;
  std::vector<json> batches_;
  std::vector<std::string> paths_;
};

TEST_F(EmulatorTelemetryApi, DeliversWhatWasSubscribedInBatches) {
  telemetry_.publish("platform", "platform.initStart", {{"phase", "init"}});
  auto answer = put(subscription());
  EXPECT_EQ(200U, answer->status);
  EXPECT_EQ("OK", answer->body);
  telemetry_.publish("function", "function", "hello");
  telemetry_.publish("extension", "extension", "not asked for");
  wait(std::chrono::milliseconds(200));
  EXPECT_EQ((std::vector<std::string>{"platform.initStart", "function"}), types());
  EXPECT_THAT(batches_, SizeIs(1));
  EXPECT_EQ("/in", paths_[0]);
  EXPECT_EQ("hello", batches_[0][1]["record"]);
  EXPECT_EQ(24U, batches_[0][0]["time"].get<std::string>().size());
}

TEST_F(EmulatorTelemetryApi, ASecondSubscriptionReplacesTheFirst) {
  put(subscription());
  put(subscription({{"types", {"function"}}}));
  telemetry_.publish("platform", "platform.start", {});
  telemetry_.publish("function", "function", "hello");
  wait(std::chrono::milliseconds(200));
  EXPECT_EQ((std::vector<std::string>{"function"}), types());
}

TEST_F(EmulatorTelemetryApi, NothingIsSentWhileTheEnvironmentIsFrozen) {
  put(subscription());
  telemetry_.publish("platform", "platform.report", {});
  telemetry_.pause();
  wait(std::chrono::milliseconds(100));
  EXPECT_TRUE(batches_.empty());
  telemetry_.resume();
  wait(std::chrono::milliseconds(200));
  EXPECT_EQ((std::vector<std::string>{"platform.report"}), types());
}

TEST_F(EmulatorTelemetryApi, RefusesWhatLambdaRefuses) {
  const json wrong[] = {{{"schemaVersion", "1"}},
                        {{"types", json::array()}},
                        {{"types", {"platform", "other"}}},
                        {{"buffering", {{"timeoutMs", 24}}}},
                        {{"buffering", {{"maxItems", 999}}}},
                        {{"buffering", {{"maxBytes", 2000000}}}},
                        {{"destination", {{"protocol", "UDP"}}}},
                        {{"destination", {{"URI", "http://example.com:80"}}}},
                        {{"destination", {{"URI", "http://sandbox.localdomain:9001"}}}},
                        {{"destination", {{"URI", "http://sandbox.localdomain:0"}}}}};
  for (const json& change : wrong) {
    auto answer = put(subscription(change));
    EXPECT_EQ(400U, answer->status) << change;
    EXPECT_EQ("ValidationError", error_type(answer));
  }
  EXPECT_TRUE(settings_.empty());
  telemetry_.close_subscriptions();
  auto closed = put(subscription());
  EXPECT_EQ(403U, closed->status);
  EXPECT_EQ("Telemetry.SubscriptionClosed", error_type(closed));
  mine_ = {};
  EXPECT_EQ("Extension.UnknownExtensionIdentifier", error_type(put(subscription())));
}

TEST_F(EmulatorTelemetryApi, UndeliverableEventsAreCountedNotKept) {
  const auto port = listener_.port();
  put(subscription());
  listener_.stop();
  telemetry_.publish("platform", "platform.start", {});
  wait(std::chrono::milliseconds(300));
  EXPECT_TRUE(batches_.empty());
  HttpServer again(io_, port, [this](const HttpRequest& message, const Respond& respond) {
    batches_.push_back(json::parse(message.body));
    respond({200, "", "text/plain", {}});
  });
  wait(std::chrono::milliseconds(300));
  ASSERT_FALSE(types().empty());
  EXPECT_EQ("platform.logsDropped", types()[0]);
  EXPECT_EQ(1, batches_[0][0]["record"]["droppedRecords"]);
}

}  // namespace
}  // namespace lamprey::emulator::testing
