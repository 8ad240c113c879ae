// Adding up reports; see the header. Which figures a sum has stands in entry.cpp, how it is kept as
// bytes in summary_bytes.cpp.
#include "report/summary/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "recording/order.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

constexpr const char* kOthers = "(others)";
constexpr std::size_t kMaxTold = 40;    // hosts, files and texts that are told apart
constexpr std::size_t kMaxListed = 20;  // and of hosts and files in a line

bool has_others(Part part) { return part == Part::kHost || part == Part::kFile; }

// By part; the most costly first, all others last.
bool goes_before(const void* rows, const void* /*rule*/, std::uint32_t a, std::uint32_t b) {
  const Entry& one = static_cast<const Entry*>(rows)[a];
  const Entry& other = static_cast<const Entry*>(rows)[b];
  if (one.part != other.part) {
    return one.part < other.part;
  }
  const bool is_rest = one.name == kOthers;
  return is_rest != (other.name == kOthers) ? !is_rest : cost_of(one) > cost_of(other);
}

// Where the figures of an entry belong. `name` stays where it is as long as the report.
void* place_in(Report& report, SummaryFigures& figures, const Entry& entry,
               const std::string& name) {
  switch (entry.part) {
    case Part::kCounts:
      return static_cast<SummaryCounts*>(&figures);
    case Part::kReport:
      report.function_name = name;
      report.function_version = entry.more;
      return &report;
    case Part::kMemory:
      return &report.memory.emplace();
    case Part::kCalls:
      return &report.calls.emplace();
    case Part::kKernel:
      return &report.kernel.emplace();
    case Part::kWall:
      return &report.wall.emplace();
    case Part::kProcess:
      return &report.process;
    case Part::kCoverage:
      report.coverage.mode = name.c_str();
      return &report.coverage;
    case Part::kSelf:
      return &report.self;
    case Part::kHost: {
      HostFigures& host = report.targets.hosts.emplace_back();
      host.host = name;
      host.peer = entry.more;
      return &host;
    }
    case Part::kFile: {
      FileFigures& file = report.targets.files.emplace_back();
      file.path = name;
      return &file;
    }
    case Part::kCall: {
      CallFigures& call = report.calls->by_time.emplace_back();
      call.call = static_cast<recording::Call>(entry.id);
      return &call;
    }
    case Part::kKernelCall: {
      KernelCall& call = report.kernel->by_time.emplace_back();
      call.name = name.c_str();
      return &call.figures;
    }
    case Part::kFinding: {
      Finding& finding = report.findings.emplace_back();
      finding.code = name;
      finding.severity = static_cast<Severity>(entry.id);
      finding.text = entry.more;
      return &finding;
    }
    case Part::kUnseen:
      report.coverage.unseen.push_back(name);
      break;
  }
  return nullptr;  // it has no figures
}

// "1,000 invocations in 58.2 s, each 1.21 ms and at most 4.05 ms; ..."
std::string headline_of(const Report& sum, const SummaryFigures& figures) {
  const std::uint64_t count = figures.invocations;
  std::string text = human_count(count) + (count == 1 ? " invocation" : " invocations");
  const std::uint64_t began = sum.started_real_ns.value_or(figures.end_real_ns);
  if (figures.end_real_ns > began) {
    text.append(" in ").append(human_duration(figures.end_real_ns - began));
  }
  const Distribution& durations = figures.metrics[static_cast<std::size_t>(Metric::kDuration)];
  if (durations.count != 0) {
    text +=
        fmt::format(": {} on average, {} at most", human_duration(durations.sum / durations.count),
                    human_duration(durations.max));
  }
  const Distribution& cpu = figures.metrics[static_cast<std::size_t>(Metric::kCpu)];
  if (cpu.count != 0) {
    text += fmt::format("; {} CPU each", human_duration(cpu.sum / cpu.count));
  }
  if (sum.memory && sum.memory->live_bytes) {
    text += fmt::format("; {} live", human_bytes(*sum.memory->live_bytes));
  }
  return text + ".";
}

}  // namespace

// The entry of a part or of a row; once there are many hosts or files, that of all others.
Entry& Summary::entry_of(Part part, std::string_view name, std::string_view more,
                         std::uint64_t id) {
  std::size_t there = 0;
  for (Entry& entry : entries_) {
    if (entry.part != part) {
      continue;
    }
    if (part < Part::kHost ||
        (entry.name == name && entry.id == id && (part != Part::kHost || entry.more == more))) {
      return entry;
    }
    ++there;
  }
  if (there >= kMaxTold && (has_others(part) || part == Part::kUnseen) && name != kOthers) {
    return entry_of(part, kOthers);
  }
  Entry& entry = entries_.emplace_back();
  entry.part = part;
  entry.id = id;
  entry.name = name;
  entry.more = more;
  return entry;
}

void Summary::add_counts(const Report& report) {
  SummaryCounts one;
  one.invocations = 1;
  if (report.started_real_ns) {
    one.end_real_ns = *report.started_real_ns + report.duration_ns.value_or(0);
  }
  one.responses = report.response_ns ? 1 : 0;
  one.response_ns = report.response_ns.value_or(0);
  one.response_bytes = report.response_bytes.value_or(0);
  if (report.platform) {
    const PlatformFigures& platform = *report.platform;
    one.billed = platform.billed_ms ? 1 : 0;
    one.billed_ms = platform.billed_ms.value_or(0);
    one.max_memory_mb = platform.max_memory_mb.value_or(0);
    one.platform_init_ns = platform.init_ns.value_or(0);
    one.platform_restore_ns = platform.restore_ns.value_or(0);
  }
  add_figures(entry_of(Part::kCounts), &one);
  const MetricFigures metrics = metric_figures(report);
  for (std::size_t i = 0; i < kMetrics; ++i) {
    if (metrics[i]) {
      figures_->metrics[i].add(static_cast<std::uint64_t>(std::max<std::int64_t>(*metrics[i], 0)));
    }
  }
}

void Summary::add_rows(const Report& report) {
  for (const HostFigures& host : report.targets.hosts) {
    add_figures(entry_of(Part::kHost, host.host, host.peer), &host);
  }
  for (const FileFigures& file : report.targets.files) {
    add_figures(entry_of(Part::kFile, file.path), &file);
  }
  if (report.calls) {
    for (const CallFigures& call : report.calls->by_time) {
      add_figures(entry_of(Part::kCall, {}, {}, static_cast<std::uint64_t>(call.call)), &call);
    }
  }
  if (report.kernel) {
    for (const KernelCall& call : report.kernel->by_time) {
      add_figures(entry_of(Part::kKernelCall, call.name), &call.figures);
    }
  }
  for (const Finding& finding : report.findings) {
    Finding one;
    one.count = 1;
    Entry& entry =
        entry_of(Part::kFinding, finding.code, {}, static_cast<std::uint64_t>(finding.severity));
    entry.more = finding.text;
    add_figures(entry, &one);
  }
  for (const std::string& text : report.coverage.unseen) {
    entry_of(Part::kUnseen, text);
  }
}

void Summary::add(const Report& report) {
  if (empty()) {
    figures_ = std::make_shared<SummaryFigures>();
  }
  add_counts(report);
  Entry& names = entry_of(Part::kReport);
  names.name = report.function_name;
  names.more = report.function_version;
  add_figures(names, &report);
  const std::pair<Part, const void*> parts[] = {
      {Part::kMemory, report.memory ? &*report.memory : nullptr},
      {Part::kCalls, report.calls ? &*report.calls : nullptr},
      {Part::kKernel, report.kernel ? &*report.kernel : nullptr},
      {Part::kWall, report.wall ? &*report.wall : nullptr},
      {Part::kProcess, &report.process},
      {Part::kSelf, &report.self},
      {Part::kCoverage, &report.coverage}};
  for (const auto& [part, figures] : parts) {
    if (figures != nullptr) {
      add_figures(entry_of(part), figures);
    }
  }
  entry_of(Part::kCoverage).name = report.coverage.mode;
  add_rows(report);
}

// What a line has no room for is added to the last entry that it has.
void Summary::shorten(const std::vector<std::uint32_t>& order) {
  Entry* last = nullptr;
  std::size_t listed = 0;
  for (const std::uint32_t number : order) {
    Entry& entry = entries_[number];
    listed = last != nullptr && last->part == entry.part ? listed + 1 : 1;
    if (listed <= kMaxListed || !has_others(entry.part)) {
      last = &entry;
      continue;
    }
    last->name = kOthers;
    last->more.clear();
    for (std::size_t i = 0; i < Entry::kMostFigures; ++i) {
      last->figures[i] += entry.figures[i];
      entry.figures[i] = 0;
    }
    entry.known = 0;
  }
}

Report Summary::take() {
  const auto count = static_cast<std::uint32_t>(entries_.size());
  const std::vector<std::uint32_t> order =
      recording::order_of(0, count, count, goes_before, entries_.data(), nullptr);
  shorten(order);
  Report report;
  report.type = Type::kSummary;
  figures_->names.reserve(count);  // so that they stay where they are
  for (const std::uint32_t number : order) {
    Entry& entry = entries_[number];
    if (has_others(entry.part) && entry.known == 0) {
      continue;
    }
    const std::string& name = figures_->names.emplace_back(std::move(entry.name));
    put_figures(entry, place_in(report, *figures_, entry, name));
  }
  report.headline = headline_of(report, *figures_);
  report.summary = std::move(figures_);
  entries_.clear();
  return report;
}

}  // namespace lamprey::report
