// Files and folders of log lines as blocks of whole lines, in their order, so that several threads
// can share the reading of one file. Which lines are ours is not known here.
//
// Thread-safety: next() may be called by several threads; what it gives is numbered in order.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/input/file_bytes.h"

namespace lamprey::cli {

struct Block {
  std::uint64_t number = 0;  // 0, 1, ... in the order of the text
  std::string text;          // whole lines; the last of a file may lack its newline
  bool whole = false;        // all of a file, which may be one JSON text
};

class LogFiles {
 public:
  // A folder stands for the regular files in it and below, by name; links are not followed.
  explicit LogFiles(const std::vector<std::string>& paths);

  // False at the end.
  bool next(Block& block);
  // One line each about what could not be read; complete when next() has given false.
  const std::vector<std::string>& faults() const { return faults_; }
  // A file that could not even be opened.
  bool is_missing() const { return missing_; }
  std::uint64_t bytes_taken();
  std::uint64_t bytes_in_all() const { return all_; }  // 0: unknown, a pipe is among them

 private:
  bool open_next();
  void fill(Block& block);
  void finish_file();
  bool give(Block& block, bool first);

  std::vector<std::string> paths_;
  std::mutex mutex_;
  std::size_t at_ = 0;
  std::unique_ptr<FileBytes> file_;
  bool first_block_ = false;
  bool ended_ = false;
  std::string rest_;  // the beginning of a line whose end is in the next block
  std::uint64_t numbers_ = 0;
  std::uint64_t taken_before_ = 0;
  std::uint64_t all_ = 0;
  std::vector<std::string> faults_;
  bool missing_ = false;
};

}  // namespace lamprey::cli
