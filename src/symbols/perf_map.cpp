// Reading perf maps; see the header.
#include "symbols/perf_map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace lamprey::symbols {
namespace {

constexpr std::size_t kPiece = std::size_t{16} * 1024;
constexpr std::size_t kMaxLine = std::size_t{4} * 1024;
constexpr std::size_t kMaxName = 512;

// A hexadecimal number and the space behind it; false when there is none.
bool take_number(std::string_view& line, std::uint64_t& value) {
  if (line.starts_with("0x")) {
    line.remove_prefix(2);
  }
  const auto result = std::from_chars(line.data(), line.data() + line.size(), value, 16);
  const auto length = static_cast<std::size_t>(result.ptr - line.data());
  if (result.ec != std::errc{} || length >= line.size() || line[length] != ' ') {
    return false;
  }
  line.remove_prefix(length + 1);
  return true;
}

}  // namespace

PerfMap::PerfMap(std::string path) : path_(std::move(path)) {}

PerfMap::~PerfMap() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

bool PerfMap::open() {
  if (descriptor_ >= 0 || refused_) {
    return descriptor_ >= 0;
  }
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  // Anybody may make a file of this name in /tmp.
  if (descriptor_ >= 0 && (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode) ||
                           status.st_uid != geteuid())) {
    close(descriptor_);
    descriptor_ = -1;
    refused_ = true;
  }
  return descriptor_ >= 0;
}

void PerfMap::want(std::uint64_t address) {
  const auto found = answers_.find(address);
  if (found != answers_.end()) {
    found->second.used = ++uses_;
    return;
  }
  if (answers_.size() >= kMaxAddresses) {
    forget_one();
  }
  answers_[address].used = ++uses_;
}

void PerfMap::forget_one() {
  const auto oldest =
      std::min_element(answers_.begin(), answers_.end(),
                       [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
  answers_.erase(oldest);
}

bool PerfMap::step() {
  if (answers_.empty() || !open()) {
    return false;
  }
  if (at_ >= end_) {  // a new reading: from where the least read answer stands
    struct stat status {};
    if (fstat(descriptor_, &status) != 0 || status.st_size <= 0) {
      return false;
    }
    end_ = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t from = end_;
    for (const auto& [address, answer] : answers_) {
      from = std::min(from, answer.read_to);
    }
    // What lies behind the last whole line was read already, unless there is more of it now.
    if (from >= end_ || (from >= tail_ && end_ == read_end_)) {
      at_ = end_;
      return false;
    }
    at_ = from;
    rest_.clear();
    skip_ = false;
  }
  const std::size_t before = rest_.size();
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end_ - at_));
  rest_.resize(before + most);
  const ssize_t got = pread(descriptor_, rest_.data() + before, most, static_cast<off_t>(at_));
  rest_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
  if (got <= 0) {
    at_ = end_ = 0;
    return false;
  }
  at_ += static_cast<std::uint64_t>(got);
  take_lines(at_);
  return true;
}

// Whole lines of rest_; what is left begins a line. `end`: where rest_ ends in the file.
void PerfMap::take_lines(std::uint64_t end) {
  std::string_view text = rest_;
  const std::uint64_t begin = end - rest_.size();
  std::uint64_t line_end = begin;
  for (std::size_t stop = text.find('\n'); stop != std::string_view::npos; stop = text.find('\n')) {
    line_end += stop + 1;
    if (!skip_) {
      take_line(text.substr(0, stop), line_end);
    }
    skip_ = false;
    text.remove_prefix(stop + 1);
  }
  if (text.size() > kMaxLine) {
    skip_ = true;
    line_end += text.size();
    text = {};
  }
  // An address that was asked for amid a reading has not seen its beginning.
  for (auto& [address, answer] : answers_) {
    answer.read_to = answer.read_to >= begin ? std::max(answer.read_to, line_end) : answer.read_to;
  }
  if (end == end_) {  // a line that is not whole yet is read again when the file has grown
    tail_ = line_end;
    read_end_ = end_;
    text = {};
  }
  rest_ = std::string(text);
}

void PerfMap::take_line(std::string_view line, std::uint64_t end) {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  if (!take_number(line, start) || !take_number(line, bytes) || line.empty()) {
    return;
  }
  for (auto& [address, answer] : answers_) {
    // Lines that were read for an older answer are skipped: they may be outdated.
    if (address >= start && address - start < bytes && end > answer.read_to) {
      answer.name = line.substr(0, kMaxName);
    }
  }
}

const std::string& PerfMap::name(std::uint64_t address) const {
  static const std::string none;
  const auto found = answers_.find(address);
  return found == answers_.end() ? none : found->second.name;
}

}  // namespace lamprey::symbols
