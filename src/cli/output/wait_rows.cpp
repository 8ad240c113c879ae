// Rows of waits; see the header.
#include "cli/output/wait_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/analysis/function_sums.h"
#include "cli/analysis/waits.h"
#include "cli/input/json_values.h"
#include "cli/output/printable.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::size_t kMostRows = 6;
constexpr std::size_t kBar = 30;
constexpr std::size_t kUsualWidth = 120;  // where lines are not broken

// In order of their start.
std::vector<Wait> longest(std::vector<Wait> waits) {
  std::stable_sort(waits.begin(), waits.end(),
                   [](const Wait& a, const Wait& b) { return a.for_ns > b.for_ns; });
  waits.resize(std::min(waits.size(), kMostRows));
  std::stable_sort(waits.begin(), waits.end(),
                   [](const Wait& a, const Wait& b) { return a.at_ns < b.at_ns; });
  return waits;
}

// The whole time: what the record says, and as far as the waits go at least.
std::uint64_t whole_of(const Value& record, const std::vector<Wait>& waits) {
  std::uint64_t whole = is(record, "type", "init")
                            ? number(record["init"], "total_ms", kNsAMs).value_or(0)
                            : number(record, "duration_ms", kNsAMs).value_or(0);
  for (const Wait& wait : waits) {
    whole = std::max(whole, wait.end_ns());
  }
  return whole;
}

const char* colour_of(const std::string& spent_on) {
  constexpr std::pair<const char*, const char*> kColours[] = {
      {"network", "34"}, {"dns", "36"},   {"file", "35"}, {"lock", "31"},
      {"sleep", "90"},   {"child", "95"}, {"wait", "33"}, {kImports, "32"}};
  for (const auto& [part, colour] : kColours) {
    if (spent_on == part) {
      return colour;
    }
  }
  return "37";
}

std::string bar(const Wait& wait, std::uint64_t whole, const Style& style) {
  const auto column = [whole](std::uint64_t ns) {
    return static_cast<std::size_t>(static_cast<unsigned __int128>(ns) * kBar / whole);
  };
  const std::size_t from = std::min(column(wait.at_ns), kBar - 1);
  const std::size_t to = std::clamp(column(wait.end_ns()), from + 1, kBar);
  std::string blocks;
  for (std::size_t i = from; i < to; ++i) {
    blocks += style.utf8 ? "█" : "#";
  }
  if (style.colours) {
    blocks = fmt::format("\x1B[{}m{}\x1B[0m", colour_of(wait.spent_on), blocks);
  }
  return std::string(from, ' ') + blocks + std::string(kBar - to, ' ');
}

// The thread is named where it is not the one that handles the request:
// "recv orders-db:5432, thread pool-1 in load_order (/var/task/app.py:16)"
std::string words_of(const Wait& wait, const std::string& handler) {
  std::string words = printable(wait.call);
  words += wait.target.empty() ? "" : " " + printable(wait.target);
  words += wait.open ? " (not ended)" : "";
  words +=
      wait.thread.empty() || wait.thread == handler ? "" : ", thread " + printable(wait.thread);
  const std::string_view frame = innermost(wait.stack);
  return frame.empty() ? words : words + " in " + printable(frame);
}

}  // namespace

bool has_long_import(const Value& record) {
  const std::vector<Wait> all = waits_of(record);
  return std::any_of(all.begin(), all.end(), [](const Wait& wait) {
    return wait.is_import() && wait.for_ns >= 50 * kNsAMs;
  });
}

std::string wait_rows(const Value& record, const Style& style) {
  const std::vector<Wait> all = waits_of(record);
  const std::uint64_t whole = whole_of(record, all);
  if (whole == 0 || all.empty()) {
    return {};
  }
  const std::vector<Wait> rows = longest(all);
  const std::string handler = handler_of(all);
  const bool imports =
      std::any_of(all.begin(), all.end(), [](const Wait& wait) { return wait.is_import(); });
  const char* what = imports ? "waits and imports" : "waits";
  const std::string which = rows.size() < all.size() ? fmt::format("the {} longest of {} {}",
                                                                   rows.size(), all.size(), what)
                                                     : what;
  std::string out = fmt::format("  {} in {}:\n", which, report::human_duration(whole));
  const std::size_t width = style.width == 0 ? kUsualWidth : style.width;
  for (const Wait& wait : rows) {
    const std::string figures = fmt::format("  at {:>7} |", report::human_duration(wait.at_ns));
    const std::string length = fmt::format("| {:>7} ", report::human_duration(wait.for_ns));
    const std::size_t used = width_of(figures) + kBar + width_of(length);
    out += figures + bar(wait, whole, style) + length;
    out += used + 4 > width ? "" : shortened(words_of(wait, handler), width - used);
    out += "\n";
  }
  return out;
}

}  // namespace lamprey::cli
