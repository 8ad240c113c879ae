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

constexpr int kMostSteps = 4 * static_cast<int>(Chain::kMost);
constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;

template <typename T>
T at(std::uintptr_t address) {
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

std::int32_t instruction_of(const Layout& layout, std::uintptr_t frame, std::uintptr_t code) {
  constexpr std::int64_t kMost = 1 << 28;
  std::int64_t offset = 0;
  if (layout.minor >= kFirstWithCframe) {
    offset = static_cast<std::int64_t>(at<std::uintptr_t>(frame + layout.frame_instruction) -
                                       (code + layout.code_instructions));
  } else {
    offset = at<std::int32_t>(frame + layout.frame_instruction);
    offset *= layout.minor == 10 ? 2 : 1;  // there it is counted in units of two bytes
  }
  return offset < 0 || offset > kMost ? -1 : static_cast<std::int32_t>(offset);
}

class Walk {
 public:
  Walk(const Runtime& runtime, Chain& chain)
      : runtime_(runtime), layout_(runtime.layout), chain_(chain) {}

  Walked from(std::uintptr_t state) {
    std::uintptr_t frame = at<std::uintptr_t>(state + layout_.state_frame);
    if (layout_.cframe_previous != 0) {
      cframe_ = frame;
      if (!is_object(cframe_) || !read_at(cframe_ + layout_.cframe_frame, frame)) {
        return Walked::kBroken;
      }
    }
    for (int steps = 0; frame != 0; ++steps) {
      if (steps == kMostSteps || !is_object(frame) || !can_read(frame, layout_.frame_bytes)) {
        return Walked::kBroken;
      }
      if (is_shim(frame)) {
        end_run(frame);
        if (chain_.count == Chain::kMost) {
          return Walked::kCut;
        }
      } else if (chain_.count == Chain::kMost) {
        // No more are kept, but where the last run ends is worth some steps: nothing else tells
        // which machine frames stand for it.
        if (chain_.frames[chain_.count - 1].ends_run || steps == kMostSteps - 1) {
          return Walked::kCut;
        }
        if (layout_.cframe_previous != 0) {
          end_run(cframe_);
          return Walked::kCut;
        }
      } else if (!take(frame)) {
        return Walked::kBroken;
      }
      frame = at<std::uintptr_t>(frame + layout_.frame_previous);
    }
    return Walked::kWhole;
  }

 private:
  bool is_shim(std::uintptr_t frame) const {
    constexpr std::uint8_t kOwnedByCStack = 3;  // 3.14: by the interpreter; 4 is the C stack there
    return layout_.frame_owner != 0 &&
           at<std::uint8_t>(frame + layout_.frame_owner) >= kOwnedByCStack;
  }

  // What specialised code puts around a call of a class: no function of the program's.
  bool is_hidden(std::uintptr_t code) const {
    constexpr std::uint32_t kNoMonitoringEvents = 0x2000000;
    return layout_.minor >= kFirstWithOffsets &&
           (at<std::uint32_t>(code + kCodeFlags) & kNoMonitoringEvents) != 0;
  }

  bool take(std::uintptr_t frame) {
    std::uintptr_t code = at<std::uintptr_t>(frame + layout_.frame_code);
    if (layout_.minor >= kFirstWithTags) {
      code &= ~std::uintptr_t{3};
    }
    Frame& taken = chain_.frames[chain_.count];
    if (!describe(runtime_, code, taken)) {
      return false;
    }
    if (is_hidden(code)) {
      return true;
    }
    ++chain_.count;
    taken.instruction = instruction_of(layout_, frame, code);
    taken.ends_run = false;
    taken.run_ends = 0;
    mix(taken.identity + (static_cast<std::uint32_t>(taken.instruction) * kOdd));
    if (layout_.minor < kFirstWithCframe) {
      end_run(0);
    } else if (layout_.frame_entry != 0 && at<std::uint8_t>(frame + layout_.frame_entry) != 0) {
      end_run(cframe_);
      if (cframe_ != 0 &&
          (!is_object(cframe_) || !read_at(cframe_ + layout_.cframe_previous, cframe_))) {
        cframe_ = 0;
      }
    }
    return true;
  }

  void end_run(std::uintptr_t where) {
    if (chain_.count != 0) {
      Frame& last = chain_.frames[chain_.count - 1];
      last.ends_run = true;
      last.run_ends = where;
      chain_.hash += kOdd;
    }
  }

  void mix(std::uint64_t value) {
    chain_.hash = (chain_.hash ^ value) * kOdd;
    chain_.hash ^= chain_.hash >> 29U;
  }

  const Runtime& runtime_;
  const Layout& layout_;
  Chain& chain_;
  std::uintptr_t cframe_ = 0;  // 3.11: of the run that is being read
};

}  // namespace

Walked walk(const Runtime& runtime, std::uintptr_t state, Chain& chain) {
  const Walked walked = Walk(runtime, chain).from(state);
  chain.cut = walked != Walked::kWhole;
  return walked;
}

}  // namespace lamprey::preload::stack::python
