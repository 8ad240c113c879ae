// The companion's life: register, answer each INVOKE with one line when the invocation has ended,
// answer SHUTDOWN with what is left, and always ask for `next` again. Only the order of steps lives
// here; figures, files and traffic live elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "companion/config.h"
#include "companion/ending.h"
#include "companion/notable.h"
#include "companion/recordings.h"
#include "companion/unrecorded.h"
#include "lambda/extensions_client.h"
#include "lambda/telemetry_client.h"
#include "report/model/report.h"
#include "report/summary/summary.h"
#include "symbols/symbolizer.h"

namespace lamprey::companion {

// What a companion takes from its surroundings; tests pass their own.
struct Surroundings {
  std::string api;        // AWS_LAMBDA_RUNTIME_API
  std::string name;       // base name of the program
  std::string directory;  // of the recordings
  int output = 1;         // where lines go
  Lookup lookup;          // the environment
  std::uint64_t started_real_ns = 0;
};

class Companion {
 public:
  explicit Companion(Surroundings surroundings);

  // Returns after SHUTDOWN: the exit status, always 0.
  int run();

 private:
  // Where an invocation was found, and what to sleep on until that changes.
  struct Sight {
    std::optional<recording::Invocation> entry;
    Followed* owner = nullptr;  // its recording, or the only one
    std::uint32_t word = 0;     // the owner's futex word before the look
    bool readable = false;      // at least one recording could be read
  };

  void load_config_and_journal();
  void subscribe();
  void add_platform(report::Report& report);
  void on_invoke(const lambda::Event& event);
  void on_shutdown(const lambda::Event& event);
  void report_ends(const lambda::Event& event);
  void scan_recordings();  // new files, orphans, complaints
  // How many invocations it printed. `ahead`: one has probably ended.
  std::size_t report_ended_invocations(const std::string& current_request, bool ahead = false);
  void wait_for_quick_end(std::uint64_t limit_ns);
  void report_ended_children();
  // LAMPREY_FLUSH=batch
  void open_alarm();
  std::chrono::milliseconds look_in_batches();
  std::chrono::nanoseconds watch_open(Followed& followed);
  void keep_sum();
  Sight look_for(const std::string& request_id);
  Circumstances circumstances_of(Followed& followed);
  void wait_for_end(const lambda::Event& event, std::uint64_t begin, std::uint64_t limit);
  bool any_boundaries();
  std::string why_nothing() const;
  void say_unrecorded();
  void note_unrecorded(const lambda::Event& event);
  void print(report::Report& report, report::Ledger* of = nullptr);
  // False: the report needs a line of its own.
  bool add_to_summary(const report::Report& report, report::Ledger* of);
  void print_summary();
  void print_due_summary();
  void print_summary_of_predecessor();
  void tell_lost(bool all_went);
  void send_waiting(std::chrono::milliseconds most);  // lines that standard output had no room for
  report::Sink printer(report::Ledger& of, bool late = false);
  void count_failed_init(report::EndCause& end);
  void note_init_ended();
  void log(LogLevel level, const std::string& text);
  void guarded(const char* what, const std::function<void()>& work);

  Surroundings surroundings_;
  Config config_;
  lambda::ExtensionsClient client_;
  lambda::Registration registration_;
  std::optional<lambda::TelemetryClient> telemetry_;  // with LAMPREY_TELEMETRY=on
  Journal journal_;
  Recordings recordings_;
  Unrecorded unrecorded_;
  Notable notable_;
  report::Summary summary_;             // with LAMPREY_LINES=notable
  std::uint64_t summary_begun_ns_ = 0;  // CLOCK_REALTIME
  symbols::Symbolizer symbolizer_;
  std::uint64_t names_ns_ = 0;  // what this event may still spend on names
  // What was added up last is not in the journal yet: of which recording, and what is then
  // reported.
  bool sum_unkept_ = false;
  bool defers_sum_ = false;
  report::Ledger* unkept_of_ = nullptr;
  report::Reported unkept_after_;
  bool managed_instances_ = false;
  bool batch_ = false;
  int alarm_ = -1;  // readable when a library says that there is much to tell
  bool unrecorded_said_ = false;
  bool served_ = false;   // a process of this environment has asked for work
  std::string obstacle_;  // why there is no directory of recordings; empty when there is one
  std::string last_complaint_;
  report::MemoryKills kills_before_us_;    // the kernel's counters at our predecessor's last look
  std::uint64_t ended_mono_ns_ = 0;        // END of the invocation just reported; 0 none
  bool current_ended_ = false;             // the invocation of this event was reported
  std::uint64_t gone_mono_ns_ = 0;         // when the runtime was found dead
  std::optional<std::uint64_t> flush_ns_;  // from END to `next`, of the invocation before
};

// How long to wait for an invocation's end before asking for `next` without it, in ms: up to the
// deadline less 5 % (at least 50 ms, at most 500 ms). 0: not at all.
std::uint64_t patience_ms(std::uint64_t now_ms, std::uint64_t deadline_ms);

}  // namespace lamprey::companion
