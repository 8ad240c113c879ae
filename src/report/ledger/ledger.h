// One recording's reports, each exactly once: init, every invocation that ended, those open when
// the process ended, and the end of the process. Knows their order and what is missing. Does not
// wait, print, or decide when to read.
//
// Not thread-safe. Holds one set of totals (some 30 KB), of sites (48 KB) and of levels (18 KB)
// however many invocations pass.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "recording/reader.h"
#include "report/delta/cpu.h"
#include "report/delta/difference.h"
#include "report/delta/profile.h"
#include "report/delta/sites.h"
#include "report/delta/stacks.h"
#include "report/findings/finding_dedup.h"
#include "report/findings/leaks.h"
#include "report/findings/memory_end.h"
#include "report/findings/memory_watch.h"
#include "report/findings/time_history.h"
#include "report/ledger/work_left.h"
#include "report/model/report.h"
#include "report/procfs/closeup.h"
#include "report/procfs/held_back.h"
#include "report/procfs/process.h"
#include "report/text/end_description.h"

namespace lamprey::report {

// How a process is known to have ended.
struct EndCause {
  Status status = Status::kError;
  EndDescription death;           // its reason is empty when it is not abnormal
  std::uint64_t mono_ns = 0;      // at the latest; calls in flight count up to here
  bool duration_known = false;    // mono_ns is when it ended, not only when it was noticed
  std::vector<Finding> findings;  // of the code that judged the end
  Closeup closeup;                // of the process while it was late
  bool found_later = false;       // nobody watched: how long a call was in flight is unknown
};

// When an open invocation ended at the latest: the earlier of `now` and its deadline, in ns of
// CLOCK_MONOTONIC. It cannot run much longer than its deadline, however late its end is noticed.
std::uint64_t latest_end(const recording::Invocation& entry, std::uint64_t now_mono_ns);

using Sink = std::function<void(Report&)>;

// Which reports of a recording were made. The report that a sink is just given is already included.
struct Reported {
  bool init = false;
  bool whole = false;
  std::uint64_t next = 1;                      // every invocation below was reported or lost
  std::bitset<recording::kInvocations> flags;  // sequence % kInvocations, from `next` on
};

class Ledger {
 public:
  explicit Ledger(recording::Reader reader);

  recording::Reader& reader() { return reader_; }
  const recording::Header& header() const { return reader_.header(); }
  // As of now; nothing where the program's allocator tells no sizes.
  std::optional<std::int64_t> live_bytes(std::uint64_t mono_ns);

  // Looks at the recording again; false when it cannot be read any more.
  bool refresh() { return reader_.refresh(); }
  // The same, when an invocation is likely to have ended: all that its report needs is read at
  // once.
  bool refresh_ahead();

  // What was reported already, by this ledger or by one that had the recording before.
  Reported reported_so_far() const { return reported_; }
  void restore(const Reported& before);

  bool init_ended() const { return header().init_end.mono_ns != 0; }
  // The report of the init phase, once, when it is over.
  bool report_init(const Sink& sink);
  // The reports of all invocations that ended and were not reported yet, oldest first.
  std::size_t report_ended(const Sink& sink);
  // The invocations that had started and not ended when the process did.
  std::size_t report_open(const EndCause& end, const Sink& sink);
  // Everything since attach.
  void report_process_end(Type type, const EndCause& end, const Sink& sink);

  // The state of the invocation with this request id; nothing while it has not been seen, and once
  // it was reported: a request that is tried again has the same id.
  std::optional<recording::Invocation> find(std::string_view request_id);

  // A long invocation runs: what its threads have done so far, to compare with when it is killed.
  void note_threads(std::vector<ThreadLook> looks = {});

  // Looks at how much memory the process and its children hold together, if it has any.
  void sample_children();
  // Whether each invocation is looked at as a whole (the default), or only if its line is likely to
  // say all of it: figures of the process that a short line does not show are then absent.
  void look_at_everything(bool everything) { everything_ = everything; }

  // The process that wrote it.
  bool process_runs() { return process_.runs(); }
  // As Lambda set it; nothing when it is unknown or implausible.
  std::optional<std::uint64_t> memory_limit_bytes() const;
  // How the process says it ended, if it could write that.
  std::optional<SelfReport> self_report();

 private:
  Report begin(Type type);
  void fill(Report& report, const recording::Totals& before, const recording::Totals& after,
            bool peaks_known);
  void fill_invocation(Report& report, const recording::Invocation& entry);
  void fill_totals(Report& report, const recording::Invocation& entry);
  std::size_t ran_beside(const recording::Invocation& entry);
  void add_sites(Report& report, std::vector<MemorySite> sites) const;
  void fill_init(Report& report);
  void fill_wall(Report& report, const recording::Invocation& entry);
  void fill_open_wall(Report& report, const recording::Invocation& entry, std::int32_t handler,
                      std::uint64_t until, const EndCause& end);
  std::optional<std::uint64_t> runnable_since(std::int32_t tid);
  void take_stolen(Report& report);
  void take_held_from_others(WallFigures& wall);
  void complete_process(Report& report);
  bool needs_whole_process(const Report& report) const;
  bool is_alone(const std::vector<recording::Invocation>& ended);
  void add_sampled(Report& report, std::vector<MemorySite> sites);
  bool is_in_batches() const { return header().trail.count != 0; }
  // `handler`: the thread that matters; `began`, `until`: the span that ended, CLOCK_MONOTONIC.
  void add_blocked(Report& report, std::int32_t handler, std::uint64_t began, std::uint64_t until,
                   const EndCause& end);
  void add_calls_in_flight(Report& report, std::uint64_t began, std::uint64_t until,
                           const EndCause& end);
  void add_stacks(Report& report);
  void add_direct_syscalls(Report& report);
  void add_unnamed_functions(Report& report);
  void add_cpu(Report& report, std::optional<CpuFigures> figures);
  static void add_unsampled(Report& report);
  void add_unseen_memory(Report& report, const recording::Totals& after);
  void add_errors(Report& report);
  void add_limits(Report& report);
  void add_all_memory(Report& report);
  // Children that ran between two moments, in ticks.
  void add_children(Report& report, std::uint64_t from, std::uint64_t until);
  void add_kernel(Report& report, const recording::Totals& before, const recording::Totals& after,
                  Peaks peaks);
  std::uint64_t add_worked(Report& report, std::uint64_t began, std::uint64_t until);
  void add_awaited(Blocked& blocked, const recording::OpenCall& call,
                   const recording::Connections& known, std::uint64_t began, std::uint64_t until,
                   const EndCause& end);
  std::string watched_text(const recording::OpenCall& call, const recording::Connections& known,
                           const Closeup& closeup);
  // Whose waits (0: those of init), a span of ticks, and the thread whose waits count whatever they
  // are for.
  struct TimelineSpan {
    std::uint64_t sequence;
    std::uint64_t from;
    std::uint64_t until;  // 0: there are none
    std::int32_t handler;
  };
  void add_timeline(Report& report, const TimelineSpan& span);
  void finish_timeline(Report& report);
  void offer_profile(Report& report);
  void note_slowest(Report& report);
  void add_first_uses(Report& report);
  void add_work_left(Report& report, const recording::Invocation& entry,
                     const std::vector<recording::SlotLook>& slots);
  void charge_to_others(Report& report, const recording::Invocation& entry,
                        const std::vector<recording::SlotLook>& slots);
  void charge_to_computing_thread(Report& report, std::uint64_t began);
  std::int32_t handler_now(const recording::Invocation& entry, const EndCause& end);
  void finish(Report& report, const Sink& sink);
  bool reported(std::uint64_t sequence) const;
  void mark_given(std::uint64_t sequence);
  void skip_overwritten();

  // Whose the figures are that only the present can tell: /proc's, and what was sampled.
  enum class Present : std::uint8_t {
    kOwn,     // this invocation's
    kNewest,  // as they are now; what has grown is that of several invocations
    kNone,    // a later one's
  };
  static constexpr std::uint64_t kAttach = UINT64_MAX;  // base_sequence_: totals of the attach

  recording::Reader reader_;
  ProcessView process_;
  RunDelays run_delays_;
  HeldBack held_back_;
  std::uint64_t held_left_ns_ = 0;  // by the quota, and not found in the handler's own account
  std::unique_ptr<recording::Totals> base_;
  std::uint64_t base_sequence_ = kAttach;
  Reported reported_;
  std::uint64_t lost_ = 0;
  ProcessFigures last_process_;
  bool everything_ = true;  // see look_at_everything()
  // While the one invocation that has ended is told of: the figures at the end before, until
  // complete_process() has used them.
  std::optional<ProcessFigures> process_before_;
  Present present_ = Present::kOwn;
  std::uint64_t looked_at_ = 0;        // Header::started when the present was last looked at
  std::uint64_t looked_before_ = 0;    // and the time before
  ProcessFigures last_whole_process_;  // as it was when it was last looked at as a whole
  LeakWatch leaks_;
  MemoryWatch memory_watch_;
  AddressSpaceReader address_space_;
  SiteLedger sites_;
  ProfileLedger profile_;
  CpuLedger cpu_;
  TimeHistory time_history_;
  FindingDedup finding_dedup_;
  WorkLeft work_left_;
  TimelineSpan timeline_of_{};  // of the invocation that is told of, until its line is known
  KnownModules modules_;
  std::array<std::uint32_t, 100> recent_us_{};  // how long the newest invocations took
  std::size_t recent_ = 0;                      // of them, ever
  std::uint64_t early_ns_ = 0;  // CLOCK_MONOTONIC: when note_threads() was last called
  std::vector<recording::ThreadTime> early_threads_;
  std::vector<ThreadLook> early_looks_;
  std::vector<recording::SlotLook> slots_before_;  // at the end before
  MemoryKills kills_;                              // as last counted
  std::uint64_t all_peak_rss_ = 0;  // of the process and its children, when they were looked at
  std::vector<std::uint64_t> errors_before_;  // counts of Header::call_errors when last read
  std::vector<std::string> direct_syscalls_;  // what coverage says about them
  std::vector<std::string> not_searched_;  // for them: mapped when last looked, without time left
  // Of threads that handled invocations, when last read; the oldest gives way.
  struct RunDelay {
    std::int32_t tid;
    std::uint64_t ns;
  };
  std::array<RunDelay, 64> run_delay_{};
  std::size_t run_delays_known_ = 0;
  RunDelay* run_delay_of(std::int32_t tid);
};

}  // namespace lamprey::report
