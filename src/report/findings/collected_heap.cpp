// See the header.
#include "report/findings/collected_heap.h"

#include <algorithm>
#include <utility>

namespace lamprey::report {
namespace {

// What other blocks come and go by, from the end of one invocation to the next.
constexpr std::int64_t kLeastFall = std::int64_t{16} * 1024;
// Half as much again as Ruby lets wait.
constexpr std::int64_t kMostGarbage = std::int64_t{48} * 1024 * 1024;

bool is_ruby(const Frame& frame) {
  return frame.function != nullptr && frame.function->language == recording::Language::kRuby;
}

bool has_ruby(const Report& report) {
  return std::any_of(report.memory->sites.begin(), report.memory->sites.end(),
                     [](const MemorySite& site) {
                       return std::any_of(site.stack.begin(), site.stack.end(), is_ruby);
                     });
}

}  // namespace

void CollectedHeap::look(const Report& report) {
  collected_ = collected_ || has_ruby(report);
  const std::optional<std::int64_t> before = std::exchange(live_bytes_, report.memory->live_bytes);
  fell_ = before && live_bytes_ && *before - *live_bytes_ >= kLeastFall;
  if (live_bytes_) {
    lowest_ = std::min(lowest_.value_or(*live_bytes_), *live_bytes_);
  }
}

bool CollectedHeap::outgrew_garbage() const {
  return live_bytes_ && *live_bytes_ - *lowest_ >= kMostGarbage;
}

}  // namespace lamprey::report
