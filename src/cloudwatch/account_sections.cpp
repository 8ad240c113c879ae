// `wall`, `network` and `files`: where the time of the request's thread went, and what the process
// talked to; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

Object wall_section(const Report& report, Form form) {
  Object wall;
  if (!report.wall) {
    return wall;
  }
  const report::WallFigures& w = *report.wall;
  add_ms(wall, "total_ms", w.total_ns);
  put_ms(wall, "cpu_ms", w.cpu_ns);
  put_ms(wall, "runnable_ms", w.runnable_ns);
  if (form == Form::kFull || w.stolen_ns.value_or(0) != 0) {
    put_ms(wall, "stolen_ms", w.stolen_ns);
  }
  add_ms(wall, "network_ms", w.network_ns);
  add_ms(wall, "dns_ms", w.dns_ns);
  add_ms(wall, "file_ms", w.file_ns);
  add_ms(wall, "lock_ms", w.lock_ns);
  add_ms(wall, "sleep_ms", w.sleep_ns);
  add_ms(wall, "child_ms", w.child_ns);
  add_ms(wall, "other_ms", w.other_ns);
  return wall;
}

Entries host_entries(const Report& report, Form form) {
  Entries entries;
  for (const report::HostFigures& host : report.targets.hosts) {
    if (entries.size() == top_of(form)) {
      break;
    }
    Object entry;
    entry.add("host", cut(host.host));
    put_text(entry, "peer", host.peer);
    entry.add("connects", host.connects);
    if (host.lookups != 0) {
      add_ms(entry, "dns_ms", host.lookup_ns);
    }
    if (host.connects != 0) {
      add_ms(entry, "connect_ms", host.connect_ns);
    }
    if (host.tls_handshakes != 0) {
      add_ms(entry, "tls_ms", host.tls_ns);
    }
    if (host.answers != 0) {
      add_ms(entry, "first_byte_ms", host.first_byte_ns);
    }
    add_ms(entry, "wait_ms", host.wait_ns);
    entry.add("sent_bytes", host.sent_bytes);
    entry.add("received_bytes", host.received_bytes);
    entry.add("reused", host.reused);
    entry.add("errors", host.errors);
    put_text(entry, "from", host.from.text);
    entries.push_back(entry.text());
  }
  return entries;
}

Entries file_entries(const Report& report, Form form) {
  Entries entries;
  for (const report::FileFigures& file : report.targets.files) {
    if (entries.size() == top_of(form)) {
      break;
    }
    Object entry;
    entry.add("path", cut(file.path));
    entry.add("opens", file.opens);
    entry.add("reads", file.reads);
    entry.add("writes", file.writes);
    entry.add("bytes", file.read_bytes + file.written_bytes);
    add_ms(entry, "time_ms", file.time_ns);
    entry.add("errors", file.errors);
    put_text(entry, "from", file.from.text);
    entries.push_back(entry.text());
  }
  return entries;
}

}  // namespace lamprey::cloudwatch
