// Adding up records; see the header.
#include "cli/analysis/function_sums.h"

#include <algorithm>
#include <utility>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kNsAMs = 1'000'000;

void keep(std::vector<std::uint64_t>& list, const std::optional<std::uint64_t>& value) {
  if (value) {
    list.push_back(*value);
  }
}

void add_findings(FunctionSum& sum, const Json& record) {
  for (const Json& finding : list(record, "findings")) {
    if (text(finding, "code").empty()) {
      continue;
    }
    FindingSum& into = sum.findings[text(finding, "code")];
    ++into.count;
    into.severity = text(finding, "severity");
    into.text = text(finding, "text");
    into.advice = text(finding, "advice");
  }
}

void add_wall(FunctionSum& sum, const Json& record) {
  static constexpr std::pair<const char*, const char*> kParts[] = {
      {"cpu_ms", "CPU"},         {"runnable_ms", "waiting for CPU"},
      {"network_ms", "network"}, {"dns_ms", "DNS"},
      {"file_ms", "files"},      {"lock_ms", "locks"},
      {"sleep_ms", "sleep"},     {"child_ms", "children"},
      {"other_ms", "other"}};
  const Json& wall = member(record, "wall");
  for (const auto& [key, words] : kParts) {
    if (const auto ns = number(wall, key, kNsAMs)) {
      sum.wall_ns[words] += *ns;
    }
  }
}

void add_hosts(FunctionSum& sum, const Json& record) {
  for (const Json& host : list(record, "network")) {
    if (text(host, "host").empty()) {
      continue;
    }
    HostSum& into = sum.hosts[text(host, "host")];
    into.connects += number(host, "connects").value_or(0);
    into.errors += number(host, "errors").value_or(0);
    into.sent_bytes += number(host, "sent_bytes").value_or(0);
    into.received_bytes += number(host, "received_bytes").value_or(0);
    for (const char* part : {"wait_ms", "dns_ms"}) {
      into.wait_ns += number(host, part, kNsAMs).value_or(0);
    }
  }
}

void add_calls(std::map<std::string, CallSum>& sums, const Json& section) {
  for (const Json& call : list(section, "top")) {
    if (!call.is_object()) {
      continue;
    }
    CallSum& into = sums[text(call, "name")];
    into.calls += number(call, "calls").value_or(0);
    into.errors += number(call, "errors").value_or(0);
    into.bytes += number(call, "bytes").value_or(0);
    into.total_ns += number(call, "total_ms", kNsAMs).value_or(0);
  }
}

void add_bad_end(FunctionSum& sum, const Json& record) {
  if (text(record, "status") == "ok" || text(record, "status").empty()) {
    return;
  }
  if (sum.bad_ends.size() == FunctionSum::kMaxBadEnds) {
    sum.bad_ends.erase(sum.bad_ends.begin());
  }
  sum.bad_ends.push_back({text(record, "started"), text(record, "request_id"),
                          text(record, "status"), text(record, "headline")});
}

}  // namespace

void add_record(FunctionSum& sum, const Json& record) {
  const std::string type = text(record, "type");
  add_findings(sum, record);
  if (type == "init") {
    keep(sum.inits_ns, number(member(record, "init"), "total_ms", kNsAMs));
    return;
  }
  if (type != "invoke" && type != "run") {
    return;
  }
  const Json& memory = member(record, "memory");
  ++sum.invocations;
  ++sum.statuses[text(record, "status")];
  sum.cold_starts += member(record, "cold_start") == true ? 1 : 0;
  add_wall(sum, record);
  add_hosts(sum, record);
  add_bad_end(sum, record);
  keep(sum.durations_ns, number(record, "duration_ms", kNsAMs));
  keep(sum.allocated, number(memory, "allocated_bytes"));
  keep(sum.live, number(memory, "live_bytes"));
  keep(sum.peak_rss, number(memory, "peak_rss_bytes"));
  if (const auto limit = number(memory, "limit_bytes")) {
    sum.limit_bytes = limit;
  }
  add_calls(sum.calls, member(record, "calls"));
  add_calls(sum.kernel_calls, member(record, "kernel"));
}

std::optional<std::uint64_t> percentile(std::vector<std::uint64_t> values, std::size_t percent) {
  if (values.empty()) {
    return std::nullopt;
  }
  std::sort(values.begin(), values.end());
  const std::size_t rank = std::max<std::size_t>(1, ((values.size() * percent) + 99) / 100);
  return values[rank - 1];
}

}  // namespace lamprey::cli
