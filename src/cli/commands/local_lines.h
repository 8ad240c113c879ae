// What `lamprey local` does with the lines of its function besides showing them as they are: shows
// records for people, and adds them up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "cli/analysis/function_sums.h"
#include "cli/output/live_view.h"

namespace lamprey::cli {

class LocalLines {
 public:
  // `invocations`: how many there will be, 0 unknown. Without `for_people` lines stay as they are.
  LocalLines(const Style& style, bool for_people, std::uint64_t invocations)
      : view_(style), for_people_(for_people), invocations_(invocations) {}

  void line(std::string_view line);
  // Gets every record besides.
  std::function<void(const Value& record)> each;
  // Everything has ended: the tables.
  void finish();

 private:
  bool is_record(std::string_view line);
  bool is_of_platform(std::string_view line);
  void show_progress();

  LiveView view_;
  bool for_people_;
  std::uint64_t invocations_;
  std::uint64_t done_ = 0;
  std::uint64_t troubled_ = 0;
  Document document_;
  std::map<std::string, FunctionSum> functions_;
};

}  // namespace lamprey::cli
