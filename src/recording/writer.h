// The writing side of a recording: memory in, memory out. Used by the preload library inside
// somebody else's process, so nothing here allocates, locks, makes a system call, throws, or
// touches errno; every function may run in a signal handler and in any thread at once.
// Reading a recording is reader.h's work.
//
// The cost that matters: count_allocation/count_free are ~1 ns (three adds and a compare, all in
// the thread's own slot), count_call ~3 ns. Everything else is rare.
#pragma once

#include <cstdint>

#include "recording/counting.h"
#include "recording/extras.h"
#include "recording/layout.h"

namespace lamprey::recording {

// A thread's live bytes reach Header::live_published when they have moved this far. With one
// thread the process's peak is exact; each further thread may hide at most this much of it.
inline constexpr std::int64_t kPublishStep = 8192;

// A call shorter than this cannot have spanned a frozen environment: no need to look.
inline constexpr std::uint64_t kLongCallTicks = 1U << 14;

// What the 200 of GET .../invocation/next said. Pointers are NUL-terminated and borrowed.
struct RequestFacts {
  const char* request_id;
  const char* trace_id;
  const char* function_arn;
  std::uint64_t deadline_ms;
};

class Writer {
 public:
  // `base` is a zeroed, page-aligned mapping of file_bytes(extras) that outlives the writer. Fills
  // in the geometry; identity is the caller's. Header::magic is left for the caller to store last.
  void bind(std::byte* base, Extras extras = {});
  void unbind() { base_ = nullptr; }
  bool bound() const { return base_ != nullptr; }
  Header& header() const { return *reinterpret_cast<Header*>(base_); }

  // -- threads ----------------------------------------------------------------------------------
  // A slot of one's own, or nullptr when all are in use (then count with the shared_* functions).
  // What an earlier thread counted in the slot stays in it: rows and totals are the process's. A
  // thread may end without giving its slot back. So when no slot is free, `is_gone` is asked about
  // the threads that hold them: at the first refusal and at each 64th from then on, because a
  // process with more threads than slots would mostly ask in vain. Null: nobody is asked.
  using IsGone = bool (*)(std::int32_t tid);
  ThreadSlot* take_slot(std::int32_t tid, IsGone is_gone = nullptr);
  void give_back(ThreadSlot& slot);

  // -- descriptors and targets ------------------------------------------------------------------
  // The entry of a descriptor below kDescriptors. Whoever opens or connects it writes it.
  Descriptor& descriptor(int fd) const {
    return reinterpret_cast<Descriptor*>(base_ + kDescriptorsOffset)[fd];
  }
  Target& target_at(std::uint32_t index) const {
    return reinterpret_cast<Target*>(base_ + kTargetsOffset)[index];
  }
  // The target of `kind` that `hash` stands for; kNoTarget when there is none. Two things with one
  // 64-bit hash are taken for one.
  std::uint32_t find_target(TargetKind kind, std::uint64_t hash) const;
  // A new one, to be filled in by the caller and then shown by show_target; kNoTarget when there is
  // no room (counted by the caller in targets_refused, if nothing else can stand for it).
  // Two threads that meet the same thing at the same instant make two: readers add them up.
  std::uint32_t take_target(TargetKind kind, std::uint64_t hash);
  void show_target(std::uint32_t index);
  std::uint32_t targets_used(TargetKind kind) const;
  static constexpr std::uint32_t kNoTarget = 0xFFFF;

  ThreadSlot& shared_slot() const { return slot_at(0); }
  std::uint32_t index_of(const ThreadSlot& slot) const {
    return static_cast<std::uint32_t>(&slot - &slot_at(0));
  }
  // Sections that are written elsewhere (preload/stack, preload/memory): modules, stacks and their
  // frames, functions, sites.
  Module& module_at(std::uint32_t index) const {
    return reinterpret_cast<Module*>(base_ + kModulesOffset)[index];
  }
  Site& site_at(std::uint32_t index) const {
    return reinterpret_cast<Site*>(base_ + kSitesOffset)[index];
  }
  Stack& stack_at(std::uint32_t index) const {
    return reinterpret_cast<Stack*>(base_ + kStacksOffset)[index];
  }
  std::uint64_t* frame_words() const {
    return reinterpret_cast<std::uint64_t*>(base_ + kFrameWordsOffset);
  }
  Function& function_at(std::uint32_t index) const {
    return reinterpret_cast<Function*>(base_ + kFunctionsOffset)[index];
  }
  SourceFile& source_file_at(std::uint32_t index) const {
    return reinterpret_cast<SourceFile*>(base_ + kSourceFilesOffset)[index];
  }
  char* function_text() const { return reinterpret_cast<char*>(base_ + kFunctionTextOffset); }

  // -- memory -----------------------------------------------------------------------------------
  void count_allocation(ThreadSlot& slot, std::uint64_t requested, std::uint64_t usable) {
    if (add_allocation(slot, requested, usable)) [[unlikely]] {
      publish(slot);
    }
  }
  void count_free(ThreadSlot& slot, std::uint64_t usable) {
    if (add_free(slot, usable)) [[unlikely]] {
      publish(slot);
    }
  }
  // The same for a caller that is to end in a tail call: it publishes by itself. True when
  // publish(slot) is due.
  [[nodiscard, gnu::always_inline]] static bool add_allocation(ThreadSlot& slot,
                                                               std::uint64_t requested,
                                                               std::uint64_t usable) {
    own_add(slot.memory.allocations, 1);
    own_add(slot.memory.allocated_bytes, requested);
    return grow(slot, static_cast<std::int64_t>(usable));
  }
  [[nodiscard, gnu::always_inline]] static bool add_free(ThreadSlot& slot, std::uint64_t usable) {
    own_add(slot.memory.frees, 1);
    own_add(slot.memory.freed_bytes, usable);
    return shrink(slot, static_cast<std::int64_t>(usable));
  }
  // Adds the change of the thread's live bytes since the last time to the process's.
  void publish(ThreadSlot& slot);
  // A realloc that succeeded, counted in one step: the peak never has old and new block at once.
  void count_reallocation(ThreadSlot& slot, std::uint64_t requested, std::uint64_t usable_before,
                          std::uint64_t usable_after);
  void count_failure(ThreadSlot& slot) { own_add(slot.memory.failed, 1); }
  void shared_allocation(std::uint64_t requested, std::uint64_t usable);
  void shared_free(std::uint64_t usable);
  void shared_reallocation(std::uint64_t requested, std::uint64_t before, std::uint64_t after);
  void shared_failure() { shared_add(slot_at(0).memory.failed, 1); }
  // Live bytes that this recording starts with (a forked child inherits its parent's blocks).
  void inherit_live(std::int64_t bytes);
  std::int64_t live_bytes() const;

  // -- calls ------------------------------------------------------------------------------------
  // `slot` may be nullptr (shared rows). `ticks` is already without idle time.
  [[gnu::always_inline]] void count_call(ThreadSlot* slot, Call call, std::uint64_t ticks,
                                         bool failed, std::uint64_t bytes) {
    const auto index = static_cast<std::uint32_t>(call);
    if (slot != nullptr) [[likely]] {
      std::uint32_t row = slot->row_of[index];
      if (row == 0) [[unlikely]] {
        row = take_row(*slot, index);
      }
      if (row != kNoRow) [[likely]] {
        count_in(row_at(row).totals, ticks, failed, bytes);
        return;
      }
    }
    count_shared(index, ticks, failed, bytes);
  }
  // Counts the error number of a failed call; 0: it has none.
  void count_error(Call call, std::int32_t error);
  // Exact mode's section; nullptr when the recording has none.
  Kernel* kernel() const {
    return header().kernel.count != 0 ? reinterpret_cast<Kernel*>(base_ + kKernelOffset) : nullptr;
  }
  // Where CPU time is counted (preload/cpu); nullptr when it is not.
  CpuProfile* cpu() const {
    const Section& cpu = header().cpu;
    return cpu.count != 0 ? reinterpret_cast<CpuProfile*>(base_ + cpu.offset) : nullptr;
  }
  // What LAMPREY_FLUSH=batch reports from; nullptr without it.
  Trail* trail() const {
    const Section& trail = header().trail;
    return trail.count != 0 ? reinterpret_cast<Trail*>(base_ + trail.offset) : nullptr;
  }
  // Whether it is time to wake the companion: it has not seen the end of init, or much since.
  bool is_trail_due() const;
  // Whether the companion has so much left to tell of that the next invocation should wait for it.
  bool is_reader_behind() const;
  // It was waited for in vain: not again before it has told of some.
  void stop_waiting_for_reader() const;
  // A system call that the kernel has answered, by its number. `ticks` as above.
  void count_kernel(std::uint32_t number, std::uint64_t ticks, bool failed, std::uint64_t bytes);
  // Adds a call's time to the class of the thread's time that it was spent on.
  static void charge(ThreadSlot* slot, CallClass spent_on, std::uint64_t ticks) {
    if (slot != nullptr) [[likely]] {
      own_add(slot->class_ticks[static_cast<std::uint32_t>(spent_on)], ticks);
    }
  }
  // The part of [from, to] in which no invocation ran and init was over, in ticks.
  std::uint64_t idle_between(std::uint64_t from, std::uint64_t to) const;
  std::uint64_t busy_between(std::uint64_t from, std::uint64_t to) const {
    const std::uint64_t all = to > from ? to - from : 0;
    return all < kLongCallTicks ? all : all - idle_between(from, to);
  }

  // -- waits ------------------------------------------------------------------------------------
  // One that took kLeastWaitNs or more. Lock-free; any thread, any signal handler.
  void add_wait(const Wait& wait);
  // A file of `import.package` was opened during init: what belongs to another package ends with
  // it. Parts shorter than `least` ticks are not kept. One caller at a time.
  void note_import(const Import& import, std::uint64_t least);

  // -- marks ------------------------------------------------------------------------------------
  // False when another thread has marked it already, or is about to.
  bool mark_init_end(ClockPair now, const ResourceUse& use = {});
  // CPU time that the thread `tid` of this process has used, ns; 0: not to be had.
  using CpuOf = std::uint64_t (*)(std::int32_t tid);
  // Returns the invocation's sequence.
  std::uint64_t mark_start(const RequestFacts& facts, const ThreadSlot* slot, std::int32_t tid,
                           ClockPair now, std::uint64_t real_ns, CpuOf cpu_of = nullptr);
  // Returns the sequence of the invocation that it answers; 0 when that is not open.
  std::uint64_t mark_response(const char* request_id, bool error, ClockPair now);
  // `preferred`: the invocation that arrived on the same connection, 0 if unknown; `tid`: who asks
  // for more work. False when nothing was open that this can have ended. Of concurrent invocations
  // (kFlagConcurrent) only `preferred` ends, and only once it has been answered.
  bool mark_end(std::uint64_t preferred, std::int32_t tid, ClockPair now,
                const ResourceUse& use = {}, CpuOf cpu_of = nullptr);
  // What was sent as the answer to `sequence`, and what the Runtime API said of it.
  void mark_answer(std::uint64_t sequence, std::uint64_t bytes);
  void mark_answer_status(std::uint64_t sequence, std::uint32_t status);
  void mark_restored(ClockPair now);
  // -- notes ------------------------------------------------------------------------------------
  // The runtime's word for the error of an invocation; 0: of init.
  void note_error(std::uint64_t sequence, const char* type);
  // A child that was started; the caller fills in the rest.
  Child& new_child(std::int32_t pid, std::uint64_t started);
  // The newest with that pid that was not waited for; nullptr: there is none.
  Child* find_child(std::int32_t pid);

  bool init_ended() const { return load(header().init_end.ticks) != 0; }

 private:
  Notes& notes() const { return *reinterpret_cast<Notes*>(base_ + kNotesOffset); }
  Timeline& timeline() const { return *reinterpret_cast<Timeline*>(base_ + kTimelineOffset); }
  ThreadSlot& slot_at(std::uint32_t index) const {
    return reinterpret_cast<ThreadSlot*>(base_ + kSlotsOffset)[index];
  }
  CallRow& row_at(std::uint32_t index) const {
    return reinterpret_cast<CallRow*>(base_ + kRowsOffset)[index];
  }
  Invocation& invocation_at(std::uint64_t sequence) const {
    return reinterpret_cast<Invocation*>(base_ + kInvocationsOffset)[sequence % kInvocations];
  }
  Boundary& boundary_at(std::uint64_t sequence) const {
    return reinterpret_cast<Boundary*>(base_ + kBoundariesOffset)[sequence % kBoundaries];
  }
  std::uint32_t slots_used() const;

  // Both return whether publish(slot) is due.
  [[gnu::always_inline]] static bool grow(ThreadSlot& slot, std::int64_t usable) {
    own_add(slot.memory.live_bytes, usable);
    const std::int64_t live = load(slot.memory.live_bytes);
    if (live <= load(slot.peak)) [[likely]] {
      return false;
    }
    store(slot.peak, live);
    return live - load(slot.published) > kPublishStep;
  }
  [[gnu::always_inline]] static bool shrink(ThreadSlot& slot, std::int64_t usable) {
    own_add(slot.memory.live_bytes, -usable);
    return load(slot.published) - load(slot.memory.live_bytes) > kPublishStep;
  }
  static void count_in(CallTotals& totals, std::uint64_t ticks, bool failed, std::uint64_t bytes) {
    own_add(totals.calls, 1);
    if (failed) [[unlikely]] {
      own_add(totals.errors, 1);
    }
    if (bytes != 0) {
      own_add(totals.bytes, bytes);
    }
    own_add(totals.ticks, ticks);
    own_add(totals.buckets[bucket_of(ticks)], 1);
    if (ticks > load(totals.max_ticks)) [[unlikely]] {
      store(totals.max_ticks, ticks);
    }
  }
  ThreadSlot* claim_slot(std::int32_t tid);
  bool reclaim_slots(IsGone is_gone);
  void shared_live(std::int64_t change);
  std::uint32_t take_row(ThreadSlot& slot, std::uint32_t call);
  void count_shared(std::uint32_t call, std::uint64_t ticks, bool failed, std::uint64_t bytes);
  void write_boundary(std::uint64_t sequence, ClockPair now, const ResourceUse& use);
  void sum_memory(MemoryTotals& into) const;
  CallTotals& totals_in(Boundary& boundary, std::uint32_t call);
  void sum_calls(Boundary& boundary);
  void sum_in_flight(Boundary& boundary, ClockPair now);
  void sum_targets(Boundary& boundary) const;
  void write_kernel_boundary(std::uint64_t sequence, std::uint64_t place) const;
  void write_trail(std::uint64_t sequence, std::uint64_t number) const;
  CallClass class_in_flight(const InFlight& flight) const;
  ThreadMoment moment_of(const ThreadAccount& account, std::uint64_t now, CpuOf cpu_of) const;
  void open_accounts(Invocation& entry, std::uint64_t now, CpuOf cpu_of) const;
  void restart_peak();
  void restart_samples();
  void restart_longest() const;
  void restart_timeline(std::uint64_t sequence);
  std::int64_t peak_live() const;
  Invocation* open_invocation(std::uint64_t preferred, std::int32_t tid) const;
  static bool claim_end(Invocation& entry);
  void begin_idle(std::uint64_t interval, std::uint64_t now);
  void count_started(std::uint64_t now);
  void count_ended(std::uint64_t now);

  // Idle intervals by the number that Header::activity has for them; `end` is 0 while nothing has
  // started since. Private to the process (a reader has the marks).
  struct Interval {
    std::uint64_t begin;
    std::uint64_t end;
  };
  static constexpr std::uint32_t kIdleIntervals = 64;

  // Where targets are found by their hash: index in Target[] + 1, 0 empty; open addressing.
  static constexpr std::uint32_t kIndex = 1024;
  static_assert(kIndex >= kTargets * 2);

  std::byte* base_ = nullptr;
  std::uint16_t index_[kIndex] = {};
  Interval idle_[kIdleIntervals] = {};
  bool boundary_busy_ = false;
  bool reclaiming_ = false;
  // Where in Boundary::calls each call stands, + 1; 0: nowhere yet. Used by the one thread that
  // writes a boundary.
  std::uint16_t place_of_[kCallCount] = {};
  std::uint32_t places_used_ = 0;
};

}  // namespace lamprey::recording
