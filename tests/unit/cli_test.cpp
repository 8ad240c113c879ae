// The commands' parts: running a program untouched, finding records in logs, tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/commands/child_program.h"
#include "cli/input/json_values.h"
#include "cli/input/log_lines.h"
#include "cli/output/tables.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;

ChildEnd run(const std::vector<std::string>& words) {
  return run_program(words, [] {});
}

TEST(ChildProgramTest, ExitStatusPassesThrough) {
  const ChildEnd end = run({"sh", "-c", "exit 7"});
  EXPECT_EQ(end.start_error, 0);
  EXPECT_EQ(follow_into_death(end.wait_status), 7);
}

TEST(ChildProgramTest, DeathBySignalPassesThrough) {
  EXPECT_EXIT(follow_into_death(run({"sh", "-c", "kill -USR1 $$"}).wait_status),
              ::testing::KilledBySignal(SIGUSR1), "");
}

TEST(ChildProgramTest, WhatCannotStartSaysWhy) {
  EXPECT_EQ(run({"/no/such/program"}).start_error, ENOENT);
  EXPECT_EQ(run({"/etc/passwd"}).start_error, EACCES);
}

TEST(ChildProgramTest, SignalsThatSomebodySendsGoOn) {
  const pid_t parent = fork();
  if (parent == 0) {
    const ChildEnd end = run({"sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"});
    _exit(WIFEXITED(end.wait_status) ? WEXITSTATUS(end.wait_status) : 1);
  }
  int status = 0;
  for (int i = 0; i < 100 && waitpid(parent, &status, WNOHANG) == 0; ++i) {
    usleep(50'000);
    if (i >= 4) {
      kill(parent, SIGTERM);
    }
  }
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 9);
}

TEST(ChildProgramTest, TheProgramHasTheSignalsAndDescriptorsThatWeHad) {
  // Before any handler of ours is installed in this process: in a child of its own.
  const pid_t parent = fork();
  if (parent == 0) {
    std::signal(SIGHUP, SIG_IGN);
    closefrom(3);
    const ChildEnd end = run({"sh", "-c",
                              "grep -q 'SigBlk:.*0000$' /proc/self/status && "
                              "test $(( 0x$(awk '/SigIgn/{print $2}' /proc/self/status) & 1 )) = 1 "
                              "&& ls /proc/self/fd | sort -n | tail -1 | grep -q '^3$'"});
    _exit(WIFEXITED(end.wait_status) ? WEXITSTATUS(end.wait_status) : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

std::string record_text(const Value& record, const char* key) { return text(record, key); }

std::vector<std::string> ids(const std::string& text, LineCounts& counts) {
  std::vector<std::string> found;
  find_records(text, counts, [&found](const Value& record) {
    const std::string id = record_text(record, "request_id");
    found.push_back(id.empty() ? "-" : id);
  });
  return found;
}

// As a field of a CSV file.
std::string in_csv(const std::string& text) {
  std::string field = "\"";
  for (const char c : text) {
    field += c == '"' ? "\"\"" : std::string(1, c);
  }
  return field + "\"";
}

TEST(LogLinesTest, EveryShapeThatCloudWatchGives) {
  const std::string a = R"({"lamprey":"1","type":"invoke","request_id":"a"})";
  const std::string b = R"({"lamprey":"1","type":"invoke","request_id":"b"})";
  const std::string quoted = nlohmann::json(b).dump();
  for (const std::string& text :
       {a + "\n" + b + "\n",  // plain
        "START RequestId: a\n2026-01-01T00:00:00.000Z\t" + a + "\nnoise\n2026 stream " + b,
        R"({"events":[{"timestamp":1,"message":)" + nlohmann::json(a).dump() +
            R"(},{"timestamp":2,"message":)" + quoted + "}]}",  // aws logs
        "[" + a + ",\n " + b + "]",                             // a list
        R"({"timestamp":1,"message":)" + a + "}\n" + R"({"message":)" + quoted + "}\n",
        R"({"results":[[{"field":"@message","value":)" + nlohmann::json(a).dump() +
            R"(}],[{"field":"@message","value":)" + quoted + "}]]}",  // Logs Insights
        "@timestamp,@message\r\n2026-01-01 00:00:00.000," + in_csv(a) + "\r\n2026,\"at " +
            in_csv(b).substr(1) + ",more\r\n"}) {  // a download from the console
    LineCounts counts;
    EXPECT_THAT(ids(text, counts), ElementsAre("a", "b")) << text;
    EXPECT_EQ(counts.records, 2U);
  }
}

TEST(LogLinesTest, OthersAreCounted) {
  LineCounts counts;
  EXPECT_TRUE(
      ids("a\n\n{\"x\":1}\n{\"lamprey\n{\"lamprey\":\"2\"}\n{\"lamprey\":7}", counts).empty());
  EXPECT_EQ(counts.skipped, 4U);
  EXPECT_EQ(counts.newer, 1U);
  LineCounts csv;
  EXPECT_TRUE(ids("{\"\"lamprey\n{\"\"\n{\"\":\"lamprey\"}", csv).empty());
  EXPECT_EQ(csv.skipped, 3U);
  LineCounts none;
  EXPECT_TRUE(ids("", none).empty());
  EXPECT_TRUE(ids(std::string(100'000, '['), none).empty());
}

TEST(TableTest, AlignsByCharactersAndHidesControl) {
  EXPECT_EQ(table({{"call", "p50"}, {"read", "1 µs"}, {"x\x1B[31m", "10 ms"}}),
            "call      p50\n"
            "read     1 µs\n"
            "x?[31m  10 ms\n");
}

}  // namespace
}  // namespace lamprey::cli
