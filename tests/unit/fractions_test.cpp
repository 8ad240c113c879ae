// strtod of the shipped companion, under another name, against the C library's.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#define LAMPREY_FRACTIONS_TEST
#define strtod tested_strtod
#define strtof tested_strtof
#define strtold tested_strtold
#include "companion/main/fractions.cpp"  // NOLINT(bugprone-suspicious-include)
#undef strtod
#undef strtof
#undef strtold

namespace lamprey {
namespace {

// What both say of a text, and how much of it they took.
void expect_same(const std::string& text) {
  char* ours_end = nullptr;
  char* theirs_end = nullptr;
  const double ours = tested_strtod(text.c_str(), &ours_end);
  const double theirs = std::strtod(text.c_str(), &theirs_end);
  EXPECT_EQ(ours_end, theirs_end) << text;
  if (std::isinf(theirs)) {
    EXPECT_EQ(ours, theirs) << text;
  } else {
    EXPECT_NEAR(ours, theirs, std::abs(theirs) * 1e-13) << text;
  }
  EXPECT_EQ(std::signbit(ours), std::signbit(theirs)) << text;
}

TEST(FractionsTest, AgreeWithTheCLibrary) {
  for (const char* text : {"0",
                           "-0",
                           "1",
                           "12.34",
                           "-12.34",
                           "0.1",
                           "1e3",
                           "1E-3",
                           "2.5e+10",
                           "123456789012345678901234567890",
                           "0.000000000000000000000000000000123456789",
                           "1e400",
                           "1e-400",
                           "1e99999999999",
                           "3.",
                           ".5",
                           "1e",
                           "1e+",
                           "1.5e300",
                           "9007199254740993.0",
                           "-",
                           "",
                           "x",
                           "12.34,",
                           "7}"}) {
    expect_same(text);
  }
}

TEST(FractionsTest, AgreeOnRandomDurations) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> any(0, 900'000);
  for (int i = 0; i < 10'000; ++i) {
    expect_same(std::to_string(any(random)));
  }
}

}  // namespace
}  // namespace lamprey
