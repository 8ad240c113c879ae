// Error numbers in words.
#pragma once

#include <cstdint>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

// "ENOENT", "EAI_AGAIN" (numbers below 0 are getaddrinfo's), "error 4711" for one without a name.
std::string error_name(std::int32_t error);

// How calls failed, the three most frequent errors: "ENOENT 57, EACCES 2". Empty: none, or unknown.
std::string errors_text(const CallFigures& call);

}  // namespace lamprey::report
