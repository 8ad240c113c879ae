// See chain.h. How a chain goes on, and where a run of frames of one call of the evaluator ends, is
// another thing in each version:
//   3.8 to 3.10  f_back; each frame has a call of its own
//   3.11         previous; a frame says that it was entered by a call, and the _PyCFrame of that
//                call lies in the evaluator's machine frame
//   from 3.12    previous; between the runs stands a shim, which lies in that machine frame
#include "preload/stack/python/chain.h"

#include "preload/stack/python/code_objects.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

constexpr int kMaxSteps = 4 * static_cast<int>(Chain::kMax);
constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;

std::int32_t instruction_of(const Layout& layout, std::uintptr_t frame, std::uintptr_t code) {
  constexpr std::int64_t kMax = 1 << 28;
  std::int64_t offset = 0;
  if (layout.minor >= kFirstWithCframe) {
    offset = static_cast<std::int64_t>(field<std::uintptr_t>(frame, layout.frame_instruction) -
                                       (code + layout.code_instructions));
  } else {
    offset = field<std::int32_t>(frame, layout.frame_instruction);
    offset *= layout.minor == 10 ? 2 : 1;  // there it is counted in units of two bytes
  }
  return offset < 0 || offset > kMax ? -1 : static_cast<std::int32_t>(offset);
}

// What the loop changes are its own members, which the compiler keeps in registers: the chain is
// written and not read.
class Walk {
 public:
  Walk(const Runtime& runtime, Chain& chain)
      : runtime_(runtime), layout_(runtime.layout), kept_(chain.frames) {}

  Walked from(std::uintptr_t state) {
    auto newest = field<std::uintptr_t>(state, layout_.state_frame);
    if (layout_.cframe_previous != 0) {
      cframe_ = newest;
      if (!is_aligned(cframe_) || !read_at(cframe_ + layout_.cframe_frame, newest)) {
        return Walked::kBroken;
      }
    }
    std::uintptr_t frame = newest;
    for (int steps = 0; frame != 0; ++steps) {
      if (steps == kMaxSteps || !is_aligned(frame) || !frames_.can(frame, layout_.frame_bytes)) {
        return Walked::kBroken;
      }
      if (count_ == Chain::kMax) [[unlikely]] {
        if (is_last(frame, steps)) {
          return Walked::kCut;
        }
      } else if (is_shim(frame)) {
        end_run(frame);
      } else if (!take(frame)) {
        return Walked::kBroken;
      }
      frame = field<std::uintptr_t>(frame, layout_.frame_previous);
    }
    return Walked::kWhole;
  }

  std::uint32_t count() const { return count_; }
  std::uint64_t hash() const { return hash_; }

 private:
  static bool is_aligned(std::uintptr_t address) { return address % sizeof(address) == 0; }

  bool is_shim(std::uintptr_t frame) const {
    constexpr std::uint8_t kOwnedByCStack = 3;  // 3.14: by the interpreter; 4 is the C stack there
    return layout_.frame_owner != 0 &&
           field<std::uint8_t>(frame, layout_.frame_owner) >= kOwnedByCStack;
  }

  // No more frames are kept, but where the last run ends is worth some steps: nothing else tells
  // which machine frames stand for it.
  bool is_last(std::uintptr_t frame, int steps) {
    if (is_shim(frame)) {
      end_run(frame);
    } else if (layout_.cframe_previous != 0 && !kept_[count_ - 1].ends_run) {
      end_run(cframe_);
    }
    return kept_[count_ - 1].ends_run || steps == kMaxSteps - 1;
  }

  // What specialised code puts around a call of a class: no function of the program's.
  bool is_hidden(std::uintptr_t code) const {
    constexpr std::uint32_t kNoMonitoringEvents = 0x2000000;
    return layout_.minor >= kFirstWithOffsets &&
           (field<std::uint32_t>(code, kCodeFlags) & kNoMonitoringEvents) != 0;
  }

  bool take(std::uintptr_t frame) {
    auto code = field<std::uintptr_t>(frame, layout_.frame_code);
    if (layout_.minor >= kFirstWithTags) {
      code &= ~std::uintptr_t{3};
    }
    if (!is_code(runtime_, code, codes_)) {
      return false;
    }
    if (is_hidden(code)) {
      return true;
    }
    const std::uint64_t identity = identity_of(layout_, code, names_);
    const std::int32_t instruction = instruction_of(layout_, frame, code);
    kept_[count_++] = {identity, code, 0, instruction, false};
    hash_ = (hash_ ^ (identity + (static_cast<std::uint32_t>(instruction) * kOdd))) * kOdd;
    hash_ ^= hash_ >> 29U;
    if (layout_.minor < kFirstWithCframe) {
      end_run(0);
    } else if (layout_.frame_entry != 0 && field<std::uint8_t>(frame, layout_.frame_entry) != 0) {
      end_run(cframe_);
      std::uintptr_t next = 0;
      if (cframe_ != 0 && is_aligned(cframe_)) {
        read_at(cframe_ + layout_.cframe_previous, next);
      }
      cframe_ = next;
    }
    return true;
  }

  void end_run(std::uintptr_t where) {
    if (count_ != 0) {
      kept_[count_ - 1].ends_run = true;
      kept_[count_ - 1].run_ends = where;
      hash_ += kOdd;
    }
  }

  const Runtime& runtime_;
  const Layout& layout_;
  Frame* kept_;
  std::uint32_t count_ = 0;
  std::uint64_t hash_ = 0;
  NearReads frames_;
  NearReads codes_;
  NearReads names_;
  std::uintptr_t cframe_ = 0;  // 3.11: of the run that is being read
};

}  // namespace

Walked walk(const Runtime& runtime, std::uintptr_t state, Chain& chain) {
  Walk walk(runtime, chain);
  const Walked walked = walk.from(state);
  chain.count = walk.count();
  chain.hash = walk.hash();
  chain.cut = walked != Walked::kWhole;
  return walked;
}

}  // namespace lamprey::preload::stack::python
