// What `lamprey local` accepts and refuses, and which variables function and extensions see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "emulator/base/time_text.h"
#include "emulator/options/function_variables.h"
#include "emulator/options/options.h"
#include "emulator/sandbox/process.h"

namespace lamprey::emulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

RawOptions good() {
  RawOptions raw;
  raw.command = {"sh", "-c", "true"};
  return raw;
}

std::string complaint(const RawOptions& raw) {
  Options options;
  return check_options(raw, options);
}

TEST(EmulatorOptions, DefaultsAreLambdas) {
  Options options;
  ASSERT_EQ("", check_options(good(), options));
  EXPECT_EQ(std::chrono::seconds(3), options.timeout);
  EXPECT_EQ(std::chrono::seconds(10), options.init_limit);
  EXPECT_EQ(128U, options.memory_mb);
  EXPECT_EQ("{}", options.event);
  EXPECT_TRUE(std::filesystem::path(options.command[0]).is_absolute());
  EXPECT_FALSE(options.serve_port);
}

TEST(TimeText, DatesAreUtcWithAllTheirDigits) {
  const WallTime last_of_february{std::chrono::milliseconds(1'709'251'199'007)};
  EXPECT_EQ("2024-02-29T23:59:59.007Z", iso_time(last_of_february));
  EXPECT_EQ("2024/02/29", log_stream_date(last_of_february));
  EXPECT_EQ("1970-01-01T00:00:00.000Z", iso_time(WallTime{}));
}

TEST(EmulatorOptions, EachRefusalIsOneLineWithNameValueAndWhatIsAccepted) {
  struct Case {
    std::function<void(RawOptions&)> change;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {[](RawOptions& r) { r.timeout = "0"; }, {"--timeout 0", "1 to 900"}},
      {[](RawOptions& r) { r.timeout = "901"; }, {"--timeout 901", "1 to 900"}},
      {[](RawOptions& r) { r.timeout = "3s"; }, {"--timeout 3s", "1 to 900"}},
      {[](RawOptions& r) { r.timeout = "-1"; }, {"--timeout -1", "1 to 900"}},
      {[](RawOptions& r) { r.memory = "127"; }, {"--memory 127", "128 to 10240"}},
      {[](RawOptions& r) { r.memory = "10241"; }, {"--memory 10241", "128 to 10240"}},
      {[](RawOptions& r) { r.cpu = "half"; }, {"--cpu half", "must be full"}},
      {[](RawOptions& r) { r.cpu = ""; }, {"--cpu \"\"", "must be full"}},
      {[](RawOptions& r) { r.invocations = "0"; }, {"--invocations 0", "from 1"}},
      {[](RawOptions& r) { r.concurrency = ""; }, {"--concurrency", "from 1"}},
      {[](RawOptions& r) { r.serve_port = "70000"; }, {"--serve 70000", "65535"}},
      {[](RawOptions& r) { r.event = "{not json"; }, {"--event {not json", "file or JSON"}},
      {[](RawOptions& r) { r.event = "/etc/passwd"; }, {"--event /etc/passwd", "JSON"}},
      {[](RawOptions& r) { r.environment = {"NAME"}; }, {"--env NAME", "NAME=VALUE"}},
      {[](RawOptions& r) { r.environment = {"=x"}; }, {"--env =x", "NAME=VALUE"}},
      {[](RawOptions& r) { r.environment = {"AWS_LAMBDA_MAX_CONCURRENCY=many"}; },
       {"AWS_LAMBDA_MAX_CONCURRENCY many", "1 to 1000"}},
      {[](RawOptions& r) { r.environment = {"AWS_LAMBDA_MAX_CONCURRENCY=0"}; },
       {"AWS_LAMBDA_MAX_CONCURRENCY 0", "1 to 1000"}},
      {[](RawOptions& r) { r.layer = "/no/such"; }, {"--layer /no/such", "directory"}},
      {[](RawOptions& r) { r.out = "/no/such/file"; }, {"--out /no/such/file", "written"}},
      {[](RawOptions& r) { r.memory = ""; }, {"--memory \"\"", "128"}},
      {[](RawOptions& r) { r.memory = "1\r2\033"; }, {"--memory 1 2 :", "128"}},
      {[](RawOptions& r) { r.command = {}; }, {"COMMAND", "--"}},
      {[](RawOptions& r) { r.command = {"no-such-program"}; }, {"no-such-program", "not found"}},
      {[](RawOptions& r) { r.command = {"/etc/passwd"}; }, {"/etc/passwd", "executable"}},
  };
  for (const Case& refused : cases) {
    RawOptions raw = good();
    refused.change(raw);
    const std::string line = complaint(raw);
    for (const std::string& word : refused.words) {
      EXPECT_THAT(line, HasSubstr(word));
    }
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

TEST(EmulatorOptions, EventMayBeAFileOrText) {
  const std::string path = ::testing::TempDir() + "emulator-event.json";
  std::ofstream(path) << "{\"from\": \"file\"}\n";
  RawOptions raw = good();
  Options options;
  raw.event = path;
  EXPECT_EQ("", check_options(raw, options));
  EXPECT_EQ("{\"from\": \"file\"}\n", options.event);
  raw.event = "[1, 2]";
  EXPECT_EQ("", check_options(raw, options));
  EXPECT_EQ("[1, 2]", options.event);
  std::filesystem::remove(path);
}

TEST(EmulatorVariables, FunctionSeesLambdasOwnAndTheCallersRest) {
  Options options;
  options.command = {"/usr/bin/python3", "-m", "awslambdaric", "app.handler"};
  options.memory_mb = 256;
  options.environment = {{"MINE", "1"}, {"TZ", ":Europe/Paris"}};
  const Variables caller = {{"PATH", "/bin"},           {"LD_PRELOAD", "/x.so"},
                            {"_HANDLER", "old"},        {"AWS_LAMBDA_RUNTIME_API", "old"},
                            {"AWS_PROFILE", "me"},      {"LAMBDA_TASK_ROOT", "old"},
                            {"AWS_REGION", "eu-west-1"}};
  const Variables seen = function_variables(options, 4321, caller);
  EXPECT_EQ("127.0.0.1:4321", seen.at("AWS_LAMBDA_RUNTIME_API"));
  EXPECT_EQ("app.handler", seen.at("_HANDLER"));
  EXPECT_EQ("256", seen.at("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
  EXPECT_EQ("on-demand", seen.at("AWS_LAMBDA_INITIALIZATION_TYPE"));
  EXPECT_EQ("eu-west-1", seen.at("AWS_REGION"));
  EXPECT_EQ(":Europe/Paris", seen.at("TZ"));
  EXPECT_EQ("1", seen.at("MINE"));
  EXPECT_EQ("/bin", seen.at("PATH"));
  EXPECT_EQ("me", seen.at("AWS_PROFILE"));
  EXPECT_EQ(std::filesystem::current_path().string(), seen.at("LAMBDA_TASK_ROOT"));
  EXPECT_FALSE(seen.contains("LD_PRELOAD"));
  EXPECT_FALSE(seen.contains("AWS_LAMBDA_EXEC_WRAPPER"));
  EXPECT_EQ("arn:aws:lambda:eu-west-1:123456789012:function:function", identify(seen).arn);
}

TEST(EmulatorVariables, ExtensionsDoNotSeeWhatLambdaHides) {
  Options options;
  options.command = {"/bin/bootstrap"};
  options.environment = {{"LD_PRELOAD", "/opt/lib/x.so"}, {"MINE", "1"}};
  const Variables function = function_variables(options, 1, {{"_", "x"}, {"HOME", "/h"}});
  EXPECT_EQ("handler", function.at("_HANDLER"));
  const Variables seen = extension_variables(function);
  for (const char* hidden :
       {"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER", "_"}) {
    EXPECT_TRUE(function.contains(hidden)) << hidden;
    EXPECT_FALSE(seen.contains(hidden)) << hidden;
  }
  // Variables of the function itself are visible, LD_PRELOAD too (facts: lambda.md, 0, row 2).
  EXPECT_EQ("/opt/lib/x.so", seen.at("LD_PRELOAD"));
  EXPECT_EQ("1", seen.at("MINE"));
  EXPECT_EQ("127.0.0.1:1", seen.at("AWS_LAMBDA_RUNTIME_API"));
}

TEST(EmulatorVariables, WrapperOfTheLayerIsUsedUnlessSwitchedOff) {
  const std::string layer = ::testing::TempDir() + "emulator-layer";
  std::filesystem::create_directories(layer);
  std::ofstream(layer + "/lamprey") << "#!/bin/sh\n";
  std::filesystem::permissions(layer + "/lamprey", std::filesystem::perms::owner_all);
  Options options;
  options.command = {"/bin/true"};
  options.layer = layer;
  EXPECT_EQ("/opt/lamprey", function_variables(options, 1, {}).at("AWS_LAMBDA_EXEC_WRAPPER"));
  options.environment = {{"AWS_LAMBDA_EXEC_WRAPPER", ""}};
  EXPECT_FALSE(function_variables(options, 1, {}).contains("AWS_LAMBDA_EXEC_WRAPPER"));
  std::filesystem::remove_all(layer);
}

TEST(EmulatorProcess, OptPathsAreRewrittenOnlyWithoutAMount) {
  OptMapping mapping;
  mapping.layer = "/l";
  mapping.kind = OptMapping::Kind::kBind;
  EXPECT_EQ("/opt/lamprey", mapping.path("/opt/lamprey"));
  mapping.kind = OptMapping::Kind::kRewrite;
  EXPECT_EQ("/l/lamprey", mapping.path("/opt/lamprey"));
  EXPECT_EQ("/options", mapping.path("/options"));
}

}  // namespace
}  // namespace lamprey::emulator
