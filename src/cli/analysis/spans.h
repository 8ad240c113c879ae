// Records as spans: what began when, took how long and belongs to what, as far as they say so. The
// formats of tracing tools are made of these. Knows no format.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/analysis/waits.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct Note {
  std::string name;
  std::string text;
};

struct Span {
  enum class Kind : std::uint8_t { kInvocation, kInit, kPhase, kWait };
  Kind kind = Kind::kInvocation;
  std::string name;
  std::uint64_t begin_ns = 0;  // UNIX time
  std::uint64_t end_ns = 0;
  std::string thread;
  // Of waits, and of the imports among the phases. What a wait was spent on is empty where the
  // record does not say: of `blocked`.
  std::string call;
  std::string spent_on;
  std::string target;
  std::string stack;
  bool open = false;       // it had not ended
  bool of_handler = true;  // of the thread that handles the request
  bool in_init = false;    // a part of the trace's init
};

// An invocation with what happened in it, or an init that no invocation followed.
struct Trace {
  std::string function;
  std::string version;
  std::string request_id;
  std::string trace_id;    // 32 hexadecimal digits; X-Ray's where the record has it
  std::string parent_id;   // 16; empty: none
  std::string error_type;  // empty: it ended well
  std::string headline;
  std::uint64_t memory_bytes = 0;  // the function's; 0: unknown
  bool cold_start = false;
  Span span;
  std::vector<Span> children;
  // In the span, without a time of their own.
  std::vector<Note> figures;    // numbers as text, by the keys of the record
  std::vector<Value> findings;  // valid only while they are given
  std::vector<Value> hosts;
};

// Makes traces of records in their order. The init of an environment is told with the invocation
// that was its cold start.
class Tracing {
 public:
  using Give = std::function<void(const Trace&)>;
  explicit Tracing(Give give) : give_(std::move(give)) {}

  void add(const Value& record);
  // What was waiting for its invocation.
  void finish();

 private:
  void add_init(const Value& record);
  void add_invocation(const Value& record);

  Give give_;
  std::map<std::string, Trace> inits_;  // by function: the newest that no invocation has taken
};

// 16 hexadecimal digits that are the same for the same texts, and never all zero.
std::string span_id(const std::string& of, std::uint64_t number);

// UNIX time of the start of what a record is about, 0 unknown.
std::uint64_t started_ns(const Value& record);

}  // namespace lamprey::cli
