// What a call that took long turned out to be about, for the timeline: told by whoever finds it out
// while the call is accounted, read by the hook right after. It lies in the thread's slot and means
// something between these two only.
//
// Nothing here allocates, locks, makes a system call or touches errno. Calls that took less than
// kLongCallTicks pay one comparison where they are told of at all.
#pragma once

#include "preload/io/descriptors.h"
#include "recording/timeline_section.h"

namespace lamprey::preload::io {

using recording::WaitPhase;

// ThreadSlot::awaited: index in Target[] + 1 in its lower half, a WaitPhase in the upper one.
constexpr std::uint32_t awaited_word(std::uint32_t target_plus_one, WaitPhase phase) {
  return (static_cast<std::uint32_t>(phase) << 16U) | target_plus_one;
}
constexpr std::uint32_t target_in(std::uint32_t awaited) { return awaited & 0xFFFFU; }
constexpr WaitPhase phase_in(std::uint32_t awaited) {
  return static_cast<WaitPhase>(awaited >> 16U);
}

// What a call on `fd` is about, as it is now; 0: not known.
inline std::uint32_t awaited_on(int fd) {
  const DescriptorKind kind = kind_of(fd);
  if (kind != DescriptorKind::kHost && kind != DescriptorKind::kFile) {
    return 0;
  }
  const recording::Descriptor& entry = g_writer.descriptor(fd);
  WaitPhase phase = WaitPhase::kNone;
  if (kind == DescriptorKind::kHost) {
    const bool in_handshake = recording::load(entry.handshake) == recording::Handshake::kUnderWay;
    phase = recording::load(entry.connecting) != 0 ? WaitPhase::kConnect
            : in_handshake                         ? WaitPhase::kHandshake
                                                   : WaitPhase::kNone;
  }
  return awaited_word(recording::load(entry.target), phase);
}

inline void tell_awaited(const Spent& spent, std::uint32_t awaited) {
  if (spent.ticks >= recording::kLongCallTicks && t_thread.slot != nullptr) {
    recording::store(t_thread.slot->awaited, awaited);
  }
}
inline void tell_awaited(const Spent& spent, const recording::Target& target) {
  const auto index = static_cast<std::uint32_t>(&target - &g_writer.target_at(0));
  tell_awaited(spent, awaited_word(index + 1, WaitPhase::kNone));
}

}  // namespace lamprey::preload::io
