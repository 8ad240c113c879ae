// Many invocations added up to one report of type summary. Which of them are added, and when the
// sum is printed, is not known here.
//
// Nothing is lost by it: counts, bytes and times are sums, levels (live bytes, resident memory) are
// those of the newest, peaks are the most. Lists are bounded: what does not fit is added to their
// last entry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "report/model/report.h"
#include "report/model/summary_figures.h"
#include "report/summary/entry.h"

namespace lamprey::report {

class Summary {
 public:
  void add(const Report& report);
  bool empty() const { return entries_.empty(); }
  std::uint64_t invocations() const { return empty() ? 0 : entries_.front().figures[0]; }
  // All so far as a report, with its headline; then nothing is left. Not to be asked when empty.
  Report take();

  // All of it as bytes, for whoever goes on after us; false when they are no summary's.
  std::string save() const;
  bool restore(std::string_view bytes);

 private:
  Entry& entry_of(Part part, std::string_view name = {}, std::string_view more = {},
                  std::uint64_t id = 0);
  void add_counts(const Report& report);
  void add_rows(const Report& report);
  void shorten(const std::vector<std::uint32_t>& order);
  void pass(class Archive& archive);

  std::vector<Entry> entries_;               // the first is that of the counts
  std::shared_ptr<SummaryFigures> figures_;  // only its metrics, until all are taken
};

}  // namespace lamprey::report
