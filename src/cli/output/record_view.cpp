// Records for people; see the header.
#include "cli/output/record_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/analysis/cpu_by_function.h"
#include "cli/analysis/function_sums.h"
#include "cli/input/json_values.h"
#include "cli/output/printable.h"
#include "cli/output/wait_rows.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::size_t kBar = 40;
constexpr std::size_t kMaxFindings = 8;
constexpr std::size_t kMaxThreads = 4;
constexpr std::size_t kParts = std::size(kWallParts);

// Of the parts of a wall, in their order (function_sums.h), as SGR codes.
constexpr const char* kPartColours[] = {"32", "33", "93", "34", "36", "35", "31", "90", "95", "37"};
static_assert(std::size(kPartColours) == kParts);

std::string coloured(const std::string& text, const char* code, bool colours) {
  return colours && !text.empty() ? fmt::format("\x1B[{}m{}\x1B[0m", code, text) : text;
}

// `text` in lines of at most `width` columns, all but the first behind `indent` spaces; the first
// has `used` columns before it. Broken at spaces; a word that is longer stays whole.
std::string broken(std::string_view text, std::size_t used, std::size_t indent, std::size_t width) {
  if (width == 0) {
    return std::string(text);
  }
  std::string out;
  std::size_t column = used;
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::size_t wide = width_of(word);
    if (!first && column + 1 + wide > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += wide;
    first = false;
  }
  return out;
}

struct Shares {
  std::array<std::uint64_t, kParts> ns{};
  std::uint64_t all = 0;
};

Shares shares_of(const Value& wall) {
  Shares shares;
  for (std::size_t i = 0; i < kParts; ++i) {
    // Lines may say anything: a bound keeps the sums below what a number holds.
    shares.ns[i] = std::min<std::uint64_t>(number(wall, kWallParts[i].key, kNsAMs).value_or(0),
                                           UINT64_MAX / (kParts * 1000));
    shares.all += shares.ns[i];
  }
  return shares;
}

// What each part gets of `width` columns: whole ones first, then the greatest remainders.
std::array<std::size_t, kParts> columns_of(const Shares& shares, std::size_t width) {
  std::array<std::size_t, kParts> columns{};
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
  std::size_t left = width;
  for (std::size_t i = 0; i < kParts; ++i) {
    const auto product = static_cast<unsigned __int128>(shares.ns[i]) * width;
    columns[i] = static_cast<std::size_t>(product / shares.all);
    left -= columns[i];
    remainders.emplace_back(static_cast<std::uint64_t>(product % shares.all), i);
  }
  std::sort(remainders.begin(), remainders.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; i < left; ++i) {
    ++columns[remainders[i % kParts].second];
  }
  return columns;
}

// "CPU 7 %, network 90 %", the parts of at least one percent.
std::string legend(const Shares& shares, bool colours) {
  std::string text;
  for (std::size_t i = 0; i < kParts; ++i) {
    const auto percent = static_cast<unsigned>(
        ((static_cast<unsigned __int128>(shares.ns[i]) * 200 / shares.all) + 1) / 2);
    if (percent == 0) {
      continue;
    }
    text += text.empty() ? "" : ", ";
    text += colours ? coloured("■", kPartColours[i], true) + " " : std::string();
    text += fmt::format("{} {} %", kWallParts[i].words, percent);
  }
  return text;
}

std::string wall_line(const Value& wall, const Style& style) {
  const Shares shares = shares_of(wall);
  if (shares.all == 0) {
    return {};
  }
  const std::size_t wide =
      style.width == 0 ? kBar : std::clamp<std::size_t>(style.width / 2, 10, kBar);
  const std::string bar = wall_bar(wall, wide, style.colours);
  const std::string plain = legend(shares, false);
  const std::string words = legend(shares, style.colours);
  const bool fits = style.width == 0 || 6 + wide + width_of(plain) + 10 <= style.width;
  return fmt::format("  |{}|{}{}\n", bar, fits ? "  " : "\n  ", words);
}

// What was used on all CPUs in the span that the samples are of; exact where the record has it,
// since a sample may stand for more than was used.
std::uint64_t used_cpu(const Value& record, const CpuFigures& cpu) {
  const bool whole = is(record, "type", "init") || is(record, "type", "run");
  const auto exact =
      whole ? number(record["system"], "cpu_total_time", kNsAMs) : number(record, "cpu_ms", kNsAMs);
  return exact.value_or(cpu.total_ns);
}

// "CPU 61.0 ms: 49.0 ms in parse_orders (/var/task/app.py:88)"; the samples say the share.
std::string cpu_line(const Value& record, const Style& style) {
  constexpr std::uint64_t kFewSamples = 10;
  const auto cpu = cpu_figures(record);
  const TopCpu top = cpu ? top_cpu(*cpu) : TopCpu();
  if (top.ns == 0) {
    return {};
  }
  const std::uint64_t all = used_cpu(record, *cpu);
  const auto part =
      static_cast<std::uint64_t>(static_cast<unsigned __int128>(all) * top.ns / cpu->total_ns);
  std::string line = fmt::format("CPU {}: {} in {}", report::human_duration(all),
                                 report::human_duration(part), printable(top.place));
  if (cpu->samples < kFewSamples) {
    line += fmt::format(" ({} sample{})", cpu->samples, cpu->samples == 1 ? "" : "s");
  }
  return "  " + broken(line, 2, 4, style.width) + "\n";
}

std::string name_of(const Value& record) {
  std::string name = printable(text(record, "function_name"));
  const std::string type = printable(text(record, "type"));
  name += name.empty() ? "" : " ";
  const auto invocation = number(record, "invocation");
  name += type == "invoke" && invocation ? fmt::format("invocation {}", *invocation) : type;
  if (type == "invoke" && record["cold_start"].kind() == Value::Kind::kTrue) {
    name += " (cold start)";
  }
  return name;
}

bool has_weighty_finding(const Value& record) {
  for (const Value finding : list(record, "findings")) {
    if (!is(finding, "severity", "info")) {
      return true;
    }
  }
  return false;
}

std::string first_lines(const Value& record, const Style& style) {
  const std::string status = printable(text(record, "status"));
  const bool good = status == "ok";
  const char* colour = !good ? "1;31" : has_weighty_finding(record) ? "1;33" : "1;32";
  const std::string name = name_of(record);
  const std::size_t used = width_of(name) + 1 + width_of(status) + 2;
  std::string out = coloured(name, "1", style.colours) + " " +
                    coloured(status.empty() ? "?" : status, colour, style.colours) + ": " +
                    broken(printable(text(record, "headline")), used, 2, style.width) + "\n";
  const std::string request = printable(text(record, "request_id"));
  if (!request.empty() && (!good || has_weighty_finding(record))) {
    const std::string started = printable(text(record, "started"));
    out += coloured(fmt::format("  request {}{}{}", request, started.empty() ? "" : ", ", started),
                    "90", style.colours) +
           "\n";
  }
  return out;
}

std::string finding_lines(const Value& finding, const Style& style) {
  const std::string severity = printable(text(finding, "severity"));
  const std::string code = printable(text(finding, "code"));
  const char* colour = severity == "critical" ? "31" : severity == "warning" ? "33" : "36";
  const std::size_t used = 2 + width_of(severity) + 1 + width_of(code) + 2;
  std::string out = fmt::format("  {} {}: {}\n", coloured(severity, colour, style.colours), code,
                                broken(printable(text(finding, "text")), used, 4, style.width));
  const std::string advice = printable(text(finding, "advice"));
  if (!advice.empty()) {
    out += "    " + broken(advice, 4, 4, style.width) + "\n";
  }
  return out;
}

// What each thread was in when it ended badly.
std::string thread_lines(const Value& record, const Style& style) {
  std::string out;
  std::size_t count = 0;
  for (const Value thread : list(record, "blocked")) {
    if (++count > kMaxThreads) {
      break;
    }
    const std::string target = printable(text(thread, "target"));
    const auto ns = number(thread, "for_ms", kNsAMs);
    const std::string stack = printable(text(thread, "stack"));
    std::string line = fmt::format("thread {} in {}{}{}{}", printable(text(thread, "thread")),
                                   printable(text(thread, "call")), target.empty() ? "" : " of ",
                                   target, ns ? " for " + report::human_duration(*ns) : "");
    line += stack.empty() ? "" : ": " + shortened(stack, 160);
    out += "  " + broken(line, 2, 4, style.width) + "\n";
  }
  return out;
}

}  // namespace

std::string wall_bar(const Value& wall, std::size_t width, bool colours) {
  const Shares shares = shares_of(wall);
  if (shares.all == 0) {
    return std::string(width, ' ');
  }
  const auto columns = columns_of(shares, width);
  std::string bar;
  for (std::size_t i = 0; i < kParts; ++i) {
    std::string part;
    for (std::size_t column = 0; column < columns[i]; ++column) {
      part += colours ? "█" : std::string(1, kWallParts[i].letter);
    }
    bar += coloured(part, kPartColours[i], colours);
  }
  return bar;
}

std::string record_view(const Value& record, const Style& style) {
  std::string out =
      first_lines(record, style) + wall_line(record["wall"], style) + cpu_line(record, style);
  std::size_t count = 0;
  const Value findings = list(record, "findings");
  for (const Value finding : findings) {
    if (++count > kMaxFindings) {
      out += fmt::format("  and {} findings more\n", findings.size() - kMaxFindings);
      break;
    }
    out += finding_lines(finding, style);
  }
  const bool trouble = !findings.empty() || !is(record, "status", "ok");
  const bool shown = trouble || has_long_import(record);
  return out + thread_lines(record, style) + (shown ? wait_rows(record, style) : "");
}

}  // namespace lamprey::cli
