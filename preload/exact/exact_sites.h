// Where in libc's code a system call is made, and whether that place can be led to us. Pure: reads
// bytes, writes a list; changes nothing and calls nothing. Exact mode (exact.h) acts upon it.
//
// x86-64. A jump takes 5 bytes, `syscall` has 2. So a place is one of the shapes that compilers
// make of libc's own macro, each of which has room and can be made again behind the jump:
//
//   mov $number, %eax or %rax; syscall      7 or 9 bytes, number known
//   syscall; cmp $-4095|-4096, %rax         8 bytes, number known when it is made
//   syscall; cmp $-4095|-4096, %eax         7 bytes, the same
//   one to three simple instructions; syscall   5 to 31 bytes, copied to elsewhere, the same
//
// Of 526 calls in glibc 2.36 these are 408, 64, 6 and 19; the other 29 are left alone on purpose.
// In 2.31, libpthread included, 589, 73, 7, 218 and 22. A place is left alone when
//   * its number is one that must not be led anywhere (kernel_calls.def: Untouched). (That is also
//   how
//     the one function is left alone whose description begins a byte before its first instruction:
//     the return from signal handlers, sigaction.c of glibc for x86-64.)
//   * the function around it, read from its first byte, does not have an instruction begin there
//     (then it is data), or cannot be read,
//   * a jump leads into its middle: those of one byte's distance are looked for among the
//     instructions of its function, those of four bytes' at every byte of the text (a hot part may
//     be jumped into from a cold part that lies elsewhere), which errs on the careful side only.
//
// arm64. `svc #0` is as long as a jump: every one of them is a place, and the number is known when
// it is made.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::exact {

enum class Shape : std::uint8_t { kNumberFirst, kCompare64, kCompare32, kCopied, kAlone };

inline constexpr std::size_t kMaxCopied = 29;  // bytes before `syscall` in a place of kCopied

struct SyscallSite {
  std::uint32_t offset;  // of the first byte to be replaced, from the start of the text
  std::uint8_t bytes;    // how many are replaced
  std::uint8_t behind;   // bytes from `offset` to the one behind the instruction that calls
  Shape shape;
  std::int16_t number;    // kNumberFirst; else -1
  std::int32_t compared;  // kCompare*: with what; else 0
};

struct SitesFound {
  std::uint32_t sites = 0;      // in the list
  std::uint32_t untouched = 0;  // made on purpose where they are
  std::uint32_t left = 0;       // calls of another shape, jumped into, or for want of room
};

// Where functions begin: the table of .eh_frame_hdr, sorted, in which libc has every one.
struct FunctionTable {
  struct Entry {
    std::int32_t start;  // from `origin`
    std::int32_t description;
  };
  const Entry* entries = nullptr;
  std::size_t count = 0;
  std::intptr_t origin = 0;  // of the table's numbers, from the start of the text
};

struct Text {
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  FunctionTable functions{};  // x86-64 only
};

// The places in `text`, by offset, at most `room`. `interior`: scratch of text.size / 8 + 1 bytes,
// all zero.
SitesFound find_sites(const Text& text, SyscallSite* sites, std::size_t room,
                      std::uint8_t* interior);

}  // namespace lamprey::preload::exact
