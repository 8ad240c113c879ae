// The line that CloudWatch gets: names, absence, size, UTF-8, metrics.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cloudwatch/form.h"
#include "cloudwatch/line.h"
#include "report/findings/findings.h"
#include "report/text/headline.h"

namespace lamprey::cloudwatch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
using report::Report;

Report typical() {
  Report report;
  report.request_id = "8f5…";
  report.function_name = "orders";
  report.function_version = "$LATEST";
  report.cold_start = false;
  report.invocation = 7;
  report.started_real_ns = 1'700'000'000'123'456'789U;
  report.duration_ns = 412'345'678;
  report.response_ns = 400'000'000;
  report.memory = report::MemoryFigures{};
  report.memory->allocations = 12;
  report.memory->allocated_bytes = 3400;
  report.memory->live_bytes = 77;
  report.memory->peak_live_bytes = 99;
  report.memory_limit_mb = 256;
  report.calls = report::CallsFigures{};
  report.calls->total = 30;
  for (std::uint32_t i = 0; i < 30; ++i) {
    report.calls->by_time.push_back(
        {static_cast<recording::Call>(i), 1, 0, 5, 1'234'567, 1000, 2500, 3000});
  }
  report.process.rss_bytes = 1000;
  report.process.peak_rss_bytes = 2U << 20;
  report.process.cpu_user_ns = 20'000'000;
  report.process.cpu_system_ns = 10'000'000;
  report.coverage.traffic_dropped = 3;
  report::add_findings(report);
  report::add_headline(report);
  return report;
}

TEST(HeadlineTest, TellsOfACallOnlyWhatIsWorthAWord) {
  report::Report report = typical();
  report.duration_ns.reset();
  report.calls->by_time.front().total_ns = 2'270;
  report::add_headline(report);
  EXPECT_THAT(report.headline, Not(HasSubstr("most time")));
  report.calls->by_time.front().total_ns = 200'000;
  report::add_headline(report);
  EXPECT_THAT(report.headline, HasSubstr("most time"));
  report.duration_ns = 40'000'000;
  report::add_headline(report);
  EXPECT_THAT(report.headline, Not(HasSubstr("most time")));
}

TEST(HeadlineTest, AReasonIsSaidOnce) {
  report::Report report = typical();
  report.type = report::Type::kShutdown;
  report.status = report::Status::kTimeout;
  report.death.reason = "timeout";
  report::add_headline(report);
  EXPECT_THAT(report.headline, ::testing::StartsWith("The process ended: timeout; "));
}

TEST(LineTest, HasTheFixedNamesAndUnits) {
  const Json line = Json::parse(to_line(typical(), {}));
  EXPECT_EQ(line["lamprey"], "1");
  EXPECT_EQ(line["type"], "invoke");
  EXPECT_EQ(line["status"], "ok");
  EXPECT_EQ(line["started"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(line["duration_ms"], 412.346);
  EXPECT_EQ(line["response_ms"], 400.0);
  EXPECT_EQ(line["cold_start"], false);
  EXPECT_EQ(line["memory"]["limit_bytes"], 268435456);
  EXPECT_EQ(line["memory"]["peak_live_bytes"], 99);
  EXPECT_EQ(line["calls"]["total"], 30);
  EXPECT_EQ(line["calls"]["top"][0]["name"], "open");
  EXPECT_EQ(line["calls"]["top"][0]["total_ms"], 1.235);
  EXPECT_EQ(line["calls"]["top"][0]["max_us"], 3);
  EXPECT_FALSE(line.contains("system"));  // a warm invocation without findings: a short line
  EXPECT_EQ(line["coverage"]["mode"], "api");
  EXPECT_EQ(line["coverage"]["lost"]["traffic_dropped"], 3);
  EXPECT_TRUE(line["self"].contains("version"));
  EXPECT_THAT(line["headline"].get<std::string>(), HasSubstr("412 ms"));
}

TEST(LineTest, WhatIsUnknownIsAbsent) {
  Report report;
  const Json line = Json::parse(to_line(report, {}));
  for (const char* key : {"wall", "network", "files", "memory", "calls", "system", "duration_ms",
                          "request_id", "findings", "blocked", "death", "_aws", "cold_start"}) {
    EXPECT_FALSE(line.contains(key)) << key;
  }
  EXPECT_FALSE(line["self"].contains("flush_ms"));
}

TEST(LineTest, DetailDecidesTheLists) {
  Report report = typical();
  const auto top = [&report](Detail detail) {
    LineOptions options;
    options.detail = detail;
    return Json::parse(to_line(report, options))["calls"]["top"].size();
  };
  EXPECT_EQ(top(Detail::kShort), 3U);
  EXPECT_EQ(top(Detail::kFull), 20U);
  EXPECT_EQ(top(Detail::kAuto), 3U);
  report.invocation = 200;
  EXPECT_EQ(top(Detail::kAuto), 20U);
  report.invocation = 7;
  report.cold_start = true;
  EXPECT_EQ(top(Detail::kAuto), 20U);
  report.cold_start = false;
  report.status = report::Status::kTimeout;
  EXPECT_EQ(top(Detail::kAuto), 20U);
  report.status = report::Status::kOk;
  report.memory->failed = 1;
  report::add_findings(report);
  EXPECT_EQ(top(Detail::kAuto), 20U);
  report.findings[0].told = true;
  EXPECT_EQ(top(Detail::kAuto), 3U);
}

TEST(LineTest, AFullLineHasWhatAShortOneLeavesOut) {
  Report report = typical();
  report.self.attach_ns = 250'000;
  LineOptions options;
  options.detail = Detail::kFull;
  const Json full = Json::parse(to_line(report, options));
  EXPECT_EQ(full["system"]["cpu_total_time"], 30);
  EXPECT_EQ(full["system"]["used_memory_max"], 2);
  EXPECT_EQ(full["self"]["attach_ms"], 0.25);
  EXPECT_EQ(full["calls"]["top"][0]["p50_us"], 1.0);
  EXPECT_EQ(full["calls"]["top"][0]["p99_us"], 2.5);
  options.detail = Detail::kShort;
  const Json brief = Json::parse(to_line(report, options));
  EXPECT_FALSE(brief.contains("system"));
  EXPECT_FALSE(brief["self"].contains("attach_ms"));
  EXPECT_FALSE(brief["calls"]["top"][0].contains("p50_us"));
  EXPECT_EQ(brief["calls"]["top"][0]["p99_us"], 2.5);
  EXPECT_TRUE(full["memory"].contains("maps"));
  EXPECT_FALSE(brief["memory"].contains("maps"));
  EXPECT_EQ(brief["memory"]["live_bytes"], full["memory"]["live_bytes"]);
  for (const char* key : {"coverage", "headline", "duration_ms", "_aws"}) {
    EXPECT_EQ(brief[key], full[key]) << key;
  }
}

// A function that has a lot of everything, each of it with long names.
Report with_much() {
  Report report = typical();
  report.request_id = "2c46a06b-0a4e-4a2c-9a3e-6f0d8f3c9b11";
  report.trace_id = "Root=1-6b01e3ea-c8bb00da4262a2c034d41e4d;Parent=ff8f59c9071485a7;Sampled=0";
  report.headline = std::string(190, 'h');
  report.wall = report::WallFigures{};
  for (int i = 0; i < 200; ++i) {
    report::MemorySite site;
    site.live_bytes = 1'000'000 - i;
    site.allocated_bytes = 4096;
    for (int frame = 0; frame < 16; ++frame) {
      site.stack_text += fmt::format("a_function_{} (module.so +0x{:x}); ", frame, i);
    }
    report.memory->sites.push_back(site);
  }
  for (int i = 0; i < 50; ++i) {
    report::HostFigures host;
    host.host = fmt::format("service-{}.eu-central-1.amazonaws.com", i);
    host.peer = fmt::format("10.0.0.{}:443", i);
    host.connects = host.lookups = host.answers = 1;
    report.targets.hosts.push_back(host);
    report::FileFigures file;
    file.path = fmt::format("/var/task/{}/{}", std::string(80, 'd'), i);
    report.targets.files.push_back(file);
  }
  return report;
}

TEST(LineTest, AShortLineIsShortAndAFullOneNotTooLong) {
  const Report report = with_much();
  LineOptions options;
  options.detail = Detail::kShort;
  const std::string brief = to_line(report, options);
  EXPECT_LE(brief.size(), kShortBytes);
  EXPECT_GE(brief.size(), kShortBytes - 200);  // nothing is left out for nothing
  const Json line = Json::parse(brief);
  EXPECT_EQ(line["network"][0]["host"], "service-0.eu-central-1.amazonaws.com");
  EXPECT_EQ(line["calls"]["top"][0]["name"], "open");
  EXPECT_FALSE(line["coverage"].contains("truncated"));  // short is not cut
  options.detail = Detail::kFull;
  const std::string full = to_line(report, options);
  EXPECT_LE(full.size(), kGoodBytes);
  EXPECT_FALSE(Json::parse(full)["coverage"]["truncated"].empty());
}

TEST(LineTest, AShortLineKeepsWhatItCannotDoWithout) {
  Report report = with_much();
  for (int i = 0; i < 20; ++i) {
    report.findings.push_back({"network.reconnect",
                               report::Severity::kWarning,
                               std::string(200, 't'),
                               "advice",
                               {{"n", i}}});
  }
  LineOptions options;
  options.detail = Detail::kShort;
  const Json line = Json::parse(to_line(report, options));
  EXPECT_EQ(line["findings"].size(), 20U);
  EXPECT_FALSE(line["findings"][0].contains("advice"));
  EXPECT_FALSE(line["findings"][0].contains("evidence"));
  for (report::Finding& finding : report.findings) {
    finding.told = true;  // then its line is short unless asked otherwise, and says it all the same
  }
  options.detail = Detail::kAuto;
  const Json told = Json::parse(to_line(report, options));
  EXPECT_FALSE(told.contains("system"));
  EXPECT_EQ(told["findings"][0]["advice"], "advice");
  EXPECT_EQ(told["findings"][3]["evidence"]["n"], 3);
  EXPECT_EQ(line["calls"]["top"][0]["name"], "open");  // findings take no room from these
  EXPECT_EQ(line["network"][0]["host"], "service-0.eu-central-1.amazonaws.com");
  EXPECT_EQ(line["calls"]["total"], 30);
}

TEST(LineTest, AShortLineHasTheHostsThatItsFindingsAreAbout) {
  Report report = with_much();
  report.headline = std::string(1000, 'h');  // no room but for the first host
  report.targets.hosts[3].in_findings = true;
  LineOptions options;
  options.detail = Detail::kShort;
  const Json first = Json::parse(to_line(report, options));
  ASSERT_EQ(first["network"].size(), 1U);
  EXPECT_EQ(first["network"][0]["host"], "service-0.eu-central-1.amazonaws.com");
  report.targets.hosts[1].in_findings = true;
  const Json line = Json::parse(to_line(report, options));
  ASSERT_EQ(line["network"].size(), 2U);
  EXPECT_EQ(line["network"][1]["host"], "service-1.eu-central-1.amazonaws.com");
}

// A call that took time is worth more than what a host without a name says twice.
TEST(LineTest, AShortLineSaysAHostOnceWhereItsCallHasNoRoomElse) {
  Report report = typical();
  report.targets.hosts.resize(1);
  report.targets.hosts[0].host = report.targets.hosts[0].peer = "127.0.0.28:49785";
  report.trace_id = std::string(500, 't');  // a text is cut when it is longer than some 1,000 bytes
  LineOptions options;
  options.detail = Detail::kShort;
  const std::size_t step = std::string_view(R"(,"peer":"127.0.0.28:49785")").size() / 2;
  std::size_t once = 0;
  for (std::size_t length = 0; length < 1000; length += step) {
    report.headline = std::string(length, 'h');
    const std::string text = to_line(report, options);
    const Json line = Json::parse(text);
    if (line["calls"].contains("top") && !line["network"][0].contains("peer")) {
      EXPECT_LE(text.size(), 2048U);
      ++once;
    }
  }
  EXPECT_GE(once, 1U);
  EXPECT_LE(once, 3U);
}

TEST(LineTest, AShortLineHasTheSitesOfItsOwnSpan) {
  Report report = typical();
  report.memory->sites.resize(2);
  report.memory->sites[0].live_bytes = 1000;  // since the start
  report.memory->sites[1].live_bytes = 10;
  report.memory->sites[1].allocated_bytes = 20;
  LineOptions options;
  options.detail = Detail::kShort;
  const Json brief = Json::parse(to_line(report, options));
  ASSERT_EQ(brief["memory"]["sites"].size(), 1U);
  EXPECT_EQ(brief["memory"]["sites"][0]["allocated_bytes"], 20);
  options.detail = Detail::kFull;
  EXPECT_EQ(Json::parse(to_line(report, options))["memory"]["sites"].size(), 2U);
}

// Else a JVM's own start is all that a full line has room for, whatever the function allocates.
TEST(LineTest, AFullLineHasWhatHoldsMostAndThenWhatWasBusy) {
  Report report = with_much();
  for (std::size_t i = 0; i < 150; ++i) {
    report.memory->sites[i].allocated_bytes = 0;  // since the start
  }
  report.memory->sites[160].allocated_bytes = 0;
  LineOptions options;
  options.detail = Detail::kFull;
  const Json sites = Json::parse(to_line(report, options))["memory"]["sites"];
  ASSERT_EQ(sites.size(), 5U);
  EXPECT_EQ(sites[2]["live_bytes"], 1'000'000 - 2);
  EXPECT_EQ(sites[3]["live_bytes"], 1'000'000 - 150);
  EXPECT_EQ(sites[4]["live_bytes"], 1'000'000 - 151);
}

TEST(LineTest, WhatAShortLineLeavesOutNeedsNoNames) {
  Report report = with_much();
  report.memory->sites[0].allocated_bytes = 0;  // quiet
  Report full = report;
  leave_out_unprinted(full, Detail::kFull);
  EXPECT_EQ(full.memory->sites.size(), 200U);
  LineOptions options;
  options.detail = Detail::kShort;
  const std::string before = to_line(report, options);
  leave_out_unprinted(report, Detail::kShort);
  EXPECT_EQ(report.memory->sites.size(), 3U);
  EXPECT_EQ(to_line(report, options), before);
}

TEST(LineTest, AHostWithoutANameGoesByItsAddress) {
  Report report = typical();
  report.targets.hosts.resize(1);
  report.targets.hosts[0].host = report.targets.hosts[0].peer = "10.0.0.1:443";
  LineOptions options;
  for (const Detail detail : {Detail::kFull, Detail::kShort}) {
    options.detail = detail;
    const Json host = Json::parse(to_line(report, options))["network"][0];
    EXPECT_EQ(host["host"], "10.0.0.1:443");
    EXPECT_EQ(host["peer"], "10.0.0.1:443");
  }
}

TEST(LineTest, EmbeddedMetricsNameOnlyWhatIsThere) {
  Report report = typical();
  LineOptions options;
  options.metric_namespace = "Mine";
  Json line = Json::parse(to_line(report, options));
  const Json& directive = line["_aws"]["CloudWatchMetrics"][0];
  EXPECT_EQ(line["_aws"]["Timestamp"], 1'700'000'000'123U);
  EXPECT_EQ(directive["Namespace"], "Mine");
  EXPECT_EQ(directive["Dimensions"], Json::parse(R"([["function_name"]])"));
  EXPECT_EQ(directive["Metrics"].size(), 7U);  // no flush_ms, network_ms
  for (const Json& metric : directive["Metrics"]) {
    EXPECT_TRUE(line[metric["Name"].get<std::string>()].is_number()) << metric;
    EXPECT_TRUE(metric["Unit"].is_string());
  }
  options.metrics = false;
  line = Json::parse(to_line(report, options));
  EXPECT_FALSE(line.contains("_aws"));
  EXPECT_FALSE(line.contains("syscalls"));
  EXPECT_TRUE(line["cpu_ms"].is_number());  // nothing else in a short line says it
  report.type = report::Type::kShutdown;
  EXPECT_FALSE(Json::parse(to_line(report, options)).contains("cpu_ms"));
}

TEST(LineTest, MetricsAreOfInvocationsAndOfTheWholeCpu) {
  Report report = typical();
  report.findings = {{"a", report::Severity::kInfo, "", "", {}},
                     {"b", report::Severity::kWarning, "", "", {}}};
  const Json line = Json::parse(to_line(report, {}));
  EXPECT_EQ(line["cpu_ms"], 30);
  EXPECT_EQ(line["warnings"], 1);
  report.type = report::Type::kShutdown;
  EXPECT_FALSE(Json::parse(to_line(report, {})).contains("_aws"));
}

// Each figure is another one, so that none stands under the name of another.
TEST(LineTest, EachFigureStandsUnderItsName) {
  Report report = typical();
  report.process.peak_rss_bytes = std::uint64_t{199} << 20U;
  report.memory_limit_mb = 200;
  report.process.tmp_used = 1;
  report.process.tmp_max = 2;
  report.process.fd_use = 3;
  report.process.fd_max = 4;
  report.process.threads = 5;
  report.process.rx_bytes = 6;
  report.process.tx_bytes = 7;
  report.coverage.traffic_dropped = 0;
  report.coverage.stacks_refused = 8;
  report.coverage.modules_refused = 9;
  report.coverage.samples_unplaced = 10;
  report.coverage.mappings_unfollowed = 11;
  report.coverage.targets_refused = 12;
  report.child_pid = 13;
  report.parent_pid = 14;
  report.program = "ls";
  report.blocked.push_back({});
  report.blocked.front().tid = 15;
  report.blocked.front().for_ns = 16'000'000;
  LineOptions options;
  options.detail = Detail::kFull;
  const Json line = Json::parse(to_line(report, options));
  EXPECT_EQ(line["system"],
            Json::parse(R"({"cpu_user_time":20.0,"cpu_system_time":10.0,"cpu_total_time":30.0,
              "total_memory":200,"used_memory_max":199,"memory_utilization":99,"tmp_used":1,
              "tmp_max":2,"fd_use":3,"fd_max":4,"threads_max":5,"rx_bytes":6,"tx_bytes":7,
              "total_network":13})"));
  EXPECT_EQ(line["coverage"]["lost"],
            Json::parse(R"({"stacks":8,"modules":9,"samples":10,"mappings":11,
              "targets_refused":12})"));
  EXPECT_EQ(line["process"],
            Json::parse(R"({"role":"child","pid":13,"parent_pid":14,"program":"ls"})"));
  EXPECT_EQ(line["blocked"][0]["thread"], "15");
  EXPECT_EQ(line["blocked"][0]["for_ms"], 16);
}

TEST(LineTest, NeverLongerThanAllowedAndSaysWhatItCut) {
  Report report = typical();
  report.status = report::Status::kCrash;
  const std::string ugly(100'000, '\x01');
  report.headline = ugly;
  report.request_id = ugly;
  report.death.reason = ugly;
  report.trace_id = ugly;
  for (int i = 0; i < 500; ++i) {
    report.coverage.unseen.push_back(ugly);
    report.findings.push_back({ugly, report::Severity::kWarning, ugly, ugly, {}});
    report::Blocked blocked;
    blocked.tid = i;
    blocked.call = recording::Call::k_poll;
    blocked.for_ns = 5;
    blocked.target = "10.0.0.1:5432";
    report.blocked.push_back(blocked);
  }
  report.findings.resize(1);
  report.findings[0].code = "x";
  const std::string text = to_line(report, {});
  EXPECT_LE(text.size(), kMaxBytes);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const Json line = Json::parse(text);
  EXPECT_FALSE(line["coverage"]["truncated"].empty());
  EXPECT_EQ(line["calls"]["total"], 30);
}

TEST(LineTest, IsUtf8WhateverCameIn) {
  Report report = typical();
  report.request_id = "a\xFF\xC3(z";
  report.function_name = std::string(511, 'x') + "é tail";  // the cut falls into a character
  const std::string text = to_line(report, {});
  const Json line = Json::parse(text);
  EXPECT_EQ(line["request_id"], "a\xEF\xBF\xBD\xEF\xBF\xBD(z");
}

TEST(LineTest, FewerFieldsThanLogsInsightsDiscovers) {
  const Json line = Json::parse(to_line(typical(), {}));
  EXPECT_LT(line.flatten().size(), 100U);
}

TEST(WriteLineTest, GoesOutWhole) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  EXPECT_TRUE(write_line(ends[1], "abc"));
  char buffer[8] = {};
  EXPECT_EQ(read(ends[0], buffer, sizeof(buffer)), 4);
  EXPECT_STREQ(buffer, "abc\n");
  close(ends[0]);
  close(ends[1]);
  EXPECT_FALSE(write_line(ends[1], "abc"));
}

}  // namespace
}  // namespace lamprey::cloudwatch
