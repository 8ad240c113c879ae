// Report to JSON; see the header. Lists come after the single figures: CloudWatch Logs Insights
// discovers the fields of an event in order, up to a limit.
#include "cloudwatch/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>
#include <utility>

#include "cloudwatch/form.h"
#include "cloudwatch/metrics.h"
#include "cloudwatch/sections.h"
#include "descriptors/whole.h"

namespace lamprey::cloudwatch {
namespace {

using report::Report;

constexpr std::uint32_t kAccepted = 202;

std::string iso_8601(std::uint64_t real_ns) {
  const auto seconds = static_cast<std::time_t>(real_ns / 1'000'000'000U);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     real_ns / 1'000'000U % 1000);
}

void add_identity(Object& line, const Report& report) {
  line.add("lamprey", "1");
  line.add("type", report::name_of(report.type));
  line.add("status", report::name_of(report.status));
  put_text(line, "headline", report.headline);
  put_text(line, "request_id", report.request_id);
  put_text(line, "function_name", report.function_name);
  put_text(line, "function_version", report.function_version);
  put_text(line, "trace_id", report.trace_id);
  put(line, "cold_start", report.cold_start);
  put(line, "invocation", report.invocation);
  if (report.started_real_ns) {
    line.add("started", iso_8601(*report.started_real_ns));
  }
  put_ms(line, "duration_ms", report.duration_ns);
  put_ms(line, "response_ms", report.response_ns);
  put_text(line, "error_type", report.error_type);
  put(line, "response_bytes", report.response_bytes);
  if (report.response_status.value_or(kAccepted) != kAccepted) {
    put(line, "response_status", report.response_status);
  }
  if (report.late) {
    line.add("late", true);
  }
}

// The lists of a line: how many entries of each are printed.
enum List : std::size_t {
  kUnseen,
  kSites,
  kFindings,
  kBlocked,
  kTimeline,
  kTop,
  kNetwork,
  kFiles,
  kKernel,
  kCpuSites,
  kLists
};
using Amount = std::array<std::size_t, kLists>;
constexpr const char* kListNames[kLists] = {
    "coverage.unseen", "memory.sites", "findings", "blocked",    "timeline",
    "calls.top",       "network",      "files",    "kernel.top", "cpu.sites"};

// All of a line, written out once: how much of the lists fits is found by putting these together.
struct Parts {
  Object front;  // what comes before coverage
  Object coverage;
  Object lost;
  Object memory;
  Object cpu;
  Object calls;
  Object kernel;
  Object metrics;  // of a summary: they hold long lists, so they come last
  std::array<Entries, kLists> lists;
};

Parts write_parts(const Report& report, const LineOptions& options, Form form) {
  Parts parts;
  Object& front = parts.front;
  add_identity(front, report);
  add_metrics(front, report, options);
  front.add("process", process_section(report));
  front.add("summary", summary_section(report));
  front.add("init", init_section(report));
  front.add("platform", platform_section(report));
  front.add("wall", wall_section(report, form));
  const bool not_recorded = std::string_view(report.coverage.mode) == "process";
  if (form == Form::kFull || not_recorded) {  // then it is all that there is
    front.add("system", system_section(report));
  }
  front.add("self", self_section(report, form));
  front.add("death", death_section(report));
  parts.coverage = coverage_section(report);
  parts.lost = lost_section(report);
  parts.memory = memory_section(report, form);
  parts.cpu = cpu_section(report);
  parts.calls = calls_section(report);
  parts.kernel = kernel_section(report);
  parts.metrics = distributions(report);
  parts.lists[kUnseen] = unseen_entries(report);
  parts.lists[kSites] = site_entries(report, form);
  // Only who asked for short lines has findings without advice and evidence.
  parts.lists[kFindings] =
      finding_entries(report, options.detail == Detail::kShort ? form : Form::kFull);
  parts.lists[kBlocked] = blocked_entries(report);
  if (form == Form::kFull) {
    parts.lists[kTimeline] = timeline_entries(report, form, kMaxBytes);
  }
  parts.lists[kTop] = call_entries(report, form);
  parts.lists[kNetwork] = host_entries(report, form);
  parts.lists[kFiles] = file_entries(report, form);
  parts.lists[kKernel] = kernel_entries(report, form);
  parts.lists[kCpuSites] = cpu_entries(report, form);
  return parts;
}

std::string put_together(const Parts& parts, const Amount& amount, const Entries& truncated) {
  const auto add = [&parts, &amount](Object& to, const char* key, List list) {
    to.add(key, parts.lists[list], amount[list]);
  };
  Object line = parts.front;
  Object coverage = parts.coverage;
  add(coverage, "unseen", kUnseen);
  coverage.add("lost", parts.lost);
  coverage.add("truncated", truncated, truncated.size());
  line.add("coverage", coverage);
  Object memory = parts.memory;
  add(memory, "sites", kSites);
  line.add("memory", memory);
  Object cpu = parts.cpu;
  add(cpu, "sites", kCpuSites);
  line.add("cpu", cpu);
  add(line, "findings", kFindings);
  add(line, "blocked", kBlocked);
  add(line, "timeline", kTimeline);
  Object calls = parts.calls;
  add(calls, "top", kTop);
  line.add("calls", calls);
  add(line, "network", kNetwork);
  add(line, "files", kFiles);
  Object kernel = parts.kernel;
  add(kernel, "top", kKernel);
  line.add("kernel", kernel);
  line.join(parts.metrics);
  return std::move(line).text();
}

// What is cut, in this order, until the line fits: first kGoodBytes, then kMaxBytes.
struct Step {
  std::size_t above;
  List list;
  std::size_t to;
};
constexpr Step kSteps[] = {{kGoodBytes, kKernel, 10},
                           {kGoodBytes, kFiles, 10},
                           {kGoodBytes, kSites, 5},
                           {kGoodBytes, kCpuSites, 10},
                           {kGoodBytes, kTop, 10},
                           {kGoodBytes, kNetwork, 10},
                           {kGoodBytes, kFiles, kTopShort},
                           {kGoodBytes, kSites, kTopShort},
                           {kGoodBytes, kNetwork, 5},
                           {kMaxBytes, kNetwork, kTopShort},
                           {kMaxBytes, kTop, kTopShort},
                           {kMaxBytes, kTimeline, 12},
                           {kMaxBytes, kBlocked, 5},
                           {kMaxBytes, kUnseen, 5},
                           {kMaxBytes, kFindings, 5},
                           {kMaxBytes, kKernel, 0},
                           {kMaxBytes, kTop, 0},
                           {kMaxBytes, kCpuSites, 1},
                           {kMaxBytes, kFiles, 0},
                           {kMaxBytes, kNetwork, 0},
                           {kMaxBytes, kSites, 0},
                           {kMaxBytes, kTimeline, 0},
                           {kMaxBytes, kBlocked, 1},
                           {kMaxBytes, kUnseen, 1},
                           {kMaxBytes, kFindings, 1}};

// Cuts what `amount` still has of the lists until the line fits, and says what was cut.
std::string cut_to_fit(const Parts& parts, Amount amount) {
  constexpr std::size_t kMaxForNames = 100;  // coverage.truncated with all of the lists
  Entries truncated;
  std::string line = put_together(parts, amount, truncated);
  std::size_t size = line.size();  // from here on at most that: commas and keys go too
  for (const Step& step : kSteps) {
    const Entries& list = parts.lists[step.list];
    const std::size_t there = std::min(amount[step.list], list.size());
    if (size <= step.above || there <= step.to) {
      continue;
    }
    for (std::size_t i = step.to; i < there; ++i) {
      size -= list[i].size();
    }
    size += truncated.empty() ? kMaxForNames : 0;
    amount[step.list] = step.to;
    std::string name;
    append_quoted(name, kListNames[step.list]);
    if (std::find(truncated.begin(), truncated.end(), name) == truncated.end()) {
      truncated.push_back(std::move(name));
    }
  }
  if (!truncated.empty()) {
    line = put_together(parts, amount, truncated);
  }
  return line;
}

// How many of the hosts a short line has in any case: up to the last that a finding is about.
std::size_t vital_hosts(const Report& report) {
  const auto& hosts = report.targets.hosts;
  std::size_t many = std::min(hosts.size(), kTopShort);
  while (many != 0 && !hosts[many - 1].in_findings) {
    --many;
  }
  return many;
}

// By how many bytes one more entry of a list makes a line longer that is not cut.
std::size_t adds(const Parts& parts, const Amount& amount, List list) {
  if (parts.lists[list].size() <= amount[list]) {
    return 0;
  }
  const std::size_t entry = parts.lists[list][amount[list]].size();
  if (amount[list] != 0) {
    return entry + 1;  // a comma
  }
  const std::string_view name = kListNames[list];
  const std::size_t dot = name.find('.');
  const std::string_view key = dot == std::string_view::npos ? name : name.substr(dot + 1);
  const Object* const inside = list == kSites    ? &parts.memory
                               : list == kTop    ? &parts.calls
                               : list == kKernel ? &parts.kernel
                                                 : nullptr;
  const std::size_t with_key = entry + key.size() + 6;                               // ,"":[]
  return inside == nullptr || !inside->empty() ? with_key : with_key - 1 + dot + 6;  // and ,"":{}
}

// A host that has no name is its own peer: what its entry says twice can go.
void say_once(std::string& entry, const report::HostFigures& host) {
  std::string twice = ",\"peer\":";
  append_quoted(twice, host.peer);
  const std::size_t at = entry.find(twice);
  if (host.peer == host.host && at != std::string::npos) {
    entry.erase(at, twice.size());
  }
}

// As many of the longest waits as there is room for; returns by how much they make the line longer.
std::size_t put_waits(Parts& parts, Amount& amount, const Report& report, std::size_t room) {
  constexpr std::size_t kForKey = 14;  // ,"timeline":[]
  Entries waits = timeline_entries(report, Form::kShort, room - std::min(room, kForKey));
  std::size_t size = waits.empty() ? 0 : kForKey;
  for (const std::string& wait : waits) {
    size += wait.size() + 1;  // a comma
  }
  amount[kTimeline] = waits.size();
  parts.lists[kTimeline] = std::move(waits);
  return size;
}

// A short line is filled, the most telling first, as long as it stays short. What it cannot do
// without is in it however long that is; findings and the hosts that they are about take no room
// from the other lists.
std::string fill_short(Parts parts, const Report& report) {
  const std::size_t hosts = vital_hosts(report);
  Entries brief_call = briefest_call(report);
  constexpr List kOrder[] = {kTop,     kNetwork, kSites,  kTop,   kFiles,   kKernel, kTop,   kSites,
                             kNetwork, kFiles,   kKernel, kSites, kNetwork, kFiles,  kKernel};
  Amount amount{};
  amount[kUnseen] = amount[kFindings] = amount[kBlocked] = kMaxVital;
  amount[kCpuSites] = kMaxVital;
  // Whoever was talked to is worth more than the call that took longest.
  amount[kNetwork] = std::max(hosts, std::min<std::size_t>(1, parts.lists[kNetwork].size()));
  std::size_t room = kShortBytes;
  for (const std::string& finding : parts.lists[kFindings]) {
    room += finding.size();
  }
  for (std::size_t i = 0; i < hosts; ++i) {
    room += parts.lists[kNetwork][i].size();
  }
  std::string line = cut_to_fit(parts, amount);
  constexpr std::size_t kForKey = 10;  // ,"top":[]
  const auto has_call = [&] { return line.size() + parts.lists[kTop][0].size() + kForKey <= room; };
  if (!brief_call.empty() && !has_call()) {
    parts.lists[kTop] = std::move(brief_call);
    if (!has_call() && amount[kNetwork] == 1) {
      say_once(parts.lists[kNetwork][0], report.targets.hosts[0]);
      line = cut_to_fit(parts, amount);
    }
  }
  const Amount least = amount;
  const std::size_t taken = line.size() + adds(parts, amount, kTop);  // one call comes before waits
  std::size_t size = line.size() + put_waits(parts, amount, report, room - std::min(room, taken));
  for (const List list : kOrder) {
    const std::size_t more = size + adds(parts, amount, list);
    if (parts.lists[list].size() > amount[list] && more <= room && more <= kGoodBytes) {
      amount[list] += 1;
      size = more;
    }
  }
  if (amount != least) {
    line = cut_to_fit(parts, amount);
  }
  return line;
}

// The last member of a line: nobody reads it without a tool. It takes no room from the lists; what
// is weightiest in it comes first.
void append_profile(std::string& line, const report::AllocationProfile& profile) {
  constexpr std::size_t kForKeys = 96;
  const std::size_t room = kMaxBytes - std::min(kMaxBytes, line.size() + kForKeys);
  std::string_view sites = profile.sites;
  const std::size_t names = profile.files.size() + profile.frames.size();
  if (names + sites.size() > room) {
    const std::size_t left = room - std::min(room, names);
    const std::size_t end = left < sites.size() ? sites.rfind("; ", left) : sites.size();
    sites = sites.substr(0, end == std::string_view::npos ? 0 : end);
  }
  Object section;
  put(section, "since", profile.since);
  section.add("until", profile.until);
  if (!profile.files.empty()) {
    section.add("files", profile.files);
  }
  section.add("frames", profile.frames);
  section.add("sites", sites);
  const std::string text = std::move(section).text();
  constexpr std::string_view kKey = ",\"allocation_profile\":";
  if (!sites.empty() && line.size() + kKey.size() + text.size() <= kMaxBytes) {
    line.pop_back();
    line.append(kKey).append(text).push_back('}');
  }
}

}  // namespace

std::string to_line(const Report& report, const LineOptions& options) {
  const Form form = form_of(report, options.detail);
  Parts parts = write_parts(report, options, form);
  if (form == Form::kShort) {
    return fill_short(std::move(parts), report);
  }
  Amount amount;
  amount.fill(kTopFull);
  amount[kTimeline] = report::kMaxTimeline;
  std::string line = cut_to_fit(parts, amount);
  if (report.memory && report.memory->profile) {
    append_profile(line, *report.memory->profile);
  }
  return line;
}

bool write_line(int descriptor, const std::string& line) {
  return descriptors::write_whole(descriptor, line + "\n");
}

}  // namespace lamprey::cloudwatch
