// Traces in the formats of other tools, written piece by piece: no number of records is too many.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/analysis/spans.h"

namespace lamprey::cli {

using Write = std::function<void(std::string_view text)>;

// OTLP/JSON (opentelemetry-proto, ExportTraceServiceRequest), as a collector takes it on
// /v1/traces.
class OtlpFile {
 public:
  explicit OtlpFile(Write write) : write_(std::move(write)) {}
  void add(const Trace& trace);
  void finish();

 private:
  Write write_;
  bool any_ = false;
};

// Chrome's trace JSON, which Perfetto opens: a process for each function, a track for each
// environment that ran at the same time as others, and for each of its threads that waited beside
// the one that handles the request.
class PerfettoFile {
 public:
  explicit PerfettoFile(Write write) : write_(std::move(write)) {}
  void add(const Trace& trace);
  void finish();

 private:
  struct Function {
    std::uint64_t number = 0;
    std::vector<std::uint64_t> busy_until;  // of each environment's track
    std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> threads;  // their tracks
  };
  void put(const std::string& event);
  std::uint64_t track(Function& function, std::uint64_t begin, std::uint64_t end);
  std::uint64_t thread_track(Function& function, std::uint64_t environment,
                             const std::string& thread);
  void put_child(Function& function, const Trace& trace, Span child, std::uint64_t environment);

  Write write_;
  std::map<std::string, Function> functions_;
  bool any_ = false;
};

}  // namespace lamprey::cli
