// Finds where HTTP/1.1 messages begin and end in a stream that arrives in arbitrary pieces, and
// shows each start line and header line as it completes. Knows nothing of the Runtime API.
//
// Allocation-free and bounded: a line longer than kLineBytes is cut (its rest is skipped), a body
// is skipped, never stored. Not thread-safe: one stream, one user at a time. Content is hostile:
// whatever cannot be HTTP puts the framer into kLost, where it stays until reset().
//
// Cost: a body of known length is skipped in O(1) a piece; head and chunk lines cost ~1 ns a byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/base/text.h"

namespace lamprey::preload::lambda {

class HttpFramer {
 public:
  // Long enough for the request lines and the headers that we read; others may be cut.
  static constexpr std::size_t kLineBytes = 512;

  void reset() { *this = HttpFramer(); }
  bool lost() const { return state_ == State::kLost; }
  // Nothing of a message has been seen yet: the next byte starts one.
  bool at_message_start() const { return state_ == State::kStartLine && line_ == 0; }

  // Sink: void start_line(const char* line, std::size_t n);
  //       void header(const char* name, std::size_t n, const char* value);   NUL-terminated value
  //       bool head_end();         false: this message has no body, whatever its headers say
  //       void message_end();
  //       void body(const char* data, std::size_t n);   if it has one: each piece of a body
  template <class Sink>
  void feed(const char* data, std::size_t size, Sink& sink) {
    std::size_t at = 0;
    while (at < size && state_ != State::kLost && state_ != State::kBodyUntilClose) {
      if (state_ == State::kBody) {
        const std::uint64_t here = size - at;
        const std::uint64_t part = here < body_left_ ? here : body_left_;
        if constexpr (requires { sink.body(data, size); }) {
          sink.body(data + at, static_cast<std::size_t>(part));
        }
        at += static_cast<std::size_t>(part);
        body_left_ -= part;
        if (body_left_ == 0) {
          finish_body(sink);
        }
      } else {
        at += take_line(data + at, size - at, sink);
      }
    }
  }

 private:
  enum class State : std::uint8_t {
    kStartLine,
    kHeader,
    kBody,       // body_left_ bytes, then the end of the message or of the chunk
    kChunkSize,  // a line
    kChunkEnd,   // the empty line after a chunk
    kTrailer,    // header lines after the last chunk
    kBodyUntilClose,
    kLost,
  };

  // Adds bytes up to the next LF to the line; handles the line when it is whole. Returns bytes
  // used.
  template <class Sink>
  std::size_t take_line(const char* data, std::size_t size, Sink& sink) {
    for (std::size_t i = 0; i < size; ++i) {
      const char c = data[i];
      if (c == '\n') {
        if (line_ > 0 && text_[line_ - 1] == '\r') {
          --line_;
        }
        text_[line_] = '\0';
        const std::size_t n = line_;
        line_ = 0;
        handle_line(n, sink);
        return i + 1;
      }
      if (line_ < kLineBytes - 1) {
        text_[line_++] = c;
      }
    }
    return size;
  }

  template <class Sink>
  void handle_line(std::size_t n, Sink& sink) {
    switch (state_) {
      case State::kStartLine:
        if (n != 0) {  // RFC 9112, 2.2: an empty line before the start line is skipped
          body_left_ = 0;
          has_length_ = chunked_ = false;
          is_response_ = starts_with(text_, "HTTP/");
          state_ = State::kHeader;
          sink.start_line(text_, n);
        }
        break;
      case State::kHeader:
        n == 0 ? end_head(sink) : handle_header(n, sink);
        break;
      case State::kChunkSize:
        handle_chunk_size(n);
        break;
      case State::kChunkEnd:
        state_ = n == 0 ? State::kChunkSize : State::kLost;
        break;
      case State::kTrailer:
        if (n == 0) {
          end_message(sink);
        }
        break;
      case State::kBody:
      case State::kBodyUntilClose:
      case State::kLost:
        break;
    }
  }

  template <class Sink>
  void handle_header(std::size_t n, Sink& sink) {
    std::size_t colon = 0;
    while (colon < n && text_[colon] != ':') {
      ++colon;
    }
    if (colon == n) {
      state_ = State::kLost;
      return;
    }
    const char* value = text_ + colon + 1;
    while (*value == ' ' || *value == '\t') {
      ++value;
    }
    if (equal_ignoring_case(text_, colon, "content-length")) {
      has_length_ = true;
      body_left_ = to_number(value);
    } else if (equal_ignoring_case(text_, colon, "transfer-encoding")) {
      chunked_ = true;  // the only coding that a Runtime API client or server uses
    }
    sink.header(text_, colon, value);
  }

  template <class Sink>
  void end_head(Sink& sink) {
    const bool may_have_body = sink.head_end();
    in_chunks_ = chunked_;
    if (may_have_body && chunked_) {
      state_ = State::kChunkSize;
    } else if (may_have_body && has_length_ && body_left_ > 0) {
      state_ = State::kBody;
    } else if (may_have_body && !has_length_ && is_response_) {
      state_ = State::kBodyUntilClose;
    } else {
      end_message(sink);
    }
  }

  // -1: none.
  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
      return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  void handle_chunk_size(std::size_t n) {
    std::uint64_t value = 0;
    std::size_t i = 0;
    for (; i < n && i < 15; ++i) {
      const char c = text_[i];
      const int digit = hex_digit(c);
      if (digit < 0) {
        break;  // a chunk extension
      }
      value = (value * 16) + static_cast<std::uint64_t>(digit);
    }
    if (i == 0) {
      state_ = State::kLost;
    } else {
      body_left_ = value;
      state_ = value == 0 ? State::kTrailer : State::kBody;
    }
  }

  template <class Sink>
  void finish_body(Sink& sink) {
    if (in_chunks_) {
      state_ = State::kChunkEnd;
    } else {
      end_message(sink);
    }
  }

  template <class Sink>
  void end_message(Sink& sink) {
    state_ = State::kStartLine;
    sink.message_end();
  }

  std::uint64_t body_left_ = 0;
  std::size_t line_ = 0;  // bytes of the unfinished line in text_
  State state_ = State::kStartLine;
  bool has_length_ = false;
  bool chunked_ = false;
  bool in_chunks_ = false;
  bool is_response_ = false;
  char text_[kLineBytes] = {};
};

}  // namespace lamprey::preload::lambda
