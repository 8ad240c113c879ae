// `blocked` and `death`: what an abnormal end left behind; see docs/record.md.
#include "cloudwatch/sections.h"

#include <fmt/format.h>

namespace lamprey::cloudwatch {

using report::Report;

Json blocked_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::Blocked& blocked : report.blocked) {
    if (list.size() == most) {
      break;
    }
    Json entry = {{"thread", fmt::format("{}", blocked.tid)}, {"call", report::call_name(blocked)}};
    if (!blocked.target.empty()) {
      entry["target"] = cut(blocked.target);
    }
    put_ms(entry, "for_ms", blocked.for_ns);
    put_text(entry, "stack", blocked.stack_text);
    list.push_back(std::move(entry));
  }
  return list;
}

Json death_json(const Report& report) {
  Json death;
  const report::Death& d = report.death;
  put_text(death, "reason", d.reason);
  put_text(death, "signal", d.signal);
  put(death, "exit_code", d.exit_code);
  if (d.address) {
    death["address"] = fmt::format("0x{:x}", *d.address);
  }
  if (d.tid) {
    death["thread"] = fmt::format("{}", *d.tid);
  }
  put_text(death, "stack", d.stack_text);
  return death;
}

}  // namespace lamprey::cloudwatch
