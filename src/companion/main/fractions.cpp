// strtod of the shipped companion, for the numbers in what the Extensions and Telemetry APIs say
// ("durationMs": 12.34). The JSON parser calls it; the C library's own rounds each number of any
// length to the last bit, in 6.5 KB of code. This one is off by a few units in the last place.
// Built with glibc, this file is empty.
//
// Reads what JSON calls a number, after an optional sign: no blanks before it, no hexadecimal, no
// "inf". errno is not touched.
#include <cstdint>
#include <cstdlib>  // __GLIBC__

#if !defined(__GLIBC__) || defined(LAMPREY_FRACTIONS_TEST)

namespace {

// Significant digits that are kept: the rest only moves the point.
constexpr std::uint64_t kMaxDigits = 1'000'000'000'000'000'000;
constexpr int kMaxExponent = 400;  // beyond: 0 or infinity

struct Decimal {
  std::uint64_t digits = 0;
  int exponent = 0;  // of ten
};

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// Takes digits; each one behind the point (`step` -1) counts down, each one that finds no room up.
const char* take_digits(const char* at, int step, Decimal& number) {
  for (; is_digit(*at); ++at) {
    if (number.digits < kMaxDigits) {
      number.digits = number.digits * 10 + static_cast<std::uint64_t>(*at - '0');
      number.exponent += step;
    } else {
      number.exponent += step + 1;
    }
  }
  return at;
}

// "e+12"; stays where it is when no digit follows.
const char* take_exponent(const char* at, Decimal& number) {
  if (*at != 'e' && *at != 'E') {
    return at;
  }
  const char* from = at + 1;
  const bool negative = *from == '-';
  from += *from == '-' || *from == '+' ? 1 : 0;
  if (!is_digit(*from)) {
    return at;
  }
  int exponent = 0;
  for (; is_digit(*from); ++from) {
    exponent = exponent < 10 * kMaxExponent ? exponent * 10 + (*from - '0') : exponent;
  }
  number.exponent += negative ? -exponent : exponent;
  return from;
}

double value_of(const Decimal& number) {
  auto value = static_cast<double>(number.digits);
  const int times = number.exponent < 0 ? -number.exponent : number.exponent;
  for (int i = 0; i < times && i < kMaxExponent; ++i) {
    value = number.exponent < 0 ? value / 10 : value * 10;
  }
  return value;
}

}  // namespace

extern "C" double strtod(const char* text, char** end) {
  const bool negative = *text == '-';
  const char* const first = text + (*text == '-' || *text == '+' ? 1 : 0);
  Decimal number;
  const char* at = take_digits(first, 0, number);
  bool has_digits = at != first;
  if (*at == '.') {
    const char* const behind = take_digits(at + 1, -1, number);
    has_digits = has_digits || behind != at + 1;
    at = behind;
  }
  at = has_digits ? take_exponent(at, number) : text;
  if (end != nullptr) {
    *end = const_cast<char*>(at);  // strtod's own signature
  }
  if (!has_digits) {
    return 0;
  }
  return negative ? -value_of(number) : value_of(number);
}

// In one object of the C library with the other, so that they come with it or not at all.
extern "C" float strtof(const char* text, char** end) {
  return static_cast<float>(strtod(text, end));
}
extern "C" long double strtold(const char* text, char** end) { return strtod(text, end); }

#endif
