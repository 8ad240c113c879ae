// Tables; see the header.
#include "cli/output/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/printable.h"
#include "report/text/error_names.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;

std::string signed_bytes(std::uint64_t bytes) {
  return human_bytes(static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, INT64_MAX)));
}

std::string duration_or_dash(std::uint64_t ns) { return ns == 0 ? "-" : human_duration(ns); }

// The innermost frames of a stack, whole ones.
std::string innermost(const std::string& stack) {
  constexpr std::size_t kMax = 160;
  const std::size_t end = stack.size() <= kMax ? stack.size() : stack.rfind("; ", kMax);
  return end >= stack.size() ? stack.substr(0, kMax) : stack.substr(0, end) + "; ...";
}

// Where memory was allocated: what held most when most was live, and behind that what allocated
// most. (At a program's end hardly anything is live.)
std::string sites_table(const report::Report& report) {
  constexpr std::size_t kMaxHolders = 6;
  constexpr std::size_t kMaxSites = 10;
  if (!report.memory || report.memory->sites.empty()) {
    return {};
  }
  std::vector<report::MemorySite> sites = report.memory->sites;
  const auto held = [](const report::MemorySite& site) {
    return std::max(site.live_bytes, site.peak_bytes.value_or(0));
  };
  std::stable_sort(sites.begin(), sites.end(),
                   [&held](const auto& a, const auto& b) { return held(a) > held(b); });
  std::stable_sort(
      sites.begin() + static_cast<std::ptrdiff_t>(std::min(sites.size(), kMaxHolders)), sites.end(),
      [](const auto& a, const auto& b) { return a.allocated_bytes > b.allocated_bytes; });
  sites.resize(std::min(sites.size(), kMaxSites));
  std::vector<std::vector<std::string>> rows{
      {"at the peak", "at the end", "allocated", "times", "  at (sampled, innermost first)"}};
  for (const report::MemorySite& site : sites) {
    rows.push_back({site.peak_bytes ? human_bytes(*site.peak_bytes) : std::string("-"),
                    human_bytes(site.live_bytes), signed_bytes(site.allocated_bytes),
                    human_count(site.allocations), "  " + innermost(site.stack_text)});
  }
  return "\n" + table(rows, rows.front().size() - 1);
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t words) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], width_of(printable(row[column])));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string cell = printable(row[column]);
      const std::string fill(widths[column] - width_of(cell), ' ');
      line += column == 0 ? "" : "  ";
      line += column == 0 || column >= words ? cell + fill : fill + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string report_table(const report::Report& report) {
  std::string text;
  if (report.memory) {
    const report::MemoryFigures& m = *report.memory;
    const std::string peak = m.peak_live_bytes ? human_bytes(*m.peak_live_bytes) : std::string("-");
    text +=
        table({{"memory", "count", "bytes"},
               {"allocations", human_count(m.allocations), signed_bytes(m.allocated_bytes)},
               {"frees", human_count(m.frees), m.freed_bytes ? signed_bytes(*m.freed_bytes) : "-"},
               {"reallocations", human_count(m.reallocations), ""},
               {"refused", human_count(m.failed), ""},
               {"live at the end", "", m.live_bytes ? human_bytes(*m.live_bytes) : "-"},
               {"live at most", "", peak},
               {"resident at most", "",
                report.process.peak_rss_bytes ? signed_bytes(*report.process.peak_rss_bytes)
                                              : std::string("-")}});
  }
  text += sites_table(report);
  if (report.calls && !report.calls->by_time.empty()) {
    std::vector<std::vector<std::string>> rows{
        {"call", "calls", "errors", "bytes", "total", "p50", "p99", "max", "errors were"}};
    for (const report::CallFigures& call : report.calls->by_time) {
      rows.push_back({recording::kCallTable[static_cast<std::size_t>(call.call)].name,
                      human_count(call.calls), human_count(call.errors), signed_bytes(call.bytes),
                      duration_or_dash(call.total_ns), duration_or_dash(call.p50_ns),
                      duration_or_dash(call.p99_ns), duration_or_dash(call.max_ns.value_or(0)),
                      report::errors_text(call)});
    }
    rows.push_back({"all", human_count(report.calls->total), human_count(report.calls->errors), "",
                    duration_or_dash(report.calls->time_ns)});
    text += "\n" + table(rows, rows.front().size() - 1);
  }
  if (report.kernel && !report.kernel->by_time.empty()) {
    std::vector<std::vector<std::string>> rows{
        {"kernel call", "calls", "errors", "bytes", "total", "p50", "p99", "max"}};
    for (const report::KernelCall& call : report.kernel->by_time) {
      const report::CallFigures& figures = call.figures;
      rows.push_back({call.name, human_count(figures.calls), human_count(figures.errors),
                      signed_bytes(figures.bytes), duration_or_dash(figures.total_ns),
                      duration_or_dash(figures.p50_ns), duration_or_dash(figures.p99_ns),
                      duration_or_dash(figures.max_ns.value_or(0))});
    }
    rows.push_back({"all", human_count(report.kernel->total), human_count(report.kernel->errors),
                    "", duration_or_dash(report.kernel->time_ns)});
    text += "\n" + table(rows, rows.front().size());
  }
  for (const report::Finding& finding : report.findings) {
    text += fmt::format("{}: {} {}\n", finding.code, printable(finding.text), finding.advice);
  }
  for (const std::string& unseen : report.coverage.unseen) {
    text += "not seen: " + printable(unseen) + "\n";
  }
  return text;
}

}  // namespace lamprey::cli
