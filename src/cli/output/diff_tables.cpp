// Comparisons for people; see the header.
#include "cli/output/diff_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/analysis/fleet_overview.h"
#include "cli/output/printable.h"
#include "cli/output/tables.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;

const char* words_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kSame:
      return "same";
    case Verdict::kCannotTell:
      return "cannot tell";
  }
  return "";
}

std::string in_unit(double value, Unit unit) {
  constexpr double kMax = 9e18;
  const double bounded = std::clamp(value, -kMax, kMax);
  if (unit == Unit::kBytes) {
    return human_bytes(static_cast<std::int64_t>(bounded));
  }
  const auto size = static_cast<std::uint64_t>(std::llround(std::abs(bounded)));
  const std::string sign = bounded < 0 && size != 0 ? "-" : "";
  return sign + (unit == Unit::kTime ? human_duration(size) : human_count(size));
}

std::string in_percent(double part, double whole) {
  const double percent = part / whole * 100;
  return std::abs(percent) < 10 ? fmt::format("{:+.1f}", percent) : fmt::format("{:+.0f}", percent);
}

// "+10.1 % (+9.2 to +11.0)"; of what was 0 before in its own unit.
std::string change_text(const Change& change) {
  const double moved = change.after - change.before;
  if (change.before > 0) {
    return fmt::format("{} % ({} to {})", in_percent(moved, change.before),
                       in_percent(change.difference.low, change.before),
                       in_percent(change.difference.high, change.before));
  }
  return fmt::format("{}{}", moved > 0 ? "+" : "", in_unit(moved, change.unit));
}

void add_rows(Rows& rows, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    const bool few = std::min(change.values_before, change.values_after) < 16;
    rows.push_back({change.name, in_unit(change.before, change.unit),
                    in_unit(change.after, change.unit), few ? "-" : change_text(change),
                    few ? fmt::format("cannot tell from {} and {} lines", change.values_before,
                                      change.values_after)
                        : words_of(change.verdict)});
  }
}

std::string share(std::uint64_t count, std::uint64_t all) {
  return fmt::format("{} of {}", human_count(count), human_count(all));
}

const char* event_words(const EventChange& event) {
  switch (event.verdict) {
    case Verdict::kWorse:
      return event.before == 0 ? "new" : "more often";
    case Verdict::kBetter:
      return event.after == 0 ? "gone" : "less often";
    case Verdict::kSame:
    case Verdict::kCannotTell:
      break;
  }
  return event.before == event.after ? "same" : "cannot tell";
}

std::string function_tables(const FunctionChanges& function) {
  Rows rows{{"function " + function.name, "before", "after", "change of the median (95 %)", ""}};
  rows.push_back(
      {"invocations", human_count(function.before), human_count(function.after), "", ""});
  add_rows(rows, function.figures);
  std::string out = table(rows, 4);
  if (!function.events.empty()) {
    Rows events{{"finding or end", "before", "after", ""}};
    for (const EventChange& event : function.events) {
      events.push_back({event.name, share(event.before, function.before),
                        share(event.after, function.after), event_words(event)});
    }
    out += "\n" + table(events, 3);
  }
  Rows sites{{"before", "after", "", "allocated at (sampled, innermost first)"}};
  for (const Change& site : function.sites) {
    if (site.verdict == Verdict::kWorse || site.verdict == Verdict::kBetter) {
      sites.push_back({in_unit(site.before, site.unit), in_unit(site.after, site.unit),
                       words_of(site.verdict), shortened(printable(site.name), 160)});
    }
  }
  out += sites.size() > 1 ? "\n" + table(sites, 2) : "";
  Rows cpu{{"before", "after", "", "CPU of an invocation in (sampled)"}};
  for (const Change& change : function.cpu) {
    if (change.verdict == Verdict::kWorse || change.verdict == Verdict::kBetter) {
      cpu.push_back({in_unit(change.before, change.unit), in_unit(change.after, change.unit),
                     words_of(change.verdict), shortened(printable(change.name), 160)});
    }
  }
  return out + (cpu.size() > 1 ? "\n" + table(cpu, 2) : "");
}

// What is sure, in one sentence.
std::string summary(const Comparison& comparison) {
  std::size_t worse = 0;
  std::size_t better = 0;
  const auto count = [&](Verdict verdict) {
    worse += verdict == Verdict::kWorse ? 1 : 0;
    better += verdict == Verdict::kBetter ? 1 : 0;
  };
  for (const FunctionChanges& function : comparison.functions) {
    for (const auto* changes : {&function.figures, &function.sites, &function.cpu}) {
      for (const Change& change : *changes) {
        count(change.verdict);
      }
    }
    for (const EventChange& event : function.events) {
      count(event.verdict);
    }
  }
  if (worse + better == 0) {
    return "Nothing changed that these lines can show.\n";
  }
  return fmt::format(
      "{} worse, {} better. Of a hundred comparisons of equal runs, at most one says so of "
      "anything.\n",
      worse, better);
}

}  // namespace

std::string diff_tables(const Comparison& comparison) {
  std::string out;
  for (const FunctionChanges& function : comparison.functions) {
    out += function_tables(function) + "\n";
  }
  for (const std::string& name : comparison.only_before) {
    out += fmt::format("function {} is only in BEFORE\n", printable(name));
  }
  for (const std::string& name : comparison.only_after) {
    out += fmt::format("function {} is only in AFTER\n", printable(name));
  }
  return out + summary(comparison);
}

std::vector<std::string> worse_lines(const Comparison& comparison, double percent) {
  std::vector<std::string> lines;
  for (const FunctionChanges& function : comparison.functions) {
    for (const Change& change : function.figures) {
      const double moved = change.after - change.before;
      const bool enough = change.before <= 0 || moved / change.before * 100 > percent;
      if (change.verdict == Verdict::kWorse && enough) {
        lines.push_back(fmt::format("{}: {} is worse: {} before, {} after, {}", function.name,
                                    change.name, in_unit(change.before, change.unit),
                                    in_unit(change.after, change.unit), change_text(change)));
      }
    }
    for (const EventChange& event : function.events) {
      if (event.verdict == Verdict::kWorse) {
        lines.push_back(fmt::format("{}: {} is {}: {} before, {} after", function.name, event.name,
                                    event_words(event), share(event.before, function.before),
                                    share(event.after, function.after)));
      }
    }
  }
  return lines;
}

}  // namespace lamprey::cli
