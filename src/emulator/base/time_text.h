// Times as text, in the forms that Lambda's logs and events use. Nothing else lives here.
#pragma once

#include <string>

#include "emulator/base/invocation.h"

namespace lamprey::emulator {

std::string iso_time(WallTime time);                  // 2026-11-21T08:14:00.123Z
std::string log_stream_date(WallTime time);           // 2026/11/21
std::string milliseconds_text(Nanoseconds duration);  // 12.34, cut not rounded
std::string seconds_text(Nanoseconds duration);       // 3.00
// Milliseconds as a JSON number with µs resolution. Only for output: nothing is computed with it.
double milliseconds_number(Nanoseconds duration);

}  // namespace lamprey::emulator
