// The waits of a record: read from lines of anybody, and which of them the duration was made of.
#include "cli/analysis/waits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/record_reading.h"
#include "tests/unit/wait_entry.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

std::vector<OnPath> paths(const Json& timeline) {
  std::vector<Wait> waits = waits_of(Read(Json{{"timeline", timeline}}));
  mark_path(waits);
  std::vector<OnPath> paths;
  paths.reserve(waits.size());
  for (const Wait& one : waits) {
    paths.push_back(one.path);
  }
  return paths;
}

TEST(WaitsTest, AreReadInTheOrderOfTheirStart) {
  const Json timeline{wait(5, 1.5, "main", "network"), wait(0.25, 2, "pool-1", "dns")};
  const auto waits = waits_of(Read(Json{{"timeline", timeline}}));
  ASSERT_THAT(waits, SizeIs(2));
  EXPECT_EQ(waits[0].at_ns, 250'000U);
  EXPECT_EQ(waits[0].spent_on, "dns");
  EXPECT_EQ(waits[1].end_ns(), 6'500'000U);
  EXPECT_EQ(innermost(waits[1].stack), "load (/var/task/app.py:16)");
}

TEST(WaitsTest, APhaseSaysMoreThanTheCall) {
  Json shakes = wait(1, 2, "main", "network");
  shakes["phase"] = "tls";
  Json connects = wait(3, 2, "main", "network");
  connects["phase"] = "connect";
  const auto waits = waits_of(Read(Json{{"timeline", {shakes, connects}}}));
  ASSERT_THAT(waits, SizeIs(2));
  EXPECT_EQ(waits[0].call, "TLS handshake");
  EXPECT_EQ(waits[1].call, "connect");
}

// It lies over the waits of its time, and over what ran beside them.
TEST(WaitsTest, AnImportIsNoWaitAndOnNoPath) {
  Json import = wait(0, 50, "main", "file");
  import.erase("spent_on");
  import["phase"] = "import";
  import["call"] = "after import";
  const Json timeline{import, wait(1, 2, "main", "network"), wait(10, 5, "main", "lock")};
  const auto waits = waits_of(Read(Json{{"timeline", timeline}}));
  EXPECT_TRUE(waits[0].is_import());
  EXPECT_EQ(waits[0].call, "after import");
  EXPECT_FALSE(waits[1].is_import());
  EXPECT_THAT(paths(timeline), ElementsAre(OnPath::kNo, OnPath::kYes, OnPath::kYes));
  import["thread"] = "4711";
  EXPECT_THAT(paths({import, wait(10, 5, "main", "lock")}), ElementsAre(OnPath::kNo, OnPath::kYes));
}

TEST(WaitsTest, OddEntriesAreLeftOut) {
  const Json timeline{1,
                      "x",
                      Json::object(),
                      {{"at_ms", 1}},
                      {{"at_ms", -1}, {"for_ms", 2}},
                      {{"at_ms", 1e300}, {"for_ms", 1}},
                      {{"at_ms", 3}, {"for_ms", 4}}};
  EXPECT_THAT(waits_of(Read(Json{{"timeline", timeline}})), SizeIs(1));
  EXPECT_THAT(waits_of(Read(Json{{"timeline", 7}})), IsEmpty());
  Json many = Json::array();
  for (int i = 0; i < 1000; ++i) {
    many.push_back(wait(i, 1, "main", "file"));
  }
  EXPECT_THAT(waits_of(Read(Json{{"timeline", many}})), SizeIs(kMostWaits));
  EXPECT_THAT(blocked_of(Read(Json{{"blocked", {1, {{"call", "recv"}}}}})), SizeIs(1));
}

TEST(WaitsTest, TheHandlerIsMainOrTheOnlyThread) {
  const auto handler = [](const Json& timeline) {
    return handler_of(waits_of(Read(Json{{"timeline", timeline}})));
  };
  EXPECT_EQ(handler({wait(1, 1, "pool-1", "file"), wait(2, 1, "main", "file")}), "main");
  EXPECT_EQ(handler({wait(1, 1, "worker", "file"), wait(3, 1, "worker", "file")}), "worker");
  EXPECT_EQ(handler({wait(1, 1, "a", "file"), wait(3, 1, "b", "file")}), "");
  EXPECT_EQ(handler(Json::array()), "");
}

TEST(WaitsTest, ThePathIsTheHandlersWaits) {
  EXPECT_THAT(paths({wait(0, 10, "main", "network"), wait(2, 20, "pool-1", "network")}),
              ElementsAre(OnPath::kYes, OnPath::kNo));
  EXPECT_THAT(paths({wait(0, 10, "a", "network"), wait(2, 20, "b", "network")}),
              ElementsAre(OnPath::kNo, OnPath::kNo));
}

TEST(WaitsTest, WhoeverEndedTheHandlersWaitIsProbablyOnThePath) {
  // pool-1 ends last before the handler goes on; pool-2 had nothing to do, pool-3 went on long
  // after.
  const Json timeline{wait(0, 4, "pool-1", "dns"),      wait(3, 40, "main", "lock"),
                      wait(5, 37.9, "pool-2", "wait"),  wait(6, 36.5, "pool-1", "network"),
                      wait(7, 20, "pool-4", "network"), wait(8, 90, "pool-3", "network")};
  EXPECT_THAT(paths(timeline), ElementsAre(OnPath::kProbably, OnPath::kYes, OnPath::kNo,
                                           OnPath::kProbably, OnPath::kNo, OnPath::kNo));
  // Nobody's wait is a reason why an answer from the network is late.
  Json network = timeline;
  network[1]["spent_on"] = "network";
  EXPECT_THAT(paths(network), ElementsAre(OnPath::kNo, OnPath::kYes, OnPath::kNo, OnPath::kNo,
                                          OnPath::kNo, OnPath::kNo));
}

TEST(WaitsTest, BothWaitedWhenTheProcessWasKilled) {
  Json waiting = wait(3, 100, "main", "wait");
  Json cause = wait(5, 200, "pool-1", "network");
  EXPECT_THAT(paths({waiting, cause}), ElementsAre(OnPath::kYes, OnPath::kNo));
  waiting["open"] = true;
  cause["open"] = true;
  EXPECT_THAT(paths({waiting, cause}), ElementsAre(OnPath::kYes, OnPath::kProbably));
}

TEST(WaitsTest, APlaceInTheProgram) {
  const SourcePlace place = source_place("handler (/var/task/a b (1).py:12)");
  EXPECT_EQ(place.function + "|" + place.file, "handler|/var/task/a b (1).py");
  EXPECT_EQ(place.line, 12U);
  EXPECT_EQ(source_place("scan (_json.so +0x1a)").function, "scan");
  EXPECT_EQ(source_place("scan (_json.so +0x1a)").file, "");
  EXPECT_EQ(source_place("py::load:/var/task/app.py").function, "py::load:/var/task/app.py");
  EXPECT_EQ(source_place("f (a:99999999999999999999)").line, 0U);
  EXPECT_EQ(source_place("").function, "");
}

}  // namespace
}  // namespace lamprey::cli
