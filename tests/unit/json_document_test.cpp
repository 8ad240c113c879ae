// JSON of others in one pass: the same answers as nlohmann's parser, and nothing read outside.
#include "cli/input/json_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

// What a document says, told in nlohmann's words.
Json as_json(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kObject: {
      Json object = Json::object();
      for (const Value member : value) {
        object[without_escapes(member.key())] = as_json(member);
      }
      return object;
    }
    case Value::Kind::kList: {
      Json array = Json::array();
      for (const Value entry : value) {
        array.push_back(as_json(entry));
      }
      return array;
    }
    case Value::Kind::kText:
      return value.text();
    case Value::Kind::kNumber:
      return Json::parse(value.raw());
    case Value::Kind::kTrue:
      return true;
    case Value::Kind::kFalse:
      return false;
    default:
      return nullptr;
  }
}

TEST(JsonDocumentTest, SaysWhatAnotherParserSays) {
  for (
      const char* text :
      {"{}", "[]", " [ 1 , 2.5e3 , -0.25 ] ", R"({"a":{"b":[{"c":[]}]},"d":"x","e":null})",
       R"(["", "\"\\\/\b\f\n\r\t", "\u00e9\ud83d\ude00 ß", "long enough for eight bytes at once"])",
       R"({"key with \" in it":true,"b":false})", "\"text\"", "17", "true"}) {
    Document document;
    ASSERT_TRUE(document.read_whole(text)) << text;
    EXPECT_EQ(as_json(document.root()), Json::parse(text)) << text;
  }
}

TEST(JsonDocumentTest, RefusesWhatIsCutOrWrong) {
  const std::string whole = R"({"a":[1,{"b":"c\"d"},null,true],"e":-1.5})";
  Document document;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);  // its own memory: a byte too many is found
    EXPECT_FALSE(document.read_whole(cut)) << cut;
    EXPECT_EQ(document.root().kind(), Value::Kind::kNothing);
  }
  for (const char* text : {"", "{1:2}", "{\"a\"}", "[1 2]", "[1,,2]", "[,1]", "{\"a\":1,}", "]",
                           "{]", "tru", "nul", "'a'", "{} x", "\"a\\"}) {
    EXPECT_FALSE(document.read_whole(text)) << text;
  }
  EXPECT_FALSE(document.read_whole(std::string(100'000, '[')));
}

TEST(JsonDocumentTest, LeavesWhatFollows) {
  const std::string two = R"({"a":1} {"b":2})";
  Document document;
  ASSERT_TRUE(document.read(two));
  EXPECT_EQ(two.substr(document.size_read()), R"( {"b":2})");
}

TEST(JsonDocumentTest, MembersByPathAndByOrder) {
  const std::string text = R"({"a":{"b":[10,20]},"a":3,"b":"x"})";
  Document document;
  ASSERT_TRUE(document.read_whole(text));
  std::vector<std::string> raws;
  for (const Value entry : document.root()["a"]["b"]) {
    raws.emplace_back(entry.raw());
  }
  EXPECT_THAT(raws, ElementsAre("10", "20"));
  EXPECT_EQ(document.root()["b"]["no"]["such"].kind(), Value::Kind::kNothing);
  EXPECT_TRUE(document.root()["b"].empty());
  EXPECT_TRUE(Value().empty());
  EXPECT_EQ(document.root().size(), 3U);
}

TEST(JsonValuesTest, NumbersExactlyOrNotAtAll) {
  const std::string text =
      R"({"ms":5.999,"big":9007199254740993,"neg":-3,"exp":1.5e3,"huge":1e300,"odd":1-2,"text":"7"})";
  Document document;
  ASSERT_TRUE(document.read_whole(text));
  const Value root = document.root();
  EXPECT_EQ(number(root, "ms", 1'000'000), 5'999'000U);  // 5.999 is a little less as a double
  EXPECT_EQ(number(root, "big"), 9007199254740993U);
  EXPECT_EQ(signed_number(root, "neg"), -3);
  EXPECT_EQ(number(root, "exp"), 1500U);
  for (const char* key : {"neg", "huge", "odd", "text", "none"}) {
    EXPECT_EQ(number(root, key), std::nullopt) << key;
  }
  EXPECT_EQ(signed_number(root, "huge"), std::nullopt);
}

}  // namespace
}  // namespace lamprey::cli
