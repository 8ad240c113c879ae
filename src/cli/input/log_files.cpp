// Blocks of lines; see the header.
#include "cli/input/log_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/input/json_document.h"

namespace lamprey::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 2U << 20;
constexpr std::size_t kPiece = 64U << 10;  // of a pipe: what is there already must be shown

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  constexpr auto kOptions = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, kOptions, error), end; at != end && !error;
       at.increment(error)) {
    std::error_code ignored;
    if (at->symlink_status(ignored).type() == fs::file_type::regular) {
      files.push_back(at->path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A first line that is the beginning of JSON, and nothing but a beginning: the file may be one JSON
// text. "[INFO] started" is none.
bool begins_document(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || (text[start] != '{' && text[start] != '[')) {
    return false;
  }
  std::string_view line = text.substr(start, text.find('\n', start) - start);
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  Document document;
  return !document.read(line) && document.size_read() == line.size();
}

}  // namespace

LogFiles::LogFiles(const std::vector<std::string>& paths) {
  bool known = true;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path != "-" && fs::is_directory(path, error)) {
      const auto files = files_below(path);
      if (files.empty()) {
        faults_.push_back("FILE " + path + " is a folder without files");
        missing_ = true;
      }
      paths_.insert(paths_.end(), files.begin(), files.end());
    } else {
      paths_.push_back(path);
    }
  }
  for (const std::string& path : paths_) {
    struct stat status {};
    known = known && path != "-" && stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    all_ += known ? static_cast<std::uint64_t>(status.st_size) : 0;
  }
  all_ = known ? all_ : 0;
}

bool LogFiles::open_next() {
  while (at_ < paths_.size()) {
    file_ = FileBytes::open(paths_[at_]);
    if (file_ != nullptr) {
      first_block_ = true;
      ended_ = false;
      return true;
    }
    faults_.push_back("FILE " + paths_[at_] + " cannot be read: " + std::strerror(errno));
    missing_ = true;
    ++at_;
  }
  return false;
}

void LogFiles::finish_file() {
  if (!file_->fault().empty()) {
    faults_.push_back("FILE " + paths_[at_] + ": " + file_->fault());
  }
  taken_before_ += file_->bytes_taken();
  file_.reset();
  ++at_;
}

// More bytes behind what the block has; of a pipe what is there.
void LogFiles::fill(Block& block) {
  const std::size_t had = block.text.size();
  const std::size_t wanted = file_->is_regular() ? kBlock : kPiece;
  block.text.resize(had + wanted);
  std::size_t got = 0;
  while (got < wanted && !ended_) {
    const std::size_t now = file_->read(block.text.data() + had + got, wanted - got);
    got += now;
    ended_ = now == 0;
    if (!file_->is_regular()) {
      break;
    }
  }
  block.text.resize(had + got);
}

// Lines up to the last newline; false when there is no whole line yet.
bool LogFiles::give(Block& block, bool first) {
  if (first && file_->is_regular() && begins_document(block.text)) {
    while (!ended_) {
      fill(block);
    }
    block.whole = true;
  }
  if (!ended_) {
    const std::size_t end = block.text.rfind('\n');
    if (end == std::string::npos) {
      return false;
    }
    rest_.assign(block.text, end + 1);
    block.text.resize(end + 1);
  }
  return true;
}

bool LogFiles::next(Block& block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (true) {
    if (file_ == nullptr && !open_next()) {
      return false;
    }
    block.whole = false;
    block.text.assign(rest_);  // keeps the room that it has
    rest_.clear();
    do {
      fill(block);
    } while (!give(block, first_block_));
    first_block_ = false;
    const bool any = !block.text.empty();
    if (ended_) {
      finish_file();
    }
    if (any) {
      block.number = numbers_++;
      return true;
    }
  }
}

std::uint64_t LogFiles::bytes_taken() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return taken_before_ + (file_ == nullptr ? 0 : file_->bytes_taken());
}

}  // namespace lamprey::cli
