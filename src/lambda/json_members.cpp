// Members of a JSON text, read from its front to its end; see the header.
#include "lambda/json_members.h"

#include <algorithm>
#include <cfloat>
#include <cstdlib>
#include <utility>

namespace lamprey::lambda {
namespace {

constexpr int kMaxExponent = 400;  // beyond all that a double can hold
constexpr int kMaxShift = 800;     // of the digits, by what stands behind an e

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& to, std::uint32_t code) {
  const auto put = [&to](std::uint32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
    return;
  }
  if (code < 0x800) {
    put(0xC0U | (code >> 6U));
  } else {
    if (code < 0x10000) {
      put(0xE0U | (code >> 12U));
    } else {
      put(0xF0U | (code >> 18U));
      put(0x80U | ((code >> 12U) & 0x3FU));
    }
    put(0x80U | ((code >> 6U) & 0x3FU));
  }
  put(0x80U | (code & 0x3FU));
}

// Of how many bytes the character at the front is, one beyond ASCII; 0: it is no character.
std::size_t size_of_character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) {
    return 0;
  }
  std::uint32_t code = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0U) != 0x80) {
      return 0;
    }
    code = (code << 6U) | (next & 0x3FU);
  }
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  const std::uint32_t least = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
  return code >= least && code <= 0x10FFFF && !surrogate ? size : 0;
}

}  // namespace

// Follows where in the text it is. Names are compared one by one: a name with a dot in it cannot
// pass for two.
class JsonMembers::Reader {
 public:
  Reader(std::vector<Member>& members, std::string_view text) : members_(members), text_(text) {}

  // False: the text is no JSON, or no object.
  bool read() {
    take("\xEF\xBB\xBF");
    skip_blank();
    if (!read_value()) {
      return false;
    }
    while (!levels_.empty()) {
      if (!read_next()) {
        return false;
      }
    }
    skip_blank();
    return text_.empty();
  }

 private:
  // A container that is open.
  struct Level {
    std::string name;  // of the member that is read; empty in an array
    bool array = false;
    bool filled = false;
  };

  bool take(std::string_view word) {
    const bool there = text_.starts_with(word);
    text_.remove_prefix(there ? word.size() : 0);
    return there;
  }
  void skip_blank() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size()));
  }
  char front() const { return text_.empty() ? '\0' : text_.front(); }

  // The next member of the innermost container, or its end.
  bool read_next() {
    Level& level = levels_.back();
    skip_blank();
    if (take(level.array ? "]" : "}")) {
      levels_.pop_back();
      return true;
    }
    if (level.filled && !take(",")) {
      return false;
    }
    level.filled = true;
    skip_blank();
    if (!level.array) {
      level.name.clear();
      if (!read_text(level.name)) {
        return false;
      }
      skip_blank();
      if (!take(":")) {
        return false;
      }
      skip_blank();
    }
    return read_value();
  }

  bool read_value() {
    Member* const member = begin_value();
    if (take("{")) {
      if (member != nullptr) {
        member->object = true;
      }
      levels_.emplace_back();
      return true;
    }
    if (levels_.empty()) {
      return false;
    }
    if (take("[")) {
      levels_.emplace_back().array = true;
      return true;
    }
    std::string text;
    if (front() != '"') {
      return take("true") || take("false") || take("null") || read_number(member);
    }
    if (!read_text(text)) {
      return false;
    }
    if (member != nullptr) {
      member->text = std::move(text);
    }
    return true;
  }

  bool read_text(std::string& value) {
    if (!take("\"")) {
      return false;
    }
    while (!take("\"")) {
      const auto c = static_cast<unsigned char>(front());
      if (c < 0x20) {  // or the end
        return false;
      }
      if (c == '\\') {
        text_.remove_prefix(1);
        if (!read_escape(value)) {
          return false;
        }
        continue;
      }
      const std::size_t size = c < 0x80 ? 1 : size_of_character(text_);
      if (size == 0) {
        return false;
      }
      value.append(text_.substr(0, size));
      text_.remove_prefix(size);
    }
    return true;
  }

  // What follows a backslash.
  bool read_escape(std::string& value) {
    constexpr std::string_view kShort = "\"\"\\\\//b\bf\fn\nr\rt\t";  // in pairs
    for (std::size_t i = 0; i < kShort.size(); i += 2) {
      if (take(kShort.substr(i, 1))) {
        value.push_back(kShort[i + 1]);
        return true;
      }
    }
    std::uint32_t code = 0;
    if (!read_unit(code) || (code >= 0xDC00 && code < 0xE000)) {
      return false;
    }
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      std::uint32_t second = 0;
      if (!take("\\") || !read_unit(second) || second < 0xDC00 || second >= 0xE000) {
        return false;
      }
      code = 0x10000 + ((code - 0xD800) << 10U) + (second - 0xDC00);
    }
    append_utf8(value, code);
    return true;
  }

  // "u00e9"
  bool read_unit(std::uint32_t& unit) {
    if (!take("u") || text_.size() < 4) {
      return false;
    }
    for (int i = 0; i < 4; ++i) {
      const char c = text_.front();
      const char small = static_cast<char>(c | 0x20);
      if (!is_digit(c) && (small < 'a' || small > 'f')) {
        return false;
      }
      unit = unit * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : small - 'a' + 10);
      text_.remove_prefix(1);
    }
    return true;
  }

  // Adds digits to `number`; how many had no room, and in `there` how many there are.
  int read_digits(std::uint64_t& number, int& there) {
    int dropped = 0;
    there = 0;
    for (; is_digit(front()); text_.remove_prefix(1)) {
      const auto digit = static_cast<std::uint64_t>(front() - '0');
      if (dropped != 0 || number > (UINT64_MAX - digit) / 10) {
        ++dropped;
      } else {
        number = number * 10 + digit;
      }
      ++there;
    }
    return dropped;
  }

  bool read_number(Member* member) {
    const bool negative = take("-");
    const bool zero = front() == '0';
    std::uint64_t number = 0;
    int there = 0;
    int exponent = read_digits(number, there);
    if (there == 0 || (zero && there != 1)) {
      return false;
    }
    bool whole = !negative && exponent == 0;
    if (take(".")) {
      whole = false;
      const int dropped = exponent + read_digits(number, there);
      exponent = dropped - there;
      if (there == 0) {
        return false;
      }
    }
    if (take("e") || take("E")) {
      whole = false;
      const bool down = take("-");
      if (!down) {
        take("+");
      }
      std::uint64_t more = 0;
      const int too_much = read_digits(more, there);
      if (there == 0) {
        return false;
      }
      const int shift = too_much != 0 || more > kMaxShift ? kMaxShift : static_cast<int>(more);
      exponent += down ? -shift : shift;
    }
    return take_number(member, negative, number, exponent, whole);
  }

  // Exact with up to 15 digits, as measured times have them; else to some last bits.
  static bool take_number(Member* member, bool negative, std::uint64_t number, int exponent,
                          bool whole) {
    double power = 1;
    for (int i = std::min(std::abs(exponent), kMaxExponent); i > 0 && number != 0; --i) {
      power *= 10;
    }
    auto value = static_cast<double>(number);
    value = exponent < 0 ? value / power : value * power;
    if (value > DBL_MAX) {
      return false;
    }
    if (member != nullptr) {
      member->number = negative ? -value : value;
      member->whole = whole ? std::optional(number) : std::nullopt;
    }
    return true;
  }

  // The member that begins here, if it is wanted. What was read of an earlier one of its name, or
  // within it, is void.
  Member* begin_value() {
    Member* here = nullptr;
    for (Member& member : members_) {
      if (is_here_or_below(member.path)) {
        const bool exact = depth_of(member.path) == levels_.size();
        member = {std::move(member.path), {}, std::nullopt, std::nullopt, false};
        here = exact ? &member : here;
      }
    }
    return here;
  }

  static std::size_t depth_of(std::string_view path) {
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')) + 1;
  }

  bool is_here_or_below(std::string_view path) const {
    for (const Level& level : levels_) {
      const std::string_view first = path.substr(0, path.find('.'));
      if (path.empty() || first != level.name) {
        return false;
      }
      path.remove_prefix(std::min(path.size(), first.size() + 1));
    }
    return true;
  }

  std::vector<Member>& members_;
  std::string_view text_;  // what is left of it
  std::vector<Level> levels_;
};

std::optional<JsonMembers> JsonMembers::read(std::string_view text,
                                             std::initializer_list<const char*> wanted) {
  JsonMembers found;
  for (const char* path : wanted) {
    found.members_.push_back({path, {}, std::nullopt, std::nullopt, false});
  }
  if (!Reader(found.members_, text).read()) {
    return std::nullopt;
  }
  return found;
}

const JsonMembers::Member& JsonMembers::member(std::string_view path) const {
  static const Member absent;
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [path](const Member& member) { return member.path == path; });
  return found == members_.end() ? absent : *found;
}

}  // namespace lamprey::lambda
