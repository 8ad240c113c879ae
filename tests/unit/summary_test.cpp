// Summaries: many invocations as one report, and as bytes. Nothing may be lost by it.
#include "report/summary/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cloudwatch/line.h"

namespace lamprey::report {
namespace {

using Json = nlohmann::json;

Report invocation(std::uint64_t number) {
  Report report;
  report.function_name = "orders";
  report.invocation = number;
  report.started_real_ns = 1'700'000'000'000'000'000 + number * 10'000'000;
  report.duration_ns = 1'000'000 + number * 1000;
  report.response_ns = 500'000;
  report.response_bytes = 7;
  report.process.cpu_user_ns = 300'000;
  report.process.cpu_system_ns = 100'000 + number;
  report.process.rss_bytes = 1000 + number;
  report.process.peak_rss_bytes = 2000;
  report.memory.emplace();
  report.memory->allocations = 3;
  report.memory->allocated_bytes = 100 + number;
  report.memory->live_bytes = static_cast<std::int64_t>(5000 + number);
  report.memory->live_delta_bytes = number % 2 == 0 ? 10 : -7;
  report.memory->peak_live_bytes = static_cast<std::int64_t>(6000 - number);
  report.calls = CallsFigures{5, 1, 9000, {}};
  CallFigures read;
  read.call = recording::Call::k_read;
  read.calls = 4;
  read.total_ns = 6000;
  read.max_ns = 100 + number;
  report.calls->by_time.push_back(read);
  report.wall.emplace();
  report.wall->total_ns = *report.duration_ns;
  report.wall->cpu_ns = 400'000;
  report.wall->network_ns = 100'000;
  report.wall->other_ns = *report.duration_ns - 500'000;
  HostFigures host;
  host.host = "db.internal";
  host.peer = "10.0.0.1:5432";
  host.wait_ns = 90'000;
  host.sent_bytes = 11;
  report.targets.hosts.push_back(host);
  FileFigures file;
  file.path = "/tmp/x";
  file.opens = 1;
  file.read_bytes = 20;
  report.targets.files.push_back(file);
  report.self.flush_ns = 40'000;
  return report;
}

// Every figure of one invocation is there, and is another number.
Report complete_invocation() {
  Report report = invocation(1);
  std::uint64_t number = 1000;
  const auto fill = [&number](auto&... figures) { ((figures = number += 1000), ...); };
  MemoryFigures& m = *report.memory;
  std::uint64_t freed = 0;
  fill(m.allocations, m.frees, m.reallocations, m.allocated_bytes, freed, m.failed, m.maps,
       m.map_bytes, m.unmap_bytes, m.discard_bytes);
  m.freed_bytes = freed;
  CallFigures& call = report.calls->by_time[0];
  fill(report.calls->total, report.calls->errors, report.calls->time_ns, call.calls, call.errors,
       call.bytes, call.total_ns);
  report.kernel.emplace();
  report.kernel->by_time.push_back({"openat", call});
  fill(report.kernel->total, report.kernel->errors, report.kernel->time_ns);
  WallFigures& w = *report.wall;
  std::uint64_t runnable = 0;
  fill(w.total_ns, w.network_ns, w.dns_ns, w.file_ns, w.lock_ns, w.sleep_ns, w.child_ns, w.other_ns,
       runnable);
  w.runnable_ns = runnable;
  HostFigures& h = report.targets.hosts[0];
  fill(h.connects, h.connect_ns, h.tls_handshakes, h.tls_ns, h.lookups, h.lookup_ns, h.answers,
       h.first_byte_ns, h.wait_ns, h.sent_bytes, h.received_bytes, h.reused, h.errors);
  FileFigures& f = report.targets.files[0];
  fill(f.opens, f.reads, f.writes, f.read_bytes, f.written_bytes, f.time_ns, f.errors);
  return report;
}

// Whether each number of `sum`, but those that are levels, is three times that of `one`.
void expect_three_times(const Json& sum, const Json& one, const std::string& section) {
  const Json flat = one[section].flatten();
  for (const auto& [pointer, value] : flat.items()) {
    const std::string key = pointer.substr(pointer.rfind('/') + 1);
    const bool level = key == "max_us" || key == "places" || key == "live_bytes" ||
                       key == "peak_live_bytes" || key.find("rss") != std::string::npos;
    if (value.is_number()) {
      const Json& summed = sum[section].at(Json::json_pointer(pointer));
      EXPECT_DOUBLE_EQ(summed.get<double>(), value.get<double>() * (level ? 1 : 3))
          << section << pointer;
    }
  }
}

std::string text_of(const Summary& summary) {
  Summary copy;
  EXPECT_TRUE(copy.restore(summary.save()));
  return cloudwatch::to_line(copy.take(), {});
}

Json line_of(Summary& summary) { return Json::parse(cloudwatch::to_line(summary.take(), {})); }

TEST(DistributionTest, CountSumLeastAndMostAreExactAndTheOthersNear) {
  Distribution figures;
  std::uint64_t sum = 0;
  for (std::uint64_t value = 1; value < 200'000'000'000; value = value * 9 / 8 + 1) {
    figures.add(value);
    sum += value;
  }
  const auto values = figures.values();
  EXPECT_LE(values.size(), 100U);
  EXPECT_EQ(values.front().value, 1U);
  EXPECT_EQ(values.back().value, figures.max);
  std::uint64_t count = 0;
  std::uint64_t summed = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    count += values[i].count;
    summed += values[i].count * values[i].value;
    EXPECT_TRUE(i == 0 || values[i - 1].value < values[i].value);
  }
  EXPECT_EQ(count, figures.count);
  EXPECT_EQ(figures.sum, sum);
  EXPECT_NEAR(static_cast<double>(summed), static_cast<double>(sum), static_cast<double>(count));
}

TEST(DistributionTest, AValueIsToldWithin6Percent) {
  Distribution figures;
  for (std::uint64_t value = 1000; value < 20'000; ++value) {
    figures.add(value);
  }
  std::uint64_t below = 0;
  for (const auto& [value, count] : figures.values()) {
    below += count;
    const double exact = 1000.0 + static_cast<double>(below);
    EXPECT_NEAR(static_cast<double>(value), exact, exact * 0.06);
  }
  EXPECT_EQ(end_of_step(step_of(31)), 32U);
  EXPECT_EQ(end_of_step(step_of(32)), 34U);
  EXPECT_EQ(end_of_step(step_of(1000)), 1024U);
}

TEST(SummaryTest, SumsAreThoseOfItsInvocations) {
  Summary summary;
  EXPECT_TRUE(summary.empty());
  for (std::uint64_t number = 1; number <= 100; ++number) {
    summary.add(invocation(number));
  }
  const Json line = line_of(summary);
  EXPECT_EQ(line["type"], "summary");
  EXPECT_EQ(line["summary"]["invocations"], 100);
  EXPECT_DOUBLE_EQ(line["summary"]["duration_ms"], 105.05);
  EXPECT_DOUBLE_EQ(line["summary"]["duration_min_ms"], 1.001);
  EXPECT_DOUBLE_EQ(line["summary"]["duration_max_ms"], 1.1);
  EXPECT_DOUBLE_EQ(line["summary"]["span_ms"], 991.1);
  EXPECT_EQ(line["summary"]["response_bytes"], 700);
  EXPECT_DOUBLE_EQ(line["wall"]["total_ms"], 105.05);
  EXPECT_DOUBLE_EQ(line["wall"]["cpu_ms"], 40);
  EXPECT_FALSE(line["wall"].contains("runnable_ms"));
  EXPECT_EQ(line["memory"]["allocations"], 300);
  EXPECT_EQ(line["memory"]["allocated_bytes"], 15'050);
  EXPECT_EQ(line["memory"]["live_bytes"], 5100);
  EXPECT_EQ(line["memory"]["live_delta_bytes"], 150);
  EXPECT_EQ(line["memory"]["peak_live_bytes"], 5999);
  EXPECT_EQ(line["calls"]["total"], 500);
  EXPECT_EQ(line["calls"]["top"][0]["calls"], 400);
  EXPECT_DOUBLE_EQ(line["calls"]["top"][0]["max_us"], 0.2);
  EXPECT_EQ(line["network"][0]["sent_bytes"], 1100);
  EXPECT_EQ(line["files"][0]["bytes"], 2000);
  EXPECT_EQ(line["system"]["cpu_total_time"], 40.005);
  EXPECT_EQ(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].size(), 9U);
  EXPECT_EQ(line["flush_ms"]["Values"], Json::parse("[0.04]"));
  EXPECT_EQ(line["flush_ms"]["Counts"], Json::parse("[100]"));
  EXPECT_THAT(
      line["headline"].get<std::string>(),
      ::testing::StartsWith("100 invocations in 991 ms: 1.05 ms on average, 1.10 ms at most"));
}

TEST(SummaryTest, NoFigureIsForgotten) {
  const Report one = complete_invocation();
  Summary summary;
  for (int i = 0; i < 3; ++i) {
    summary.add(one);
  }
  cloudwatch::LineOptions options;
  options.detail = cloudwatch::Detail::kFull;
  const Json line = Json::parse(cloudwatch::to_line(one, options));
  Summary again;
  ASSERT_TRUE(again.restore(summary.save()));
  const Json sum = line_of(summary);
  for (const char* section : {"memory", "calls", "kernel", "wall", "network", "files"}) {
    ASSERT_TRUE(line.contains(section)) << section;
    expect_three_times(sum, line, section);
  }
  EXPECT_EQ(line_of(again), sum);
}

TEST(SummaryTest, ValuesThatAreWrittenAlikeAreOne) {
  Summary summary;
  for (const std::uint64_t ns : {812'000U, 812'300U, 831'000U, 831'400U, 5'034'000U}) {
    Report report = invocation(1);
    report.duration_ns = ns;
    summary.add(report);
  }
  const Json line = line_of(summary);
  EXPECT_EQ(line["duration_ms"]["Values"], Json::parse("[0.812,0.831,5.034]"));
  EXPECT_EQ(line["duration_ms"]["Counts"], Json::parse("[2,2,1]"));
}

TEST(SummaryTest, WhatAListHasNoRoomForIsInItsLastEntry) {
  Summary summary;
  for (std::uint64_t number = 1; number <= 300; ++number) {
    Report report = invocation(number);
    report.targets.hosts[0].host = "h" + std::to_string(number);
    report.targets.files[0].path = "/tmp/" + std::to_string(number);
    summary.add(report);
  }
  const Json line = line_of(summary);
  std::uint64_t sent = 0;
  for (const Json& host : line["network"]) {
    sent += host["sent_bytes"].get<std::uint64_t>();
  }
  std::uint64_t opens = 0;
  for (const Json& file : line["files"]) {
    opens += file["opens"].get<std::uint64_t>();
  }
  EXPECT_EQ(sent, 3300U);
  EXPECT_EQ(opens, 300U);
  EXPECT_LE(line["network"].size(), 20U);
  EXPECT_EQ(line["network"].back()["host"], "(others)");
  EXPECT_FALSE(line["coverage"].contains("truncated"));
}

TEST(SummaryTest, FindingsThatWereToldAreCounted) {
  Summary summary;
  for (std::uint64_t number = 1; number <= 5; ++number) {
    Report report = invocation(number);
    Finding finding;
    finding.code = "network.reconnect";
    finding.severity = Severity::kWarning;
    finding.text = "text " + std::to_string(number);
    report.findings.push_back(finding);
    summary.add(report);
  }
  const Json line = line_of(summary);
  EXPECT_EQ(line["findings"][0]["count"], 5);
  EXPECT_EQ(line["findings"][0]["text"], "text 5");
  EXPECT_EQ(line["warnings"]["Values"], Json::parse("[1]"));
}

TEST(SummaryTest, AsBytesAndBackItIsTheSame) {
  Summary summary;
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Report report = invocation(number);
    report.coverage.unseen = {"something"};
    report.kernel = KernelFigures{3, 4, 1, 77, {}};
    report.kernel->by_time.push_back({"openat", CallFigures{}});
    report.kernel->by_time[0].figures.calls = 2;
    report.platform = PlatformFigures{"r", 12, 34, std::nullopt, std::nullopt};
    Finding finding;
    finding.code = "memory.leak";
    finding.text = "t";
    report.findings.push_back(finding);
    summary.add(report);
  }
  const std::string bytes = summary.save();
  EXPECT_LT(bytes.size(), 3000U);  // it is written after each invocation
  Summary again;
  ASSERT_TRUE(again.restore(bytes));
  again.add(invocation(41));
  summary.add(invocation(41));
  EXPECT_EQ(again.save(), summary.save());
  EXPECT_EQ(text_of(again), text_of(summary));
  EXPECT_EQ(Json::parse(text_of(again)), line_of(summary));
  EXPECT_TRUE(summary.empty());
}

TEST(SummaryTest, WhatIsNoSummaryIsRefused) {
  Summary summary;
  summary.add(invocation(1));
  const std::string bytes = summary.save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Summary other;
    ASSERT_FALSE(other.restore(bytes.substr(0, size))) << size;
    ASSERT_TRUE(other.empty());
  }
  EXPECT_FALSE(Summary().restore(bytes + "x"));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char other : {'\0', '\x7F', '\xFF'}) {
      std::string changed = bytes;
      changed[at] = other;
      Summary read;
      if (read.restore(changed)) {
        EXPECT_FALSE(cloudwatch::to_line(read.take(), {}).empty());
      }
    }
  }
}

}  // namespace
}  // namespace lamprey::report
