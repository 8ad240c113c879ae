// Which invocations a page shows one by one, how figures went, and what becomes of hostile names.
#include "cli/analysis/notable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/analysis/function_detail.h"
#include "cli/analysis/trend.h"
#include "cli/output/flame_nodes.h"
#include "cli/output/fleet_page.h"
#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Json = nlohmann::json;

Json invocation(double took, const char* status = "ok") {
  return {{"type", "invoke"}, {"status", status}, {"duration_ms", took}, {"headline", "words"}};
}

std::vector<std::uint64_t> lines_of(const std::vector<const ShownInvocation*>& shown) {
  std::vector<std::uint64_t> lines;
  lines.reserve(shown.size());
  for (const ShownInvocation* one : shown) {
    lines.push_back(one->line);
  }
  return lines;
}

TEST(NotableTest, BadEndsComeFirstThenTheSlowest) {
  Notable notable;
  for (int i = 1; i <= 100; ++i) {
    notable.add(Read(invocation(i == 50 ? 900 : i, i % 30 == 0 ? "timeout" : "ok")));
  }
  EXPECT_THAT(lines_of(notable.shown(20)), ElementsAre(90, 60, 30, 50, 100, 99));
  EXPECT_THAT(lines_of(notable.shown(4)), ElementsAre(90, 60, 30, 50));
  EXPECT_THAT(notable.shown(0), IsEmpty());
  EXPECT_EQ(notable.worth_a_look(), 3U);
}

TEST(NotableTest, TimelinesFindingsAndColdStartsAreShown) {
  Notable notable;
  Json cold = invocation(500);
  cold["cold_start"] = true;
  notable.add(Read(cold));  // 1
  for (int i = 2; i <= 50; ++i) {
    notable.add(Read(invocation(100 + i)));
  }
  Json waiting = invocation(20);  // 51
  waiting["timeline"] = {{{"at_ms", 1}, {"for_ms", 5}, {"thread", "main"}}};
  notable.add(Read(waiting));
  Json found = invocation(10);  // 52
  found["findings"] = {{{"code", "a.b"}, {"severity", "warning"}}};
  notable.add(Read(found));
  found["findings"][0]["severity"] = "info";  // 53: no trouble
  notable.add(Read(found));
  notable.add(Read(Json{{"type", "shutdown"}, {"status", "ok"}}));
  EXPECT_THAT(lines_of(notable.shown(20)), ElementsAre(1, 50, 49, 48, 51, 52));
  EXPECT_EQ(notable.worth_a_look(), 2U);
  const ShownInvocation& shown = *notable.shown(20)[4];
  EXPECT_EQ(shown.handler, "main");
  EXPECT_EQ(shown.waits.at(0).path, OnPath::kYes);
}

TEST(NotableTest, RoomIsBounded) {
  Notable notable;
  Json record = invocation(1, "crash");
  for (int i = 0; i < 150; ++i) {
    record["timeline"].push_back({{"at_ms", i}, {"for_ms", i}, {"thread", "main"}});
    record["blocked"].push_back({{"call", "recv"}});
    record["findings"].push_back({{"code", "a.b"}, {"severity", "info"}});
  }
  for (int i = 0; i < 1000; ++i) {
    notable.add(Read(record));
  }
  const auto shown = notable.shown(100);
  EXPECT_THAT(shown, SizeIs(7));  // the newest bad ends, and the first of the equally slow
  EXPECT_THAT(shown[0]->waits, SizeIs(48));
  EXPECT_EQ(shown[0]->waits.front().for_ns, 102'000'000U) << "the longest stay";
  EXPECT_THAT(shown[0]->blocked, SizeIs(16));
  EXPECT_THAT(shown[0]->findings, SizeIs(6));
}

TEST(TrendTest, NoExtremeIsLost) {
  Trend trend;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    trend.add(i == 4321 ? 1'000'000 : 100 + (i % 7), i == 77 ? Mark::kColdStart : Mark::kNone);
  }
  EXPECT_EQ(trend.count(), 10'000U);
  EXPECT_LE(trend.points().size(), Trend::kMostPoints);
  EXPECT_EQ((trend.count() + trend.stride() - 1) / trend.stride(), trend.points().size());
  const auto& point = trend.points().at(4321 / trend.stride());
  EXPECT_EQ(point.most, 1'000'000U);
  EXPECT_EQ(point.least, 100U);
  EXPECT_EQ(trend.points().at(77 / trend.stride()).cold_most, 100U);
  EXPECT_EQ(trend.points().at(0).bad_most, 0U);
}

TEST(FunctionDetailTest, ColdStartsAndFilesApart) {
  FunctionDetail detail;
  Json record = invocation(50);
  record["files"] = {{{"path", "/a"}, {"opens", 2}, {"time_ms", 0.5}}, {{"opens", 1}}};
  add_record(detail, Read(record));
  record["cold_start"] = true;
  add_record(detail, Read(record));
  EXPECT_EQ(detail.warm_ns.count(), 1U);
  EXPECT_EQ(detail.cold_ns.count(), 1U);
  EXPECT_EQ(detail.files.at("/a").opens, 4U);
  EXPECT_EQ(detail.files.at("/a").time_ns, 1'000'000U);
  for (int i = 0; i < 1500; ++i) {
    record["files"][0]["path"] = "/tmp/" + std::to_string(i);
    add_record(detail, Read(record));
  }
  EXPECT_THAT(detail.files, SizeIs(FunctionDetail::kMostFiles + 1));
  EXPECT_EQ(detail.files.at(FunctionDetail::kOtherFiles).opens, 2U * 501);
}

TEST(FlameNodesTest, TheWidestStayAndSumsAreWhole) {
  const Frames one{"main", "load", "json"};
  const Frames two{"main", "save"};
  std::map<Frames, SiteSum> sites{{one, {700, 0, 10, 1}}, {two, {300, -5, 990, 1}}};
  const auto all = flame_nodes(picture_of(sites), 100);
  ASSERT_THAT(all, SizeIs(5));
  EXPECT_EQ(all[0].frame, "all");
  EXPECT_THAT(all[0].values, ElementsAre(1000, 1000, 0));
  EXPECT_EQ(all[1].frame + all[2].frame, "mainsave");
  EXPECT_EQ(all[2].depth, 2U);
  const auto few = flame_nodes(picture_of(sites), 3);
  ASSERT_THAT(few, SizeIs(3));
  EXPECT_THAT(few[0].values, ElementsAre(1000, 1000, 0));
  EXPECT_EQ(few[2].frame, "save");
  EXPECT_THAT(flame_nodes(picture_of(std::map<Frames, SiteSum>()), 3), IsEmpty());
}

TEST(FleetPageTest, InvocationsAndHostileNamesInTheData) {
  const std::string evil = "</script><script>alert(1)</script><!-- \"'&\u202E\u0007";
  Json record = invocation(100, "timeout");
  for (const char* key : {"headline", "request_id", "started", "status"}) {
    record[key] = evil;
  }
  Json entry;
  for (const char* key : {"call", "target", "thread", "stack", "spent_on"}) {
    entry[key] = evil;
  }
  record["blocked"] = Json::array({entry});
  entry["at_ms"] = 1;
  entry["for_ms"] = 5;
  record["timeline"] = Json::array({entry});
  record["files"] = {{{"path", evil}}};
  record["findings"] = {{{"code", evil}, {"severity", evil}, {"text", evil}, {"advice", evil}}};
  std::map<std::string, FunctionSum> sums;
  FunctionDetails details;
  add_record(sums[evil], Read(record));
  add_record(details[evil], Read(record));
  const std::string page = fleet_page(sums, evil, evil, details);
  EXPECT_THAT(page, HasSubstr("data-invocation=\"0\""));
  EXPECT_THAT(page, HasSubstr("\"waits\":[[1000,5000,"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, Not(HasSubstr("\u202E")));
  EXPECT_THAT(page, Not(HasSubstr("\\u202e"))) << "nor escaped in the data";
}

TEST(FleetPageTest, ManyFunctionsHaveABoundedPage) {
  std::map<std::string, FunctionSum> sums;
  FunctionDetails details;
  for (int f = 0; f < 1200; ++f) {
    const std::string name = "function-" + std::to_string(f);
    for (int i = 0; i < 12; ++i) {
      Json record = invocation(100 + i, i % 3 == 0 ? "timeout" : "ok");
      for (int w = 0; w < 10; ++w) {
        record["timeline"].push_back({{"at_ms", w * 10}, {"for_ms", 5}, {"call", "recv"}});
      }
      add_record(sums[name], Read(record));
      add_record(details[name], Read(record));
    }
  }
  const std::string page = fleet_page(sums, "all", "", details);
  std::size_t shown = 0;
  for (auto at = page.find("data-invocation=\""); at != std::string::npos;
       at = page.find("data-invocation=\"", at + 1)) {
    ++shown;
  }
  EXPECT_EQ(shown, 300U);
  EXPECT_LT(page.size(), 1'500'000U + (shown * 1024));
  EXPECT_THAT(page, HasSubstr("The first 60 functions"));
  EXPECT_THAT(page, HasSubstr("600 more are not in the table"));
}

}  // namespace
}  // namespace lamprey::cli
