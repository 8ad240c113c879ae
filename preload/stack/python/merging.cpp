// See merging.h. Which machine frame is the evaluator's:
//   from 3.11 on  the one that holds the address of the run on the C stack. Its symbol does not
//                 say: parts of it are split off, and parts of its parts.
//   to 3.10       each that returns into the evaluator's symbol, one for each Python frame
// Where neither can be told, all Python frames stand behind the innermost machine frames.
#include "preload/stack/python/merging.h"

#include "preload/stack/python/code_objects.h"
#include "preload/stack/reading/entry_frames.h"

namespace lamprey::preload::stack::python {
namespace {

class Merging {
 public:
  Merging(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words)
      : runtime_(runtime),
        chain_(chain),
        native_(native),
        words_(words),
        natives_(native.count - entry_frames::count_in(native)) {}

  void by_addresses() {
    while (frame_ < chain_.count) {
      const std::uint32_t last = last_of_run();
      std::uint32_t holder = 0;
      if (last == chain_.count || !find_holder(chain_.frames[last].run_ends, holder)) {
        break;
      }
      put_natives(holder);
      put_frames(last + 1);
      ++next_;
    }
    put_rest();
  }

  // False, and nothing is put: there are fewer of the evaluator's frames than Python's.
  bool by_count() {
    if (!native_.cut && evaluators() < chain_.count) {
      return false;
    }
    for (std::uint32_t k = 0; k < natives_ && frame_ < chain_.count; ++k) {
      if (is_evaluator(k)) {
        put_natives(k);
        put_frames(frame_ + 1);
        ++next_;
      }
    }
    put_rest();
    return true;
  }

  void simply() { put_rest(); }

 private:
  bool in_module(std::uint32_t k) const {
    return native_.frames[k].pc >= runtime_.module_start &&
           native_.frames[k].pc < runtime_.module_end;
  }
  bool is_evaluator(std::uint32_t k) const {
    return native_.frames[k].pc > runtime_.evaluator &&
           native_.frames[k].pc <= runtime_.evaluator_end;
  }
  std::uint32_t evaluators() const {
    std::uint32_t count = 0;
    for (std::uint32_t k = 0; k < natives_; ++k) {
      count += is_evaluator(k) ? 1 : 0;
    }
    return count;
  }

  // Of the run that begins at `frame_`; as many as there are frames when its end is not known.
  std::uint32_t last_of_run() const {
    std::uint32_t last = frame_;
    while (last < chain_.count && !chain_.frames[last].ends_run) {
      ++last;
    }
    return last;
  }

  // The outermost of all owns up to who knows where: it is nobody's evaluator.
  bool find_holder(std::uintptr_t address, std::uint32_t& holder) const {
    for (std::uint32_t k = next_; k + 1 < native_.count && native_.frames[k].sp <= address; ++k) {
      if (address < native_.frames[k + 1].sp) {
        holder = k;
        return true;
      }
    }
    return false;
  }

  // Those before `end`. Before any Python frame all of them.
  void put_natives(std::uint32_t end) {
    for (; next_ < end; ++next_) {
      if (frame_ == 0 || !in_module(next_)) {
        words_.append(native_.frames[next_].pc);
      }
    }
  }

  void put_frames(std::uint32_t end) {
    for (; frame_ < end && words_.depth < recording::kMaxDepth; ++frame_) {
      words_.append(word_of(runtime_, chain_.frames[frame_]));
    }
    words_.cut = words_.cut || frame_ < end;
  }

  // How many machine frames are further in than any Python frame can be.
  std::uint32_t leaf() const {
    for (std::uint32_t k = 0; runtime_.layout.minor >= kFirstWithCframe && k < natives_; ++k) {
      if (is_evaluator(k)) {
        return k;
      }
    }
    for (std::uint32_t k = 0; k < natives_; ++k) {
      if (in_module(k)) {
        return k;
      }
    }
    return natives_;
  }

  // Python frames of which it is not known where they stand come behind what stands already.
  void put_rest() {
    if (frame_ == 0) {
      put_natives(leaf());
    }
    put_frames(chain_.count);
    put_natives(natives_);
    words_.cut = words_.cut || chain_.cut;
  }

  const Runtime& runtime_;
  const Chain& chain_;
  const NativeFrames& native_;
  Words& words_;
  std::uint32_t natives_;    // without those by which the thread began
  std::uint32_t next_ = 0;   // machine frame
  std::uint32_t frame_ = 0;  // of Python's
};

}  // namespace

void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words) {
  // Machine frames that found no room are further out than the outermost Python frame, or between.
  words.cut = false;
  Merging merging(runtime, chain, native, words);
  if (runtime.layout.minor >= kFirstWithCframe) {
    merging.by_addresses();
  } else if (!merging.by_count()) {
    merging.simply();
  }
}

}  // namespace lamprey::preload::stack::python
