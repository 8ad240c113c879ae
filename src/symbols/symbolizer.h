// Addresses of somebody else's process → function names, a little at a time.
//
// Names are asked for with want(), found by work() within a budget of time, and read with name(),
// which says "?? (module +0x1234)" until they are found. Answers are kept (the least used are
// forgotten) so that an invocation that allocates where the last one did costs nothing.
//
// A module's file is trusted only if its build id is the recorded one. Where it has no full symbol
// table, a separate debug file is tried: /usr/lib/debug/.build-id/xx/yyy.debug, then the name in
// .gnu_debuglink beside the module, in .debug/ and below /usr/lib/debug; both need the same build
// id. Then .gnu_debugdata.
//
// Not thread-safe. Holds answers (at most ~300 KB) and one 12 KB piece of a table, never a table;
// what is unpacked lies in files without a name (at most 16 MB of /tmp, usually below one).
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "symbols/perf_map.h"
#include "symbols/symbol_search.h"
#include "symbols/unpacked_files.h"

namespace lamprey::symbols {

// Where code is; see report::Frame for the fields. The texts are the caller's: some hundred of
// these are made at the end of every invocation.
struct Place {
  std::int32_t pid = 0;  // 0: unknown, or the process is gone
  std::uint64_t address = 0;
  std::string_view module;  // empty: code made at run time
  std::string_view build_id;
  std::uint64_t offset = 0;
};

// The directories in which files are searched; tests pass their own.
struct Surroundings {
  std::string debug = "/usr/lib/debug";
  std::string proc = "/proc";
  std::string maps = "/tmp";
  std::string scratch = "/tmp";  // for files without a name
};

class Symbolizer {
 public:
  explicit Symbolizer(Surroundings surroundings = {});
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  void want(const Place& place);
  // Works until everything wanted is answered (true) or CLOCK_MONOTONIC passes `until_ns` (false);
  // at most ~100 µs longer. Never throws but for lack of memory.
  bool work(std::uint64_t until_ns);
  // "json_loads (_json.so +0x1a2b)", "py::load:/var/task/app.py", "?? (libc.so.6 +0x1234)". One
  // line, at most kMaxText bytes, no ';'.
  std::string name(const Place& place);

  static constexpr std::size_t kMaxText = 200;
  static constexpr std::size_t kMaxAnswers = 1024;
  static constexpr std::size_t kMaxWanted = 2048;
  static constexpr std::size_t kMaxModules = 1024;

 private:
  using Key = std::pair<std::uint32_t, std::uint64_t>;  // the module's number, an offset in it
  struct Answer {
    std::string function;    // empty: nobody knows
    std::uint64_t used = 0;  // the higher, the later
  };
  struct Job {
    std::uint32_t number;  // of the module
    std::string module;
    std::string build_id;
    std::int32_t pid = 0;
    std::vector<std::uint64_t> offsets;
  };

  PerfMap* perf_map(std::int32_t pid);
  std::uint32_t number_of(const Place& place);
  const Answer* find(const Key& key);
  bool is_wanted(const Key& key) const;
  void keep(const Key& key, const std::string& symbol);
  void begin_search();
  void end_search();

  Surroundings surroundings_;
  std::list<Job> jobs_;
  std::size_t wanted_ = 0;  // offsets in all jobs
  UnpackedFiles unpacked_;
  std::unique_ptr<SymbolSearch> search_;
  std::vector<std::string> modules_;  // build ids or paths, by number
  std::map<Key, Answer> answers_;
  std::uint64_t uses_ = 0;
  struct ProcessMap {
    std::int32_t pid;
    std::unique_ptr<PerfMap> map;
  };
  std::list<ProcessMap> perf_maps_;  // the oldest first
};

}  // namespace lamprey::symbols
