// See merging.h. Which machine frame is the evaluator's:
//   from 3.11 on  the one that holds the address of the run on the C stack. Its symbol does not
//                 say: parts of it are split off, and parts of its parts.
//   to 3.10       each that returns into the evaluator's symbol, one for each Python frame
// Where neither can be told, all Python frames stand behind the innermost machine frames.
#include "preload/stack/python/merging.h"

#include "preload/stack/python/code_objects.h"
#include "preload/stack/reading/merging.h"

namespace lamprey::preload::stack::python {
namespace {

// What reading/merging.h asks for.
class Frames {
 public:
  Frames(const Runtime& runtime, const Chain& chain) : runtime_(runtime), chain_(chain) {}

  std::uint32_t count() const { return chain_.count; }
  bool cut() const { return chain_.cut; }
  bool ends_run(std::uint32_t i) const { return chain_.frames[i].ends_run; }
  std::uintptr_t run_ends(std::uint32_t i) const { return chain_.frames[i].run_ends; }
  std::uint64_t word(std::uint32_t i) const { return word_of(runtime_, chain_.frames[i]); }
  bool is_interpreter(const NativeFrame& frame) const {
    return frame.pc >= runtime_.module_start && frame.pc < runtime_.module_end;
  }
  bool is_evaluator(const NativeFrame& frame) const {
    return frame.pc > runtime_.evaluator && frame.pc <= runtime_.evaluator_end;
  }
  static bool is_generated(const NativeFrame&) { return false; }
  bool tells_evaluator() const { return runtime_.layout.minor >= kFirstWithCframe; }

 private:
  const Runtime& runtime_;
  const Chain& chain_;
};

class PythonMerging : public Merging<Frames> {
 public:
  using Merging::Merging;

  void by_addresses() {
    while (frame_ < source_.count()) {
      const std::uint32_t last = last_of_run();
      std::uint32_t holder = 0;
      if (!source_.ends_run(last) || !find_holder(source_.run_ends(last), holder)) {
        break;
      }
      put_natives(holder);
      put_frames(last + 1);
      ++next_;
    }
    put_rest();
  }

 private:
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
};

}  // namespace

void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words) {
  // Machine frames that found no room are further out than the outermost Python frame, or between.
  words.cut = false;
  const Frames frames(runtime, chain);
  PythonMerging merging(frames, native, words);
  if (runtime.layout.minor >= kFirstWithCframe) {
    merging.by_addresses();
  } else if (!merging.by_count()) {
    merging.put_rest();
  }
}

}  // namespace lamprey::preload::stack::python
