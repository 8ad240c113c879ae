// The order of phases, what ends each of them, and what follows from a failure, with real
// processes.
#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "tests/unit/emulator_harness.h"

namespace lamprey::emulator::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::HasSubstr;

using EmulatorPhases = EmulatorTest;

bool is_running(pid_t pid) {
  const std::string status = file_text("/proc/" + std::to_string(pid) + "/stat");
  return !status.empty() && status.find(") Z") == std::string::npos;
}

TEST_F(EmulatorPhases, RuntimeStartsOnlyWhenEveryExtensionHasRegistered) {
  options_.environment["EXT"] = R"({"register_delay":0.2})";
  add_extension("slow.py");
  run({json::object()});
  ASSERT_EQ(1U, results_.size());
  EXPECT_TRUE(results_[0].succeeded) << log();
  EXPECT_LT(find_line("EXT registered 200"), find_line("RUNTIME started")) << log();
  EXPECT_LT(find_line("EXTENSION\tName: slow.py\tState: Ready\tEvents: [INVOKE,SHUTDOWN]"),
            find_line("START RequestId"));
  EXPECT_LT(find_line("START RequestId"), find_line("END RequestId"));
  EXPECT_EQ(find_line("END RequestId") + 1, find_line("REPORT RequestId"));
  EXPECT_THAT(lines_, Contains(HasSubstr("Init Duration: ")));
  EXPECT_THAT(lines_, Contains(HasSubstr("\"shutdownReason\": \"spindown\"")));
}

TEST_F(EmulatorPhases, InitEndsWhenTheLastExtensionAsksForItsFirstEvent) {
  options_.environment["EXT"] = R"({"first_next_delay":1.5})";
  add_extension("late.py");
  run({json::object(), json::object()});
  ASSERT_TRUE(results_[1].succeeded) << log();
  EXPECT_GE(results_[0].answered_after, milliseconds(1500));
  EXPECT_LT(results_[1].answered_after, milliseconds(400));
  EXPECT_EQ(1U, count_lines("Init Duration: "));
}

TEST_F(EmulatorPhases, AnswerDoesNotWaitForExtensionsButTheEnvironmentDoes) {
  options_.environment["EXT"] = R"({"next_delay":0.6})";
  add_extension("busy.py");
  run({json::object(), json::object()});
  ASSERT_TRUE(results_[1].succeeded) << log();
  EXPECT_LT(results_[1].answered_after, milliseconds(500));
  EXPECT_GE(results_[1].finished_after, milliseconds(600));
}

TEST_F(EmulatorPhases, InvokeEventCarriesWhatTheRuntimeGets) {
  add_extension("ext.py");
  run({json::object()});
  const json headers = results_[0].json()["headers"];
  const std::size_t line = find_line("EXT event ");
  ASSERT_NE(kNone, line) << log();
  const json event = json::parse(lines_[line].substr(10));
  EXPECT_EQ("INVOKE", event["eventType"]);
  EXPECT_EQ(headers["Lambda-Runtime-Aws-Request-Id"], event["requestId"]);
  EXPECT_EQ(headers["Lambda-Runtime-Invoked-Function-Arn"], event["invokedFunctionArn"]);
  EXPECT_EQ(headers["Lambda-Runtime-Deadline-Ms"],
            std::to_string(event["deadlineMs"].get<std::int64_t>()));
  EXPECT_EQ(headers["Lambda-Runtime-Trace-Id"], event["tracing"]["value"]);
}

TEST_F(EmulatorPhases, TimeoutKillsTellsExtensionsAndStartsAfreshInsideTheNextInvocation) {
  // The next invocation has to start a runtime in that time, on a machine that has other work.
  options_.timeout = milliseconds(4500);
  add_extension("ext.py");
  run({{{"do", "sleep"}, {"seconds", 30}}, json::object()});
  EXPECT_FALSE(results_[0].succeeded);
  EXPECT_EQ("Unhandled", results_[0].answer.function_error);
  EXPECT_EQ("Sandbox.Timedout", results_[0].json()["errorType"]);
  EXPECT_GE(results_[0].finished_after, milliseconds(4500));
  EXPECT_LT(results_[0].finished_after, milliseconds(13500));
  EXPECT_THAT(lines_, Contains(HasSubstr("Task timed out after 4.50 seconds")));
  EXPECT_THAT(lines_, Contains(HasSubstr("Status: timeout")));
  EXPECT_THAT(lines_, Contains(HasSubstr("\"shutdownReason\": \"timeout\"")));
  EXPECT_TRUE(results_[1].succeeded) << log();
  EXPECT_EQ(2U, count_lines("RUNTIME started"));
  // The second init is inside the invocation: after its START, and not reported as a cold start.
  EXPECT_LT(find_line("START RequestId", find_line("Status: timeout")),
            find_line("RUNTIME started", find_line("Status: timeout")));
  EXPECT_EQ(1U, count_lines("Init Duration: "));
}

TEST_F(EmulatorPhases, RuntimeExitFailsTheInvocationAndResets) {
  add_extension("ext.py");
  run({{{"do", "exit"}, {"status", 3}}, json::object()});
  EXPECT_EQ("Runtime.ExitError", results_[0].json()["errorType"]);
  EXPECT_THAT(lines_, Contains(HasSubstr("Runtime exited with error: exit status 3")));
  EXPECT_THAT(lines_, Contains(HasSubstr("\"shutdownReason\": \"failure\"")));
  EXPECT_TRUE(results_[1].succeeded) << log();
}

TEST_F(EmulatorPhases, AnswerStandsWhenTheRuntimeDiesAfterIt) {
  run({{{"do", "respond then exit"}}});
  EXPECT_EQ("", results_[0].answer.function_error);
  EXPECT_FALSE(results_[0].succeeded);
  EXPECT_THAT(lines_, Contains(HasSubstr("Error Type: Runtime.ExitError")));
}

TEST_F(EmulatorPhases, FailedInitIsRepeatedInsideTheInvocation) {
  options_.environment["INIT"] = "exit";
  run({json::object()});
  EXPECT_FALSE(results_[0].succeeded);
  EXPECT_EQ(2U, count_lines("RUNTIME started")) << log();
  EXPECT_EQ(1U, count_lines("Phase: init\tStatus: error\tError Type: Runtime.ExitError"));
  EXPECT_EQ(1U, count_lines("Phase: invoke\tStatus: error\tError Type: Runtime.ExitError"));
}

TEST_F(EmulatorPhases, InitErrorOfTheRuntimeIsTheAnswer) {
  options_.environment["INIT"] = "error";
  run({json::object()});
  EXPECT_EQ("Runtime.ImportModuleError", results_[0].json()["errorType"]) << log();
  EXPECT_EQ("no module", results_[0].json()["errorMessage"]);
}

TEST_F(EmulatorPhases, InitLimitKillsAndRepeats) {
  options_.environment["INIT"] = "slow once";
  options_.init_limit = milliseconds(1500);  // the second init must end within it on a busy machine
  run({json::object()});
  EXPECT_TRUE(results_[0].succeeded) << log();
  EXPECT_EQ(1U, count_lines("Phase: init\tStatus: timeout"));
}

TEST_F(EmulatorPhases, RepeatedInitCountsAgainstTheFunctionTimeout) {
  options_.environment["INIT"] = "slow";
  options_.init_limit = milliseconds(300);
  options_.timeout = milliseconds(500);
  run({json::object()});
  EXPECT_EQ("Sandbox.Timedout", results_[0].json()["errorType"]) << log();
  EXPECT_EQ(1U, count_lines("Phase: invoke\tStatus: timeout"));
}

TEST_F(EmulatorPhases, ExtensionExitEndsTheEnvironment) {
  options_.environment["EXT"] = R"({"crash":0})";
  add_extension("ext.py");
  run({{{"do", "sleep"}, {"seconds", 5}}});
  EXPECT_EQ("Extension.Crash", results_[0].json()["errorType"]) << log();
  EXPECT_THAT(results_[0].answer.body, HasSubstr("exit code 0"));
  EXPECT_LT(results_[0].finished_after, milliseconds(4000));
}

TEST_F(EmulatorPhases, ExtensionThatCannotStartFailsTheInvocation) {
  add_extension("broken", "#!/no/such/interpreter\n");
  run({json::object()});
  EXPECT_EQ("Extension.LaunchError", results_[0].json()["errorType"]) << log();
  EXPECT_FALSE(has_line("RUNTIME started"));
}

TEST_F(EmulatorPhases, ExtensionInitErrorFailsTheInvocation) {
  options_.environment["EXT"] = R"({"init_error":true})";
  add_extension("ext.py");
  run({json::object()});
  EXPECT_EQ("Extension.InitError", results_[0].json()["errorType"]) << log();
  EXPECT_THAT(results_[0].answer.body, HasSubstr("Extension.NoConfig"));
}

TEST_F(EmulatorPhases, FunctionErrorIsTheAnswerAndTheEnvironmentLives) {
  run({{{"do", "error"}}, json::object()});
  EXPECT_EQ("Unhandled", results_[0].answer.function_error);
  EXPECT_EQ("ValueError", results_[0].json()["errorType"]);
  EXPECT_TRUE(results_[1].succeeded) << log();
  EXPECT_EQ(1U, count_lines("RUNTIME started"));
}

TEST_F(EmulatorPhases, StreamedResponseIsTheAnswer) {
  run({{{"do", "stream"}}});
  EXPECT_TRUE(results_[0].succeeded) << log();
  EXPECT_EQ("one,two", results_[0].answer.body);
  EXPECT_EQ("text/plain", results_[0].answer.content_type);
}

TEST_F(EmulatorPhases, SpindownWithoutExtensionsKillsAtOnce) {
  options_.environment["INIT"] = "trap";
  run({json::object()});
  EXPECT_FALSE(has_line("RUNTIME got SIGTERM")) << log();
  EXPECT_LT(shutdown_took_, milliseconds(300));
}

TEST_F(EmulatorPhases, SpindownWithAnExtensionSendsSigtermToTheRuntimeOnly) {
  options_.environment["INIT"] = "trap";
  add_extension("ext.py");
  run({json::object()});
  EXPECT_TRUE(has_line("RUNTIME got SIGTERM")) << log();
  EXPECT_FALSE(has_line("EXT got SIGTERM"));
  EXPECT_LT(find_line("RUNTIME got SIGTERM"), find_line("\"SHUTDOWN\""));
}

TEST_F(EmulatorPhases, SpindownKillsAStubbornRuntimeAtThirtyPercent) {
  options_.environment["INIT"] = "ignore";
  add_extension("ext.py");
  run({json::object()});
  EXPECT_TRUE(has_line("RUNTIME ignored SIGTERM")) << log();
  EXPECT_GE(shutdown_took_, milliseconds(600));
  EXPECT_LT(shutdown_took_, milliseconds(1500));
  EXPECT_THAT(lines_, Contains(HasSubstr("\"type\": \"shutdown\"")));
}

TEST_F(EmulatorPhases, SpindownKillsAStubbornExtensionAtTwoSeconds) {
  options_.environment["EXT"] = R"({"ignore_shutdown":true})";
  add_extension("ext.py");
  run({json::object()});
  EXPECT_GE(shutdown_took_, milliseconds(2000));
  EXPECT_LT(shutdown_took_, milliseconds(3000));
}

TEST_F(EmulatorPhases, SpindownWithInternalExtensionsOnlyHasHalfASecond) {
  options_.environment["INIT"] = "internal";
  run({json::object()});
  EXPECT_TRUE(has_line("RUNTIME ignored SIGTERM")) << log();
  EXPECT_GE(shutdown_took_, milliseconds(150));
  EXPECT_LT(shutdown_took_, milliseconds(500));
}

TEST_F(EmulatorPhases, ExtensionNotSubscribedToShutdownIsKilled) {
  options_.environment["EXT"] = R"({"events":["INVOKE"]})";
  add_extension("ext.py");
  run({json::object()});
  EXPECT_FALSE(has_line("SHUTDOWN\"")) << log();
  EXPECT_FALSE(has_line("got SIGTERM"));
  EXPECT_LT(shutdown_took_, milliseconds(500));
}

TEST_F(EmulatorPhases, CommandMayUseTheLayerAsOpt) {
  std::ofstream(folder_ / "layer/wrap") << "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n";
  chmod((folder_ / "layer/wrap").c_str(), 0755);
  options_.environment["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/wrap";
  run({{{"do", "env"}}, {{"do", "list"}}});
  EXPECT_EQ("yes", results_[0].json()["env"].value("WRAPPED", "")) << log();
  EXPECT_EQ(json({"extensions", "wrap"}), results_[1].json()["opt"]);
  EXPECT_FALSE(std::filesystem::exists("/opt/wrap"));
}

TEST_F(EmulatorPhases, MissingWrapperFailsTheInvocation) {
  options_.environment["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/none";
  run({json::object()});
  EXPECT_EQ("Runtime.InvalidEntrypoint", results_[0].json()["errorType"]) << log();
}

TEST_F(EmulatorPhases, LongLinesPassWhole) {
  run({{{"do", "long"}}});
  EXPECT_THAT(lines_, Contains(std::string(400000, 'a')));
  EXPECT_THAT(lines_, Contains(std::string(400000, 'b')));
}

// ---- with a control group and with signals only ------------------------------------------------

class EmulatorContainment : public EmulatorTest, public ::testing::WithParamInterface<bool> {
 protected:
  EmulatorContainment() { options_.limit_memory = GetParam(); }
};

TEST_P(EmulatorContainment, NothingRunsBetweenInvocations) {
  options_.environment["INIT"] = "tick";
  std::string first;
  std::string later;
  run({json::object(), {{"do", "sleep"}, {"seconds", 0.2}}}, milliseconds(100),
      [&](std::size_t index) {
        if (index == 0) {
          first = file_text(folder_ / "ticks");
          std::this_thread::sleep_for(milliseconds(200));
          later = file_text(folder_ / "ticks");
        }
      });
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, later);
  EXPECT_TRUE(results_[1].succeeded) << log();
  EXPECT_GT(std::stoi(file_text(folder_ / "ticks")), std::stoi(later));
}

TEST_P(EmulatorContainment, DaemonsAreGoneAtTheEnd) {
  run({{{"do", "daemon"}}}, milliseconds(0));
  const pid_t daemon = results_[0].json().value("daemon", 0);
  ASSERT_GT(daemon, 0) << log();
  // Killed it is by now; on a busy machine the kernel may still be taking it apart.
  for (int i = 0; i < 100 && is_running(daemon); ++i) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_FALSE(is_running(daemon));
}

TEST_P(EmulatorContainment, MemoryUsedIsReportedTruly) {
  run({{{"do", "eat"}, {"mb", 40}}});
  const std::size_t line = find_line("Max Memory Used: ");
  ASSERT_NE(kNone, line) << log();
  const auto at = lines_[line].find("Max Memory Used: ") + 17;
  const int used = std::stoi(lines_[line].substr(at));
  EXPECT_GE(used, 40);
  EXPECT_LT(used, 100);
}

INSTANTIATE_TEST_SUITE_P(Modes, EmulatorContainment, ::testing::Values(true, false),
                         [](const auto& mode) { return mode.param ? "ControlGroup" : "Signals"; });

TEST_F(EmulatorPhases, MemoryLimitKillsTheRuntime) {
  {
    const Cgroup probe("probe", 128U << 20);
    if (!probe.limits_memory()) {
      GTEST_SKIP() << "no control group for memory can be made here (needs root)";
    }
  }
  options_.limit_memory = true;
  run({{{"do", "eat"}, {"mb", 400}}, json::object()});
  EXPECT_THAT(results_[0].answer.body, HasSubstr("Runtime exited with error: signal: killed"));
  EXPECT_THAT(lines_, Contains(HasSubstr("Max Memory Used: 128 MB")));
  EXPECT_TRUE(results_[1].succeeded) << log();
}

}  // namespace
}  // namespace lamprey::emulator::testing
