// Reading smaps; see the header.
#include "report/procfs/address_space.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "recording/reader.h"
#include "report/procfs/process.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kArena = std::uint64_t{64} << 20U;  // glibc's HEAP_MAX_SIZE, 64-bit
// An arena that needs more gets another heap: only the newest of its heaps is not full.
constexpr std::uint64_t kFullHeap = kArena / 16 * 15;
constexpr std::uint64_t kMaxGuard = std::uint64_t{64} * 1024;
constexpr std::uint64_t kMaxStack = std::uint64_t{1} << 30U;
constexpr std::size_t kMaxLine = 8192;

// "55d0c000-55d21000 " and what follows; false when the line is no mapping's first.
bool take_range(std::string_view& text, std::uint64_t& start, std::uint64_t& end) {
  const char* const stop = text.data() + text.size();
  const auto first = std::from_chars(text.data(), stop, start, 16);
  if (first.ec != std::errc{} || first.ptr == stop || *first.ptr != '-') {
    return false;
  }
  const auto second = std::from_chars(first.ptr + 1, stop, end, 16);
  if (second.ec != std::errc{} || second.ptr == stop || *second.ptr != ' ' || end <= start) {
    return false;
  }
  text.remove_prefix(static_cast<std::size_t>(second.ptr + 1 - text.data()));
  return true;
}

// The name of a mapping: behind permissions, offset, device and inode.
std::string_view name_of(std::string_view text) {
  for (int word = 0; word < 4; ++word) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(space + 1);
  }
  const std::size_t start = text.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

}  // namespace

void SmapsParser::begin_mapping(std::string_view text, std::uint64_t start, std::uint64_t end) {
  const std::string_view permissions = text.substr(0, 4);
  const std::string_view name = name_of(text);
  const bool behind_guard = guard_end_ == start && guard_end_ != 0;
  guard_end_ = 0;
  kind_ = Kind::kNone;  // also [vdso] and its like
  if (permissions.starts_with("---") && name.empty()) {
    guard_end_ = end - start <= kMaxGuard ? end : 0;
  } else if (name == "[heap]") {
    kind_ = Kind::kHeap;
  } else if (name == "[stack]") {
    kind_ = Kind::kStack;
  } else if (name.starts_with('/')) {
    kind_ = Kind::kFile;
  } else if (name.empty() || name.starts_with("[anon")) {
    const bool writable = permissions.starts_with("rw");
    const bool arena = writable && start % kArena == 0 && end - start <= kArena;
    const bool stack = writable && !arena && behind_guard && end - start <= kMaxStack;
    kind_ = arena ? Kind::kArena : stack ? Kind::kStack : Kind::kOther;
    sum_.arenas += arena && end - start < kFullHeap ? 1 : 0;
  }
  sum_.stacks += kind_ == Kind::kStack ? 1 : 0;
}

void SmapsParser::line(std::string_view text) {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  if (std::string_view rest = text; take_range(rest, start, end)) {
    begin_mapping(rest, start, end);
    return;
  }
  constexpr std::string_view kRss = "Rss:";
  if (!text.starts_with(kRss)) {
    return;
  }
  const std::size_t digits = text.find_first_of("0123456789");
  std::uint64_t kilobytes = 0;
  if (digits == std::string_view::npos ||
      std::from_chars(text.data() + digits, text.data() + text.size(), kilobytes).ec !=
          std::errc{}) {
    return;
  }
  const std::array<std::uint64_t*, 6> sums = {nullptr,           &sum_.heap_bytes,
                                              &sum_.arena_bytes, &sum_.stack_bytes,
                                              &sum_.file_bytes,  &sum_.other_bytes};
  if (std::uint64_t* const sum = sums[static_cast<std::size_t>(kind_)]) {
    *sum += kilobytes * 1024;
  }
}

void SmapsParser::take(std::string_view piece) {
  for (std::size_t end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
    if (rest_.empty()) {
      line(piece.substr(0, end));
    } else {
      line(rest_.append(piece.substr(0, end)));
      rest_.clear();
    }
    piece.remove_prefix(end + 1);
  }
  if (rest_.size() + piece.size() <= kMaxLine) {
    rest_.append(piece);
  }
}

AddressSpace SmapsParser::finish() { return sum_; }

AddressSpaceReader::~AddressSpaceReader() { close(); }

void AddressSpaceReader::close() {
  if (file_ >= 0) {
    ::close(file_);
  }
  file_ = -1;
  parser_ = {};
}

// The kernel continues behind the last mapping that it returned, even if that is gone.
std::optional<AddressSpace> AddressSpaceReader::read_on(std::int32_t pid, std::uint64_t start,
                                                        std::uint64_t until_ns) {
  if (!is_running(pid, start)) {
    close();
    return std::nullopt;
  }
  if (file_ < 0) {
    file_ = open(fmt::format("/proc/{}/smaps", pid).c_str(), O_RDONLY | O_CLOEXEC);
  }
  std::array<char, 4096> piece;  // what the kernel returns at once
  ssize_t got = 0;
  do {
    got = read(file_, piece.data(), piece.size());
    if (got > 0) {
      parser_.take({piece.data(), static_cast<std::size_t>(got)});
    }
  } while (got > 0 && recording::monotonic_ns() < until_ns);
  if (got > 0) {
    return std::nullopt;
  }
  const AddressSpace sum = parser_.finish();
  close();
  return got == 0 ? std::optional(sum) : std::nullopt;
}

}  // namespace lamprey::report
