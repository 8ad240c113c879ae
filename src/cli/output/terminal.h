// What a terminal can show, and a line at its bottom that says how far a long run is.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace lamprey::cli {

// How something for people is to look.
struct Style {
  bool colours = false;
  std::size_t width = 0;  // columns; 0: lines are not broken
  bool utf8 = false;      // block characters for bars
};

// Of what `descriptor` leads to. Colours and breaks are for terminals only; NO_COLOR (no-color.org)
// and TERM=dumb are respected.
Style style_of(int descriptor);
bool is_terminal(int descriptor);

// On stderr, only when that is a terminal and the run has taken some time; several times a second
// at most. Whoever writes to the same terminal clears it first.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool is_due() const;  // so that nobody makes a text in vain
  void show(const std::string& text);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool wanted_;
  bool shown_ = false;
  Clock::time_point next_;
};

}  // namespace lamprey::cli
