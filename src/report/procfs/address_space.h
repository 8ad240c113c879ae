// What the resident memory of a process consists of, from /proc/<pid>/smaps: the allocator's own
// areas, thread stacks, files. Reading it costs the kernel a walk over every page (0.3 ms for a
// small process, 20 ms for 300 MB): too much for every invocation, and spread over several.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::report {

// Resident bytes by kind. glibc's arenas are recognised by their place: heaps of 64 MiB, aligned to
// that.
struct AddressSpace {
  std::uint64_t heap_bytes = 0;  // [heap]: glibc's main arena
  std::uint64_t arenas = 0;      // further arenas: heaps that are not full
  std::uint64_t arena_bytes = 0;
  std::uint64_t stacks = 0;  // anonymous memory right behind a guard page, and [stack]
  std::uint64_t stack_bytes = 0;
  std::uint64_t file_bytes = 0;   // of mapped files
  std::uint64_t other_bytes = 0;  // other anonymous memory: an interpreter's heap, large blocks
};

// Takes the text in pieces as it is read.
class SmapsParser {
 public:
  void take(std::string_view piece);
  // After the last piece.
  AddressSpace finish();

 private:
  enum class Kind : std::uint8_t { kNone, kHeap, kArena, kStack, kFile, kOther };
  void line(std::string_view text);
  void begin_mapping(std::string_view text, std::uint64_t start, std::uint64_t end);

  AddressSpace sum_;
  std::string rest_;
  Kind kind_ = Kind::kNone;
  std::uint64_t guard_end_ = 0;  // where a guard ended; 0: the mapping before was none
};

// Reads a large process's smaps over several invocations, a little in each.
class AddressSpaceReader {
 public:
  AddressSpaceReader() = default;
  AddressSpaceReader(AddressSpaceReader&&) = delete;
  AddressSpaceReader& operator=(AddressSpaceReader&&) = delete;
  ~AddressSpaceReader();

  // Begins, or continues where it stopped, until CLOCK_MONOTONIC passes `until_ns`. Nothing when
  // that comes before the end, or when the pid now belongs to another process (see process.h).
  std::optional<AddressSpace> read_on(std::int32_t pid, std::uint64_t start,
                                      std::uint64_t until_ns);

 private:
  void close();

  SmapsParser parser_;
  int file_ = -1;
};

}  // namespace lamprey::report
