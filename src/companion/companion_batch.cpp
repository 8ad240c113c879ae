// The companion's part in LAMPREY_FLUSH=batch: it takes no part in invocations. It sleeps, looks
// now and then at what has ended since, and shortly before the deadline of what runs.
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "companion/companion.h"

namespace lamprey::companion {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Shorter than the shortest timeout (1 s), by what it takes to ask a thread where it is.
constexpr milliseconds kLookEvery{800};
// Where no library can wake us. In that time fewer invocations end than a recording has room for.
constexpr milliseconds kLookWithoutAlarm{50};
constexpr milliseconds kLookWhenFull{50};
constexpr milliseconds kPatience{20};  // for standard output
constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::uint64_t kLongNs = 100 * kNsAMs;
constexpr std::uint64_t kAskBeforeMs = 100;
constexpr std::uint64_t kNamesNs = 2 * kNsAMs;

}  // namespace

// A library sets the time of its recording when there is much to tell. That can be waited for
// together with the platform's next event, which a futex cannot.
void Companion::open_alarm() {
  alarm_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (alarm_ >= 0 && inotify_add_watch(alarm_, surroundings_.directory.c_str(), IN_ATTRIB) < 0) {
    close(alarm_);
    alarm_ = -1;
  }
  client_.wake_by(alarm_);
}

milliseconds Companion::look_in_batches() {
  nanoseconds sleep = alarm_ < 0 ? kLookWithoutAlarm : kLookEvery;
  guarded("looking at recordings", [this, &sleep] {
    std::array<char, 4096> rung;
    while (alarm_ >= 0 && read(alarm_, rung.data(), rung.size()) > 0) {
    }
    names_ns_ = kNamesNs;
    send_waiting(kPatience);
    if (journal_.waiting() != 0) {
      sleep = kLookWhenFull;  // the recording keeps what standard output has no room for
      return;
    }
    scan_recordings();
    report_ended_invocations({});
    report_ended_children();
    print_due_summary();
    for (const auto& followed : recordings_.live()) {
      followed->note_told();
      sleep = std::min(sleep, watch_open(*followed));
    }
  });
  return ceil<milliseconds>(sleep);
}

// Until when nothing has to be done for the invocation that runs. Nobody holds it: what is asked
// for shortly before its deadline is what a timeout's line will say.
nanoseconds Companion::watch_open(Followed& followed) {
  report::Ledger& ledger = followed.ledger();
  const auto entry = ledger.reader().invocation(ledger.header().started);
  if (!entry || entry->state == recording::InvocationState::kEnded || entry->deadline_ms == 0 ||
      recording::is_concurrent(ledger.header())) {
    return kLookEvery;
  }
  followed.watch(entry->sequence);
  if (followed.has_ended()) {
    gone_mono_ns_ = gone_mono_ns_ != 0 ? gone_mono_ns_ : recording::monotonic_ns();
    return kLookEvery;
  }
  gone_mono_ns_ = 0;
  followed.sample_memory();
  const std::uint64_t now = recording::realtime_ns();
  const std::uint64_t began = entry->started_real_ns / kNsAMs;
  const std::uint64_t limit = (began + patience_ms(began, entry->deadline_ms)) * kNsAMs;
  const std::uint64_t ask = limit - std::min(limit, kAskBeforeMs * kNsAMs);
  if (now > entry->started_real_ns + kLongNs) {
    followed.look_early();
  }
  if (now < ask) {
    return nanoseconds{static_cast<std::int64_t>(ask - now)};
  }
  if (now < limit) {
    followed.ask_where();
    return nanoseconds{static_cast<std::int64_t>(limit - now)};
  }
  if (followed.closeup().mono_ns == 0) {
    followed.snapshot_before_deadline();
    journal_.state().late_request = entry->request_id;
    journal_.keep_state();
  }
  return kLookEvery;
}

}  // namespace lamprey::companion
