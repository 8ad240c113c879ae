// The timeline: which waits a recording keeps, and what a reader takes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "recording/reader.h"
#include "report/ledger/ledger.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey {
namespace {

using recording::Call;
using recording::CallClass;
using recording::kWaits;
using recording::Timeline;
using recording::Wait;
using recording::WaitPhase;
using ::testing::Each;
using ::testing::Field;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Wait wait_of(std::uint64_t ended, std::uint64_t ticks) {
  return {ended,
          ticks,
          static_cast<std::uint16_t>(Call::k_recv),
          CallClass::kNetwork,
          WaitPhase::kNone,
          3,
          4711,
          9};
}

class TimelineTest : public ::testing::Test {
 protected:
  TimelineTest() { writer_.bind(memory_.base()); }
  const Timeline& timeline() {
    return *reinterpret_cast<const Timeline*>(memory_.base() + recording::kTimelineOffset);
  }
  void start(std::uint64_t now) { writer_.mark_start({"a", "", "", 0}, nullptr, 1, {now, now}, 0); }

  test::RecordingMemory memory_;
  recording::Writer writer_;
};

TEST_F(TimelineTest, OneWaitIsKeptAsItWas) {
  start(100);
  writer_.add_wait(wait_of(5000, 900));
  const Wait& kept = timeline().banks[1][0];
  EXPECT_EQ(kept.ended, 5000U);
  EXPECT_EQ(kept.ticks, 900U);
  EXPECT_EQ(kept.target, 3U);
  EXPECT_EQ(kept.tid, 4711);
  EXPECT_EQ(kept.stack, 9U);
  EXPECT_EQ(memory_.header().waits_taken[0], 0U);
  EXPECT_EQ(memory_.header().waits_taken[1], 1U);
}

TEST_F(TimelineTest, AFullBankKeepsTheLongest) {
  start(100);
  for (std::uint64_t i = 1; i <= std::uint64_t{kWaits} * 3; ++i) {
    writer_.add_wait(wait_of(1000 + i, (i * 7919) % 1009 + 1));
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 1; i <= std::uint64_t{kWaits} * 3; ++i) {
    all.push_back((i * 7919) % 1009 + 1);
  }
  std::sort(all.begin(), all.end(), std::greater<>());
  EXPECT_THAT(timeline().banks[1], Each(Field(&Wait::ticks, Ge(all[kWaits - 1]))));
}

TEST_F(TimelineTest, TheBankOfTheInvocationBeforeIsLeftAlone) {
  start(100);
  writer_.add_wait(wait_of(500, 300));
  writer_.mark_end(1, 1, {600, 600});
  start(700);
  writer_.add_wait(wait_of(900, 150));
  EXPECT_EQ(timeline().banks[1][0].ticks, 300U);
  EXPECT_EQ(timeline().banks[0][0].ticks, 150U);
}

TEST_F(TimelineTest, ManyThreadsLoseNoPlaceAndTearNoEntry) {
  start(100);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (std::uint64_t i = 1; i <= 2000; ++i) {
        const std::uint64_t ticks = 1000 + (i * 4) + t;
        writer_.add_wait(wait_of(ticks + 7, ticks));  // what belongs together
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Wait& wait : timeline().banks[1]) {
    EXPECT_EQ(wait.ended, wait.ticks + 7);
    EXPECT_GE(wait.ticks, 1000U + (4 * 1000));  // the longest are at the end of each thread's
  }
}

TEST_F(TimelineTest, NothingIsKeptWhereInvocationsRunSideBySide) {
  writer_.header().flags |= recording::kFlagConcurrent;
  start(100);
  writer_.add_wait(wait_of(5000, 900));
  EXPECT_EQ(memory_.header().waits_taken[1], 0U);
}

// A file of `package` that was opened from `began` to `opened`.
recording::Import file_of(std::uint32_t package, std::uint64_t began, std::uint64_t opened) {
  return {began, opened, package, 4711, 9};
}

TEST_F(TimelineTest, APackageIsImportedUntilAFileOfAnotherIsOpened) {
  writer_.note_import(file_of(60, 1000, 1010), 1);
  writer_.note_import(file_of(60, 1500, 1520), 1);
  writer_.note_import(file_of(61, 1900, 1910), 1);
  const Wait& kept = timeline().banks[0][0];
  EXPECT_EQ(kept.phase, WaitPhase::kImport);
  EXPECT_EQ(kept.ended, 1900U);
  EXPECT_EQ(kept.ticks, 900U);
  EXPECT_EQ(kept.target, 60U);
  EXPECT_EQ(kept.stack, 9U);
  EXPECT_EQ(memory_.header().waits_taken[0], 1U);
  EXPECT_EQ(memory_.header().importing.package, 61U);
}

TEST_F(TimelineTest, WhatRanLongAfterTheLastFileIsToldByItself) {
  writer_.note_import(file_of(60, 1000, 1100), 1);
  writer_.note_import(file_of(61, 1201, 1210), 1);
  const auto& bank = timeline().banks[0];
  EXPECT_EQ(bank[0].phase, WaitPhase::kImport);
  EXPECT_EQ(bank[0].ended, 1100U);
  EXPECT_EQ(bank[0].ticks, 100U);
  EXPECT_EQ(bank[1].phase, WaitPhase::kAfterImport);
  EXPECT_EQ(bank[1].ended, 1201U);
  EXPECT_EQ(bank[1].ticks, 101U);
  EXPECT_EQ(bank[1].target, 60U);
}

TEST_F(TimelineTest, ShortImportsTakeNoPlace) {
  writer_.note_import(file_of(60, 1000, 1010), 500);
  writer_.note_import(file_of(61, 1100, 1110), 500);
  writer_.note_import(file_of(60, 1200, 1210), 500);
  EXPECT_EQ(memory_.header().waits_taken[0], 0U);
}

TEST(ImportPartsTest, WhatMakesNoSenseHasNone) {
  Wait parts[2];
  EXPECT_EQ(import_parts({}, 100, parts), 0U);
  EXPECT_EQ(import_parts(file_of(60, 50, 40), 100, parts), 0U);
  EXPECT_EQ(import_parts(file_of(60, 50, 100), 100, parts), 0U);
  EXPECT_EQ(import_parts(file_of(60, 50, 60), 100, parts), 2U);
}

class InitTimelineTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMs = 1'000'000;
  std::uint64_t at(std::uint64_t ms) const { return from_ + (ms * kMs); }
  std::uint32_t package(const char* path) {
    recording::Writer& writer = builder_.writer();
    const std::uint32_t index = writer.take_target(recording::TargetKind::kDirectory, ++packages_);
    std::snprintf(writer.target_at(index).name, sizeof(recording::Target::name), "%s", path);
    writer.show_target(index);
    return index + 1;
  }
  void open(std::uint32_t package, std::uint64_t began, std::uint64_t opened) {
    builder_.writer().note_import({at(began), at(opened), package, builder_.header().pid, 0},
                                  kMs / 2);
  }
  report::Report told(std::uint64_t init_ms) {
    builder_.writer().mark_init_end({at(init_ms), at(init_ms)});
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    report::Ledger ledger(std::move(*reader));
    report::Report told;
    ledger.report_init([&told](report::Report& report) { told = report; });
    return told;
  }
  testing::TemporaryDirectory folder_;
  testing::RecordingBuilder builder_{folder_.path() + "/1.rec"};
  std::uint64_t from_ = builder_.header().attach_begin.ticks;
  std::uint64_t packages_ = 0;
};

TEST_F(InitTimelineTest, ThePackagesOfInitAreInItsLine) {
  open(60, 10, 11);
  open(60, 20, 21);
  open(61, 30, 31);
  const report::Report report = told(100);
  ASSERT_THAT(report.timeline, SizeIs(3));
  EXPECT_EQ(report.timeline[0].phase, WaitPhase::kImport);
  EXPECT_EQ(report.timeline[0].at_ns, 10 * kMs);
  EXPECT_EQ(report.timeline[0].for_ns, 20 * kMs);
  EXPECT_EQ(report.timeline[0].target_plus_one, 60U);
  EXPECT_TRUE(report.timeline[0].handler);
  EXPECT_EQ(report.timeline[1].for_ns, 1 * kMs);
  EXPECT_EQ(report.timeline[2].phase, WaitPhase::kAfterImport);
  EXPECT_EQ(report.timeline[2].at_ns, 31 * kMs);
  EXPECT_EQ(report.timeline[2].for_ns, 69 * kMs);
  EXPECT_FALSE(report.timeline[2].open);
}

TEST_F(InitTimelineTest, TheHeadlineNamesThePackageThatTookMost) {
  const std::uint32_t pandas = package("/var/task/pandas");
  const std::uint32_t orders = package("/var/task/orders");
  open(pandas, 10, 11);
  open(pandas, 30, 31);
  open(orders, 50, 51);
  open(pandas, 55, 56);
  open(orders, 60, 61);
  open(orders, 75, 76);
  EXPECT_THAT(told(90).headline, HasSubstr("; 45.0 ms in the import of /var/task/pandas."));
}

TEST_F(InitTimelineTest, WhatMayHaveComeAfterAnImportIsToldSo) {
  open(package("/var/task/orders"), 10, 11);
  EXPECT_THAT(told(100).headline,
              HasSubstr("; 90.0 ms in the import of /var/task/orders, or after it."));
}

TEST_F(InitTimelineTest, TheFunctionItselfIsNoImport) {
  builder_.header().task_opened = at(10);
  const std::uint32_t root = package("/var/task");
  open(root, 10, 10);
  EXPECT_THAT(told(100).headline, Not(HasSubstr("import")));
}

TEST_F(InitTimelineTest, NorWhereItImportsOthers) {
  builder_.header().task_opened = at(10);
  const std::uint32_t root = package("/var/task");
  open(root, 10, 11);
  open(package("/var/task/orders"), 50, 51);
  open(root, 54, 55);
  EXPECT_THAT(told(100).headline, Not(HasSubstr("import")));
}

TEST_F(InitTimelineTest, AFirstPackageThatIsNotTheFunctionIsNamed) {
  builder_.header().task_opened = at(10);
  open(package("/var/task/orders"), 10, 30);
  open(package("/opt/python/pandas"), 70, 71);
  EXPECT_THAT(told(100).headline, HasSubstr("60.0 ms in the import of /var/task/orders"));
}

TEST_F(InitTimelineTest, AShortImportIsNotInTheHeadline) {
  open(package("/var/task/orders"), 85, 99);
  EXPECT_THAT(told(100).headline, Not(HasSubstr("import")));
}

class TimelineReportTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMs = 1'000'000;
  static constexpr std::int32_t kHandler = 4711;
  TimelineReportTest() { builder_.end_init(); }

  // A wait of `thread` that began `at` ms after the invocation that runs, for `ms`.
  Wait wait(std::uint64_t at, std::uint64_t ms, std::int32_t thread = kHandler,
            CallClass spent_on = CallClass::kNetwork, std::uint32_t target = 0) {
    Wait wait = wait_of(began_ + ((at + ms) * kMs), ms * kMs);
    wait.tid = thread;
    wait.spent_on = spent_on;
    wait.target = target;
    wait.stack = 0;
    return wait;
  }
  void start() {
    builder_.start("request");
    began_ = builder_.entry(1).started.ticks;
  }
  // One that is neither a cold start nor anything else that is worth a full line.
  void start_fourth() {
    for (int i = 0; i < 3; ++i) {
      builder_.invoke("before");
    }
    builder_.start("request");
    began_ = builder_.entry(4).started.ticks;
  }
  // Ends it `ms` after its start, as if that had passed.
  report::Report end(std::uint64_t ms) {
    builder_.respond("request");
    const std::uint64_t until = began_ + (ms * kMs);
    builder_.writer().mark_end(0, kHandler, {until, until});
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    report::Ledger ledger(std::move(*reader));
    ledger.look_at_everything(detail_full_);
    report::Report told;
    ledger.report_ended([&told](report::Report& report) { told = report; });
    dropped_ = ledger.reader().dropped_count();
    return told;
  }

  testing::TemporaryDirectory folder_;
  testing::RecordingBuilder builder_{folder_.path() + "/1.rec"};
  std::uint64_t began_ = 0;
  bool detail_full_ = false;
  std::uint64_t dropped_ = 0;
};

TEST_F(TimelineReportTest, WaitsComeInTheOrderOfTheirStart) {
  start();
  builder_.writer().add_wait(wait(70, 20));
  builder_.writer().add_wait(wait(10, 50));
  const report::Report report = end(100);
  ASSERT_THAT(report.timeline, SizeIs(2));
  EXPECT_EQ(report.timeline[0].at_ns, 10 * kMs);
  EXPECT_EQ(report.timeline[0].for_ns, 50 * kMs);
  EXPECT_EQ(report.timeline[1].at_ns, 70 * kMs);
  EXPECT_TRUE(report.timeline[1].handler);
}

TEST_F(TimelineReportTest, OneThatBeganBeforeCountsFromTheStart) {
  start();
  Wait wait = this->wait(0, 30);
  wait.ticks += 500 * kMs;
  builder_.writer().add_wait(wait);
  const report::Report report = end(100);
  ASSERT_THAT(report.timeline, SizeIs(1));
  EXPECT_EQ(report.timeline[0].at_ns, 0U);
  EXPECT_EQ(report.timeline[0].for_ns, 30 * kMs);
}

TEST_F(TimelineReportTest, AnIdlePoolAndWhatIsLeftOfBeforeAreNotShown) {
  start();
  builder_.writer().add_wait(wait(10, 50, 999, CallClass::kLock));
  builder_.writer().add_wait(wait(10, 50, 999, CallClass::kSleep));
  builder_.writer().add_wait(wait(10, 50, 999, CallClass::kNetwork));  // that one works
  Wait before = wait(0, 10);
  before.ended = began_ - kMs;
  builder_.writer().add_wait(before);
  builder_.writer().add_wait(wait(99, 50));  // it ends after the invocation
  const report::Report report = end(100);
  ASSERT_THAT(report.timeline, SizeIs(1));
  EXPECT_EQ(report.timeline[0].tid, 999);
  EXPECT_FALSE(report.timeline[0].handler);
}

TEST_F(TimelineReportTest, WhatMakesNoSenseIsDroppedAndCounted) {
  start();
  Wait wrong[4] = {wait(10, 5), wait(10, 5), wait(10, 5), wait(10, 5)};
  wrong[0].call = 60000;
  wrong[1].target = recording::kTargets + 1;
  wrong[2].phase = static_cast<WaitPhase>(9);
  wrong[3].spent_on = static_cast<CallClass>(200);
  for (const Wait& wait : wrong) {
    builder_.writer().add_wait(wait);
  }
  Wait forever = wait(10, 5);
  forever.ticks = UINT64_MAX;
  builder_.writer().add_wait(forever);
  builder_.header().waits_taken[1] = 4'000'000'000U;
  EXPECT_THAT(end(100).timeline, IsEmpty());
  EXPECT_EQ(dropped_, 4U);
}

TEST_F(TimelineReportTest, AnOrdinaryShortLineHasNone) {
  start_fourth();
  builder_.writer().add_wait(wait(10, 20));
  EXPECT_THAT(end(100).timeline, IsEmpty());
}

TEST_F(TimelineReportTest, AnOrdinaryFullLineHasTheSixteenLongest) {
  detail_full_ = true;
  start_fourth();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    builder_.writer().add_wait(wait(i * 3, i % 2 == 0 ? 2 : 1));
  }
  const report::Report report = end(100);
  EXPECT_THAT(report.timeline, SizeIs(16));
  EXPECT_EQ(std::count_if(report.timeline.begin(), report.timeline.end(),
                          [](const report::Blocked& wait) { return wait.for_ns == 2 * kMs; }),
            10);
}

}  // namespace
}  // namespace lamprey
