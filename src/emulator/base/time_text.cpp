// Times as text, in the forms that Lambda's logs and events use. Nothing else lives here.
#include "emulator/base/time_text.h"

#include <fmt/format.h>

#include <chrono>

namespace lamprey::emulator {
namespace {

std::string hundredths(std::int64_t value) {
  return fmt::format("{}.{:02}", value / 100, value % 100);
}

// By <chrono>: fmt's own formatter for dates asks for locales, which the shipped programs do not
// have.
std::string date_text(std::chrono::sys_days day, char separator) {
  const std::chrono::year_month_day date{day};
  return fmt::format("{:04}{}{:02}{}{:02}", static_cast<int>(date.year()), separator,
                     static_cast<unsigned>(date.month()), separator,
                     static_cast<unsigned>(date.day()));
}

}  // namespace

std::string iso_time(WallTime time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(ms);
  const std::chrono::hh_mm_ss clock{ms - day};
  return fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", date_text(day, '-'), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string log_stream_date(WallTime time) {
  return date_text(std::chrono::floor<std::chrono::days>(time), '/');
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
