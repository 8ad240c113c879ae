// Why an invocation ran out of time, in words: what took the time comes first; the last instant
// only where it took it. One account for the headline and the finding. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

enum class OutOfTime : std::uint8_t {
  kUnknown,
  kLastCall,  // what the first of Report::blocked was in
  kIdleLoop,  // an event loop that waits for nobody's answer
  kCalls,     // many calls to hosts, each answered
  kDns,
  kFiles,
  kLocks,
  kSleep,
  kChildren,
  kCpu,
};

struct TimeAccount {
  OutOfTime by = OutOfTime::kUnknown;
  std::string text;      // a clause: "2.96 s of 2.99 s in 148 calls to localhost:18101"
  std::uint64_t ns = 0;  // that it took; 0: unknown
  const HostFigures* host = nullptr;  // of kCalls
};

TimeAccount why_out_of_time(const Report& report);

// "main thread 2.94 s in connect to 10.0.3.17:5432 (db.internal)"
std::string blocked_text(const Blocked& blocked);

// "61 ms CPU + 240 ms network (dynamodb.eu-west-1…) + 88 ms DNS": the parts of Report::wall that
// are worth telling; empty where there is none.
std::string parts_of(const Report& report);

// "localhost:18101"
std::string host_label(const HostFigures& host);

}  // namespace lamprey::report
