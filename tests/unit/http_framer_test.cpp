// HTTP framing of streams that arrive in any pieces, and of streams that are no HTTP at all.
#include "preload/lambda/http_framer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace lamprey::preload::lambda {
namespace {

struct Log {
  std::vector<std::string> events;
  bool body = true;
  void start_line(const char* line, std::size_t n) { events.emplace_back(line, n); }
  void header(const char* name, std::size_t n, const char* value) {
    events.push_back(std::string(name, n) + "=" + value);
  }
  bool head_end() {
    events.emplace_back("head");
    return body;
  }
  void message_end() { events.emplace_back("end"); }
};

std::vector<std::string> in_pieces(const std::string& stream, std::size_t piece, bool body = true) {
  HttpFramer framer;
  Log log;
  log.body = body;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    framer.feed(stream.data() + at, std::min(piece, stream.size() - at), log);
  }
  return log.events;
}

const char* const kPost =
    "POST /x HTTP/1.1\r\nContent-Length: 29\r\nA:b\r\n\r\nGET /fake HTTP/1.1\r\nHost: x\r\n"
    "GET /y HTTP/1.1\r\n\r\n";

TEST(HttpFramerTest, SameEventsHoweverTheStreamIsCut) {
  const std::vector<std::string> expected = {"POST /x HTTP/1.1",
                                             "Content-Length=29",
                                             "A=b",
                                             "head",
                                             "end",
                                             "GET /y HTTP/1.1",
                                             "head",
                                             "end"};
  for (std::size_t piece = 1; piece < 100; ++piece) {
    EXPECT_EQ(in_pieces(kPost, piece), expected) << piece;
  }
}

TEST(HttpFramerTest, ChunkedBodiesAreSkippedWithExtensionsAndTrailers) {
  const std::string stream =
      "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nGET /\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: t\r\n\r\n"
      "GET /y HTTP/1.1\r\n\r\n";
  const std::vector<std::string> expected = {"POST /x HTTP/1.1",
                                             "Transfer-Encoding=chunked",
                                             "head",
                                             "end",
                                             "GET /y HTTP/1.1",
                                             "head",
                                             "end"};
  for (std::size_t piece = 1; piece < 60; ++piece) {
    EXPECT_EQ(in_pieces(stream, piece), expected) << piece;
  }
}

TEST(HttpFramerTest, ResponseWithoutLengthLastsUntilClose) {
  const auto events = in_pieces("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 7);
  EXPECT_EQ(events, (std::vector<std::string>{"HTTP/1.1 200 OK", "head"}));
}

TEST(HttpFramerTest, InterimResponsesHaveNoBody) {
  const auto events = in_pieces("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 x\r\n\r\n", 3, false);
  EXPECT_EQ(events.size(), 6U);
}

TEST(HttpFramerTest, LongLinesAreCutAndTheNextIsWhole) {
  const std::string stream =
      "GET / HTTP/1.1\r\nX: " + std::string(5000, 'z') + "\r\nY: short\r\n\r\n";
  const auto events = in_pieces(stream, 64);
  ASSERT_EQ(events.size(), 5U);
  EXPECT_LT(events[1].size(), HttpFramer::kLineBytes);
  EXPECT_EQ(events[2], "Y=short");
}

TEST(HttpFramerTest, NonsenseEndsInLostAndStaysThere) {
  HttpFramer framer;
  Log log;
  const std::string stream = "HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n";
  framer.feed(stream.data(), stream.size(), log);
  EXPECT_TRUE(framer.lost());
  framer.feed(kPost, 20, log);
  EXPECT_TRUE(framer.lost());
  framer.reset();
  EXPECT_TRUE(framer.at_message_start());
}

// Pieces of what HTTP is made of, in any order.
std::string random_stream(std::minstd_rand& random) {
  static constexpr const char* kParts[] = {"\r\n",
                                           "\r\n\r\n",
                                           "\n",
                                           ":",
                                           "HTTP/1.1 200 OK\r\n",
                                           "GET / HTTP/1.1\r\n",
                                           "content-length: ",
                                           "9",
                                           "ffff",
                                           "chunk",
                                           "transfer-encoding:chunked\r\n",
                                           "\xff",
                                           " ",
                                           "x"};
  std::string stream = random() % 4 == 0 ? "" : kParts[4 + (random() % 2)];
  for (int i = 0; i < 100; ++i) {
    stream += kParts[random() % std::size(kParts)];
  }
  return stream + std::string(random() % 2 == 0 ? 0 : 700, 'z') + "\r\n\r\n";
}

TEST(HttpFramerTest, RandomBytesMeanTheSameHoweverTheyAreCut) {
  std::minstd_rand random(7);
  std::size_t lost = 0;
  std::size_t messages = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::string stream = random_stream(random);
    HttpFramer whole;
    Log whole_log;
    whole.feed(stream.data(), stream.size(), whole_log);
    HttpFramer cut;
    Log cut_log;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t piece = std::min<std::size_t>(1 + (random() % 40), stream.size() - at);
      cut.feed(stream.data() + at, piece, cut_log);
      at += piece;
    }
    ASSERT_EQ(whole_log.events, cut_log.events) << stream;
    ASSERT_EQ(whole.lost(), cut.lost()) << stream;
    ASSERT_EQ(whole.at_message_start(), cut.at_message_start()) << stream;
    for (const std::string& event : whole_log.events) {
      ASSERT_LT(event.size(), HttpFramer::kLineBytes) << stream;
      ASSERT_EQ(event.find('\n'), std::string::npos) << stream;
    }
    lost += whole.lost() ? 1 : 0;
    messages += static_cast<std::size_t>(
        std::count(whole_log.events.begin(), whole_log.events.end(), "end"));
  }
  // Else it tried nothing but one end.
  EXPECT_GT(lost, 100U);
  EXPECT_LT(lost, 1900U);
  EXPECT_GT(messages, 500U);
}

}  // namespace
}  // namespace lamprey::preload::lambda
