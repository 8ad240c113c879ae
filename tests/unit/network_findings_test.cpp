// Each way in which talking to a host fails has its own finding, and healthy neighbours have none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/findings/findings.h"

namespace lamprey::report {
namespace {

using recording::NetworkFailure;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::uint64_t kMs = 1'000'000;

HostFigures failing(NetworkFailure kind, std::uint64_t times, std::uint64_t connects) {
  HostFigures host;
  host.host = "db.internal";
  host.connects = connects;
  host.errors = times;
  host.failures[static_cast<std::size_t>(kind)] = times;
  return host;
}

Report with(HostFigures host) {
  Report report;
  report.duration_ns = 400 * kMs;
  report.targets.hosts.push_back(std::move(host));
  add_network_findings(report);
  return report;
}

std::vector<std::string> codes(const Report& report) {
  std::vector<std::string> found;
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.text.empty() || finding.advice.empty() || finding.evidence.empty());
    found.emplace_back(finding.code);
  }
  return found;
}

TEST(NetworkFindingsTest, EachKindHasItsOwn) {
  const std::pair<NetworkFailure, const char*> kinds[] = {
      {NetworkFailure::kRefused, "network.refused"},
      {NetworkFailure::kReset, "network.reset"},
      {NetworkFailure::kStale, "network.stale_connection"},
      {NetworkFailure::kTimedOut, "network.timed_out"},
      {NetworkFailure::kUnreachable, "network.unreachable"},
      {NetworkFailure::kUnknownName, "network.unknown_name"},
      {NetworkFailure::kResolver, "network.dns_failed"},
      {NetworkFailure::kHandshake, "network.tls"}};
  for (const auto& [kind, code] : kinds) {
    const Report report = with(failing(kind, 1, 1));
    EXPECT_THAT(codes(report), ElementsAre(code));
    EXPECT_THAT(report.findings.front().text, ::testing::StartsWith("1 "));
    EXPECT_TRUE(report.targets.hosts.front().in_findings);
    EXPECT_THAT(codes(with(failing(kind, 0, 1))), IsEmpty());
  }
  HostFigures other = failing(NetworkFailure::kReset, 1, 1);
  other.errors = 3;
  EXPECT_THAT(codes(with(other)), ElementsAre("network.reset", "network.errors"));
}

// "localhost" and names with IPv6: the first address refuses or has no route, the second answers.
TEST(NetworkFindingsTest, AnAddressThatWasTriedInVainIsNoTrouble) {
  EXPECT_THAT(codes(with(failing(NetworkFailure::kRefused, 1, 2))), IsEmpty());
  EXPECT_THAT(codes(with(failing(NetworkFailure::kRefused, 2, 3))), ElementsAre("network.refused"));
  EXPECT_THAT(codes(with(failing(NetworkFailure::kUnreachable, 8, 9))), IsEmpty());
  EXPECT_THAT(codes(with(failing(NetworkFailure::kUnreachable, 8, 8))),
              ElementsAre("network.unreachable"));
}

TEST(NetworkFindingsTest, RetriesAndTheirPausesAreSeenTogether) {
  Report report;
  report.duration_ns = 12'000 * kMs;
  report.wall = WallFigures{};
  report.wall->total_ns = 12'000 * kMs;
  report.wall->sleep_ns = 11'900 * kMs;
  report.targets.hosts.push_back(failing(NetworkFailure::kRefused, 9, 9));
  add_network_findings(report);
  ASSERT_THAT(codes(report), ElementsAre("network.refused"));
  EXPECT_EQ(report.findings.front().text,
            "9 connects to db.internal refused, 11.9 s of the time between them asleep.");
  EXPECT_THAT(report.findings.front().evidence, Contains(Pair("asleep_ms", 11'900)));
}

TEST(NetworkFindingsTest, AHostThatFailsIsToldBehindManyThatAreSlower) {
  Report report;
  report.duration_ns = 400 * kMs;
  for (int i = 0; i < 12; ++i) {
    HostFigures host;
    host.host = "busy";
    host.wait_ns = 10 * kMs;
    report.targets.hosts.push_back(host);
  }
  report.targets.hosts.push_back(failing(NetworkFailure::kRefused, 1, 1));
  add_network_findings(report);
  EXPECT_THAT(codes(report), ElementsAre("network.refused"));
}

constexpr std::uint32_t kHost = 1;

// `requests` of `each_ms` to one host, one after the other, in an invocation of `whole_ms`.
Report serial(std::uint64_t requests, std::uint64_t each_ms, std::uint64_t whole_ms) {
  Report report;
  report.duration_ns = whole_ms * kMs;
  HostFigures host;
  host.host = "db.internal";
  host.peer = "10.0.3.17:5432";
  host.target_plus_one = kHost;
  host.answers = requests;
  host.first_byte_ns = requests * each_ms * kMs;
  host.longest_ns = each_ms * kMs;
  report.targets.hosts.push_back(host);
  for (std::uint64_t i = 0; i < requests; ++i) {
    Blocked wait;
    wait.at_ns = i * each_ms * kMs;
    wait.for_ns = each_ms * kMs;
    wait.spent_on = recording::CallClass::kNetwork;
    wait.handler = true;
    wait.target_plus_one = kHost;
    report.timeline.push_back(wait);
  }
  return report;
}

TEST(SerialCallsTest, RequestsOneAfterTheOtherAreToldAsAPossibility) {
  Report report = serial(3, 60, 300);
  add_network_findings(report);
  ASSERT_THAT(codes(report), ElementsAre("time.serial_calls"));
  EXPECT_EQ(report.findings[0].text,
            "3 requests to db.internal:5432 went one after the other: 180 ms of 300 ms, the "
            "longest 60.0 ms.");
  EXPECT_THAT(std::string(report.findings[0].advice), ::testing::StartsWith("If none of them"));
}

TEST(SerialCallsTest, HealthyNeighboursHaveNone) {
  Report together = serial(3, 60, 300);  // sent together: the handler waited once
  together.timeline.resize(1);
  together.targets.hosts[0].first_byte_ns = 180 * kMs;
  Report few = serial(2, 60, 300);
  Report brief = serial(3, 30, 100);
  Report small_part = serial(3, 60, 1000);
  Report one_of_them = serial(3, 60, 300);
  one_of_them.targets.hosts[0].longest_ns = 150 * kMs;
  Report by_others = serial(3, 60, 300);
  for (Blocked& wait : by_others.timeline) {
    wait.handler = false;
  }
  Report connecting = serial(3, 60, 300);
  for (Blocked& wait : connecting.timeline) {
    wait.phase = recording::WaitPhase::kConnect;
  }
  for (Report* report :
       {&together, &few, &brief, &small_part, &one_of_them, &by_others, &connecting}) {
    add_network_findings(*report);
    EXPECT_THAT(codes(*report), IsEmpty());
  }
}

}  // namespace
}  // namespace lamprey::report
