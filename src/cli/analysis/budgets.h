// What a build must not exceed: the lines of a budgets file, or a severity of findings, held
// against records. Prints nothing. docs/budgets.md explains the file to users:
//
//   # comment
//   duration_ms p99 <= 800 ms
//   orders: allocated_bytes p50 <= 50 MB
//   network.reconnect never
//   not_ok <= 0.5 %
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/analysis/series.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct Budget {
  enum class Kind : std::uint8_t { kFigure, kFinding, kNotOk };
  enum class Unit : std::uint8_t { kNone, kMs, kBytes };
  std::string place;     // "budgets.txt line 3", for messages
  std::string function;  // empty: each
  Kind kind = Kind::kFigure;
  std::string key;     // of the record, or the finding's code
  std::string number;  // p50 ... max, mean
  Unit unit = Unit::kNone;
  bool upper = true;       // at most, or at least
  bool inclusive = true;   // <= rather than <
  bool percent = false;    // of the invocations
  double bound = 0;        // in ms, bytes, percent or as it is
  std::string bound_text;  // "<= 50 MB"
};

// One line of a file. Nothing when it is empty or a comment; a complaint when it is wrong: what,
// which value, what is accepted.
std::optional<Budget> parse_budget(const std::string& line, const std::string& place,
                                   std::string& complaint);

class Budgets {
 public:
  // A severity, or the name of a file. Empty, or what is wrong with it.
  std::string demand(const std::string& severity_or_file);
  bool empty() const { return budgets_.empty() && worst_ == 0; }

  void add(const Value& record);
  // One line for each that is broken. One that no record could be held against is broken, too: a
  // misspelt one must not pass.
  std::vector<std::string> broken() const;

 private:
  struct Held {
    std::uint64_t records = 0;  // that it could be held against
    std::uint64_t hits = 0;
    Series values;
  };
  struct FindingCount {
    std::uint64_t count = 0;
    int severity = 0;
  };
  void hold(std::size_t index, const std::string& function, const Value& record);
  void broken_budgets(std::vector<std::string>& lines) const;
  void broken_findings(std::vector<std::string>& lines) const;

  std::vector<Budget> budgets_;
  int worst_ = 0;  // 0: none asked for; 1 info, 2 warning, 3 critical
  std::map<std::string, std::map<std::size_t, Held>> held_;
  std::map<std::string, std::map<std::string, FindingCount>> findings_;
  std::map<std::string, std::uint64_t> invocations_;
};

}  // namespace lamprey::cli
