// See merging.h. Each call of the evaluator (vm_exec) has a run of frames, whose outermost says so.
// Machine code that Ruby compiled at run time has no such call, and no unwind tables: the machine
// frames end there, or go on with a guess. They are Ruby's frames, which stand there anyway.
#include "preload/stack/ruby/merging.h"

#include "preload/stack/reading/merging.h"
#include "preload/stack/ruby/iseqs.h"

namespace lamprey::preload::stack::ruby {
namespace {

// What reading/merging.h asks for.
class Frames {
 public:
  Frames(const Runtime& runtime, const Chain& chain)
      : runtime_(runtime), chain_(chain), evaluator_(recording::load(runtime.evaluator)) {}

  std::uint32_t count() const { return chain_.count; }
  bool cut() const { return chain_.cut; }
  bool ends_run(std::uint32_t i) const { return chain_.frames[i].ends_run; }
  std::uint64_t word(std::uint32_t i) const { return word_of(runtime_.layout, chain_.frames[i]); }
  bool is_interpreter(const NativeFrame& frame) const {
    return is_generated(frame) ||
           (frame.pc >= runtime_.module_start && frame.pc < runtime_.module_end);
  }
  bool is_evaluator(const NativeFrame& frame) const {
    return evaluator_ != 0 && frame.pc > evaluator_ && frame.pc <= runtime_.evaluator_end;
  }
  static bool is_generated(const NativeFrame& frame) { return frame.without_tables; }
  bool tells_evaluator() const { return evaluator_ != 0; }

 private:
  const Runtime& runtime_;
  const Chain& chain_;
  std::uintptr_t evaluator_;
};

}  // namespace

void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words) {
  words.cut = false;  // machine frames that found no room are further out, or between
  const Frames frames(runtime, chain);
  Merging<Frames> merging(frames, native, words);
  if (!merging.by_count()) {
    merging.put_rest();
  }
}

}  // namespace lamprey::preload::stack::ruby
