// The companion's main loop; see the header. Ends are handled in companion_ends.cpp.
#include "companion/companion.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <string_view>
#include <thread>

#include "cloudwatch/form.h"
#include "companion/neighbours.h"
#include "companion/wrapper_note.h"
#include "recording/reader_directory.h"
#include "report/ledger/at_rest.h"
#include "report/procfs/process.h"
#include "report/text/headline.h"
#include "report/text/stack_names.h"

namespace lamprey::companion {
namespace {

using recording::InvocationState;
using recording::monotonic_ns;
using recording::realtime_ns;
using report::Report;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::uint64_t kNsAMs = 1'000'000;
// The runtime gets its request when we get ours. A START that has not come by then never will: the
// library does not see the runtime's traffic. Waiting longer would only cost the function time.
constexpr std::uint64_t kStartPatienceNs = 500 * kNsAMs;
// An invocation this long may become a timeout: what its threads do is worth a look.
constexpr std::uint64_t kLongNs = 100 * kNsAMs;
constexpr std::uint64_t kDeadlineUnknownMs = 1000;
// So long before we stop waiting, its threads are asked where they are: a thread that computes must
// get the CPU to answer.
constexpr nanoseconds kAskBefore = milliseconds{100};
// On Managed Instances nobody says when an invocation ends, so recordings are polled. A recording
// keeps the totals of the last few ends only (recording::kBoundaries). We therefore poll more often
// at the start, when most inits end, and for a while after each end.
constexpr milliseconds kDrainEvery{1000};
constexpr milliseconds kDrainSoon{100};
constexpr int kLooksAtFirst = 100;
constexpr int kLooksAfterAnEnd = 20;
// How long an invocation may wait for names. What is not found by then is named in the next line.
constexpr std::uint64_t kNamesNs = kNsAMs;
// After a shutdown there is no next line, and it leaves us at least 300 ms.
constexpr std::uint64_t kLastNamesNs = 50 * kNsAMs;
constexpr nanoseconds kNap = milliseconds{1};
constexpr nanoseconds kQuick = milliseconds{20};

bool is_managed_instances(const Lookup& lookup) {
  const char* type = lookup("AWS_LAMBDA_INITIALIZATION_TYPE");
  return type != nullptr && std::string_view(type) == "lambda-managed-instances";
}

std::optional<std::uint64_t> memory_size_mb(const Lookup& lookup) {
  const char* text = lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
  const std::string_view words = text != nullptr ? text : "";
  std::uint64_t size = 0;
  const auto read = std::from_chars(words.data(), words.data() + words.size(), size);
  return read.ec == std::errc{} && size != 0 ? std::optional(size) : std::nullopt;
}

}  // namespace

std::uint64_t patience_ms(std::uint64_t now_ms, std::uint64_t deadline_ms) {
  const std::uint64_t left =
      deadline_ms == 0 ? kDeadlineUnknownMs : deadline_ms - std::min(deadline_ms, now_ms);
  const std::uint64_t margin = std::clamp<std::uint64_t>(left / 20, 50, 500);
  return left - std::min(left, margin);
}

Companion::Companion(Surroundings surroundings)
    : surroundings_(std::move(surroundings)),
      client_({surroundings_.api, surroundings_.name,
               [this](const std::string& text) { log(LogLevel::kError, text); }}),
      journal_(surroundings_.directory, surroundings_.api),
      recordings_(surroundings_.directory, surroundings_.api, surroundings_.started_real_ns,
                  journal_),
      unrecorded_(surroundings_.api, memory_size_mb(surroundings_.lookup)),
      managed_instances_(is_managed_instances(surroundings_.lookup)) {}

int Companion::run() {
  const bool off = is_off(surroundings_.lookup);
  batch_ = is_batch(surroundings_.lookup);
  std::vector<std::string> events;
  if (!off) {
    events = managed_instances_ || batch_ ? std::vector<std::string>{"SHUTDOWN"}
                                          : std::vector<std::string>{"INVOKE", "SHUTDOWN"};
  }
  registration_ = client_.register_for(events);
  if (!off) {
    guarded("settling in", [this] { load_config_and_journal(); });
    guarded("the subscription", [this] { subscribe(); });
  }
  lambda::ExtensionsClient::Idle idle;
  if (batch_ && !off) {
    open_alarm();
    idle = [this] { return look_in_batches(); };
  } else if (managed_instances_ && !off) {
    idle = [this, soon = kLooksAtFirst]() mutable {
      std::size_t drained = 0;
      guarded("looking at recordings", [this, &drained] {
        send_waiting(milliseconds{0});
        scan_recordings();
        drained = report_ended_invocations({});
        report_ended_children();
        print_due_summary();
      });
      soon = std::max(drained != 0 ? kLooksAfterAnEnd : 0, soon - 1);
      return soon > 0 ? kDrainSoon : kDrainEvery;
    };
  }
  while (true) {
    if (ended_mono_ns_ != 0) {
      flush_ns_ = monotonic_ns() - ended_mono_ns_;
      ended_mono_ns_ = 0;
    }
    names_ns_ = kNamesNs;
    const lambda::Event event = client_.next(idle);
    if (event.type == lambda::EventType::kShutdown) {
      if (off) {
        return 0;
      }
      guarded("the shutdown", [this, &event] { on_shutdown(event); });
      return 0;
    }
    if (!off) {
      guarded("an invocation", [this, &event] { on_invoke(event); });
    }
  }
}

// Whatever fails here, we still ask for `next`: an extension that exits ends the function's
// environment.
void Companion::guarded(const char* what, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log(LogLevel::kError, fmt::format("{} went wrong: {}", what, error.what()));
  }
}

void Companion::load_config_and_journal() {
  std::vector<std::string> complaints;
  config_ = read_config(surroundings_.lookup, complaints);
  for (const std::string& complaint : complaints) {
    std::fprintf(stderr, "%s\n", complaint.c_str());
  }
  obstacle_ = recording::make_directory(surroundings_.directory);
  if (!obstacle_.empty()) {
    log(LogLevel::kError, obstacle_);
  } else {
    remove_abandoned_journals(surroundings_.directory);
    if (!journal_.open(surroundings_.output)) {
      log(LogLevel::kError,
          fmt::format("no journal can be kept in {}: a restart may lose or repeat a line",
                      surroundings_.directory));
    }
  }
  kills_before_us_ = journal_.state().kills;
  recordings_.note_memory_kills();
  journal_.state().kills = recordings_.memory_kills_at_start();
  journal_.keep_state();
  print_summary_of_predecessor();
}

// Sends the request without waiting: Lambda answers while the runtime starts.
void Companion::subscribe() {
  if (config_.telemetry) {
    telemetry_.emplace(surroundings_.api,
                       [this](const std::string& text) { log(LogLevel::kError, text); });
    telemetry_->subscribe(client_.identifier(), managed_instances_ ? "2025-01-29" : "2022-12-13");
  }
}

void Companion::add_platform(Report& report) {
  if (!telemetry_) {
    return;
  }
  telemetry_->collect();
  if (auto earlier = telemetry_->take()) {
    report.platform = {std::move(earlier->request_id), earlier->billed_ms, earlier->max_memory_mb,
                       earlier->init_ns, earlier->restore_ns};
  }
}

void Companion::scan_recordings() {
  std::vector<std::string> complaints;
  recordings_.scan(complaints);
  for (const auto& followed : recordings_.live()) {
    followed->ledger().look_at_everything(config_.detail == cloudwatch::Detail::kFull);
  }
  for (const std::string& complaint : complaints) {
    std::fprintf(stderr, "%s\n", complaint.c_str());
  }
  for (Recordings::Orphan& orphan : recordings_.take_orphans()) {
    report::Hints hints;
    hints.before = kills_before_us_;
    hints.after = recordings_.memory_kills_at_start();
    hints.late_request = journal_.state().late_request;
    hints.all = orphan.known;
    const report::Ledger& ledger = *orphan.ledger;
    if (ledger.header().role == recording::Role::kRuntime && !ledger.init_ended() &&
        !ledger.reported_so_far().whole) {
      report::EndCause unused;
      count_failed_init(unused);
    }
    report::give_orphan(*orphan.ledger, hints, printer(*orphan.ledger, true));
    recordings_.delete_orphan(orphan);
  }
}

report::Sink Companion::printer(report::Ledger& of, bool late) {
  return [this, &of, late](Report& report) {
    report.late = late;
    print(report, &of);
  };
}

std::size_t Companion::report_ended_invocations(const std::string& current_request, bool ahead) {
  std::size_t drained = 0;
  for (const auto& followed : recordings_.live()) {
    report::Ledger& ledger = followed->ledger();
    if (!(ahead ? ledger.refresh_ahead() : ledger.refresh())) {
      continue;
    }
    if (ledger.report_init(printer(ledger))) {
      note_init_ended();
    }
    defers_sum_ = batch_;
    drained += ledger.report_ended([this, &current_request, &ledger](Report& report) {
      const bool current = report.request_id == current_request;
      report.late = !managed_instances_ && !batch_ && !current;
      current_ended_ = current_ended_ || current;
      if (current && report.started_mono_ns && report.duration_ns) {
        ended_mono_ns_ = *report.started_mono_ns + *report.duration_ns;
      }
      print(report, &ledger);
    });
    defers_sum_ = false;
    keep_sum();
  }
  recordings_.drop_wrappers(false);
  return drained;
}

// Children and workers end while the environment lives on. Reports those that have ended and
// removes their recordings.
void Companion::report_ended_children() {
  std::vector<Followed*> ended;
  for (const auto& followed : recordings_.live()) {
    if ((followed->is_child() || followed->replaced) && followed->has_ended()) {
      ended.push_back(followed.get());
    }
  }
  for (Followed* followed : ended) {
    report::give_orphan(followed->ledger(), {}, printer(followed->ledger()));
    recordings_.remove(*followed);
  }
}

bool Companion::any_boundaries() {
  return std::any_of(recordings_.live().begin(), recordings_.live().end(),
                     [](const auto& followed) { return followed->ledger().init_ended(); });
}

void Companion::on_invoke(const lambda::Event& event) {
  log(LogLevel::kDebug, fmt::format("INVOKE {}", event.request_id));
  gone_mono_ns_ = 0;
  const std::uint64_t begin = monotonic_ns();
  const std::uint64_t limit =
      begin + (patience_ms(realtime_ns() / kNsAMs, event.deadline_ms) * kNsAMs);
  send_waiting(milliseconds{0});
  print_due_summary();
  scan_recordings();
  current_ended_ = false;
  wait_for_quick_end(limit);
  report_ended_invocations(event.request_id, true);
  report_ended_children();
  if (current_ended_) {
    unrecorded_.forget();
    return;
  }
  // A recorded runtime was seen asking for its first `next` before anybody got an event. Where
  // nobody was, waiting for a START would cost the function time, and none would come.
  if (!any_boundaries()) {
    note_unrecorded(event);
    return;
  }
  unrecorded_.forget();
  for (const auto& followed : recordings_.live()) {
    followed->begin_invocation();
  }
  // Also when no START was seen yet: a request that arrives in pieces is marked after its last
  // piece, and the platform may tell us before that.
  wait_for_end(event, begin, limit);
  report_ended_invocations(event.request_id, true);
}

void Companion::note_unrecorded(const lambda::Event& event) {
  // A `next` that leaves in pieces is marked after the last of them, and may just be on its way:
  // what is not seen now may be by the next event.
  if (recordings_.live().empty() || unrecorded_.any()) {
    say_unrecorded();
  }
  if (auto before = unrecorded_.begin(event, realtime_ns())) {
    print(*before);
  }
}

// Looks once at every recording: in which one the invocation is, and the word to sleep on.
Companion::Sight Companion::look_for(const std::string& request_id) {
  Sight sight;
  auto& live = recordings_.live();
  for (const auto& followed : live) {
    report::Ledger& ledger = followed->ledger();
    const auto word = ledger.reader().wake();  // before the marks: no wake-up falls between
    if (!word || !ledger.refresh()) {
      continue;
    }
    sight.readable = true;
    sight.entry = ledger.find(request_id);
    if (sight.entry || live.size() == 1) {
      sight.owner = followed.get();
      sight.word = *word;
    }
    if (sight.entry) {
      break;
    }
  }
  return sight;
}

// Most invocations of small functions are over in a few milliseconds. So before anything is looked
// at, the word that was seen last is slept on: where that wakes us, one look at the recording shows
// the end and all that is to be said of it.
void Companion::wait_for_quick_end(std::uint64_t limit_ns) {
  const auto& live = recordings_.live();
  const bool usual = live.size() == 1 && live.front()->ledger().init_ended() &&
                     !live.front()->waiter().naps() && journal_.waiting() == 0;
  const std::uint64_t now = monotonic_ns();
  if (usual && now < limit_ns) {
    live.front()->waiter().wait(
        live.front()->ledger().reader().wake_before(),
        std::min(nanoseconds{static_cast<std::int64_t>(limit_ns - now)}, kQuick));
  }
}

void Companion::wait_for_end(const lambda::Event& event, std::uint64_t begin, std::uint64_t limit) {
  for (bool first = true;; first = false) {
    const Sight sight = look_for(event.request_id);
    if (sight.entry && sight.entry->state == InvocationState::kEnded) {
      return;
    }
    send_waiting(milliseconds{0});
    const std::uint64_t now = monotonic_ns();
    const std::uint64_t until = sight.entry ? limit : std::min(limit, begin + kStartPatienceNs);
    if (now >= until || !sight.readable) {
      if (sight.owner != nullptr && sight.entry) {
        sight.owner->snapshot_before_deadline();           // it may be killed before we hear of it
        journal_.state().late_request = event.request_id;  // and so may we
        journal_.keep_state();
      }
      log(LogLevel::kInfo, fmt::format("{}: {} when the time to wait was over", event.request_id,
                                       sight.entry ? "still running" : "no START seen"));
      return;
    }
    if (!first && sight.owner != nullptr && sight.owner->has_ended()) {
      gone_mono_ns_ = now;  // the platform will say why, once it has our `next`
      return;
    }
    nanoseconds left{static_cast<std::int64_t>(until - now)};
    if (left > kAskBefore) {
      left -= kAskBefore;
    } else if (sight.owner != nullptr && sight.entry) {
      sight.owner->ask_where();
    }
    if (sight.owner != nullptr) {
      if (!first) {
        sight.owner->sample_memory();
      }
      if (now > begin + kLongNs) {
        sight.owner->look_early();
      }
      sight.owner->waiter().wait(sight.word, left);
    } else {
      std::this_thread::sleep_for(std::min(left, kNap));
    }
  }
}

std::string Companion::why_nothing() const {
  if (!obstacle_.empty()) {
    return "nothing recorded: " + obstacle_;
  }
  auto note = read_wrapper_note(surroundings_.directory + "/wrapper");
  const bool stale =
      note && note->started_ns != 0 && note->started_ns < surroundings_.started_real_ns;
  const bool foreign = note && !note->environment.empty() && note->environment != surroundings_.api;
  if (stale || foreign) {
    note.reset();
  }
  return why_unrecorded(note);
}

// Says once why the function cannot be recorded. It then runs as if we were not there.
void Companion::say_unrecorded() {
  if (unrecorded_said_) {
    return;
  }
  unrecorded_said_ = true;
  Report report;
  report.type = report::Type::kInit;
  report.coverage.unseen.push_back(
      recordings_.live().empty()
          ? why_nothing()
          : std::string("invocations: the runtime's traffic with the Runtime API was not seen"));
  report::add_headline(report);
  print(report);
}

void Companion::print(Report& report, report::Ledger* of) {
  if (report.function_name.empty()) {
    report.function_name = registration_.function_name;
  }
  if (report.function_version.empty()) {
    report.function_version = registration_.function_version;
  }
  add_platform(report);
  const bool sum = report.type == report::Type::kSummary;
  report.self.flush_ns = sum ? std::nullopt : flush_ns_;  // each of its invocations had its own
  if (!sum && add_to_summary(report, of)) {
    return;
  }
  keep_sum();
  const bool last = report.type == report::Type::kShutdown || report.status != report::Status::kOk;
  cloudwatch::leave_out_unprinted(report, config_.detail);
  const std::uint64_t before = monotonic_ns();
  report::name_stacks(report, symbolizer_, before + (last ? kLastNamesNs : names_ns_));
  names_ns_ -= std::min(names_ns_, monotonic_ns() - before);
  if (cloudwatch::form_of(report, config_.detail) == cloudwatch::Form::kFull) {
    report.self.companion_rss_bytes = report::own_rss_bytes();
  }
  cloudwatch::LineOptions options;
  options.detail = config_.detail;
  options.metrics = config_.metrics;
  options.metric_namespace = config_.metric_namespace;
  options.dimensions = config_.dimensions;
  options.now_ms = realtime_ns() / kNsAMs;
  std::string line = cloudwatch::to_line(report, options);
  tell_lost(sum             ? journal_.print_summary(surroundings_.output, line)
            : of == nullptr ? journal_.print(surroundings_.output, std::move(line))
                            : journal_.print(surroundings_.output, std::move(line), of->header(),
                                             of->reported_so_far()));
}

void Companion::tell_lost(bool all_went) {
  if (!all_went) {
    log(LogLevel::kError, "a line could not be written to standard output");
  }
}

void Companion::send_waiting(milliseconds most) {
  if (journal_.waiting() != 0) {
    tell_lost(journal_.send_waiting(surroundings_.output, most));
    recordings_.remove_printed();
  }
}

void Companion::log(LogLevel level, const std::string& text) {
  if (level > config_.log || text == last_complaint_) {
    return;  // a complaint that repeats is printed once
  }
  last_complaint_ = text;
  std::fprintf(stderr, "lamprey: %s\n", text.c_str());
}

}  // namespace lamprey::companion
