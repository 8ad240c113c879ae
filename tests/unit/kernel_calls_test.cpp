// Exact mode's own tables: the numbers of the kernel's calls, what is counted of them, and what a
// reader and a ledger make of that.
#include "recording/kernel_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "cloudwatch/line.h"
#include "report/ledger/ledger.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::recording {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Against the headers of the machine that the test runs on.
TEST(KernelCallsTest, NumbersAreTheKernels) {
  EXPECT_STREQ(kKernelCalls.of[SYS_read].name, "read");
  EXPECT_STREQ(kKernelCalls.of[SYS_openat].name, "openat");
  EXPECT_STREQ(kKernelCalls.of[SYS_futex].name, "futex");
  EXPECT_STREQ(kKernelCalls.of[SYS_newfstatat].name, "newfstatat");
  EXPECT_STREQ(kKernelCalls.of[SYS_epoll_pwait].name, "epoll_pwait");
  EXPECT_STREQ(kKernelCalls.of[SYS_clock_nanosleep].name, "clock_nanosleep");
  EXPECT_STREQ(kKernelCalls.of[SYS_statx].name, "statx");
  EXPECT_STREQ(kKernelCalls.of[SYS_close_range].name, "close_range");
  EXPECT_EQ(kKernelCalls.of[SYS_pwrite64].kind, KernelCallKind::kBytes);
  for (const long number : {SYS_clone, SYS_rt_sigreturn, SYS_execve, SYS_exit, SYS_exit_group,
                            SYS_rt_sigprocmask, SYS_set_robust_list}) {
    EXPECT_EQ(kKernelCalls.of[number].kind, KernelCallKind::kUntouched) << number;
  }
  EXPECT_EQ(kKernelCalls.of[kKernelNumbers - 1].kind, KernelCallKind::kUnknown);
}

TEST(KernelCallsTest, EachNumberHasOneName) {
  std::vector<std::string> names;
  for (const KernelCallInfo& call : kKernelCalls.of) {
    if (call.name != nullptr) {
      names.emplace_back(call.name);
    }
  }
  EXPECT_GT(names.size(), 300U);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST(KernelCallsTest, NamesAreOfTheMachineThatWasRecorded) {
  EXPECT_STREQ(kernel_call_name(false, 0), "read");
  EXPECT_STREQ(kernel_call_name(true, 63), "read");
  EXPECT_STREQ(kernel_call_name(false, 110), "getppid");
  EXPECT_STREQ(kernel_call_name(true, 173), "getppid");
  EXPECT_STREQ(kernel_call_name(true, 100'000), "unknown");
}

class KernelRecordingTest : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/1.rec"; }
  Reader opens() {
    Failure failure;
    auto reader = Reader::open(path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return std::move(*reader);
  }
  TemporaryDirectory directory_;
};

TEST_F(KernelRecordingTest, NoneWithoutExactMode) {
  RecordingBuilder builder(path());
  EXPECT_EQ(builder.writer().kernel(), nullptr);
  builder.writer().count_kernel(SYS_read, 10, false, 5);  // into nothing
  Reader reader = opens();
  EXPECT_FALSE(reader.kernel_places());
  EXPECT_FALSE(reader.live(monotonic_ns())->kernel_known);
}

TEST_F(KernelRecordingTest, BoundariesKeepWhatWasCountedUntilThen) {
  RecordingBuilder builder(path(), "", true);
  builder.writer().kernel()->places = 470;
  builder.writer().kernel()->places_left = 20;
  builder.writer().count_kernel(SYS_read, 100, false, 7);
  builder.writer().count_kernel(SYS_read, 900, true, 0);
  builder.end_init();
  builder.writer().count_kernel(SYS_read, 50, false, 3);
  builder.writer().count_kernel(SYS_futex, 5000, false, 0);
  builder.invoke("one");
  builder.writer().count_kernel(SYS_futex, 1, false, 0);
  Reader reader = opens();
  EXPECT_EQ(reader.kernel_places()->counted, 470U);
  EXPECT_EQ(reader.kernel_places()->left, 20U);
  const auto init = reader.boundary(0);
  const auto one = reader.boundary(1);
  ASSERT_TRUE(init && one && init->kernel_known && one->kernel_known);
  EXPECT_EQ(init->kernel[SYS_read].calls, 2U);
  EXPECT_EQ(init->kernel[SYS_read].errors, 1U);
  EXPECT_EQ(init->kernel[SYS_read].bytes, 7U);
  EXPECT_EQ(init->kernel[SYS_read].max_ticks, 900U);
  EXPECT_EQ(init->kernel[SYS_futex].calls, 0U);
  EXPECT_EQ(one->kernel[SYS_read].ticks, 1050U);
  EXPECT_EQ(one->kernel[SYS_read].max_ticks, 50U);  // of the invocation
  EXPECT_EQ(one->kernel[SYS_futex].calls, 1U);
  EXPECT_EQ(reader.live(monotonic_ns())->kernel[SYS_futex].calls, 2U);
}

TEST_F(KernelRecordingTest, ThreadsThatCallTheSameForTheFirstTime) {
  RecordingBuilder builder(path(), "", true);
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&builder] {
      for (std::uint32_t n = 0; n < 20'000; ++n) {
        builder.writer().count_kernel(n % 40, n, n % 3 == 0, 2);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::uint64_t calls = 0;
  const auto totals = opens().live(monotonic_ns());
  for (std::uint32_t number = 0; number < 40; ++number) {
    calls += totals->kernel[number].calls;
  }
  EXPECT_EQ(calls, 160'000U);
  EXPECT_EQ(builder.writer().kernel()->uncounted, 0U);
}

TEST_F(KernelRecordingTest, WhatFindsNoRowIsSaid) {
  RecordingBuilder builder(path(), "", true);
  for (std::uint32_t number = 0; number < kKernelRows + 5; ++number) {
    builder.writer().count_kernel(number, 1, false, 0);
    builder.writer().count_kernel(number, 1, false, 0);
  }
  EXPECT_EQ(opens().kernel_places()->uncounted, 10U);
}

TEST_F(KernelRecordingTest, ForgedRowsAreDropped) {
  RecordingBuilder builder(path(), "", true);
  builder.writer().count_kernel(SYS_read, 1, false, 0);
  builder.writer().kernel()->rows_used = UINT32_MAX;
  builder.writer().kernel()->rows[1].number = kKernelNumbers + 1;
  Reader reader = opens();
  EXPECT_EQ(reader.live(monotonic_ns())->kernel[SYS_read].calls, 1U);
  EXPECT_EQ(reader.dropped_count(), 1U);
}

class KernelReportTest : public KernelRecordingTest {
 protected:
  report::Report first_invocation() {
    report::Ledger ledger(opens());
    report::Report kept;
    const report::Sink ignore = [](report::Report&) {};
    ledger.report_init(ignore);
    ledger.report_ended([&kept](report::Report& report) { kept = report; });
    return kept;
  }
};

TEST_F(KernelReportTest, AnInvocationHasItsOwn) {
  RecordingBuilder builder(path(), "", true);
  builder.writer().kernel()->places = 470;
  builder.writer().count_kernel(SYS_read, 100, false, 7);
  builder.end_init();
  builder.writer().count_kernel(SYS_read, 5000, false, 3);
  builder.writer().count_kernel(SYS_futex, 400, true, 0);
  builder.invoke("one");
  report::Report report = first_invocation();
  ASSERT_TRUE(report.kernel);
  EXPECT_EQ(report.kernel->total, 2U);
  EXPECT_EQ(report.kernel->errors, 1U);
  ASSERT_EQ(report.kernel->by_time.size(), 2U);
  EXPECT_STREQ(report.kernel->by_time[0].name, "read");
  EXPECT_EQ(report.kernel->by_time[0].figures.bytes, 3U);
  const std::string line = cloudwatch::to_line(report, {});
  EXPECT_THAT(line, HasSubstr(R"("kernel":{"total":2,"errors":1,"time_ms":0.005,"places":470)"));
  EXPECT_THAT(line, HasSubstr(R"({"name":"read","calls":1,"errors":0,"total_ms":0.005)"));
}

TEST_F(KernelReportTest, TornOnesAreLeftOut) {
  RecordingBuilder builder(path(), "", true);
  builder.end_init();
  builder.writer().count_kernel(SYS_read, 100, false, 7);
  builder.invoke("one");
  builder.writer().kernel()->boundaries[1].sequence_end = 0;
  EXPECT_FALSE(first_invocation().kernel);
}

TEST_F(KernelReportTest, WhyItIsNotOnIsSaid) {
  RecordingBuilder builder(path());
  builder.header().exact = ExactState::kThreads;
  builder.end_init();
  builder.invoke("one");
  const report::Report report = first_invocation();
  EXPECT_FALSE(report.kernel);
  EXPECT_THAT(
      report.coverage.unseen,
      Contains("exact mode is not on: threads ran before the library could change anything"));
}

TEST_F(KernelReportTest, NothingIsSaidWhereNobodyAsked) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one");
  EXPECT_THAT(cloudwatch::to_line(first_invocation(), {}), Not(HasSubstr("exact")));
}

}  // namespace
}  // namespace lamprey::recording
