// When the levels of an invocation say what stays in memory.
//
// Ruby keeps its objects' data in malloc's blocks and gives them back by a collector, which runs
// after 16 to 32 MB of them (GC_MALLOC_LIMIT_MIN and _MAX in its gc.c). Until then what nobody
// needs any more stays: a healthy function that makes 90 KB of it in each invocation grows by 90 KB
// for 180 invocations. So in a Ruby process growth counts in two cases only:
//   between levels that follow a collection (where live bytes fell), or
//   once it is more than the collector leaves: a leak that outgrows the garbage has no such levels.
#pragma once

#include <cstdint>
#include <optional>

#include "report/model/report.h"

namespace lamprey::report {

class CollectedHeap {
 public:
  // The next invocation.
  void look(const Report& report);
  // Its levels follow a collection.
  bool was_collected() const { return fell_; }
  // Live bytes have risen, since they were lowest, by more than what may wait for the collector.
  bool outgrew_garbage() const;
  // Whether a collector gives malloc's blocks back here. It is known once a site has a function of
  // such a language.
  bool is_collected() const { return collected_; }

 private:
  bool collected_ = false;
  bool fell_ = false;
  std::optional<std::int64_t> live_bytes_;  // of the newest invocation
  std::optional<std::int64_t> lowest_;
};

}  // namespace lamprey::report
