// Members of a JSON text by nlohmann's events; see the header.
#include "lambda/json_members.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lamprey::lambda {

// Follows where in the text it is. Names are compared one by one: a name with a dot in it cannot
// pass for two.
class JsonMembers::Reader {
 public:
  using Json = nlohmann::json;

  explicit Reader(std::vector<Member>& members) : members_(members) {}

  bool null() { return other(); }
  bool boolean(bool /*value*/) { return other(); }
  bool binary(Json::binary_t& /*value*/) { return other(); }
  bool string(std::string& value) {
    if (Member* member = begin_value()) {
      member->text = value;
    }
    return !path_.empty();
  }
  bool number_integer(Json::number_integer_t value) {
    return take_number(static_cast<double>(value), std::nullopt);
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    return take_number(static_cast<double>(value), value);
  }
  bool number_float(double value, const std::string& /*digits*/) {
    return take_number(value, std::nullopt);
  }
  bool start_object(std::size_t /*size*/) {
    if (Member* member = begin_value()) {
      member->object = true;
    }
    path_.emplace_back();
    return true;
  }
  bool key(std::string& name) {
    path_.back() = name;
    return true;
  }
  bool end_object() {
    path_.pop_back();
    return true;
  }
  bool start_array(std::size_t /*size*/) {
    const bool inside = other();
    path_.emplace_back();
    return inside;
  }
  bool end_array() { return end_object(); }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const Json::exception& /*error*/) {
    return false;
  }

 private:
  // False: the whole text is no object.
  bool other() {
    begin_value();
    return !path_.empty();
  }

  bool take_number(double value, std::optional<std::uint64_t> whole) {
    if (Member* member = begin_value()) {
      member->number = value;
      member->whole = whole;
    }
    return !path_.empty();
  }

  // The member that begins here, if it is wanted. What was read of an earlier one of its name, or
  // within it, is void.
  Member* begin_value() {
    Member* here = nullptr;
    for (Member& member : members_) {
      if (is_here_or_below(member.path)) {
        const bool exact = depth_of(member.path) == path_.size();
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
    for (const std::string& name : path_) {
      const std::string_view first = path.substr(0, path.find('.'));
      if (path.empty() || first != name) {
        return false;
      }
      path.remove_prefix(std::min(path.size(), first.size() + 1));
    }
    return true;
  }

  std::vector<Member>& members_;
  std::vector<std::string> path_;  // one name for each container that is open; empty in an array
};

std::optional<JsonMembers> JsonMembers::read(std::string_view text,
                                             std::initializer_list<const char*> wanted) {
  JsonMembers found;
  for (const char* path : wanted) {
    found.members_.push_back({path, {}, std::nullopt, std::nullopt, false});
  }
  Reader reader(found.members_);
  if (!nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &reader)) {
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
