// Managed Instances in the local Lambda: several invocations at a time, what ends them, and the log
// format that they always have; with real processes.
#include <gmock/gmock.h>

#include "tests/unit/emulator_harness.h"

namespace lamprey::emulator::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class EmulatorManaged : public EmulatorTest {
 protected:
  EmulatorManaged() {
    options_.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances";
    options_.environment["AWS_LAMBDA_MAX_CONCURRENCY"] = "2";
    options_.environment["INIT"] = "workers";
  }

  std::vector<json> events(const std::string& type) const {
    std::vector<json> found;
    for (const std::string& line : lines_) {
      const json event = json::parse(line, nullptr, false);
      if (event.is_object() && event.value("type", "") == type) {
        found.push_back(event["record"]);
      }
    }
    return found;
  }
};

const json kSleep = {{"do", "sleep"}, {"seconds", 0.5}};

TEST_F(EmulatorManaged, AsManyRunAtATimeAsTheEnvironmentTakes) {
  run_at_once({kSleep, kSleep, kSleep});
  std::vector<milliseconds> after;
  for (const Result& result : results_) {
    EXPECT_TRUE(result.succeeded) << log();
    after.push_back(result.answered_after);
  }
  std::sort(after.begin(), after.end());
  EXPECT_LT(after[1] - after[0], milliseconds(400));
  EXPECT_GE(after[2] - after[0], milliseconds(400));
  EXPECT_NE(results_[0].json()["pid"], results_[1].json()["pid"]);
  EXPECT_EQ(1U, events("platform.initReport").size());
  EXPECT_EQ(3U, events("platform.start").size());
  EXPECT_EQ(3U, events("platform.report").size());
  EXPECT_EQ(0U, count_lines("END RequestId")) << log();
}

TEST_F(EmulatorManaged, AnExtensionHearsOnlyOfTheEnd) {
  options_.environment["EXT"] = R"({"events":["SHUTDOWN"]})";
  add_extension("ext.py");
  run_at_once({kSleep, kSleep});
  EXPECT_TRUE(results_[0].succeeded && results_[1].succeeded) << log();
  EXPECT_FALSE(has_line("INVOKE")) << log();
  EXPECT_TRUE(has_line("\"shutdownReason\": \"spindown\""));
}

TEST_F(EmulatorManaged, ATimeoutKillsNothing) {
  options_.timeout = milliseconds(1000);
  run({{{"do", "sleep"}, {"seconds", 1.5}}, json::object(), json::object()}, milliseconds(700));
  EXPECT_FALSE(results_[0].succeeded);
  EXPECT_EQ("Sandbox.Timedout", results_[0].json()["errorType"]);
  EXPECT_TRUE(results_[1].succeeded && results_[2].succeeded) << log();
  EXPECT_EQ(1U, count_lines("platform.initReport")) << log();
  EXPECT_EQ("timeout", events("platform.report")[0]["status"]);
}

TEST_F(EmulatorManaged, ARuntimeThatDiesFailsAllThatItHad) {
  options_.environment["INIT"] = "";
  run({{{"do", "exit"}, {"status", 3}}, json::object()});
  EXPECT_FALSE(results_[0].succeeded);
  EXPECT_THAT(results_[0].answer.body, HasSubstr("Runtime exited with error: exit status 3"));
  EXPECT_TRUE(results_[1].succeeded) << log();
  EXPECT_EQ(2U, events("platform.initReport").size());
}

TEST_F(EmulatorManaged, AnInitThatFailsFailsWhatWaitsForIt) {
  options_.environment["INIT"] = "exit";
  run_at_once({json::object(), json::object()});
  for (const Result& result : results_) {
    EXPECT_FALSE(result.succeeded);
    EXPECT_EQ("Runtime.ExitError", result.json()["errorType"]) << log();
  }
}

TEST_F(EmulatorManaged, OnDemandHasTheSameFormatOnRequest) {
  options_.environment = {{"AWS_LAMBDA_LOG_FORMAT", "JSON"}};
  run({json::object()});
  ASSERT_TRUE(results_[0].succeeded) << log();
  const auto reports = events("platform.report");
  ASSERT_EQ(1U, reports.size()) << log();
  EXPECT_EQ("success", reports[0]["status"]);
  EXPECT_GT(reports[0]["metrics"]["initDurationMs"], 0);
  EXPECT_FALSE(has_line("REPORT RequestId"));
  EXPECT_EQ("on-demand", events("platform.initStart")[0]["initializationType"]);
}

}  // namespace
}  // namespace lamprey::emulator::testing
