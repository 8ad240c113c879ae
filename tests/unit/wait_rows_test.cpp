// The rows of waits on a terminal: where their bars stand, when they are shown, and that no name
// steers a terminal.
#include "cli/output/wait_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/output/record_view.h"
#include "tests/unit/record_reading.h"
#include "tests/unit/wait_entry.h"

namespace lamprey::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

Json slow() {
  return {{"type", "invoke"},
          {"status", "ok"},
          {"duration_ms", 100.0},
          {"findings", {{{"code", "a.b"}, {"severity", "info"}, {"text", "words"}}}},
          {"timeline", {wait(10, 20, "main", "network"), wait(50, 50, "main", "lock")}}};
}

TEST(WaitRowsTest, ABarWhereTheWaitStands) {
  EXPECT_EQ(wait_rows(Read(slow()), {}),
            "  waits in 100 ms:\n"
            "  at 10.0 ms |   ######                     | 20.0 ms recv db:5432 in load "
            "(/var/task/app.py:16)\n"
            "  at 50.0 ms |               ###############| 50.0 ms recv db:5432 in load "
            "(/var/task/app.py:16)\n");
  EXPECT_THAT(wait_rows(Read(slow()), {false, 120, true}), HasSubstr("|   ██████    "));
  EXPECT_THAT(wait_rows(Read(slow()), {true, 120, true}), HasSubstr("\x1B[34m██████\x1B[0m"));
}

TEST(WaitRowsTest, NothingIsSaidOfNoWaits) {
  Json record = slow();
  record.erase("timeline");
  EXPECT_EQ(wait_rows(Read(record), {}), "");
}

TEST(WaitRowsTest, AtMostSixThatFit) {
  Json record = slow();
  for (int i = 0; i < 20; ++i) {
    record["timeline"].push_back(wait(i, i + 1, i % 2 == 0 ? "main" : "pool-1", "file"));
  }
  const std::string rows = wait_rows(Read(record), {false, 70, true});
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 7);
  EXPECT_THAT(rows, HasSubstr("the 6 longest of 22 waits in 100 ms:"));
  EXPECT_THAT(wait_rows(Read(record), {}), HasSubstr(", thread pool-1 in load"));
  EXPECT_THAT(wait_rows(Read(record), {}), Not(HasSubstr("thread main")));
}

TEST(WaitRowsTest, AGoodInitShowsWhatTookLongToImport) {
  Json import = wait(10, 60, "main", "file");
  import["phase"] = "import";
  import["call"] = "import";
  import["target"] = "/var/task/orders";
  Json record = {{"type", "init"},
                 {"status", "ok"},
                 {"init", {{"total_ms", 100.0}}},
                 {"timeline", {import, wait(11, 5, "main", "file")}}};
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("  waits and imports in 100 ms:\n"));
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("60.0 ms import /var/task/orders in load"));
  record["timeline"][0]["for_ms"] = 49.0;
  EXPECT_THAT(record_view(Read(record), {}), Not(HasSubstr("imports")));
}

TEST(WaitRowsTest, OnlyWhereThereIsTrouble) {
  Json record = slow();
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("waits in"));
  record.erase("findings");
  EXPECT_THAT(record_view(Read(record), {}), Not(HasSubstr("waits in")));
  record["status"] = "timeout";
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("waits in"));
}

TEST(WaitRowsTest, NoNameSteersATerminal) {
  Json record = slow();
  for (const char* key : {"call", "target", "thread", "stack", "spent_on"}) {
    record["timeline"][0][key] = "\x1B[2J\u202Eevil\n";
  }
  const std::string rows = wait_rows(Read(record), {});
  EXPECT_THAT(rows, HasSubstr("?[2J?evil?"));
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 3);
}

}  // namespace
}  // namespace lamprey::cli
