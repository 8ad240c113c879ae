// The word that a runtime uses for an error, from what it posts.
#include "preload/lambda/error_type.h"

#include <gtest/gtest.h>

#include <string>

namespace lamprey::preload::lambda {
namespace {

std::string found(const std::string& body, std::size_t piece = 1 << 20) {
  ErrorTypeFinder finder;
  for (std::size_t at = 0; at < body.size(); at += piece) {
    finder.feed(body.data() + at, std::min(piece, body.size() - at));
  }
  return finder.found() != nullptr ? finder.found() : "";
}

TEST(ErrorTypeTest, InPiecesOfAnySize) {
  const std::string body = R"({"errorMessage": "'k'", "errorType": "KeyError", "stackTrace": []})";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    EXPECT_EQ(found(body, piece), "KeyError");
  }
  EXPECT_EQ(found(R"({"errorType":"java.lang.OutOfMemoryError"})"), "java.lang.OutOfMemoryError");
  EXPECT_EQ(found("{\"errorType\"\n\t: \"X\"}"), "X");
  EXPECT_EQ(found(R"({"errorType":"a\"b\\c"})"), R"(a"b\c)");
}

TEST(ErrorTypeTest, TextThatQuotesSuchADocumentDoesNotCount) {
  EXPECT_EQ(found(R"({"errorMessage":"{\"errorType\":\"Other\"}","errorType":"Own"})"), "Own");
  EXPECT_EQ(found(R"({"errorMessage":"\"errorType","errorType":"Own"})"), "Own");
  EXPECT_EQ(found(R"({"stackTrace":["errorType"],"errorType":"Own"})"), "Own");
  EXPECT_EQ(found(R"({"errorType":7,"x":"errorType"})"), "");
  EXPECT_EQ(found(R"({"errorType":"never ends)"), "");
  EXPECT_EQ(found(""), "");
}

TEST(ErrorTypeTest, AVeryLongOneIsCut) {
  EXPECT_EQ(found("{\"errorType\":\"" + std::string(10'000, 'e') + "\"}"), std::string(119, 'e'));
}

}  // namespace
}  // namespace lamprey::preload::lambda
