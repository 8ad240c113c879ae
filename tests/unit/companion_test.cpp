// The companion against a fake Extensions API and recordings written by the real writer.
#include "companion/companion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/companion_fixture.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::FakeExtensionsApi;
using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;
using Trouble = FakeExtensionsApi::Trouble;

TEST_F(CompanionTest, RegistersForInvokeAndShutdownUnderItsName) {
  begin();
  EXPECT_THAT(api_.registrations(), ElementsAre(R"({"events":["INVOKE","SHUTDOWN"]})"));
  EXPECT_EQ(api_.name_header(), "lamprey");
}

TEST_F(CompanionTest, OneLineForInitAndEachInvocation) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  api_.invoke("one");
  process.start("one");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(api_.nexts(), 1U);  // held back until the end mark
  process.writer().count_allocation(process.slot(), 100, 104);
  process.respond("one");
  process.end();
  ASSERT_TRUE(api_.wait_for_next(2));
  process.invoke("two", 5);  // its end comes before our INVOKE
  api_.invoke("two");
  ASSERT_TRUE(api_.wait_for_next(3));
  const auto got = lines();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_THAT(words("type"), ElementsAre("init", "invoke", "invoke"));
  EXPECT_EQ(got[1]["request_id"], "one");
  EXPECT_EQ(got[1]["memory"]["allocations"], 1);
  EXPECT_EQ(got[2]["memory"]["allocations"], 5);
  EXPECT_EQ(got[2]["function_name"], "orders");
  EXPECT_EQ(got[2]["function_version"], "7");
  EXPECT_FALSE(got[2].contains("late"));
  EXPECT_TRUE(got[2]["self"].contains("flush_ms"));
  stop("spindown");
  EXPECT_THAT(words("type"), ElementsAre("init", "invoke", "invoke", "shutdown"));
  EXPECT_NE(access(process.path().c_str(), F_OK), 0);
}

// Standard output is full until the end: what is left is not lost, but its successor's to print.
TEST_F(CompanionTest, WhatStandardOutputHasNoRoomForIsKept) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(ends[1], "\n", 1) == 1) {
  }
  use_output(ends[1]);
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  process.invoke("one");
  api_.invoke("one");
  ASSERT_TRUE(api_.wait_for_next(2));
  stop("spindown");
  EXPECT_EQ(access(process.path().c_str(), F_OK), 0);
  process.header().flags = recording::kFlagExited;
  process.never_seen();
  use_output(-1);
  begin();
  stop("spindown");
  EXPECT_THAT(words("type"), ElementsAre("init", "invoke", "shutdown", "shutdown"));
  EXPECT_NE(access(process.path().c_str(), F_OK), 0);
  close(ends[0]);
}

TEST_F(CompanionTest, AThousandInvocationsEachExactlyOnce) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  for (std::size_t i = 1; i <= 1000; ++i) {
    const std::string id = "r" + std::to_string(i);
    api_.invoke(id);
    process.invoke(id);
    ASSERT_TRUE(api_.wait_for_next(i + 1)) << i;
  }
  const auto got = lines();
  ASSERT_EQ(got.size(), 1001U);
  for (std::size_t i = 1; i <= 1000; ++i) {
    ASSERT_EQ(got[i]["request_id"], "r" + std::to_string(i));
    ASSERT_EQ(got[i]["invocation"], i);
    ASSERT_EQ(got[i]["memory"]["allocations"], 1);
    ASSERT_FALSE(got[i]["coverage"].contains("unseen")) << got[i].dump();
  }
}

TEST_F(CompanionTest, GivesNextBeforeTheDeadlineAndCatchesUp) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  process.start("slow", 2000);  // of which the margin is 100 ms: enough for a busy machine
  const auto begun = std::chrono::steady_clock::now();
  api_.invoke("slow", 2000);
  ASSERT_TRUE(api_.wait_for_next(2));
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GT(took, std::chrono::milliseconds(1500));
  EXPECT_LT(took, std::chrono::milliseconds(2000));
  EXPECT_THAT(words("type"), ElementsAre("init"));
  process.respond("slow");
  process.end();
  process.invoke("quick");
  api_.invoke("quick");
  ASSERT_TRUE(api_.wait_for_next(3));
  const auto got = lines();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[1]["request_id"], "slow");
  EXPECT_EQ(got[1]["late"], true);
  EXPECT_EQ(got[2]["request_id"], "quick");
}

TEST_F(CompanionTest, ATimeoutSaysWhereItStood) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  process.start("stuck", 250);
  process.slot().in_flight = {static_cast<std::uint32_t>(recording::Call::k_connect) + 1,
                              3,
                              recording::monotonic_ns(),
                              0,
                              0,
                              0,
                              0};
  api_.invoke("stuck", 250);
  ASSERT_TRUE(api_.wait_for_next(2));
  stop("TIMEOUT");
  const auto got = lines();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[1]["type"], "invoke");
  EXPECT_EQ(got[1]["status"], "timeout");
  EXPECT_EQ(got[1]["request_id"], "stuck");
  EXPECT_EQ(got[1]["blocked"][0]["call"], "connect");
  EXPECT_EQ(got[1]["blocked"][0]["thread"], "4711");
  EXPECT_EQ(got[2]["type"], "shutdown");
  EXPECT_EQ(got[2]["status"], "timeout");
  EXPECT_FALSE(got[2].contains("request_id"));
}

TEST_F(CompanionTest, ADeadRuntimeEndsTheWait) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  process.start("dies", 5000);
  api_.invoke("dies", 5000);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  process.header().flags = recording::kFlagExited;
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(api_.wait_for_next(2));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(500));
  stop("failure");
  EXPECT_THAT(words("status"), ElementsAre("ok", "exit", "exit"));
}

TEST_F(CompanionTest, AChildThatIsThereAtShutdownHasALifeAndNoInit) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.header().role = recording::Role::kChild;
  stop("spindown");
  EXPECT_THAT(words("type"), ElementsAre("shutdown"));
  EXPECT_EQ(lines().at(0)["process"]["role"], "child");
}

TEST_F(CompanionTest, AnEndOfWhatWasNeverRecordedSaysWhy) {
  begin();
  stop("timeout");
  EXPECT_THAT(words("status"), ElementsAre("timeout"));
  EXPECT_EQ(lines().at(0)["headline"], "The process ended: timeout.");
}

// A function may crash within its first request's first millisecond, before we look at /proc at
// all.
TEST_F(CompanionTest, ARuntimeThatDiedBeforeItWasSeenEndsTheWait) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.never_seen();
  process.end_init();
  process.start("dies", 5000);
  recording::Death& death = process.header().deaths[recording::kDeathBySignal];
  death.kind = recording::DeathKind::kSignal;
  death.signal = SIGSEGV;
  death.code = SEGV_MAPERR;
  death.at = RecordingBuilder::now();
  death.state = recording::DeathState::kWritten;
  const auto begun = std::chrono::steady_clock::now();
  api_.invoke("dies", 5000);
  ASSERT_TRUE(api_.wait_for_next(2));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(500));
  stop("failure");
  EXPECT_THAT(words("type"), ElementsAre("init", "invoke", "shutdown"));
  EXPECT_THAT(words("status"), ElementsAre("ok", "crash", "crash"));
}

// Nor does /proc show a process of another pid namespace, which lives on.
TEST_F(CompanionTest, ARuntimeThatIsNeverSeenIsWaitedFor) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.never_seen();
  process.end_init();
  process.start("lives");
  api_.invoke("lives");
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(api_.nexts(), 1U);
  process.end();
  ASSERT_TRUE(api_.wait_for_next(2));
  EXPECT_THAT(words("status"), ElementsAre("ok", "ok"));
}

TEST_F(CompanionTest, AnOrphanIsReportedOnceAndAtTheFirstEvent) {
  std::string path = recording_path("5.rec");
  {
    RecordingBuilder former(path, api_.address().c_str());
    former.end_init();
    former.start("lost");
    former.orphan();
  }
  begin();
  EXPECT_TRUE(lines().empty());
  api_.invoke("a", 100);
  ASSERT_TRUE(api_.wait_for_next(2));
  auto got = lines();
  ASSERT_GE(got.size(), 2U);
  EXPECT_EQ(got[0]["type"], "init");  // nobody printed it either
  EXPECT_EQ(got[0]["late"], true);
  EXPECT_EQ(got[1]["request_id"], "lost");
  EXPECT_EQ(got[1]["late"], true);
  EXPECT_EQ(got[1]["status"], "error");
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  api_.invoke("b", 100);
  ASSERT_TRUE(api_.wait_for_next(3));
  const auto ids = words("request_id");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "lost"), 1);
}

TEST_F(CompanionTest, LeavesOthersRecordingsAlone) {
  const std::string other = recording_path("6.rec");
  RecordingBuilder alive(other, "10.0.0.1:9001");  // another environment, and it runs
  alive.header().attach_real_ns -= 60'000'000'000U;
  const std::string run = recording_path("8.rec");
  RecordingBuilder tool(run);
  tool.orphan();
  tool.header().role = recording::Role::kRun;
  begin();
  api_.invoke("a", 100);
  ASSERT_TRUE(api_.wait_for_next(2));
  stop("spindown");
  EXPECT_EQ(access(other.c_str(), F_OK), 0);
  EXPECT_EQ(access(run.c_str(), F_OK), 0);
}

TEST_F(CompanionTest, WithoutARecordingItSaysSoOnceAndDoesNotWait) {
  begin();
  {
    std::ofstream note(directory() + "/wrapper");
    note << "environment=" << api_.address() << "\nlibrary=architecture\n";
  }
  const auto begun = std::chrono::steady_clock::now();
  api_.invoke("a", 3000);
  ASSERT_TRUE(api_.wait_for_next(2));
  api_.invoke("b", 3000);
  ASSERT_TRUE(api_.wait_for_next(3));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1000));
  const auto got = lines();
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0]["type"], "init");
  EXPECT_THAT(got[0]["coverage"]["unseen"][0].get<std::string>(),
              HasSubstr("another architecture"));
  EXPECT_EQ(got[1]["request_id"], "a");  // when the next one came
  EXPECT_EQ(got[1]["coverage"]["mode"], "process");
}

TEST_F(CompanionTest, WhoNeverAskedForWorkIsNotWaitedFor) {
  begin();
  RecordingBuilder shell(recording_path(), api_.address().c_str());
  const auto begun = std::chrono::steady_clock::now();
  api_.invoke("a", 60'000);
  ASSERT_TRUE(api_.wait_for_next(2));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(400));
  EXPECT_TRUE(lines().empty());  // its `next` may just be on its way
  api_.invoke("b", 60'000);
  ASSERT_TRUE(api_.wait_for_next(3));
  const auto got = lines();
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0]["type"], "init");
  EXPECT_EQ(got[1]["request_id"], "a");
}

TEST_F(CompanionTest, AStartThatNeverComesCostsAtMostHalfASecond) {
  begin();
  RecordingBuilder process(recording_path(), api_.address().c_str());
  process.end_init();
  const auto begun = std::chrono::steady_clock::now();
  api_.invoke("never seen", 60'000);
  ASSERT_TRUE(api_.wait_for_next(2));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1500));
}

TEST_F(CompanionTest, SurvivesEveryTroubleOfTheApi) {
  api_.misbehave(Trouble::kError500);
  api_.misbehave(Trouble::kClose);
  begin();
  EXPECT_EQ(api_.registrations().size(), 3U);
  std::size_t expected = 1;
  for (const Trouble trouble : {Trouble::kClose, Trouble::kError500, Trouble::kGarbage,
                                Trouble::kCutHeader, Trouble::kNoEvent}) {
    api_.misbehave(trouble);
    api_.invoke("x", 1);  // answers the `next` that is already waiting
    expected += 2;        // one that fails, one that waits again
    ASSERT_TRUE(api_.wait_for_next(expected)) << static_cast<int>(trouble);
  }
}

TEST_F(CompanionTest, OffRegistersForNothingAndStaysInNext) {
  environment_["LAMPREY"] = "off";
  begin();
  EXPECT_THAT(api_.registrations(), ElementsAre(R"({"events":[]})"));
  EXPECT_NE(access(directory().c_str(), F_OK), 0);
  stop("spindown");
  EXPECT_TRUE(lines().empty());
}

TEST_F(CompanionTest, ManagedInstancesDrainWhileWaiting) {
  environment_["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances";
  begin();
  EXPECT_THAT(api_.registrations(), ElementsAre(R"({"events":["SHUTDOWN"]})"));
  RecordingBuilder one(recording_path("1.rec"), api_.address().c_str());
  RecordingBuilder two(recording_path("2.rec"), api_.address().c_str());
  for (RecordingBuilder* worker : {&one, &two}) {
    worker->end_init();
    worker->invoke(worker == &one ? "a" : "b");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(api_.nexts(), 1U);
  EXPECT_THAT(words("request_id"), UnorderedElementsAre("-", "a", "-", "b"));
  stop("spindown");
  EXPECT_EQ(lines().size(), 6U);
}

TEST_F(CompanionTest, CorruptRecordingsCostALineAndNothingElse) {
  std::ofstream(recording_path("9.rec")) << "not a recording";
  RecordingBuilder future(recording_path("10.rec"), api_.address().c_str());
  future.header().version = recording::kVersion + 1;
  ::testing::internal::CaptureStderr();
  begin();
  api_.invoke("a", 100);
  ASSERT_TRUE(api_.wait_for_next(2));
  api_.invoke("b", 100);
  ASSERT_TRUE(api_.wait_for_next(3));
  stop("spindown");
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("9.rec has 15 bytes"));
  EXPECT_THAT(told, HasSubstr(fmt::format("has version {}, this program reads {}",
                                          recording::kVersion + 1, recording::kVersion)));
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 2) << told;
}

TEST_F(CompanionTest, ARecordingThatIsJustBeingMadeIsNoReasonForALine) {
  ::testing::internal::CaptureStderr();
  begin();
  RecordingBuilder young(recording_path("9.rec"), api_.address().c_str());
  young.header().magic = 0;
  api_.invoke("a", 100);
  ASSERT_TRUE(api_.wait_for_next(2));
  stop("spindown");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(access(recording_path("9.rec").c_str(), F_OK), 0);
}

TEST(PatienceTest, EndsBeforeTheDeadline) {
  EXPECT_EQ(patience_ms(1000, 1000), 0U);
  EXPECT_EQ(patience_ms(1000, 1020), 0U);
  EXPECT_EQ(patience_ms(1000, 1300), 250U);
  EXPECT_EQ(patience_ms(1000, 4000), 2850U);
  EXPECT_EQ(patience_ms(0, 900'000), 899'500U);
  EXPECT_EQ(patience_ms(5000, 1000), 0U);
  EXPECT_EQ(patience_ms(5000, 0), 950U);
}

}  // namespace
}  // namespace lamprey::companion
