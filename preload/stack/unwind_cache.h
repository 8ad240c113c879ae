// How a walk steps out of the frames that it has met before: by return address, one word each.
// Private to the unwinder. No lock, no libc; any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "recording/counting.h"

namespace lamprey::preload::stack::unwind {

// -- the cache ------------------------------------------------------------------------------------
// One word an entry, so that it is never torn. The 47 bits of a return address are multiplied by an
// odd number modulo 2^47, which no two addresses share: 13 of them choose the entry, 34 are kept in
// it. The other 30 say how to step: which register the CFA is counted from (1), that it is a guess
// (1), CFA offset (12), and how far below the CFA the frame pointer (8; 0: not saved) and the
// return address (8) lie, all in units.
inline constexpr unsigned kAddressBits = 47;
inline constexpr unsigned kIndexBits = 13;
inline constexpr unsigned kTagBits = kAddressBits - kIndexBits;
inline constexpr std::uint64_t kAddressMask = (std::uint64_t{1} << kAddressBits) - 1;
inline constexpr std::uint64_t kScatter = 0x5851F42D4C95U | 1U;
#if defined(__x86_64__)
inline constexpr unsigned kAddressShift = 0;
inline constexpr std::uint64_t kUnit = 8;
#else
inline constexpr unsigned kAddressShift = 1;  // instructions are aligned to 4: 48 bits fit
inline constexpr std::uint64_t kUnit = 8;
#endif

[[gnu::visibility("hidden")]] extern std::uint64_t g_known_steps[std::size_t{1} << kIndexBits];

// How to step, as it stands in an entry; the lengths are in bytes.
class Step {
 public:
  constexpr explicit Step(std::uint64_t word) : word_(word) {}
  // In units.
  constexpr Step(bool from_frame, bool guess, std::uint64_t cfa, std::uint64_t frame,
                 std::uint64_t returned)
      : word_((from_frame ? 1U : 0U) | (guess ? 2U : 0U) | (cfa << 2U) | (frame << 14U) |
              (returned << 22U)) {}
  constexpr std::uint64_t word() const { return word_; }
  // The CFA is counted from the frame pointer, else the stack pointer.
  constexpr bool from_frame() const { return (word_ & 1U) != 0; }
  constexpr bool guess() const { return (word_ & 2U) != 0; }  // no table said so
  // The CFA, above that register; then, below the CFA, the saved frame pointer (0: it is not) and
  // the return address.
  constexpr std::uint64_t cfa() const { return ((word_ >> 2U) & 0xFFFU) * kUnit; }
  constexpr std::uint64_t frame() const { return ((word_ >> 14U) & 0xFFU) * kUnit; }
  constexpr std::uint64_t returned() const { return ((word_ >> 22U) & 0xFFU) * kUnit; }

 private:
  std::uint64_t word_;
};

inline std::uint64_t scattered(std::uintptr_t pc) {
  return ((pc >> kAddressShift) * kScatter) & kAddressMask;
}

inline constexpr std::uint64_t kTagMask = (std::uint64_t{1} << kTagBits) - 1;

// An entry of no tag and no step is an empty one, and would be one that ends the walk.
inline bool known(std::uint64_t key, Step& step) {
  step = Step(recording::load(g_known_steps[key >> kTagBits]));
  return (step.word() >> (64 - kTagBits)) == (key & kTagMask) && step.word() != 0;
}

inline void remember(std::uint64_t key, Step step) {
  recording::store(g_known_steps[key >> kTagBits], step.word() | (key << (64 - kTagBits)));
}

}  // namespace lamprey::preload::stack::unwind
