// Differences and the ledger: figures of one invocation, and every invocation exactly once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "report/delta/difference.h"
#include "report/ledger/at_rest.h"
#include "report/ledger/ledger.h"
#include "report/text/error_names.h"
#include "report/text/human.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::report {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using recording::Call;
using recording::monotonic_ns;
using recording::Totals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

recording::CallTotals& totals_of(Totals& totals, Call call) {
  return totals.calls[static_cast<std::size_t>(call)];
}

TEST(DifferenceTest, CountsPercentilesAndOrder) {
  auto before = std::make_unique<Totals>();
  auto after = std::make_unique<Totals>();
  recording::CallTotals& reads = totals_of(*after, Call::k_read);
  reads.calls = 100;
  reads.ticks = 1'000'000;
  reads.max_ticks = 50'000;
  reads.buckets[recording::bucket_of(1000)] = 98;
  reads.buckets[recording::bucket_of(50'000)] = 2;
  totals_of(*before, Call::k_write).buckets[5] = 0xFFFFFFFF;
  totals_of(*after, Call::k_write).buckets[5] = 1;  // two calls: the histogram wrapped
  totals_of(*after, Call::k_write).calls = 2;
  totals_of(*after, Call::k_write).ticks = 60;
  const CallsFigures figures = calls_between(*before, *after, {}, Peaks::kOfSpan);
  ASSERT_EQ(figures.by_time.size(), 2U);
  EXPECT_EQ(figures.total, 102U);
  EXPECT_EQ(figures.by_time[0].call, Call::k_read);
  EXPECT_NEAR(static_cast<double>(figures.by_time[0].p50_ns), 1000.0, 118.0);
  EXPECT_LE(figures.by_time[0].p99_ns, 50'000U);
  EXPECT_NEAR(static_cast<double>(figures.by_time[0].p99_ns), 50'000.0, 5900.0);
  EXPECT_EQ(figures.by_time[0].max_ns, 50'000U);
  EXPECT_GT(figures.by_time[1].p50_ns, 0U);
  EXPECT_FALSE(calls_between(*before, *after, {}, Peaks::kUnknown).by_time[0].max_ns);
}

TEST(DifferenceTest, CountersThatWentBackGiveNothingRatherThanMillions) {
  auto before = std::make_unique<Totals>();
  auto after = std::make_unique<Totals>();
  before->memory.allocations = 10;
  before->memory.live_bytes = INT64_MIN;
  after->memory.live_bytes = INT64_MAX;
  const MemoryFigures figures = memory_between(*before, *after, Peaks::kOfSpan);
  EXPECT_EQ(figures.allocations, 0U);
}

TEST(HumanTest, ReadsAsPeopleWrite) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(83'140'000), "79.2 MB");
  EXPECT_EQ(human_bytes(-1500), "-1.46 KB");
  EXPECT_EQ(human_bytes(INT64_MIN).front(), '-');
  EXPECT_EQ(human_duration(310), "310 ns");
  EXPECT_EQ(human_duration(2'940'000'000), "2.94 s");
  EXPECT_EQ(human_duration(412'700'000), "412 ms");
  EXPECT_EQ(human_count(1'234'567), "1,234,567");
  EXPECT_EQ(human_count(123), "123");
}

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() : builder_(directory_.path() + "/1.rec") {}
  Ledger ledger() {
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return Ledger(std::move(*reader));
  }
  Sink keep() {
    return [this](Report& report) { reports_.push_back(report); };
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
  std::vector<Report> reports_;
};

TEST_F(LedgerTest, InitOnceAndInvocationsAsDifferences) {
  builder_.writer().count_allocation(builder_.slot(), 1000, 1000);
  builder_.writer().count_call(&builder_.slot(), Call::k_openat, 900, false, 0);
  builder_.writer().count_call(&builder_.slot(), Call::k_openat, 900, true, 0);
  Ledger book = ledger();
  EXPECT_FALSE(book.report_init(keep()));
  builder_.end_init();
  book.refresh();
  EXPECT_TRUE(book.report_init(keep()));
  EXPECT_FALSE(book.report_init(keep()));
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].type, Type::kInit);
  EXPECT_EQ(reports_[0].memory->allocations, 1U);
  EXPECT_EQ(reports_[0].files_opened, 1U);
  builder_.invoke("one", 7);
  builder_.invoke("two", 5);
  book.refresh();
  EXPECT_EQ(book.report_ended(keep()), 2U);
  EXPECT_EQ(book.report_ended(keep()), 0U);
  ASSERT_EQ(reports_.size(), 3U);
  EXPECT_EQ(reports_[1].memory->allocations, 7U);
  EXPECT_EQ(reports_[1].memory->allocated_bytes, 700U);
  EXPECT_EQ(reports_[1].memory->live_delta_bytes, 7 * 104);
  EXPECT_EQ(reports_[2].memory->allocations, 5U);
  EXPECT_EQ(reports_[2].memory->live_bytes, 1000 + (12 * 104));
  EXPECT_EQ(reports_[1].calls->total, 1U);
  EXPECT_EQ(reports_[1].request_id, "one");
  EXPECT_EQ(reports_[2].invocation, 2U);
  EXPECT_EQ(reports_[1].cold_start, true);
  EXPECT_EQ(reports_[2].cold_start, false);
  EXPECT_EQ(reports_[1].status, Status::kOk);
  EXPECT_TRUE(reports_[1].duration_ns && reports_[1].response_ns);
  EXPECT_LE(*reports_[1].response_ns, *reports_[1].duration_ns);
}

TEST_F(LedgerTest, ErrorNumbersAreOfTheSpanOrLeftOut) {
  const auto fail = [this](Call call, std::int32_t error, int times) {
    for (int i = 0; i < times; ++i) {
      builder_.writer().count_call(&builder_.slot(), call, 1000, true, 0);
      builder_.writer().count_error(call, error);
    }
  };
  const auto of = [this](std::size_t report) {
    return errors_text(reports_[report].calls->by_time[0]);
  };
  Ledger ledger = this->ledger();
  fail(Call::k_open, ENOENT, 3);
  builder_.end_init();
  ledger.refresh();
  ledger.report_init(keep());
  builder_.start("one");
  fail(Call::k_open, ENOENT, 1);
  fail(Call::k_open, EACCES, 2);
  fail(Call::k_open, 4711, 1);
  builder_.end();
  ledger.refresh();
  ledger.report_ended(keep());
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(of(0), "ENOENT 3");
  EXPECT_EQ(of(1), "EACCES 2, ENOENT 1, error 4711 1");
  for (const char* id : {"two", "three"}) {  // looked at together: whose is which?
    builder_.start(id);
    fail(Call::k_open, EMFILE, 2);
    builder_.end();
  }
  ledger.refresh();
  ledger.report_ended(keep());
  ASSERT_EQ(reports_.size(), 4U);
  EXPECT_EQ(reports_[2].calls->by_time[0].errors, 2U);
  EXPECT_EQ(of(2), "");
  EXPECT_EQ(of(3), "");
}

TEST_F(LedgerTest, TheProcessesOwnAccountGoesBeforeProc) {
  builder_.writer().mark_init_end(RecordingBuilder::now(),
                                  {5'000'000, 1'000'000, 1U << 30, 0, 0, 0, 0});
  builder_.start("one");
  builder_.writer().mark_end(0, 4711, RecordingBuilder::now(),
                             {7'500'000, 1'250'000, 3U << 30, 0, 0, 0, 0});
  Ledger book = ledger();
  book.report_init(keep());
  book.report_ended(keep());
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(reports_[0].process.cpu_user_ns, 5'000'000U);
  EXPECT_EQ(reports_[0].process.peak_rss_bytes, 1U << 30);
  EXPECT_EQ(reports_[1].process.cpu_user_ns, 2'500'000U);
  EXPECT_EQ(reports_[1].process.cpu_system_ns, 250'000U);
  EXPECT_EQ(reports_[1].process.peak_rss_bytes, 3U << 30);
}

TEST_F(LedgerTest, AnErrorIsAnError) {
  builder_.end_init();
  builder_.start("bad");
  builder_.respond("bad", true);
  builder_.end();
  Ledger book = ledger();
  book.report_ended(keep());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].status, Status::kError);
}

TEST_F(LedgerTest, ThousandsOfInvocationsExactlyOnceInUnevenBatches) {
  builder_.end_init();
  Ledger book = ledger();
  std::uint64_t number = 0;
  std::uint64_t reported = 0;
  for (const std::uint64_t batch : {1U, 2U, 127U, 128U, 1U, 64U}) {
    for (int round = 0; round < 10; ++round) {
      for (std::uint64_t i = 0; i < batch; ++i) {
        builder_.invoke("r" + std::to_string(++number));
      }
      book.refresh();
      book.report_ended([&](Report& report) {
        EXPECT_EQ(report.request_id, "r" + std::to_string(++reported));
        EXPECT_EQ(report.coverage.invocations_lost, 0U);
      });
    }
  }
  EXPECT_EQ(reported, number);
}

TEST_F(LedgerTest, WhatTheRingForgotIsCounted) {
  builder_.end_init();
  Ledger book = ledger();
  builder_.invoke("first");
  book.refresh();
  book.report_ended(keep());
  for (int i = 0; i < 200; ++i) {
    builder_.invoke("r" + std::to_string(i));
  }
  book.refresh();
  EXPECT_EQ(book.report_ended(keep()), 128U);
  EXPECT_EQ(reports_.back().request_id, "r199");
  EXPECT_EQ(reports_.back().coverage.invocations_lost, 72U);
}

TEST_F(LedgerTest, InvocationsThatEndOutOfOrder) {
  builder_.end_init();
  Ledger book = ledger();
  builder_.start("slow");
  builder_.start("fast");
  builder_.writer().mark_end(2, 0, RecordingBuilder::now());
  book.refresh();
  book.report_ended(keep());
  builder_.writer().mark_end(1, 0, RecordingBuilder::now());
  builder_.invoke("next");
  book.refresh();
  book.report_ended(keep());
  ASSERT_EQ(reports_.size(), 3U);
  EXPECT_EQ(reports_[0].request_id, "fast");
  EXPECT_EQ(reports_[1].request_id, "slow");
  EXPECT_EQ(reports_[2].request_id, "next");
}

// Totals go from end to end, so that their sum over all lines is the process's.
TEST_F(LedgerTest, ConcurrentInvocationsShareTheTotals) {
  builder_.header().flags |= recording::kFlagConcurrent;
  builder_.end_init();
  Ledger book = ledger();
  book.refresh();
  book.report_init(keep());
  builder_.start("slow");
  builder_.start("fast");
  recording::Writer& writer = builder_.writer();
  const auto allocate_and_end = [&](const char* id, std::uint64_t sequence, int blocks) {
    for (int i = 0; i < blocks; ++i) {
      writer.count_allocation(builder_.slot(), 100, 104);
    }
    builder_.respond(id);
    ASSERT_TRUE(writer.mark_end(sequence, 0, RecordingBuilder::now()));
  };
  allocate_and_end("fast", 2, 3);
  allocate_and_end("slow", 1, 5);
  book.refresh();
  EXPECT_EQ(book.report_ended(keep()), 2U);
  ASSERT_EQ(reports_.size(), 3U);
  EXPECT_EQ(reports_[1].request_id, "fast");
  EXPECT_EQ(reports_[1].memory->allocations, 3U);
  EXPECT_EQ(reports_[2].request_id, "slow");
  EXPECT_EQ(reports_[2].memory->allocations, 5U);
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_THAT(
        reports_[i].coverage.unseen,
        ::testing::Contains("memory and calls by invocation: 1 ran beside it in this process"));
  }
  builder_.start("alone");
  allocate_and_end("alone", 3, 1);
  book.refresh();
  book.report_ended(keep());
  EXPECT_EQ(reports_[3].memory->allocations, 1U);
  EXPECT_TRUE(reports_[3].coverage.unseen.empty());
}

TEST_F(LedgerTest, AMissingBoundaryIsSaidAndLiveTotalsStandIn) {
  builder_.end_init();
  Ledger book = ledger();
  book.report_init(keep());
  builder_.invoke("one", 4);
  builder_.boundary(1).sequence_begin = 0;
  book.refresh();
  book.report_ended(keep());
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(reports_[1].memory->allocations, 4U);
  ASSERT_EQ(reports_[1].coverage.unseen.size(), 1U);
  EXPECT_THAT(reports_[1].coverage.unseen[0], HasSubstr("were not written"));
  builder_.invoke("two", 6);
  book.refresh();
  book.report_ended(keep());
  EXPECT_EQ(reports_[2].memory->allocations, 6U);
  EXPECT_TRUE(reports_[2].coverage.unseen.empty());
}

TEST_F(LedgerTest, OverwrittenBoundariesLeaveFiguresOut) {
  builder_.end_init();
  Ledger book = ledger();
  book.report_init(keep());
  for (int i = 1; i <= 8; ++i) {
    builder_.invoke("r" + std::to_string(i), 2);
  }
  book.refresh();
  book.report_ended(keep());
  ASSERT_EQ(reports_.size(), 9U);
  EXPECT_FALSE(reports_[4].memory);  // invocation 4: its boundary is gone
  EXPECT_TRUE(reports_[5].memory);   // 5: is there, but 4 is not: since init
  EXPECT_EQ(reports_[5].memory->allocations, 10U);
  EXPECT_FALSE(reports_[5].memory->peak_live_bytes);
  EXPECT_THAT(reports_[5].coverage.unseen.back(), HasSubstr("count from the end of invocation 0"));
  EXPECT_EQ(reports_[6].memory->allocations, 2U);
  EXPECT_TRUE(reports_[6].coverage.unseen.empty());
}

TEST_F(LedgerTest, AnOpenInvocationSaysWhereItStood) {
  builder_.end_init();
  builder_.start("open", 2000);
  builder_.writer().count_allocation(builder_.slot(), 100, 104);
  const std::uint64_t now = monotonic_ns();
  builder_.slot().in_flight = {static_cast<std::uint32_t>(Call::k_connect) + 1, 3, now, 0, 0, 0, 0};
  Ledger book = ledger();
  EndCause end;
  end.status = Status::kTimeout;
  end.death.reason = "timeout";
  end.mono_ns = now + 60'000'000'000;  // noticed late: the deadline counts
  end.duration_known = true;
  EXPECT_EQ(book.report_open(end, keep()), 1U);
  EXPECT_EQ(book.report_open(end, keep()), 0U);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].status, Status::kTimeout);
  EXPECT_NEAR(static_cast<double>(*reports_[0].duration_ns), 2e9, 5e6);
  ASSERT_EQ(reports_[0].blocked.size(), 1U);
  EXPECT_EQ(reports_[0].blocked[0].tid, 4711);
  EXPECT_NEAR(static_cast<double>(reports_[0].blocked[0].for_ns.value_or(0)), 2e9, 5e6);
  EXPECT_EQ(reports_[0].memory->allocations, 1U);
  EXPECT_THAT(reports_[0].headline, HasSubstr("Timed out"));
  EXPECT_THAT(reports_[0].headline, HasSubstr("connect"));
}

TEST_F(LedgerTest, WhatAnAllocatorDoesNotTellIsAbsentAndSaid) {
  recording::Module& module = builder_.writer().module_at(0);
  module.start = 0x1000;
  module.end = 0x2000;
  std::strncpy(module.path, "/opt/libarena.so.1", sizeof(module.path) - 1);
  module.state = recording::kModuleThere;
  builder_.header().modules_used = 1;
  builder_.header().allocator = 1;
  const auto said = [this](std::uint32_t flags) {
    builder_.header().flags |= flags;
    reports_.clear();
    Ledger book = ledger();
    book.report_process_end(Type::kRun, {}, keep());
    builder_.header().flags &= ~flags;
    // This program stands for the runtime; a sanitizer that is linked into it makes system calls by
    // itself.
    auto unseen = reports_.at(0).coverage.unseen;
    std::erase_if(unseen,
                  [](const std::string& what) { return what.starts_with("system calls that"); });
    return unseen;
  };
  EXPECT_THAT(said(0), IsEmpty());
  EXPECT_TRUE(reports_[0].memory->live_bytes);
  EXPECT_THAT(said(recording::kFlagNoUsableSize),
              ElementsAre("live bytes: libarena.so.1 has no malloc_usable_size"));
  EXPECT_FALSE(reports_[0].memory->live_bytes || reports_[0].memory->freed_bytes ||
               reports_[0].memory->live_delta_bytes || reports_[0].memory->peak_live_bytes);
  EXPECT_THAT(
      said(recording::kFlagOwnOperatorNew | recording::kFlagMallocx),
      ElementsAre("operator new and mallocx of libarena.so.1: their blocks are not counted"));
  EXPECT_THAT(said(recording::kFlagMallocx),
              ElementsAre("mallocx and its kin of libarena.so.1: their blocks are not counted"));
  builder_.header().allocator = 77;  // no such module
  EXPECT_THAT(
      said(recording::kFlagOwnOperatorNew),
      ElementsAre("operator new and delete of the program's allocator: their blocks are not "
                  "counted"));
}

TEST_F(LedgerTest, AnInitThatNeverFinishedSaysWhereItStood) {
  const std::uint64_t now = monotonic_ns();
  builder_.slot().in_flight = {static_cast<std::uint32_t>(Call::k_connect) + 1, 3, now, 0, 0, 0, 0};
  EndCause end;
  end.status = Status::kTimeout;
  end.death.reason = "timeout";
  end.mono_ns = now + 9'000'000'000;
  end.duration_known = true;
  Ledger book = ledger();
  book.report_process_end(Type::kInit, end, keep());
  ASSERT_EQ(reports_.size(), 1U);
  ASSERT_EQ(reports_[0].blocked.size(), 1U);
  EXPECT_EQ(reports_[0].blocked[0].call, Call::k_connect);
  EXPECT_THAT(reports_[0].headline,
              HasSubstr("Init never finished: thread 4711 9.00 s in connect"));
  end.status = Status::kError;  // reported by the runtime: what its threads are in is not why
  book.report_process_end(Type::kInit, end, keep());
  end.status = Status::kOk;
  book.report_process_end(Type::kInit, end, keep());
  end.status = Status::kTimeout;
  book.report_process_end(Type::kShutdown, end, keep());
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_TRUE(reports_[i].blocked.empty()) << i;
  }
}

TEST_F(LedgerTest, WhatDiedInInitHasAnInitAlsoWhenDecoded) {
  builder_.orphan();
  Ledger book = ledger();
  give_everything(book, keep());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].type, Type::kInit);
  EXPECT_THAT(reports_[0].headline, HasSubstr("Init failed: "));
}

TEST_F(LedgerTest, AForgedSequenceDoesNotHang) {
  builder_.end_init();
  builder_.header().started = (std::uint64_t{1} << 48) - 1;
  Ledger book = ledger();
  EXPECT_EQ(book.report_ended(keep()), 0U);
  builder_.header().started = UINT64_MAX;
  book.refresh();
  EXPECT_EQ(book.report_ended(keep()), 0U);
  EXPECT_EQ(book.report_open({}, keep()), 0U);
}

TEST_F(LedgerTest, OrphansAndRuns) {
  builder_.end_init();
  builder_.start("lost");
  builder_.orphan();
  Ledger book = ledger();
  give_orphan(book, {}, keep());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].type, Type::kInvoke);
  EXPECT_EQ(reports_[0].status, Status::kError);
  Ledger again = ledger();
  reports_.clear();
  give_everything(again, keep());
  ASSERT_EQ(reports_.size(), 3U);
  EXPECT_EQ(reports_[0].type, Type::kInit);
  EXPECT_EQ(reports_[1].request_id, "lost");
  EXPECT_EQ(reports_[2].type, Type::kShutdown);
  builder_.header().role = recording::Role::kRun;
  builder_.header().flags = recording::kFlagExited;
  Ledger run = ledger();
  reports_.clear();
  give_everything(run, keep());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].type, Type::kRun);
  EXPECT_EQ(reports_[0].status, Status::kOk);
}

TEST_F(LedgerTest, ProcIsTrustedOnlyForTheVeryProcess) {
  const std::uint64_t start = *process_start(getpid());
  ProcessView own(getpid(), start);
  EXPECT_TRUE(own.runs());
  for (int look = 0; look < 2; ++look) {
    const ProcessFigures figures = own.figures();
    EXPECT_TRUE(figures.rss_bytes);
    EXPECT_TRUE(figures.fd_use);
    EXPECT_TRUE(figures.cpu_user_ns);
  }
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(own.figures().fd_max, limit.rlim_cur);
  ProcessView other(getpid(), start + 1);
  EXPECT_FALSE(other.runs());
  EXPECT_FALSE(other.figures().rss_bytes);
  EXPECT_TRUE(ledger().process_runs());
  builder_.header().process_start += 1;
  EXPECT_FALSE(ledger().process_runs());
}

// Its files stay open, and must not speak for it when it is gone.
TEST(ProcessViewTest, OfAProcessThatEndedNothingIsLeft) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_GT(child, 0);
  ProcessView view(child, *process_start(child));
  EXPECT_TRUE(view.runs());
  EXPECT_TRUE(view.figures().rss_bytes);
  kill(child, SIGKILL);
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  EXPECT_FALSE(view.runs()) << "a zombie";
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(view.runs());
  EXPECT_FALSE(view.figures().cpu_user_ns);
}

}  // namespace
}  // namespace lamprey::report
