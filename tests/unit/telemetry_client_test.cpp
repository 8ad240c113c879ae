// What Lambda says about itself, and the words of a user about dimensions: taken apart.
#include "lambda/telemetry_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "companion/dimensions.h"

namespace lamprey {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(PlatformReportTest, TakesTheFigures) {
  const auto report = lambda::parse_platform_report(
      R"({"time":"t","type":"platform.report","record":{"requestId":"a","metrics":{"durationMs":1.5,)"
      R"("billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":66,"initDurationMs":116.67}}})");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->request_id, "a");
  EXPECT_EQ(report->billed_ms, 2U);
  EXPECT_EQ(report->max_memory_mb, 66U);
  EXPECT_EQ(report->init_ns, 116'670'000U);
  EXPECT_FALSE(report->restore_ns.has_value());
}

TEST(PlatformReportTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "{", "[]", "3", R"({"type":"platform.start","record":{"requestId":"a"}})",
        R"({"type":"platform.report"})", R"({"type":"platform.report","record":[]})",
        R"({"type":"platform.report","record":{"requestId":7,"metrics":{}}})",
        R"({"type":"platform.report","record":{"requestId":"","metrics":{}}})",
        R"({"type":{},"record":{"requestId":"a","metrics":{}}})",
        R"({"type":"platform.report","record":{"requestId":"a","metrics":[]}})"}) {
    EXPECT_FALSE(lambda::parse_platform_report(text).has_value()) << text;
  }
  const auto odd = lambda::parse_platform_report(
      R"({"type":"platform.report","record":{"requestId":"a","metrics":{"billedDurationMs":-1,)"
      R"("maxMemoryUsedMB":"many","initDurationMs":1e300}}})");
  ASSERT_TRUE(odd.has_value());
  EXPECT_FALSE(odd->billed_ms || odd->max_memory_mb || odd->init_ns);
}

TEST(ListeningAddressTest, IsWhereTheHostsFilePutsTheSandbox) {
  EXPECT_EQ(lambda::listening_address(""), "127.0.0.1");
  EXPECT_EQ(lambda::listening_address("127.0.0.1 localhost\n"), "127.0.0.1");
  EXPECT_EQ(
      lambda::listening_address("# 1.2.3.4 sandbox.localdomain\n"
                                "::1 localhost\n169.254.79.130\tsandbox  sandbox.localdomain"),
      "169.254.79.130");
}

TEST(TelemetryClientTest, NobodyThereIsOneComplaint) {
  std::vector<std::string> said;
  lambda::TelemetryClient client("127.0.0.1:1",
                                 [&said](const std::string& text) { said.push_back(text); });
  client.subscribe("id", "2022-12-13");
  client.collect();
  EXPECT_FALSE(client.take().has_value());
  EXPECT_THAT(said, ElementsAre(HasSubstr("no telemetry: ")));
}

TEST(DimensionsTest, TakesWhatIsAcceptedAndSaysTheRest) {
  std::vector<std::string> complaints;
  EXPECT_THAT(companion::read_dimensions("stage=prod,team=a b=c", complaints),
              ElementsAre(Pair("stage", "prod"), Pair("team", "a b=c")));
  EXPECT_THAT(complaints, IsEmpty());
  for (const char* wrong : {"stage", "=x", "stage=", "1a=b", "a-b=c", "duration_ms=1", "_aws=1",
                            "a=\x01", "a=  ", "memory=x"}) {
    complaints.clear();
    EXPECT_THAT(companion::read_dimensions(wrong, complaints), IsEmpty()) << wrong;
    EXPECT_THAT(complaints, ElementsAre(HasSubstr("LAMPREY_DIMENSIONS"))) << wrong;
  }
  complaints.clear();
  EXPECT_THAT(companion::read_dimensions("a=1,b=2,c=3,d=4,e=5,f=6,a=7", complaints), SizeIs(5));
  EXPECT_THAT(complaints, SizeIs(2));
  EXPECT_THAT(companion::read_dimensions(std::string(5000, 'x') + "=1", complaints), IsEmpty());
  EXPECT_LT(complaints.back().size(), 400U);
}

}  // namespace
}  // namespace lamprey
