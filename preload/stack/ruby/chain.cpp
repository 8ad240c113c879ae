// See chain.h. Control frames lie side by side at the end of the thread's stack of values, the
// innermost lowest; the outermost is nobody's. A frame of a function in C has no pc.
#include "preload/stack/ruby/chain.h"

#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/ruby/iseqs.h"

namespace lamprey::preload::stack::ruby {
namespace {

constexpr std::uint32_t kMaxSteps = 4 * Chain::kMax;
constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;

class Walk {
 public:
  Walk(const Layout& layout, Wanted wanted, Chain& chain)
      : layout_(layout),
        leaves_out_(wanted == Wanted::kShown && layout.minor >= kFirstWithParents),
        kept_(chain.frames) {}

  Walked from(std::uintptr_t frame, std::uintptr_t end) {
    const std::uintptr_t innermost = frame;
    for (std::uint32_t steps = 0; frame + layout_.frame_bytes < end; ++steps) {
      if (steps == kMaxSteps || count_ == Chain::kMax) {
        return Walked::kCut;
      }
      if (!frames_.can(frame, layout_.frame_bytes)) {
        return Walked::kBroken;
      }
      const auto pc = field<std::uintptr_t>(frame + kFramePc);
      const auto iseq = field<std::uintptr_t>(frame + kFrameIseq);
      if (pc != 0 && iseq != 0) {
        const Walked taken = take(frame, pc, iseq, frame == innermost);
        if (taken != Walked::kWhole) {
          return taken;
        }
      }
      frame += layout_.frame_bytes;
    }
    return Walked::kWhole;
  }

  std::uint32_t count() const { return count_; }
  std::uint64_t hash() const { return hash_; }

 private:
  Walked take(std::uintptr_t frame, std::uintptr_t pc, std::uintptr_t iseq, bool innermost) {
    if (!is_object(iseq) || !codes_.can(iseq, kIseqBody + sizeof(iseq))) {
      return Walked::kBroken;
    }
    const auto flags = field<std::uint64_t>(iseq + kObjectFlags);
    if ((flags & kTypeMask) == kTypeMoved) {
      return Walked::kCut;
    }
    const auto body = field<std::uintptr_t>(iseq + kIseqBody);
    if (!is_iseq(flags) || !is_object(body) || !bodies_.can(body, kBodyBytes)) {
      return Walked::kBroken;
    }
    const bool ends = ends_run(field<std::uintptr_t>(frame + kFrameEp));
    if (const bool left_out = next_left_out_; leave_out_next(body), left_out) {
      kept_[count_ - 1].ends_run = kept_[count_ - 1].ends_run || ends;
      return Walked::kWhole;
    }
    const std::uint64_t identity = identity_of(body);
    // Machine code made at run time writes down where it is before it calls. While it runs it need
    // not have (Ruby's own thread_profile_frames() has the same rule).
    const bool stale = innermost && field<std::uintptr_t>(frame + layout_.frame_return) != 0;
    const std::int32_t position = stale ? -1 : position_of(body, pc);
    kept_[count_++] = {identity, body, position, ends};
    hash_ = (hash_ ^ (identity + (static_cast<std::uint32_t>(position) * kOdd))) * kOdd;
    hash_ ^= hash_ >> 29U;
    return Walked::kWhole;
  }

  void leave_out_next(std::uintptr_t body) {
    const auto kind = field<std::uint32_t>(body + kBodyKind);
    next_left_out_ = leaves_out_ && (kind == kKindRescue || kind == kKindEnsure);
  }

  bool ends_run(std::uintptr_t ep) {
    return is_object(ep) && flags_.can(ep, sizeof(std::uint64_t)) &&
           (field<std::uint64_t>(ep) & kFlagFinish) != 0;
  }

  const Layout& layout_;
  bool leaves_out_;
  bool next_left_out_ = false;
  Frame* kept_;
  std::uint32_t count_ = 0;
  std::uint64_t hash_ = 0;
  NearReads frames_;
  NearReads flags_;
  NearReads codes_;
  NearReads bodies_;
};

}  // namespace

Walked walk(const Runtime& runtime, std::uintptr_t context, Wanted wanted, Chain& chain) {
  chain.count = 0;
  chain.hash = 0;
  chain.cut = false;
  ControlFrames frames = {};
  if (!control_frames(runtime.layout, context, frames)) {
    return Walked::kBroken;
  }
  if (frames.innermost == 0) {
    return Walked::kWhole;
  }
  Walk walk(runtime.layout, wanted, chain);
  const Walked walked = walk.from(frames.innermost, frames.end);
  chain.count = walk.count();
  chain.hash = walk.hash();
  chain.cut = walked != Walked::kWhole;
  return walked;
}

}  // namespace lamprey::preload::stack::ruby
