// What stands beside each other in `lamprey report`: trouble first, and only what was seen.
#include "cli/analysis/fleet_overview.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

Json invocation(const char* status = "ok") {
  return {{"type", "invoke"},
          {"status", status},
          {"started", "2026-01-02T03:04:05.678Z"},
          {"request_id", "r"},
          {"headline", "what happened"},
          {"duration_ms", 100.0},
          {"wall", {{"total_ms", 100.0}, {"network_ms", 61.0}, {"cpu_ms", 30.0}, {"dns_ms", 9.0}}},
          {"memory", {{"peak_rss_bytes", 50'000'000}, {"limit_bytes", 134'217'728}}}};
}

Json with_finding(Json record, const char* code, const char* severity) {
  record["findings"].push_back({{"code", code}, {"severity", severity}, {"text", "words"}});
  return record;
}

FunctionSum sum_of(const std::vector<Json>& records) {
  FunctionSum sum;
  for (const Json& record : records) {
    add_record(sum, Read(record));
  }
  return sum;
}

TEST(FleetOverviewTest, TroubleComesFirst) {
  std::map<std::string, FunctionSum> functions;
  functions["a"] = sum_of({invocation()});
  functions["b"] = sum_of({with_finding(invocation(), "network.errors", "warning")});
  functions["c"] = sum_of({with_finding(invocation(), "memory.leak", "critical")});
  functions["d"] = sum_of({invocation("timeout")});
  const Rows rows = overview_rows(by_trouble(functions));
  ASSERT_THAT(rows, SizeIs(5));
  EXPECT_EQ(rows[1][0] + rows[2][0] + rows[3][0] + rows[4][0], "dcba");
  EXPECT_THAT(rows[1], ElementsAre("d", "1", "1", "100 ms", "100 ms", "network 61 %, CPU 30 %",
                                   "47.6 MB of 128 MB", ""));
  EXPECT_EQ(rows[2].back(), "memory.leak");
}

TEST(FleetOverviewTest, NothingKnownIsADash) {
  const std::map<std::string, FunctionSum> functions{{"f", sum_of({{{"type", "invoke"}}})}};
  EXPECT_THAT(overview_rows(by_trouble(functions))[1],
              ElementsAre("f", "1", "1", "-", "-", "-", "-", ""));
  EXPECT_THAT(finding_rows(functions.at("f")), IsEmpty());
  EXPECT_THAT(host_rows(functions.at("f"), 5), IsEmpty());
  EXPECT_THAT(bad_end_rows(functions.at("f")), IsEmpty());
}

TEST(FleetOverviewTest, FindingsByTheirWeightAndCounted) {
  Json record = with_finding(invocation(), "a.info", "info");
  record = with_finding(with_finding(record, "b.warning", "warning"), "c.critical", "critical");
  const FunctionSum sum = sum_of({record, record});
  const Rows rows = finding_rows(sum);
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(rows[1], ElementsAre("c.critical", "critical", "2", "words"));
  EXPECT_EQ(rows[3][0], "a.info");
}

TEST(FleetOverviewTest, HostsByTheTimeTheyTook) {
  Json record = invocation();
  record["network"] = {{{"host", "fast"}, {"wait_ms", 1.0}, {"connects", 2}},
                       {{"host", "slow"}, {"wait_ms", 40.0}, {"dns_ms", 2.0}, {"errors", 1}}};
  const FunctionSum sum = sum_of({record, record});
  const Rows rows = host_rows(sum, 1);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_THAT(rows[1], ElementsAre("slow", "0", "2", "0 B", "0 B", "84.0 ms"));
}

TEST(FleetOverviewTest, CallsAndTheKernelsApart) {
  Json record = invocation();
  record["calls"]["top"] = {{{"name", "fopen"}, {"calls", 2}, {"total_ms", 3.0}}};
  record["kernel"]["top"] = {{{"name", "openat"}, {"calls", 2}, {"errors", 1}, {"total_ms", 1.0}}};
  const FunctionSum sum = sum_of({record, record});
  EXPECT_THAT(call_rows(sum, 5)[1], ElementsAre("fopen", "4", "0", "0 B", "6.00 ms"));
  EXPECT_THAT(kernel_rows(sum, 5)[1], ElementsAre("openat", "4", "2", "0 B", "2.00 ms"));
  EXPECT_THAT(kernel_rows(sum_of({invocation()}), 5), IsEmpty());
}

TEST(FleetOverviewTest, TheLastBadEndsNewestFirst) {
  std::vector<Json> records;
  for (const char* id : {"1", "2", "3", "4", "5"}) {
    records.push_back(invocation("crash"));
    records.back()["request_id"] = id;
    records.push_back(invocation());
  }
  const Rows rows = bad_end_rows(sum_of(records));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(rows[1], ElementsAre("2026-01-02T03:04:05.678Z", "5", "crash", "what happened"));
  EXPECT_EQ(rows[3][1], "3");
}

}  // namespace
}  // namespace lamprey::cli
