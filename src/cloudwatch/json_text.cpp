// Text of JSON; see the header.
#include "cloudwatch/json_text.h"

#include <algorithm>

namespace lamprey::cloudwatch {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned char byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

// What a first byte promises: how many follow it, and between what the second one lies.
struct Lead {
  std::size_t more = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

// `more` is 0 for what begins no character: overlong forms, surrogates and what is above U+10FFFF
// are none.
Lead lead_of(unsigned char first) {
  if (first >= 0xC2 && first <= 0xDF) {
    return {1};
  }
  if (first >= 0xE0 && first <= 0xEF) {
    return {2, static_cast<unsigned char>(first == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(first == 0xED ? 0x9F : 0xBF)};
  }
  if (first >= 0xF0 && first <= 0xF4) {
    return {3, static_cast<unsigned char>(first == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(first == 0xF4 ? 0x8F : 0xBF)};
  }
  return {};
}

// Adds the character that begins at `at`, or U+FFFD for the bytes that are none; how many they are.
std::size_t append_character(std::string& to, std::string_view text, std::size_t at) {
  const Lead lead = lead_of(byte_at(text, at));
  std::size_t size = 1;
  while (size <= lead.more) {
    const unsigned char next = byte_at(text, at + size);
    const bool fits =
        size == 1 ? next >= lead.low && next <= lead.high : next >= 0x80 && next <= 0xBF;
    if (!fits) {
      break;
    }
    ++size;
  }
  const bool whole = lead.more != 0 && size == lead.more + 1;
  to.append(whole ? text.substr(at, size) : kReplacement);
  return size;
}

void append_escaped(std::string& to, unsigned char c) {
  constexpr std::string_view kShort = "\"\"\\\\\bb\ff\nn\rr\tt";  // in pairs
  for (std::size_t i = 0; i < kShort.size(); i += 2) {
    if (static_cast<unsigned char>(kShort[i]) == c) {
      to.append({'\\', kShort[i + 1]});
      return;
    }
  }
  constexpr const char* kDigits = "0123456789abcdef";
  to.append("\\u00");
  to.append({kDigits[c >> 4U], kDigits[c & 0xFU]});
}

bool is_plain(char c) {
  const auto value = static_cast<unsigned char>(c);
  return value >= 0x20 && value < 0x80 && c != '"' && c != '\\';
}

}  // namespace

void append_quoted(std::string& to, std::string_view text) {
  to.push_back('"');
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_plain(text[end])) {
      ++end;
    }
    to.append(text, at, end - at);
    at = end;
    if (at == text.size()) {
      break;
    }
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      append_escaped(to, c);
      ++at;
    } else {
      at += append_character(to, text, at);
    }
  }
  to.push_back('"');
}

void append_thousandths(std::string& to, std::uint64_t thousandths) {
  append_number(to, thousandths / 1000);
  auto rest = static_cast<unsigned>(thousandths % 1000);
  if (rest == 0) {
    return;
  }
  const char digits[] = {'.', static_cast<char>('0' + (rest / 100)),
                         static_cast<char>('0' + (rest / 10 % 10)),
                         static_cast<char>('0' + (rest % 10))};
  const std::size_t size = rest % 100 == 0 ? 2 : rest % 10 == 0 ? 3 : 4;
  to.append(digits, size);
}

void Object::begin(std::string_view key) {
  text_.append(text_.empty() ? "\"" : ",\"").append(key).append("\":");
}

void Object::add(std::string_view key, bool value) {
  begin(key);
  text_.append(value ? "true" : "false");
}

void Object::add(std::string_view key, std::string_view value) {
  begin(key);
  append_quoted(text_, value);
}

void Object::add_thousandths(std::string_view key, std::uint64_t thousandths) {
  begin(key);
  append_thousandths(text_, thousandths);
}

void Object::add(std::string_view key, const Object& value) {
  if (!value.empty()) {
    begin(key);
    text_.append("{").append(value.text_).append("}");
  }
}

void Object::add(std::string_view key, const std::vector<std::string>& entries, std::size_t most) {
  const std::size_t count = std::min(entries.size(), most);
  if (count == 0) {
    return;
  }
  begin(key);
  for (std::size_t i = 0; i < count; ++i) {
    text_.append(i == 0 ? "[" : ",").append(entries[i]);
  }
  text_.push_back(']');
}

void Object::join(const Object& members) {
  text_.append(text_.empty() || members.empty() ? "" : ",").append(members.text_);
}

void Object::add_named(std::string_view name, std::int64_t value) {
  text_.append(text_.empty() ? "" : ",");
  append_quoted(text_, name);
  text_.push_back(':');
  append_number(text_, value);
}

std::string Object::text() const& { return "{" + text_ + "}"; }

std::string Object::text() && {
  text_.insert(0, 1, '{');
  text_.push_back('}');
  return std::move(text_);
}

}  // namespace lamprey::cloudwatch
