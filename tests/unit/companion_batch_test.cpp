// The companion with LAMPREY_FLUSH=batch: it takes no part in invocations, and tells of all of
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "companion/neighbours.h"
#include "tests/unit/companion_fixture.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::RecordingBuilder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using std::chrono::milliseconds;

class CompanionBatchTest : public CompanionTest {
 protected:
  CompanionBatchTest() { environment_["LAMPREY_FLUSH"] = "batch"; }

  std::string path() { return recording_path(); }
  // A recording as the library makes it with this setting.
  std::unique_ptr<RecordingBuilder> process() {
    return std::make_unique<RecordingBuilder>(path(), api_.address().c_str(), false, false, true);
  }
  // As the library does when there is much to tell.
  void ring() const { utimensat(AT_FDCWD, (directory() + "/77.rec").c_str(), nullptr, 0); }
  bool wait_for_lines(std::size_t count, milliseconds most = milliseconds{3000}) const {
    const auto until = std::chrono::steady_clock::now() + most;
    while (lines().size() < count) {
      if (std::chrono::steady_clock::now() > until) {
        return false;
      }
      std::this_thread::sleep_for(milliseconds{5});
    }
    return true;
  }
};

TEST_F(CompanionBatchTest, RegistersForTheShutdownOnly) {
  begin();
  EXPECT_THAT(api_.registrations(), ElementsAre(R"({"events":["SHUTDOWN"]})"));
}

TEST_F(CompanionBatchTest, LinesComeWithoutAnyEventAndSayWhatEachInvocationDid) {
  begin();
  const auto runtime = process();
  runtime->end_init();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    runtime->invoke("r" + std::to_string(i), i);
  }
  ASSERT_TRUE(wait_for_lines(21));
  EXPECT_EQ(api_.nexts(), 1U);
  const auto got = lines();
  EXPECT_EQ(got[0]["type"], "init");
  for (std::size_t i = 1; i <= 20; ++i) {
    EXPECT_EQ(got[i]["request_id"], "r" + std::to_string(i));
    EXPECT_EQ(got[i]["memory"]["allocations"], i);
    EXPECT_EQ(got[i]["memory"]["live_bytes"], 52 * i * (i + 1));
    EXPECT_EQ(got[i]["calls"]["total"], 1);
    EXPECT_FALSE(got[i].contains("late"));
    EXPECT_EQ(got[i]["self"]["dropped"], 0);
    EXPECT_FALSE(got[i]["self"].contains("flush_ms"));
  }
}

TEST_F(CompanionBatchTest, ItIsWokenBeforeARecordingIsFull) {
  begin();
  const auto runtime = process();
  runtime->end_init();
  ASSERT_TRUE(wait_for_lines(1));  // it has just looked, and sleeps
  const auto before = std::chrono::steady_clock::now();
  for (std::uint64_t i = 1; i <= 32; ++i) {
    runtime->invoke("r" + std::to_string(i));
  }
  EXPECT_TRUE(runtime->writer().is_trail_due());
  ring();
  ASSERT_TRUE(wait_for_lines(33));
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds{600});
}

// Nobody looked in time: what is lost is counted, what is told is true.
TEST_F(CompanionBatchTest, WhatWasOverwrittenIsCountedAsLost) {
  const auto runtime = process();
  runtime->end_init();
  for (std::uint64_t i = 1; i <= 300; ++i) {
    runtime->invoke("r" + std::to_string(i), i);
  }
  begin();
  ASSERT_TRUE(wait_for_lines(129));
  const auto got = lines();
  for (std::size_t i = 1; i <= 128; ++i) {
    EXPECT_EQ(got[i]["request_id"], "r" + std::to_string(172 + i));
    EXPECT_EQ(got[i]["memory"]["allocations"], 172 + i);
    EXPECT_EQ(got[i]["coverage"]["lost"]["invocations"], 172);
  }
}

TEST_F(CompanionBatchTest, TheShutdownHasWhatIsLeftAndTheEnd) {
  begin();
  const auto runtime = process();
  runtime->end_init();
  for (int i = 1; i <= 5; ++i) {
    runtime->invoke("r" + std::to_string(i));
  }
  runtime->start("open");
  runtime->header().flags |= recording::kFlagExited;
  stop("failure");
  EXPECT_THAT(words("request_id"), ElementsAre("-", "r1", "r2", "r3", "r4", "r5", "open", "-"));
  EXPECT_THAT(words("status"), ElementsAre("ok", "ok", "ok", "ok", "ok", "ok", "exit", "exit"));
}

// While standard output has no room, the recording keeps what is to be told.
TEST_F(CompanionBatchTest, AFullPipeLosesAndTearsNothing) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  use_output(ends[1]);
  begin();
  const auto runtime = process();
  runtime->end_init();
  for (int round = 0; round < 3; ++round) {
    for (int i = 1; i <= 40; ++i) {
      runtime->invoke("r" + std::to_string((40 * round) + i));
    }
    ring();
    std::this_thread::sleep_for(milliseconds{300});
  }
  std::string got;
  std::thread reader([&got, from = ends[0]] {
    char piece[4096];
    for (ssize_t n = 0; (n = read(from, piece, sizeof(piece))) > 0;) {
      got.append(piece, static_cast<std::size_t>(n));
    }
  });
  stop("spindown");
  reader.join();
  close(ends[0]);
  std::size_t lines = 0;
  for (std::size_t at = 0; at < got.size(); at = got.find('\n', at) + 1) {
    const Json line = Json::parse(got.substr(at, got.find('\n', at) - at));
    if (line["type"] == "invoke") {
      EXPECT_EQ(line["request_id"], "r" + std::to_string(++lines));
    }
  }
  EXPECT_EQ(lines, 120U);
}

// Its successor in the same environment: all of the first one's are told before.
TEST_F(CompanionBatchTest, ARuntimeThatIsStartedAgainComesAfterTheFirst) {
  begin();
  const auto first = process();
  first->end_init();
  for (int i = 1; i <= 3; ++i) {
    first->invoke("a" + std::to_string(i));
  }
  first->never_seen();
  RecordingBuilder second(recording_path("78.rec"), api_.address().c_str(), false, false, true);
  second.end_init();
  second.invoke("b1");
  stop("spindown");
  EXPECT_THAT(words("request_id"), Contains("b1"));
  const auto ids = words("request_id");
  const auto at = [&ids](const char* id) { return std::find(ids.begin(), ids.end(), id); };
  EXPECT_LT(at("a1"), at("a3"));
  EXPECT_LT(at("a3"), at("b1"));
}

TEST_F(CompanionBatchTest, ALateInvocationIsLookedAtBeforeItsDeadline) {
  begin();
  const auto runtime = process();
  runtime->end_init();
  runtime->start("late", 1500);  // its deadline, in ms
  std::this_thread::sleep_for(milliseconds{1520});
  // Who comes after us, should we be killed now, is told by the journal.
  std::ifstream journal(journal_path(directory(), api_.address()));
  const std::string kept((std::istreambuf_iterator<char>(journal)), {});
  EXPECT_THAT(kept, HasSubstr("late"));
  stop("timeout");
  const auto got = lines();
  ASSERT_THAT(words("request_id"), Contains("late"));
  EXPECT_EQ(got[1]["status"], "timeout");
}

TEST_F(CompanionBatchTest, SumsAreKeptOnceForABatch) {
  environment_["LAMPREY_LINES"] = "notable";
  begin();
  const auto runtime = process();
  runtime->end_init();
  std::uint64_t allocations = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    runtime->invoke("r" + std::to_string(i), i % 5);
    allocations += i % 5;
  }
  stop("spindown");
  std::uint64_t told = 0;
  std::uint64_t counted = 0;
  for (const Json& line : lines()) {
    const bool sum = line["type"] == "summary";
    if (sum || line["type"] == "invoke") {
      told += line["memory"]["allocations"].get<std::uint64_t>();
      counted += sum ? line["summary"]["invocations"].get<std::uint64_t>() : 1;
    }
  }
  EXPECT_EQ(counted, 100U);
  EXPECT_EQ(told, allocations);
}

}  // namespace
}  // namespace lamprey::companion
