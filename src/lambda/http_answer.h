// One HTTP/1.1 answer of an API, by Boost.Beast's parser: what Lamprey needs of it. No traffic
// lives here.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace lamprey::lambda {

struct HttpAnswer {
  unsigned status = 0;
  std::string identifier;  // Lambda-Extension-Identifier
  std::string body;
  bool keep_alive = false;
};

// Takes an answer in the pieces in which it comes. What it throws (std::runtime_error) says in
// words what is wrong with the answer.
class AnswerParser {
 public:
  AnswerParser();
  ~AnswerParser();
  AnswerParser(const AnswerParser&) = delete;
  AnswerParser& operator=(const AnswerParser&) = delete;

  // `pending`: what has come and was not taken yet; takes a part of it from its beginning. True
  // when the answer is complete.
  bool take(std::string& pending);
  // Nothing more will come. True when the answer is complete by that.
  bool end();

  HttpAnswer& answer();

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace lamprey::lambda
