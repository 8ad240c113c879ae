// The bytes of one file or of standard input, unpacked where it is gzip. What stands in them is not
// known here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace lamprey::cli {

class FileBytes {
 public:
  // "-" is standard input. Null when it cannot be opened; errno says why.
  static std::unique_ptr<FileBytes> open(const std::string& path);
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  // Up to `most` bytes, at least one unless the end has been reached: 0. Blocks.
  std::size_t read(char* into, std::size_t most);
  // Why reading ended before the end, in words; empty when it did not.
  const std::string& fault() const { return fault_; }
  // Of the file itself, compressed or not.
  std::uint64_t bytes_taken() const { return taken_; }
  bool is_regular() const { return regular_; }

 private:
  class Unpacking;
  FileBytes(int descriptor, bool own);
  std::size_t read_plain(char* into, std::size_t most);
  std::size_t unpack(char* into, std::size_t most);
  bool refill();
  bool enough(std::size_t count);

  int descriptor_;
  bool own_;
  bool regular_ = false;
  bool begun_ = false;
  std::uint64_t taken_ = 0;
  std::string fault_;
  std::unique_ptr<Unpacking> unpacking_;  // of gzip only
  std::string ahead_;                     // read from the file and not used yet
  std::size_t ahead_at_ = 0;
};

}  // namespace lamprey::cli
