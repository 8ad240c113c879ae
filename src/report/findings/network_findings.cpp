// Findings about hosts that one report supports by itself (findings.h): slow ones, and each way in
// which talking to one fails. What needs several invocations is time_history.h's.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "report/findings/findings.h"
#include "report/text/human.h"
#include "report/text/out_of_time.h"

namespace lamprey::report {
namespace {

using recording::NetworkFailure;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::size_t kMaxHostsTold = 5;  // those that were waited for longest; those that failed
constexpr std::uint64_t kLeastSerialNs = 100 * kMs;

std::int64_t in_ms(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kMs); }
std::int64_t count(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// "1 call", "2,000 calls".
std::string counted(std::uint64_t value, std::string_view what) {
  return fmt::format("{} {}{}", human_count(value), what, value == 1 ? "" : "s");
}

// One way of failing, in words: "{count} {noun}{s} {middle} {host}{end}.".
struct Kind {
  NetworkFailure failure;
  const char* code;
  const char* noun;
  const char* middle;
  const char* end;
  const char* evidence;
  const char* advice;
};
constexpr Kind kKinds[] = {
    {NetworkFailure::kRefused, "network.refused", "connect", "to", " refused", "refused",
     "Nothing listens on that port: look at the address, the port, and whether the other side "
     "runs. "
     "(A security group drops, it refuses nothing.)"},
    {NetworkFailure::kReset, "network.reset", "connection", "to",
     " closed by the other side while in use", "reset",
     "The other side, or a load balancer or NAT between, ended it: look at its log and its limits, "
     "and repeat what may be repeated."},
    {NetworkFailure::kStale, "network.stale_connection", "reused connection", "to",
     " found closed by the other side, as happens while the environment is frozen", "stale",
     "Repeat such a request once on a new connection, or let the client drop connections that were "
     "idle for longer than the other side keeps them."},
    {NetworkFailure::kTimedOut, "network.timed_out", "connection", "to",
     " given up without an answer", "timed_out",
     "Look at routes, NAT and security groups, which drop packets, and at why the other side is "
     "slow."},
    {NetworkFailure::kUnreachable, "network.unreachable", "connect", "to", " without a route",
     "unreachable",
     "Look at the function's subnets and their route tables; an IPv6 address needs a subnet that "
     "has IPv6."},
    {NetworkFailure::kUnknownName, "network.unknown_name", "lookup", "of", " found no such name",
     "unknown_name",
     "Look at how the name is spelled and configured; a private name needs a hosted zone that is "
     "associated with the VPC."},
    {NetworkFailure::kResolver, "network.dns_failed", "lookup", "of",
     " not answered by the resolver", "dns_failed",
     "Look at the VPC's resolver, whether port 53 is allowed, and its limit of 1,024 packets a "
     "second for each network interface."},
    {NetworkFailure::kHandshake, "network.tls", "TLS handshake", "with", " not finished",
     "handshakes",
     "The other side ended it or did not answer: look at its log and its certificate, and whether "
     "that port speaks TLS."},
};

std::uint64_t failed(const HostFigures& host, NetworkFailure kind) {
  return host.failures[static_cast<std::size_t>(kind)];
}

// Clients try the addresses of a name one after the other, or race them (RFC 8305): as long as
// connects succeed as well, an address that has no route or refuses is no trouble.
bool is_worth_telling(const HostFigures& host, NetworkFailure kind) {
  const std::uint64_t refused = failed(host, NetworkFailure::kRefused);
  const std::uint64_t unreachable = failed(host, NetworkFailure::kUnreachable);
  const std::uint64_t reached = host.connects - std::min(host.connects, refused + unreachable);
  switch (kind) {
    case NetworkFailure::kRefused:
      return refused > reached;
    case NetworkFailure::kUnreachable:
      return unreachable != 0 && reached == 0;
    default:
      return failed(host, kind) != 0;
  }
}

// Who tries again waits in between; ns asleep, 0: not worth telling.
std::uint64_t back_off_ns(const Report& report, std::uint64_t times) {
  const bool waits = report.type == Type::kInvoke && report.wall && times >= 2 &&
                     report.wall->sleep_ns >= 100 * kMs &&
                     report.wall->sleep_ns >= report.wall->total_ns / 5;
  return waits ? report.wall->sleep_ns : 0;
}

void tell_failure(Report& report, const HostFigures& host, const Kind& kind) {
  const std::uint64_t times = failed(host, kind.failure);
  const std::uint64_t asleep = back_off_ns(report, times);
  Finding finding;
  finding.code = kind.code;
  finding.severity = Severity::kWarning;
  finding.text = fmt::format(
      "{} {} {}{}{}.", counted(times, kind.noun), kind.middle, host_label(host), kind.end,
      asleep != 0 ? fmt::format(", {} of the time between them asleep", human_duration(asleep))
                  : std::string());
  finding.advice = kind.advice;
  finding.evidence = {{kind.evidence, count(times)}, {"connects", count(host.connects)}};
  if (asleep != 0) {
    finding.add_evidence("asleep_ms", in_ms(asleep));
  }
  report.findings.push_back(std::move(finding));
}

void add_failures(Report& report, const HostFigures& host) {
  for (const Kind& kind : kKinds) {
    if (is_worth_telling(host, kind.failure)) {
      tell_failure(report, host, kind);
    }
  }
  const std::uint64_t known =
      std::accumulate(host.failures.begin(), host.failures.end(), std::uint64_t{0});
  if (host.errors > known) {
    report.findings.push_back(
        {"network.errors",
         Severity::kWarning,
         fmt::format("{} to {} failed.", counted(host.errors - known, "call"), host_label(host)),
         "calls.top[].errnos says how: look there, and at the other side's "
         "log.",
         {{"errors", count(host.errors - known)}, {"connects", count(host.connects)}}});
  }
}

void add_slow(Report& report, const HostFigures& host) {
  if (host.lookups != 0 && host.lookup_ns / host.lookups >= 50 * kMs) {
    report.findings.push_back(
        {"network.slow_dns",
         Severity::kWarning,
         fmt::format("Looking up {} took {} in {}.", host.host, human_duration(host.lookup_ns),
                     counted(host.lookups, "lookup")),
         "Keep the connection open between invocations, and look at the VPC's resolver.",
         {{"lookups", count(host.lookups)}, {"dns_ms", in_ms(host.lookup_ns)}}});
  }
  const std::uint64_t whole = report.duration_ns.value_or(0);
  const bool told = report.status == Status::kTimeout;  // and why is another finding's
  if (report.type == Type::kInvoke && !told && host.wait_ns >= 200 * kMs &&
      host.wait_ns >= whole / 2) {
    report.findings.push_back(
        {"network.slow_host",
         Severity::kInfo,
         fmt::format("{} of {} went into waiting for {}.", human_duration(host.wait_ns),
                     human_duration(whole), host_label(host)),
         "Ask less often, ask in parallel, or look at why the other side is slow.",
         {{"wait_ms", in_ms(host.wait_ns)}, {"first_byte_ms", in_ms(host.first_byte_ns)}}});
  }
}

// Requests to one host, each sent after the answer to the one before. Where several were under way
// together, their answers took longer in all than the handler waited. Whether one needed another's
// answer, nobody here knows.
void add_serial(Report& report, const HostFigures& host) {
  constexpr std::uint64_t kLeast = 3;
  const std::uint64_t whole = report.duration_ns.value_or(0);
  std::uint64_t waited = 0;
  for (const Blocked& wait : report.timeline) {
    const bool for_answer = wait.handler && !wait.open &&
                            wait.phase == recording::WaitPhase::kNone &&
                            wait.spent_on == recording::CallClass::kNetwork;
    waited +=
        for_answer && wait.target_plus_one == host.target_plus_one ? wait.for_ns.value_or(0) : 0;
  }
  if (report.type != Type::kInvoke || report.status == Status::kTimeout || host.answers < kLeast ||
      waited < kLeastSerialNs || waited < whole / 10 * 3 ||
      host.first_byte_ns > waited + (waited / 8) || host.longest_ns > waited / 3 * 2) {
    return;
  }
  report.findings.push_back(
      {"time.serial_calls",
       Severity::kInfo,
       fmt::format("{} to {} went one after the other: {} of {}, the longest {}.",
                   counted(host.answers, "request"), host_label(host), human_duration(waited),
                   human_duration(whole), human_duration(host.longest_ns)),
       "If none of them needs the answer to one before, send them together: then they take as long "
       "as the longest.",
       {{"requests", count(host.answers)},
        {"ms", in_ms(waited)},
        {"longest_ms", in_ms(host.longest_ns)}}});
}

}  // namespace

bool is_network_large(const Report& report) {
  return report.wall && report.wall->network_ns >= kLeastSerialNs;
}

void add_network_findings(Report& report) {
  std::size_t position = 0;
  std::size_t failing = 0;
  for (HostFigures& host : report.targets.hosts) {
    const std::size_t before = report.findings.size();
    if (position++ < kMaxHostsTold) {
      add_slow(report, host);
      add_serial(report, host);
    }
    if (host.errors != 0 && failing < kMaxHostsTold) {
      add_failures(report, host);
    }
    const bool told = report.findings.size() != before;
    failing += host.errors != 0 && told ? 1 : 0;
    host.in_findings |= told;
  }
}

}  // namespace lamprey::report
