// The pages that could be read; see the header.
#include "preload/base/page_probe.h"

#include "preload/base/raw_syscall.h"

namespace lamprey::preload::page_probe {

using recording::load;
using recording::store;

std::uint64_t g_readable[std::size_t{1} << kIndexBits];
std::uint64_t g_generation = 1;  // so that an entry of 0 is nobody's

namespace {

std::uint64_t g_forgotten = 0;  // how often pages were forgotten: older answers are void

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
  // Either forget() finds the entry, or this finds that it ran meanwhile.
  if (__atomic_load_n(&g_forgotten, __ATOMIC_SEQ_CST) != forgotten) {
    store(place, 0);
  }
  return true;
}

// By words, which never cross a page; so it may read up to seven bytes before and behind.
__attribute__((no_sanitize("address"))) std::size_t text_length(const char* text,
                                                                std::size_t most) {
  using Word [[gnu::may_alias]] = std::uint64_t;
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = 0x8080808080808080U;
  const auto begin = reinterpret_cast<std::uintptr_t>(text);
  const std::uintptr_t first = begin & ~(sizeof(Word) - 1);
  for (std::uintptr_t at = first; at < begin + most; at += sizeof(Word)) {
    if ((at == first || at % kPage == 0) && !readable(at, sizeof(Word))) {
      return kUnreadable;
    }
    std::uint64_t word = *reinterpret_cast<const Word*>(at);
    if (at < begin) {
      word |= (std::uint64_t{1} << ((begin - at) * 8)) - 1;  // what stands before is no NUL
    }
    const std::uint64_t nuls = (word - kOnes) & ~word & kHighs;  // the lowest bit is a true one
    if (nuls != 0) {
      const std::size_t length = at - begin + (static_cast<std::size_t>(__builtin_ctzll(nuls)) / 8);
      return length < most ? length : most;
    }
  }
  return most;
}

bool copy_text(char* to, std::size_t capacity, const char* text) {
  const std::size_t length = text_length(text, capacity - 1);
  if (length == kUnreadable) {
    to[0] = '\0';
    return false;
  }
  __builtin_memcpy(to, text, length);
  to[length] = '\0';
  return true;
}

std::size_t copy_from_caller(void* to, const void* from, std::size_t size) {
  constexpr long kBadAddress = -14;  // EFAULT
  struct Piece {
    const void* base;
    std::size_t size;
  };
  const Piece local = {to, size};
  const Piece remote = {from, size};
  const long got = raw_syscall(SYS_process_vm_readv, raw_syscall(SYS_getpid),
                               pointer_argument(&local), 1, pointer_argument(&remote), 1, 0);
  if (got >= 0 || got == kBadAddress) {
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  if (size == 0 || !readable(reinterpret_cast<std::uintptr_t>(from), size)) {
    return 0;
  }
  __builtin_memcpy(to, from, size);
  return size;
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

// An answer that is still on its way is stored with the old generation.
void forget_all() { __atomic_fetch_add(&g_generation, 1, __ATOMIC_SEQ_CST); }

}  // namespace lamprey::preload::page_probe
