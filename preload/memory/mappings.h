// The sampled mappings that are still there: address range → what it stands for. Fixed size, no
// lock. Pieces may be unmapped, replaced (MAP_FIXED) or moved (mremap), as allocators do that want
// an aligned piece and give head and tail back.
//
// Order. Another thread may be given a range the moment it is unmapped, and enter it here before
// the first thread has removed its own entry. So each entry has a number, the caller reads the
// newest number before the real call (now()), and the call ends only entries that are not younger.
// Nothing has to be put back when the real munmap fails. An entry that briefly outlives its mapping
// may also be ended by whoever unmaps the range next: the result is the same.
//
// Cost: a look at every entry in use (two loads each, ~1 us when all 2,048 are), against a system
// call that splits and flushes. An entry of which another thread takes a part is waited for, but
// not for ever: a signal may have interrupted that in this very thread. What could not be followed
// is counted in Header::mappings_unfollowed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::memory::mappings {

inline constexpr std::uint32_t kMappings = 2048;

// At attach, when it is known what is loaded: who provides malloc.
void attach();
// In a forked child that gets a recording of its own: what it has inherited is at no site there.
void forget_all();

// Whether `caller` is code of an allocator whose blocks are counted by the hooks of malloc: the
// memory that it maps for them is not to be counted twice.
bool by_allocator(const void* caller);

using Moment = std::uint64_t;
Moment now();

struct Piece {
  std::uintptr_t begin;
  std::uintptr_t end;
  std::uint64_t live_bytes;  // that it stands for
  std::uint32_t stack;
  std::uint32_t round;
};
// Piece::stack of address space that may not be touched yet: it stands for no byte, and is kept to
// know it again when mprotect opens it (V8 reserves first, and opens page by page).
inline constexpr std::uint32_t kReserved = UINT32_MAX;

// False: no room.
bool follow(const Piece& piece);
// [begin, end) is gone since `before`.
void ended(std::uintptr_t begin, std::uintptr_t end, Moment before);
// [begin, end) may be touched from now on. Calls `sample` with each reserved piece that it holds.
using Sample = void (*)(std::uintptr_t begin, std::uint64_t bytes);
void opened(std::uintptr_t begin, std::uintptr_t end, Moment before, Sample sample);
// It may no longer be.
void closed(std::uintptr_t begin, std::uintptr_t end, Moment before);

// What mremap moves. Taken out before the real call, while nobody else can be given the range, and
// put back after it, wherever it then is.
struct Moving {
  static constexpr std::uint32_t kMax = 16;
  Piece pieces[kMax];
  Moment numbers[kMax];
  std::uint32_t count;
};
void take(std::uintptr_t begin, std::uintptr_t end, Moving& moving);
// The first `kept` bytes of what began at `from` are now at `to`; the others are gone. Whether the
// last of them is followed.
bool put_back(const Moving& moving, std::uintptr_t from, std::size_t kept, std::uintptr_t to);

}  // namespace lamprey::preload::memory::mappings
