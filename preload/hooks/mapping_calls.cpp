// The hooks of mmap and its kin: exact counts for the whole process (Header::mappings), and samples
// of what may be touched (sampler.h) that are followed until they are unmapped (mappings.h).
//
// The interpreters get their memory here: CPython's arenas, V8's pages, the JVM's heap. What libc
// maps for itself (malloc's heaps, threads' stacks) does not come by: it calls its own mmap.
//
// The real function is what dlsym found when the table was filled; before that, and where there is
// none, the system call itself, never a lookup: an allocator may be holding the lock of its own
// start while it maps its first memory. brk and sbrk have no such call (libc keeps the end itself).
#include <sys/mman.h>

#include <cerrno>
#include <cstdarg>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/tripwire.h"
#include "preload/hooks/hook.h"
#include "preload/libc/real.h"
#include "preload/memory/mappings.h"
#include "preload/memory/sampler.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks {
namespace {

using recording::load;
using recording::shared_add;

constexpr int kRemapFixed = 2;      // MREMAP_FIXED
constexpr int kRemapDontUnmap = 4;  // MREMAP_DONTUNMAP
constexpr int kAdviseDontNeed = 4;  // MADV_DONTNEED
constexpr int kAdviseFree = 8;      // MADV_FREE
constexpr int kAdviseGuard = 102;   // MADV_GUARD_INSTALL
constexpr long kMaxError = 4095;

using MmapFunction = void* (*)(void*, std::size_t, int, int, int, off_t);

long libc_result(long result) {
  if (result < 0 && result >= -kMaxError) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

std::uintptr_t place_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

// Whole pages, as the kernel takes them. (Lambda's have 4 KiB on both architectures.)
std::size_t pages(std::size_t bytes) {
  return (bytes + recording::kPageBytes - 1) & ~(recording::kPageBytes - 1);
}

recording::MappingTotals& totals() { return g_writer.header().mappings; }

// -- the real ones ----------------------------------------------------------------------------

void* real_mmap(MmapFunction function, void* address, std::size_t size, int protection, int flags,
                int descriptor, off_t offset) {
  if (function != nullptr) [[likely]] {
    return function(address, size, protection, flags, descriptor, offset);
  }
  if ((static_cast<std::size_t>(offset) & (recording::kPageBytes - 1)) != 0) {
    errno = EINVAL;  // as libc says it, before the kernel is asked
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(
      libc_result(raw_syscall(SYS_mmap, pointer_argument(address), static_cast<long>(size),
                              protection, flags, descriptor, static_cast<long>(offset))));
}

int real_munmap(void* address, std::size_t size) {
  return g_real.munmap != nullptr
             ? g_real.munmap(address, size)
             : static_cast<int>(libc_result(
                   raw_syscall(SYS_munmap, pointer_argument(address), static_cast<long>(size))));
}

int real_madvise(void* address, std::size_t size, int advice) {
  return g_real.madvise != nullptr
             ? g_real.madvise(address, size, advice)
             : static_cast<int>(libc_result(raw_syscall(SYS_madvise, pointer_argument(address),
                                                        static_cast<long>(size), advice)));
}

int real_mprotect(void* address, std::size_t size, int protection) {
  return g_real.mprotect != nullptr
             ? g_real.mprotect(address, size, protection)
             : static_cast<int>(libc_result(raw_syscall(SYS_mprotect, pointer_argument(address),
                                                        static_cast<long>(size), protection)));
}

void* real_mremap(void* old, std::size_t old_size, std::size_t size, int flags, void* to) {
  return g_real.mremap != nullptr
             ? g_real.mremap(old, old_size, size, flags, to)
             : reinterpret_cast<void*>(libc_result(
                   raw_syscall(SYS_mremap, pointer_argument(old), static_cast<long>(old_size),
                               static_cast<long>(size), flags, pointer_argument(to))));
}

// -- counting ---------------------------------------------------------------------------------

void count_map(std::uintptr_t at, std::size_t bytes, int protection, int flags,
               memory::mappings::Moment before, const void* caller) {
  if ((flags & MAP_FIXED) != 0) {
    memory::mappings::ended(at, at + bytes, before);  // what was there is replaced
    page_probe::forget(at, at + bytes);
  }
  if ((flags & MAP_ANONYMOUS) == 0) {
    return;
  }
  if (protection == PROT_NONE) {  // no memory yet
    if (!memory::mappings::by_allocator(caller)) {
      memory::mappings::follow({at, at + bytes, 0, memory::mappings::kReserved, 0});
    }
    return;
  }
  shared_add(totals().maps, 1);
  shared_add(totals().mapped_bytes, bytes);
  if (!memory::mappings::by_allocator(caller)) {
    memory::sampler::take_mapping(at, bytes);
  }
}

void* __attribute__((noinline))
recorded_mmap(MmapFunction function, void* address, std::size_t size, int protection, int flags,
              int descriptor, off_t offset, const void* caller) {
  const memory::mappings::Moment before = memory::mappings::now();
  void* result = real_mmap(function, address, size, protection, flags, descriptor, offset);
  tripwire::enter();
  if (result == MAP_FAILED) {
    shared_add(totals().failed, 1);
  } else {
    count_map(place_of(result), pages(size), protection, flags, before, caller);
  }
  tripwire::leave();
  return result;
}

int __attribute__((noinline)) recorded_munmap(void* address, std::size_t size) {
  const memory::mappings::Moment before = memory::mappings::now();
  const int result = real_munmap(address, size);
  tripwire::enter();
  if (result != 0) {
    shared_add(totals().failed, 1);
  } else {
    shared_add(totals().unmaps, 1);
    shared_add(totals().unmapped_bytes, pages(size));
    memory::mappings::ended(place_of(address), place_of(address) + pages(size), before);
    page_probe::forget(place_of(address), place_of(address) + size);
  }
  tripwire::leave();
  return result;
}

int __attribute__((noinline)) recorded_mprotect(void* address, std::size_t size, int protection) {
  const memory::mappings::Moment before = memory::mappings::now();
  const int result = real_mprotect(address, size, protection);
  tripwire::enter();
  const std::uintptr_t begin = place_of(address);
  if (result == 0 && (protection & PROT_READ) == 0) {
    page_probe::forget(begin, begin + size);
  }
  if (result == 0 && protection == PROT_NONE) {
    memory::mappings::closed(begin, begin + pages(size), before);
  } else if (result == 0) {
    memory::mappings::opened(begin, begin + pages(size), before, memory::sampler::take_mapping);
  }
  tripwire::leave();
  return result;
}

// Growth is sampled only where the mapping is followed: otherwise memory cannot be told from a
// mapped file.
void count_remap(const memory::mappings::Moving& moving, std::uintptr_t from, std::size_t had,
                 std::uintptr_t at, std::size_t bytes, const void* caller) {
  shared_add(totals().remaps, 1);
  const bool followed = memory::mappings::put_back(moving, from, bytes < had ? bytes : had, at);
  if (had == 0) {
    return;  // a second view of shared pages
  }
  shared_add(totals().unmapped_bytes, bytes < had ? had - bytes : 0);
  shared_add(totals().mapped_bytes, bytes > had ? bytes - had : 0);
  if (bytes > had && followed && !memory::mappings::by_allocator(caller)) {
    memory::sampler::take_mapping(at + had, bytes - had);
  }
}

void* __attribute__((noinline)) recorded_mremap(void* old, std::size_t old_size, std::size_t size,
                                                int flags, void* to, const void* caller) {
  const std::uintptr_t from = place_of(old);
  const std::size_t had = pages(old_size);
  memory::mappings::Moving moving;
  tripwire::enter();
  memory::mappings::take(from, from + had, moving);
  const memory::mappings::Moment before = memory::mappings::now();
  tripwire::leave();
  void* result = real_mremap(old, old_size, size, flags, to);
  tripwire::enter();
  if (result == MAP_FAILED) {
    memory::mappings::put_back(moving, from, had, from);
    shared_add(totals().failed, 1);
  } else {
    if ((flags & kRemapFixed) != 0) {  // what was there is replaced
      memory::mappings::ended(place_of(result), place_of(result) + pages(size), before);
    }
    count_remap(moving, from, had, place_of(result), pages(size), caller);
    page_probe::forget(from, from + had);
  }
  tripwire::leave();
  return result;
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

#define LAMPREY_MMAP(symbol)                                                                     \
  LAMPREY_HOOK(void*, symbol, void* address, std::size_t size, int protection, int flags,        \
               int descriptor, off_t offset) {                                                   \
    tripwire::check(#symbol);                                                                    \
    return recording_here()                                                                      \
               ? recorded_mmap(g_real.symbol, address, size, protection, flags, descriptor,      \
                               offset, __builtin_return_address(0))                              \
               : real_mmap(g_real.symbol, address, size, protection, flags, descriptor, offset); \
  }
LAMPREY_MMAP(mmap)
LAMPREY_MMAP(mmap64)
#undef LAMPREY_MMAP

LAMPREY_HOOK(int, munmap, void* address, std::size_t size) {
  tripwire::check("munmap");
  return recording_here() ? recorded_munmap(address, size) : real_munmap(address, size);
}

LAMPREY_HOOK(int, mprotect, void* address, std::size_t size, int protection) {
  tripwire::check("mprotect");
  return recording_here() ? recorded_mprotect(address, size, protection)
                          : real_mprotect(address, size, protection);
}

// The fifth argument is there only with these flags (mremap(2)); reading it otherwise would read
// whatever stands in the register.
LAMPREY_HOOK(void*, mremap, void* old, std::size_t old_size, std::size_t size, int flags, ...) {
  tripwire::check("mremap");
  void* to = nullptr;
  if ((flags & (kRemapFixed | kRemapDontUnmap)) != 0) {
    va_list list;
    va_start(list, flags);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer does not follow va_start
    to = va_arg(list, void*);
    va_end(list);
  }
  return recording_here()
             ? recorded_mremap(old, old_size, size, flags, to, __builtin_return_address(0))
             : real_mremap(old, old_size, size, flags, to);
}

LAMPREY_HOOK(int, madvise, void* address, std::size_t size, int advice) {
  tripwire::check("madvise");
  const int result = real_madvise(address, size, advice);
  if (result == 0 && advice == kAdviseGuard) {
    page_probe::forget(place_of(address), place_of(address) + size);
  }
  if (result == 0 && (advice == kAdviseDontNeed || advice == kAdviseFree) && recording_here()) {
    shared_add(totals().discarded_bytes, pages(size));
  }
  return result;
}

LAMPREY_HOOK(int, brk, void* end) {
  tripwire::check("brk");
  if (!available(g_real.brk, "brk") || !available(g_real.sbrk, "sbrk")) {
    errno = ENOMEM;
    return -1;
  }
  const std::uintptr_t had = recording_here() ? place_of(g_real.sbrk(0)) : 0;
  const int result = g_real.brk(end);
  if (result == 0 && had != 0) {
    shared_add(totals().break_bytes, static_cast<std::int64_t>(place_of(end) - had));
  }
  return result;
}

LAMPREY_HOOK(void*, sbrk, std::intptr_t change) {
  tripwire::check("sbrk");
  if (!available(g_real.sbrk, "sbrk")) {
    errno = ENOMEM;
    return reinterpret_cast<void*>(-1L);
  }
  void* result = g_real.sbrk(change);
  if (result != reinterpret_cast<void*>(-1L) && recording_here()) {
    shared_add(totals().break_bytes, change);
  }
  return result;
}
