// Finds "errorType" in the JSON that a runtime posts for a failed invocation, however it is cut
// into pieces. AWS's client for Python names the type nowhere else; others say it in a header as
// well.
//
// No parser: the key, a colon and a string are enough. Within a string quotes are escaped, so text
// that quotes such a document does not match. Allocation-free and bounded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::lambda {

class ErrorTypeFinder {
 public:
  void reset() { *this = ErrorTypeFinder(); }
  // The type once it has been seen whole; cut to fit. Else nullptr.
  const char* found() const { return state_ == State::kFound ? text_ : nullptr; }

  void feed(const char* data, std::size_t size) {
    for (std::size_t i = 0; i < size && state_ != State::kFound; ++i) {
      take(data[i]);
    }
  }

 private:
  enum class State : std::uint8_t { kKey, kColon, kQuote, kValue, kEscape, kFound };
  static constexpr char kKey[] = "\"errorType\"";
  static constexpr std::uint32_t kKeyBytes = sizeof(kKey) - 1;

  void take(char c) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    switch (state_) {
      case State::kKey:
        look_for_key(c);
        break;
      case State::kColon:
      case State::kQuote:
        if (!blank) {
          const bool right = c == (state_ == State::kColon ? ':' : '"');
          state_ = !right ? State::kKey : state_ == State::kColon ? State::kQuote : State::kValue;
          matched_ = !right && c == '"' ? 1 : 0;
        }
        break;
      case State::kValue:
        take_value(c);
        break;
      case State::kEscape:
        keep(c);
        state_ = State::kValue;
        break;
      case State::kFound:
        break;
    }
  }

  // The key's first character stands in it nowhere but at the ends: no more to go back to.
  void look_for_key(char c) {
    if (c == kKey[matched_]) {
      if (++matched_ == kKeyBytes) {
        state_ = State::kColon;
        matched_ = 0;
      }
    } else {
      matched_ = c == '"' ? 1 : 0;
    }
  }

  void take_value(char c) {
    if (c == '"') {
      text_[length_] = '\0';
      state_ = State::kFound;
    } else if (c == '\\') {
      state_ = State::kEscape;
    } else {
      keep(c);
    }
  }

  void keep(char c) {
    if (length_ + 1 < sizeof(text_)) {
      text_[length_++] = c;
    }
  }

  State state_ = State::kKey;
  std::uint32_t matched_ = 0;
  std::size_t length_ = 0;
  char text_[120] = {};
};

}  // namespace lamprey::preload::lambda
