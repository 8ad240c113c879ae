// Text of JSON against a parser of JSON: quoting, UTF-8, numbers, what is empty.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "cloudwatch/json_text.h"
#include "cloudwatch/values.h"

namespace lamprey::cloudwatch {
namespace {

using Json = nlohmann::json;

std::string in_quotes(std::string_view text) {
  std::string to;
  append_quoted(to, text);
  return to;
}

TEST(JsonTextTest, EveryCharacterComesBack) {
  std::string all;
  for (int c = 1; c < 0x80; ++c) {
    all.push_back(static_cast<char>(c));
  }
  all.push_back('\0');
  all += "é€𝄞\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80";
  EXPECT_EQ(Json::parse(in_quotes(all)).get<std::string>(), all);
  EXPECT_EQ(in_quotes("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
}

TEST(JsonTextTest, WhatIsNoUtf8IsReplaced) {
  for (const char* wrong :
       {"\xFF", "\x80", "\xC0\x80", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xF0\x9D\x84"}) {
    const auto text = Json::parse(in_quotes("a" + std::string(wrong) + "z")).get<std::string>();
    EXPECT_TRUE(text.starts_with("a\xEF\xBF\xBD")) << text;
    EXPECT_TRUE(text.ends_with("\xEF\xBF\xBDz")) << text;
  }
}

// The parser refuses whatever is no UTF-8 or no JSON.
TEST(JsonTextTest, NoiseIsValidAllTheSame) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string noise(random() % 12, '\0');
    for (char& c : noise) {
      c = static_cast<char>(random() % 4 == 0 ? random() % 128 : 0x80 + (random() % 128));
    }
    EXPECT_TRUE(Json::accept(in_quotes(noise))) << round;
  }
}

TEST(JsonTextTest, NumbersHaveNoUselessDigits) {
  const auto written = [](std::uint64_t thousandths) {
    std::string to;
    append_thousandths(to, thousandths);
    return to;
  };
  EXPECT_EQ(written(0), "0");
  EXPECT_EQ(written(1), "0.001");
  EXPECT_EQ(written(20), "0.02");
  EXPECT_EQ(written(300), "0.3");
  EXPECT_EQ(written(12'345), "12.345");
  EXPECT_EQ(written(7'000), "7");
  EXPECT_EQ(written(UINT64_MAX), "18446744073709551.615");
  for (std::uint64_t value = 0; value < 3000; ++value) {
    EXPECT_EQ(std::stod(written(value)), static_cast<double>(value) / 1000.0);
  }
}

TEST(JsonTextTest, MicrosecondsHaveAsManyDigitsAsTheyMean) {
  Object object;
  add_us(object, "a", 12'345);
  add_us(object, "b", 99'999);
  add_us(object, "c", 3'089'920);
  EXPECT_EQ(object.text(), R"({"a":12.345,"b":99.999,"c":3090})");
}

TEST(JsonTextTest, MembersComeInTheirOrder) {
  Object inner;
  inner.add_named("a \"name\"", -5);
  Object object;
  object.add("z", true);
  object.add("text", "x");
  object.add("none", Object());
  object.add("inner", inner);
  object.add("list", {"1", "2", "3"}, 2);
  object.add("nothing", {"1"}, 0);
  object.add("smallest", INT64_MIN);
  EXPECT_EQ(object.text(), R"({"z":true,"text":"x","inner":{"a \"name\"":-5},"list":[1,2],)"
                           R"("smallest":-9223372036854775808})");
  EXPECT_EQ(Object().text(), "{}");
}

}  // namespace
}  // namespace lamprey::cloudwatch
