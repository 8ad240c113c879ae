// `wall`, `network` and `files`: where the time of the request's thread went, and what the process
// talked to; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

Json wall_json(const Report& report) {
  Json wall;
  if (!report.wall) {
    return wall;
  }
  const report::WallFigures& w = *report.wall;
  wall["total_ms"] = ms(w.total_ns);
  put_ms(wall, "cpu_ms", w.cpu_ns);
  put_ms(wall, "runnable_ms", w.runnable_ns);
  wall["network_ms"] = ms(w.network_ns);
  wall["dns_ms"] = ms(w.dns_ns);
  wall["file_ms"] = ms(w.file_ns);
  wall["lock_ms"] = ms(w.lock_ns);
  wall["sleep_ms"] = ms(w.sleep_ns);
  wall["child_ms"] = ms(w.child_ns);
  wall["other_ms"] = ms(w.other_ns);
  return wall;
}

Json network_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::HostFigures& host : report.targets.hosts) {
    if (list.size() == most) {
      break;
    }
    Json entry;
    entry["host"] = cut(host.host);
    put_text(entry, "peer", host.peer);
    entry["connects"] = host.connects;
    if (host.lookups != 0) {
      entry["dns_ms"] = ms(host.lookup_ns);
    }
    if (host.connects != 0) {
      entry["connect_ms"] = ms(host.connect_ns);
    }
    if (host.answers != 0) {
      entry["first_byte_ms"] = ms(host.first_byte_ns);
    }
    entry["wait_ms"] = ms(host.wait_ns);
    entry["sent_bytes"] = host.sent_bytes;
    entry["received_bytes"] = host.received_bytes;
    entry["reused"] = host.reused;
    entry["errors"] = host.errors;
    list.push_back(std::move(entry));
  }
  return list;
}

Json files_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::FileFigures& file : report.targets.files) {
    if (list.size() == most) {
      break;
    }
    Json entry;
    entry["path"] = cut(file.path);
    entry["opens"] = file.opens;
    entry["reads"] = file.reads;
    entry["writes"] = file.writes;
    entry["bytes"] = file.read_bytes + file.written_bytes;
    entry["time_ms"] = ms(file.time_ns);
    entry["errors"] = file.errors;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace lamprey::cloudwatch
