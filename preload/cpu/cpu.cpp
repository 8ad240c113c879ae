// The timers and the handler; see the header.
#include "preload/cpu/cpu.h"

#include <cerrno>
#include <ctime>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/cpu/cpu_sites.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"
#include "preload/stack/dotnet.h"
#include "preload/stack/modules.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::cpu {
namespace {

using recording::CpuProfile;
using recording::CpuState;
using recording::load;
using recording::shared_add;
using recording::store;

constexpr std::uint64_t kNsASecond = 1'000'000'000;
constexpr long kMaskBytes = 8;
constexpr int kNotifyThread = 4;  // SIGEV_THREAD_ID

// The kernel's sigevent (include/uapi/asm-generic/siginfo.h); libc's names the thread differently
// in each libc.
struct TimerEvent {
  const void* value;
  std::int32_t signal;
  std::int32_t notify;
  std::int32_t tid;
  std::int32_t rest[11];
};
static_assert(sizeof(TimerEvent) == 64);

bool g_installed = false;
std::uint64_t g_interval_ns = 0;                 // 0: no timers
const char g_mark = 0;                           // its address is the value of our timers' signals
std::int32_t g_timers[recording::kThreadSlots];  // by slot: id + 1; 0: none

bool signal_blocked() {
  std::uint64_t mask = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, pointer_argument(&mask), kMaskBytes);
  return ((mask >> static_cast<unsigned>(kSignal - 1)) & 1U) != 0;
}

void delete_timer(std::int32_t& timer) {
  const std::int32_t id = __atomic_exchange_n(&timer, 0, __ATOMIC_ACQ_REL);
  if (id != 0) {
    raw_syscall(SYS_timer_delete, id - 1);
  }
}

enum class Timer : std::uint8_t { kRuns, kSignalBlocked, kRefused };

// For the calling thread, which has that slot.
Timer start_timer(const recording::ThreadSlot& slot, CpuProfile& profile, std::uint64_t interval) {
  std::int32_t& timer = g_timers[g_writer.index_of(slot)];
  delete_timer(timer);  // of a thread that ended without giving its slot back
  TimerEvent event = {};
  event.value = &g_mark;
  event.signal = kSignal;
  event.notify = kNotifyThread;
  event.tid = load(slot.tid);
  std::int32_t id = 0;
  const bool blocked = signal_blocked();
  if (blocked || raw_syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, pointer_argument(&event),
                             pointer_argument(&id)) != 0) {
    shared_add(profile.threads_refused, 1);
    return blocked ? Timer::kSignalBlocked : Timer::kRefused;
  }
  store(timer, id + 1);
  const auto seconds = static_cast<long>(interval / kNsASecond);
  const auto rest = static_cast<long>(interval % kNsASecond);
  const itimerspec every = {{seconds, rest}, {seconds, rest}};
  raw_syscall(SYS_timer_settime, id, 0, pointer_argument(&every), 0);
  if (load(g_interval_ns) == 0) {
    delete_timer(timer);  // the program wanted the signal meanwhile
  }
  return Timer::kRuns;
}

// The calling thread has got its slot.
void thread_came(const recording::ThreadSlot& slot) {
  const std::uint64_t interval = load(g_interval_ns);
  CpuProfile* profile = g_writer.cpu();
  if (interval != 0 && profile != nullptr) {
    start_timer(slot, *profile, interval);
  }
}

void thread_goes(const recording::ThreadSlot& slot) {
  delete_timer(g_timers[g_writer.index_of(slot)]);
}

void take_sample(const siginfo_t& info, const void* context) {
  CpuProfile* profile = g_writer.cpu();
  if (profile == nullptr) {
    return;
  }
  const auto intervals = static_cast<std::uint32_t>(info.si_overrun > 0 ? info.si_overrun : 0) + 1;
  shared_add(profile->samples, 1);
  shared_add(profile->intervals, intervals);
  const stack::Words* words = stack::words_of_interrupted(context);
  if (words == nullptr) {
    shared_add(profile->unplaced, intervals);
    return;
  }
  sites::add(*words, intervals);
}

void answer(const void* context) {
  recording::ThreadSlot* slot = t_thread.slot;
  const stack::Words* words = stack::words_of_interrupted(context);
  if (slot != nullptr && words != nullptr) {
    store(slot->in_flight.asked,
          recording::asked_word(stack::keep(*words), load(g_writer.header().started)));
  }
}

void on_signal(int, siginfo_t* info, void* context) {
  if (!recording_here()) {
    return;
  }
  const std::uint64_t ask = load(g_writer.header().ask);
  if (info->si_code == SI_TIMER && info->si_value.sival_ptr == &g_mark) {
    take_sample(*info, context);
  } else if (info->si_code == SI_QUEUE && ask != 0 &&
             reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr) == ask) {
    answer(context);
  }
}

// What begin_thread() is handed. A place is free again when its thread has begun. When all are
// taken, threads begin as ever.
struct StartedThread {
  Start start;  // nullptr: free
  void* argument;
};
StartedThread g_started[64];

void* begin_thread(void* place) {
  auto& started = *static_cast<StartedThread*>(place);
  const Start start = load(started.start);
  void* const argument = __atomic_load_n(&started.argument, __ATOMIC_ACQUIRE);
  __atomic_store_n(&started.start, nullptr, __ATOMIC_RELEASE);
  if (recording_here()) {
    current_slot();
  }
  return start(argument);  // a tail call: no frame of ours stands below the program's
}

// The default, as whoever started the program left it.
bool is_free() {
  struct sigaction now = {};
  return g_real.sigaction != nullptr && g_real.sigaction(kSignal, nullptr, &now) == 0 &&
         now.sa_handler == SIG_DFL;
}

// All wait for the few microseconds but those that a fault of the handler itself would raise. The
// kernel lets the signals of one tick interrupt each other before any handler has run, lower
// numbers first: the SIGPROF of a program's own profiler would find this handler where the program
// was.
void hold_back(sigset_t& mask) {
  static constexpr int kFaults[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
  std::uint64_t bits = ~std::uint64_t{0};
  for (const int fault : kFaults) {
    bits &= ~(std::uint64_t{1} << static_cast<unsigned>(fault - 1));
  }
  __builtin_memcpy(&mask, &bits, sizeof(bits));
}

bool install() {
  struct sigaction action = {};
  hold_back(action.sa_mask);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  return g_real.sigaction(kSignal, &action, nullptr) == 0;
}

void begin(std::uint32_t hz) {
  CpuProfile* profile = g_writer.cpu();
  if (hz == 0 || profile == nullptr) {
    return;
  }
  profile->hz = hz;
  profile->interval_ns = kNsASecond / hz;
  store(g_interval_ns, profile->interval_ns);
  watch_threads({thread_came, thread_goes});
  const recording::ThreadSlot* slot = current_slot();  // it has one where there is room
  const bool refused =
      slot != nullptr && start_timer(*slot, *profile, profile->interval_ns) == Timer::kRefused;
  profile->state = refused ? CpuState::kRefused : CpuState::kOn;
}

void say(CpuState state) {
  if (CpuProfile* profile = g_writer.cpu()) {
    profile->state = state;
  }
}

}  // namespace

std::uint32_t wanted_hz(const char* setting) {
  if (setting == nullptr || equal(setting, "off")) {
    return 0;
  }
  if (equal(setting, "on")) {
    return recording::kDefaultCpuHz;
  }
  for (const char* at = setting; *at != '\0'; ++at) {
    if (*at < '0' || *at > '9') {
      return 0;
    }
  }
  const std::uint64_t hz = to_number(setting);
  return hz <= recording::kMaxCpuHz ? static_cast<std::uint32_t>(hz) : 0;
}

void attach(std::uint32_t hz, bool go_program) {
  if (go_program) {
    say(CpuState::kGoProgram);
    return;
  }
  if (stack::dotnet::is_here()) {
    say(CpuState::kDotNet);
    return;
  }
  if (!is_free() || !install()) {
    say(CpuState::kSignalInUse);
    return;
  }
  g_installed = true;
  // Not 0, and not what somebody else would send by chance.
  store(g_writer.header().ask, g_writer.header().attach_begin.ticks | 1U);
  if (hz != 0) {
    // Here and not in begin(): a forked child may have the loader's lock for ever. Not
    // pthread_mutex_trylock: our own hooks call it for each lock that is free.
    sites::mark_awake(find_one("sched_yield"));
    sites::mark_awake(find_one("pthread_spin_lock"));
  }
  begin(hz);
}

void fault_handler_came(std::uintptr_t handler) {
  if (!load(g_installed)) {
    return;
  }
  stack::unwind::Tables tables;
  stack::modules::find_tables(handler, tables);  // a runtime that was just loaded is met by this
  if (!stack::dotnet::is_here()) {
    return;
  }
  give_way();
  struct sigaction none = {};
  g_real.sigaction(kSignal, &none, nullptr);
  if (recording_here()) {
    say(CpuState::kDotNet);
  }
}

void attach_child(std::uint32_t hz) {
  for (std::int32_t& timer : g_timers) {
    store(timer, 0);
  }
  sites::forget_all();
  if (g_installed) {
    store(g_writer.header().ask, g_writer.header().attach_begin.ticks | 1U);
    begin(hz);
  }
}

std::uintptr_t handler() {
  return load(g_installed) ? reinterpret_cast<std::uintptr_t>(&on_signal) : 0;
}

bool samples() { return load(g_interval_ns) != 0; }

void stop() {
  store(g_interval_ns, 0);
  if (recording_here()) {
    store(g_writer.header().ask, 0);
    say(CpuState::kSignalInUse);
  }
  for (std::int32_t& timer : g_timers) {
    delete_timer(timer);
  }
}

ThreadStart known_start(Start start, void* argument) {
  const ThreadStart plain = {start, argument};
  if (!samples() || !recording_here()) {
    return plain;
  }
  for (StartedThread& place : g_started) {
    Start nobody = nullptr;
    if (load(place.start) == nullptr &&
        __atomic_compare_exchange_n(&place.start, &nobody, start, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      __atomic_store_n(&place.argument, argument, __ATOMIC_RELEASE);
      return {begin_thread, &place};
    }
  }
  return plain;
}

void not_started(const ThreadStart& known) {
  if (known.start == begin_thread) {
    __atomic_store_n(&static_cast<StartedThread*>(known.argument)->start, nullptr,
                     __ATOMIC_RELEASE);
  }
}

void give_way() {
  if (!load(g_installed)) {
    return;
  }
  store(g_installed, false);
  stop();
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;  // the kernel throws away those that are pending
  g_real.sigaction(kSignal, &ignore, nullptr);
}

}  // namespace lamprey::preload::cpu
