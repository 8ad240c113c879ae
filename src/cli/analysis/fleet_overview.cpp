// Rows of functions, findings, hosts and bad ends; see the header.
#include "cli/analysis/fleet_overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;

std::uint64_t not_ok(const FunctionSum& sum) {
  std::uint64_t count = 0;
  for (const auto& [status, times] : sum.statuses) {
    count += status == "ok" ? 0 : times;
  }
  return count;
}

std::uint64_t findings_of(const FunctionSum& sum, const char* severity) {
  std::uint64_t codes = 0;
  for (const auto& [code, finding] : sum.findings) {
    codes += finding.severity == severity ? 1 : 0;
  }
  return codes;
}

int rank(const std::string& severity) {
  return severity == "critical" ? 0 : severity == "warning" ? 1 : 2;
}

std::vector<std::pair<std::string, const FindingSum*>> ranked(const FunctionSum& sum) {
  std::vector<std::pair<std::string, const FindingSum*>> findings;
  findings.reserve(sum.findings.size());
  for (const auto& [code, finding] : sum.findings) {
    findings.emplace_back(code, &finding);
  }
  std::stable_sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) {
    return rank(a.second->severity) < rank(b.second->severity);
  });
  return findings;
}

std::string codes(const FunctionSum& sum) {
  constexpr std::size_t kMaxCodes = 3;
  std::string joined;
  const auto findings = ranked(sum);
  for (std::size_t i = 0; i < std::min(findings.size(), kMaxCodes); ++i) {
    joined += (i == 0 ? "" : ", ") + findings[i].first;
  }
  return findings.size() > kMaxCodes
             ? fmt::format("{} and {} more", joined, findings.size() - kMaxCodes)
             : joined;
}

std::string time_or_dash(const std::optional<std::uint64_t>& ns) {
  return ns ? human_duration(*ns) : "-";
}

std::string in_bytes(std::uint64_t bytes) { return human_bytes(static_cast<std::int64_t>(bytes)); }

std::string memory_use(const FunctionSum& sum) {
  const auto peak = sum.peak_rss.percentile(100);
  if (!peak) {
    return "-";
  }
  return sum.limit_bytes ? fmt::format("{} of {}", in_bytes(*peak), in_bytes(*sum.limit_bytes))
                         : in_bytes(*peak);
}

}  // namespace

std::vector<NamedSum> by_trouble(const std::map<std::string, FunctionSum>& functions) {
  std::vector<NamedSum> order;
  order.reserve(functions.size());
  for (const auto& [name, sum] : functions) {
    order.emplace_back(name, &sum);
  }
  std::stable_sort(order.begin(), order.end(), [](const NamedSum& a, const NamedSum& b) {
    const auto trouble = [](const FunctionSum& sum) {
      return std::tuple(not_ok(sum), findings_of(sum, "critical"), findings_of(sum, "warning"));
    };
    return trouble(*a.second) > trouble(*b.second);
  });
  return order;
}

std::string mostly_in(const FunctionSum& sum) {
  constexpr std::size_t kMaxParts = 2;
  constexpr std::uint64_t kLeastPercent = 10;
  std::uint64_t all = 0;
  std::vector<std::pair<std::uint64_t, std::string>> parts;
  parts.reserve(sum.wall_ns.size());
  for (const auto& [part, ns] : sum.wall_ns) {
    all += ns;
    parts.emplace_back(ns, part);
  }
  std::sort(parts.rbegin(), parts.rend());
  std::string joined;
  for (std::size_t i = 0; i < std::min(parts.size(), kMaxParts); ++i) {
    const std::uint64_t percent = all == 0 ? 0 : parts[i].first * 100 / all;
    if (percent >= kLeastPercent) {
      joined += fmt::format("{}{} {} %", joined.empty() ? "" : ", ", parts[i].second, percent);
    }
  }
  return joined.empty() ? "-" : joined;
}

Rows overview_rows(const std::vector<NamedSum>& functions) {
  Rows rows{{"function", "invocations", "not ok", "p50", "p99", "mostly in", "resident at most",
             "findings"}};
  for (const auto& [name, sum] : functions) {
    rows.push_back({name, human_count(sum->invocations), human_count(not_ok(*sum)),
                    time_or_dash(sum->durations_ns.percentile(50)),
                    time_or_dash(sum->durations_ns.percentile(99)), mostly_in(*sum),
                    memory_use(*sum), codes(*sum)});
  }
  return rows;
}

Rows finding_rows(const FunctionSum& sum) {
  Rows rows{{"finding", "severity", "times", "the newest"}};
  for (const auto& [code, finding] : ranked(sum)) {
    rows.push_back({code, finding->severity, human_count(finding->count), finding->text});
  }
  return rows.size() > 1 ? rows : Rows{};
}

Rows host_rows(const FunctionSum& sum, std::size_t most) {
  std::vector<std::pair<std::string, HostSum>> hosts(sum.hosts.begin(), sum.hosts.end());
  std::stable_sort(hosts.begin(), hosts.end(), [](const auto& a, const auto& b) {
    return a.second.wait_ns > b.second.wait_ns;
  });
  Rows rows{{"host (where listed)", "connects", "errors", "sent", "received", "waited"}};
  for (std::size_t i = 0; i < std::min(hosts.size(), most); ++i) {
    const HostSum& host = hosts[i].second;
    rows.push_back({hosts[i].first, human_count(host.connects), human_count(host.errors),
                    in_bytes(host.sent_bytes), in_bytes(host.received_bytes),
                    human_duration(host.wait_ns)});
  }
  return rows.size() > 1 ? rows : Rows{};
}

namespace {

Rows rows_of(const char* title, const Named<CallSum>& sums, std::size_t most) {
  std::vector<std::pair<std::string, CallSum>> calls(sums.begin(), sums.end());
  std::sort(calls.begin(), calls.end(),
            [](const auto& a, const auto& b) { return a.second.total_ns > b.second.total_ns; });
  Rows rows{{title, "calls", "errors", "bytes", "total"}};
  for (std::size_t i = 0; i < std::min(calls.size(), most); ++i) {
    const CallSum& call = calls[i].second;
    rows.push_back({calls[i].first, human_count(call.calls), human_count(call.errors),
                    in_bytes(call.bytes), human_duration(call.total_ns)});
  }
  return rows.size() > 1 ? rows : Rows{};
}

}  // namespace

Rows call_rows(const FunctionSum& sum, std::size_t most) {
  return rows_of("call (where listed)", sum.calls, most);
}

Rows kernel_rows(const FunctionSum& sum, std::size_t most) {
  return rows_of("kernel call (where listed)", sum.kernel_calls, most);
}

Rows bad_end_rows(const FunctionSum& sum) {
  Rows rows{{"ended badly (newest)", "request", "status", "what it said"}};
  for (auto end = sum.bad_ends.rbegin(); end != sum.bad_ends.rend(); ++end) {
    rows.push_back({end->started, end->request_id, end->status, end->headline});
  }
  return rows.size() > 1 ? rows : Rows{};
}

}  // namespace lamprey::cli
