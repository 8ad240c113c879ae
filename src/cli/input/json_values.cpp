// Reading values; see the header.
#include "cli/input/json_values.h"

#include <array>
#include <cmath>
#include <cstdlib>

namespace lamprey::cli {
namespace {

// What our own lines hold: digits, at most one point. Nothing when it is written otherwise.
std::optional<double> plain_decimal(std::string_view raw) {
  static constexpr std::array<double, 19> kPowers = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                     1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                     1e14, 1e15, 1e16, 1e17, 1e18};
  const bool negative = raw.starts_with('-');
  raw.remove_prefix(negative ? 1 : 0);
  if (raw.empty() || raw.size() >= kPowers.size()) {
    return std::nullopt;
  }
  std::int64_t digits = 0;
  std::size_t behind = 0;
  bool point = false;
  for (const char c : raw) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits = (digits * 10) + (c - '0');
      behind += point ? 1 : 0;
    } else {
      return std::nullopt;
    }
  }
  const double value = static_cast<double>(digits) / kPowers[behind];
  return negative ? -value : value;
}

// A whole number without sign, point or exponent, exactly.
std::optional<std::uint64_t> plain_whole(std::string_view raw) {
  std::uint64_t value = 0;
  for (const char c : raw) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = (value * 10) + static_cast<std::uint64_t>(c - '0');
  }
  constexpr std::size_t kMaxDigits = 18;
  return raw.empty() || raw.size() > kMaxDigits ? std::nullopt : std::optional(value);
}

}  // namespace

std::optional<double> decimal(const Value& value) {
  if (!value.is_number()) {
    return std::nullopt;
  }
  if (const auto plain = plain_decimal(value.raw())) {
    return plain;
  }
  const std::string raw(value.raw());
  char* end = nullptr;
  const double number = std::strtod(raw.c_str(), &end);
  return end == raw.c_str() + raw.size() && std::isfinite(number) ? std::optional(number)
                                                                  : std::nullopt;
}

std::optional<std::uint64_t> number(const Value& object, std::string_view key, std::uint64_t by) {
  const Value value = object[key];
  if (!value.is_number()) {
    return std::nullopt;
  }
  if (by == 1) {
    if (const auto whole = plain_whole(value.raw())) {
      return whole;
    }
  }
  const double product = decimal(value).value_or(-1) * static_cast<double>(by);
  // A millisecond with digits behind the point is some ns only after rounding.
  return product >= 0 && product < 9e18
             ? std::optional(static_cast<std::uint64_t>(by == 1 ? product : product + 0.5))
             : std::nullopt;
}

std::optional<std::int64_t> signed_number(const Value& object, std::string_view key) {
  const Value value = object[key];
  if (const auto whole = value.is_number() ? plain_whole(value.raw()) : std::nullopt) {
    return static_cast<std::int64_t>(*whole);
  }
  constexpr double kMax = 4.6e18;
  const auto number = decimal(value);
  if (!number || *number > kMax || *number < -kMax) {
    return std::nullopt;
  }
  if (value.raw().starts_with('-')) {
    if (const auto whole = plain_whole(value.raw().substr(1))) {
      return -static_cast<std::int64_t>(*whole);
    }
  }
  return static_cast<std::int64_t>(*number);
}

std::string text(const Value& object, std::string_view key) { return object[key].text(); }

bool is(const Value& object, std::string_view key, std::string_view word) {
  const Value value = object[key];
  return value.is_text() && value.raw() == word;
}

Value list(const Value& object, std::string_view key) {
  const Value value = object[key];
  return value.is_list() ? value : Value();
}

}  // namespace lamprey::cli
