// /tmp/perf-<pid>.map: the names that a language's runtime writes for the code it makes (node with
// --perf-basic-prof, Python 3.12 or newer with PYTHONPERFSUPPORT=1). Lines of "start size name",
// hexadecimal, only ever appended; where two overlap, the later one is what runs now.
//
// The file is hostile and may be large: it is read once, in pieces, for the addresses asked for,
// and then only as far as it has grown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lamprey::symbols {

class PerfMap {
 public:
  explicit PerfMap(std::string path);
  ~PerfMap();
  PerfMap(const PerfMap&) = delete;
  PerfMap& operator=(const PerfMap&) = delete;

  void want(std::uint64_t address);
  // Reads one piece; false when nothing is left to read for what was wanted.
  bool step();
  // The name of the code at this address; empty: none known (yet).
  const std::string& name(std::uint64_t address) const;

  static constexpr std::size_t kMaxAddresses = 512;

 private:
  struct Answer {
    std::uint64_t read_to = 0;  // bytes of the file that were looked at for it
    std::uint64_t used = 0;
    std::string name;
  };
  bool open();
  void take_lines(std::uint64_t end);
  void take_line(std::string_view line, std::uint64_t end);
  void forget_one();

  std::string path_;
  int descriptor_ = -1;
  bool refused_ = false;        // there, and not this user's or no regular file
  std::uint64_t at_ = 0;        // where the next piece begins
  std::uint64_t end_ = 0;       // the file's size when this reading began
  std::uint64_t read_end_ = 0;  // the file's size when the last whole reading ended
  std::uint64_t tail_ = 0;      // where its last whole line ended
  std::uint64_t uses_ = 0;
  std::string rest_;   // a line whose end was not read yet
  bool skip_ = false;  // within a line that is too long
  std::map<std::uint64_t, Answer> answers_;
};

}  // namespace lamprey::symbols
