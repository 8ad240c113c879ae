// The companion with LAMPREY_LINES=notable: which lines it prints, and that they add up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/unit/companion_fixture.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::RecordingBuilder;
using ::testing::ElementsAre;
using Json = nlohmann::json;

class CompanionSummaryTest : public CompanionTest {
 protected:
  CompanionSummaryTest() { environment_["LAMPREY_LINES"] = "notable"; }

  // The next invocation, from its INVOKE to the `next` after it.
  // What the test's own process holds would be a finding of a small function, and so a line.
  static void ignore_own_memory(RecordingBuilder& process) {
    process.header().memory_limit_mb = 1U << 20U;
  }
  void invoke(RecordingBuilder& process, std::uint64_t allocations = 1) {
    const std::string id = "r" + std::to_string(++invocations_);
    const std::size_t asked = api_.nexts();
    api_.invoke(id);
    process.invoke(id, allocations);
    ASSERT_TRUE(api_.wait_for_next(asked + 1)) << id;
  }
  // What all lines say together.
  std::uint64_t sum(const char* section, const char* key) const {
    std::uint64_t all = 0;
    for (const Json& line : lines()) {
      all += line["type"] == "invoke" || line["type"] == "summary"
                 ? line[section][key].get<std::uint64_t>()
                 : 0;
    }
    return all;
  }
  std::uint64_t counted() const {
    std::uint64_t all = 0;
    for (const Json& line : lines()) {
      all += line["type"] == "summary"  ? line["summary"]["invocations"].get<std::uint64_t>()
             : line["type"] == "invoke" ? 1
                                        : 0;
    }
    return all;
  }
  std::uint64_t invocations_ = 0;
};

TEST_F(CompanionSummaryTest, AThousandAreOneLineAndTheEndHasTheRest) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  ignore_own_memory(process);
  process.end_init();
  std::uint64_t allocations = 0;
  for (std::uint64_t i = 1; i <= 1100; ++i) {
    invoke(process, i % 7);
    allocations += i % 7;
  }
  std::vector<Json> got = lines();
  ASSERT_GE(got.size(), 3U);
  EXPECT_EQ(got[0]["type"], "init");
  EXPECT_EQ(got[1]["request_id"], "r1");  // the cold start
  // A busy machine has slow ones. Others may have a finding: memory that a sanitizer holds back in
  // this process looks like a leak.
  EXPECT_LT(
      std::count_if(got.begin(), got.end(), [](const Json& l) { return !l.contains("findings"); }),
      30);
  EXPECT_EQ(
      std::count_if(got.begin(), got.end(), [](const Json& l) { return l["type"] == "summary"; }),
      1);
  stop("spindown");
  got = lines();
  EXPECT_EQ(got[got.size() - 2]["type"], "summary");
  EXPECT_EQ(got.back()["type"], "shutdown");
  EXPECT_EQ(counted(), 1100U);
  EXPECT_EQ(sum("memory", "allocations"), allocations);
  for (const Json& line : got) {
    if (line["type"] == "summary") {
      EXPECT_EQ(line["function_name"], "orders");
      EXPECT_FALSE(line.contains("request_id"));
      EXPECT_FALSE(line["coverage"].contains("unseen")) << line.dump();
      EXPECT_FALSE(line.contains("late"));
    }
  }
}

TEST_F(CompanionSummaryTest, WhatWentWrongHasItsLineAndTheOthersTheirSum) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  ignore_own_memory(process);
  process.end_init();
  for (int i = 0; i < 5; ++i) {
    invoke(process);
  }
  api_.invoke("bad");
  process.start("bad");
  process.respond("bad", true);
  process.end();
  ASSERT_TRUE(api_.wait_for_next(7));
  api_.invoke("open");
  process.start("open");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  process.header().flags = recording::kFlagExited;
  stop("failure");
  EXPECT_THAT(words("type"),
              ElementsAre("init", "invoke", "invoke", "summary", "invoke", "shutdown"))
      << lines().at(2).dump();
  EXPECT_THAT(words("status"), ElementsAre("ok", "ok", "error", "ok", "exit", "exit"));
  EXPECT_EQ(counted(), 7U);
}

TEST_F(CompanionSummaryTest, WhoAsksForFullLinesHasThemAll) {
  environment_["LAMPREY_DETAIL"] = "full";
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  ignore_own_memory(process);
  process.end_init();
  for (int i = 0; i < 3; ++i) {
    invoke(process);
  }
  stop("spindown");
  EXPECT_THAT(words("type"), ElementsAre("init", "invoke", "invoke", "invoke", "shutdown"));
}

// A predecessor was killed with a sum that it had not printed.
TEST_F(CompanionSummaryTest, TheSumOfAPredecessorIsPrintedOnceAndLate) {
  mkdir(directory().c_str(), 0700);
  report::Summary kept;
  report::Report one;
  one.function_name = "orders";
  one.duration_ns = 5'000'000;
  kept.add(one);
  kept.add(one);
  {
    Journal journal(directory(), api_.address());
    ASSERT_TRUE(journal.open(1));
    journal.keep_summary(1, kept.save(), nullptr, {});
  }
  for (int life = 0; life < 2; ++life) {
    begin();
    stop("spindown");
  }
  const auto got = lines();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0]["type"], "summary");
  EXPECT_EQ(got[0]["summary"]["invocations"], 2);
  EXPECT_EQ(got[0]["late"], true);
}

}  // namespace
}  // namespace lamprey::companion
