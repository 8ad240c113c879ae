// Text of stacks; see the header.
#include "report/stack_names.h"

#include <algorithm>

namespace lamprey::report {
namespace {

constexpr std::size_t kMostSiteText = 360;  // with the finding's own words within its 512 bytes

symbols::Place place_of(const Frame& frame, std::int32_t pid) {
  return {pid, frame.address, frame.module, frame.build_id, frame.offset};
}

void want(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  for (std::size_t i = 0; i < std::min(stack.size(), kMostFramesNamed); ++i) {
    symbolizer.want(place_of(stack[i], pid));
  }
}

}  // namespace

std::string stack_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer,
                       std::size_t most) {
  static constexpr std::string_view kMore = "; ...";
  std::string text;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::string frame =
        i < kMostFramesNamed ? symbolizer.name(place_of(stack[i], pid)) : std::string();
    if (frame.empty() || text.size() + frame.size() + 2 > most - kMore.size()) {
      return text.append(kMore);
    }
    text.append(text.empty() ? "" : "; ").append(frame);
  }
  return text;
}

void name_stacks(Report& report, symbols::Symbolizer& symbolizer, std::uint64_t until_ns) {
  static std::vector<MemorySite> none;
  std::vector<MemorySite>& sites = report.memory ? report.memory->sites : none;
  // What an end was about first: its line is the last that can have names.
  want(report.death.stack, report.pid, symbolizer);
  for (const Blocked& blocked : report.blocked) {
    want(blocked.stack, report.pid, symbolizer);
  }
  for (const Finding& finding : report.findings) {
    want(finding.site, report.pid, symbolizer);
  }
  for (const MemorySite& site : sites) {
    want(site.stack, report.pid, symbolizer);
  }
  symbolizer.work(until_ns);
  for (Finding& finding : report.findings) {
    if (!finding.site.empty()) {
      finding.text += " Here: " + stack_text(finding.site, report.pid, symbolizer, kMostSiteText);
    }
  }
  for (MemorySite& site : sites) {
    if (!site.stack.empty()) {  // else it says so
      site.stack_text = stack_text(site.stack, report.pid, symbolizer);
    }
  }
  report.death.stack_text = stack_text(report.death.stack, report.pid, symbolizer);
  for (Blocked& blocked : report.blocked) {
    blocked.stack_text = stack_text(blocked.stack, report.pid, symbolizer);
  }
}

}  // namespace lamprey::report
