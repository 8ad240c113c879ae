// Whether a module's code asks the kernel without libc: what no hook of libc's functions can see.
//
// Looked for are the two forms that compilers and hand-written wrappers give a system call, each
// too long to be met by chance: on x86-64 `mov $number,%eax; syscall`, and `syscall` whose result
// is compared with -4095; on arm64 any `svc #0`. Other shapes are missed: "none found" is no proof.
//
// The file is hostile, as in elf_file.h: copied by pread(2), at most kMaxCode bytes of its code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lamprey::symbols {

inline constexpr std::uint64_t kMaxCode = std::uint64_t{4} << 20;

// In a piece of code; what begins in its last 8 bytes may be missed.
bool has_raw_call(std::span<const std::uint8_t> code);

// Libc, the loader, and what belongs to them.
bool is_part_of_libc(const std::string& path);

// A build is read once, whatever its files are called: processes of one environment share most of
// theirs. Files without a build id are read each time. Not thread-safe.
class DirectSyscallSearch {
 public:
  // In the executable segment of the file at `path`. False for parts of libc, and where nothing
  // could be read.
  bool finds(const std::string& path);

 private:
  static constexpr std::size_t kMaxBuilds = 512;
  std::vector<std::string> with_;  // build ids
  std::vector<std::string> without_;
};

}  // namespace lamprey::symbols
