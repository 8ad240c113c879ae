// Where time went, as figures: the account of the thread that handled a request, hosts, files and
// directories. Plain values of a Report; no reading of recordings and no formatting lives here.
//
// Units: ns, bytes, counts. A figure that could not be obtained is absent, never 0.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "recording/targets.h"
#include "report/model/frame.h"

namespace lamprey::report {

// The parts add up to the whole, exactly. Time in a call counts as what the call does, including
// the CPU that the kernel used in it. `cpu_ns` is what the thread used outside of calls.
struct WallFigures {
  std::uint64_t total_ns = 0;
  std::optional<std::uint64_t> cpu_ns;       // absent (and part of other) when the thread is gone
  std::optional<std::uint64_t> runnable_ns;  // absent (and part of other) where /proc does not say
  // Without a CPU because the function's share of it was used up, or its machine's was given to
  // others (procfs/held_back.h); absent (and part of runnable or other) where the kernel does not
  // say.
  std::optional<std::uint64_t> stolen_ns;
  std::uint64_t network_ns = 0;
  std::uint64_t dns_ns = 0;
  std::uint64_t file_ns = 0;
  std::uint64_t lock_ns = 0;
  std::uint64_t sleep_ns = 0;
  std::uint64_t child_ns = 0;
  std::uint64_t other_ns = 0;
  std::uint64_t unexplained_ns = 0;  // of other: in no call, on no CPU and waiting for none
  std::int32_t tid = 0;
};

// Who first asked for a host, or opened a file.
struct FirstUse {
  std::uint32_t stack_id = 0;  // 0: not known
  std::uint32_t after_id = 0;  // in Node: of what the program did last before; 0: not known
  Stack stack;                 // only where the line is full
  bool after = false;          // the stack is that of `after_id`
  std::string text;            // the program's own function
};

struct HostFigures {
  std::string host;                   // name, or the address when there is none
  std::uint32_t target_plus_one = 0;  // of the recording; 0: unknown
  FirstUse from;
  std::string peer;  // the address; empty when the host was only looked up
  std::uint64_t connects = 0;
  std::uint64_t connect_ns = 0;
  std::uint64_t tls_handshakes = 0;
  std::uint64_t tls_ns = 0;
  std::uint64_t lookups = 0;
  std::uint64_t lookup_ns = 0;
  std::uint64_t answers = 0;
  std::uint64_t first_byte_ns = 0;  // over all answers
  std::uint64_t longest_ns = 0;     // the longest first byte
  std::uint64_t wait_ns = 0;        // in calls on it, and in waits that it ended
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t reused = 0;
  std::uint64_t errors = 0;
  std::array<std::uint64_t, recording::kNetworkFailures> failures{};  // of errors, by kind
  bool in_findings = false;  // a finding of the same report is about it
};

struct FileFigures {
  std::string path;  // ends with "/*" when it stands for several below a directory
  FirstUse from;
  std::uint64_t opens = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t time_ns = 0;
  std::uint64_t errors = 0;
};

// Everything below one directory, named files included.
struct DirectoryFigures {
  std::string path;
  std::uint64_t opens = 0;
  std::uint64_t probes = 0;  // stat, access, readlink, ...
  std::uint64_t not_found = 0;
  std::uint64_t time_ns = 0;
};

// All lists by time, longest first.
struct TargetFigures {
  std::vector<HostFigures> hosts;
  std::vector<FileFigures> files;
  std::vector<DirectoryFigures> directories;
};

}  // namespace lamprey::report
