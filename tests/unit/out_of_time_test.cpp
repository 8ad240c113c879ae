// Why the time ran out: what took it comes first, the right thread is named, and whoever waits for
// work is not.
#include "report/text/out_of_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recording/reader.h"
#include "report/findings/findings.h"
#include "report/ledger/culprit.h"
#include "report/ledger/ledger.h"
#include "report/ledger/work_left.h"
#include "report/ledger/workers.h"
#include "report/text/headline.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/stack_frames.h"

namespace lamprey::report {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using recording::Call;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSpan = 2990 * kMs;

Report timed_out() {
  Report report;
  report.status = Status::kTimeout;
  report.duration_ns = kSpan;
  report.wall = WallFigures{};
  report.wall->total_ns = kSpan;
  return report;
}

Blocked in(Call call, std::uint64_t ns, Awaited awaited = Awaited::kUnknown) {
  Blocked blocked;
  blocked.tid = 1;
  blocked.call = call;
  blocked.for_ns = ns;
  blocked.awaited = awaited;
  if (awaited == Awaited::kAnswer) {
    blocked.unanswered_ns = ns;
  }
  if (awaited != Awaited::kUnknown) {
    blocked.target = "127.0.0.1:18101 (localhost)";
  }
  return blocked;
}

Blocked handler(Call call, std::uint64_t ns, Awaited awaited = Awaited::kUnknown) {
  Blocked blocked = in(call, ns, awaited);
  blocked.handler = blocked.main = true;
  return blocked;
}

HostFigures host(std::uint64_t answers, std::uint64_t wait_ns, std::uint64_t longest_ns) {
  HostFigures figures;
  figures.host = "localhost";
  figures.peer = "127.0.0.1:18101";
  figures.answers = answers;
  figures.wait_ns = wait_ns;
  figures.longest_ns = longest_ns;
  return figures;
}

std::vector<std::string> ends(Report report, std::string* text = nullptr) {
  add_ending_findings(report);
  std::vector<std::string> codes;
  for (const Finding& finding : report.findings) {
    codes.emplace_back(finding.code);
    if (text != nullptr) {
      *text = finding.text;
    }
  }
  return codes;
}

std::string headline(Report report) {
  add_headline(report);
  return report.headline;
}

// -- the whole account ----------------------------------------------------------------------------

Report many_calls() {
  Report report = timed_out();
  report.wall->network_ns = 2960 * kMs;
  report.targets.hosts = {host(148, 2960 * kMs, 31 * kMs)};
  report.blocked = {handler(Call::k_recv, 281'000, Awaited::kAnswer)};
  return report;
}

TEST(OutOfTimeTest, ManyShortCallsAreToldTogether) {
  EXPECT_THAT(headline(many_calls()),
              HasSubstr("Timed out after 2.99 s: 2.96 s of 2.99 s in 149 calls to localhost:18101, "
                        "none over 31.0 ms"));
  std::string text;
  EXPECT_THAT(ends(many_calls(), &text), ElementsAre("timeout.calls"));
  EXPECT_THAT(text, HasSubstr("2.96 s of 2.99 s in 149 calls to localhost:18101"));
}

TEST(OutOfTimeTest, OneLongCallIsTheLastOne) {
  Report report = many_calls();
  report.blocked = {handler(Call::k_recv, 2900 * kMs, Awaited::kAnswer)};
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.answer"));
  EXPECT_EQ(text, "127.0.0.1:18101 (localhost) did not answer for 2.90 s.");
  EXPECT_THAT(headline(report), HasSubstr(": main thread 2.90 s in recv to 127.0.0.1:18101"));
}

TEST(OutOfTimeTest, TheLastCallIsToldWithTheProgramsFunctionThatMadeIt) {
  Report report = many_calls();
  report.blocked = {handler(Call::k_recv, 2900 * kMs, Awaited::kAnswer)};
  report.blocked[0].stack = {frame_at(0x2000, "/lib/x86_64-linux-gnu/libc.so.6", 0x1000)};
  add_ending_findings(report);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_TRUE(report.findings[0].site.empty()) << "libc says nothing of the program";
  Frame ask;
  ask.function = std::make_shared<recording::SourceFunction>(
      recording::SourceFunction{recording::Language::kRuby, "ask", "/var/task/app.rb", 1});
  report.blocked[0].stack.push_back(ask);
  report.findings.clear();
  add_ending_findings(report);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].site.size(), 2U);
}

TEST(OutOfTimeTest, AQuestionThatIsOpenForLongIsTheTroubleAfterManyShortOnes) {
  Report report = many_calls();
  report.blocked = {handler(Call::k_recv, 700 * kMs, Awaited::kAnswer)};
  EXPECT_THAT(ends(report), ElementsAre("timeout.answer"));
  report.targets.hosts[0].longest_ns = 500 * kMs;  // it has been as slow before
  EXPECT_THAT(ends(report), ElementsAre("timeout.calls"));
}

TEST(OutOfTimeTest, TicksOfATimerDoNotEndAWaitForAnAnswer) {
  Report report = timed_out();
  report.wall->network_ns = 2900 * kMs;
  report.blocked = {handler(Call::k_epoll_wait, 50 * kMs, Awaited::kAnswer)};
  report.blocked[0].unanswered_ns = 2900 * kMs;
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.answer"));
  EXPECT_THAT(text, HasSubstr("did not answer for 2.90 s"));
  EXPECT_THAT(headline(report), HasSubstr("main thread 2.90 s in epoll_wait to"));
}

TEST(OutOfTimeTest, EachPartHasItsOwnCode) {
  const auto code_of = [](std::uint64_t WallFigures::*part) {
    Report report = timed_out();
    (*report.wall).*part = 2 * kSpan / 3;
    report.blocked = {handler(Call::k_write, kMs)};
    const auto codes = ends(report);
    return codes.empty() ? std::string() : codes.front();
  };
  EXPECT_EQ(code_of(&WallFigures::sleep_ns), "timeout.sleep");
  EXPECT_EQ(code_of(&WallFigures::lock_ns), "timeout.lock");
  EXPECT_EQ(code_of(&WallFigures::child_ns), "timeout.child");
  EXPECT_EQ(code_of(&WallFigures::dns_ns), "timeout.dns");
  EXPECT_EQ(code_of(&WallFigures::file_ns), "");
  Report report = timed_out();
  report.wall->cpu_ns = kSpan;
  EXPECT_THAT(ends(report), ElementsAre("timeout.cpu"));  // in no call, on no list
}

TEST(OutOfTimeTest, WhereNothingTookMostThePartsAreTold) {
  Report report = timed_out();
  report.wall->cpu_ns = 1200 * kMs;
  report.wall->sleep_ns = 1100 * kMs;
  report.wall->file_ns = 690 * kMs;
  report.blocked = {handler(Call::k_write, kMs)};
  EXPECT_THAT(ends(report), IsEmpty());
  EXPECT_THAT(headline(report),
              HasSubstr("Timed out after 2.99 s: 1.20 s CPU + 690 ms files + 1.10 s sleep"));
}

// -- an event loop that waits for nobody ----------------------------------------------------------

TEST(OutOfTimeTest, AnIdleConnectionKeepsTheLoopAlive) {
  Report report = timed_out();
  report.wall->other_ns = 2950 * kMs;
  report.blocked = {handler(Call::k_epoll_pwait, 2950 * kMs, Awaited::kNothing)};
  report.last_answer_ns = 37 * kMs;
  report.last_answer_from = "localhost:18101";
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.idle_loop"));
  EXPECT_THAT(text, HasSubstr("the last answer (localhost:18101) came after 37.0 ms"));
  EXPECT_THAT(text, HasSubstr("an idle connection keeps it alive: 127.0.0.1:18101 (localhost)"));
  EXPECT_THAT(text, Not(HasSubstr("did not answer")));
  // Neighbours: one was asked, one was never used, and nothing is known.
  report.blocked[0].awaited = Awaited::kAnswer;
  EXPECT_THAT(ends(report), ElementsAre("timeout.answer"));
  report.blocked[0].awaited = Awaited::kFirstBytes;
  EXPECT_THAT(ends(report), ElementsAre("timeout.answer"));
  report.blocked[0].awaited = Awaited::kUnknown;
  report.blocked[0].target.clear();
  EXPECT_THAT(ends(report), IsEmpty());
}

// -- the right thread -----------------------------------------------------------------------------

Blocked worker(std::int32_t tid, Call call, std::uint64_t ns, Awaited awaited = Awaited::kUnknown) {
  Blocked blocked = in(call, ns, awaited);
  blocked.tid = tid;
  return blocked;
}

std::vector<std::int32_t> order(std::vector<Blocked> blocked, std::uint64_t window_ns = 0) {
  put_culprit_first(blocked, kSpan, window_ns);
  std::vector<std::int32_t> tids;
  tids.reserve(blocked.size());
  for (const Blocked& each : blocked) {
    tids.push_back(each.tid);
  }
  return tids;
}

TEST(CulpritTest, AWorkerThatWaitsForAHost) {
  Report report = timed_out();
  report.wall->lock_ns = 2940 * kMs;
  report.blocked = {handler(Call::k_sem_wait, 2930 * kMs), worker(2, Call::k_sem_wait, 2900 * kMs),
                    worker(3, Call::k_recv, 2920 * kMs, Awaited::kAnswer)};
  put_culprit_first(report.blocked, kSpan, 0);
  EXPECT_EQ(report.blocked[0].tid, 3);
  EXPECT_EQ(report.blocked[0].sure_percent, 90);
  EXPECT_TRUE(report.blocked[1].held_up);
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_EQ(report.wall->network_ns, 2920 * kMs);
  EXPECT_EQ(report.wall->lock_ns, 20 * kMs);
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.answer"));
  EXPECT_THAT(text, HasSubstr("did not answer for 2.92 s. Thread 3 waits for it, and the handler "
                              "waits for that thread"));
  EXPECT_THAT(headline(report), HasSubstr(": thread 3 2.92 s in recv to 127.0.0.1:18101 "
                                          "(localhost), and the handler waits for it"));
}

TEST(CulpritTest, WhoWaitsForWorkIsNeverIt) {
  const Blocked waits = handler(Call::k_pthread_cond_wait, 2900 * kMs);
  EXPECT_THAT(order({worker(2, Call::k_pthread_cond_wait, 9000 * kMs), waits}), ElementsAre(1, 2));
  EXPECT_THAT(order({worker(2, Call::k_sem_wait, 2950 * kMs), waits}), ElementsAre(1, 2));
  EXPECT_THAT(order({worker(2, Call::k_futex, 2950 * kMs), waits}), ElementsAre(1, 2));
  EXPECT_THAT(order({worker(2, Call::k_epoll_wait, 2950 * kMs, Awaited::kNothing), waits}),
              ElementsAre(1, 2));
  EXPECT_THAT(order({worker(2, Call::k_recv, 60'000 * kMs, Awaited::kAnswer), waits}),
              ElementsAre(1, 2));  // since before the invocation
  EXPECT_THAT(order({worker(2, Call::k_recv, 20 * kMs, Awaited::kAnswer), waits}),
              ElementsAre(1, 2));  // not for as long as the handler waits
  EXPECT_THAT(order({worker(2, Call::k_clock_nanosleep, 2950 * kMs), waits}), ElementsAre(1, 2));
  // .NET's debugger opens a pipe that nobody ever writes to; lately it did nothing else.
  Blocked opens = worker(2, Call::k_open, 60'000 * kMs);
  opens.worked_ns = 2900 * kMs;
  EXPECT_THAT(order({opens, waits}, 2900 * kMs), ElementsAre(1, 2));
  // Neighbour: a loop that waits since before, and was told of a host that owes an answer.
  Blocked loop = worker(2, Call::k_epoll_wait, 60'000 * kMs, Awaited::kAnswer);
  loop.worked_ns = 2900 * kMs;
  EXPECT_THAT(order({loop, waits}, 2900 * kMs), ElementsAre(2, 1));
}

TEST(CulpritTest, AHandlerThatHasItsOwnReasonIsIt) {
  const Blocked hangs = worker(2, Call::k_recv, 2950 * kMs, Awaited::kAnswer);
  EXPECT_THAT(order({hangs, handler(Call::k_recv, 2900 * kMs, Awaited::kAnswer)}),
              ElementsAre(1, 2));
  EXPECT_THAT(order({hangs, handler(Call::k_clock_nanosleep, 2900 * kMs)}), ElementsAre(1, 2));
  EXPECT_THAT(order({hangs, handler(Call::k_epoll_wait, 2900 * kMs, Awaited::kAnswer)}),
              ElementsAre(1, 2));
  Blocked busy = handler(Call::k_open, 2900 * kMs);
  busy.on_cpu = true;
  EXPECT_THAT(order({hangs, busy}), ElementsAre(1, 2));
}

TEST(CulpritTest, AWorkerThatComputes) {
  Blocked busy = worker(2, Call::k_open, 2500 * kMs);
  busy.on_cpu = true;
  busy.worked_ns = busy.for_ns;
  const Blocked waits = handler(Call::k_pthread_join, 2900 * kMs);
  EXPECT_THAT(order({waits, busy}, 2800 * kMs), ElementsAre(2, 1));
  busy.worked_ns = busy.for_ns = 30 * kMs;  // it only happened to run when it was looked at
  EXPECT_THAT(order({waits, busy}, 2800 * kMs), ElementsAre(1, 2));
}

TEST(CulpritTest, WhoHasLittleCpuStillComputes) {  // 128 MB are a fourteenth of a CPU
  Blocked busy = worker(2, Call::k_open, 200 * kMs);
  busy.on_cpu = true;
  busy.worked_ns = 2700 * kMs;
  EXPECT_THAT(order({handler(Call::k_pthread_join, 2900 * kMs), busy}, 2800 * kMs),
              ElementsAre(2, 1));
  Report report = timed_out();
  report.wall->cpu_ns = 200 * kMs;
  report.wall->other_ns = 2790 * kMs;
  busy.handler = busy.main = true;
  report.blocked = {busy};
  EXPECT_THAT(ends(report), ElementsAre("timeout.cpu"));
}

TEST(CulpritTest, AWorkerWithManyShortCalls) {
  Report report = timed_out();
  report.wall->lock_ns = 2940 * kMs;
  report.targets.hosts = {host(140, 2800 * kMs, 31 * kMs)};
  Blocked busy = worker(2, Call::k_recv, 3 * kMs, Awaited::kAnswer);
  busy.worked_ns = 2700 * kMs;
  report.blocked = {handler(Call::k_sem_wait, 2930 * kMs), busy};
  put_culprit_first(report.blocked, kSpan, 2800 * kMs);
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_THAT(headline(report),
              HasSubstr("2.70 s of 2.99 s in 141 calls to localhost:18101, none over 31.0 ms, by "
                        "thread 2, and the handler waits for it"));
  EXPECT_THAT(ends(report), ElementsAre("timeout.calls"));
}

TEST(CulpritTest, AMutexNamesItsHolder) {
  Blocked waits = handler(Call::k_pthread_mutex_lock, 2900 * kMs);
  waits.holder = 3;
  const Blocked other = worker(2, Call::k_recv, 2950 * kMs, Awaited::kAnswer);
  EXPECT_THAT(order({waits, other}), ElementsAre(1, 2));
  std::vector<Blocked> blocked = {waits, other,
                                  worker(3, Call::k_recv, 2910 * kMs, Awaited::kAnswer)};
  put_culprit_first(blocked, kSpan, 0);
  EXPECT_EQ(blocked[0].tid, 3);
  EXPECT_EQ(blocked[0].sure_percent, 99);
}

TEST(CulpritTest, AMutexWhoseHolderSleepsIsTheMutex) {
  Report report = timed_out();
  report.wall->lock_ns = 2940 * kMs;
  Blocked waits = handler(Call::k_pthread_mutex_lock, 2900 * kMs);
  waits.holder = 3;
  report.blocked = {waits, worker(3, Call::k_clock_nanosleep, 9000 * kMs)};
  put_culprit_first(report.blocked, kSpan, 0);
  EXPECT_EQ(report.blocked[0].tid, 1);
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.lock"));
  EXPECT_THAT(text, HasSubstr("for 2.90 s. Thread 3 holds the lock, in clock_nanosleep."));
}

TEST(CulpritTest, WhoIsJoinedAndSleepsIsIt) {
  Report report = timed_out();
  report.wall->lock_ns = 2940 * kMs;
  Blocked waits = handler(Call::k_pthread_join, 2900 * kMs);
  waits.holder = 3;
  report.blocked = {waits, worker(3, Call::k_clock_nanosleep, 2950 * kMs)};
  put_culprit_first(report.blocked, kSpan, 0);
  EXPECT_EQ(report.blocked[0].tid, 3);
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_EQ(report.wall->sleep_ns, 2940 * kMs);
  EXPECT_THAT(ends(report), ElementsAre("timeout.sleep"));
  // Neighbour: it sleeps for a moment only, now and then.
  EXPECT_THAT(order({waits, worker(3, Call::k_clock_nanosleep, 20 * kMs)}), ElementsAre(1, 3));
}

TEST(CulpritTest, FromThreadToThread) {  // who is joined waits for a mutex, whose holder for a host
  Blocked joins = handler(Call::k_pthread_join, 2900 * kMs);
  joins.holder = 2;
  Blocked joined = worker(2, Call::k_pthread_mutex_lock, 2850 * kMs);
  joined.holder = 3;
  const Blocked hangs = worker(3, Call::k_recv, 2870 * kMs, Awaited::kAnswer);
  const Blocked other = worker(4, Call::k_recv, 2890 * kMs, Awaited::kAnswer);
  std::vector<Blocked> blocked = {joins, joined, other, hangs};
  put_culprit_first(blocked, kSpan, 0);
  EXPECT_EQ(blocked[0].tid, 3);
  EXPECT_EQ(blocked[0].sure_percent, 99);
  EXPECT_TRUE(blocked[1].held_up);
}

TEST(CulpritTest, ADeadlockHasAnEnd) {
  Blocked waits = handler(Call::k_pthread_mutex_lock, 2900 * kMs);
  waits.holder = 2;
  Blocked two = worker(2, Call::k_pthread_mutex_lock, 2880 * kMs);
  two.holder = 3;
  Blocked three = worker(3, Call::k_pthread_mutex_lock, 2890 * kMs);
  three.holder = 2;
  Report report = timed_out();
  report.wall->lock_ns = 2900 * kMs;
  report.blocked = {waits, two, three};
  put_culprit_first(report.blocked, kSpan, 0);
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_THAT(ends(report), ElementsAre("timeout.lock"));
}

TEST(CulpritTest, WhoEndedItsWaitsBeforeComesFirst) {
  Blocked waits = handler(Call::k_sem_wait, 2900 * kMs);
  waits.woken_by = {3, 5};
  const Blocked other = worker(2, Call::k_recv, 2890 * kMs, Awaited::kAnswer);
  std::vector<Blocked> blocked = {waits, other,
                                  worker(3, Call::k_recv, 2850 * kMs, Awaited::kAnswer)};
  put_culprit_first(blocked, kSpan, 0);
  EXPECT_EQ(blocked[0].tid, 3);
  EXPECT_EQ(blocked[0].sure_percent, 95);
}

TEST(CulpritTest, WhoEndedItsWaitsBeforeAndSleepsIsIt) {
  Blocked waits = handler(Call::k_sem_wait, 2900 * kMs);
  const Blocked sleeps = worker(3, Call::k_clock_nanosleep, 2850 * kMs);
  EXPECT_THAT(order({waits, sleeps}), ElementsAre(1, 3));  // nothing ties the two
  waits.woken_by = {3};
  std::vector<Blocked> blocked = {waits, sleeps};
  put_culprit_first(blocked, kSpan, 0);
  EXPECT_EQ(blocked[0].tid, 3);
  EXPECT_EQ(blocked[0].sure_percent, 80);
  EXPECT_THAT(order({waits, worker(3, Call::k_clock_nanosleep, 9000 * kMs)}), ElementsAre(1, 3));
}

TEST(CulpritTest, OfSeveralItIsLessSure) {
  std::vector<Blocked> blocked = {handler(Call::k_sem_wait, 2900 * kMs),
                                  worker(2, Call::k_recv, 2800 * kMs, Awaited::kAnswer),
                                  worker(3, Call::k_recv, 2850 * kMs, Awaited::kAnswer)};
  put_culprit_first(blocked, kSpan, 0);
  EXPECT_EQ(blocked[0].tid, 3);
  EXPECT_EQ(blocked[0].sure_percent, 60);
}

Blocked with_timer(Blocked loop) {
  loop.timer_ns = 60'000 * kMs;
  return loop;
}

TEST(CulpritTest, AHandlerThatParksWaitsForTheLoopsTimer) {
  Report report = timed_out();
  report.wall->lock_ns = 2940 * kMs;
  report.blocked = {handler(Call::k_futex, 2930 * kMs),
                    with_timer(worker(2, Call::k_epoll_wait, 2920 * kMs))};
  put_culprit_first(report.blocked, kSpan, 0);
  EXPECT_EQ(report.blocked[0].tid, 2);
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_EQ(report.wall->sleep_ns, 2920 * kMs);
  EXPECT_EQ(report.wall->lock_ns, 20 * kMs);
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.sleep"));
  EXPECT_THAT(text, HasSubstr("for a timer, to be woken after 60.0 s at the latest"));
}

TEST(CulpritTest, ALoopWithATimerIsNobodyElsesReason) {
  const Blocked loop = with_timer(worker(2, Call::k_epoll_wait, 2950 * kMs));
  EXPECT_THAT(order({loop, handler(Call::k_pthread_cond_wait, 2900 * kMs)}), ElementsAre(1, 2));
  const Blocked parks = handler(Call::k_futex, 2900 * kMs);
  EXPECT_THAT(order({worker(2, Call::k_epoll_wait, 2950 * kMs), parks}), ElementsAre(1, 2));
  EXPECT_THAT(order({with_timer(worker(2, Call::k_epoll_wait, 9000 * kMs)), parks}),
              ElementsAre(1, 2));  // since before the invocation
  EXPECT_THAT(order({loop, worker(3, Call::k_recv, 2900 * kMs, Awaited::kAnswer), parks}).front(),
              3);
}

TEST(CulpritTest, AHandlersOwnLoopThatWaitsForItsTimerSleeps) {
  Report report = timed_out();
  report.wall->other_ns = kSpan;
  report.blocked = {with_timer(handler(Call::k_epoll_pwait, 2900 * kMs))};
  charge_to_culprit(*report.wall, report.blocked);
  EXPECT_EQ(report.wall->sleep_ns, 2900 * kMs);
  EXPECT_EQ(report.wall->other_ns, 90 * kMs);
  EXPECT_THAT(ends(report), ElementsAre("timeout.sleep"));
}

TEST(CulpritTest, APipeBetweenTheProcesssOwnThreads) {
  const Blocked idle = worker(2, Call::k_read, 2950 * kMs, Awaited::kOwnThread);
  EXPECT_THAT(order({idle, handler(Call::k_sem_wait, 2900 * kMs)}), ElementsAre(1, 2));
  const Blocked waits = handler(Call::k_read, 2900 * kMs, Awaited::kOwnThread);
  EXPECT_THAT(order({waits, worker(3, Call::k_recv, 2900 * kMs, Awaited::kAnswer)}).front(), 3);
  Report report = timed_out();
  report.blocked = {waits};
  std::string text;
  EXPECT_THAT(ends(report, &text), ElementsAre("timeout.lock"));
  EXPECT_THAT(text, HasSubstr("for another thread of the process, on a pipe between them"));
}

// -- work that goes on after the answer -----------------------------------------------------------

class WorkLeftTest : public ::testing::Test {
 protected:
  static recording::SlotLook thread(std::int32_t tid, std::uint32_t born) {
    recording::SlotLook look;
    look.tid = tid;
    look.generation = 1;
    look.born = born;
    return look;
  }
  static recording::SlotLook waiting(std::int32_t tid, std::uint32_t born, Call call) {
    recording::SlotLook look = thread(tid, born);
    look.call = recording::OpenCall{};
    look.call->call = call;
    return look;
  }
  std::vector<std::string> look(const std::vector<recording::SlotLook>& threads) {
    recording::Invocation entry{};
    entry.sequence = ++sequence_;
    entry.tid = 1;
    Report report;
    report.program = program_;
    left_.look(report, entry, threads, asks_);
    std::vector<std::string> texts;
    for (const Finding& finding : report.findings) {
      EXPECT_FALSE(finding.evidence.empty() || finding.advice.empty());
      texts.push_back(std::string(finding.code) + ": " + finding.text);
    }
    return texts;
  }
  WorkLeft left_;
  std::uint64_t sequence_ = 0;
  std::string program_ = "node";
  WorkLeft::Asks asks_{[](std::int32_t tid) { return tid == 9; },
                       [](const recording::OpenCall& call) {
                         return call.call == Call::k_recv ? std::string("localhost:18120")
                                                          : std::string();
                       },
                       [](std::uint64_t ticks) { return ticks; }};
};

TEST_F(WorkLeftTest, IsToldWhereItIsLeftAndWhereItGoesOn) {
  EXPECT_THAT(look({waiting(1, 0, Call::k_recv), waiting(5, 1, Call::k_recv)}),
              ElementsAre("work.left: A thread that this invocation started went on after it: "
                          "thread 5 was waiting for localhost:18120."));
  recording::SlotLook now = waiting(5, 1, Call::k_recv);
  now.class_ticks[static_cast<std::size_t>(recording::CallClass::kNetwork)] = 20 * kMs;
  EXPECT_THAT(look({now}),
              ElementsAre("work.from_before: Thread 5, which invocation 1 left working, went on in "
                          "this one: 20.0 ms in calls, waiting for localhost:18120 at its end."));
  EXPECT_THAT(look({now}), IsEmpty());  // once
}

// -- what workers did for the handler -------------------------------------------------------------

TEST(WorkersTest, AWaitForWorkersIsWhatTheBusiestDid) {
  WallFigures wall;
  wall.total_ns = 900 * kMs;
  wall.lock_ns = 800 * kMs;
  WorkerTime quick;
  quick.network_ns = 100 * kMs;
  WorkerTime slow;
  slow.network_ns = 700 * kMs;
  slow.dns_ns = 50 * kMs;
  charge_to_workers(wall, {quick, slow, quick});
  EXPECT_EQ(wall.network_ns, 700 * kMs);
  EXPECT_EQ(wall.dns_ns, 50 * kMs);
  EXPECT_EQ(wall.lock_ns, 50 * kMs);
  slow.network_ns = 9000 * kMs;  // a figure that cannot be: the whole stays the whole
  charge_to_workers(wall, {slow});
  EXPECT_EQ(wall.network_ns + wall.dns_ns + wall.lock_ns, 800 * kMs);
  wall = {};
  wall.lock_ns = 100 * kMs;
  WorkerTime talks;
  talks.network_ns = 12 * kMs;
  WorkerTime reads;
  reads.file_ns = 17 * kMs;  // HotSpot reads its control group's figures
  charge_to_workers(wall, {talks, reads});
  EXPECT_EQ(wall.network_ns, 12 * kMs);
  EXPECT_EQ(wall.file_ns, 0U);
  reads.file_ns = 60 * kMs;
  charge_to_workers(wall, {talks, reads});
  EXPECT_EQ(wall.file_ns, 60 * kMs);
  wall.lock_ns = 100 * kMs;
  charge_to_workers(wall, {WorkerTime{}});
  charge_to_workers(wall, {});
  EXPECT_EQ(wall.lock_ns, 100 * kMs);
}

TEST(WorkersTest, AWaitForThreadsThatComputeIsCpu) {
  const auto look = [](std::int32_t tid, const char* name, std::uint64_t cpu_ms) {
    ThreadLook one;
    one.tid = tid;
    one.name = name;
    one.cpu_ns = cpu_ms * kMs;
    return one;
  };
  const std::vector<ThreadLook> first = {look(1, "java", 100), look(2, "GC Thread#0", 10),
                                         look(3, "C2 CompilerThre", 10)};
  const std::vector<ThreadLook> second = {look(1, "java", 900), look(2, "GC Thread#0", 410),
                                          look(3, "C2 CompilerThre", 990)};
  const ComputingThread busiest = busiest_between(first, second, 1);
  EXPECT_EQ(busiest.name, "GC Thread#0");
  EXPECT_EQ(busiest.cpu_ns, 400 * kMs);
  EXPECT_EQ(busiest.delay_ns, 0U);
  EXPECT_TRUE(busiest.collects);
  WallFigures wall;
  wall.cpu_ns = 5 * kMs;
  wall.lock_ns = 500 * kMs;
  EXPECT_EQ(charge_to_computing(wall, busiest), 400 * kMs);
  EXPECT_EQ(wall.cpu_ns, 405 * kMs);
  EXPECT_EQ(wall.lock_ns, 100 * kMs);
  wall = {};
  wall.lock_ns = 500 * kMs;
  EXPECT_EQ(charge_to_computing(wall, {"worker", 100 * kMs, 250 * kMs, false}), 350 * kMs);
  EXPECT_EQ(wall.cpu_ns, 100 * kMs);
  EXPECT_EQ(wall.runnable_ns, 250 * kMs);  // it wanted to, and had no CPU
  EXPECT_EQ(wall.lock_ns, 150 * kMs);
  wall.lock_ns = 900 * kMs;  // less than half of the wait: it does not explain it
  EXPECT_EQ(charge_to_computing(wall, busiest), 0U);
}

TEST_F(WorkLeftTest, WhoComputesWorks) {
  EXPECT_THAT(look({thread(9, 1)}), IsEmpty());  // it may be about to end
  EXPECT_THAT(look({thread(9, 1)}),
              ElementsAre(HasSubstr("went on in this one: computing at its")));
  EXPECT_THAT(look({}), IsEmpty());
}

TEST_F(WorkLeftTest, WhoWasAboutToEndHasEnded) {
  EXPECT_THAT(look({thread(9, 1)}), IsEmpty());
  EXPECT_THAT(look({}), IsEmpty());
}

TEST_F(WorkLeftTest, WhoWaitsForTheInterpreterMayWork) {
  const recording::SlotLook locked = waiting(5, 1, Call::k_pthread_cond_wait);
  EXPECT_THAT(look({locked}), IsEmpty());
  EXPECT_THAT(look({waiting(5, 1, Call::k_recv)}), IsEmpty());  // not in Python: it got new work
  program_ = "python3.11";
  const recording::SlotLook other = waiting(6, 3, Call::k_pthread_cond_wait);
  EXPECT_THAT(look({other}), IsEmpty());
  recording::SlotLook again = other;  // it has worked, and rests or waits for the lock once more
  again.class_ticks[static_cast<std::size_t>(recording::CallClass::kNetwork)] = 20 * kMs;
  EXPECT_THAT(look({again}), IsEmpty());
  again.call->call = Call::k_recv;
  EXPECT_THAT(look({again}), ElementsAre(HasSubstr("Thread 6, which invocation 3 left working")));
}

TEST_F(WorkLeftTest, NeighboursThatRest) {
  EXPECT_THAT(look({waiting(5, 1, Call::k_sem_wait), waiting(6, 1, Call::k_pthread_cond_wait),
                    waiting(7, 1, Call::k_epoll_wait), waiting(8, 1, Call::k_clock_nanosleep),
                    waiting(10, 1, Call::k_read), thread(11, 1)}),
              IsEmpty());
  EXPECT_THAT(look({waiting(5, 0, Call::k_recv)}), IsEmpty());  // init's, or another's
  EXPECT_THAT(look({waiting(5, 1, Call::k_recv)}), IsEmpty());
}

// -- from a recording -----------------------------------------------------------------------------

class KilledTest : public ::testing::Test {
 protected:
  KilledTest() : builder_(directory_.path() + "/1.rec") {
    builder_.header().pid = 4711;
    recording::Writer& writer = builder_.writer();
    target_ = writer.take_target(recording::TargetKind::kHost, 0);
    recording::Target& target = writer.target_at(target_);
    std::strncpy(target.name, "db.internal", 100);
    target.address_kind = recording::kAddressIp4;
    target.port = 5432;
    target.ready = 1;
    builder_.end_init();
    builder_.start("open", 3000);
    began_ = recording::monotonic_ns();
  }
  recording::Descriptor& connection(int fd) {
    recording::Descriptor& entry = builder_.writer().descriptor(fd);
    entry.target = static_cast<std::uint16_t>(target_ + 1);
    entry.kind = recording::DescriptorKind::kHost;
    return entry;
  }
  static void enter(recording::ThreadSlot& slot, Call call, int fd, std::uint64_t at) {
    slot.in_flight = {static_cast<std::uint32_t>(call) + 1, fd, at, 0, 0, 0, 0};
  }
  Report killed(const Closeup& closeup = {}) {
    recording::Failure failure;
    Ledger ledger(std::move(*recording::Reader::open(builder_.path(), failure)));
    EndCause end;
    end.status = Status::kTimeout;
    end.mono_ns = began_ + 60'000 * kMs;
    end.duration_known = true;
    end.closeup = closeup;
    Report found;
    ledger.report_open(end, [&found](Report& report) { found = report; });
    return found;
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
  std::uint32_t target_ = 0;
  std::uint64_t began_ = 0;
};

TEST_F(KilledTest, ALoopThatAskedWaitsForTheNetwork) {
  recording::Descriptor& entry = connection(7);
  entry.sent = entry.invocation = began_ + kMs;
  entry.watched_by = 5 + 1;
  enter(builder_.slot(), Call::k_epoll_wait, 5, began_ + 2800 * kMs);
  const Report report = killed();
  ASSERT_EQ(report.blocked.size(), 1U);
  EXPECT_EQ(report.blocked[0].target, "0.0.0.0:5432 (db.internal)");
  EXPECT_EQ(report.blocked[0].awaited, Awaited::kAnswer);
  EXPECT_GT(report.blocked[0].unanswered_ns.value_or(0), 2900 * kMs);
  EXPECT_GT(report.wall->network_ns, 150 * kMs);
  EXPECT_EQ(report.wall->other_ns + report.wall->network_ns, report.wall->total_ns);
  ASSERT_EQ(report.targets.hosts.size(), 1U);
  EXPECT_EQ(report.targets.hosts[0].wait_ns, report.wall->network_ns);
}

TEST_F(KilledTest, ALoopThatWasAnsweredIsIdle) {
  recording::Descriptor& entry = connection(7);
  entry.invocation = 2;
  entry.received = began_ + 37 * kMs;
  entry.watched_by = 5 + 1;
  enter(builder_.slot(), Call::k_epoll_wait, 5, began_ + 38 * kMs);
  const Report report = killed();
  EXPECT_EQ(report.blocked.at(0).awaited, Awaited::kNothing);
  EXPECT_EQ(report.last_answer_from, "db.internal:5432");
  EXPECT_NEAR(static_cast<double>(report.last_answer_ns.value_or(0)), 37e6, 2e6);
  EXPECT_LT(report.wall->network_ns, 10 * kMs);
  EXPECT_EQ(report.findings.at(0).code, "timeout.idle_loop");
  entry.watched_by = 6 + 1;  // another loop's: this one has no connection
  EXPECT_EQ(killed().blocked.at(0).awaited, Awaited::kUnknown);
  entry.watched_by = 5 + 1;
  recording::Descriptor& pipe = builder_.writer().descriptor(9);
  pipe.other = 10 + 1;  // and 10 is closed here: a child has it
  pipe.kind = recording::DescriptorKind::kPipe;
  EXPECT_EQ(killed().blocked.at(0).awaited, Awaited::kUnknown);
}

TEST_F(KilledTest, TheHandlerIsNotWhoHasWaitedSinceBefore) {
  // The JVM: its first thread launches the one that handles requests, and joins it for ever.
  recording::ThreadSlot* launched = builder_.writer().take_slot(4712);
  builder_.respond("open");
  builder_.end();
  enter(builder_.slot(), Call::k_pthread_join, -1, began_);
  const recording::RequestFacts facts{"next", "", "", (recording::realtime_ns() / kMs) + 3000};
  builder_.writer().mark_start(facts, launched, 4712, RecordingBuilder::now(),
                               recording::realtime_ns());
  connection(7).sent = recording::monotonic_ns();
  enter(*launched, Call::k_recv, 7, recording::monotonic_ns());
  const Report report = killed();
  ASSERT_TRUE(report.wall);
  EXPECT_EQ(report.wall->tid, 4712);
  EXPECT_GT(report.wall->network_ns, 2900 * kMs);
  EXPECT_EQ(report.blocked.at(0).tid, 4712);
}

TEST_F(KilledTest, TheHandlerIsNotThePoolsThreadThatReceivedIt) {
  // .NET: a thread of the pool reads the event, the first one handles it.
  recording::ThreadSlot* pool = builder_.writer().take_slot(4712);
  builder_.respond("open");
  builder_.end();
  const recording::RequestFacts facts{"next", "", "", (recording::realtime_ns() / kMs) + 3000};
  builder_.writer().mark_start(facts, pool, 4712, RecordingBuilder::now(),
                               recording::realtime_ns());
  connection(7).sent = recording::monotonic_ns();
  enter(builder_.slot(), Call::k_recvmsg, 7, recording::monotonic_ns());
  enter(*pool, Call::k_pthread_cond_wait, -1, recording::monotonic_ns());
  Closeup closeup;
  closeup.threads.emplace_back();  // it used more CPU than the handler, in reading the event
  closeup.threads[0].tid = 4712;
  closeup.threads[0].cpu_ns = 5 * kMs;
  const Report report = killed(closeup);
  ASSERT_TRUE(report.wall);
  EXPECT_EQ(report.wall->tid, 4711);
  EXPECT_GT(report.wall->network_ns, 2900 * kMs);
  EXPECT_EQ(report.blocked.at(0).tid, 4711);
}

// Who computes is in no call, and the recording of a dead process does not say who did.
TEST_F(KilledTest, WhereNobodyLookedTheLineSaysSo) {
  const std::string said = "threads that compute: nobody looked before the end";
  const auto says = [&said](const Report& report) {
    const auto& unseen = report.coverage.unseen;
    return std::find(unseen.begin(), unseen.end(), said) != unseen.end();
  };
  EXPECT_TRUE(says(killed()));
  Closeup closeup;
  closeup.mono_ns = began_ + 2900 * kMs;
  EXPECT_FALSE(says(killed(closeup)));
  enter(builder_.slot(), Call::k_recvmsg, 7, began_ + kMs);
  EXPECT_FALSE(says(killed())) << "it was in a call: that is known";
}

}  // namespace
}  // namespace lamprey::report
