// `calls`, `kernel` and `init`: where time went; see docs/record.md.
#include "cloudwatch/sections.h"
#include "report/text/error_names.h"

namespace lamprey::cloudwatch {

using report::Report;

constexpr std::size_t kMaxDirectories = 10;

namespace {

// The directories' entries; sums are of all of them.
Entries directory_entries(const Report& report, std::uint64_t& probes, std::uint64_t& not_found) {
  Entries entries;
  for (const report::DirectoryFigures& directory : report.targets.directories) {
    probes += directory.probes;
    not_found += directory.not_found;
    if (entries.size() == kMaxDirectories) {
      continue;
    }
    Object entry;
    entry.add("path", cut(directory.path));
    entry.add("opens", directory.opens);
    entry.add("stats", directory.probes);
    entry.add("not_found", directory.not_found);
    add_ms(entry, "time_ms", directory.time_ns);
    entries.push_back(entry.text());
  }
  return entries;
}

Object call_entry(const char* name, const report::CallFigures& call, Form form) {
  Object entry;
  entry.add("name", name);
  entry.add("calls", call.calls);
  entry.add("errors", call.errors);
  if (form == Form::kFull) {
    put_text(entry, "errnos", report::errors_text(call));
  }
  add_ms(entry, "total_ms", call.total_ns);
  if (call.p50_ns != 0) {
    if (form == Form::kFull) {
      add_us(entry, "p50_us", call.p50_ns);
    }
    add_us(entry, "p99_us", call.p99_ns);
  }
  if (call.max_ns) {
    add_us(entry, "max_us", *call.max_ns);
  }
  if (form == Form::kFull) {
    entry.add("bytes", call.bytes);
  }
  return entry;
}

}  // namespace

Object init_section(const Report& report) {
  Object init;
  if (report.type != report::Type::kInit) {
    return init;
  }
  put_ms(init, "total_ms", report.init_ns);
  put_ms(init, "runtime_start_ms", report.runtime_start_ns);
  put_ms(init, "import_ms", report.import_ns);
  put_ms(init, "attach_ms", report.self.attach_ns);
  put_ms(init, "file_ms", report.init_file_ns);
  put(init, "files_opened", report.files_opened);
  std::uint64_t probes = 0;
  std::uint64_t not_found = 0;
  const Entries directories = directory_entries(report, probes, not_found);
  if (report.files_opened) {
    init.add("files_stated", probes);
    init.add("not_found", not_found);
  }
  init.add("directories", directories, kMaxDirectories);
  return init;
}

Object calls_section(const Report& report) {
  Object calls;
  if (report.calls) {
    calls.add("total", report.calls->total);
    calls.add("errors", report.calls->errors);
    add_ms(calls, "time_ms", report.calls->time_ns);
  }
  return calls;
}

Entries call_entries(const Report& report, Form form) {
  Entries entries;
  if (!report.calls) {
    return entries;
  }
  for (const report::CallFigures& call : report.calls->by_time) {
    if (entries.size() == top_of(form)) {
      break;
    }
    Object entry =
        call_entry(recording::kCallTable[static_cast<std::size_t>(call.call)].name, call, form);
    entries.push_back(entry.text());
  }
  return entries;
}

Entries briefest_call(const Report& report) {
  Entries entries;
  if (report.calls && !report.calls->by_time.empty()) {
    const report::CallFigures& call = report.calls->by_time.front();
    Object entry;
    entry.add("name", recording::kCallTable[static_cast<std::size_t>(call.call)].name);
    entry.add("calls", call.calls);
    entry.add("errors", call.errors);
    add_ms(entry, "total_ms", call.total_ns);
    entries.push_back(entry.text());
  }
  return entries;
}

Object kernel_section(const Report& report) {
  Object kernel;
  if (report.kernel) {
    kernel.add("total", report.kernel->total);
    kernel.add("errors", report.kernel->errors);
    add_ms(kernel, "time_ms", report.kernel->time_ns);
    kernel.add("places", report.kernel->places);
  }
  return kernel;
}

Entries kernel_entries(const Report& report, Form form) {
  Entries entries;
  if (!report.kernel) {
    return entries;
  }
  for (const report::KernelCall& call : report.kernel->by_time) {
    if (entries.size() == top_of(form)) {
      break;
    }
    entries.push_back(call_entry(call.name, call.figures, form).text());
  }
  return entries;
}

}  // namespace lamprey::cloudwatch
