// Reader: which parts of a recording are copied ahead of the report of an invocation's end. The
// copy itself is ahead.cpp's. Whatever is missing here is read when it is asked for.
#include <algorithm>
#include <cstddef>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kFrom = offsetof(Header, wake);
constexpr Ahead::Part kHeader = {kFrom, sizeof(Header) - kFrom};
constexpr std::size_t kMarks = 16;       // sequence and state of an entry; both marks of a boundary
constexpr std::uint32_t kMoreCalls = 4;  // first made in the invocation that is waited for
constexpr std::uint32_t kEntriesAWindow = 16;  // 4 pages of the ring
constexpr std::uint32_t kFewSlots = 9;
constexpr std::uint32_t kFewHosts = 8;
constexpr std::uint32_t kMoreSites = 64;  // a page

Ahead::Part part_of(const Section& section, std::uint64_t first, std::uint64_t count) {
  return {section.offset + (first * section.stride), count * section.stride};
}

}  // namespace

bool Reader::is_ahead() const { return ahead_ != nullptr && ahead_->is_there(); }

// The counters, up to the call that was last known to be in use. The windows have some room, but
// not for all calls and targets: what is mapped is resident.
void Reader::want_boundary(std::uint64_t sequence) {
  const Section& section = header_->boundaries;
  const std::uint64_t at = section.offset + ((sequence % section.count) * section.stride);
  const std::uint32_t calls = std::min(calls_before_ + kMoreCalls, kCallCount);
  const std::size_t bytes = offsetof(Boundary, calls) + (calls * sizeof(BoundaryCall));
  ahead_->want({at, bytes}, {at, bytes + (kPageBytes / 4)});
  const std::uint64_t targets = at + offsetof(Boundary, targets);
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint64_t first = targets + (kTargetFirst[kind] * sizeof(TargetTotals));
    const std::size_t used = targets_used(kind) * sizeof(TargetTotals);
    ahead_->want({first, used}, {first, used + (kPageBytes / 4)});
  }
}

void Reader::want_tables() {
  const Header& h = *header_;
  const std::uint32_t hosts = std::min(targets_used(0), kFewHosts);
  ahead_->want(part_of(h.targets, kTargetFirst[0], hosts), part_of(h.targets, 0, kFewHosts));
  const std::uint32_t slots = std::min(h.slots_used, h.slots.count);
  if (slots > 1 && slots <= kFewSlots) {
    ahead_->want(part_of(h.slots, 1, slots - 1), part_of(h.slots, 0, kFewSlots));
  }
  const std::uint32_t sites = std::min({h.stacks_used, h.stacks.count, h.sites.count});
  ahead_->want(part_of(h.sites, 0, sites),
               part_of(h.sites, 0, std::min(sites + kMoreSites, h.sites.count)));
}

// A pair that was being written while it was copied is none.
void Reader::take_ahead_clock(std::uint64_t boundary, std::uint64_t sequence) {
  Boundary* const none = nullptr;
  decltype(none->at) at{};
  std::uint64_t before[2] = {};
  std::uint64_t after[2] = {};
  static_assert(sizeof(before) == kMarks && offsetof(Boundary, sequence_begin) == 0);
  const std::uint64_t mark = sequence + 1;
  const bool whole = ahead_->first(boundary, before, sizeof(before)) &&
                     ahead_->first(boundary + offsetof(Boundary, at), &at, sizeof(at)) &&
                     ahead_->last(boundary, after, sizeof(after)) && before[0] == mark &&
                     before[1] == mark && after[0] == mark && after[1] == mark;
  ahead_clock_ = whole ? at : ClockPair{};
}

bool Reader::refresh_ahead(std::uint64_t sequence) {
  if (header_->boundaries.count == 0) {
    return refresh();  // the file is cut
  }
  if (ahead_ == nullptr) {
    ahead_ = std::make_unique<Ahead>();
  }
  const Header& h = *header_;
  const Ahead::Part entry = part_of(h.invocations, sequence % h.invocations.count, 1);
  const std::uint64_t boundary =
      h.boundaries.offset + ((sequence % h.boundaries.count) * h.boundaries.stride);
  ahead_->begin(descriptor_);
  ahead_->want(kHeader, {0, sizeof(Header)});
  const std::uint64_t group = sequence % h.invocations.count / kEntriesAWindow * kEntriesAWindow;
  ahead_->want(entry, part_of(h.invocations, group, kEntriesAWindow));
  want_boundary(sequence);
  if (h.notes.count != 0) {
    const std::uint64_t text = ((sequence + 1) % kErrorTexts) * sizeof(ErrorText);
    ahead_->want({h.notes.offset + text, sizeof(ErrorText)}, {h.notes.offset, sizeof(Notes)});
  }
  want_tables();
  ahead_->want({entry.offset, kMarks});
  ahead_->want({boundary, kMarks});
  ahead_->want(kHeader);
  if (!ahead_->copy()) {
    return refresh();
  }
  char fresh[sizeof(Header) - kFrom];
  ahead_->first(kFrom, &wake_before_, sizeof(wake_before_));
  ahead_->last(kFrom, fresh, sizeof(fresh));
  take_header(fresh);
  take_ahead_clock(boundary, sequence);
  return true;
}

}  // namespace lamprey::recording
