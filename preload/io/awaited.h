// Spent::awaited: what a call that waited was about, in one word, so that telling it costs the
// hooks one store. 0: not known.
//
// Nothing here allocates, locks, makes a system call or touches errno.
#pragma once

#include "preload/io/descriptors.h"
#include "recording/timeline_section.h"

namespace lamprey::preload::io {

using recording::WaitPhase;

// A descriptor, or an index in Target[] + 1, in the lower half; above it what the wait was part of.
inline constexpr std::uint32_t kAwaitedDescriptor = 1U << 31U;
constexpr std::uint32_t awaited_phase(WaitPhase phase) {
  return static_cast<std::uint32_t>(phase) << 16U;
}
constexpr std::uint32_t awaited_descriptor(int fd) {
  return kAwaitedDescriptor | (static_cast<std::uint32_t>(fd) & 0xFFFFU);
}
inline std::uint32_t awaited_target(const recording::Target& target) {
  return static_cast<std::uint32_t>(&target - &g_writer.target_at(0)) + 1;
}

// Where the target, or the descriptor, and the phase are read from.
constexpr std::uint32_t target_in(std::uint32_t awaited) { return awaited & 0xFFFFU; }
constexpr WaitPhase phase_in(std::uint32_t awaited) {
  return static_cast<WaitPhase>((awaited >> 16U) & 3U);
}

// The same where a descriptor has become what it leads to: as it is now, or as it was told.
inline std::uint32_t awaited_on(int fd, std::uint32_t told = 0) {
  const DescriptorKind kind = kind_of(fd);
  if (kind != DescriptorKind::kHost && kind != DescriptorKind::kFile) {
    return 0;
  }
  const recording::Descriptor& entry = g_writer.descriptor(fd);
  WaitPhase phase = phase_in(told);
  if (kind == DescriptorKind::kHost && phase == WaitPhase::kNone) {
    const bool in_handshake = recording::load(entry.handshake) == recording::Handshake::kUnderWay;
    phase = recording::load(entry.connecting) != 0 ? WaitPhase::kConnect
            : in_handshake                         ? WaitPhase::kHandshake
                                                   : WaitPhase::kNone;
  }
  return awaited_phase(phase) | recording::load(entry.target);
}

}  // namespace lamprey::preload::io
