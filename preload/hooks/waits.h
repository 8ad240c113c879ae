// Policies (policies.h) of calls that wait, and of what they may wait for: poll and its kin, locks,
// children, pipes and events. What a wait is charged to is what ended it.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "preload/hooks/intercept.h"
#include "preload/hooks/wakers.h"
#include "preload/process/children.h"
#include "preload/process/launched.h"

namespace lamprey::preload::hooks {

// -- poll, select, epoll ----------------------------------------------------------------------

// A wait that ran out of time is charged as sleep; the cause of one that failed is unknown.
// Unless a host was to answer meanwhile: a timer's tick makes a wait for an answer no sleep.
struct Waits : NoFdOp {
  using NoFdOp::NoFdOp;
  static CallClass nobody(int result) { return result == 0 ? CallClass::kSleep : CallClass::kWait; }
  // Whether it may have been for an answer: nothing that is known to be waited for has ended it,
  // and it took long enough to be worth a search.
  static bool in_vain(CallClass by_end, const Spent& spent, int result) {
    constexpr std::uint64_t kWorthNs = 100'000;
    return result >= 0 && spent.ticks >= ticks_for(kWorthNs) &&
           (by_end == CallClass::kSleep || by_end == CallClass::kOther ||
            by_end == CallClass::kWait);
  }
};

struct Polls : Waits {
  const pollfd* fds;
  nfds_t count;
  Polls(const pollfd* array, nfds_t size)
      : Waits(size == 1 ? kSame : -1), fds(array), count(size) {}
  CallClass account(CallClass, const Spent& spent, int result) const {
    CallClass spent_on = nobody(result);
    for (nfds_t i = 0; result > 0 && i < count; ++i) {
      if (fds[i].revents != 0) {
        spent_on = io::waited_for(fds[i].fd, spent);
        if (spent_on != CallClass::kWait) {
          break;
        }
      }
    }
    return in_vain(spent_on, spent, result) ? without_answer(spent, spent_on) : spent_on;
  }
  CallClass without_answer(const Spent& spent, CallClass by_end) const {
    constexpr nfds_t kMax = 64;
    int first = -1;
    std::uint64_t first_since = 0;
    for (nfds_t i = 0; i < count && i < kMax; ++i) {
      const std::uint64_t since = io::unanswered_since(fds[i].fd);
      if (since != 0 && (first < 0 || since < first_since)) {
        first = fds[i].fd;
        first_since = since;
      }
    }
    // A read with a time limit, as clients do them: what it waits for is that one host, also where
    // an answer stopped halfway.
    if (first < 0 && count == 1 && io::kind_of(fds[0].fd) == DescriptorKind::kHost) {
      first = fds[0].fd;
    }
    return first >= 0 ? io::waited_in_vain(first, spent) : by_end;
  }
};

struct Selects : Waits {
  int count;
  const fd_set* sets[3];
  Selects(int size, const fd_set* reads, const fd_set* writes, const fd_set* others)
      : Waits(-1), count(size), sets{reads, writes, others} {}
  CallClass account(CallClass, const Spent& spent, int result) const {
    CallClass spent_on = nobody(result);
    // Not further than the last that is ready: of more descriptors than there is room for, the
    // kernel has neither read nor written the bits (select(2), "nfds").
    int left = result;
    for (int fd = 0; left > 0 && fd < count && fd < FD_SETSIZE; ++fd) {
      const int before = left;
      for (const fd_set* set : sets) {
        left -= set != nullptr && FD_ISSET(fd, set) ? 1 : 0;
      }
      if (left != before) {
        spent_on = io::waited_for(fd, spent);
        if (spent_on != CallClass::kWait) {
          break;
        }
      }
    }
    // Which descriptors it was about, the kernel has overwritten.
    const int asked = in_vain(spent_on, spent, result) ? io::asked_first(-1) : -1;
    return asked >= 0 ? io::waited_in_vain(asked, spent) : spent_on;
  }
};

struct EpollWaits : Waits {
  const epoll_event* events;
  int timeout;  // in ms; negative: none, or not known
  EpollWaits(int on, const epoll_event* array, int until)
      : Waits(recording_here() ? io::loop_of(on) : on), events(array), timeout(until) {}
  std::uint64_t subject() const { return recording::timer_subject(timeout); }
  CallClass account(CallClass, const Spent& spent, int result) const {
    constexpr int kMax = 16;  // of one wait; more say nothing new
    CallClass spent_on = nobody(result);
    bool may_search = true;
    for (int i = 0; i < result && i < kMax; ++i) {
      const int ready = io::registered_as(events[i].data.u64, may_search);
      spent_on = ready >= 0 ? io::waited_for(ready, spent) : CallClass::kWait;
      if (spent_on != CallClass::kWait) {
        break;
      }
    }
    const int asked = in_vain(spent_on, spent, result) ? io::asked_first(fd) : -1;
    return asked >= 0 ? io::waited_in_vain(asked, spent) : spent_on;
  }
};

struct Registers : FdOp {  // epoll_ctl
  int operation;
  int target;
  const epoll_event* event;
  Registers(int epoll, int what_to_do, int fd_of_interest, const epoll_event* what)
      : FdOp(epoll), operation(what_to_do), target(fd_of_interest), event(what) {}
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    if (!spent.failed && operation == EPOLL_CTL_DEL) {  // which reads no event
      io::unregistered(io::loop_of(fd), target);
    } else if (!spent.failed) {
      io::registered(io::loop_of(fd), target, event->data.u64);
    }
    return by_name;
  }
};

// -- locks, threads ---------------------------------------------------------------------------

// pthread functions: the result is an error number; running out of the time that was given is what
// was asked for.
struct Locks : ReturnsError {
  const void* lock;
  explicit Locks(const void* which) : lock(which) {}
  std::uint64_t subject() const { return reinterpret_cast<std::uintptr_t>(lock); }
  static bool failed(int result) { return result != 0 && result != ETIMEDOUT; }
};

// A mutex says who holds it: glibc's pthread_mutex_t has its owner's tid after two integers.
struct LocksMutex : Locks {
  using Locks::Locks;
  std::int32_t holder() const {
    constexpr std::size_t kOwner = 8;
    std::int32_t owner = 0;
    __builtin_memcpy(&owner, static_cast<const char*>(lock) + kOwner, sizeof(owner));
    return owner;
  }
};

// A timed wait on a condition that nobody ended is how the JVM sleeps. (CPython's waits for its
// interpreter lock end after 5 ms likewise, and are waits for a lock.)
struct WaitsForCondition : Locks {
  using Locks::Locks;
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    constexpr std::uint64_t kLongNs = 10'000'000;
    if (result == ETIMEDOUT && spent.ticks >= ticks_for(kLongNs)) {
      return CallClass::kSleep;
    }
    return result == 0 && spent.ticks >= recording::kLongCallTicks
               ? wakers::class_of_condition(lock, spent, by_name)
               : by_name;
  }
};

// A semaphore may be a lock, and have a holder as a mutex has.
struct Semaphore : NoFdOp {
  const void* semaphore;
  explicit Semaphore(const void* which) : NoFdOp(-1), semaphore(which) {}
  std::int32_t holder() const { return wakers::holder_of(semaphore); }
  std::uint64_t subject() const { return reinterpret_cast<std::uintptr_t>(semaphore); }
  static bool failed(int result) { return result != 0 && errno != ETIMEDOUT; }
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    if (result != 0) {
      return by_name;
    }
    const CallClass spent_on = spent.ticks >= recording::kLongCallTicks
                                   ? wakers::class_of_semaphore(semaphore, spent, by_name)
                                   : by_name;
    wakers::took(semaphore);
    return spent_on;
  }
};

struct Barrier : Locks {
  using Locks::Locks;
  static bool failed(int result) { return result > 0; }  // -1: the one that was last
};

// -- children, signals ------------------------------------------------------------------------

struct WaitsForChild : NoFdOp {
  long pid;
  explicit WaitsForChild(long which) : NoFdOp(-1), pid(which) {}
  std::uint64_t subject() const { return static_cast<std::uint64_t>(pid); }
};

// wait, waitpid, wait3, wait4: the result is the pid of the child that ended, or was stopped.
struct WaitsForPid : WaitsForChild {
  const int* status;
  const void* usage;
  WaitsForPid(long which, const int* how, const void* used)
      : WaitsForChild(which), status(how), usage(used) {}
  template <class R>
  CallClass account(CallClass by_name, const Spent&, R result) const {
    if (result > 0 && (status == nullptr || WIFEXITED(*status) || WIFSIGNALED(*status))) {
      children::ended(static_cast<std::int32_t>(result), status, static_cast<const rusage*>(usage));
    }
    return by_name;
  }
};

struct WaitsForId : WaitsForChild {  // waitid
  const siginfo_t* info;
  int options;
  WaitsForId(long which, const void* into, int how)
      : WaitsForChild(which), info(static_cast<const siginfo_t*>(into)), options(how) {}
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    if (spent.failed || info == nullptr || (options & WNOWAIT) != 0 || info->si_pid <= 0) {
      return by_name;
    }
    const bool exited = info->si_code == CLD_EXITED;
    if (exited || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED) {
      const int status = exited ? info->si_status << 8 : info->si_status;
      children::ended(info->si_pid, &status, nullptr);
    }
    return by_name;
  }
};

struct Spawns : ReturnsError {
  const int* pid;
  const char* program;
  char* const* arguments;
  Spawns(const int* into, const char* path, char* const* words)
      : pid(into), program(path), arguments(words) {}
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    if (!spent.failed && pid != nullptr && !in_vfork_child()) {
      children::started(*pid, program, arguments);
    }
    return by_name;
  }
};

struct RunsShell : NoFdOp {  // system(3): the result is what wait(2) said of the shell
  constexpr RunsShell() : NoFdOp(-1) {}
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    if (!spent.failed) {
      children::shell_ran(spent.begin, result);
    }
    return by_name;
  }
};

// -- paths, streams ---------------------------------------------------------------------------

struct ProbesPath : NoFdOp {
  static constexpr bool kOften = true;  // git and import systems do little else
  int at;
  const char* path;
  ProbesPath(int from, const char* text) : NoFdOp(-1), at(from), path(text) {}
  template <class R>
  static bool failed(R result) {
    if constexpr (std::is_pointer_v<R>) {
      return result == nullptr;
    } else {
      return result == static_cast<R>(-1);
    }
  }
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    io::probed(at, path, spent);
    return by_name;
  }
};

struct ChangesDirectory : NoFdOp {
  using NoFdOp::NoFdOp;
  static std::uint64_t after(int) {
    io::working_directory_changed();
    return 0;
  }
};

// The descriptor of a stream, -1 for one without (fmemopen). fileno(3) takes no lock.
inline int stream_descriptor(void* stream) {
  if (stream == nullptr || g_real.fileno == nullptr) {
    return -1;
  }
  const int saved = errno;
  const int fd = g_real.fileno(stream);
  errno = saved;
  return fd;
}

struct OpensStream : NoFdOp {
  const char* path;
  explicit OpensStream(const char* text) : NoFdOp(-1), path(text) {}
  static bool failed(const void* result) { return result == nullptr; }
  CallClass account(CallClass by_name, const Spent& spent, void* result) const {
    io::opened(result != nullptr ? stream_descriptor(result) : -1, io::kHere, path, spent);
    note_first_use(spent.awaited);
    imports::note(path, spent);
    return by_name;
  }
};

struct ClosesStream : Closes {
  explicit ClosesStream(void* stream) : Closes(stream_descriptor(stream)) {}
};

// fread, fwrite: the result counts elements of `unit` bytes. A short one may be the end or an
// error; the program asks ferror(), we cannot.
template <Direction kDirection>
struct Streams : Transfers<kDirection> {
  std::size_t unit;
  Streams(void* stream, std::size_t bytes)
      : Transfers<kDirection>(stream_descriptor(stream)), unit(bytes) {}
  template <class R>
  static bool failed(R) {
    return false;
  }
  template <class R>
  std::uint64_t after(R result) const {
    if constexpr (std::is_pointer_v<R>) {
      return 0;
    } else {
      return result > 0 ? static_cast<std::uint64_t>(result) * unit : 0;
    }
  }
};
using StreamsIn = Streams<Direction::kReceives>;
using StreamsOut = Streams<Direction::kSends>;

struct ReturnsPointer : NoFdOp {
  constexpr ReturnsPointer() : NoFdOp(-1) {}
  static bool failed(const void* result) { return result == nullptr; }
};

// -- descriptors ------------------------------------------------------------------------------

struct Duplicates : FdOp {
  using FdOp::FdOp;
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    if (!spent.failed) {
      lambda::runtime_api::forget(result);
      io::copied(fd, result);
    }
    return by_name;
  }
};

struct Controls : FdOp {  // fcntl
  int command;
  Controls(int on, int what) : FdOp(on), command(what) {}
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    constexpr int kDuplicate = 0;            // F_DUPFD
    constexpr int kDuplicateCloexec = 1030;  // F_DUPFD_CLOEXEC
    if (command == kDuplicate || command == kDuplicateCloexec) {
      return Duplicates(fd).account(by_name, spent, result);
    }
    return io::account_io(fd, by_name, spent, Direction::kNeither);
  }
};

struct CreatesFd : NoFdOp {
  DescriptorKind kind;
  explicit CreatesFd(DescriptorKind what) : NoFdOp(-1), kind(what) {}
  std::uint64_t after(int result) const {
    forget_descriptor(result);
    io::made(result, kind, -1);
    return 0;
  }
};

struct CreatesTwoFds : NoFdOp {
  DescriptorKind kind;
  const int* fds;
  CreatesTwoFds(DescriptorKind what, const int* both) : NoFdOp(-1), kind(what), fds(both) {}
  std::uint64_t after(int) const {
    for (int i = 0; i < 2; ++i) {
      forget_descriptor(fds[i]);
      io::made(fds[i], kind, fds[1 - i]);
    }
    return 0;
  }
};

struct AsksSocket : FdOp {  // getsockopt
  bool error;               // SO_ERROR: how a connect that was under way has ended
  const void* value;
  const socklen_t* size;
  AsksSocket(int on, int level, int option, const void* into, const socklen_t* room)
      : FdOp(on), error(level == SOL_SOCKET && option == SO_ERROR), value(into), size(room) {}
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    if (error && !spent.failed) {
      int result = 0;  // of which the kernel wrote as much as there was room for
      __builtin_memcpy(&result, value, *size < sizeof(result) ? *size : sizeof(result));
      io::connect_ended(fd, result, spent);
    }
    return io::account_io(fd, by_name, spent, Direction::kNeither);
  }
};

struct LooksUp : NoFdOp {
  const char* host;
  explicit LooksUp(const char* name) : NoFdOp(-1), host(name) {}
  void before() const { io::resolving(host); }
  template <class R>
  static bool failed(R result) {
    if constexpr (std::is_pointer_v<R>) {
      return result == nullptr;
    } else {
      return result < 0;
    }
  }
  template <class R>
  static int reason(R) {
    return 0;  // these say it in h_errno
  }
  template <class R>
  CallClass account(CallClass by_name, const Spent& by_result, R result) const {
    Spent spent = by_result;
    spent.failed = failed(result);
    // A name without a record of one type (res_query) is an answer; h_errno says no more.
    const bool is_unknown = spent.failed && !std::is_same_v<R, int>;
    io::looked_up(
        host, spent,
        is_unknown ? recording::NetworkFailure::kUnknownName : recording::NetworkFailure::kNone);
    by_result.awaited = spent.awaited;
    note_first_use(spent.awaited);
    return by_name;
  }
};

// The _r forms: an error number, and a null pointer where a host was to be.
struct LooksUpInto : LooksUp {
  using LooksUp::LooksUp;
  static bool failed(int result) { return result != 0; }
};

}  // namespace lamprey::preload::hooks
