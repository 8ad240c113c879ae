// Ledger: which figures of the process are looked at for an invocation. Resident memory is for
// every line. The others cost ten system calls, and are needed only by a line that shows them or a
// finding that is about them.
#include <algorithm>

#include "report/findings/finding_dedup.h"
#include "report/ledger/ledger.h"

namespace lamprey::report {
namespace {

using recording::Call;

// What no call of the program's tells of (descriptors that came in a message, another process's
// files in /tmp) is seen that often.
constexpr std::uint64_t kLookEvery = 16;

// Which calls make descriptors and which close them. Where it is not known whether one was made, it
// counts as made.
int descriptors_by(Call call) {
  switch (call) {
    case Call::k_open:
    case Call::k_openat:
    case Call::k_creat:
    case Call::k_dup:
    case Call::k_dup2:
    case Call::k_dup3:
    case Call::k_fcntl:
    case Call::k_fopen:
    case Call::k_opendir:
    case Call::k_popen:
    case Call::k_socket:
    case Call::k_accept:
    case Call::k_accept4:
    case Call::k_epoll_create:
    case Call::k_epoll_create1:
    case Call::k_eventfd:
    case Call::k_timerfd:
    case Call::k_signalfd:
    case Call::k_shm_open:
    case Call::k_syscall:
      return 1;
    case Call::k_socketpair:
    case Call::k_pipe:
      return 2;
    case Call::k_close:
    case Call::k_closedir:
    case Call::k_fclose:
    case Call::k_pclose:
      return -1;
    default:
      return 0;
  }
}

// Whether a number may have grown that findings are about: of descriptors, of threads.
bool may_have_grown(const CallsFigures& calls) {
  std::int64_t descriptors = 0;
  bool threads = false;
  for (const CallFigures& call : calls.by_time) {
    const auto good = static_cast<std::int64_t>(call.calls - std::min(call.calls, call.errors));
    descriptors += good * descriptors_by(call.call);
    threads = threads || call.call == Call::k_pthread_create;
  }
  return descriptors > 0 || threads;
}

bool more_than_half(const std::optional<std::uint64_t>& used,
                    const std::optional<std::uint64_t>& most) {
  return used.value_or(0) > most.value_or(UINT64_MAX) / 2;
}

}  // namespace

// In the invocation before a full line, too: that line says what has come in and gone out since.
bool Ledger::needs_whole_process(const Report& report) const {
  const std::uint64_t number = report.invocation.value_or(0);
  const LimitFigures& limits = report.limits;
  const ProcessFigures& last = last_whole_process_;
  const bool long_ago = present_ == Present::kNewest && number >= looked_before_ + kLookEvery;
  return is_worth_all(report) || number % kLookEvery == 0 || long_ago ||
         (number + 1) % FindingDedup::kInvocations == 0 || !report.targets.hosts.empty() ||
         !report.process.cpu_user_ns || !report.calls || may_have_grown(*report.calls) ||
         limits.descriptors + limits.threads + limits.space != 0 ||
         more_than_half(last.fd_use, last.fd_max);
}

void Ledger::complete_process(Report& report) {
  if (!process_before_) {
    return;  // it is complete, or the growth cannot be divided
  }
  last_whole_process_ = process_.figures();
  const ProcessFigures grew = since(*process_before_, last_whole_process_);
  process_before_.reset();
  ProcessFigures& to = report.process;
  to.threads = grew.threads;
  to.fd_use = grew.fd_use;
  to.fd_max = grew.fd_max;
  to.tmp_used = grew.tmp_used;
  to.tmp_max = grew.tmp_max;
  to.rx_bytes = grew.rx_bytes;
  to.tx_bytes = grew.tx_bytes;
  if (!to.cpu_user_ns || !to.cpu_system_ns) {
    to.cpu_user_ns = grew.cpu_user_ns;
    to.cpu_system_ns = grew.cpu_system_ns;
  }
  last_process_ = last_whole_process_;
}

}  // namespace lamprey::report
