// Text of stacks; see the header.
#include "report/stack_names.h"

#include <algorithm>

namespace lamprey::report {
namespace {

symbols::Place place_of(const Frame& frame, std::int32_t pid) {
  return {pid, frame.address, frame.module, frame.build_id, frame.offset};
}

void want(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  for (std::size_t i = 0; i < std::min(stack.size(), kMostFramesNamed); ++i) {
    symbolizer.want(place_of(stack[i], pid));
  }
}

}  // namespace

std::string stack_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  static constexpr std::string_view kMore = "; ...";
  std::string text;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::string frame =
        i < kMostFramesNamed ? symbolizer.name(place_of(stack[i], pid)) : std::string();
    if (frame.empty() || text.size() + frame.size() + 2 > kMostStackText - kMore.size()) {
      return text.append(kMore);
    }
    text.append(text.empty() ? "" : "; ").append(frame);
  }
  return text;
}

void name_stacks(Report& report, symbols::Symbolizer& symbolizer, std::uint64_t until_ns) {
  if (!report.memory) {
    return;
  }
  for (const MemorySite& site : report.memory->sites) {
    want(site.stack, report.pid, symbolizer);
  }
  symbolizer.work(until_ns);
  for (MemorySite& site : report.memory->sites) {
    site.stack_text = stack_text(site.stack, report.pid, symbolizer);
  }
}

}  // namespace lamprey::report
