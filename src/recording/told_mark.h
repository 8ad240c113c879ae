// How far a reader has come, for a writer that may wait for it (Trail::told_until): the only word
// of a recording that a reader writes. Readers read; this is apart from them on purpose.
#pragma once

#include <cstdint>

#include "recording/layout.h"

namespace lamprey::recording {

class ToldMark {
 public:
  ToldMark() = default;
  ToldMark(const ToldMark&) = delete;
  ToldMark& operator=(const ToldMark&) = delete;
  ~ToldMark();

  // All before invocation `next` is told of. `descriptor`: the recording's, open for reading;
  // `header`: its checked header. Does nothing where there is no trail, and where the file cannot
  // be written: then the writer does not wait. One system call where `next` has moved.
  void tell(int descriptor, const Header& header, std::uint64_t next);

 private:
  int descriptor_ = -1;
  std::uint64_t told_ = 0;
};

}  // namespace lamprey::recording
