// What an environment has little of, and its children: each finding fires on its kind, and healthy
// neighbours of it have none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/findings/children.h"
#include "report/findings/findings.h"
#include "report/findings/memory_watch.h"
#include "report/findings/time_history.h"
#include "report/text/headline.h"

namespace lamprey::report {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kMb = std::uint64_t{1} << 20U;

Report found_in(Report report) {
  add_findings(report);
  return report;
}

std::vector<std::string> codes(const Report& report) {
  std::vector<std::string> found;
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.text.empty() || finding.advice.empty());
    found.emplace_back(finding.code);
  }
  return found;
}

TEST(LimitFindingsTest, Descriptors) {
  Report report;
  report.process.fd_use = report.process.fd_max = 256;
  report.limits.descriptors = 44;
  report.limits.held = {
      {"connections to localhost", 240}, {"pipes", 6}, {"files in /var", 2}, {"x", 1}};
  const Report full = found_in(report);
  ASSERT_THAT(codes(full), ElementsAre("fds.limit"));
  EXPECT_EQ(full.findings[0].severity, Severity::kCritical);
  EXPECT_EQ(full.findings[0].text,
            "256 of 256 descriptors are in use: 240 connections to localhost, 6 pipes, 2 files in "
            "/var; 44 calls failed for want of one (EMFILE).");
  report.limits.descriptors = 0;
  EXPECT_EQ(found_in(report).findings[0].severity, Severity::kWarning);
  report.process.fd_use = 230;  // 89 %
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
  report.process.fd_use = 256;
  report.process.fd_max.reset();
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
}

TEST(LimitFindingsTest, ThreadsSpaceAndSharedMemory) {
  Report report;
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
  report.limits.threads = 1;
  report.process.threads = 900;
  EXPECT_THAT(codes(found_in(report)), ElementsAre("threads.limit"));
  report.limits = {};
  report.limits.space = 3;
  report.process.tmp_used = 511 * kMb;
  report.process.tmp_max = 512 * kMb;
  FileFigures file;
  file.path = "/tmp/cache/a";
  file.written_bytes = 300 * kMb;
  report.targets.files = {file};
  const Report full = found_in(report);
  ASSERT_THAT(codes(full), ElementsAre("files.tmp_full"));
  EXPECT_THAT(full.findings[0].text, HasSubstr("written most: /tmp/cache/a 300 MB"));
  report = {};
  report.limits.shared_memory = 1;
  EXPECT_THAT(codes(found_in(report)), ElementsAre("system.no_shared_memory"));
}

ChildFigures child(const char* program, std::int32_t pid) {
  ChildFigures child;
  child.program = program;
  child.pid = pid;
  child.arguments = 3;
  child.duration_ns = 2000 * kMs;
  return child;
}

Report with(ChildFigures child) {
  Report report;
  report.duration_ns = 2100 * kMs;
  report.memory_limit_mb = 192;
  report.process.rss_bytes = report.process.peak_rss_bytes = 40 * kMb;
  report.children.push_back(std::move(child));
  return report;
}

TEST(ChildFindingsTest, OneThatWasKilled) {
  ChildFigures killed = child("python3", 7);
  killed.signal = "SIGKILL";
  killed.cpu_ns = 1500 * kMs;
  killed.max_rss_bytes = 150 * kMb;
  Report report = with(killed);
  report.memory_kill = true;
  report.process.all_peak_rss_bytes = 190 * kMb;
  report.wall = WallFigures{};
  report.wall->total_ns = 2100 * kMs;
  report.wall->child_ns = 2000 * kMs;  // children.slow would say the same
  const Report told = found_in(report);
  ASSERT_THAT(codes(told), ElementsAre("children.killed"));
  EXPECT_EQ(told.findings[0].severity, Severity::kCritical);
  EXPECT_EQ(
      told.findings[0].text,
      "The child python3 (pid 7, 3 arguments) was killed by SIGKILL after 2.00 s, 1.50 s of "
      "CPU, 150 MB: the kernel counted a kill for want of memory; all processes together were "
      "seen to hold 190 MB of 192 MB.");
  report.memory_kill = false;
  EXPECT_EQ(found_in(report).findings[0].severity, Severity::kWarning);
  report.wall.reset();
  report.children[0].signalled = true;  // as browsers and timeouts end theirs
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
  report.children[0].signalled = false;
  report.children[0].signal = "SIGTERM";
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
  report.children[0].signal.clear();
  report.children[0].exit_code = 1;  // as grep, or a probe for a program
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
}

// A child begins with its parent's memory: what rusage says up to there is the parent's.
TEST(ChildFindingsTest, MemoryOfTheParentIsNotToldAsTheChilds) {
  ChildFigures ended = child("true", 7);
  ended.exit_code = 0;
  ended.max_rss_bytes = 40 * kMb;
  const Report report = with(ended);
  EXPECT_EQ(child_account(report, report.children[0]), "ended with exit code 0 after 2.00 s");
}

Report timed_out(recording::Call call, const char* target) {
  ChildFigures running = child("./ffmpeg", 9);
  running.running = true;
  Report report = with(running);
  report.status = Status::kTimeout;
  Blocked blocked;
  blocked.call = call;
  blocked.main = blocked.handler = true;
  blocked.for_ns = 1990 * kMs;
  blocked.target = target;
  report.blocked.push_back(std::move(blocked));
  return report;
}

TEST(ChildFindingsTest, OneThatHangs) {
  const Report report = found_in(timed_out(recording::Call::k_poll, ""));
  ASSERT_THAT(codes(report), ElementsAre("timeout.child"));
  EXPECT_THAT(report.findings[0].text,
              HasSubstr("The child ./ffmpeg (pid 9, 3 arguments) has not ended for 2.00 s"));
  EXPECT_THAT(codes(found_in(timed_out(recording::Call::k_read, "a pipe"))),
              ElementsAre("timeout.child"));
  EXPECT_THAT(codes(found_in(timed_out(recording::Call::k_waitpid, "pid 9"))),
              ElementsAre("timeout.child"));
  // Another child, a host, a lock: what the thread waits for is known, and is not this child.
  EXPECT_THAT(codes(found_in(timed_out(recording::Call::k_poll, "10.0.0.1:443"))),
              ElementsAre("timeout.answer"));
  EXPECT_EQ(child_waited_for(timed_out(recording::Call::k_waitpid, "pid 8")), nullptr);
  Report older = timed_out(recording::Call::k_epoll_wait, "");
  older.children[0].earlier = true;  // one that is kept between invocations
  EXPECT_EQ(child_waited_for(older), nullptr);
}

TEST(ChildFindingsTest, ThoseThatPileUp) {
  TimeHistory running;
  TimeHistory forgotten;
  TimeHistory kept;
  for (int i = 1; i <= 6; ++i) {
    Report report;
    ChildFigures one = child("worker", i);
    one.running = true;
    report.children.assign(static_cast<std::size_t>(i), one);
    running.add_findings(report);
    EXPECT_EQ(codes(report),
              i == 6 ? std::vector<std::string>{"children.leak"} : std::vector<std::string>{});
    Report ended;
    one.running = false;
    one.forgotten = true;
    ended.children.assign(static_cast<std::size_t>(i), one);
    forgotten.add_findings(ended);
    EXPECT_EQ(codes(ended), i == 6 ? std::vector<std::string>{"children.not_waited_for"}
                                   : std::vector<std::string>{});
    Report pool;
    one.forgotten = false;
    one.running = true;
    pool.children.assign(4, one);
    kept.add_findings(pool);
    EXPECT_THAT(codes(pool), IsEmpty());
  }
}

TEST(ChildFindingsTest, MemoryIsThatOfAllProcesses) {
  Report report;
  report.memory_limit_mb = 256;
  report.process.peak_rss_bytes = 40 * kMb;
  report.process.all_peak_rss_bytes = 240 * kMb;
  MemoryWatch watch;
  watch.look(report, [] { return std::nullopt; });
  ASSERT_THAT(codes(report), ElementsAre("memory.tight"));
  EXPECT_THAT(report.findings[0].text, HasSubstr("process and its children"));
  for (int i = 0; i < 60; ++i) {
    Report next = report;
    next.findings.clear();
    watch.look(next, [] { return std::nullopt; });
    EXPECT_THAT(codes(next), ::testing::Not(Contains("memory.oversized")));
  }
}

TEST(EndingFindingsTest, WhatTheRuntimeSaidOfInit) {
  Report report;
  report.type = Type::kInit;
  report.status = Status::kExit;
  report.death.exit_code = 1;
  report.error_type = "Runtime.ImportModuleError";
  const Report told = found_in(report);
  ASSERT_THAT(codes(told), ElementsAre("init.failed"));
  EXPECT_EQ(told.findings[0].text, "Init failed with Runtime.ImportModuleError, then status 1.");
  EXPECT_THAT(std::string(told.findings[0].advice), HasSubstr("module is missing"));
  report.error_type.clear();
  EXPECT_THAT(found_in(report).findings[0].text, HasSubstr("status 1"));
  report.status = Status::kTimeout;
  report.death.exit_code.reset();
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
  report.status = Status::kOk;
  report.init_ns = 5;
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
}

TEST(EndingFindingsTest, AnswersThatAreTooLarge) {
  Report report;
  report.status = Status::kError;
  report.response_status = 413;
  report.response_bytes = 7 * kMb;
  const Report told = found_in(report);
  ASSERT_THAT(codes(told), ElementsAre("response.too_large"));
  EXPECT_THAT(told.findings[0].evidence, Contains(Pair("response_bytes", 7 << 20)));
  EXPECT_THAT(told.findings[0].text, HasSubstr("The answer of 7.00 MB was refused"));
  report.response_status = 202;
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
}

TEST(EndingFindingsTest, JavasHeapByItsErrorsName) {
  Report report;
  report.status = Status::kError;
  report.error_type = "java.lang.OutOfMemoryError";
  EXPECT_THAT(codes(found_in(report)), ElementsAre("memory.java_heap"));
  report.error_type = "java.lang.IllegalStateException";
  EXPECT_THAT(codes(found_in(report)), IsEmpty());
}

TEST(EndingFindingsTest, TheHeadlineHasTheErrorsName) {
  Report report;
  report.status = Status::kError;
  report.duration_ns = 1'060'000;
  report.error_type = "KeyError";
  add_headline(report);
  EXPECT_THAT(report.headline, ::testing::StartsWith("Failed with KeyError after 1.06 ms"));
}

TEST(EndingFindingsTest, TheHeadlineOfAnInitThatEndedItselfIsAboutThat) {
  Report report;
  report.type = Type::kInit;
  report.status = Status::kExit;
  report.death.reason = "exit(1)";
  report.death.exit_code = 1;
  Blocked idle;
  idle.tid = 12;
  idle.call = recording::Call::k_sem_wait;
  idle.for_ns = 193'000'000;
  report.blocked.push_back(idle);
  add_ending_findings(report);
  add_headline(report);
  EXPECT_EQ(report.headline,
            "Init failed: the process ended itself with status 1 (exit(1)); init.failed.");
  report.error_type = "KeyError";
  add_headline(report);
  EXPECT_EQ(report.headline, "Init failed with KeyError; init.failed.");
}

}  // namespace
}  // namespace lamprey::report
