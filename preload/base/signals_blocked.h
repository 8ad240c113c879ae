// While one lives, no signal handler runs in this thread. For the few places that hold something
// which a handler might ask for: a handler that asks for what its own thread holds would wait for
// ever, and one that left by siglongjmp would leave it held for ever.
//
// Two system calls (rt_sigprocmask); never on a path that every call takes. Signal-safe.
#pragma once

#include <signal.h>
#include <sys/syscall.h>

#include "preload/base/raw_syscall.h"

namespace lamprey::preload {
inline namespace base {

// Returns the mask as it was, for restore_signals(). By hand where a function is called by its
// address: around such a call a destructor is clean-up, for which C++'s run time must be linked.
inline std::uint64_t block_signals() {
  const std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t before = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, pointer_argument(&all), pointer_argument(&before),
              sizeof(all));
  return before;
}
inline void restore_signals(std::uint64_t before) {
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, pointer_argument(&before), 0, sizeof(before));
}

class [[nodiscard]] SignalsBlocked {
 public:
  SignalsBlocked() : before_(block_signals()) {}
  ~SignalsBlocked() { restore_signals(before_); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace base
}  // namespace lamprey::preload
