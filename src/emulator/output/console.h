// Where log lines go: stdout as CloudWatch would show them, and Lamprey's records to --out. It
// makes no lines itself.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace lamprey::emulator {

class Console {
 public:
  using Sink = std::function<void(std::string_view line)>;

  // `out` may be empty. Without `sink`, lines are written whole to stdout.
  explicit Console(const std::string& out, Sink sink = {});
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void line(std::string_view line);           // `line` has no newline at its end
  void process_line(std::string_view line);   // the same, from the function or an extension
  void complain(const std::string& message);  // one line on stderr, about the emulator itself

 private:
  Sink sink_;
  int out_ = -1;
};

}  // namespace lamprey::emulator
