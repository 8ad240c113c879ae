// Perf maps that grow while they are read, against a reading of the whole that knows nothing of
// pieces. The first line of an input says where the file is cut: it is read up to there, then
// whole.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "symbols/perf_map.h"
#include "tests/fuzz/fuzzing.h"

namespace {

using lamprey::fuzzing::require;
using lamprey::symbols::PerfMap;

constexpr std::size_t kAddresses = 24;
constexpr std::size_t kLongLine = 4096;  // longer ones may be passed over
constexpr std::size_t kMaxName = 512;

bool take_number(std::string_view& line, std::uint64_t& value) {
  line.remove_prefix(line.starts_with("0x") ? 2 : 0);
  const std::size_t digits = std::min(line.find(' '), line.size());
  const auto end = std::from_chars(line.data(), line.data() + digits, value, 16);
  if (digits == line.size() || end.ec != std::errc{} || end.ptr != line.data() + digits) {
    return false;
  }
  line.remove_prefix(digits + 1);
  return true;
}

struct Range {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  std::string_view name;
};

// Every line that ends and is no longer than kLongLine; `certain`: there is no other.
std::vector<Range> ranges_of(std::string_view text, bool& certain) {
  std::vector<Range> ranges;
  std::size_t end = 0;
  for (; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    std::string_view line = text.substr(0, end);
    certain = certain && line.size() <= kLongLine;
    Range range;
    if (take_number(line, range.start) && take_number(line, range.bytes) && !line.empty()) {
      range.name = line.substr(0, kMaxName);
      ranges.push_back(range);
    }
  }
  certain = certain && text.size() <= kLongLine;
  return ranges;
}

std::string_view name_in(const std::vector<Range>& ranges, std::uint64_t address) {
  std::string_view name;
  for (const Range& range : ranges) {
    name = address >= range.start && address - range.start < range.bytes ? range.name : name;
  }
  return name;
}

void read_to_the_end(PerfMap& map, std::size_t bytes) {
  std::size_t steps = (bytes / 1024) + 16;
  while (map.step()) {
    require(steps-- > 0, "a reading ends");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static lamprey::fuzzing::InputFile file("perf.map");
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t cut = 0;
  std::from_chars(text.data(), text.data() + std::min<std::size_t>(size, 8), cut);
  text.remove_prefix(std::min(size, text.find('\n') + 1));
  cut = std::min(cut, text.size());

  bool certain = true;
  const std::vector<Range> ranges = ranges_of(text, certain);
  std::vector<std::uint64_t> addresses{0, 1, 0x1000, UINT64_MAX};
  for (const Range& range : ranges) {
    for (const std::uint64_t address : {range.start, range.start + range.bytes}) {
      if (addresses.size() < kAddresses) {
        addresses.push_back(address);
        addresses.push_back(address - 1);
      }
    }
  }
  PerfMap map(file.path());
  file.set(text.substr(0, cut));
  // Half of them are asked for before the file has grown.
  for (std::size_t i = 0; i < addresses.size(); i += 2) {
    map.want(addresses[i]);
  }
  read_to_the_end(map, size);
  file.write(text.substr(cut), cut);
  for (const std::uint64_t address : addresses) {
    map.want(address);
  }
  read_to_the_end(map, size);
  for (const std::uint64_t address : addresses) {
    const std::string& name = map.name(address);
    require(name.size() <= kMaxName, "a name is no longer than kMaxName");
    require(!certain || name == name_in(ranges, address), "the last line about an address counts");
  }
  return 0;
}
