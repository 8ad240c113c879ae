// Reading JSON in one pass; see the header.
#include "cli/input/json_document.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace lamprey::cli {
namespace {

constexpr std::size_t kMaxLevels = 64;
constexpr std::size_t kMaxSize = UINT32_MAX;  // what a node's numbers can hold

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

bool is_of_number(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

// Where a text ends: the first quote or backslash from `at` on, eight bytes at a time.
std::size_t find_quote(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  const auto zero_bytes = [](std::uint64_t word) { return (word - kOnes) & ~word & kHighs; };
  while (at + 8 <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    const std::uint64_t found =
        zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\'));
    if (found != 0) {  // little-endian: the lowest byte comes first
      return at + (static_cast<std::size_t>(std::countr_zero(found)) / 8);
    }
    at += 8;
  }
  while (at < text.size() && text[at] != '"' && text[at] != '\\') {
    ++at;
  }
  return at;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0U | (point >> 6U));
    put(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    put(0xE0U | (point >> 12U));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  } else {
    put(0xF0U | (point >> 18U));
    put(0x80U | ((point >> 12U) & 0x3FU));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  }
}

// Four hexadecimal digits at `at`; UINT32_MAX when they are none.
std::uint32_t hex4(std::string_view raw, std::size_t at) {
  if (at + 4 > raw.size()) {
    return UINT32_MAX;
  }
  std::uint32_t value = 0;
  for (const char c : raw.substr(at, 4)) {
    const auto digit = [c]() -> std::uint32_t {
      if (c >= '0' && c <= '9') {
        return static_cast<std::uint32_t>(c - '0');
      }
      const char low = static_cast<char>(c | 0x20);
      return low >= 'a' && low <= 'f' ? static_cast<std::uint32_t>(low - 'a') + 10 : UINT32_MAX;
    }();
    if (digit == UINT32_MAX) {
      return UINT32_MAX;
    }
    value = (value << 4U) | digit;
  }
  return value;
}

// \uXXXX at `at` (of the u), with the second half of a pair; gives what was used up.
std::size_t append_code_point(std::string& out, std::string_view raw, std::size_t at) {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  const std::uint32_t first = hex4(raw, at + 1);
  if (first == UINT32_MAX) {
    append_utf8(out, kReplacement);
    return 1;
  }
  if (first < 0xD800 || first > 0xDFFF) {
    append_utf8(out, first);
    return 5;
  }
  const bool pair = first < 0xDC00 && raw.substr(at + 5, 2) == "\\u";
  const std::uint32_t second = pair ? hex4(raw, at + 7) : UINT32_MAX;
  if (second >= 0xDC00 && second <= 0xDFFF) {
    append_utf8(out, 0x10000 + ((first - 0xD800) << 10U) + (second - 0xDC00));
    return 11;
  }
  append_utf8(out, kReplacement);
  return 5;
}

}  // namespace

std::string without_escapes(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  std::size_t at = 0;
  while (at < raw.size()) {
    const std::size_t next = std::min(raw.find('\\', at), raw.size());
    out.append(raw, at, next - at);
    at = next;
    if (at + 1 >= raw.size()) {
      break;
    }
    const char c = raw[at + 1];
    constexpr std::string_view kLetters = "bfnrt";
    constexpr std::string_view kMeant = "\b\f\n\r\t";
    if (c == 'u') {
      at += 1 + append_code_point(out, raw, at + 1);
      continue;
    }
    const std::size_t letter = kLetters.find(c);
    out += letter == std::string_view::npos ? c : kMeant[letter];
    at += 2;
  }
  return out;
}

// One pass over a text. `open_` are the containers that are not yet closed.
class Document::Reading {
 public:
  Reading(std::string_view text, std::vector<Node>& nodes) : text_(text), nodes_(nodes) {}

  bool run() {
    if (!value()) {
      return false;
    }
    while (level_ > 0) {
      if (!next_entry()) {
        return false;
      }
    }
    return true;
  }
  std::size_t at() const { return at_; }

 private:
  static std::uint32_t narrow(std::size_t size) { return static_cast<std::uint32_t>(size); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) {
      ++at_;
    }
  }

  bool take(char c) {
    skip_space();
    if (peek() != c) {
      return false;
    }
    ++at_;
    return true;
  }

  // The quote has been taken. Where it ends, and whether anything in it is escaped.
  bool text(std::uint32_t& start, std::uint32_t& size, bool& escaped) {
    start = narrow(at_);
    escaped = false;
    for (at_ = find_quote(text_, at_); at_ < text_.size(); at_ = find_quote(text_, at_)) {
      if (text_[at_] == '"') {
        size = narrow(at_) - start;
        ++at_;
        return true;
      }
      escaped = true;
      at_ += 2;
    }
    return false;
  }

  Node& add(Value::Kind kind) {
    nodes_.push_back(
        {narrow(at_), 0, narrow(nodes_.size() + 1), key_start_, key_size_, kind, false});
    return nodes_.back();
  }

  bool open(Value::Kind kind) {
    if (level_ == kMaxLevels) {
      return false;
    }
    open_[level_++] = narrow(nodes_.size());
    add(kind);
    ++at_;
    first_ = true;
    return true;
  }

  bool literal(std::string_view word, Value::Kind kind) {
    if (text_.substr(at_, word.size()) != word) {
      return false;
    }
    add(kind).size = narrow(word.size());
    at_ += word.size();
    return true;
  }

  bool number() {
    if (peek() != '-' && (peek() < '0' || peek() > '9')) {
      return false;
    }
    Node& node = add(Value::Kind::kNumber);
    while (at_ < text_.size() && is_of_number(text_[at_])) {
      ++at_;
    }
    node.size = narrow(at_) - node.start;
    return true;
  }

  bool value() {
    skip_space();
    switch (peek()) {
      case '{':
        return open(Value::Kind::kObject);
      case '[':
        return open(Value::Kind::kList);
      case '"': {
        ++at_;
        Node& node = add(Value::Kind::kText);
        return text(node.start, node.size, node.escaped);
      }
      case 't':
        return literal("true", Value::Kind::kTrue);
      case 'f':
        return literal("false", Value::Kind::kFalse);
      case 'n':
        return literal("null", Value::Kind::kNull);
      default:
        return number();
    }
  }

  // The next entry of the innermost open container, or its end.
  bool next_entry() {
    Node& container = nodes_[open_[level_ - 1]];
    const bool object = container.kind == Value::Kind::kObject;
    if (take(object ? '}' : ']')) {
      container.size = narrow(at_) - container.start;
      container.next = narrow(nodes_.size());
      --level_;
      first_ = false;
      return true;
    }
    if (!first_ && !take(',')) {
      return false;
    }
    first_ = false;
    key_size_ = 0;
    bool escaped = false;
    if (object && (!take('"') || !text(key_start_, key_size_, escaped) || !take(':'))) {
      return false;
    }
    return value();
  }

  std::string_view text_;
  std::vector<Node>& nodes_;
  std::size_t at_ = 0;
  std::array<std::uint32_t, kMaxLevels> open_{};
  std::size_t level_ = 0;
  bool first_ = true;
  std::uint32_t key_start_ = 0;
  std::uint32_t key_size_ = 0;
};

bool Document::read(std::string_view text) {
  text_ = text;
  nodes_.clear();
  size_read_ = 0;
  if (text.size() >= kMaxSize) {
    return false;
  }
  Reading reading(text, nodes_);
  const bool good = reading.run();
  size_read_ = std::min(reading.at(), text.size());
  if (!good) {
    nodes_.clear();
  }
  return good;
}

bool Document::read_whole(std::string_view text) {
  if (!read(text)) {
    return false;
  }
  for (const char c : text.substr(size_read_)) {
    if (!is_space(c)) {
      nodes_.clear();
      return false;
    }
  }
  return true;
}

Value::Kind Value::kind() const {
  return document_ == nullptr ? Kind::kNothing : document_->nodes_[index_].kind;
}

Value::Iterator& Value::Iterator::operator++() {
  index_ = document_->nodes_[index_].next;
  return *this;
}

Value::Iterator Value::begin() const {
  const bool any = is_object() || is_list();
  return {document_, any ? index_ + 1 : 0};
}

Value::Iterator Value::end() const {
  const bool any = is_object() || is_list();
  return {document_, any ? document_->nodes_[index_].next : 0};
}

bool Value::empty() const { return begin() == end(); }

std::size_t Value::size() const {
  std::size_t count = 0;
  for (Iterator at = begin(); !(at == end()); ++at) {
    ++count;
  }
  return count;
}

Value Value::operator[](std::string_view key) const {
  if (!is_object()) {
    return {};
  }
  const auto& nodes = document_->nodes_;
  const std::uint32_t last = nodes[index_].next;
  for (std::uint32_t at = index_ + 1; at < last; at = nodes[at].next) {
    if (nodes[at].key_size == key.size() &&
        std::memcmp(document_->text_.data() + nodes[at].key_start, key.data(), key.size()) == 0) {
      return {document_, at};
    }
  }
  return {};
}

std::string_view Value::key() const {
  if (document_ == nullptr) {
    return {};
  }
  const Document::Node& node = document_->nodes_[index_];
  return document_->text_.substr(node.key_start, node.key_size);
}

std::string_view Value::raw() const {
  if (document_ == nullptr) {
    return {};
  }
  const Document::Node& node = document_->nodes_[index_];
  return document_->text_.substr(node.start, node.size);
}

std::string_view Value::text_in(std::string& room) const {
  if (!is_text()) {
    return {};
  }
  if (!document_->nodes_[index_].escaped) {
    return raw();
  }
  room = without_escapes(raw());
  return room;
}

std::string Value::text() const {
  std::string room;
  return std::string(text_in(room));
}

}  // namespace lamprey::cli
