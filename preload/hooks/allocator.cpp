// See the header. What is not believed here is proven: by asking both ways, or by trying it.
#include "preload/hooks/allocator.h"

#include "preload/hooks/allocation.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks {
namespace {

// Believes the chunk header only if malloc is glibc's own (before a block of another allocator
// there may be no readable byte) and if it says what malloc_usable_size says, for small, odd, large
// and aligned chunks. Any other allocator, a debug malloc, memory tagging or a future glibc fails
// one of these. No size here reaches the mmap threshold: freeing such a block would raise the
// threshold for the whole program (mallopt(3), M_MMAP_THRESHOLD).
bool check_usable_by_header() {
  if (g_real.malloc_usable_size == nullptr || g_real.memalign == nullptr ||
      g_real.malloc != g_real.libc_malloc) {
    return false;
  }
  static constexpr std::size_t kSizes[] = {0, 1, 24, 25, 100, 1000, 1032, 5000, 20000};
  bool good = true;
  for (const std::size_t size : kSizes) {
    void* plain = g_real.malloc(size);
    void* aligned = g_real.memalign(256, size);
    void* const blocks[] = {plain, aligned};
    for (void* block : blocks) {
      good = good && block != nullptr &&
             hooks::glibc_usable_size(block) == g_real.malloc_usable_size(block);
      g_real.free(block);
    }
  }
  return good;
}

// A linked jemalloc or tcmalloc has an operator new of its own, which does not call malloc: what is
// made by it never comes by our hook. Hooked it is not: a program whose libstdc++ came by dlopen
// (Python's extension modules) would find our operator new first, and we not the real one behind
// it. Whether it passes us by, one block says.
bool passes_malloc_by(const BesideMalloc& beside) {
  constexpr std::size_t kSize = 8;
  if (beside.operator_new == nullptr || beside.operator_delete == nullptr) {
    return false;
  }
  static const char nothrow = 0;  // std::nothrow is only a type
  const std::uint64_t before = recording::load(g_early.allocations);
  void* block = beside.operator_new(kSize, &nothrow);
  const bool seen = recording::load(g_early.allocations) != before;
  const std::size_t usable = block != nullptr && g_real.malloc_usable_size != nullptr
                                 ? g_real.malloc_usable_size(block)
                                 : 0;
  beside.operator_delete(block);
  if (seen) {  // it was none of the program's
    recording::shared_add(g_early.allocations, UINT64_MAX);
    recording::shared_add(g_early.frees, UINT64_MAX);
    recording::shared_add(g_early.allocated_bytes, std::uint64_t{0} - kSize);
    recording::shared_add(g_early.freed_bytes, std::uint64_t{0} - usable);
  }
  return block != nullptr && !seen;
}

}  // namespace

std::uint32_t judge_allocator() {
  std::uint32_t flags = check_usable_by_header() ? recording::kFlagUsableByHeader : 0;
  // A program with an allocator linked in binds its calls to that: they never reach us.
  flags |= g_real.default_malloc != lamprey_own_malloc() ? recording::kFlagForeignAllocator : 0;
  flags |= g_real.malloc_usable_size == nullptr ? recording::kFlagNoUsableSize : 0;
  if (g_real.foreign_malloc) {
    const BesideMalloc beside = find_beside_malloc();
    flags |= passes_malloc_by(beside) ? recording::kFlagOwnOperatorNew : 0;
    flags |= beside.mallocx != nullptr ? recording::kFlagMallocx : 0;
  }
  return flags;
}

}  // namespace lamprey::preload::hooks
