// Lines of type summary as the command reads them: each counts as its invocations.
#include "cli/input/summaries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "cli/analysis/budgets.h"
#include "cli/analysis/comparison.h"
#include "cli/analysis/function_sums.h"
#include "cli/output/sizing.h"
#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;

Json distribution(const Json& values, const Json& counts) {
  return {{"Values", values}, {"Counts", counts}};
}

// 100 invocations: 90 of 1 ms and 10 of 5 ms.
Json summary() {
  return {{"type", "summary"},
          {"status", "ok"},
          {"function_name", "orders"},
          {"summary", {{"invocations", 100}, {"duration_ms", 140.0}, {"cpu_ms", 70.0}}},
          {"wall", {{"total_ms", 140.0}, {"cpu_ms", 60.0}, {"other_ms", 80.0}}},
          {"memory",
           {{"allocations", 300}, {"limit_bytes", 134'217'728}, {"peak_rss_bytes", 50'000'000}}},
          {"findings",
           {{{"code", "network.reconnect"}, {"severity", "warning"}, {"text", "t"}, {"count", 7}}}},
          {"calls", {{"total", 500}, {"top", {{{"name", "read"}, {"calls", 400}}}}}},
          {"network", {{{"host", "db"}, {"connects", 100}, {"wait_ms", 50.0}}}},
          {"duration_ms", distribution({1.0, 5.0}, {90, 10})},
          {"cpu_ms", distribution({0.7}, {100})},
          {"allocated_bytes", distribution({10, 20}, {50, 50})},
          {"live_bytes", distribution({1000}, {100})},
          {"peak_rss_bytes", distribution({50'000'000}, {100})},
          {"syscalls", distribution({5}, {100})}};
}

TEST(SummariesTest, EachValueAsOftenAsItWasThereAndMixed) {
  const Read record(summary());
  std::vector<std::uint64_t> values = values_in(record, "duration_ms", 1'000'000);
  ASSERT_EQ(values.size(), 100U);
  EXPECT_EQ(std::count(values.begin(), values.end(), 1'000'000U), 90);
  EXPECT_EQ(std::count(values.begin(), values.end(), 5'000'000U), 10);
  EXPECT_FALSE(std::is_sorted(values.begin(), values.end()));
  EXPECT_THAT(values_in(record, "network_ms"), IsEmpty());
  EXPECT_EQ(invocations_in(record), 100U);
}

TEST(SummariesTest, NonsenseIsBoundedAndNothing) {
  Json odd = summary();
  odd["duration_ms"] = distribution({1.0, "x", -2, 3.0, 4.0}, {2, 1, 1, 1e30});
  EXPECT_THAT(values_in(Read(odd), "duration_ms", 1), ElementsAre(1U, 1U));
  odd["duration_ms"] = 5.0;
  EXPECT_THAT(values_in(Read(odd), "duration_ms", 1), IsEmpty());
  odd["summary"] = {{"invocations", 1e18}};
  EXPECT_LE(invocations_in(Read(odd)), 100'000U);
  odd.erase("summary");
  EXPECT_EQ(invocations_in(Read(odd)), 0U);
  EXPECT_EQ(invocations_in(Read(Json{{"type", "invoke"}})), 1U);
}

TEST(SummariesTest, AFunctionIsItsLinesAndItsSummaries) {
  FunctionSum sum;
  add_record(sum, Read(summary()));
  add_record(sum, Read(Json{{"type", "invoke"}, {"status", "error"}, {"duration_ms", 100.0}}));
  EXPECT_EQ(sum.invocations, 101U);
  EXPECT_EQ(sum.statuses["ok"], 100U);
  EXPECT_EQ(sum.durations_ns.count(), 101U);
  EXPECT_EQ(sum.durations_ns.percentile(50), 1'000'000U);
  EXPECT_EQ(sum.durations_ns.percentile(95), 5'000'000U);
  EXPECT_DOUBLE_EQ(sum.allocated.sum(), 1500);
  EXPECT_EQ(sum.findings["network.reconnect"].count, 7U);
  EXPECT_EQ(sum.calls["read"].calls, 400U);
  EXPECT_EQ(sum.hosts["db"].connects, 100U);
  EXPECT_EQ(sum.wall_ns["CPU"], 60'000'000U);
}

TEST(SummariesTest, CostIsThatOfAllInvocations) {
  Sizing sizing;
  sizing.add(Read(summary()));
  const std::string table = sizing.table(std::nullopt);
  // 140 ms of 128 MB.
  EXPECT_THAT(table, HasSubstr("100"));
  EXPECT_THAT(table, HasSubstr("0.018"));
  EXPECT_THAT(table, HasSubstr("100 warm invocations"));
}

TEST(SummariesTest, BudgetsAreHeldAgainstAllInvocations) {
  char path[] = "/tmp/lamprey-budgets-XXXXXX";
  close(mkstemp(path));
  std::ofstream(path) << "duration_ms p50 <= 900 us\n"
                         "duration_ms p90 <= 1 ms\n"
                         "calls.total max <= 4\n"
                         "network.reconnect <= 6 %\n"
                         "not_ok <= 0 %\n"
                         "wall.cpu_ms p50 <= 1 ms\n";
  Budgets budgets;
  ASSERT_EQ(budgets.demand(path), "");
  budgets.add(Read(summary()));
  const auto broken = budgets.broken();
  std::remove(path);
  ASSERT_EQ(broken.size(), 4U);
  EXPECT_THAT(broken[0], HasSubstr("p50 is 1.00 ms in 100 records"));
  EXPECT_THAT(broken[1], HasSubstr("max is 5"));
  EXPECT_THAT(broken[2], HasSubstr("network.reconnect is 7 % in 100 records"));
  EXPECT_THAT(broken[3], HasSubstr("no record with wall.cpu_ms"));  // a sum is no value
}

TEST(SummariesTest, OnlyWhatHasSingleValuesIsCompared) {
  RunFigures before;
  RunFigures after;
  for (int i = 0; i < 40; ++i) {
    Json line = {{"type", "invoke"},
                 {"status", "ok"},
                 {"function_name", "orders"},
                 {"duration_ms", 1.0 + (i % 3)},
                 {"cpu_ms", 0.7},
                 {"memory", {{"allocations", 3}}},
                 {"calls", {{"total", 5}}},
                 {"network", {{{"host", "db"}, {"wait_ms", 40.0}}}}};
    before.add(Read(line));
    after.add(Read(line));  // of slow invocations: they have a line beside the summaries
  }
  after.add(Read(summary()));
  const Comparison comparison = compare(before, after);
  ASSERT_EQ(comparison.functions.size(), 1U);
  EXPECT_EQ(comparison.functions[0].after, 140U);
  std::vector<std::string> names;
  for (const Change& change : comparison.functions[0].figures) {
    names.push_back(change.name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("duration", "CPU", "calls"));
  EXPECT_EQ(comparison.functions[0].figures[0].values_after, 140U);
  EXPECT_EQ(comparison.functions[0].events[0].after, 7U);
}

}  // namespace
}  // namespace lamprey::cli
