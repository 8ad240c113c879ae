// Accounts of time: the parts are the whole, whatever the counters say.
#include "report/delta/time_account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "report/ledger/ledger.h"
#include "report/procfs/held_back.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::report {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using recording::CallClass;
using recording::TargetKind;
using recording::ThreadAccount;
using recording::ThreadMoment;
using recording::Totals;

std::uint64_t& of(ThreadMoment& moment, CallClass spent_on) {
  return moment.class_ticks[static_cast<std::size_t>(spent_on)];
}

std::uint64_t sum(const WallFigures& w) {
  return w.cpu_ns.value_or(0) + w.runnable_ns.value_or(0) + w.stolen_ns.value_or(0) + w.network_ns +
         w.dns_ns + w.file_ns + w.lock_ns + w.sleep_ns + w.child_ns + w.other_ns;
}

ThreadAccount account() {
  ThreadAccount account{};
  account.tid = 7;
  account.slot = 1;
  account.started.cpu_ns = 1000;
  of(account.started, CallClass::kNetwork) = 500;
  of(account.ended, CallClass::kNetwork) = 740;
  of(account.ended, CallClass::kDns) = 88;
  of(account.ended, CallClass::kFile) = 20;
  of(account.ended, CallClass::kWait) = 2;
  account.ended.cpu_ns = 1050;
  return account;
}

TEST(WallTest, PartsAddUp) {
  const ThreadAccount a = account();
  const auto wall = wall_of(a, a.ended, 412, 9, {});
  ASSERT_TRUE(wall);
  EXPECT_EQ(wall->network_ns, 240U);
  EXPECT_EQ(wall->dns_ns, 88U);
  EXPECT_EQ(wall->file_ns, 20U);
  EXPECT_EQ(wall->cpu_ns, 50U);
  EXPECT_EQ(wall->runnable_ns, 9U);
  EXPECT_EQ(wall->other_ns, 412U - 240 - 88 - 20 - 50 - 9);
  EXPECT_EQ(sum(*wall), 412U);
}

TEST(WallTest, NothingIsCountedTwice) {
  ThreadAccount a = account();
  a.ended.cpu_ns = a.started.cpu_ns + 400;  // most of it the kernel's, in the calls
  const auto wall = wall_of(a, a.ended, 412, 1000, {});
  EXPECT_EQ(wall->cpu_ns, 412U - 240 - 88 - 20 - 2);
  EXPECT_EQ(wall->runnable_ns, 0U);
  EXPECT_EQ(sum(*wall), 412U);
}

TEST(WallTest, WhatIsUnknownIsAbsent) {
  ThreadAccount a = account();
  a.started.cpu_ns = 0;
  const auto wall = wall_of(a, a.ended, 412, std::nullopt, {});
  EXPECT_FALSE(wall->cpu_ns);
  EXPECT_FALSE(wall->runnable_ns);
  EXPECT_EQ(sum(*wall), 412U);
  a.tid = 0;
  EXPECT_FALSE(wall_of(a, a.ended, 412, 1, {}));
}

TEST(WallTest, ForgedCountersStayInside) {
  ThreadAccount a = account();
  for (std::uint64_t& ticks : a.ended.class_ticks) {
    ticks = UINT64_MAX;
  }
  a.ended.cpu_ns = UINT64_MAX;
  EXPECT_EQ(sum(*wall_of(a, a.ended, 412, UINT64_MAX, {})), 412U);
  EXPECT_EQ(sum(*wall_of(a, {}, 412, 0, {})), 412U);
}

TEST(WallTest, TheHandlerIsWhoUsedTheCpu) {
  recording::Invocation entry{};
  entry.accounts[0] = account();
  entry.accounts[1] = account();
  entry.accounts[1].tid = 1;
  EXPECT_EQ(handler_of(entry).tid, 7);
  entry.accounts[1].ended.cpu_ns += 1;
  EXPECT_EQ(handler_of(entry).tid, 1);
  entry.accounts[1].tid = 0;
  EXPECT_EQ(handler_of(entry).tid, 7);
}

// Targets as the library writes them, through a file.
class TargetsTest : public ::testing::Test {
 protected:
  TargetsTest() : builder_(directory_.path() + "/1.rec") {}
  std::uint32_t add(TargetKind kind, std::uint64_t hash, const char* name) {
    const std::uint32_t index = builder_.writer().take_target(kind, hash);
    std::strncpy(builder_.writer().target_at(index).name, name, 100);
    builder_.writer().show_target(index);
    return index;
  }
  recording::TargetTotals& totals(std::uint32_t index) {
    return builder_.writer().target_at(index).totals;
  }
  Report last() {
    recording::Failure failure;
    Ledger ledger(std::move(*recording::Reader::open(builder_.path(), failure)));
    Report found;
    ledger.report_ended([&found](Report& report) { found = report; });
    return found;
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(TargetsTest, AnInvocationsPartIsTheDifference) {
  const std::uint32_t host = add(TargetKind::kHost, 0, "db.internal");
  const std::uint32_t api = add(TargetKind::kHost, 0, "api");
  const std::uint32_t folder = add(TargetKind::kDirectory, 11, "/opt/data");
  const std::uint32_t file = add(TargetKind::kFile, 12, "/opt/data/model");
  EXPECT_EQ(builder_.writer().find_target(TargetKind::kFile, 12), file);
  EXPECT_EQ(builder_.writer().find_target(TargetKind::kDirectory, 12),
            recording::Writer::kNoTarget);
  builder_.writer().target_at(file).directory = static_cast<std::uint16_t>(folder + 1);
  builder_.writer().target_at(host).address_kind = recording::kAddressIp4;
  builder_.writer().target_at(host).port = 5432;
  builder_.writer().target_at(api).flags = recording::kTargetRuntimeApi;
  totals(host).starts = 10;
  totals(file).starts = 3;
  builder_.end_init();
  builder_.start("one");
  totals(host).starts += 2;
  totals(host).ticks += 700;
  totals(host).errors += 1;
  totals(api).starts += 1;
  totals(file).starts += 1;
  totals(file).reads += 4;
  totals(file).received += 4096;
  builder_.writer().target_at(file).owned.reads += 2;  // by the thread that used it first
  builder_.writer().target_at(file).owned.received += 1000;
  totals(folder).probes += 5;
  totals(folder).not_found += 6;
  builder_.respond("one");
  builder_.end();
  const Report report = last();
  ASSERT_EQ(report.targets.hosts.size(), 1U);
  EXPECT_EQ(report.targets.hosts[0].host, "db.internal");
  EXPECT_EQ(report.targets.hosts[0].peer, "0.0.0.0:5432");
  EXPECT_EQ(report.targets.hosts[0].connects, 2U);
  EXPECT_EQ(report.targets.hosts[0].wait_ns, 700U);
  ASSERT_EQ(report.targets.files.size(), 2U);
  ASSERT_EQ(report.targets.directories.size(), 1U);
  EXPECT_EQ(report.targets.directories[0].opens, 1U);
  EXPECT_EQ(report.targets.directories[0].probes, 5U);
  EXPECT_EQ(report.targets.directories[0].not_found, 6U);
  const FileFigures& model = report.targets.files[0].path == "/opt/data/model"
                                 ? report.targets.files[0]
                                 : report.targets.files[1];
  EXPECT_EQ(model.reads, 6U);
  EXPECT_EQ(model.read_bytes, 5096U);
}

// A quick invocation may meet a host and end between two looks of the companion: the header that it
// read before must not count the targets of a boundary that it reads now.
TEST_F(TargetsTest, AHostThatIsNewerThanTheHeaderIsTold) {
  builder_.end_init();
  builder_.start("one");
  recording::Failure failure;
  Ledger ledger(std::move(*recording::Reader::open(builder_.path(), failure)));
  totals(add(TargetKind::kHost, 0, "db.internal")).starts = 1;
  builder_.writer().count_error(recording::Call::k_recv, ECONNRESET);
  builder_.writer().count_call(&builder_.slot(), recording::Call::k_recv, 10, true, 0);
  builder_.respond("one");
  builder_.end();
  Report report;
  ledger.report_ended([&report](Report& told) { report = told; });
  ASSERT_EQ(report.targets.hosts.size(), 1U);
  EXPECT_EQ(report.targets.hosts[0].connects, 1U);
  ASSERT_EQ(report.calls->by_time.size(), 1U);
  EXPECT_THAT(report.calls->by_time[0].by_error,
              ::testing::ElementsAre(::testing::Pair(ECONNRESET, 1U)));
}

// Init is told of late on a busy machine: by then its first invocation has met a full disk.
TEST_F(TargetsTest, AnErrorAfterInitIsNotInits) {
  builder_.end_init();
  builder_.start("one");
  builder_.writer().count_error(recording::Call::k_write, ENOSPC);
  builder_.writer().count_call(&builder_.slot(), recording::Call::k_write, 10, true, 0);
  builder_.respond("one");
  builder_.end();
  recording::Failure failure;
  Ledger ledger(std::move(*recording::Reader::open(builder_.path(), failure)));
  Report init;
  Report report;
  ledger.report_init([&init](Report& told) { init = told; });
  ledger.report_ended([&report](Report& told) { report = told; });
  EXPECT_EQ(init.type, Type::kInit);
  EXPECT_EQ(init.limits.space, 0U);
  EXPECT_EQ(report.limits.space, 1U);
}

TEST_F(TargetsTest, TheRootsOwnNameHasOneSlash) {
  const std::uint32_t root = add(TargetKind::kDirectory, 11, "/");
  const std::uint32_t other = add(TargetKind::kDirectory, 12, "/opt");
  builder_.end_init();
  builder_.start("one");
  totals(root).errors += 2;
  totals(other).errors += 1;
  builder_.respond("one");
  builder_.end();
  std::vector<std::string> paths;
  for (const FileFigures& file : last().targets.files) {
    paths.push_back(file.path);
  }
  EXPECT_THAT(paths, ::testing::UnorderedElementsAre("/*", "/opt/*"));
}

TEST_F(TargetsTest, AFullTableRefuses) {
  for (std::uint32_t i = 0; i < recording::kTargetRoom[2]; ++i) {
    EXPECT_NE(builder_.writer().take_target(TargetKind::kFile, i + 1),
              recording::Writer::kNoTarget);
  }
  EXPECT_EQ(builder_.writer().take_target(TargetKind::kFile, 999), recording::Writer::kNoTarget);
  EXPECT_EQ(builder_.writer().targets_used(TargetKind::kFile), recording::kTargetRoom[2]);
}

TEST_F(TargetsTest, ForgedTargetsAreNone) {
  const std::uint32_t host = add(TargetKind::kHost, 0, "x");
  builder_.writer().target_at(host).address_kind = 77;
  std::memset(builder_.writer().target_at(host).name, 'n', sizeof(recording::Target::name));
  builder_.header().targets_used[0] = 0xFFFFFFFF;
  builder_.header().targets_used[2] = 0xFFFFFFFF;
  builder_.end_init();
  builder_.invoke("one");
  EXPECT_TRUE(last().targets.hosts.empty());
}

TEST_F(TargetsTest, ATimeoutsAccountEndsWithTheCallInFlight) {
  builder_.header().pid = 4711;  // the builder's thread is then the first one
  builder_.end_init();
  builder_.start("open", 50);
  builder_.slot().in_flight = {static_cast<std::uint32_t>(recording::Call::k_sleep) + 1,
                               -1,
                               recording::monotonic_ns(),
                               0,
                               0,
                               0,
                               0};
  recording::Failure failure;
  Ledger ledger(std::move(*recording::Reader::open(builder_.path(), failure)));
  EndCause end;
  end.status = Status::kTimeout;
  end.mono_ns = recording::monotonic_ns() + 40'000'000;
  end.duration_known = true;
  Report found;
  ledger.report_open(end, [&found](Report& report) { found = report; });
  ASSERT_TRUE(found.wall);
  EXPECT_FALSE(found.wall->cpu_ns);
  EXPECT_GE(found.wall->sleep_ns, 35'000'000U);
  EXPECT_EQ(sum(*found.wall), *found.duration_ns);
}

TEST(HeldBackTest, StealTimeIsTheEighthFigureOfAllCpus) {
  const std::string text = "cpu  10872669 1506397 1441117 1008610 15189 0 9676 62369 0 0\ncpu0 1 2";
  const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  EXPECT_EQ(steal_ns(text), 62369 * (1'000'000'000 / per_second));
  EXPECT_EQ(steal_ns("cpu  1 2 3 4 5 6 7 0 0 0"), 0U);
  EXPECT_FALSE(steal_ns(""));
  EXPECT_FALSE(steal_ns("cpu  1 2 3"));
  EXPECT_FALSE(steal_ns("intr 1 2 3 4 5 6 7 8 9"));
}

}  // namespace
}  // namespace lamprey::report
