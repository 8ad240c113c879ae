// Settings; see the header.
#include "companion/config.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "companion/dimensions.h"
#include "recording/cpu_section.h"

namespace lamprey::companion {
namespace {

constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kMaxNamespace = 255;
constexpr const char* kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/#: ";

struct Choice {
  const char* word;
  int value;
};

// A value may be long or hold control characters: a complaint stays one line.
std::string shown(std::string_view value) {
  std::string text;
  for (const char c : value.substr(0, kMaxShown)) {
    text += static_cast<unsigned char>(c) < ' ' ? '?' : c;
  }
  return value.size() > kMaxShown ? text + "..." : text;
}

class Settings {
 public:
  Settings(const Lookup& lookup, std::vector<std::string>& complaints)
      : lookup_(lookup), complaints_(complaints) {}

  // The first choice is the default.
  int choose(const char* name, std::initializer_list<Choice> choices) {
    const char* value = lookup_(name);
    if (value == nullptr || *value == '\0') {
      return choices.begin()->value;
    }
    std::string accepted;
    for (const Choice& choice : choices) {
      if (std::strcmp(choice.word, value) == 0) {
        return choice.value;
      }
      accepted += accepted.empty() ? choice.word : std::string(", ") + choice.word;
    }
    refuse(name, value, accepted, choices.begin()->word);
    return choices.begin()->value;
  }

  bool on(const char* name, bool otherwise) {
    return otherwise ? choose(name, {{"on", 1}, {"off", 0}}) != 0
                     : choose(name, {{"off", 0}, {"on", 1}}) != 0;
  }

  std::uint64_t number(const char* name, std::uint64_t otherwise) {
    const char* value = lookup_(name);
    if (value == nullptr || *value == '\0') {
      return otherwise;
    }
    std::uint64_t parsed = 0;
    const char* end = value + std::strlen(value);
    const auto result = std::from_chars(value, end, parsed);
    if (result.ec == std::errc{} && result.ptr == end && parsed <= kMaxSampleBytes) {
      return parsed;
    }
    refuse(name, value, fmt::format("a number of bytes from 0 to {}", kMaxSampleBytes),
           fmt::format("{}", otherwise));
    return otherwise;
  }

  // How often CPU time is sampled; the library reads it in the same way (preload/cpu).
  std::uint32_t samples_a_second(const char* name) {
    const char* value = lookup_(name);
    const std::string_view words = value != nullptr ? value : "";
    if (words.empty() || words == "off") {
      return 0;
    }
    if (words == "on") {
      return recording::kDefaultCpuHz;
    }
    std::uint32_t hz = 0;
    const char* end = words.data() + words.size();
    const auto result = std::from_chars(words.data(), end, hz);
    if (result.ec == std::errc{} && result.ptr == end && hz >= 1 && hz <= recording::kMaxCpuHz) {
      return hz;
    }
    refuse(name, words, fmt::format("off, on, a number from 1 to {}", recording::kMaxCpuHz), "off");
    return 0;
  }

  // CloudWatch's rule for namespaces: 1 to 255 of these characters.
  std::string metric_namespace(const char* name, const char* otherwise) {
    const char* value = lookup_(name);
    if (value == nullptr || *value == '\0') {
      return otherwise;
    }
    if (std::strspn(value, kLetters) == std::strlen(value) && std::strlen(value) <= kMaxNamespace &&
        *value != ':' && std::strspn(value, " ") != std::strlen(value)) {
      return value;
    }
    refuse(name, value, "1 to 255 letters, digits, spaces and . - _ / # :", otherwise);
    return otherwise;
  }

 private:
  void refuse(const char* name, std::string_view value, const std::string& accepted,
              const std::string& otherwise) {
    complaints_.push_back(fmt::format("lamprey: {} is \"{}\": accepted are {}; using {}", name,
                                      shown(value), accepted, otherwise));
  }

  const Lookup& lookup_;
  std::vector<std::string>& complaints_;
};

bool says(const Lookup& lookup, const char* name, const char* word) {
  const char* value = lookup(name);
  return value != nullptr && std::strcmp(value, word) == 0;
}

}  // namespace

bool is_off(const Lookup& lookup) { return says(lookup, "LAMPREY", "off"); }

bool is_batch(const Lookup& lookup) { return says(lookup, "LAMPREY_FLUSH", "batch"); }

Config read_config(const Lookup& lookup, std::vector<std::string>& complaints) {
  using cloudwatch::Detail;
  Settings settings(lookup, complaints);
  Config config;
  settings.on("LAMPREY", true);
  config.detail = static_cast<Detail>(
      settings.choose("LAMPREY_DETAIL", {{"auto", static_cast<int>(Detail::kAuto)},
                                         {"full", static_cast<int>(Detail::kFull)},
                                         {"short", static_cast<int>(Detail::kShort)}}));
  config.lines = static_cast<Lines>(settings.choose(
      "LAMPREY_LINES",
      {{"all", static_cast<int>(Lines::kAll)}, {"notable", static_cast<int>(Lines::kNotable)}}));
  settings.choose("LAMPREY_FLUSH", {{"end", 0}, {"batch", 1}});  // is_batch()
  config.sample_bytes = settings.number("LAMPREY_SAMPLE_BYTES", config.sample_bytes);
  config.metrics = settings.on("LAMPREY_METRICS", true);
  config.metric_namespace = settings.metric_namespace("LAMPREY_NAMESPACE", "Lamprey");
  config.follow_children = settings.on("LAMPREY_FOLLOW_CHILDREN", false);
  config.trace_language = settings.on("LAMPREY_TRACE_LANGUAGE", false);
  config.exact = settings.on("LAMPREY_EXACT", false);
  config.frames = settings.on("LAMPREY_FRAMES", true);
  config.cpu_hz = settings.samples_a_second("LAMPREY_CPU");
  config.telemetry = settings.on("LAMPREY_TELEMETRY", false);
  if (const char* dimensions = lookup("LAMPREY_DIMENSIONS")) {
    config.dimensions = read_dimensions(dimensions, complaints);
  }
  config.log = static_cast<LogLevel>(
      settings.choose("LAMPREY_LOG", {{"error", static_cast<int>(LogLevel::kError)},
                                      {"info", static_cast<int>(LogLevel::kInfo)},
                                      {"debug", static_cast<int>(LogLevel::kDebug)}}));
  return config;
}

}  // namespace lamprey::companion
