// JSON written straight into text, member after member: the line is built between the end of an
// invocation and the next, where a tree of values that is built, copied and freed took four times
// as long. Knows JSON and UTF-8; knows no key of the record.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lamprey::cloudwatch {

// Adds `text` in quotation marks: always valid JSON in valid UTF-8, what is not becomes U+FFFD.
void append_quoted(std::string& to, std::string_view text);

// Adds a whole number, or one of thousandths without trailing zeros: 1500 is 1.5.
void append_thousandths(std::string& to, std::uint64_t thousandths);

template <std::integral Value>
void append_number(std::string& to, Value value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  to.append(digits, end);
}

// An object whose members are written in the order in which they are added. Keys are taken as they
// are: they are ours.
class Object {
 public:
  template <std::integral Value>
  void add(std::string_view key, Value value) {
    begin(key);
    append_number(text_, value);
  }
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add_thousandths(std::string_view key, std::uint64_t thousandths);
  // Left out when empty, as is a list of which none is taken.
  void add(std::string_view key, const Object& value);
  void add(std::string_view key, const std::vector<std::string>& entries, std::size_t most);
  // A member that is JSON already.
  void add_json(std::string_view key, std::string_view json) {
    begin(key);
    text_.append(json);
  }
  // All members of another object, behind these.
  void join(const Object& members);
  // A member whose name is data: written as text is.
  void add_named(std::string_view name, std::int64_t value);

  bool empty() const { return text_.empty(); }
  std::string text() const&;  // with its braces
  std::string text() &&;      // the same without a copy

 private:
  void begin(std::string_view key);

  std::string text_;  // between the braces
};

}  // namespace lamprey::cloudwatch
