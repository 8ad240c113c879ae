// What `lamprey local` was asked to do, checked. No CLI parsing and no work lives here.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lamprey::emulator {

struct Options {
  std::vector<std::string> command;  // command[0] is an absolute path
  std::string event = "{}";          // JSON text
  std::uint64_t invocations = 1;
  std::uint64_t concurrency = 1;
  std::chrono::milliseconds timeout{3000};
  std::chrono::milliseconds init_limit{10000};
  std::uint64_t memory_mb = 128;
  std::string layer;  // absolute path of the directory used as /opt; empty = none
  std::map<std::string, std::string> environment;  // --env
  std::string out;                                 // empty = none
  std::optional<std::uint16_t> serve_port;
  bool limit_memory = true;  // false only in tests: no cgroup is made
  bool limit_cpu = true;     // to the share of a CPU that Lambda gives the memory size
};

// The words of the command line as they were typed; an absent option is an empty optional.
struct RawOptions {
  std::optional<std::string> event;
  std::optional<std::string> invocations;
  std::optional<std::string> concurrency;
  std::optional<std::string> timeout;
  std::optional<std::string> memory;
  std::optional<std::string> cpu;
  std::optional<std::string> layer;
  std::vector<std::string> environment;
  std::optional<std::string> out;
  std::optional<std::string> serve_port;
  std::vector<std::string> command;
};

// Checks every word. Returns an empty string and fills `options`, or returns one line for people
// that names the option, its value and what is accepted.
std::string check_options(const RawOptions& raw, Options& options);

}  // namespace lamprey::emulator
