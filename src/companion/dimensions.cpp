// LAMPREY_DIMENSIONS; see the header.
#include "companion/dimensions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace lamprey::companion {
namespace {

constexpr std::size_t kMax = 5;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxValue = 128;
constexpr std::size_t kMaxShown = 80;

// The keys at the root of a record (docs/record.schema.json): a dimension of that name would hide
// them.
constexpr const char* kTaken[] = {"lamprey",
                                  "timeline",
                                  "allocation_profile",
                                  "error_type",
                                  "response_status",
                                  "response_bytes",
                                  "type",
                                  "status",
                                  "headline",
                                  "request_id",
                                  "function_name",
                                  "function_version",
                                  "trace_id",
                                  "cold_start",
                                  "invocation",
                                  "started",
                                  "duration_ms",
                                  "response_ms",
                                  "late",
                                  "cpu_ms",
                                  "network_ms",
                                  "allocated_bytes",
                                  "live_bytes",
                                  "peak_rss_bytes",
                                  "syscalls",
                                  "warnings",
                                  "flush_ms",
                                  "platform",
                                  "process",
                                  "init",
                                  "summary",
                                  "wall",
                                  "system",
                                  "self",
                                  "death",
                                  "coverage",
                                  "findings",
                                  "memory",
                                  "calls",
                                  "network",
                                  "files",
                                  "kernel",
                                  "cpu",
                                  "blocked",
                                  "message",
                                  "timestamp"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view name) {
  const auto fits = [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kMaxName && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), fits) &&
         std::find(std::begin(kTaken), std::end(kTaken), name) == std::end(kTaken);
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= kMaxValue &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; }) &&
         value.find_first_not_of(' ') != std::string_view::npos;
}

std::string shown(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kMaxShown)) {
    clean += c >= ' ' && c <= '~' ? c : '?';
  }
  return text.size() > kMaxShown ? clean + "..." : clean;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> read_dimensions(
    std::string_view text, std::vector<std::string>& complaints) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    const bool twice = std::any_of(pairs.begin(), pairs.end(),
                                   [name](const auto& pair) { return pair.first == name; });
    if (pairs.size() < kMax && !twice && is_name(name) && is_value(value)) {
      pairs.emplace_back(name, value);
      continue;
    }
    complaints.push_back(fmt::format(
        "lamprey: LAMPREY_DIMENSIONS has \"{}\": accepted are up to {} different name=value, "
        "separated by commas, with names of letters, digits and _ that no key of the record has; "
        "leaving it out",
        shown(part), kMax));
  }
  return pairs;
}

}  // namespace lamprey::companion
