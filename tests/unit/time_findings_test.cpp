// Each finding about time fires when it should, and is silent just short of that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/findings/findings.h"
#include "report/findings/time_history.h"

namespace lamprey::report {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kMs = 1'000'000;

std::vector<std::string> codes(const Report& report) {
  std::vector<std::string> found;
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.text.empty() || finding.advice.empty() || finding.evidence.empty());
    found.emplace_back(finding.code);
  }
  return found;
}

std::vector<std::string> codes_of(const Report& report) {
  std::vector<std::string> found;
  for (const Finding& finding : report.findings) {
    found.emplace_back(finding.code);
  }
  return found;
}

std::vector<std::string> found_in(Report report) {
  report.findings.clear();
  add_time_findings(report);
  return codes(report);
}

Report invocation(HostFigures host) {
  Report report;
  report.duration_ns = 400 * kMs;
  host.host = "db.internal";
  report.targets.hosts.push_back(std::move(host));
  return report;
}

TEST(TimeFindingsTest, SlowDns) {
  HostFigures host;
  host.lookups = 2;
  host.lookup_ns = 100 * kMs;
  EXPECT_THAT(found_in(invocation(host)), ElementsAre("network.slow_dns"));
  host.lookup_ns -= 1;
  EXPECT_THAT(found_in(invocation(host)), IsEmpty());
}

TEST(TimeFindingsTest, SlowHost) {
  HostFigures host;
  host.wait_ns = 200 * kMs;
  EXPECT_THAT(found_in(invocation(host)), ElementsAre("network.slow_host"));
  host.wait_ns -= 1;
  EXPECT_THAT(found_in(invocation(host)), IsEmpty());
}

TEST(TimeFindingsTest, NetworkErrors) {
  HostFigures host;
  host.errors = 1;
  EXPECT_THAT(found_in(invocation(host)), ElementsAre("network.errors"));
  host.errors = 0;
  EXPECT_THAT(found_in(invocation(host)), IsEmpty());
}

// A warning costs its reader time: imports are told where they cost a fifth of init, and only those
// of the function.
TEST(TimeFindingsTest, ImportsThatCost) {
  Report report;
  report.type = Type::kInit;
  report.init_ns = 500 * kMs;
  report.runtime_library = "/var/lang/lib";
  report.targets.directories.push_back({"/opt/python", 600, 400, 10, 100 * kMs});
  EXPECT_THAT(found_in(report), ElementsAre("files.import_storm"));
  add_time_findings(report);
  EXPECT_EQ(report.findings.front().text,
            "100 ms of the 500 ms of init went into 1,000 questions for files, most of it below "
            "/opt/python.");
  report.init_ns = 501 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.init_ns = 500 * kMs;
  report.targets.directories[0].probes = 399;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.targets.directories[0].probes = 4000;
  for (const char* of_the_runtime : {"/var/lang/lib/python3.12", "/proc/self", "/sys/fs"}) {
    report.targets.directories[0].path = of_the_runtime;
    EXPECT_THAT(found_in(report), IsEmpty()) << of_the_runtime;
  }
  report.targets.directories[0].path = "/var/lang/lib/python3.12/site-packages/numpy";
  EXPECT_THAT(found_in(report), ElementsAre("files.import_storm"));
}

TEST(TimeFindingsTest, MissingFiles) {
  Report report;
  report.targets.directories.push_back({"/opt/python", 600, 400, 10, 60 * kMs});
  report.type = Type::kInvoke;
  report.duration_ns = 500 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.targets.directories[0].not_found = 500;
  EXPECT_THAT(found_in(report), ElementsAre("files.not_found_storm"));
  report.duration_ns = 700 * kMs;  // not worth its line
  EXPECT_THAT(found_in(report), IsEmpty());
  report.duration_ns.reset();  // the end of a process: the lines before it said so
  EXPECT_THAT(found_in(report), IsEmpty());
  report.duration_ns = 500 * kMs;
  report.targets.directories[0].time_ns = 49 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.targets.directories[0].time_ns = 60 * kMs;
  report.targets.directories[0].path = "/sys/fs/cgroup";  // HotSpot looks there for its limits
  EXPECT_THAT(found_in(report), IsEmpty());
  report.targets.directories[0].path = "/opt/python";
  report.targets.directories[0].probes = 4000;
  EXPECT_THAT(found_in(report), IsEmpty());
}

TEST(TimeFindingsTest, TmpFills) {
  Report report;
  report.process.tmp_max = 500;
  report.process.tmp_used = 400;
  EXPECT_THAT(found_in(report), ElementsAre("files.tmp_filling"));
  add_time_findings(report);
  EXPECT_EQ(report.findings.front().text, "/tmp is 80 % full: 400 B of 500 B.");
  EXPECT_THAT(report.findings.front().evidence,
              Contains(::testing::Pair("tmp_used_bytes", 400)));  // its unit is its name's
  report.process.tmp_used = 399;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.process.tmp_used.reset();
  EXPECT_THAT(found_in(report), IsEmpty());
}

TEST(TimeFindingsTest, PartsOfTheWall) {
  Report report;
  report.wall = WallFigures{};
  report.wall->total_ns = 250 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.wall->lock_ns = 50 * kMs;
  EXPECT_THAT(found_in(report), ElementsAre("locks.contended"));
  report.wall->lock_ns -= 1;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.wall->sleep_ns = 125 * kMs;
  EXPECT_THAT(found_in(report), ElementsAre("time.sleeping"));
  report.wall->sleep_ns = 99 * kMs;
  report.wall->runnable_ns = 50 * kMs;
  EXPECT_THAT(found_in(report), ElementsAre("time.cpu_starved"));
  report.wall->runnable_ns.reset();
  report.wall->child_ns = 130 * kMs;
  EXPECT_THAT(found_in(report), ElementsAre("children.slow"));
  report.wall->total_ns = 3000 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
}

TEST(TimeFindingsTest, CpuThatWasHeldBackSaysWhatTheNextSizesGive) {
  Report report;
  report.wall = WallFigures{};
  report.wall->total_ns = 2400 * kMs;
  report.wall->cpu_ns = 150 * kMs;
  report.wall->network_ns = 200 * kMs;
  report.wall->stolen_ns = 2050 * kMs;
  report.memory_limit_mb = 128;
  EXPECT_THAT(found_in(report), ElementsAre("time.cpu_throttled"));
  add_time_findings(report);
  EXPECT_EQ(report.findings.at(0).text,
            "The CPU was held back for 2.05 s of 2.40 s: 128 MB get 7 % of a vCPU, and it wanted "
            "150 ms. It would take about 1.23 s with 256 MB, 718 ms with 512 MB, 350 ms with 1,769 "
            "MB (a whole vCPU).");
  report.findings.clear();
  report.process.cpu_user_ns = 350 * kMs;  // other threads computed while it waited
  report.process.cpu_system_ns = 50 * kMs;
  add_time_findings(report);
  EXPECT_EQ(report.findings.at(0).text,
            "The CPU was held back for 2.05 s of 2.40 s: 128 MB get 7 % of a vCPU, and it wanted "
            "400 ms. It would take about 2.40 s with 256 MB, 1.38 s with 512 MB, 400 ms with 1,769 "
            "MB (a whole vCPU).");
  report.process = {};
  report.findings.clear();
  report.status = Status::kTimeout;  // nobody knows what it would have wanted
  add_time_findings(report);
  EXPECT_EQ(
      report.findings.at(0).text,
      "The CPU was held back for 2.05 s of 2.40 s: 128 MB get 7 % of a vCPU, so it had 150 ms "
      "of CPU time.");
  report.findings.clear();
  report.memory_limit_mb = 3008;  // it has more than one
  add_time_findings(report);
  EXPECT_EQ(report.findings.at(0).text, "The CPU was held back for 2.05 s of 2.40 s.");
}

TEST(TimeFindingsTest, LittleThatWasHeldBackIsNoFinding) {
  Report report;
  report.wall = WallFigures{};
  report.memory_limit_mb = 128;
  report.wall->total_ns = 200 * kMs;
  report.wall->stolen_ns = 50 * kMs - 1;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.wall->stolen_ns = 55 * kMs;
  report.wall->total_ns = 280 * kMs;
  EXPECT_THAT(found_in(report), IsEmpty());
  report.wall->stolen_ns.reset();
  EXPECT_THAT(found_in(report), IsEmpty());
}

TEST(TimeFindingsTest, WhatAnotherFindingSaysIsSaidOnce) {
  Report report;
  report.status = Status::kTimeout;
  report.wall = WallFigures{};
  report.wall->total_ns = 3000 * kMs;
  report.wall->lock_ns = 2900 * kMs;
  Blocked blocked;
  blocked.call = recording::Call::k_sem_wait;
  blocked.handler = true;
  report.blocked.push_back(blocked);
  add_findings(report);
  EXPECT_THAT(codes_of(report), ElementsAre("timeout.lock"));
}

TEST(TimeHistoryTest, ReconnectsAreThoseInARow) {
  TimeHistory history;
  const auto after = [&history](std::uint64_t connects, std::uint64_t reused) {
    HostFigures host;
    host.connects = connects;
    host.reused = reused;
    host.received_bytes = 1;
    host.connect_ns = 1 * kMs;
    Report report = invocation(host);
    history.add_findings(report);
    return codes(report);
  };
  EXPECT_THAT(after(1, 0), IsEmpty());
  EXPECT_THAT(after(1, 0), IsEmpty());
  EXPECT_THAT(after(2, 0), ElementsAre("network.reconnect"));
  EXPECT_THAT(after(0, 1), IsEmpty());
  EXPECT_THAT(after(1, 0), IsEmpty());
  EXPECT_THAT(after(1, 1), IsEmpty());
  EXPECT_THAT(after(1, 0), IsEmpty());
}

TEST(TimeHistoryTest, ReconnectsAreOfWhatAnswersAndIsNoResolver) {
  const auto fourth = [](const HostFigures& host) {
    TimeHistory history;
    Report report;
    for (int i = 0; i < 4; ++i) {
      report = invocation(host);
      history.add_findings(report);
    }
    return codes(report);
  };
  HostFigures host;
  host.connects = 1;
  host.connect_ns = 1 * kMs;
  EXPECT_THAT(fourth(host), IsEmpty());
  host.received_bytes = 100;
  EXPECT_THAT(fourth(host), ElementsAre("network.reconnect"));
  host.connect_ns = 1 * kMs - 1;  // of 400 ms: not worth a line
  EXPECT_THAT(fourth(host), IsEmpty());
  host.tls_ns = 1;
  EXPECT_THAT(fourth(host), ElementsAre("network.reconnect"));
  host.peer = "10.0.0.2:53";
  EXPECT_THAT(fourth(host), IsEmpty());
  host.peer = "10.0.0.2:5353";
  EXPECT_THAT(fourth(host), ElementsAre("network.reconnect"));
}

TEST(TimeHistoryTest, AReconnectCostsItsHandshakeToo) {
  TimeHistory history;
  HostFigures host;
  host.connects = host.received_bytes = 1;
  host.connect_ns = 1 * kMs;
  host.lookup_ns = 2 * kMs;
  host.tls_ns = 60 * kMs;
  Report report;
  for (int i = 0; i < 3; ++i) {
    report = invocation(host);
    history.add_findings(report);
  }
  EXPECT_THAT(report.findings.front().text, ::testing::HasSubstr("63.0 ms here"));
  EXPECT_THAT(report.findings.front().evidence, ::testing::Contains(std::pair("tls_us", 60'000)));
  EXPECT_TRUE(report.targets.hosts.front().in_findings);
}

TEST(TimeFindingsTest, TextsCountAsPeopleDo) {
  HostFigures host;
  host.errors = host.lookups = 1;
  host.lookup_ns = 50 * kMs;
  Report report = invocation(host);
  report.targets.directories.push_back({"/opt/python", 1, 600, 500, 50 * kMs});
  report.targets.directories.push_back({"/tmp/cache", 0, 400, 400, 1 * kMs});
  add_time_findings(report);
  EXPECT_TRUE(report.targets.hosts.front().in_findings);
  std::vector<std::string> texts;
  for (const Finding& finding : report.findings) {
    texts.push_back(finding.text);
  }
  EXPECT_THAT(texts, ElementsAre("Looking up db.internal took 50.0 ms in 1 lookup.",
                                 "1 call to db.internal failed.",
                                 "900 questions for files found nothing, most of them below "
                                 "/opt/python; opened: 1 file."));
}

TEST(TimeHistoryTest, LeaksOnlyEverGrow) {
  TimeHistory history;
  const auto after = [&history](std::optional<std::uint64_t> fds,
                                std::optional<std::uint64_t> threads) {
    Report report;
    report.process.fd_use = fds;
    report.process.threads = threads;
    history.add_findings(report);
    return codes(report);
  };
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_THAT(after(10 + i, 4), IsEmpty());
  }
  EXPECT_THAT(after(15, 4), ElementsAre("fds.leak"));
  EXPECT_THAT(after(15, 5), IsEmpty());
  for (std::uint64_t i = 6; i < 10; ++i) {
    EXPECT_THAT(after(15, i), ::testing::Not(Contains("fds.leak")));
  }
  EXPECT_THAT(after(std::nullopt, 10), ElementsAre("threads.leak"));
  EXPECT_THAT(after(std::nullopt, std::nullopt), IsEmpty());
}

}  // namespace
}  // namespace lamprey::report
