// Adding up records; see the header.
#include "cli/analysis/function_sums.h"

#include <algorithm>

#include "cli/input/json_values.h"
#include "cli/input/summaries.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;

void keep(Series& series, const std::optional<std::uint64_t>& value) {
  if (value) {
    series.add(*value);
  }
}

void set_text(std::string& into, const Value& value) {
  std::string room;
  into = value.text_in(room);
}

void add_findings(FunctionSum& sum, const Value& record) {
  std::string room;
  for (const Value finding : list(record, "findings")) {
    const std::string_view code = finding["code"].text_in(room);
    if (code.empty()) {
      continue;
    }
    FindingSum& into = entry_of(sum.findings, code);
    into.count += number(finding, "count").value_or(1);
    set_text(into.severity, finding["severity"]);
    set_text(into.text, finding["text"]);
    set_text(into.advice, finding["advice"]);
  }
}

void add_wall(FunctionSum& sum, const Value& record) {
  const Value wall = record["wall"];
  for (const WallPart& part : kWallParts) {
    if (const auto ns = number(wall, part.key, kNsAMs)) {
      entry_of(sum.wall_ns, part.words) += *ns;
    }
  }
}

void add_hosts(FunctionSum& sum, const Value& record) {
  std::string room;
  for (const Value host : list(record, "network")) {
    const std::string_view name = host["host"].text_in(room);
    if (name.empty()) {
      continue;
    }
    HostSum& into = entry_of(sum.hosts, name);
    into.connects += number(host, "connects").value_or(0);
    into.errors += number(host, "errors").value_or(0);
    into.sent_bytes += number(host, "sent_bytes").value_or(0);
    into.received_bytes += number(host, "received_bytes").value_or(0);
    for (const char* part : {"wait_ms", "dns_ms"}) {
      into.wait_ns += number(host, part, kNsAMs).value_or(0);
    }
  }
}

void add_calls(Named<CallSum>& sums, const Value& section) {
  std::string room;
  for (const Value call : list(section, "top")) {
    if (!call.is_object()) {
      continue;
    }
    CallSum& into = entry_of(sums, call["name"].text_in(room));
    into.calls += number(call, "calls").value_or(0);
    into.errors += number(call, "errors").value_or(0);
    into.bytes += number(call, "bytes").value_or(0);
    into.total_ns += number(call, "total_ms", kNsAMs).value_or(0);
  }
}

void add_bad_end(FunctionSum& sum, const Value& record) {
  if (is(record, "status", "ok") || record["status"].raw().empty()) {
    return;
  }
  if (sum.bad_ends.size() == FunctionSum::kMaxBadEnds) {
    sum.bad_ends.erase(sum.bad_ends.begin());
  }
  sum.bad_ends.push_back({text(record, "started"), text(record, "request_id"),
                          text(record, "status"), text(record, "headline")});
}

void add_distributions(FunctionSum& sum, const Value& record) {
  const auto add = [&record](Series& series, const char* metric, std::uint64_t by) {
    for (const std::uint64_t value : values_in(record, metric, by)) {
      series.add(value);
    }
  };
  add(sum.durations_ns, "duration_ms", kNsAMs);
  add(sum.allocated, "allocated_bytes", 1);
  add(sum.live, "live_bytes", 1);
  add(sum.peak_rss, "peak_rss_bytes", 1);
}

void append_calls(Named<CallSum>& into, const Named<CallSum>& later) {
  for (const auto& [name, call] : later) {
    CallSum& sum = into[name];
    sum.calls += call.calls;
    sum.errors += call.errors;
    sum.bytes += call.bytes;
    sum.total_ns += call.total_ns;
  }
}

void append_hosts(Named<HostSum>& into, const Named<HostSum>& later) {
  for (const auto& [name, host] : later) {
    HostSum& sum = into[name];
    sum.connects += host.connects;
    sum.errors += host.errors;
    sum.sent_bytes += host.sent_bytes;
    sum.received_bytes += host.received_bytes;
    sum.wait_ns += host.wait_ns;
  }
}

}  // namespace

void add_record(FunctionSum& sum, const Value& record) {
  add_findings(sum, record);
  add_record(sum.cpu, record);
  if (is(record, "type", "init")) {
    keep(sum.inits_ns, number(record["init"], "total_ms", kNsAMs));
    return;
  }
  const bool summary = is_summary(record);
  if (!summary && !is(record, "type", "invoke") && !is(record, "type", "run")) {
    return;
  }
  const Value memory = record["memory"];
  std::string room;
  sum.invocations += invocations_in(record);
  entry_of(sum.statuses, record["status"].text_in(room)) += invocations_in(record);
  if (summary) {
    add_distributions(sum, record);
  } else {
    keep(sum.durations_ns, number(record, "duration_ms", kNsAMs));
    keep(sum.allocated, number(memory, "allocated_bytes"));
    keep(sum.live, number(memory, "live_bytes"));
    keep(sum.peak_rss, number(memory, "peak_rss_bytes"));
  }
  sum.cold_starts += record["cold_start"].kind() == Value::Kind::kTrue ? 1 : 0;
  add_wall(sum, record);
  add_hosts(sum, record);
  add_bad_end(sum, record);
  if (const auto limit = number(memory, "limit_bytes")) {
    sum.limit_bytes = limit;
  }
  add_calls(sum.calls, record["calls"]);
  add_calls(sum.kernel_calls, record["kernel"]);
}

void append(FunctionSum& sum, const FunctionSum& later) {
  sum.invocations += later.invocations;
  sum.cold_starts += later.cold_starts;
  for (const auto& [status, count] : later.statuses) {
    sum.statuses[status] += count;
  }
  sum.durations_ns.append(later.durations_ns);
  sum.inits_ns.append(later.inits_ns);
  sum.allocated.append(later.allocated);
  sum.live.append(later.live);
  sum.peak_rss.append(later.peak_rss);
  sum.limit_bytes = later.limit_bytes ? later.limit_bytes : sum.limit_bytes;
  append_calls(sum.calls, later.calls);
  append_calls(sum.kernel_calls, later.kernel_calls);
  for (const auto& [code, finding] : later.findings) {
    FindingSum& into = sum.findings[code];
    const std::uint64_t before = into.count;
    into = finding;
    into.count += before;
  }
  append_hosts(sum.hosts, later.hosts);
  append(sum.cpu, later.cpu);
  for (const auto& [part, ns] : later.wall_ns) {
    sum.wall_ns[part] += ns;
  }
  sum.bad_ends.insert(sum.bad_ends.end(), later.bad_ends.begin(), later.bad_ends.end());
  if (sum.bad_ends.size() > FunctionSum::kMaxBadEnds) {
    sum.bad_ends.erase(sum.bad_ends.begin(), sum.bad_ends.end() - FunctionSum::kMaxBadEnds);
  }
}

}  // namespace lamprey::cli
