// One function's section; see the header.
#include "cli/output/function_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/output/html_text.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;

constexpr std::size_t kTopCalls = 15;
constexpr std::size_t kTopHosts = 10;
constexpr std::size_t kTopCpu = 15;
constexpr std::size_t kTopFiles = 10;
constexpr std::size_t kTopFindings = 30;
constexpr std::size_t kMostInvocations = 10;  // of one function

std::string in_bytes(std::uint64_t value) { return human_bytes(static_cast<std::int64_t>(value)); }
std::string in_time(std::uint64_t value) { return human_duration(value); }

void add_trend(Rows& rows, const char* name, const Series& values,
               std::string (*words)(std::uint64_t)) {
  if (!values.empty()) {
    rows.push_back({name, human_count(values.count()), words(*values.percentile(50)),
                    words(*values.percentile(99)), words(*values.percentile(100)),
                    words(values.newest())});
  }
}

// What is normal, and what was most; cold starts apart where the lines tell them apart.
Rows figure_rows(const FunctionSum& sum, const FunctionDetail* detail) {
  Rows rows{{"", "values", "p50", "p99", "max", "newest"}};
  const bool apart = detail != nullptr && !detail->cold_ns.empty();
  add_trend(rows, apart ? "duration, all" : "duration", sum.durations_ns, in_time);
  if (apart) {
    add_trend(rows, "duration, warm", detail->warm_ns, in_time);
    add_trend(rows, "duration, cold start", detail->cold_ns, in_time);
  }
  add_trend(rows, "init", sum.inits_ns, in_time);
  add_trend(rows, "allocated", sum.allocated, in_bytes);
  add_trend(rows, "live", sum.live, in_bytes);
  add_trend(rows, "resident at most", sum.peak_rss, in_bytes);
  return rows.size() > 1 ? rows : Rows{};
}

const char* severity_class(const std::string& severity) {
  return severity == "critical" ? "critical" : severity == "warning" ? "warning" : "info";
}

std::string findings_list(const FunctionSum& sum) {
  const Rows rows = finding_rows(sum);
  std::string out;
  for (std::size_t r = 1; r < std::min(rows.size(), kTopFindings + 1); ++r) {
    const FindingSum& finding = sum.findings.at(rows[r][0]);
    out += fmt::format(R"(<li class="{}"><span class="badge">{}</span> <code>{}</code> )"
                       R"(<span class="dim">{} {}</span><p>{}</p>)",
                       severity_class(finding.severity), escaped(finding.severity),
                       escaped(rows[r][0]), rows[r][2],
                       finding.count == 1 ? "time" : "times; the newest:", escaped(finding.text));
    if (!finding.advice.empty()) {
      out += fmt::format("<p class=\"advice\">{}</p>", escaped(finding.advice));
    }
    out += "</li>\n";
  }
  return out.empty() ? out : "<ul class=\"findings\">\n" + out + "</ul>\n";
}

Rows file_rows(const FunctionDetail& detail) {
  std::vector<std::pair<std::string, FileSum>> files(detail.files.begin(), detail.files.end());
  std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return a.second.time_ns > b.second.time_ns;
  });
  Rows rows{{"file (where listed)", "opens", "reads", "writes", "bytes", "errors", "took"}};
  for (std::size_t i = 0; i < std::min(files.size(), kTopFiles); ++i) {
    const FileSum& file = files[i].second;
    rows.push_back({files[i].first, human_count(file.opens), human_count(file.reads),
                    human_count(file.writes), in_bytes(file.bytes), human_count(file.errors),
                    in_time(file.time_ns)});
  }
  return rows.size() > 1 ? rows : Rows{};
}

std::string card(const std::string& table) {
  return table.empty() ? table : "<div class=\"card\">" + table + "</div>\n";
}

std::string picture(std::size_t function, const char* kind, const char* heading) {
  return fmt::format(R"(<figure class="card"><figcaption>{}</figcaption>)"
                     R"(<div class="{}" data-function="{}"></div></figure>)"
                     "\n",
                     heading, kind, function);
}

std::string pictures(const FunctionSum& sum, const FunctionDetail& detail, FleetData& data) {
  const std::size_t at = data.add_function(sum, detail);
  std::string out = "<div class=\"pair\">\n";
  if (detail.durations_ns.count() > 0) {
    out += picture(at, "durations", "Duration of each invocation, in the order of the lines");
  }
  if (detail.peak_rss.count() > 0 || detail.live.count() > 0) {
    out += picture(at, "memory", "Memory at each invocation");
  }
  out += "</div>\n";
  if (data.has_memory_flames(at) || data.has_cpu_flames(at)) {
    out += "<div class=\"pair\">\n";
    out += data.has_cpu_flames(at) ? picture(at, "flames-cpu", "CPU time by function") : "";
    out += data.has_memory_flames(at) ? picture(at, "flames-memory", "Memory by call site") : "";
    out += "</div>\n";
  }
  return out;
}

std::string label_of(const ShownInvocation& shown) {
  if (shown.type == "init") {
    return "init";
  }
  std::string label = shown.type == "run" ? "run" : "invocation";
  label += shown.invocation == 0 ? "" : " " + human_count(shown.invocation);
  return shown.cold_start ? label + ", cold start" : label;
}

std::string invocation_entry(const ShownInvocation& shown, FleetData& data) {
  const std::size_t at = data.add_invocation(shown);
  const std::string status = shown.status.empty() ? "?" : shown.status;
  return fmt::format(
      "<details class=\"invocation {}\" id=\"i{}\" data-invocation=\"{}\">\n"
      "<summary><span class=\"badge\">{}</span> <b>{}</b> <span>{}</span> "
      "<span class=\"dim\">{}{}{}</span><span class=\"says\">{}</span></summary>\n</details>\n",
      shown.ended_well() ? "good" : "bad", at + 1, at, escaped(status),
      human_duration(shown.duration_ns), label_of(shown), escaped(shown.started),
      shown.request_id.empty() ? "" : ", ", escaped(shown.request_id), escaped(shown.headline));
}

std::string invocations(const FunctionDetail& detail, FleetData& data, std::size_t& room) {
  const auto shown = detail.notable.shown(std::min(kMostInvocations, room));
  if (shown.empty()) {
    return {};
  }
  room -= shown.size();
  std::uint64_t notable = 0;
  std::string entries;
  for (const ShownInvocation* one : shown) {
    entries += invocation_entry(*one, data);
    notable += one->is_worth_a_look ? 1 : 0;
  }
  const std::uint64_t left_out = detail.notable.worth_a_look() - notable;
  return fmt::format(
      "<h3>Invocations worth a look</h3>\n<p class=\"dim\">Those that ended badly, then the "
      "slowest, with findings, or cold: {} of them{}. The figures above are of all.</p>\n"
      "<div class=\"invocations\">\n{}</div>\n",
      shown.size(),
      left_out == 0
          ? ""
          : fmt::format("; {} more with trouble or a timeline are left out", human_count(left_out)),
      entries);
}

std::string facts(const FunctionSum& sum) {
  std::string statuses;
  for (const auto& [status, count] : sum.statuses) {
    statuses += fmt::format(", {} {}", human_count(count), escaped(status));
  }
  const std::uint64_t starts = std::max<std::uint64_t>(sum.cold_starts, sum.inits_ns.count());
  return fmt::format("<p class=\"facts\">{} invocation{}{}; {} cold start{}</p>\n",
                     human_count(sum.invocations), sum.invocations == 1 ? "" : "s", statuses,
                     human_count(starts), starts == 1 ? "" : "s");
}

}  // namespace

std::string wall_bar_html(const FunctionSum& sum) {
  double all = 0;
  for (const auto& [part, ns] : sum.wall_ns) {
    all += static_cast<double>(ns);
  }
  std::string bar;
  std::string legend;
  for (const WallPart& part : kWallParts) {
    const auto found = sum.wall_ns.find(std::string_view(part.words));
    const double percent =
        found == sum.wall_ns.end() || all <= 0 ? 0 : 100 * static_cast<double>(found->second) / all;
    if (percent < 0.5) {
      continue;
    }
    const std::string key(part.key, std::string_view(part.key).size() - 3);  // without "_ms"
    bar += fmt::format(R"(<i class="c-{}" style="width:{:.2f}%"></i>)", key, percent);
    legend +=
        fmt::format(R"(<span><i class="c-{}"></i>{} {:.0f} %</span> )", key, part.words, percent);
  }
  return bar.empty() ? bar
                     : fmt::format(
                           "<div class=\"wall\" aria-hidden=\"true\">{}</div>\n"
                           "<div class=\"legend\">{}</div>\n",
                           bar, legend);
}

std::string function_part(std::size_t number, const std::string& name, const FunctionSum& sum,
                          const FunctionDetail* detail, FleetData& data, std::size_t& room) {
  std::string out =
      fmt::format("<section class=\"function\"><h2 id=\"f{}\">{}</h2>\n", number, escaped(name)) +
      facts(sum) + wall_bar_html(sum) + findings_list(sum);
  if (detail != nullptr) {
    out += pictures(sum, *detail, data) + invocations(*detail, data, room);
  } else {
    out += html_table(bad_end_rows(sum), 1);
  }
  out += "<h3>Figures</h3>\n<div class=\"cards\">\n" + card(html_table(figure_rows(sum, detail)));
  out += card(html_table(cpu_rows(sum.cpu, kTopCpu))) + card(html_table(host_rows(sum, kTopHosts)));
  out += detail == nullptr ? "" : card(html_table(file_rows(*detail)));
  out += card(html_table(call_rows(sum, kTopCalls)));
  return out + card(html_table(kernel_rows(sum, kTopCalls))) + "</div></section>\n";
}

}  // namespace lamprey::cli
