// The hooks of the malloc family: exact counts, requested bytes, live bytes by usable size.
//
// Cost: real call + ~2 ns. On glibc the usable size is read from the chunk header instead of by a
// call of malloc_usable_size (2.9 ns a pair, measured): see check_usable_by_header in
// allocator.cpp, which proves at attach that both agree, for every kind of chunk, before this is
// believed.
//
// Which functions reach which: glibc's strdup, getline, asprintf, operator new, ... call malloc
// through its symbol and are counted here. reallocarray of glibc calls realloc through its symbol,
// so ours does the multiplication itself and goes the same way: counted once on every libc.
#include "preload/hooks/allocation.h"

#include <cerrno>

#include "preload/base/page_probe.h"
#include "preload/base/tripwire.h"
#include "preload/hooks/hook.h"
#include "preload/libc/real.h"
#include "preload/memory/sampler.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks {

EarlyAllocations g_early = {true, 0, 0, 0, 0, 0, 0, 0, 0};

namespace {

// Serves the calls that come while the real functions are being looked up (dlsym may allocate to
// report an error). Never given back; free() and realloc() recognise its addresses.
alignas(64) unsigned char g_arena[16384];
std::size_t g_arena_used = 0;

bool in_arena(const void* block) {
  return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(block) -
                                  reinterpret_cast<std::uintptr_t>(g_arena)) < sizeof(g_arena);
}

// 16 bytes before each block hold its size, for realloc, and what looks like the header of a mapped
// chunk: so free() finds these blocks on its slow path, and need not ask on the fast one.
void* take_from_arena(std::size_t size, std::size_t alignment = 16) {
  std::size_t at = g_arena_used + 16;
  at = (at + alignment - 1) / alignment * alignment;
  if (size > sizeof(g_arena) || at + size > sizeof(g_arena)) {
    errno = ENOMEM;
    return nullptr;
  }
  g_arena_used = at + size;
  *reinterpret_cast<std::size_t*>(g_arena + at - 16) = size;
  *reinterpret_cast<std::size_t*>(g_arena + at - 8) = kGlibcMapping;
  return g_arena + at;  // static storage: already zero, for calloc
}

// Smaller ones are never mappings of their own (glibc's threshold starts at twice this).
constexpr std::size_t kLargeBlock = 65536;

// Where malloc's module has no malloc_usable_size, nobody is asked: the size counts as 0, and the
// recording says that live bytes are not known.
inline bool sizes_known() { return g_real.malloc_usable_size != nullptr; }

inline std::size_t usable_size(void* block) {
  if (sizes_by_header() && !glibc_chunk_is_mapping(block)) [[likely]] {
    return glibc_usable_size(block);
  }
  return sizes_known() ? g_real.malloc_usable_size(block) : 0;
}

// While the real functions are looked up, before it is known who can tell sizes, blocks of dlsym's
// error texts come and go uncounted.
bool counts_early() { return g_early.open && (sizes_known() || g_real.ready); }

// -- counting -------------------------------------------------------------------------------------

// Before the constructor has decided, blocks are counted aside; it adds them to the recording or
// forgets them. (Without this, freeing them later would make live bytes too low for ever.)
void change_early_live(std::int64_t change) {
  recording::raise_to(g_early.peak,
                      __atomic_add_fetch(&g_early.live_bytes, change, __ATOMIC_RELAXED));
}

void count_early(void* block, std::size_t requested) {
  if (!counts_early()) {
    return;
  }
  if (block == nullptr) {
    recording::shared_add(g_early.failed, requested != 0 ? 1 : 0);
    return;
  }
  recording::shared_add(g_early.allocations, 1);
  recording::shared_add(g_early.allocated_bytes, requested);
  change_early_live(static_cast<std::int64_t>(usable_size(block)));
}

// `usable`: read before the block was given back.
void count_early_free(std::size_t usable) {
  if (!g_early.open) {
    return;
  }
  recording::shared_add(g_early.frees, 1);
  recording::shared_add(g_early.freed_bytes, usable);
  change_early_live(-static_cast<std::int64_t>(usable));
}

void count_early_reallocation(std::size_t requested, std::size_t before, std::size_t after) {
  if (!g_early.open) {
    return;
  }
  recording::shared_add(g_early.reallocations, 1);
  recording::shared_add(g_early.allocated_bytes, requested);
  recording::shared_add(g_early.freed_bytes, before);
  change_early_live(static_cast<std::int64_t>(after) - static_cast<std::int64_t>(before));
}

// A site's live bytes are estimates: they do with requested bytes where usable ones are not known.
inline void sample_if_due(recording::ThreadSlot* slot, void* block, std::size_t requested,
                          std::size_t usable, memory::sampler::Kind kind) {
  if (!sizes_known()) {
    usable = requested;
  }
  if (slot == nullptr) {
    memory::sampler::take_shared(block, requested, usable, kind);
  } else if (memory::sampler::due(*slot)) [[unlikely]] {
    memory::sampler::take(*slot, block, requested, usable, kind);
  }
}

// Everything but the common case: no slot yet, a failure, another allocator, not recorded.
// Returns `block`, so that the fast path ends in a tail call and saves no registers for it.
void* __attribute__((noinline)) count_slow(void* block, std::size_t requested) {
  if (!recording_here()) {
    count_early(block, requested);
    return block;
  }
  tripwire::enter();
  recording::ThreadSlot* slot = current_slot();
  if (block == nullptr) {
    if (requested != 0) {
      slot != nullptr ? g_writer.count_failure(*slot) : g_writer.shared_failure();
    }
  } else {
    const std::size_t usable = usable_size(block);
    if (slot != nullptr) {
      g_writer.count_allocation(*slot, requested, usable);
    } else {
      g_writer.shared_allocation(requested, usable);
    }
    sample_if_due(slot, block, requested, usable, memory::sampler::Kind::kNew);
  }
  tripwire::leave();
  return block;
}

// What seldom follows the counting of a new block. Functions of their own, here and for free(), so
// that the hooks end in tail calls and save no registers for them.
void* __attribute__((noinline)) count_rest(void* block, std::size_t requested, bool publish) {
  tripwire::enter();
  recording::ThreadSlot& slot = *t_thread.slot;
  if (publish) {
    g_writer.publish(slot);
  }
  if (memory::sampler::due(slot)) {
    memory::sampler::take(slot, block, requested, glibc_usable_size(block),
                          memory::sampler::Kind::kNew);
  }
  tripwire::leave();
  return block;
}

inline bool has_header(void* block) { return block != nullptr && !glibc_chunk_is_mapping(block); }

// The usual case, which decides what a malloc costs. `slot` is usual_slot().
[[gnu::always_inline]] inline void* count_usual(recording::ThreadSlot& slot, void* block,
                                                std::size_t requested) {
  tripwire::enter();
  const bool publish = g_writer.add_allocation(slot, requested, glibc_usable_size(block));
  tripwire::leave();
  if (publish || memory::sampler::due(slot)) [[unlikely]] {
    return count_rest(block, requested, publish);
  }
  return block;
}

inline void* count(void* block, std::size_t requested) {
  recording::ThreadSlot* slot = usual_slot();
  return slot != nullptr && has_header(block) ? count_usual(*slot, block, requested)
                                              : count_slow(block, requested);
}

// For calloc, posix_memalign, memalign and valloc: musl's call malloc or aligned_alloc through the
// symbol (src/malloc/calloc.c, posix_memalign.c of musl 1.2), so that hook has counted already.
inline void* count_outer(void* block, std::size_t requested) {
  return g_real.gnu_get_libc_version != nullptr ? count(block, requested) : block;
}

void* __attribute__((noinline)) malloc_unusual(std::size_t size) {
  return available(g_real.malloc) ? count(g_real.malloc(size), size) : take_from_arena(size);
}

// After the real call: a large block may have been a mapping of its own, which is gone now.
void forget_pages(const void* block, std::size_t usable) {
  if (!sizes_known()) {
    page_probe::forget_all();
  } else if (usable >= kLargeBlock) {
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    page_probe::forget(begin, begin + usable);
  }
}

void __attribute__((noinline)) free_slow(void* block) {
  if (block == nullptr || in_arena(block) || !available(g_real.free)) {
    return;  // while functions are looked up, only blocks of the arena exist
  }
  std::size_t usable = 0;
  if (!recording_here()) {
    if (counts_early()) {
      count_early_free(usable_size(block));
    }
  } else {
    usable = usable_size(block);
    tripwire::enter();
    recording::ThreadSlot* slot = current_slot_to_free();
    slot != nullptr ? g_writer.count_free(*slot, usable) : g_writer.shared_free(usable);
    if (memory::live_set::may_hold(block)) {
      memory::sampler::freed(block);
    }
    tripwire::leave();
  }
  g_real.free(block);
  forget_pages(block, usable);
}

void __attribute__((noinline)) free_rest(void* block, bool publish) {
  tripwire::enter();
  if (publish) {
    g_writer.publish(*t_thread.slot);
  }
  if (memory::live_set::may_hold(block)) {
    memory::sampler::freed(block);
  }
  tripwire::leave();
  g_real.free(block);
}

void count_reallocation(std::size_t requested, std::size_t before, void* block) {
  if (!recording_here()) {
    count_early_reallocation(requested, before, usable_size(block));
    return;
  }
  tripwire::enter();
  recording::ThreadSlot* slot = current_slot();
  const std::size_t after = usable_size(block);
  slot != nullptr ? g_writer.count_reallocation(*slot, requested, before, after)
                  : g_writer.shared_reallocation(requested, before, after);
  sample_if_due(slot, block, requested, after, memory::sampler::Kind::kResized);
  tripwire::leave();
}

// A block of the arena grows: it moves to the real heap and leaves its old bytes behind.
void* move_out_of_arena(void* block, std::size_t size) {
  const std::size_t had = *reinterpret_cast<std::size_t*>(static_cast<unsigned char*>(block) - 16);
  void* moved = g_real.malloc != nullptr ? g_real.malloc(size) : take_from_arena(size);
  if (moved != nullptr) {
    __builtin_memcpy(moved, block, had < size ? had : size);
  }
  return moved;
}

void* reallocate(void* block, std::size_t size) {
  if (block == nullptr) {
    return count(g_real.realloc(nullptr, size), size);
  }
  if (in_arena(block)) [[unlikely]] {
    return count(move_out_of_arena(block, size), size);
  }
  // Read before the real call: afterwards the old block may be another thread's.
  const std::size_t before = usable_size(block);
  const memory::sampler::Moved moved =
      recording_here() ? memory::sampler::moving(block) : memory::sampler::Moved{false, {0, 0, 0}};
  void* result = g_real.realloc(block, size);
  if (result == nullptr && size != 0) {
    memory::sampler::not_moved(block, moved);
  }
  if (result != nullptr) {
    count_reallocation(size, before, result);
    if (result != block) {
      forget_pages(block, before);
    }
  } else if (size == 0) {  // glibc: realloc(p, 0) frees and returns NULL
    if (recording_here()) {
      recording::ThreadSlot* slot = current_slot();
      slot != nullptr ? g_writer.count_free(*slot, before) : g_writer.shared_free(before);
    } else {
      count_early_free(before);
    }
  } else {
    count(nullptr, size);
  }
  return result;
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

LAMPREY_HOOK(void*, malloc, std::size_t size) {
  tripwire::check("malloc");
  lamprey::recording::ThreadSlot* slot = usual_slot();
  if (slot == nullptr) [[unlikely]] {
    return malloc_unusual(size);
  }
  // A thread with a slot has been here before: the real functions are known.
  void* block = g_real.malloc(size);
  if (!has_header(block)) [[unlikely]] {
    return count_slow(block, size);
  }
  return count_usual(*slot, block, size);
}

LAMPREY_HOOK(void, free, void* block) {
  tripwire::check("free");
  lamprey::recording::ThreadSlot* slot = usual_slot();
  if (slot == nullptr || !has_header(block)) [[unlikely]] {
    return free_slow(block);
  }
  tripwire::enter();
  const bool publish = g_writer.add_free(*slot, glibc_usable_size(block));
  tripwire::leave();
  if (publish || memory::live_set::may_hold(block)) [[unlikely]] {
    return free_rest(block, publish);
  }
  return g_real.free(block);
}

// C23's, which glibc has since 2.43. They do what free does, and libc's would do it past our hook.
LAMPREY_HOOK(void, free_sized, void* block, std::size_t /*size*/) { hook_free(block); }
LAMPREY_HOOK(void, free_aligned_sized, void* block, std::size_t /*alignment*/,
             std::size_t /*size*/) {
  hook_free(block);
}

LAMPREY_HOOK(void*, calloc, std::size_t count_of, std::size_t size) {
  tripwire::check("calloc");
  std::size_t requested = 0;
  const bool overflow = __builtin_mul_overflow(count_of, size, &requested);
  if (!available(g_real.calloc)) [[unlikely]] {
    return overflow ? nullptr : take_from_arena(requested);
  }
  if (overflow) {
    return count(g_real.calloc(count_of, size), SIZE_MAX);
  }
  return count_outer(g_real.calloc(count_of, size), requested);
}

LAMPREY_HOOK(void*, realloc, void* block, std::size_t size) {
  tripwire::check("realloc");
  if (!available(g_real.realloc)) [[unlikely]] {
    return block == nullptr ? take_from_arena(size) : move_out_of_arena(block, size);
  }
  return reallocate(block, size);
}

LAMPREY_HOOK(void*, reallocarray, void* block, std::size_t count_of, std::size_t size) {
  tripwire::check("reallocarray");
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count_of, size, &bytes)) {
    count(nullptr, SIZE_MAX);
    errno = ENOMEM;
    return nullptr;
  }
  return hook_realloc(block, bytes);
}

LAMPREY_HOOK(int, posix_memalign, void** into, std::size_t alignment, std::size_t size) {
  tripwire::check("posix_memalign");
  if (!available(g_real.posix_memalign)) [[unlikely]] {
    *into = take_from_arena(size, alignment);
    return *into == nullptr ? ENOMEM : 0;
  }
  const int error = g_real.posix_memalign(into, alignment, size);
  if (error != EINVAL) {  // EINVAL: nothing was allocated or tried
    count_outer(error == 0 ? *into : nullptr, size);
  }
  return error;
}

LAMPREY_HOOK(void*, aligned_alloc, std::size_t alignment, std::size_t size) {
  tripwire::check("aligned_alloc");
  if (!available(g_real.aligned_alloc)) [[unlikely]] {
    return take_from_arena(size, alignment);
  }
  return count(g_real.aligned_alloc(alignment, size), size);
}

LAMPREY_HOOK(void*, memalign, std::size_t alignment, std::size_t size) {
  tripwire::check("memalign");
  if (!available(g_real.memalign)) [[unlikely]] {
    return take_from_arena(size, alignment);
  }
  return count_outer(g_real.memalign(alignment, size), size);
}

LAMPREY_HOOK(void*, valloc, std::size_t size) {
  tripwire::check("valloc");
  if (!available(g_real.valloc)) [[unlikely]] {
    return take_from_arena(size, 4096);
  }
  return count_outer(g_real.valloc(size), size);
}

LAMPREY_HOOK(void*, pvalloc, std::size_t size) {
  tripwire::check("pvalloc");
  if (!available(g_real.pvalloc)) [[unlikely]] {
    return take_from_arena(size, 4096);
  }
  return count(g_real.pvalloc(size), size);
}

// A second, hidden name: the dynamic linker decides what address an exported one has.
extern "C" __attribute__((alias("malloc"), visibility("hidden"))) void* hidden_malloc(std::size_t);

namespace lamprey::preload::hooks {
MallocFunction lamprey_own_malloc() { return hidden_malloc; }
}  // namespace lamprey::preload::hooks
