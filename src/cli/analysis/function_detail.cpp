// Details of functions; see the header.
#include "cli/analysis/function_detail.h"

#include "cli/input/json_values.h"
#include "cli/input/summaries.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;

void add_files(FunctionDetail& detail, const Value& record) {
  std::string room;
  for (const Value file : list(record, "files")) {
    std::string_view path = file["path"].text_in(room);
    if (path.empty()) {
      continue;
    }
    if (detail.files.size() >= FunctionDetail::kMostFiles &&
        detail.files.find(path) == detail.files.end()) {
      path = FunctionDetail::kOtherFiles;
    }
    FileSum& sum = entry_of(detail.files, path);
    sum.opens += number(file, "opens").value_or(0);
    sum.reads += number(file, "reads").value_or(0);
    sum.writes += number(file, "writes").value_or(0);
    sum.bytes += number(file, "bytes").value_or(0);
    sum.errors += number(file, "errors").value_or(0);
    sum.time_ns += number(file, "time_ms", kNsAMs).value_or(0);
  }
}

// A summary's invocations are none of the cold starts: those have lines of their own.
void add_summary(FunctionDetail& detail, const Value& record) {
  for (const std::uint64_t value : values_in(record, "duration_ms", kNsAMs)) {
    detail.durations_ns.add(value);
    detail.warm_ns.add(value);
  }
  for (const std::uint64_t value : values_in(record, "live_bytes")) {
    detail.live.add(value);
  }
  for (const std::uint64_t value : values_in(record, "peak_rss_bytes")) {
    detail.peak_rss.add(value);
  }
}

void add_invocation(FunctionDetail& detail, const Value& record) {
  const bool cold = record["cold_start"].kind() == Value::Kind::kTrue;
  const bool bad = !is(record, "status", "ok") && !record["status"].raw().empty();
  const Mark mark = bad ? Mark::kBadEnd : cold ? Mark::kColdStart : Mark::kNone;
  if (const auto duration = number(record, "duration_ms", kNsAMs)) {
    detail.durations_ns.add(*duration, mark);
    (cold ? detail.cold_ns : detail.warm_ns).add(*duration);
  }
  const Value memory = record["memory"];
  if (const auto live = number(memory, "live_bytes")) {
    detail.live.add(*live, mark);
  }
  if (const auto peak = number(memory, "peak_rss_bytes")) {
    detail.peak_rss.add(*peak, mark);
  }
}

}  // namespace

void add_record(FunctionDetail& detail, const Value& record) {
  detail.memory.add(record);
  detail.cpu.add(record);
  detail.notable.add(record);
  add_files(detail, record);
  if (is_summary(record)) {
    add_summary(detail, record);
  } else if (is(record, "type", "invoke") || is(record, "type", "run")) {
    add_invocation(detail, record);
  }
}

}  // namespace lamprey::cli
