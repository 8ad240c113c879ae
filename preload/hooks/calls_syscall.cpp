// syscall(2) and fork(2). libuv closes and asks for files through syscall(), the JVM asks for its
// thread's id: these count in the rows of the calls that they are.
//
// The number says nothing of how many arguments follow; all six are handed on, as libc does. A call
// that may return twice or never (clone, vfork, rt_sigreturn, exec) is passed on untouched.
#include "preload/hooks/waits.h"
#include "preload/hooks/woken.h"

namespace lamprey::preload::hooks {
namespace {

// Debian 10's headers lack them. From 424 on numbers are the same on every architecture.
constexpr long kOpenAt2 = 437;
constexpr long kAccessAt2 = 439;
constexpr long kEpollWait2 = 441;

struct SystemCall {
  long number;
  long a, b, c, d, e, f;
};

template <Call kCall, class Policy>
inline long forward(const Policy& policy, const SystemCall& s) {
  return intercept<kCall>("syscall", g_real.syscall, policy, s.number, s.a, s.b, s.c, s.d, s.e,
                          s.f);
}

template <class T>
T* pointer(long argument) {
  return reinterpret_cast<T*>(argument);
}

// Policies' account() takes the call's own result type.
template <class Policy>
struct AsLong : Policy {
  explicit AsLong(const Policy& policy) : Policy(policy) {}
  bool failed(long result) const { return Policy::failed(static_cast<int>(result)); }
  std::uint64_t after(long result) const { return Policy::after(static_cast<int>(result)); }
  CallClass account(CallClass by_name, const Spent& spent, long result) const {
    return Policy::account(by_name, spent, static_cast<int>(result));
  }
};

// futex(2): only what waits is a wait.
struct Futex : NoFdOp {
  long address;
  bool waits;
  bool wakes;
  Futex(long word, long operation) : NoFdOp(-1), address(word) {
    constexpr long kCommand = 127;  // FUTEX_CMD_MASK
    const long command = operation & kCommand;
    waits = command == 0 || command == 6 || command == 9 || command == 11;  // WAIT, LOCK_PI,
                                                                            // _BITSET, REQUEUE_PI
    wakes = command == 1 || command == 10;                                  // WAKE, _BITSET
  }
  void before() const {
    if (wakes) {
      woken::about_to_wake(static_cast<std::uintptr_t>(address));
    }
  }
  std::uint64_t subject() const { return static_cast<std::uint64_t>(address); }
  static bool failed(long result) {
    return result == -1 && errno != ETIMEDOUT && errno != EAGAIN && errno != EINTR;
  }
  CallClass account(CallClass by_name, const Spent& spent, long result) const {
    if (wakes && result > 0) {
      woken::has_woken();
    }
    const bool ended = waits && result == 0 && spent.ticks >= recording::kLongCallTicks;
    return !waits  ? CallClass::kOther
           : ended ? woken::class_of(static_cast<std::uintptr_t>(address), spent, by_name)
                   : by_name;
  }
};

struct SetsUpRing : NoFdOp {
  constexpr SetsUpRing() : NoFdOp(-1) {}
  static std::uint64_t after(long) {
    __atomic_fetch_or(&g_writer.header().flags, recording::kFlagIoUring, __ATOMIC_RELAXED);
    return 0;
  }
};

// Plain calls that only differ in their row, and calls whose policy looks at no argument.
template <Call kCall>
inline long plainly(const SystemCall& s, int fd = -1) {
  return forward<kCall>(FdOp(fd), s);
}

// Calls on descriptors and paths. `known` stays as it is: true.
inline long count_files(const SystemCall& s, bool& known) {
  const auto fd = static_cast<int>(s.a);
  const auto size = static_cast<std::size_t>(s.c);
  switch (s.number) {
    case SYS_close:
      return forward<Call::k_close>(Closes(fd), s);
    case SYS_read:
      return forward<Call::k_read>(Receives(fd, pointer<void>(s.b), 0), s);
    case SYS_write:
      return forward<Call::k_write>(Sends(fd, pointer<void>(s.b), size), s);
    case SYS_pread64:
      return forward<Call::k_pread>(MovesIn(fd), s);
    case SYS_pwrite64:
      return forward<Call::k_pwrite>(MovesOut(fd), s);
    case SYS_openat:
    case kOpenAt2:
      return forward<Call::k_openat>(AsLong(OpensPath(fd, pointer<const char>(s.b))), s);
    case SYS_statx:
      return forward<Call::k_statx>(ProbesPath(fd, pointer<const char>(s.b)), s);
    case SYS_newfstatat:
      return forward<Call::k_stat>(ProbesPath(fd, pointer<const char>(s.b)), s);
    case SYS_faccessat:
    case kAccessAt2:
      return forward<Call::k_access>(ProbesPath(fd, pointer<const char>(s.b)), s);
    case SYS_renameat2:
      return forward<Call::k_rename>(ProbesPath(fd, pointer<const char>(s.b)), s);
    case SYS_close_range:
      return forward<Call::k_close_range>(
          ClosesRange(static_cast<unsigned>(s.a), static_cast<unsigned>(s.b),
                      static_cast<int>(s.c)),
          s);
    case SYS_copy_file_range:
      return forward<Call::k_copy_file_range>(MovesOut(static_cast<int>(s.c)), s);
    case SYS_getdents64:
      return plainly<Call::k_readdir>(s, fd);
    case SYS_fsync:
      return plainly<Call::k_fsync>(s, fd);
    case SYS_fdatasync:
      return plainly<Call::k_fdatasync>(s, fd);
    case SYS_dup:
      return forward<Call::k_dup>(AsLong(Duplicates(fd)), s);
    case SYS_dup3:
      return forward<Call::k_dup3>(AsLong(Replaces(fd, static_cast<int>(s.b))), s);
    default:
      known = false;
      return -1;
  }
}

inline long count_network(const SystemCall& s, bool& known) {
  const auto fd = static_cast<int>(s.a);
  const auto size = static_cast<std::size_t>(s.c);
  switch (s.number) {
    case SYS_socket:
      return forward<Call::k_socket>(AsLong(Opens()), s);
    case SYS_connect:
      return forward<Call::k_connect>(
          AsLong(Connects(fd, pointer<const sockaddr>(s.b), static_cast<socklen_t>(s.c))), s);
    case SYS_accept4:
      return forward<Call::k_accept4>(AsLong(Accepts(fd)), s);
    case SYS_sendto:
      return forward<Call::k_sendto>(
          SendsTo(fd, pointer<void>(s.b), size, pointer<const sockaddr>(s.e),
                  static_cast<socklen_t>(s.f)),
          s);
    case SYS_recvfrom:
      return forward<Call::k_recvfrom>(Receives(fd, pointer<void>(s.b), static_cast<int>(s.d)), s);
    case SYS_sendmsg:
      return forward<Call::k_sendmsg>(SendsMessage(fd, pointer<msghdr>(s.b)), s);
    case SYS_recvmsg:
      return forward<Call::k_recvmsg>(
          ReceivesMessage(fd, pointer<msghdr>(s.b), static_cast<int>(s.c)), s);
    case SYS_sendmmsg:
      return forward<Call::k_sendmmsg>(AsLong(SendsMessages(fd, pointer<mmsghdr>(s.b))), s);
    case SYS_recvmmsg:
      return forward<Call::k_recvmmsg>(
          AsLong(ReceivesMessages(fd, pointer<mmsghdr>(s.b), static_cast<int>(s.d))), s);
    default:
      known = false;
      return -1;
  }
}

inline long count_waits(const SystemCall& s, bool& known) {
  const auto fd = static_cast<int>(s.a);
  switch (s.number) {
    case SYS_futex:
      return forward<Call::k_futex>(Futex(s.a, s.b), s);
#if defined(SYS_epoll_wait)
    case SYS_epoll_wait:
      return forward<Call::k_epoll_wait>(
          AsLong(EpollWaits(fd, pointer<epoll_event>(s.b), static_cast<int>(s.d))), s);
    case SYS_poll:
      return forward<Call::k_poll>(AsLong(Polls(pointer<pollfd>(s.a), static_cast<nfds_t>(s.b))),
                                   s);
#endif
    case SYS_epoll_pwait:
      return forward<Call::k_epoll_pwait>(
          AsLong(EpollWaits(fd, pointer<epoll_event>(s.b), static_cast<int>(s.d))), s);
    case kEpollWait2:
      return forward<Call::k_epoll_pwait2>(AsLong(EpollWaits(fd, pointer<epoll_event>(s.b), -1)),
                                           s);
    case SYS_ppoll:
      return forward<Call::k_ppoll>(AsLong(Polls(pointer<pollfd>(s.a), static_cast<nfds_t>(s.b))),
                                    s);
    case SYS_nanosleep:
      return forward<Call::k_nanosleep>(NoFdOp(-1), s);
    case SYS_clock_nanosleep:
      return forward<Call::k_clock_nanosleep>(NoFdOp(-1), s);
    case SYS_wait4:
      return forward<Call::k_waitpid>(WaitsForPid(s.a, pointer<int>(s.b), pointer<void>(s.d)), s);
    case SYS_waitid:
      return forward<Call::k_waitid>(WaitsForId(s.b, pointer<void>(s.c), static_cast<int>(s.d)), s);
    case SYS_getrandom:
      return forward<Call::k_getrandom>(NoFdOp(-1), s);
    case SYS_io_uring_setup:
      return forward<Call::k_syscall>(SetsUpRing(), s);
    default:
      known = false;
      return -1;
  }
}

// Those that have a row of their own; else `known` is false and nothing was called.
inline long count_known(const SystemCall& s, bool& known) {
  using Count = long (*)(const SystemCall&, bool&);
  static constexpr Count kGroups[] = {count_waits, count_files, count_network};
  for (const Count count : kGroups) {
    known = true;
    const long result = count(s, known);
    if (known) {
      return result;
    }
  }
  return -1;
}

bool passes_untouched(long number) {
  switch (number) {
    case SYS_clone:
    case SYS_clone3:
    case SYS_rt_sigreturn:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
#if defined(SYS_fork)
    case SYS_fork:
    case SYS_vfork:
#endif
      return true;
    default:
      return false;
  }
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

extern "C" __attribute__((visibility("default"))) long hook_syscall(long number, long a, long b,
                                                                    long c, long d, long e,
                                                                    long f) asm("syscall");
long hook_syscall(long number, long a, long b, long c, long d, long e, long f) {
  if (!recording_here() || passes_untouched(number)) {
    if (!available(g_real.syscall, "syscall")) {
      errno = ENOSYS;
      return -1;
    }
    return g_real.syscall(number, a, b, c, d, e, f);
  }
  const SystemCall s = {number, a, b, c, d, e, f};
  bool known = false;
  const long result = count_known(s, known);
  return known ? result : forward<Call::k_syscall>(NoFdOp(-1), s);
}

// The child has no recording, or one of its own: nothing of what was noted before the call is its.
extern "C" __attribute__((visibility("default"))) int hook_fork() asm("fork");
int hook_fork() {
  tripwire::check("fork");
  if (!available(g_real.fork, "fork")) {
    errno = ENOSYS;
    return -1;
  }
  if (!recording_here()) {
    return g_real.fork();
  }
  const std::uint64_t begin = ticks();
  const Entry entry = enter_call(Call::k_fork, -1, begin);
  const int pid = g_real.fork();
  if (pid != 0) {
    count_result(entry, Call::k_fork, NoFdOp(-1), pid, begin);
    children::started(pid, nullptr, nullptr);
  }
  return pid;
}
