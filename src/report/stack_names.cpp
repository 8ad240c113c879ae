// Text of stacks; see the header.
#include "report/stack_names.h"

#include <algorithm>
#include <string_view>

namespace lamprey::report {
namespace {

constexpr std::size_t kMostSiteText = 360;  // with the finding's own words within its 512 bytes

symbols::Place place_of(const Frame& frame, std::int32_t pid) {
  return {pid, frame.address, frame.module, frame.build_id, frame.offset};
}

// Frames of the C++ library by which memory is asked for: "operator new", "std::vector<...>::...",
// also with a result type before it. Many, long, and never where a leak is mended.
bool is_of_library(std::string_view name) {
  for (const std::string_view prefix : {"operator new", "std::", "__gnu_cxx::"}) {
    if (name.starts_with(prefix)) {
      return true;
    }
  }
  const std::size_t blank = name.find(' ');
  return blank != std::string_view::npos && name.substr(blank + 1).starts_with("std::");
}

// The stack for a finding, whose text is short: from the innermost frame of somebody's own code on,
// where there is one; a label stays in front.
Stack own_part(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  const std::size_t first = !stack.empty() && stack[0].label != nullptr ? 1 : 0;
  const std::size_t most = std::min(stack.size(), kMostFramesNamed);
  std::size_t own = first;
  while (own < most && is_of_library(symbolizer.name(place_of(stack[own], pid)))) {
    ++own;
  }
  Stack part(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(first));
  part.insert(part.end(), stack.begin() + static_cast<std::ptrdiff_t>(own < most ? own : first),
              stack.end());
  return part;
}

void want(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  for (std::size_t i = 0; i < std::min(stack.size(), kMostFramesNamed); ++i) {
    if (stack[i].label == nullptr) {
      symbolizer.want(place_of(stack[i], pid));
    }
  }
}

}  // namespace

std::string stack_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer,
                       std::size_t most) {
  static constexpr std::string_view kMore = "; ...";
  std::string text;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::string frame = i >= kMostFramesNamed ? std::string()
                              : stack[i].label != nullptr
                                  ? std::string(stack[i].label)
                                  : symbolizer.name(place_of(stack[i], pid));
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
      finding.text += " Here: " + stack_text(own_part(finding.site, report.pid, symbolizer),
                                             report.pid, symbolizer, kMostSiteText);
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
