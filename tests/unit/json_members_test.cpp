// Members of JSON texts, against a referee: nlohmann's parser takes and refuses the same texts, and
// finds the same values in them.
#include "lambda/json_members.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace lamprey::lambda {
namespace {

using Json = nlohmann::json;

// Whether both say the same of a text; of its member "a" as well.
void expect_same(const std::string& text) {
  const Json referee = Json::parse(text, nullptr, false);
  const auto read = JsonMembers::read(text, {"a"});
  ASSERT_EQ(read.has_value(), referee.is_object()) << text;
  if (!read || !referee.contains("a")) {
    return;
  }
  const Json& value = referee["a"];
  EXPECT_EQ(read->text("a"), value.is_string() ? value.get<std::string>() : "") << text;
  EXPECT_EQ(read->is_object("a"), value.is_object()) << text;
  EXPECT_EQ(read->whole_number("a").has_value(), value.is_number_unsigned()) << text;
  ASSERT_EQ(read->number("a").has_value(), value.is_number()) << text;
  if (value.is_number_unsigned()) {
    EXPECT_EQ(read->whole_number("a"), value.get<std::uint64_t>()) << text;
  }
  if (value.is_number()) {
    EXPECT_DOUBLE_EQ(*read->number("a"), value.get<double>()) << text;
  }
}

TEST(JsonMembersTest, TakesWhatTheRefereeTakes) {
  for (const char* value : {"0",
                            "-0",
                            "7",
                            "-3",
                            "01",
                            "-",
                            "+1",
                            "1.",
                            ".5",
                            "1.5",
                            "12.34",
                            "0.1",
                            "-2.5e3",
                            "1e5",
                            "1E-2",
                            "1e+2",
                            "1e",
                            "1e+",
                            "1e308",
                            "1e309",
                            "1e999",
                            "0e999",
                            "1e-999",
                            "4e99999999999",
                            "18446744073709551615",
                            "18446744073709551616",
                            "18446744073709551619.3",
                            "123456789012345678901234567890",
                            "1703.123456",
                            "3.141592653589793238462643",
                            "true",
                            "false",
                            "null",
                            "nul",
                            "truex",
                            "True",
                            "\"\"",
                            "\"x",
                            "\"\\u0041\"",
                            "\"\\u00e9\\u20ac\"",
                            "\"\\ud83d\\ude00\"",
                            "\"\\ud83d\"",
                            "\"\\ud83dx\"",
                            "\"\\ude00\"",
                            "\"\\ud83d\\u0041\"",
                            "\"\\u00g0\"",
                            "\"\\u12\"",
                            "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
                            "\"\\x\"",
                            "\"\n\"",
                            "\"\x7f\"",
                            "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                            "\"\xc0\x80\"",
                            "\"\xe0\x80\x80\"",
                            "\"\xed\xa0\x80\"",
                            "\"\xf4\x90\x80\x80\"",
                            "\"\xf0\x80\x80\x80\"",
                            "\"\xc3\"",
                            "\"\x80\"",
                            "{}",
                            "[]",
                            "[1,]",
                            "[,1]",
                            "{\"b\":1,}",
                            "[1 2]",
                            "{\"b\"}",
                            "{b:1}",
                            "[[],{},\"\",[1]]",
                            "{\"b\":{\"c\":[{}]}}",
                            "",
                            " 1 ",
                            "\t\r\n1",
                            "\v1"}) {
    expect_same(std::string("{\"a\":") + value + "}");
    expect_same(std::string("{\"b\":[") + value + "], \"a\" : " + value + " } ");
  }
  for (const char* text : {"\xEF\xBB\xBF{\"a\":1}", "\xEF\xBB{\"a\":1}", "{\"a\":1}}", "{\"a\":1},",
                           "{\"a\":1,\"a\":\"x\"}", "{\"\":1}", "{\"\\u0061\":5}", "\"a\":1"}) {
    expect_same(text);
  }
}

TEST(JsonMembersTest, TakesWhatTheRefereeTakesHoweverATextIsDamaged) {
  const std::string whole =
      R"({"time":"2026-01-01T00:00:00.000Z","x":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"],)"
      R"("a":103.75,"record":{"metrics":{"billedDurationMs":104,"n":[[],{}]}},"e":"\"\\"})";
  expect_same(whole);
  const std::string others = "{}[]\",:\\01.e-u \x01\x80\xc3\xed";
  for (std::size_t at = 0; at < whole.size(); ++at) {
    expect_same(whole.substr(0, at));
    expect_same(whole.substr(0, at) + whole.substr(at + 1));
    for (const char other : others) {
      std::string changed = whole;
      changed[at] = other;
      expect_same(changed);
      changed.insert(at, 1, other);
      expect_same(changed);
    }
  }
}

}  // namespace
}  // namespace lamprey::lambda
