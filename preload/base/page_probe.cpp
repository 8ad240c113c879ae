// The pages that could be read; see the header.
#include "preload/base/page_probe.h"

#include "preload/base/raw_syscall.h"

namespace lamprey::preload::page_probe {

using recording::load;
using recording::store;

std::uint64_t g_readable[std::size_t{1} << kIndexBits];
std::uint64_t g_generation = 1;  // so that an entry of 0 is nobody's

namespace {

std::uint64_t g_forgotten = 0;  // how often anything was: whoever asks meanwhile must not remember

constexpr std::uintptr_t kPages = std::uintptr_t{1} << (kIndexBits + kTagBits);

}  // namespace

bool __attribute__((noinline)) ask(std::uintptr_t page) {
  constexpr long kNoSuchHow = -1;
  constexpr long kBadHow = -22;  // EINVAL
  constexpr long kMaskBytes = 8;
  if (page >= kPages) {  // the kernel's own, or no address at all
    return false;
  }
  const std::uint64_t forgotten = __atomic_load_n(&g_forgotten, __ATOMIC_SEQ_CST);
  const std::uint64_t entry = entry_for(page, load(g_generation));
  if (raw_syscall(SYS_rt_sigprocmask, kNoSuchHow, static_cast<long>(page << kPageBits), 0,
                  kMaskBytes) != kBadHow) {
    return false;
  }
  std::uint64_t& place = place_of(page);
  __atomic_store_n(&place, entry, __ATOMIC_SEQ_CST);
  // Either whoever forgets finds the entry, or it is found here that somebody forgot.
  if (__atomic_load_n(&g_forgotten, __ATOMIC_SEQ_CST) != forgotten) {
    store(place, 0);
  }
  return true;
}

void forget(std::uintptr_t begin, std::uintptr_t end) {
  __atomic_fetch_add(&g_forgotten, 1, __ATOMIC_SEQ_CST);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const std::uintptr_t first = begin >> kPageBits;
  const std::uintptr_t count = ((end + kPage - 1) >> kPageBits) - first;
  if (count >= std::uintptr_t{1} << kIndexBits) {
    forget_all();
    return;
  }
  const std::uint64_t generation = load(g_generation);
  for (std::uintptr_t page = first; page < first + count; ++page) {
    if (load(place_of(page)) == entry_for(page, generation)) {
      store(place_of(page), 0);
    }
  }
}

// What is being asked at this moment is stored with the generation before.
void forget_all() { __atomic_fetch_add(&g_generation, 1, __ATOMIC_SEQ_CST); }

}  // namespace lamprey::preload::page_probe
