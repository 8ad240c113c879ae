// `timeline`: when the longest waits were; see docs/record.md.
#include <fmt/format.h>

#include <algorithm>

#include "cloudwatch/sections.h"
#include "report/findings/finding_dedup.h"

namespace lamprey::cloudwatch {
namespace {

using recording::WaitPhase;
using report::Blocked;

constexpr const char* kSpentOn[] = {"file", "network", "wait",  "sleep",
                                    "dns",  "lock",    "child", "other"};
static_assert(std::size(kSpentOn) == recording::kCallClasses);
constexpr const char* kPhases[] = {"", "connect", "tls", "import", "import"};
constexpr std::size_t kMaxShort = 10;  // of a short line
constexpr std::size_t kMaxStackShort = 120;

std::string entry_of(const Blocked& wait, Form form) {
  Object entry;
  add_ms(entry, "at_ms", wait.at_ns);
  put_ms(entry, "for_ms", wait.for_ns);
  if (recording::is_import(wait.phase)) {
    entry.add("call", wait.phase == WaitPhase::kImport ? "import" : "after import");
  } else {
    entry.add("call", recording::kCallTable[static_cast<std::size_t>(wait.call)].name);
    entry.add("spent_on", kSpentOn[static_cast<std::size_t>(wait.spent_on)]);
  }
  if (wait.phase != WaitPhase::kNone) {
    entry.add("phase", kPhases[static_cast<std::size_t>(wait.phase)]);
  }
  put_text(entry, "target", wait.target);
  entry.add("thread", wait.handler ? std::string("main") : fmt::format("{}", wait.tid));
  if (wait.open) {
    entry.add("open", true);
  }
  if (form == Form::kFull) {
    put_text(entry, "stack", wait.stack_text);
  } else if (!wait.stack_text.empty()) {
    entry.add("stack", cut(wait.stack_text.substr(0, wait.stack_text.find("; ")), kMaxStackShort));
  }
  return entry.text();
}

}  // namespace

Entries timeline_entries(const report::Report& report, Form form, std::size_t room) {
  Entries entries;
  if (form == Form::kShort && !report::is_about_time(report)) {
    return entries;
  }
  const std::size_t most = form == Form::kFull ? report::kMaxTimeline : kMaxShort;
  std::vector<std::uint64_t> lengths;
  std::size_t size = 0;
  for (const Blocked& wait : report.timeline) {
    std::size_t longer = 0;
    for (const Blocked& other : report.timeline) {
      longer += other.for_ns > wait.for_ns ? 1 : 0;
    }
    if (longer < most && entries.size() < most) {
      entries.push_back(entry_of(wait, form));
      lengths.push_back(wait.for_ns.value_or(0));
      size += entries.back().size() + 1;
    }
  }
  while (size > room) {
    const auto shortest = std::min_element(lengths.begin(), lengths.end());
    const auto entry = entries.begin() + (shortest - lengths.begin());
    size -= entry->size() + 1;
    entries.erase(entry);
    lengths.erase(shortest);
  }
  return entries;
}

}  // namespace lamprey::cloudwatch
