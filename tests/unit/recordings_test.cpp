// Which recordings a companion takes, and which file it removes.
#include "companion/recordings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/unit/recording_builder.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;

constexpr const char* kApi = "127.0.0.1:1";  // where nobody listens

class RecordingsTest : public ::testing::Test {
 protected:
  RecordingsTest()
      : journal_(directory_.path(), kApi),
        recordings_(directory_.path(), kApi, recording::realtime_ns(), journal_) {}
  std::string path(const char* name = "77.rec") { return directory_.path() + "/" + name; }
  void scan() { recordings_.scan(complaints_); }
  bool is_there(const char* name = "77.rec") { return access(path(name).c_str(), F_OK) == 0; }
  // The name goes to a process that came after.
  void pass_on() {
    unlink(path().c_str());
    const RecordingBuilder process(path(), kApi);
  }

  TemporaryDirectory directory_;
  Journal journal_;
  Recordings recordings_;
  std::vector<std::string> complaints_;
};

TEST_F(RecordingsTest, AnOrphanIsBuriedUnderItsOwnNameOnly) {
  RecordingBuilder orphan(path(), kApi);
  orphan.orphan();
  scan();
  auto orphans = recordings_.take_orphans();
  ASSERT_EQ(orphans.size(), 1U);
  pass_on();
  recordings_.delete_orphan(orphans.front());
  EXPECT_TRUE(is_there());
  scan();
  ASSERT_EQ(recordings_.live().size(), 1U);
  recordings_.remove(*recordings_.live().front());
  EXPECT_FALSE(is_there());
}

TEST_F(RecordingsTest, WhoCameInAnOrphansPlaceIsNoOrphan) {
  for (const char* environment : {kApi, "127.0.0.1:2"}) {
    RecordingBuilder orphan(path(), environment);
    orphan.orphan();
    scan();
    pass_on();
    EXPECT_TRUE(recordings_.take_orphans().empty());
    EXPECT_TRUE(is_there());
    unlink(path().c_str());
    usleep(20'000);  // the directory's time moves on
  }
}

TEST_F(RecordingsTest, WhatAProcessLeftThatWasReplacedIsNotTheSuccessors) {
  const RecordingBuilder first(path(), kApi);
  scan();
  ASSERT_EQ(recordings_.live().size(), 1U);
  pass_on();
  recordings_.remove(*recordings_.live().front());
  EXPECT_TRUE(is_there());
}

// `lamprey run` and the children that it follows belong to no environment.
TEST_F(RecordingsTest, OnlyRuntimesAndTheirChildrenAreReported) {
  RecordingBuilder run(path("1.rec"));
  run.header().role = recording::Role::kRun;
  RecordingBuilder gone_run(path("2.rec"));
  gone_run.header().role = recording::Role::kRun;
  gone_run.orphan();
  RecordingBuilder child(path("3.rec"));
  child.header().role = recording::Role::kChild;
  RecordingBuilder gone_child(path("4.rec"));
  gone_child.header().role = recording::Role::kChild;
  gone_child.orphan();
  RecordingBuilder nobodys(path("5.rec"));
  nobodys.orphan();
  scan();
  EXPECT_TRUE(recordings_.take_orphans().empty());
  EXPECT_TRUE(recordings_.live().empty());
  EXPECT_TRUE(complaints_.empty());
  for (const char* name : {"1.rec", "2.rec", "3.rec", "4.rec", "5.rec"}) {
    EXPECT_TRUE(is_there(name)) << name;
  }
}

TEST_F(RecordingsTest, AFileThatIsBeingMadeIsFoundWhenItIsReady) {
  RecordingBuilder process(path(), kApi);
  process.header().magic = 0;
  usleep(2'100'000);  // as if the directory had lain still for long
  scan();
  scan();
  EXPECT_TRUE(recordings_.live().empty());
  process.header().magic = recording::kMagic;
  scan();
  EXPECT_EQ(recordings_.live().size(), 1U);
  RecordingBuilder second(path("78.rec"), kApi);
  scan();
  EXPECT_EQ(recordings_.live().size(), 2U);
}

// A wrapper with pid 10 and its children; who has asked for an invocation has a mark.
struct Process {
  std::int32_t pid;
  std::int32_t launched_by;
  bool has_asked;
};

std::vector<std::size_t> not_the_runtime(const std::vector<Process>& processes, bool at_end) {
  std::vector<recording::Header> headers(processes.size());
  for (std::size_t i = 0; i < processes.size(); ++i) {
    headers[i].pid = processes[i].pid;
    headers[i].launched_by = processes[i].launched_by;
    headers[i].attach_real_ns = 1000 + i;
    headers[i].init_end.mono_ns = processes[i].has_asked ? 1 : 0;
  }
  const recording::Header* runtime = nullptr;
  for (const recording::Header& header : headers) {
    runtime = rather_the_runtime(runtime, header, at_end);
  }
  std::vector<std::size_t> beside;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (is_beside(headers[i], runtime)) {
      beside.push_back(i);
    }
  }
  return beside;
}

using Indices = std::vector<std::size_t>;

TEST(BesideTheRuntimeTest, IsNobodyBeforeAChildHasAsked) {
  EXPECT_EQ(not_the_runtime({{10, 0, false}, {11, 10, false}, {12, 10, false}}, false), Indices{});
}

TEST(BesideTheRuntimeTest, AreTheWrapperAndItsOtherChildren) {
  EXPECT_EQ(not_the_runtime({{10, 0, false}, {11, 10, false}, {12, 10, true}}, false),
            (Indices{0, 1}));
}

TEST(BesideTheRuntimeTest, AtTheEndTheNewestChildWasOnItsWay) {
  EXPECT_EQ(not_the_runtime({{10, 0, false}, {11, 10, false}, {12, 10, false}}, true),
            (Indices{0, 1}));
}

TEST(BesideTheRuntimeTest, IsNeverWhoHasAskedNorAnothersChild) {
  EXPECT_EQ(
      not_the_runtime({{10, 0, true}, {11, 10, true}, {20, 0, false}, {21, 20, false}}, false),
      Indices{});
  EXPECT_EQ(not_the_runtime({{10, 0, true}}, true), Indices{});
  EXPECT_EQ(not_the_runtime({{10, 0, false}, {11, 0, false}}, true), Indices{});
}

TEST_F(RecordingsTest, WhatAWrapperLeftGoesUnreadWithTheOrphansOfItsRuntime) {
  RecordingBuilder wrapper(path("10.rec"), kApi);
  RecordingBuilder runtime(path("11.rec"), kApi);
  wrapper.orphan();
  runtime.orphan();
  runtime.header().launched_by = wrapper.header().pid;
  wrapper.header().init_end = {};
  scan();
  auto orphans = recordings_.take_orphans();
  ASSERT_EQ(orphans.size(), 1U);
  EXPECT_NE(orphans.front().ledger->header().launched_by, 0);
  EXPECT_FALSE(is_there("10.rec"));
  EXPECT_TRUE(is_there("11.rec"));
}

}  // namespace
}  // namespace lamprey::companion
