// Budgets: what a line of the file may say, and when it is broken.
#include "cli/analysis/budgets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

class BudgetsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "lamprey-budgets-XXXXXX";
    const int descriptor = mkstemp(name.data());
    ASSERT_GE(descriptor, 0);
    close(descriptor);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  // What is broken when these invocations are held against these lines.
  std::vector<std::string> broken(const std::string& text, const std::vector<Json>& records) {
    Budgets budgets;
    EXPECT_EQ(budgets.demand(write(text)), "");
    for (const Json& record : records) {
      budgets.add(Read(record));
    }
    std::vector<std::string> lines = budgets.broken();
    for (std::string& line : lines) {
      if (line.starts_with(path_)) {
        line.erase(0, path_.size() + 1);
      }
    }
    return lines;
  }
  std::string path_;
};

Json invocation(double ms, std::int64_t bytes = 0, const char* status = "ok") {
  return {{"type", "invoke"},
          {"status", status},
          {"function_name", "orders"},
          {"duration_ms", ms},
          {"memory", {{"allocated_bytes", bytes}}},
          {"system", {{"memory_utilization", 80}}}};
}

TEST_F(BudgetsTest, FiguresOfARecord) {
  const std::vector<Json> records{invocation(100, 40 << 20), invocation(200, 60 << 20),
                                  invocation(900, 61 << 20)};
  EXPECT_THAT(broken("duration_ms p50 <= 200 ms\nduration_ms max < 1 s\n"
                     "allocated_bytes p50 <= 60 MB\nmemory.allocated_bytes min >= 40MB\n"
                     "memory_utilization max <= 80 %\n# a comment\n\n",
                     records),
              IsEmpty());
  EXPECT_THAT(
      broken("duration_ms p50 < 200 ms\nallocated_bytes max <= 50 MB  # why\n", records),
      ElementsAre(
          "line 1: orders: duration_ms p50 is 200 ms in 3 records; the budget is < 200 ms",
          "line 2: orders: allocated_bytes max is 61.0 MB in 3 records; the budget is <= 50 MB"));
  EXPECT_THAT(broken("duration_ms mean <= 0.3 s", records),
              ElementsAre(HasSubstr("mean is 400 ms")));
}

TEST_F(BudgetsTest, FindingsAndEnds) {
  Json found = invocation(1);
  found["findings"] = {{{"code", "network.reconnect"}, {"severity", "warning"}}};
  const std::vector<Json> records{found, invocation(1), invocation(1, 0, "timeout"), invocation(1)};
  EXPECT_THAT(
      broken("network.reconnect never\nmemory.leak never\nnetwork.reconnect <= 1\n"
             "not_ok <= 20 %\nnot_ok <= 25 %\n",
             records),
      ElementsAre("line 1: orders: network.reconnect is 1 times in 4 records; the budget is never",
                  "line 4: orders: not_ok is 25 % in 4 records; the budget is <= 20 %"));
}

TEST_F(BudgetsTest, OneFunctionsBudgetIsNoOthers) {
  const std::vector<Json> records{invocation(900)};
  EXPECT_THAT(broken("orders: duration_ms max <= 1 ms\n", records),
              ElementsAre(HasSubstr("900 ms")));
  EXPECT_THAT(broken("others: duration_ms max <= 1 ms\n", records),
              ElementsAre(HasSubstr("line 1: no record of others with duration_ms")));
}

TEST_F(BudgetsTest, InitHasItsOwn) {
  Json init = {{"type", "init"},
               {"status", "ok"},
               {"function_name", "orders"},
               {"init", {{"total_ms", 700}}}};
  EXPECT_THAT(broken("init.total_ms p99 <= 500 ms\n", {init, invocation(1)}),
              ElementsAre(HasSubstr("init.total_ms p99 is 700 ms in 1 records")));
}

TEST_F(BudgetsTest, AMisspeltKeyDoesNotPass) {
  EXPECT_THAT(broken("duration_mss p50 <= 1\n", {invocation(1)}),
              ElementsAre("line 1: no record with duration_mss could be held against it"));
}

TEST_F(BudgetsTest, SeveritiesAndWorse) {
  Json found = invocation(1);
  found["findings"] = {{{"code", "a.warning"}, {"severity", "warning"}},
                       {{"code", "b.info"}, {"severity", "info"}}};
  for (const auto& [word, count] :
       {std::pair("critical", 0U), std::pair("warning", 1U), std::pair("info", 2U)}) {
    Budgets budgets;
    EXPECT_EQ(budgets.demand(word), "");
    budgets.add(Read(found));
    EXPECT_EQ(budgets.broken().size(), count) << word;
  }
}

TEST_F(BudgetsTest, WrongLinesAreNamed) {
  for (const char* line :
       {"duration_ms", "duration_ms p50", "duration_ms p42 <= 1", "duration_ms p50 = 1",
        "duration_ms p50 <= x", "duration_ms p50 <= 1 MB", "allocated_bytes p50 <= 1 ms",
        "duration_ms p50 <= 1 ms more", "network never", "network.reconnect ever",
        "network.reconnect <= 1 ms", "duration_ms p50 <= 1ms ms", "memory_utilization max <= 1 MB",
        "duration_ms p50 <= nan"}) {
    Budgets budgets;
    const std::string complaint = budgets.demand(write(std::string("\n") + line + "\n"));
    EXPECT_THAT(complaint, HasSubstr("line 2")) << line;
    EXPECT_THAT(complaint, HasSubstr(line));
  }
  Budgets budgets;
  EXPECT_THAT(budgets.demand("/does/not/exist"), HasSubstr("info, warning, critical"));
  EXPECT_THAT(budgets.demand(write("# nothing\n")), HasSubstr("holds no budget"));
}

}  // namespace
}  // namespace lamprey::cli
