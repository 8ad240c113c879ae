// Times as text, in the forms that Lambda's logs and events use. Nothing else lives here.
#include "emulator/base/time_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace lamprey::emulator {
namespace {

std::string hundredths(std::int64_t value) {
  return fmt::format("{}.{:02}", value / 100, value % 100);
}

}  // namespace

std::string iso_time(WallTime time) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

std::string milliseconds_text(Nanoseconds duration) {
  return hundredths(duration.count() / 10'000);
}

std::string seconds_text(Nanoseconds duration) { return hundredths(duration.count() / 10'000'000); }

double milliseconds_number(Nanoseconds duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return static_cast<double>(us) / 1000.0;
}

}  // namespace lamprey::emulator
