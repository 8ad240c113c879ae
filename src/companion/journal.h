// Which lines of each recording were printed, kept in a file. A companion that is killed at any
// instant neither loses a line nor prints it twice: its successor goes on from here. The file also
// holds the little else that must outlive a companion (EnvironmentState).
//
// Printing a line and noting it are one system call. The line goes to standard output by
// sendfile(2), which writes how far it has come to a page of this file. It does so before it
// returns to user space, the earliest point at which SIGKILL takes effect. Some outputs do not take
// sendfile (a pipe before Linux 5.12), and a file may have other writers. There the line is written
// first and noted after, so a kill between the two may repeat a line.
//
// A line costs three system calls: one notes what holds once it has left, one puts it into the
// spool, one sends it. Two notes take turns, so that the one before stays true until this one is.
//
// What is added up for a summary (keep_summary) is kept in two further places behind the first
// page, which take turns, too: the sum, and which invocation of which recording it now has. So
// those that are in the sum are neither lost nor counted twice: whoever comes after us prints the
// sum.
//
// A full standard output that does not block is waited for briefly. Then this line and all later
// ones are queued. A line that has begun is always finished first, so none is torn. Queued lines go
// out at the next chance and count as printed only then. The queue is bounded: beyond it lines are
// lost.
//
// The file belongs to one environment: journal-<address of its API>. One companion at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "companion/outgoing_line.h"
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
  // printed all the same. A line that was cut off in the middle gets its newline on `output`.
  bool open(int output);

  EnvironmentState& state() { return state_; }
  void keep_state();

  // What was printed of a recording, or waits to be; nothing when that cannot be known.
  std::optional<report::Reported> reported(const recording::Header& header) const;
  // Prints a line of a recording and notes `after` as what was reported. False: a line was lost.
  bool print(int output, std::string line, const recording::Header& header,
             const report::Reported& after);
  // Prints a line that belongs to no recording.
  bool print(int output, std::string line);
  // Keeps `sum`, which now has what `after` says of a recording (null: it belongs to none).
  void keep_summary(int output, std::string sum, const recording::Header* header,
                    const report::Reported& after);
  // Prints the line of all that was kept by keep_summary(): that is then needed no more.
  bool print_summary(int output, const std::string& line);
  // What a former companion kept and did not print, as open() found it.
  const std::string& summary() const { return found_summary_; }
  // Sends what waits, for `most` at most. False: a line was lost.
  bool send_waiting(int output, std::chrono::milliseconds most);
  std::size_t waiting() const { return waiting_.size(); }
  // Whether a line of this recording waits: the recording is then still needed.
  bool waits_for(const recording::Header& header) const;
  // The recording is gone.
  void forget(const recording::Header& header);
  // At the end: removes the file if it holds nothing that a successor would need.
  void remove_if_needless();

 private:
  struct Entry {
    std::uint64_t process_start;
    std::uint64_t attach_real_ns;
    std::uint64_t next;
    std::uint64_t bits[2];
    std::uint64_t order;  // of two that speak of one recording the newer one has more
    std::int32_t pid;
    std::uint8_t used;
    std::uint8_t init;
    std::uint8_t whole;
    std::uint8_t reserved;
  };
  // What holds once a line has left.
  struct Note {
    std::int64_t sent;    // how far the line has come in the spool; the kernel writes this
    std::int64_t start;   // where it begins there
    std::int64_t size;    // of the line; 0: there is none
    std::uint64_t order;  // of two notes the newer one has more
    std::uint64_t place;  // which of the entries `entry` takes the place of; kOfSummary
    Entry entry;
  };
  static constexpr std::size_t kNotes = 2;
  static constexpr std::uint64_t kOfSummary = UINT64_MAX;  // the line of all sums kept before
  // A sum, in the file before its bytes.
  struct Kept {
    std::uint64_t check;  // of all that follows, and of the bytes
    std::uint64_t size;   // of the bytes
    std::uint64_t order;
    std::uint64_t place;  // of `entry`; kOfSummary: it belongs to no recording
    Entry entry;
  };
  struct Page;
  struct Waiting {
    enum class What : std::uint8_t { kLine, kSum, kLineOfSum };
    std::string text;            // with its newline; of a sum: its bytes
    std::optional<Entry> entry;  // noted once the line has left
    What what = What::kLine;
  };

  static bool is_of(const Entry& entry, const recording::Header& header);
  static report::Reported reported_by(const Entry& entry);
  Entry* find(const recording::Header& header) const;
  Entry* place_for(const Entry& entry) const;
  static Entry entry_of(const recording::Header& header, const report::Reported& after);
  void adopt(std::uint64_t place, const Entry& entry);
  void write_sum(const Waiting& waiting);
  void find_sum(std::uint64_t printed);
  bool enqueue(int output, Waiting waiting);
  void begin_first(int output);
  bool takes_sendfile(int output);
  OutgoingLine::Step send_first(int output);
  bool keep(std::size_t at, std::size_t bytes) const;
  bool keep_entry(const Entry& entry) const;
  bool keep_note(const Note& note) const;
  off_t* begin_note(const Entry& entry, std::uint64_t place, std::size_t size, off_t start);
  std::uint64_t number_of(const Entry& place) const;
  void end_note(OutgoingLine::Step step);
  void clear_note(Note& note) const;
  void recover(int output);
  void drop_entries_of_removed_files();

  std::string path_;
  int descriptor_ = -1;
  Page* page_;              // this program's copy
  void* mapped_ = nullptr;  // the file's first page: only the kernel writes through it
  EnvironmentState state_;
  std::list<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  LineSpool spool_;
  std::unique_ptr<OutgoingLine> first_;  // the first of waiting_, once it has begun
  Note* note_ = nullptr;                 // the file says what first_ is, here
  std::size_t next_note_ = 0;
  std::uint64_t notes_begun_ = 0;  // and sums that were kept
  std::string found_summary_;
  std::uint64_t kept_places_[2] = {kOfSummary, kOfSummary};  // whose entries the two sums hold
  std::size_t next_kept_ = 0;
  bool sum_kept_ = false;          // and its line has not left
  std::optional<bool> into_file_;  // standard output is a file
  bool cut_off_ = false;           // the last thing that left was a part of a line
};

}  // namespace lamprey::companion
