// One stack out of an interpreter's frames and the machine frames. The machine frames of the
// interpreter's evaluator give way to the frames that they run; what else of its module stands
// between them is dropped; machine frames of other modules (an extension in C that calls back) stay
// where they are, and so do the innermost ones: they say what is being done.
//
// `Source` is what the language's reader knows: its frames, innermost first, in runs. A run is what
// one call of the evaluator has on the machine's stack, and ends with its outermost frame.
//   count()            how many frames
//   cut()              there were more
//   ends_run(i)        frame i is the outermost of its run
//   word(i)            of the stack, as recording/functions.h has it
//   is_interpreter(f)  a machine frame of the interpreter's module, or of code that it made
//   is_evaluator(f)    a machine frame of the evaluator
//   is_generated(f)    one of machine code that the interpreter made of the program's
//   tells_evaluator()  these two say which machine frames are further in than all runs
#pragma once

#include <cstdint>

#include "preload/stack/reading/entry_frames.h"
#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack {
inline namespace reading {

template <class Source>
class Merging {
 public:
  Merging(const Source& source, const NativeFrames& native, Words& words)
      : source_(source),
        native_(native),
        words_(words),
        natives_(native.count - entry_frames::count_in(native)) {}

  // One of the evaluator's machine frames for each run. False, and nothing is put: there are fewer.
  bool by_count() {
    if (!native_.cut && evaluators() < runs()) {
      return false;
    }
    for (std::uint32_t k = 0; k < natives_ && frame_ < source_.count(); ++k) {
      if (is_evaluator(k)) {
        put_natives(k);
        put_frames(last_of_run() + 1);
        ++next_;
      }
    }
    put_rest();
    return true;
  }

  // Frames of which it is not known where they stand come behind what stands already.
  void put_rest() {
    if (frame_ == 0) {
      put_natives(leaf());
    }
    put_frames(source_.count());
    put_natives(natives_);
    words_.cut = words_.cut || source_.cut();
  }

 protected:
  // Of the run that begins at `frame_`; where its end is not known, the last frame of all.
  std::uint32_t last_of_run() const {
    std::uint32_t last = frame_;
    while (last + 1 < source_.count() && !source_.ends_run(last)) {
      ++last;
    }
    return last;
  }

  // Those before `end`. Before any frame of the language all of them.
  void put_natives(std::uint32_t end) {
    for (; next_ < end; ++next_) {
      if (frame_ == 0 || !is_interpreter(next_)) {
        words_.append(native_.frames[next_].pc);
      }
    }
  }

  void put_frames(std::uint32_t end) {
    for (; frame_ < end && words_.depth < recording::kMaxDepth; ++frame_) {
      words_.append(source_.word(frame_));
    }
    words_.cut = words_.cut || frame_ < end;
  }

  const Source& source_;
  const NativeFrames& native_;
  Words& words_;
  std::uint32_t natives_;    // without those by which the thread began
  std::uint32_t next_ = 0;   // machine frame
  std::uint32_t frame_ = 0;  // of the language's

 private:
  bool is_interpreter(std::uint32_t k) const { return source_.is_interpreter(native_.frames[k]); }
  bool is_evaluator(std::uint32_t k) const { return source_.is_evaluator(native_.frames[k]); }
  std::uint32_t evaluators() const {
    std::uint32_t count = 0;
    for (std::uint32_t k = 0; k < natives_; ++k) {
      count += is_evaluator(k) ? 1 : 0;
    }
    return count;
  }
  std::uint32_t runs() const {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < source_.count(); ++i) {
      count += source_.ends_run(i) ? 1 : 0;
    }
    return count;
  }

  // How many machine frames are further in than any of the language's can be.
  std::uint32_t leaf() const {
    for (std::uint32_t k = 0; source_.tells_evaluator() && k < natives_; ++k) {
      if (is_evaluator(k) || source_.is_generated(native_.frames[k])) {
        return k;
      }
    }
    for (std::uint32_t k = 0; k < natives_; ++k) {
      if (is_interpreter(k)) {
        return k;
      }
    }
    return natives_;
  }
};

}  // namespace reading
}  // namespace lamprey::preload::stack
