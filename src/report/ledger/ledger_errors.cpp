// Ledger: how calls failed, by error number.
#include <algorithm>
#include <cerrno>
#include <numeric>

#include "report/ledger/ledger.h"
#include "report/model/order.h"

namespace lamprey::report {

namespace {

bool starts_thread_or_process(recording::Call call) {
  return call == recording::Call::k_pthread_create || call == recording::Call::k_fork ||
         call == recording::Call::k_posix_spawn;
}

void count_limit(LimitFigures& limits, recording::Call call, std::int32_t error,
                 std::uint64_t count) {
  const bool named = call == recording::Call::k_sem_open || call == recording::Call::k_shm_open;
  if (error == EMFILE || error == ENFILE) {
    limits.descriptors += count;
  } else if (error == EAGAIN && starts_thread_or_process(call)) {
    limits.threads += count;
  } else if (error == ENOSPC || error == EDQUOT) {
    limits.space += count;
  } else if (named && (error == ENOSYS || error == EACCES || error == EROFS)) {
    limits.shared_memory += count;
  }
}

}  // namespace

// The recording has one table of them, not one for each boundary. What was added since it was last
// read belongs to this span only if no other span ended in between and no thread made calls since
// the boundary. Otherwise the sum differs from the number of errors, and no numbers are told.
void Ledger::add_errors(Report& report) {
  const bool not_alone =
      present_ == Present::kNone || (report.type == Type::kInit && header().started != 0);
  const bool whole = report.type == Type::kRun || report.type == Type::kShutdown;
  std::vector<CallFigures>& rows = report.calls->by_time;
  std::vector<std::uint64_t> now;
  for (const recording::CallError& entry : header().call_errors) {
    const std::uint64_t before =
        !whole && now.size() < errors_before_.size() ? errors_before_[now.size()] : 0;
    const auto row = std::find_if(rows.begin(), rows.end(), [&entry](const CallFigures& figures) {
      return static_cast<std::uint32_t>(figures.call) == (entry.key >> 16U) - 1;
    });
    // Of several that ended since, it is one in which the call failed. Init is often told of while
    // the first invocation runs.
    if (not_alone && (row == rows.end() || row->errors == 0)) {
      now.push_back(before);
      continue;
    }
    now.push_back(entry.count);
    if (entry.count > before && entry.key >> 16U != 0) {
      count_limit(report.limits, static_cast<recording::Call>((entry.key >> 16U) - 1),
                  static_cast<std::int16_t>(entry.key), entry.count - before);
    }
    if (entry.count > before && row != rows.end()) {
      row->by_error.emplace_back(static_cast<std::int16_t>(entry.key), entry.count - before);
    }
  }
  errors_before_ = std::move(now);
  for (CallFigures& row : rows) {
    auto& found = row.by_error;
    const std::uint64_t sum =
        std::accumulate(found.begin(), found.end(), std::uint64_t{0},
                        [](std::uint64_t all, const auto& entry) { return all + entry.second; });
    if (sum != row.errors) {
      found.clear();
    }
    put_in_order(found, [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
  }
}

}  // namespace lamprey::report
