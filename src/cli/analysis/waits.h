// The waits of one record: what its `timeline` says of each, which of them its duration was made
// of, and what each thread was in at an end that was not good. Draws nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/input/json_document.h"

namespace lamprey::cli {

// What `Wait::spent_on` is of a part of init in which a package was imported: no wait, and the
// waits of that time stand beside it.
inline constexpr const char* kImports = "import";

// Whether an invocation would have been shorter without a wait.
enum class OnPath : std::uint8_t {
  kNo,
  kYes,       // of the thread that handles the request
  kProbably,  // of another thread, while that one waited for a thread or a process
};

struct Wait {
  std::uint64_t at_ns = 0;  // since the start of what the record is about
  std::uint64_t for_ns = 0;
  std::string call;
  // A part of the wall (network dns file lock sleep child wait other), or kImports.
  std::string spent_on;
  std::string target;
  std::string thread;
  std::string stack;  // innermost first
  bool open = false;  // it had not ended when the process was killed
  OnPath path = OnPath::kNo;

  std::uint64_t end_ns() const { return at_ns + for_ns; }
  bool is_import() const { return spent_on == kImports; }
};

// A line of ours has at most 48; of one that somebody else wrote no more than this many are read.
inline constexpr std::size_t kMostWaits = 200;

// In order of their start; those without a start or a length are left out.
std::vector<Wait> waits_of(const Value& record);

// The thread that handles the request, empty where that is not known: "main" if it is among them,
// else the only one that is.
std::string handler_of(const std::vector<Wait>& waits);

// Says of each wait whether it is on the path. Of a handler that waits for a lock, a child or
// another thread, the thread counts whose own wait ended last before the handler went on.
void mark_path(std::vector<Wait>& waits);

// What a thread was in when it was killed: an entry of `blocked`.
struct Blocked {
  std::uint64_t for_ns = 0;
  std::string call;
  std::string target;
  std::string thread;
  std::string stack;
};
std::vector<Blocked> blocked_of(const Value& record);

// "handler (/var/task/app.py:12)" in its parts; the file is empty where the frame names none, and a
// line of 0 is not known.
struct SourcePlace {
  std::string function;
  std::string file;
  std::uint64_t line = 0;
};
SourcePlace source_place(std::string_view frame);
// The first frame of a stack.
std::string_view innermost(std::string_view stack);

}  // namespace lamprey::cli
