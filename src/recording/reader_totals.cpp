// Reader: the counters of a recording, from a boundary or summed over slots and rows. Nothing about
// opening or the header lives here.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kRowsARead = 32;  // 22 KB: the buffer of one pread

// Forged numbers may overflow: wrap like the counters themselves would, without undefined
// behaviour.
std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t wrapping_sub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

void add(MemoryTotals& sum, const MemoryTotals& part) {
  sum.allocations += part.allocations;
  sum.frees += part.frees;
  sum.reallocations += part.reallocations;
  sum.allocated_bytes += part.allocated_bytes;
  sum.freed_bytes += part.freed_bytes;
  sum.failed += part.failed;
  sum.live_bytes = wrapping_add(sum.live_bytes, part.live_bytes);
}

// A row of a call that was never made. Word by word: the memcmp of the C library that we ship with
// goes byte by byte, and this looks at 100 KB at the end of every invocation.
bool is_zero(const CallTotals& row) {
  static_assert(sizeof(CallTotals) % sizeof(std::uint64_t) == 0);
  const auto* bytes = reinterpret_cast<const char*>(&row);
  for (std::size_t at = 0; at < sizeof(row); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, sizeof(word));
    if (word != 0) {
      return false;
    }
  }
  return true;
}

std::uint64_t overlap(std::uint64_t a_from, std::uint64_t a_to, std::uint64_t b_from,
                      std::uint64_t b_to) {
  const std::uint64_t from = std::max(a_from, b_from);
  const std::uint64_t to = std::min(a_to, b_to);
  return to > from ? to - from : 0;
}

}  // namespace

// In pieces: a buffer for the 110 KB of a whole boundary would stay resident for ever.
bool Reader::copy_calls(std::uint64_t offset, std::uint32_t used, Totals& into) {
  std::vector<BoundaryCall> buffer(std::min<std::size_t>(used, kRowsARead));
  into.calls.reserve(used);
  for (std::uint32_t first = 0; first < used; first += kRowsARead) {
    const std::uint32_t count = std::min<std::uint32_t>(used - first, kRowsARead);
    if (!read_at(offset + (first * sizeof(BoundaryCall)), buffer.data(),
                 count * sizeof(BoundaryCall))) {
      return false;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      if (buffer[i].call >= kCallCount) {
        drop(fmt::format("boundary: call {} does not exist", buffer[i].call));
      } else if (!is_zero(buffer[i].totals)) {
        add(into.calls[buffer[i].call], buffer[i].totals);
      }
    }
  }
  return true;
}

bool Reader::copy_targets(std::uint64_t offset, const std::uint32_t (&used)[kTargetKinds],
                          Totals& into) const {
  std::vector<TargetTotals> buffer;
  into.targets.reserve(std::min(used[0], kTargetRoom[0]) + std::min(used[1], kTargetRoom[1]) +
                       std::min(used[2], kTargetRoom[2]));
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint32_t count = std::min(used[kind], kTargetRoom[kind]);
    const std::uint32_t first = kTargetFirst[kind];
    buffer.resize(count);
    if (count != 0 &&
        !read_at(offset + offsetof(Boundary, targets) + (first * sizeof(TargetTotals)),
                 buffer.data(), count * sizeof(TargetTotals))) {
      return false;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      into.targets[first + i] = buffer[i];
    }
  }
  return true;
}

// The writer clears sequence_end before it stores anything else: a second look shows whether a new
// boundary was begun over the one being copied.
bool Reader::copy_boundary(std::uint64_t offset, std::uint64_t mark, Totals& into) {
  struct Head {  // Boundary up to its calls
    std::uint64_t sequence_begin;
    std::uint64_t sequence_end;
    BoundaryWords words;
    std::uint32_t targets_used[kTargetKinds];
    std::uint32_t calls_used;
  } head;
  static_assert(sizeof(Head) == offsetof(Boundary, calls));
  static_assert(offsetof(Head, calls_used) == offsetof(Boundary, calls_used));
  std::uint64_t marks[2] = {};
  missed_ = false;
  if (!read_at(offset, &head, sizeof(head)) || head.sequence_begin != mark ||
      head.sequence_end != mark ||
      !copy_calls(offset + offsetof(Boundary, calls), std::min(head.calls_used, kCallCount),
                  into) ||
      !copy_targets(offset, head.targets_used, into) || !read_again(offset, marks, sizeof(marks)) ||
      marks[0] != mark || marks[1] != mark) {
    return false;
  }
  calls_before_ = std::min(head.calls_used, kCallCount);
  static_cast<BoundaryWords&>(into) = head.words;
  return true;
}

std::unique_ptr<Totals> Reader::boundary(std::uint64_t sequence) {
  auto totals = header_->trail.count != 0 ? trail_boundary(sequence) : nullptr;
  return totals != nullptr ? std::move(totals) : kept_boundary(sequence);
}

std::unique_ptr<Totals> Reader::kept_boundary(std::uint64_t sequence) {
  const std::uint64_t mark = sequence + 1;
  const std::uint64_t count = header_->boundaries.count;
  for (std::uint64_t tried = 0; tried < count; ++tried) {
    const std::uint64_t index = (sequence + tried) % count;  // where this library's writer puts it
    auto totals = std::make_unique<Totals>();
    if (copy_boundary(header_->boundaries.offset + (index * sizeof(Boundary)), mark, *totals)) {
      copy_kernel(mark, index, *totals);
      return totals;
    }
  }
  return nullptr;
}

std::uint32_t Reader::used_of(const char* name, std::uint32_t used, std::uint32_t count) {
  if (used > count) {
    drop(fmt::format("{}: {} said to be used, {} there", name, used, count));
  }
  return std::min(used, count);
}

std::uint32_t Reader::slots_used() {
  return used_of("slots", header_->slots_used, header_->slots.count);
}

std::uint32_t Reader::rows_used() {
  return used_of("rows", header_->rows_used, header_->rows.count);
}

namespace {

std::optional<std::uint64_t> timer_of(const InFlight& flight, Call call) {
  const bool epoll = call == Call::k_epoll_wait || call == Call::k_epoll_pwait;
  return epoll && flight.subject != 0 ? std::optional(flight.subject - 1) : std::nullopt;
}

struct SlotThread {
  std::int32_t tid;
  std::uint64_t pointer;  // ThreadSlot::thread_pointer
};

// Whose pthread_self() that is; 0: of none that is known.
std::int32_t thread_of(std::uint64_t handle, const std::vector<SlotThread>& threads) {
  constexpr std::uint64_t kLargestControlBlock = 4096;
  for (const SlotThread& thread : threads) {
    if (thread.pointer != 0 && thread.pointer - handle <= kLargestControlBlock) {
      return thread.tid;
    }
  }
  return 0;
}

}  // namespace

void Reader::add_slots(Totals& totals, std::vector<OpenCall>& open_calls) {
  std::int64_t peak = header_->live_published;
  const std::uint32_t used = slots_used();
  std::vector<SlotThread> threads;
  for (std::uint32_t index = 0; index < used; ++index) {
    ThreadSlot slot{};
    if (!read_at(header_->slots.offset + (index * sizeof(ThreadSlot)), &slot, sizeof(slot))) {
      drop(fmt::format("slots: {} could not be read", used - index));
      break;
    }
    add(totals.memory, slot.memory);
    peak = std::max(peak,
                    wrapping_add(header_->live_published, wrapping_sub(slot.peak, slot.published)));
    // Slot 0 is shared by several threads: an entry there says nothing about one of them.
    if (slot.state == SlotState::kInUse && index != 0) {
      threads.push_back({slot.tid, slot.thread_pointer});
      add_open_call(slot, index, open_calls);
    }
  }
  for (OpenCall& call : open_calls) {
    if (call.joins != 0) {
      call.holder = thread_of(call.joins, threads);
    }
  }
  totals.peak_live_bytes = std::max({header_->peak_live, peak, totals.memory.live_bytes});
}

void Reader::add_open_call(const ThreadSlot& slot, std::uint32_t index,
                           std::vector<OpenCall>& open_calls) {
  const InFlight& flight = slot.in_flight;
  if (flight.call == 0) {
    return;
  }
  if (flight.call > kCallCount) {
    drop(fmt::format("slot {}: call {} does not exist", index, flight.call));
    return;
  }
  const auto known = static_cast<Call>(flight.call - 1);
  OpenCall call = {slot.tid,
                   known,
                   flight.started,
                   flight.stack,
                   target_of(slot, known),
                   flight.descriptor,
                   index,
                   is_for_own_threads(known, flight.descriptor),
                   timer_of(flight, known)};
  const bool has_holder = known == Call::k_pthread_mutex_lock || known == Call::k_sem_wait;
  call.holder = has_holder && flight.descriptor > 0 ? flight.descriptor : 0;
  call.joins = known == Call::k_pthread_join ? flight.subject : 0;
  std::copy(std::begin(slot.wakers), std::end(slot.wakers), call.wakers.begin());
  open_calls.push_back(std::move(call));
}

void Reader::add_rows(Totals& totals) {
  const std::uint32_t used = rows_used();
  std::vector<CallRow> rows(std::min<std::size_t>(used, kRowsARead));
  for (std::uint32_t index = 0; index < used;) {
    const std::size_t count = std::min<std::size_t>(used - index, kRowsARead);
    if (!read_at(header_->rows.offset + (index * sizeof(CallRow)), rows.data(),
                 count * sizeof(CallRow))) {
      drop(fmt::format("rows: {} could not be read", used - index));
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t call = index + i < kCallCount ? index + i : rows[i].call;
      if (call >= kCallCount) {
        drop(fmt::format("row {}: call {} does not exist", index + i, call));
      } else if (!is_zero(rows[i].totals)) {
        add(totals.calls[call], rows[i].totals);
      }
    }
    index += static_cast<std::uint32_t>(count);
  }
}

std::uint64_t Reader::idle_ticks(std::uint64_t from, std::uint64_t to,
                                 const std::vector<Invocation>& marks) const {
  std::uint64_t idle = 0;
  // When the ring no longer reaches back to the first invocation, the idle time before its oldest
  // entry is unknown and counts as busy.
  const bool complete = !marks.empty() && marks.front().sequence == 1;
  std::uint64_t idle_from = complete ? header_->init_end.ticks : 0;
  bool open = false;
  for (const Invocation& mark : marks) {
    if (idle_from != 0 && !open) {
      idle += overlap(from, to, idle_from, mark.started.ticks);
    }
    open = open || mark.state != InvocationState::kEnded;
    idle_from = std::max(idle_from, mark.ended.ticks);  // a longer one may run concurrently
  }
  if (is_idle(header_->activity)) {
    idle += overlap(from, to, header_->idle_since, to);
  }
  return idle;
}

std::unique_ptr<Totals> Reader::live(std::uint64_t now_mono_ns) {
  auto totals = std::make_unique<Totals>();
  std::vector<OpenCall> calls;
  add_slots(*totals, calls);
  totals->mappings = header_->mappings;
  add_rows(*totals);
  add_targets(*totals);
  add_kernel(*totals);
  const ClockScale scale = clock();
  const std::uint64_t now = scale.ticks_at(now_mono_ns);
  totals->at = {now, now_mono_ns};
  if (calls.empty()) {
    return totals;
  }
  const std::vector<Invocation> marks = invocations();
  const Connections known = connections();
  for (const OpenCall& call : calls) {
    if (call.started == 0 || call.started >= now) {
      continue;
    }
    const std::uint64_t since = now - call.started;
    const std::uint64_t busy = since - std::min(since, idle_ticks(call.started, now, marks));
    CallTotals& sum = totals->calls[static_cast<std::size_t>(call.call)];
    sum.ticks += busy;
    sum.max_ticks = std::max(sum.max_ticks, busy);
    if (const Connection* host = awaited_by(call, known)) {
      totals->targets[host->target].ticks += busy;
    }
  }
  return totals;
}

std::vector<OpenCall> Reader::open_calls() {
  Totals scratch;
  std::vector<OpenCall> calls;
  add_slots(scratch, calls);
  return calls;
}

}  // namespace lamprey::recording
