// The record's words for the enumerators of report.h. Nothing else lives here.
#include "report/model/report.h"

namespace lamprey::report {

const char* name_of(Type type) {
  switch (type) {
    case Type::kInit:
      return "init";
    case Type::kInvoke:
      return "invoke";
    case Type::kShutdown:
      return "shutdown";
    case Type::kRun:
      return "run";
    case Type::kSummary:
      return "summary";
  }
  return "invoke";
}

const char* name_of(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kError:
      return "error";
    case Status::kTimeout:
      return "timeout";
    case Status::kOutOfMemory:
      return "out_of_memory";
    case Status::kCrash:
      return "crash";
    case Status::kExit:
      return "exit";
  }
  return "error";
}

const char* call_name(const Blocked& blocked) {
  return blocked.on_cpu ? "on_cpu"
                        : recording::kCallTable[static_cast<std::size_t>(blocked.call)].name;
}

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kCritical:
      return "critical";
  }
  return "info";
}

}  // namespace lamprey::report
