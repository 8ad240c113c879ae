// What was printed of each recording, kept in a file, so that a companion that is killed at any
// instant neither loses a line nor prints it twice: its successor goes on from here. Also the
// little else that must outlive a companion (EnvironmentState).
//
// The line and the note of it are one system call: the line goes to standard output by sendfile(2),
// which writes how far it came to a page of this file before it returns to the program, where a
// SIGKILL would be noticed. Where standard output does not take that (a pipe before Linux 5.12), or
// is a file that others may write to as well, the line is written and then noted, and a kill
// between the two may repeat a line.
//
// The file belongs to one environment: journal-<address of its API>. One companion at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "recording/layout.h"
#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::companion {

struct EnvironmentState {
  std::uint64_t failed_inits = 0;          // in a row, up to now
  std::uint64_t first_failed_real_ns = 0;  // of that row
  report::MemoryKills kills;               // the kernel's counters when they were last looked at
  std::string late_request;                // still running when its time was nearly over
};

class Journal {
 public:
  // `environment`: AWS_LAMBDA_RUNTIME_API. Nothing is opened yet.
  Journal(const std::string& directory, const std::string& environment);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Opens what a former companion left, or makes it. False: there is no journal, and lines are
  // printed all the same. A line that was cut off in the middle is ended, at `output`.
  bool open(int output);

  EnvironmentState& state() { return state_; }
  void keep_state();

  // What was printed of a recording; nothing when that cannot be known.
  std::optional<report::Given> given(const recording::Header& header) const;
  // Prints a line of a recording, after which `after` was given of it. False: it was not taken.
  bool print(int output, const std::string& line, const recording::Header& header,
             const report::Given& after);
  // The recording is gone.
  void forget(const recording::Header& header);

 private:
  struct Entry;
  struct Page;

  Entry* find(const recording::Header& header) const;
  bool keep(std::size_t at, std::size_t bytes) const;
  bool keep_entry(const Entry& entry) const;
  void recover(int output);
  void drop_entries_of_removed_files();
  bool send(int output, const std::string& line);

  std::string path_;
  int descriptor_ = -1;
  Page* page_;              // this program's copy
  void* mapped_ = nullptr;  // the file's first page: only the kernel writes through it
  EnvironmentState state_;
};

}  // namespace lamprey::companion
