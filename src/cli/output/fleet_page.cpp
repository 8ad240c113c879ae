// The page of `lamprey report --html`; see the header.
#include "cli/output/fleet_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/analysis/fleet_overview.h"
#include "cli/output/page_texts.h"
#include "report/text/human.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;
using Points = std::vector<std::uint64_t>;

constexpr std::size_t kMaxPoints = 300;
constexpr std::size_t kTopCalls = 15;
constexpr std::size_t kTopHosts = 10;
constexpr std::size_t kTopCpu = 15;
constexpr std::size_t kOverviewWords = 7;  // the column of the findings

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

// At most kMaxPoints, each the greatest of those it stands for: no peak is lost.
Points thinned(const Points& values) {
  if (values.size() <= kMaxPoints) {
    return values;
  }
  Points thin(kMaxPoints, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t& point = thin[i * kMaxPoints / values.size()];
    point = std::max(point, values[i]);
  }
  return thin;
}

// A line over time from 0 to the greatest value; `limit` is drawn when it is near enough to matter.
std::string sparkline(const Series& values, std::uint64_t limit = 0) {
  constexpr double kWide = 420;
  constexpr double kHigh = 36;
  const Points points = thinned(values.trend());
  if (points.size() < 2) {
    return {};
  }
  const std::uint64_t most = *std::max_element(points.begin(), points.end());
  const bool with_limit = limit != 0 && most >= limit / 3;
  const auto top = static_cast<double>(std::max<std::uint64_t>({most, with_limit ? limit : 0, 1}));
  const auto height = [&](std::uint64_t value) {
    return kHigh - (static_cast<double>(value) / top * (kHigh - 2)) - 1;
  };
  std::string path;
  for (std::size_t i = 0; i < points.size(); ++i) {
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : " L",
                        kWide * static_cast<double>(i) / static_cast<double>(points.size() - 1),
                        height(points[i]));
  }
  const std::string line = with_limit
                               ? fmt::format(R"(<line x1="0" x2="{0}" y1="{1:.1f}" y2="{1:.1f}"/>)",
                                             kWide, height(limit))
                               : std::string();
  return fmt::format(R"(<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" )"
                     R"(aria-label="over time">{2}<path d="{3}"/></svg>)",
                     kWide, kHigh, line, path);
}

std::string in_bytes(std::uint64_t value) { return human_bytes(static_cast<std::int64_t>(value)); }
std::string in_time(std::uint64_t value) { return human_duration(value); }

std::string trend_row(const char* name, const Series& values, std::string (*words)(std::uint64_t),
                      std::uint64_t limit = 0) {
  if (values.empty()) {
    return {};
  }
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", name,
      words(*values.percentile(50)), words(*values.percentile(99)), words(*values.percentile(100)),
      words(values.newest()), sparkline(values, limit));
}

// A table that fleet.js lets people sort; on a narrow screen it scrolls by itself.
std::string sortable(const std::string& rows) {
  return R"(<div class="wide"><table class="sorts">)" + rows + "</table></div>\n";
}

// Columns from `words` on hold words.
std::string html_table(const Rows& rows, std::size_t words = SIZE_MAX) {
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += "<tr>";
    for (std::size_t column = 0; column < rows[r].size(); ++column) {
      out += fmt::format("<{0}{1}>{2}</{0}>", r == 0 ? "th" : "td",
                         column >= words ? R"( class="text")" : "", escaped(rows[r][column]));
    }
    out += "</tr>\n";
  }
  return out.empty() ? out : sortable(out);
}

// All functions at a glance, each a link to its part.
std::string overview(const std::vector<NamedSum>& functions) {
  const Rows rows = overview_rows(functions);
  std::string out = R"(<div class="wide" id="overview"><table class="sorts"><tr>)";
  for (std::size_t column = 0; column < rows[0].size(); ++column) {
    out += fmt::format("<th{}>{}</th>", column >= kOverviewWords ? R"( class="text")" : "",
                       rows[0][column]);
  }
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const auto& row = rows[r];
    out += fmt::format("</tr>\n<tr><td><a href=\"#f{}\">{}</a></td>", r, escaped(row[0]));
    for (std::size_t column = 1; column < row.size(); ++column) {
      out += fmt::format("<td{}>{}</td>", column >= kOverviewWords ? R"( class="text")" : "",
                         escaped(row[column]));
    }
  }
  return out + "</tr></table></div>\n";
}

std::string findings_table(const FunctionSum& sum) {
  const Rows rows = finding_rows(sum);
  std::string out;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const FindingSum& finding = sum.findings.at(rows[r][0]);
    out += fmt::format(
        "<tr><td>{}</td><td class=\"text {}\">{}</td><td>{}</td><td class=\"text\">{} "
        "<span class=\"dim\">{}</span></td></tr>\n",
        escaped(rows[r][0]), finding.severity == "info" ? "dim" : "warning",
        escaped(finding.severity), rows[r][2], escaped(finding.text), escaped(finding.advice));
  }
  return out.empty() ? out
                     : sortable(
                           "<tr><th>finding</th><th class=\"text\">severity</th><th>times</th>"
                           "<th class=\"text\">the newest</th></tr>\n" +
                           out);
}

std::string function_part(std::size_t number, const std::string& name, const FunctionSum& sum) {
  std::string statuses;
  for (const auto& [status, count] : sum.statuses) {
    statuses += fmt::format(", {} {}", human_count(count), escaped(status));
  }
  std::string out = fmt::format(
      "<section><h2 id=\"f{}\">{}</h2>\n<p>{} invocations{}; {} cold starts; mostly in {}</p>\n",
      number, escaped(name), human_count(sum.invocations), statuses,
      human_count(std::max<std::uint64_t>(sum.cold_starts, sum.inits_ns.count())), mostly_in(sum));
  out += findings_table(sum) + html_table(bad_end_rows(sum), 1);
  out +=
      "<div class=\"wide\"><table><tr><th></th><th>p50</th><th>p99</th><th>max</th><th>newest</th>"
      "<th>in the order of the records</th></tr>\n";
  out +=
      trend_row("init", sum.inits_ns, in_time) + trend_row("duration", sum.durations_ns, in_time);
  out += trend_row("allocated", sum.allocated, in_bytes) + trend_row("live", sum.live, in_bytes);
  out += trend_row("resident at most", sum.peak_rss, in_bytes, sum.limit_bytes.value_or(0));
  return out + "</table></div>\n" + html_table(cpu_rows(sum.cpu, kTopCpu)) +
         html_table(host_rows(sum, kTopHosts)) + html_table(call_rows(sum, kTopCalls)) +
         html_table(kernel_rows(sum, kTopCalls)) + "</section>\n";
}

}  // namespace

std::string fleet_page(const std::map<std::string, FunctionSum>& functions,
                       const std::string& title, const std::string& sizes) {
  const std::vector<NamedSum> order = by_trouble(functions);
  std::string out = kFleetPage.before_data;
  out += fmt::format("<h1>{}</h1>\n", escaped(title)) + overview(order);
  out += sizes.empty() ? sizes : fmt::format("<pre>{}</pre>\n", escaped(sizes));
  for (std::size_t i = 0; i < order.size(); ++i) {
    out += function_part(i + 1, order[i].first, *order[i].second);
  }
  out +=
      fmt::format("<p class=\"dim\">lamprey {}; a dashed line is the memory limit</p>\n", kVersion);
  return out + kFleetPage.after_data;
}

}  // namespace lamprey::cli
