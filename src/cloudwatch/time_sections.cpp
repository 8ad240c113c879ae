// `calls` and `init`: where time went; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

constexpr std::size_t kMostDirectories = 10;

Json init_json(const Report& report) {
  Json init;
  if (report.type == report::Type::kInit) {
    put_ms(init, "total_ms", report.init_ns);
    put_ms(init, "runtime_start_ms", report.runtime_start_ns);
    put_ms(init, "import_ms", report.import_ns);
    put_ms(init, "attach_ms", report.self.attach_ns);
    put_ms(init, "file_ms", report.init_file_ns);
    put(init, "files_opened", report.files_opened);
    std::uint64_t probes = 0;
    std::uint64_t not_found = 0;
    Json list = Json::array();
    for (const report::DirectoryFigures& directory : report.targets.directories) {
      probes += directory.probes;
      not_found += directory.not_found;
      if (list.size() == kMostDirectories) {
        continue;
      }
      list.push_back({{"path", cut(directory.path)},
                      {"opens", directory.opens},
                      {"stats", directory.probes},
                      {"not_found", directory.not_found},
                      {"time_ms", ms(directory.time_ns)}});
    }
    if (report.files_opened) {
      init["files_stated"] = probes;
      init["not_found"] = not_found;
    }
    put_object(init, "directories", std::move(list));
  }
  return init;
}

Json calls_json(const Report& report, const Amount& amount) {
  Json calls;
  if (!report.calls) {
    return calls;
  }
  calls["total"] = report.calls->total;
  calls["errors"] = report.calls->errors;
  calls["time_ms"] = ms(report.calls->time_ns);
  Json list = Json::array();
  for (const report::CallFigures& call : report.calls->by_time) {
    if (list.size() == amount.top) {
      break;
    }
    Json entry;
    entry["name"] = recording::kCallTable[static_cast<std::size_t>(call.call)].name;
    entry["calls"] = call.calls;
    entry["errors"] = call.errors;
    entry["total_ms"] = ms(call.total_ns);
    if (call.p50_ns != 0) {
      if (amount.full) {
        entry["p50_us"] = us(call.p50_ns);
      }
      entry["p99_us"] = us(call.p99_ns);
    }
    if (call.max_ns) {
      entry["max_us"] = us(*call.max_ns);
    }
    if (amount.full) {
      entry["bytes"] = call.bytes;
    }
    list.push_back(std::move(entry));
  }
  put_object(calls, "top", std::move(list));
  return calls;
}

}  // namespace lamprey::cloudwatch
