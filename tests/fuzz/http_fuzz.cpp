// HTTP from whoever is at the other end: the framer in the program that is watched, the parser of
// the APIs' answers, and what reads their bodies. A stream means the same however it is cut, and
// where both understand an answer they agree on its end.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lambda/event.h"
#include "lambda/http_answer.h"
#include "lambda/telemetry_client.h"
#include "preload/lambda/http_framer.h"
#include "tests/fuzz/fuzzing.h"

namespace {

using lamprey::fuzzing::require;
using lamprey::lambda::AnswerParser;
using lamprey::preload::lambda::HttpFramer;

// As the library listens: interim answers have no body.
struct Events {
  std::vector<std::string> seen;
  std::size_t messages = 0;
  bool interim = false;
  void start_line(const char* line, std::size_t n) {
    require(n < HttpFramer::kLineBytes && line[n] == '\0', "a line is cut and ends");
    interim = std::string_view(line, n).starts_with("HTTP/1.1 1");
    seen.emplace_back(line, n);
  }
  void header(const char* name, std::size_t n, const char* value) {
    require(n < HttpFramer::kLineBytes, "a name is cut");
    seen.push_back(std::string(name, n) + "=" + value);
  }
  bool head_end() {
    seen.emplace_back("head");
    return !interim;
  }
  void message_end() {
    seen.emplace_back("end");
    ++messages;
  }
};

// Pieces of 1 to `most` bytes.
template <class Take>
void cut(std::string_view stream, std::size_t most, const Take& take) {
  lamprey::fuzzing::Random random(static_cast<unsigned>(stream.size()));
  while (!stream.empty()) {
    const std::size_t piece = std::min<std::size_t>(stream.size(), 1 + (random() % most));
    take(stream.substr(0, piece));
    stream.remove_prefix(piece);
  }
}

void frame(std::string_view stream) {
  HttpFramer whole;
  Events whole_events;
  whole.feed(stream.data(), stream.size(), whole_events);
  HttpFramer cut_up;
  Events cut_events;
  cut(stream, 9,
      [&](std::string_view piece) { cut_up.feed(piece.data(), piece.size(), cut_events); });
  require(whole_events.seen == cut_events.seen && whole.lost() == cut_up.lost() &&
              whole.at_message_start() == cut_up.at_message_start(),
          "the framer sees the same however the stream is cut");
}

struct Answer {
  bool complete = false;
  std::string error;  // what the parser throws
  unsigned status = 0;
  std::string identifier;
  std::string body;
  std::size_t bytes = 0;  // of the stream
};

Answer answer_of(std::string_view stream, std::size_t most_a_piece) {
  Answer answer;
  AnswerParser parser;
  std::string pending;
  std::size_t given = 0;
  try {
    cut(stream, most_a_piece, [&](std::string_view piece) {
      if (!answer.complete) {
        pending += piece;
        given += piece.size();
        answer.complete = parser.take(pending);
      }
    });
    // Of an answer that is not whole it takes more or less, as the pieces come.
    answer.bytes = answer.complete ? given - pending.size() : 0;
    answer.complete = answer.complete || parser.end();
  } catch (const std::runtime_error& error) {
    answer.error = error.what();
    require(!answer.error.empty() && answer.error.find('\n') == std::string::npos,
            "what is wrong with an answer is said in one line");
    return answer;
  }
  answer.status = parser.answer().status;
  answer.identifier = parser.answer().identifier;
  answer.body = parser.answer().body;
  return answer;
}

bool has_long_line(std::string_view stream) {
  for (std::size_t end = 0; (end = stream.find('\n')) != std::string_view::npos;
       stream.remove_prefix(end + 1)) {
    if (end + 1 >= HttpFramer::kLineBytes) {
      return true;
    }
  }
  return stream.size() >= HttpFramer::kLineBytes;
}

// Where the parser found a whole answer of known length, the framer has seen one message.
void compare(std::string_view stream, const Answer& answer) {
  const std::string_view head = stream.substr(0, stream.find("\r\n\r\n"));
  std::string lower(head);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  const bool known_length = lower.find("\ncontent-length:") != std::string::npos &&
                            lower.find("transfer-encoding") == std::string::npos;
  if (!answer.complete || !known_length || has_long_line(head) || answer.status < 200 ||
      answer.status == 204 || answer.status == 304) {
    return;
  }
  HttpFramer framer;
  Events events;
  framer.feed(stream.data(), answer.bytes, events);
  require(framer.lost() || (events.messages == 1 && framer.at_message_start()),
          "framer and parser agree where an answer ends");
}

void read_body(const std::string& body) {
  lamprey::lambda::parse_event(body);
  lamprey::lambda::parse_registration(body);
  const auto report = lamprey::lambda::parse_platform_report(body);
  require(!report || !report->request_id.empty(), "a report is about a request");
  lamprey::lambda::listening_address(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  frame(stream);
  const Answer whole = answer_of(stream, size + 1);
  const Answer cut_up = answer_of(stream, 9);
  require(whole.complete == cut_up.complete && whole.error.empty() == cut_up.error.empty() &&
              whole.status == cut_up.status && whole.identifier == cut_up.identifier &&
              whole.body == cut_up.body && whole.bytes == cut_up.bytes,
          "the parser reads the same however the stream is cut");
  compare(stream, whole);
  read_body(whole.complete ? whole.body : std::string(stream));
  return 0;
}
