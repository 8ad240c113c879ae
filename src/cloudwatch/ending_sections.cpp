// `blocked` and `death`: what an abnormal end left behind; see docs/record.md.
#include <fmt/format.h>

#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

Entries blocked_entries(const Report& report) {
  Entries entries;
  for (const report::Blocked& blocked : report.blocked) {
    if (entries.size() == kMaxVital) {
      break;
    }
    Object entry;
    entry.add("thread", fmt::format("{}", blocked.tid));
    entry.add("call", report::call_name(blocked));
    put_text(entry, "target", blocked.target);
    put_ms(entry, "for_ms", blocked.for_ns);
    put_text(entry, "stack", blocked.stack_text);
    entries.push_back(entry.text());
  }
  return entries;
}

Object death_section(const Report& report) {
  Object death;
  const report::EndDescription& d = report.death;
  put_text(death, "reason", d.reason);
  put_text(death, "signal", d.signal);
  put(death, "exit_code", d.exit_code);
  if (d.address) {
    death.add("address", fmt::format("0x{:x}", *d.address));
  }
  if (d.tid) {
    death.add("thread", fmt::format("{}", *d.tid));
  }
  put_text(death, "stack", d.stack_text);
  return death;
}

}  // namespace lamprey::cloudwatch
