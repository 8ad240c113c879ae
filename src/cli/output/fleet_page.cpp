// The page of `lamprey report --html`; see the header.
#include "cli/output/fleet_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/analysis/fleet_overview.h"
#include "cli/output/fleet_data.h"
#include "cli/output/function_part.h"
#include "cli/output/html_text.h"
#include "cli/output/page_texts.h"
#include "cli/output/printable.h"
#include "report/text/human.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using report::human_count;

// A page stays below 1.5 MB and a KB for each invocation that it shows. Sections end where the room
// is used up; one has 100 KB at the very most.
constexpr std::size_t kMostRows = 600;         // functions in the overview
constexpr std::size_t kMostSparklines = 250;   // of these rows
constexpr std::size_t kMostParts = 60;         // functions with a section
constexpr std::size_t kMostInvocations = 300;  // in all sections
constexpr std::size_t kRoom = 1'400'000;
constexpr std::size_t kRoomOfInvocation = 1024;
constexpr std::size_t kMostTitle = 160;

struct Totals {
  std::uint64_t invocations = 0;
  std::uint64_t not_ok = 0;
  std::uint64_t cold_starts = 0;
  std::size_t in_trouble = 0;  // functions
};

Totals totals_of(const std::vector<NamedSum>& functions) {
  Totals totals;
  for (const auto& [name, sum] : functions) {
    std::uint64_t not_ok = 0;
    bool weighty = false;
    for (const auto& [status, count] : sum->statuses) {
      not_ok += status == "ok" ? 0 : count;
    }
    for (const auto& [code, finding] : sum->findings) {
      weighty = weighty || finding.severity == "warning" || finding.severity == "critical";
    }
    totals.invocations += sum->invocations;
    totals.not_ok += not_ok;
    totals.cold_starts += std::max<std::uint64_t>(sum->cold_starts, sum->inits_ns.count());
    totals.in_trouble += not_ok != 0 || weighty ? 1 : 0;
  }
  return totals;
}

std::string tile(const std::string& figure, const std::string& words, bool trouble = false) {
  return fmt::format("<div class=\"tile{}\"><b>{}</b><span>{}</span></div>\n",
                     trouble ? " trouble" : "", figure, words);
}

std::string tiles(const std::vector<NamedSum>& functions) {
  const Totals totals = totals_of(functions);
  const std::uint64_t share =
      totals.invocations == 0 ? 0 : totals.not_ok * 1000 / totals.invocations;
  std::string out = "<div class=\"tiles\">\n";
  out += tile(human_count(functions.size()), functions.size() == 1 ? "function" : "functions");
  out += tile(human_count(totals.in_trouble), "of them in trouble", totals.in_trouble != 0);
  out += tile(human_count(totals.invocations), "invocations");
  out += tile(human_count(totals.not_ok),
              share == 0 ? "not ok" : fmt::format("not ok, {}.{} %", share / 10, share % 10),
              totals.not_ok != 0);
  return out + tile(human_count(totals.cold_starts), "cold starts") + "</div>\n";
}

struct Column {
  std::size_t row;      // of overview_rows(); SIZE_MAX: a picture
  const char* heading;  // of a picture
  bool words;
  const Series FunctionSum::*series;
};
constexpr std::size_t kPicture = SIZE_MAX;
constexpr Column kColumns[] = {{0, nullptr, false, nullptr},
                               {1, nullptr, false, nullptr},
                               {2, nullptr, false, nullptr},
                               {3, nullptr, false, nullptr},
                               {4, nullptr, false, nullptr},
                               {kPicture, "durations", false, &FunctionSum::durations_ns},
                               {5, nullptr, true, nullptr},
                               {6, nullptr, false, nullptr},
                               {kPicture, "live memory", false, &FunctionSum::live},
                               {7, nullptr, true, nullptr}};

std::string overview_row(const std::vector<std::string>& row, const FunctionSum& sum,
                         std::size_t number, std::size_t parts) {
  std::string out = "<tr>";
  for (const Column& column : kColumns) {
    if (column.row == kPicture) {
      out += fmt::format("<td>{}</td>", number > kMostSparklines
                                            ? ""
                                            : sparkline(sum.*column.series, column.heading));
    } else if (column.row == 0 && number <= parts) {
      out += fmt::format("<td><a href=\"#f{}\">{}</a></td>", number, escaped(row[0]));
    } else {
      out += fmt::format("<td{}>{}</td>", column.words ? " class=\"text\"" : "",
                         escaped(row[column.row]));
    }
  }
  return out + "</tr>\n";
}

// All functions at a glance, each a link to its part.
std::string overview(const std::vector<NamedSum>& functions, std::size_t parts) {
  const Rows rows = overview_rows(functions);
  std::string out = R"(<div class="wide" id="overview"><table class="sorts"><tr>)";
  for (const Column& column : kColumns) {
    const bool picture = column.row == kPicture;
    out += fmt::format("<th{}>{}</th>",
                       picture        ? R"( class="picture")"
                       : column.words ? R"( class="text")"
                                      : "",
                       picture ? column.heading : rows[0][column.row]);
  }
  out += "</tr>\n";
  for (std::size_t r = 1; r < std::min(rows.size(), kMostRows + 1); ++r) {
    out += overview_row(rows[r], *functions[r - 1].second, r, parts);
  }
  return out + "</table></div>\n";
}

std::string left_out(std::size_t functions, std::size_t parts) {
  if (functions <= parts) {
    return {};
  }
  std::string out = fmt::format(
      "<p class=\"dim\">The first {} functions, those in trouble, have a part of their own below",
      parts);
  if (functions > kMostRows) {
    out += fmt::format("; {} more are not in the table", human_count(functions - kMostRows));
  }
  return out + ". For another one, report on its lines alone.</p>\n";
}

// "2,000 records: orders, mail": what it is of stands smaller.
std::string heading(const std::string& title) {
  const std::size_t colon = title.find(": ");
  std::string out = fmt::format("<h1>{}</h1>\n", escaped(title.substr(0, colon)));
  if (colon != std::string::npos) {
    out += fmt::format("<p class=\"dim of\">{}</p>\n",
                       escaped(shortened(printable(title.substr(colon + 2)), kMostTitle)));
  }
  return out;
}

std::string costs(const std::string& sizes) {
  std::string lines;
  std::string_view rest = sizes;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    lines += escaped(line) + (rest.empty() ? "" : "\n");
  }
  return lines.empty() ? lines
                       : "<details class=\"card costs\"><summary>What it costs, and memory sizes"
                         "</summary>\n<pre>" +
                             lines + "</pre></details>\n";
}

}  // namespace

std::string fleet_page(const std::map<std::string, FunctionSum>& functions,
                       const std::string& title, const std::string& sizes,
                       const FunctionDetails& details) {
  const std::vector<NamedSum> order = by_trouble(functions);
  const std::string before = std::string(kFleetPage.before_data) + heading(title) + tiles(order);
  // What stands above the sections names the functions that have one; it is made first only to see
  // how much room it takes.
  const std::string costs_part = costs(sizes);
  const std::size_t above = before.size() + overview(order, kMostParts).size() + costs_part.size();
  FleetData data(std::min(order.size(), kMostParts));
  std::size_t room = kMostInvocations;
  std::size_t parts = 0;
  std::string sections;
  while (parts < std::min(order.size(), kMostParts) &&
         above + sections.size() + data.size() <
             kRoom + ((kMostInvocations - room) * kRoomOfInvocation)) {
    const auto& [name, sum] = order[parts++];
    const auto detail = details.find(name);
    sections += function_part(parts, name, *sum,
                              detail == details.end() ? nullptr : &detail->second, data, room);
  }
  std::string out = before + overview(order, parts) + left_out(order.size(), parts) + costs_part;
  out += sections + fmt::format("<footer class=\"dim\">lamprey {}</footer>\n</main>\n", kVersion);
  out += R"(<script type="application/json" id="data">)" + data.script() + "</script>\n";
  return out + kFleetPage.after_data;
}

}  // namespace lamprey::cli
