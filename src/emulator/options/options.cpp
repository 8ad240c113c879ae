// Checks the words of `lamprey local`. Only checking: nothing is started or created here.
#include "emulator/options/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace lamprey::emulator {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownValue = 60;  // bytes of a bad value that a message repeats

std::string shown(const std::string& value) {
  std::string text = value.size() > kShownValue ? value.substr(0, kShownValue) + "..." : value;
  for (char& c : text) {
    c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return text.empty() ? "\"\"" : text;
}

std::string check_number(const char* name, const std::optional<std::string>& text,
                         std::uint64_t lowest, std::uint64_t highest, const char* unit,
                         std::uint64_t& value) {
  if (!text) {
    return {};
  }
  const char* end = text->data() + text->size();
  std::uint64_t parsed = 0;
  const auto result = std::from_chars(text->data(), end, parsed);
  if (result.ec != std::errc{} || result.ptr != end || parsed < lowest || parsed > highest) {
    return fmt::format("{} {}: must be a whole number from {} to {}{}", name, shown(*text), lowest,
                       highest, unit);
  }
  value = parsed;
  return {};
}

std::string check_event(const std::optional<std::string>& text, std::string& event) {
  if (!text) {
    return {};
  }
  std::error_code error;
  if (fs::is_regular_file(*text, error)) {
    std::ifstream file(*text, std::ios::binary);
    if (!file) {
      return fmt::format("--event {}: cannot be read: {}", shown(*text), std::strerror(errno));
    }
    event.assign(std::istreambuf_iterator<char>(file), {});
    if (!nlohmann::json::accept(event)) {
      return fmt::format("--event {}: the file does not hold JSON", shown(*text));
    }
    return {};
  }
  if (!nlohmann::json::accept(*text)) {
    return fmt::format("--event {}: must be a file or JSON text, is neither", shown(*text));
  }
  event = *text;
  return {};
}

std::string check_environment(const std::vector<std::string>& words,
                              std::map<std::string, std::string>& environment) {
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fmt::format("--env {}: must be NAME=VALUE", shown(word));
    }
    environment[word.substr(0, equals)] = word.substr(equals + 1);
  }
  // The only variable whose value this program itself needs (Managed Instances).
  const auto most = environment.find("AWS_LAMBDA_MAX_CONCURRENCY");
  if (most != environment.end()) {
    std::uint64_t requests = 0;
    return check_number("--env AWS_LAMBDA_MAX_CONCURRENCY", most->second, 1, 1000, "", requests);
  }
  return {};
}

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

// The wrapper gets the interpreter's full path, as on Lambda; symbolic links stay, because a
// virtual environment is recognised by them.
std::string find_program(const std::string& word) {
  if (word.find('/') != std::string::npos) {
    std::error_code error;
    const fs::path absolute = fs::absolute(word, error);
    return is_program(absolute) ? absolute.lexically_normal().string() : std::string();
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    const fs::path candidate = fs::absolute(folder.empty() ? "." : fs::path(folder)) / word;
    if (is_program(candidate)) {
      return candidate.string();
    }
  }
  return {};
}

std::string check_command(const std::vector<std::string>& words,
                          std::vector<std::string>& command) {
  if (words.empty() || words.front().empty()) {
    return "COMMAND is missing: give the runtime's start command after --, for example"
           " lamprey local -- python3 -m awslambdaric app.handler";
  }
  command = words;
  command.front() = find_program(words.front());
  if (command.front().empty()) {
    return fmt::format("COMMAND {}: not found, or not an executable file", shown(words.front()));
  }
  return {};
}

std::string check_layer(const std::optional<std::string>& text, std::string& layer) {
  if (!text) {
    return {};
  }
  std::error_code error;
  const fs::path folder = fs::canonical(*text, error);
  if (error || !fs::is_directory(folder, error)) {
    return fmt::format("--layer {}: must be a directory (an unpacked layer)", shown(*text));
  }
  layer = folder.string();
  return {};
}

std::string check_cpu(const std::optional<std::string>& text, bool& limited) {
  if (text && *text != "full") {
    return fmt::format("--cpu {}: must be full (without it, the share that Lambda gives)",
                       shown(*text));
  }
  limited = !text;
  return {};
}

std::string check_out(const std::optional<std::string>& text, std::string& out) {
  if (!text) {
    return {};
  }
  const int file = open(text->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) {
    return fmt::format("--out {}: cannot be written: {}", shown(*text), std::strerror(errno));
  }
  close(file);
  out = *text;
  return {};
}

}  // namespace

std::string check_options(const RawOptions& raw, Options& options) {
  std::uint64_t seconds = 3;
  std::uint64_t port = 0;
  std::string complaint;
  const auto failed = [&complaint](std::string message) {
    complaint = std::move(message);
    return !complaint.empty();
  };
  if (failed(check_event(raw.event, options.event)) ||
      failed(check_number("--invocations", raw.invocations, 1, 1'000'000'000, "",
                          options.invocations)) ||
      failed(check_number("--concurrency", raw.concurrency, 1, 1000, "", options.concurrency)) ||
      failed(check_number("--timeout", raw.timeout, 1, 900, " (seconds)", seconds)) ||
      failed(check_number("--memory", raw.memory, 128, 10240, " (MB)", options.memory_mb)) ||
      failed(check_cpu(raw.cpu, options.limit_cpu)) ||
      failed(
          check_number("--serve", raw.serve_port, 0, 65535, " (a port; 0 = any free one)", port)) ||
      failed(check_layer(raw.layer, options.layer)) ||
      failed(check_environment(raw.environment, options.environment)) ||
      failed(check_command(raw.command, options.command)) ||
      failed(check_out(raw.out, options.out))) {
    return complaint;
  }
  options.timeout = std::chrono::seconds(seconds);
  if (raw.serve_port) {
    options.serve_port = static_cast<std::uint16_t>(port);
  }
  return {};
}

}  // namespace lamprey::emulator
