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

class [[nodiscard]] SignalsBlocked {
 public:
  SignalsBlocked() {
    const std::uint64_t all = ~std::uint64_t{0};
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, pointer_argument(&all), pointer_argument(&before_),
                sizeof(all));
  }
  ~SignalsBlocked() {
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, pointer_argument(&before_), 0, sizeof(before_));
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  std::uint64_t before_ = 0;
};

}  // namespace base
}  // namespace lamprey::preload
