// What comes from Lambda's APIs, in pieces and hostile: HTTP answers, and the wanted members of
// JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "lambda/event.h"
#include "lambda/http_answer.h"
#include "lambda/json_members.h"

namespace lamprey::lambda {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPlain =
    "HTTP/1.1 200 OK\r\nlambda-extension-identifier: abc\r\nContent-Length: 5\r\n\r\nhello";

// The answer, given in pieces of that size; what is behind it stays in `rest`.
HttpAnswer parse(std::string text, std::size_t piece, std::string* rest = nullptr) {
  AnswerParser parser;
  std::string pending;
  while (!text.empty()) {
    pending += text.substr(0, piece);
    text.erase(0, piece);
    if (parser.take(pending)) {
      if (rest != nullptr) {
        *rest = pending + text;
      }
      return parser.answer();
    }
  }
  EXPECT_TRUE(parser.end());
  return parser.answer();
}

std::string failure(const std::string& text) {
  try {
    parse(text, text.size());
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

// The line of a last chunk and one byte more are four bytes; Beast asserts that there are five.
TEST(HttpAnswerTest, ChunksComeInPiecesOfAnySizeToo) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto& [chunks, body] : {std::pair<const char*, const char*>{"0\r\n\r\n", ""},
                                     {"0\r\nTrailer: of four bytes\r\n\r\n", ""},
                                     {"00\r\n\r\n", ""},
                                     {"4\r\n0\r\nX\r\n0\r\n\r\n", "0\r\nX"}}) {
    for (std::size_t piece = 1; piece < 90; ++piece) {
      std::string rest;
      EXPECT_EQ(parse(head + chunks + "HTTP", piece, &rest).body, body) << chunks << piece;
      EXPECT_EQ(rest, "HTTP") << chunks << piece;
    }
  }
}

TEST(HttpAnswerTest, ComesInPiecesOfAnySize) {
  for (std::size_t piece = 1; piece < 90; ++piece) {
    std::string rest;
    const HttpAnswer answer = parse(std::string(kPlain) + "HTTP", piece, &rest);
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.identifier, "abc");
    EXPECT_EQ(answer.body, "hello");
    EXPECT_TRUE(answer.keep_alive);
    EXPECT_EQ(rest, "HTTP");
  }
}

TEST(HttpAnswerTest, ComesInChunksOrUpToTheEnd) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    EXPECT_EQ(parse("HTTP/1.1 202 A\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                    piece)
                  .body,
              "abcde");
    const HttpAnswer last = parse("HTTP/1.0 403 No\r\n\r\nforbidden", piece);
    EXPECT_EQ(last.body, "forbidden");
    EXPECT_EQ(last.status, 403U);
    EXPECT_FALSE(last.keep_alive);
  }
  EXPECT_FALSE(
      parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 9).keep_alive);
}

TEST(HttpAnswerTest, OfTwoIdentifiersTheFirstCounts) {
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: one\r\n"
                  "lambda-extension-identifier: two\r\nContent-Length: 0\r\n\r\n",
                  1000)
                .identifier,
            "one");
}

TEST(HttpAnswerTest, SaysWhatIsWrong) {
  EXPECT_EQ(failure(""), "end of stream");
  EXPECT_EQ(failure("HTTP/1.1 200 OK\r\nContent-Le"), "partial message");
  EXPECT_EQ(failure(std::string(kPlain).substr(0, 75)), "partial message");
  EXPECT_THAT(failure("SSH-2.0-OpenSSH\r\n\r\n"), HasSubstr("bad"));
  EXPECT_THAT(failure("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n"), HasSubstr("body limit"));
  EXPECT_THAT(failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11171\r\n" +
                      std::string(70'001, 'x')),
              HasSubstr("body limit"));
  EXPECT_THAT(failure("HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x')),
              HasSubstr("header limit"));
}

TEST(JsonMembersTest, TakesWhatStandsWhereItIsWanted) {
  const auto json = JsonMembers::read(
      R"({"a.b":{"c":"no"},"a":{"x":[{"b":{"c":"no"}}],"b":{"c":"yes","d":{"c":1}},"n":-3,"u":7}})",
      {"a.b.c", "a.n", "a.u", "a.x", "a.b"});
  ASSERT_TRUE(json);
  EXPECT_EQ(json->text("a.b.c"), "yes");
  EXPECT_EQ(json->number("a.n"), -3.0);
  EXPECT_FALSE(json->whole_number("a.n"));
  EXPECT_EQ(json->whole_number("a.u"), 7U);
  EXPECT_TRUE(json->is_object("a.b"));
  EXPECT_FALSE(json->is_object("a.x"));
  EXPECT_FALSE(json->number("not asked for"));
}

TEST(JsonMembersTest, OfOneNameTheLastCounts) {
  const auto json = JsonMembers::read(R"({"a":{"b":"1","c":"2"},"d":5,"a":{"c":"3"},"d":"x"})",
                                      {"a.b", "a.c", "d"});
  ASSERT_TRUE(json);
  EXPECT_EQ(json->text("a.b"), "");
  EXPECT_EQ(json->text("a.c"), "3");
  EXPECT_EQ(json->text("d"), "x");
  EXPECT_FALSE(json->number("d"));
}

TEST(JsonMembersTest, RefusesWhatIsNoObject) {
  for (const std::string& text :
       {std::string(), std::string("["), std::string("[1]"), std::string("[{}]"), std::string("3"),
        std::string("\"a\""), std::string("null"), std::string("{\"a\":1"),
        std::string("{\"a\":1}x"), std::string("{\"a\":1e999}"), std::string("{\"a\":\"\xff\"}"),
        std::string(50'000, '['), std::string("{\"a\":") + std::string(50'000, '[')}) {
    EXPECT_FALSE(JsonMembers::read(text, {"a"})) << text.substr(0, 20);
  }
  EXPECT_TRUE(JsonMembers::read(" {} ", {"a"}));
}

TEST(EventTest, OddMembersAreAbsentOnes) {
  const auto event = parse_event(R"({"eventType":"INVOKE","requestId":7,"deadlineMs":"soon"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->request_id, "");
  EXPECT_EQ(event->deadline_ms, 0U);
  EXPECT_FALSE(parse_event(R"({"eventType":["INVOKE"]})"));
}

}  // namespace
}  // namespace lamprey::lambda
