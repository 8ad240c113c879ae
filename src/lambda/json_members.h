// The few members that are wanted of a JSON text from outside, without making a tree of all of it.
// What they mean is not known here.
//
// Read by hand: nlohmann's events, and the strtod that they need, were 23 KB of the companion.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamprey::lambda {

class JsonMembers {
 public:
  // `wanted`: where a member stands, "record.metrics.billedDurationMs". Nothing when the text is
  // not JSON, or not an object. Of members of the same name the last counts.
  static std::optional<JsonMembers> read(std::string_view text,
                                         std::initializer_list<const char*> wanted);

  // Empty where the member is absent or no text.
  const std::string& text(std::string_view path) const { return member(path).text; }
  // Nothing where the member is absent, no number, negative or a fraction.
  std::optional<std::uint64_t> whole_number(std::string_view path) const {
    return member(path).whole;
  }
  // Nothing where the member is absent or no number.
  std::optional<double> number(std::string_view path) const { return member(path).number; }
  bool is_object(std::string_view path) const { return member(path).object; }

 private:
  struct Member {
    std::string path;
    std::string text;
    std::optional<double> number;
    std::optional<std::uint64_t> whole;
    bool object = false;
  };
  class Reader;

  const Member& member(std::string_view path) const;

  std::vector<Member> members_;
};

}  // namespace lamprey::lambda
