// Records out of log text; see the header.
#include "cli/input/log_lines.h"

#include <algorithm>
#include <cstring>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

constexpr int kMaxLevels = 6;         // of an export: events → event → message
constexpr std::size_t kMaxDepth = 4;  // of messages in messages

bool contains(std::string_view text, std::string_view word) {
  return memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
}

// From the first brace of a CSV field on: its quotes are doubled, and one alone ends it.
std::string unquoted(std::string_view field) {
  std::string text;
  for (std::size_t at = 0; at < field.size(); ++at) {
    if (field[at] == '"' && (++at == field.size() || field[at] != '"')) {
      break;
    }
    text += field[at];
  }
  return text;
}

}  // namespace

RecordFinder::RecordFinder(Take take, Other other)
    : take_(std::move(take)), other_(std::move(other)) {}

RecordFinder::Level& RecordFinder::level(std::size_t depth) {
  while (levels_.size() <= depth) {
    levels_.push_back(std::make_unique<Level>());
  }
  return *levels_[depth];
}

void RecordFinder::skip(std::string_view line) {
  ++counts_.skipped;
  if (other_) {
    other_(line);
  }
}

// A message or line: a record stands at its end, whatever time stamps come before.
void RecordFinder::line(std::string_view line, std::size_t depth) {
  const std::size_t start = depth > kMaxDepth ? std::string_view::npos : line.find("{\"");
  if (start == std::string_view::npos || !contains(line.substr(start), "lamprey")) {
    skip(line);
    return;
  }
  const std::string_view rest = line.substr(start);
  if (rest.starts_with("{\"\"") && !rest.starts_with("{\"\":")) {
    const std::string field = unquoted(rest);
    if (!json(field, depth)) {
      skip(line);
    }
    return;
  }
  if (!json(rest, depth)) {
    skip(line);
  }
}

// One object, or several without a newline between them, as Firehose writes them. False when the
// first is not ours.
bool RecordFinder::json(std::string_view text, std::size_t depth) {
  Document& document = level(depth).document;
  bool any = false;
  while (text.starts_with('{') && document.read(text)) {
    const std::size_t used = document.size_read();
    const std::string_view behind = text.substr(used);
    const std::size_t next = std::min(behind.find_first_not_of(" \t\r\n"), behind.size());
    const bool more = next < behind.size() && behind[next] == '{';
    if (next < behind.size() && !more) {
      return any;  // something else follows: this is no line of JSON
    }
    const bool ours = record(document.root()) || message(document.root(), depth);
    if (!ours) {
      const LineCounts before = counts_;
      walk(document.root(), depth, 0);
      if (!any && before.records == counts_.records && before.newer == counts_.newer &&
          before.skipped == counts_.skipped) {
        return false;
      }
    }
    any = true;
    text = behind.substr(next);
  }
  return any;
}

bool RecordFinder::record(const Value& json) {
  const Value schema = json["lamprey"];
  if (!schema.is_text()) {
    return false;
  }
  if (schema.raw() != "1") {
    ++counts_.newer;
    return true;
  }
  ++counts_.records;
  take_(json);
  return true;
}

// An export: an object with "message", or lists of such, however they are wrapped.
void RecordFinder::walk(const Value& json, std::size_t depth, int level) {
  if (level > kMaxLevels) {
    return;
  }
  if (json.is_list()) {
    for (const Value entry : json) {
      walk(entry, depth, level + 1);
    }
    return;
  }
  if (!json.is_object() || (level > 0 && (record(json) || message(json, depth)))) {
    return;
  }
  for (const Value entry : json) {
    if (entry.is_list()) {
      walk(entry, depth, level + 1);
    }
  }
}

bool RecordFinder::message(const Value& json, std::size_t depth) {
  // Logs Insights: {"field": "@message", "value": ...}
  const bool insights = is(json, "field", "@message");
  for (const char* key : {"message", "@message", insights ? "value" : "message"}) {
    const Value found = json[key];
    if (found.is_text()) {
      Level& next = level(depth + 1);
      next.text = found.text();
      line(next.text, depth + 1);
      return true;
    }
    if (found.is_object()) {
      if (!record(found)) {
        skip(found.raw());
      }
      return true;
    }
  }
  return false;
}

void RecordFinder::lines(std::string_view text) {
  while (!text.empty()) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    if (whole.find_first_not_of(" \t\r") != std::string_view::npos) {
      line(whole, 0);
    } else if (other_) {
      other_(whole);
    }
  }
}

void RecordFinder::whole(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && (text[start] == '{' || text[start] == '[')) {
    Level& outermost = level(0);
    if (outermost.document.read_whole(text.substr(start))) {
      const Value root = outermost.document.root();
      if (!record(root) && !message(root, 0)) {
        walk(root, 0, 0);
      }
      return;
    }
  }
  lines(text);
}

void find_records(std::string_view text, LineCounts& counts, const RecordFinder::Take& take) {
  RecordFinder finder(take);
  finder.whole(text);
  counts.records += finder.counts().records;
  counts.skipped += finder.counts().skipped;
  counts.newer += finder.counts().newer;
}

}  // namespace lamprey::cli
