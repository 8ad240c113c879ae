// How ends are judged: the process's own account, the platform's reason, the kernel's counters; and
// the findings that go with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "companion/ending.h"
#include "report/findings/findings.h"
#include "report/findings/memory_end.h"
#include "report/ledger/at_rest.h"
#include "report/text/end_description.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::report {
namespace {

using companion::Circumstances;
using companion::ending_of;
using companion::open_ending;
using lambda::ShutdownReason;
using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using recording::DeathKind;
using recording::DeathState;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

class AccountTest : public ::testing::Test {
 protected:
  AccountTest() : builder_(directory_.path() + "/1.rec") {}
  recording::Death& death(std::uint32_t which, DeathKind kind, int signal) {
    recording::Death& d = builder_.header().deaths[which];
    d.state = DeathState::kWritten;
    d.kind = kind;
    d.signal = signal;
    d.tid = 4711;
    d.at = RecordingBuilder::now();
    return d;
  }
  recording::Death& by_signal(int number, int code) {
    recording::Death& d = death(recording::kDeathBySignal, DeathKind::kSignal, number);
    d.code = code;
    return d;
  }
  Ledger ledger() {
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return Ledger(std::move(*reader));
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(AccountTest, NoneWhereNothingWasWritten) {
  EXPECT_FALSE(ledger().self_report());
  by_signal(SIGSEGV, 1).state = DeathState::kWriting;  // killed while it wrote
  EXPECT_FALSE(ledger().self_report());
}

TEST_F(AccountTest, AFaultSaysWhatAndWhere) {
  recording::Death& d = by_signal(SIGSEGV, SEGV_MAPERR);
  d.address = 0x10;
  d.stack_pointer = 0x7FFF00000000;
  d.offset = 0x12AC;
  std::strncpy(d.module, "/var/task/native.so", sizeof(d.module) - 1);
  const auto account = ledger().self_report();
  ASSERT_TRUE(account);
  EXPECT_EQ(account->status, Status::kCrash);
  EXPECT_EQ(account->death.reason, "SIGSEGV: address not mapped in native.so+0x12ac");
  EXPECT_EQ(account->death.address, 0x10U);
  EXPECT_FALSE(account->death.stack_overflow);
}

TEST_F(AccountTest, AFaultBesideTheStackPointerIsAStackThatRanOut) {
  recording::Death& d = by_signal(SIGSEGV, SEGV_MAPERR);
  d.stack_pointer = 0x7FFF00001000;
  d.address = d.stack_pointer - 8;
  EXPECT_TRUE(ledger().self_report()->death.stack_overflow);
  d.address = d.stack_pointer - (std::uint64_t{2} << 20U);
  EXPECT_FALSE(ledger().self_report()->death.stack_overflow);
}

TEST_F(AccountTest, LibcsMessageAndTheTypeOfAnException) {
  recording::Death& d = by_signal(SIGABRT, SI_TKILL);
  d.sender = builder_.header().pid;
  std::strncpy(d.message, "free(): double free detected in tcache 2\n", sizeof(d.message) - 1);
  EXPECT_EQ(ledger().self_report()->death.reason,
            "abort(): free(): double free detected in tcache 2");
  d.kind = DeathKind::kAbort;
  std::strncpy(d.message, "St13runtime_error", sizeof(d.message) - 1);
  EXPECT_THAT(ledger().self_report()->death.reason, HasSubstr("uncaught C++ exception"));
}

TEST_F(AccountTest, TheFaultComesBeforeWhatItsHandlerDid) {
  recording::Death& d = death(recording::kDeathBySignal, DeathKind::kAbort, SIGABRT);
  d.first_signal = SIGSEGV;
  d.first_code = SEGV_MAPERR;
  d.address = 8;
  d.pc = 0x1000;
  d.stack_pointer = 0x7FFF00000000;
  d.offset = 0x44;
  std::strncpy(d.module, "/usr/lib/libjvm.so", sizeof(d.module) - 1);
  const auto account = ledger().self_report();
  EXPECT_EQ(account->death.reason,
            "SIGSEGV: address not mapped in libjvm.so+0x44 (its handler called abort())");
  EXPECT_EQ(account->death.signal, "SIGABRT");
  EXPECT_EQ(account->death.address, 8U);
  EXPECT_EQ(account->death.pc, 0x1000U);
  d.kind = DeathKind::kSent;
  d.signal = SIGSEGV;
  EXPECT_EQ(ledger().self_report()->death.reason, "SIGSEGV: address not mapped in libjvm.so+0x44");
}

TEST_F(AccountTest, AnAbortIsToldFromAKillOfOneself) {
  recording::Death& d = by_signal(SIGABRT, SI_USER);
  d.sender = builder_.header().pid;
  EXPECT_EQ(ledger().self_report()->death.reason, "SIGABRT, sent by the process itself");
  d.code = SI_TKILL;
  EXPECT_THAT(ledger().self_report()->death.reason, HasSubstr("abort()"));
}

TEST_F(AccountTest, ASignalFromOutsideIsToldFromOnesOwn) {
  recording::Death& d = by_signal(SIGTERM, SI_USER);
  d.sender = 4;
  EXPECT_EQ(ledger().self_report()->death.reason, "SIGTERM from process 4");
  d.sender = builder_.header().pid;
  EXPECT_EQ(ledger().self_report()->death.reason, "SIGTERM, sent by the process itself");
}

TEST_F(AccountTest, AnAbortThatWasSurvivedIsNone) {
  builder_.end_init();
  death(recording::kDeathBySignal, DeathKind::kAbort, SIGABRT).at = {1, 1};
  builder_.start("a");
  EXPECT_FALSE(ledger().self_report());
}

TEST_F(AccountTest, TheLaterOfTwoIsTheLastWord) {
  death(recording::kDeathByExit, DeathKind::kExit, 0).exit_code = 3;
  EXPECT_EQ(ledger().self_report()->death.exit_code, 3);
  by_signal(SIGSEGV, 1);  // in a destructor
  EXPECT_EQ(ledger().self_report()->signal, SIGSEGV);
}

TEST_F(AccountTest, WhatMakesNoSenseIsDropped) {
  by_signal(SIGSEGV, 1).signal = 900;
  Ledger book = ledger();
  EXPECT_FALSE(book.self_report());
  EXPECT_GT(book.reader().dropped_count(), 0U);
}

// -- who has a say --------------------------------------------------------------------------------

SelfReport exited_with(int code) {
  SelfReport account;
  account.status = Status::kExit;
  account.death.exit_code = code;
  account.death.reason = "exit(3)";
  return account;
}

SelfReport killed_by(int number) {
  SelfReport account;
  account.status = Status::kCrash;
  account.signal = number;
  account.death.signal = signal_name(number);
  return account;
}

TEST(EndingTest, AFailureIsExplainedByWhoeverKnowsMost) {
  Circumstances known;
  EXPECT_EQ(ending_of(ShutdownReason::kFailure, known).status, Status::kError);
  known.gone = true;
  EXPECT_EQ(ending_of(ShutdownReason::kFailure, known).status, Status::kCrash);
  known.memory = {90, "the kernel counted a kill"};
  EXPECT_EQ(ending_of(ShutdownReason::kFailure, known).status, Status::kOutOfMemory);
  known.account = exited_with(3);
  EXPECT_EQ(ending_of(ShutdownReason::kFailure, known).status, Status::kExit);
  EXPECT_EQ(ending_of(ShutdownReason::kFailure, known).death.exit_code, 3);
}

TEST(EndingTest, WhoReportedThatInitFailedHasNotJustLeft) {
  Circumstances known;
  known.init_ended = false;
  known.account = SelfReport{};
  known.account->status = Status::kExit;
  known.account->death.exit_code = 1;
  // AWS's emulator says spindown the first time, and failure after that.
  for (const ShutdownReason reason : {ShutdownReason::kFailure, ShutdownReason::kSpindown}) {
    known.init_error = false;
    known.account->status = Status::kExit;
    EXPECT_EQ(ending_of(reason, known).status, Status::kExit);
    known.init_error = true;
    EXPECT_EQ(ending_of(reason, known).status, Status::kError);
    known.account->status = Status::kCrash;
    EXPECT_EQ(ending_of(reason, known).status, Status::kCrash);
  }
}

TEST(EndingTest, AnOrderlyEndIsOneAlsoBySigterm) {
  Circumstances known;
  known.account = killed_by(SIGTERM);
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).status, Status::kOk);
  EXPECT_EQ(open_ending(ending_of(ShutdownReason::kSpindown, known), known).status, Status::kCrash);
  known.account = killed_by(SIGSEGV);
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).status, Status::kCrash);
}

// AWS's emulator calls it a spindown when init has failed.
TEST(EndingTest, AnExitBeforeInitEndedIsNoOrderlyEnd) {
  Circumstances known;
  known.account = exited_with(7);
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).status, Status::kOk);
  known.init_ended = false;
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).status, Status::kExit);
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).death.exit_code, 7);
  known.account = killed_by(SIGTERM);
  EXPECT_EQ(ending_of(ShutdownReason::kSpindown, known).status, Status::kOk);
}

TEST(EndingTest, AFailureOfInitIsNotLaidOnThePlatform) {
  Circumstances known;
  EXPECT_THAT(ending_of(ShutdownReason::kFailure, known).death.reason, HasSubstr("the platform"));
  known.init_ended = false;
  EXPECT_THAT(ending_of(ShutdownReason::kFailure, known).death.reason,
              HasSubstr("the runtime reported an error"));
}

TEST(EndingTest, ATimeoutStaysOneWhateverTheProcessSaid) {
  Circumstances known;
  known.account = killed_by(SIGTERM);
  EXPECT_EQ(ending_of(ShutdownReason::kTimeout, known).status, Status::kTimeout);
}

// -- want of memory -------------------------------------------------------------------------------

MemoryEvidence evidence_at(std::int64_t live_mb) {
  MemoryEvidence evidence;
  evidence.limit_bytes = std::uint64_t{128} << 20U;
  evidence.live_bytes = live_mb << 20;
  return evidence;
}

TEST(MemoryVerdictTest, TheGroupsCounterDecides) {
  MemoryEvidence evidence = evidence_at(10);
  evidence.before.group = 1;
  evidence.after.group = 2;
  EXPECT_EQ(judge_memory(evidence).confidence_percent, 99);
  evidence = evidence_at(127);
  evidence.before.group = evidence.after.group = 2;
  EXPECT_EQ(judge_memory(evidence).confidence_percent, 0);  // full, and yet killed by somebody else
}

TEST(MemoryVerdictTest, TheMachinesCounterNeedsAFullProcess) {
  MemoryEvidence evidence = evidence_at(100);
  evidence.before.machine = 5;
  evidence.after.machine = 6;
  EXPECT_EQ(judge_memory(evidence).confidence_percent, 90);
  evidence.live_bytes = std::int64_t{10} << 20;
  EXPECT_EQ(judge_memory(evidence).confidence_percent, 0);  // somebody else's
  evidence.highest_rss_bytes = std::uint64_t{120} << 20U;
  EXPECT_EQ(judge_memory(evidence).confidence_percent, 90);
}

TEST(MemoryVerdictTest, WithoutCountersOnlyTheLimitSpeaks) {
  EXPECT_EQ(judge_memory(evidence_at(120)).confidence_percent, 60);
  EXPECT_EQ(judge_memory(evidence_at(60)).confidence_percent, 0);
  MemoryEvidence unlimited = evidence_at(120);
  unlimited.limit_bytes.reset();
  EXPECT_EQ(judge_memory(unlimited).confidence_percent, 0);
}

// -- findings -------------------------------------------------------------------------------------

std::vector<std::string> codes_of(Report report) {
  add_ending_findings(report);
  std::vector<std::string> codes;
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.text.empty());
    EXPECT_FALSE(finding.advice.empty());
    codes.emplace_back(finding.code);
  }
  return codes;
}

Report timed_out(recording::Call call, const char* target = "") {
  Report report;
  report.status = Status::kTimeout;
  Blocked blocked;
  blocked.call = call;
  blocked.target = target;
  blocked.for_ns = 2'900'000'000;
  report.blocked.push_back(blocked);
  return report;
}

TEST(EndingFindingsTest, EachHangHasItsOwn) {
  using recording::Call;
  EXPECT_THAT(codes_of(timed_out(Call::k_connect, "10.0.3.17:5432")), Contains("timeout.connect"));
  EXPECT_THAT(codes_of(timed_out(Call::k_epoll_wait, "10.0.3.17:5432 (connecting)")),
              Contains("timeout.connect"));
  EXPECT_THAT(codes_of(timed_out(Call::k_recv, "10.0.3.17:5432")), Contains("timeout.answer"));
  EXPECT_THAT(codes_of(timed_out(Call::k_epoll_wait, "10.0.3.17:5432")),
              Contains("timeout.answer"));
  EXPECT_THAT(codes_of(timed_out(Call::k_getaddrinfo, "db")), Contains("timeout.dns"));
  EXPECT_THAT(codes_of(timed_out(Call::k_nanosleep)), Contains("timeout.sleep"));
  EXPECT_TRUE(codes_of(timed_out(Call::k_epoll_wait)).empty());  // nothing is known of it
  EXPECT_TRUE(codes_of(timed_out(Call::k_fsync)).empty());
  Report busy = timed_out(Call::k_open);
  busy.blocked.front().on_cpu = true;
  EXPECT_THAT(codes_of(busy), Contains("timeout.cpu"));
  Report fine = timed_out(Call::k_connect, "10.0.3.17:5432");
  fine.status = Status::kOk;
  EXPECT_TRUE(codes_of(fine).empty());
}

Report crashed(const char* signal, const char* reason) {
  Report report;
  report.status = Status::kCrash;
  report.death.signal = signal;
  report.death.reason = reason;
  return report;
}

TEST(EndingFindingsTest, EachDeathHasItsOwn) {
  EXPECT_THAT(codes_of(crashed("SIGABRT", "abort(): free(): invalid pointer")),
              Contains("crash.heap"));
  EXPECT_TRUE(codes_of(crashed("SIGABRT", "abort()")).empty());
  EXPECT_THAT(codes_of(crashed("SIGPIPE", "SIGPIPE")), Contains("crash.pipe"));
  EXPECT_TRUE(codes_of(crashed("SIGSEGV", "SIGSEGV: address not mapped")).empty());
  Report overflow = crashed("SIGSEGV", "SIGSEGV: stack overflow");
  overflow.death.stack_overflow = true;
  EXPECT_THAT(codes_of(overflow), Contains("crash.recursion"));
  Report heap = crashed("SIGABRT", "abort()");
  heap.death.stack_text = "abort (libc.so.6); node::OOMErrorHandler (node +0x1)";
  EXPECT_THAT(codes_of(heap), Contains("memory.heap_limit"));
}

TEST(EndingFindingsTest, JavasOwnEndForWantOfHeap) {
  Report report;
  report.status = Status::kExit;
  report.death.exit_code = 3;
  EXPECT_THAT(codes_of(report), Contains("exit.in_invocation"));
  report.program = "java";
  EXPECT_THAT(codes_of(report), Contains("memory.java_heap"));
  Blocked handler;  // System.exit(3), halt(3): it waits for the VM's thread
  handler.handler = true;
  report.blocked = {handler};
  EXPECT_THAT(codes_of(report), Contains("exit.in_invocation"));
  report.death.stack = {Frame{}};
  report.death.stack[0].function = std::make_shared<const recording::SourceFunction>();
  EXPECT_THAT(codes_of(report), Contains("memory.java_heap"));
  report.type = Type::kShutdown;  // said once is enough
  EXPECT_TRUE(codes_of(report).empty() || codes_of(report).size() == 1);
}

}  // namespace
}  // namespace lamprey::report
