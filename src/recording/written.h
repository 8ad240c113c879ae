// Which parts of a new recording are written with zeros at attach, before it is mapped. The rest is
// only allocated.
//
// The first store to a page that was only allocated is a fault with a journal entry on ext4: 5 to
// 13 µs in the middle of somebody's call. The first store to a written page takes 0.2 µs, but
// writing costs every cold start 1 to 3 µs a page. So: what nearly every process uses is written,
// what only some use (many threads, descriptors, files, stacks) is not. Attach takes 0.6 ms with
// these spans and took 1.3 ms when everything up to the rows was written.
#pragma once

#include "recording/layout.h"

namespace lamprey::recording {

struct Span {
  std::size_t offset;
  std::size_t bytes;
};

inline constexpr std::size_t kBoundaryStart =
    offsetof(Boundary, calls) + (sizeof(BoundaryCall) * 32);
inline constexpr std::size_t kBoundaryTargets = sizeof(TargetTotals) * (kTargetFirst[2] + 48);

constexpr Span boundary_start(std::size_t index) {
  return {kBoundariesOffset + (sizeof(Boundary) * index), kBoundaryStart};
}
constexpr Span boundary_targets(std::size_t index) {
  return {kBoundariesOffset + (sizeof(Boundary) * index) + offsetof(Boundary, targets),
          kBoundaryTargets};
}

inline constexpr Span kWritten[] = {
    {0, sizeof(Header)},
    boundary_start(0),
    boundary_targets(0),
    boundary_start(1),
    boundary_targets(1),
    boundary_start(2),
    boundary_targets(2),
    boundary_start(3),
    boundary_targets(3),
    {kSlotsOffset, sizeof(ThreadSlot) * 24},
    {kInvocationsOffset, sizeof(Invocation) * 24},
    {kDescriptorsOffset, sizeof(Descriptor) * 128},
    {kTargetsOffset, sizeof(Target) * (kTargetFirst[2] + 48)},
    {kRowsOffset + (sizeof(CallRow) * kCallCount), sizeof(CallRow) * 64},
    {kModulesOffset, sizeof(Module) * 48},
    {kSitesOffset, sizeof(Site) * 256},
    {kStacksOffset, sizeof(Stack) * 192},
    {kFrameWordsOffset, sizeof(std::uint64_t) * 192 * 32},
};
static_assert(kBoundaries == 4);

// The same for exact mode's part.
inline constexpr std::size_t kKernelRowsWritten = 40;

constexpr Span kernel_boundary_start(std::size_t index) {
  return {kKernelOffset + offsetof(Kernel, boundaries) + (sizeof(KernelBoundary) * index),
          offsetof(KernelBoundary, rows) + (sizeof(KernelRow) * kKernelRowsWritten)};
}

inline constexpr Span kKernelWritten[] = {
    {kKernelOffset, offsetof(Kernel, rows) + (sizeof(KernelRow) * kKernelRowsWritten)},
    kernel_boundary_start(0),
    kernel_boundary_start(1),
    kernel_boundary_start(2),
    kernel_boundary_start(3),
};

}  // namespace lamprey::recording
