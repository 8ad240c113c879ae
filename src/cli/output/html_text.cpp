// HTML; see the header.
#include "cli/output/html_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/output/printable.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kMostText = 1000;  // what is longer says no more

using Points = std::vector<std::uint64_t>;

// At most `most`, each the greatest of those it stands for: no peak is lost.
Points thinned(const Points& values, std::size_t most) {
  if (values.size() <= most) {
    return values;
  }
  Points thin(most, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t& point = thin[i * most / values.size()];
    point = std::max(point, values[i]);
  }
  return thin;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : shortened(printable(text), kMostText)) {
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
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_table(const Rows& rows, std::size_t words) {
  if (rows.empty()) {
    return {};
  }
  std::string out = R"(<div class="wide"><table class="sorts">)";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += "<tr>";
    for (std::size_t column = 0; column < rows[r].size(); ++column) {
      out += fmt::format("<{0}{1}>{2}</{0}>", r == 0 ? "th" : "td",
                         column >= words ? R"( class="text")" : "", escaped(rows[r][column]));
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string sparkline(const Series& values, const char* what) {
  constexpr std::size_t kWide = 96;
  constexpr double kHigh = 22;
  constexpr std::size_t kMostPoints = 48;
  const Points points = thinned(values.trend(), kMostPoints);
  if (points.size() < 2) {
    return {};
  }
  const std::uint64_t most = *std::max_element(points.begin(), points.end());
  std::string path;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double height =
        static_cast<double>(points[i]) / static_cast<double>(std::max<std::uint64_t>(most, 1));
    path += fmt::format("{}{} {:.0f}", i == 0 ? "M" : "L", kWide * i / (points.size() - 1),
                        kHigh - 1 - (height * (kHigh - 2)));
  }
  return fmt::format(R"(<svg class="spark" viewBox="0 0 {0} {1}" role="img" )"
                     R"(aria-label="{2} over time"><path d="{3}"/></svg>)",
                     kWide, kHigh, what, path);
}

}  // namespace lamprey::cli
