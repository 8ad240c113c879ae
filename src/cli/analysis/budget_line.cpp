// One line of a budgets file; see budgets.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "cli/analysis/budgets.h"

namespace lamprey::cli {
namespace {

constexpr const char* kNumbers = "p50, p90, p95, p99, p99.9, max, min, mean";

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string_view rest = std::string_view(line).substr(0, line.find('#'));
  constexpr const char* kSpace = " \t\r";
  for (std::size_t at = rest.find_first_not_of(kSpace); at != std::string_view::npos;
       at = rest.find_first_not_of(kSpace)) {
    rest.remove_prefix(at);
    words.emplace_back(rest.substr(0, rest.find_first_of(kSpace)));
    rest.remove_prefix(words.back().size());
  }
  return words;
}

bool is_number(const std::string& word) {
  for (const char* known : {"p50", "p90", "p95", "p99", "p99.9", "max", "min", "mean"}) {
    if (word == known) {
      return true;
    }
  }
  return false;
}

bool is_comparison(const std::string& word) {
  return word == "<=" || word == "<" || word == ">=" || word == ">";
}

Budget::Unit unit_of(const std::string& key) {
  return key.ends_with("_ms")      ? Budget::Unit::kMs
         : key.ends_with("_bytes") ? Budget::Unit::kBytes
                                   : Budget::Unit::kNone;
}

struct Scale {
  const char* word;
  Budget::Unit unit;
  double factor;
};
constexpr Scale kScales[] = {
    {"us", Budget::Unit::kMs, 1e-3},       {"µs", Budget::Unit::kMs, 1e-3},
    {"ms", Budget::Unit::kMs, 1},          {"s", Budget::Unit::kMs, 1e3},
    {"B", Budget::Unit::kBytes, 1},        {"KB", Budget::Unit::kBytes, 1024},
    {"MB", Budget::Unit::kBytes, 1048576}, {"GB", Budget::Unit::kBytes, 1073741824}};

// "<= 50 MB", from `at` on. False when it is something else.
bool parse_bound(const std::vector<std::string>& words, std::size_t at, Budget& budget) {
  if (at + 2 > words.size() || at + 3 < words.size() || !is_comparison(words[at])) {
    return false;
  }
  budget.upper = words[at].front() == '<';
  budget.inclusive = words[at].size() == 2;
  char* end = nullptr;
  budget.bound = std::strtod(words[at + 1].c_str(), &end);
  std::string unit = end;
  if (end == words[at + 1].c_str() || !std::isfinite(budget.bound) ||
      (!unit.empty() && at + 3 == words.size())) {
    return false;
  }
  unit = at + 3 == words.size() ? words[at + 2] : unit;
  budget.bound_text = words[at] + " " + words[at + 1] + (at + 3 == words.size() ? " " + unit : "");
  if (unit.empty()) {
    return true;
  }
  if (unit == "%") {
    budget.percent = budget.kind != Budget::Kind::kFigure;
    return budget.unit == Budget::Unit::kNone;
  }
  for (const Scale& scale : kScales) {
    if (unit == scale.word && budget.kind == Budget::Kind::kFigure && budget.unit == scale.unit) {
      budget.bound *= scale.factor;
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<Budget> parse_budget(const std::string& line, const std::string& place,
                                   std::string& complaint) {
  std::vector<std::string> words = words_of(line);
  if (words.empty()) {
    return std::nullopt;
  }
  Budget budget;
  budget.place = place;
  if (words.front().size() > 1 && words.front().ends_with(':')) {
    budget.function = words.front().substr(0, words.front().size() - 1);
    words.erase(words.begin());
  }
  const auto refuse = [&](const std::string& why) {
    complaint = fmt::format("{}: \"{}\" {}", place, line, why);
    return std::nullopt;
  };
  if (words.size() < 2) {
    return refuse("is no budget; one is: duration_ms p99 <= 800 ms");
  }
  budget.key = words[0];
  if (is_number(words[1])) {
    budget.number = words[1];
    budget.unit = unit_of(budget.key);
    if (!parse_bound(words, 2, budget)) {
      return refuse(
          "has no bound that fits; accepted are <=, <, >= or > and a number, in us, ms or s "
          "for keys in _ms, in B, KB, MB or GB for keys in _bytes");
    }
    return budget;
  }
  const bool not_ok = budget.key == "not_ok";
  if (!not_ok && budget.key.find('.') == std::string::npos) {
    return refuse(fmt::format("names no finding, and behind a key stands one of {}", kNumbers));
  }
  budget.kind = not_ok ? Budget::Kind::kNotOk : Budget::Kind::kFinding;
  if (words.size() == 2 && words[1] == "never") {
    budget.bound_text = "never";
    return budget;
  }
  if (!parse_bound(words, 1, budget)) {
    return refuse(
        "has no bound that fits; accepted are: never, <= 3, <= 1 %; and behind a key one of " +
        std::string(kNumbers));
  }
  return budget;
}

}  // namespace lamprey::cli
