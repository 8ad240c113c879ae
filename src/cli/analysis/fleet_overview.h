// The functions of a set of records beside each other, what is in trouble first: the rows that the
// tables and the page of `lamprey report` share. Reads and prints nothing.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/analysis/function_sums.h"

namespace lamprey::cli {

using NamedSum = std::pair<std::string, const FunctionSum*>;
using Rows = std::vector<std::vector<std::string>>;

// Invocations that did not end well count most, then critical findings, then warnings; equal ones
// by name. The pointers are into `functions`.
std::vector<NamedSum> by_trouble(const std::map<std::string, FunctionSum>& functions);

// Each with a heading; empty when there is nothing to say.
Rows overview_rows(const std::vector<NamedSum>& functions);
// Critical ones first: code, severity, times, the newest's text.
Rows finding_rows(const FunctionSum& sum);
// Hosts by the time they took, the first `most`.
Rows host_rows(const FunctionSum& sum, std::size_t most);
// Calls by the time they took, the first `most`.
Rows call_rows(const FunctionSum& sum, std::size_t most);
Rows kernel_rows(const FunctionSum& sum, std::size_t most);  // of exact mode
// The newest invocations that did not end well, newest first.
Rows bad_end_rows(const FunctionSum& sum);

// What the time of the invocations went to, the greatest parts: "network 61 %, CPU 20 %".
std::string mostly_in(const FunctionSum& sum);

}  // namespace lamprey::cli
