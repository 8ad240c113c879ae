// Numbers for people; see the header.
#include "report/text/human.h"

#include <fmt/format.h>

#include <array>

namespace lamprey::report {
namespace {

// Three significant digits of value / unit, cut rather than rounded up to the next unit.
std::string three_digits(std::uint64_t value, std::uint64_t unit) {
  const std::uint64_t whole = value / unit;
  const auto part =
      static_cast<std::uint64_t>(static_cast<unsigned __int128>(value % unit) * 100 / unit);
  if (whole >= 100 || unit == 1) {
    return fmt::format("{}", whole);
  }
  if (whole >= 10) {
    return fmt::format("{}.{}", whole, part / 10);
  }
  return fmt::format("{}.{:02}", whole, part);
}

struct Unit {
  std::uint64_t size;
  const char* name;
};

// As AWS counts memory: a function of 128 MB has 128 * 2^20 bytes.
constexpr std::array<Unit, 5> kBytes{{{std::uint64_t{1} << 40U, "TB"},
                                      {std::uint64_t{1} << 30U, "GB"},
                                      {std::uint64_t{1} << 20U, "MB"},
                                      {std::uint64_t{1} << 10U, "KB"},
                                      {1U, "B"}}};
constexpr std::array<Unit, 4> kDurations{
    {{1'000'000'000U, "s"}, {1'000'000U, "ms"}, {1'000U, "µs"}, {1U, "ns"}}};

template <std::size_t kUnits>
std::string in_units(std::uint64_t value, const std::array<Unit, kUnits>& units) {
  for (const Unit& unit : units) {
    if (value >= unit.size) {
      return three_digits(value, unit.size) + " " + unit.name;
    }
  }
  return fmt::format("{} {}", value, units.back().name);
}

}  // namespace

std::string human_bytes(std::int64_t bytes) {
  const std::uint64_t size =
      bytes < 0 ? 0 - static_cast<std::uint64_t>(bytes) : static_cast<std::uint64_t>(bytes);
  return fmt::format("{}{}", bytes < 0 ? "-" : "", in_units(size, kBytes));
}

std::string human_duration(std::uint64_t ns) { return in_units(ns, kDurations); }

std::string human_count(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace lamprey::report
