// The table of mappings.h: bounds apart from the rest, so that looking through them is fast.
#include "preload/memory/mappings.h"

#include "preload/base/raw_syscall.h"
#include "preload/libc/real.h"
#include "preload/memory/sampling_math.h"
#include "preload/memory/sites.h"
#include "preload/process/thread.h"
#include "preload/stack/modules.h"

namespace lamprey::preload::memory::mappings {
namespace {

using recording::load;
using recording::shared_add;
using recording::store;

// Of an entry: its phase, and above it a number that grows with each change, so that what was read
// while it did not change is what it held.
enum Phase : std::uint32_t { kFree = 0, kFilling = 1, kThere = 2, kTrimming = 3 };
constexpr std::uint32_t kPhases = 3;

Phase phase_of(std::uint32_t state) { return static_cast<Phase>(state & kPhases); }
std::uint32_t in_phase(std::uint32_t state, Phase phase) {
  return ((state & ~kPhases) + kPhases + 1) | phase;
}

struct Rest {
  std::uint64_t live_bytes;
  Moment number;
  std::uint32_t stack;
  std::uint32_t round;
};

std::uint32_t g_state[kMappings];
std::uintptr_t g_begin[kMappings];
std::uintptr_t g_end[kMappings];
constinit Rest g_rest[kMappings] = {};
std::uint32_t g_used = 0;   // entries from here on were never used
std::uint32_t g_first = 0;  // a hint: entries before it were in use
Moment g_number = 0;        // of the youngest entry
constinit stack::modules::Range g_allocator = {};

void lost() { shared_add(g_writer.header().mappings_unfollowed, 1); }

bool meets(std::uint32_t index, std::uintptr_t begin, std::uintptr_t end) {
  return load(g_begin[index]) < end && load(g_end[index]) > begin;
}

bool put(const Piece& piece, Moment number) {
  const std::uint32_t hint = load(g_first);
  for (std::uint32_t n = 0; n < kMappings; ++n) {
    const std::uint32_t index = (hint + n) % kMappings;
    const std::uint32_t state = load(g_state[index]);
    const std::uint32_t filling = in_phase(state, kFilling);
    if (phase_of(state) != kFree || !recording::exchange_if(g_state[index], state, filling)) {
      continue;
    }
    g_rest[index] = {piece.live_bytes, number, piece.stack, piece.round};
    store(g_begin[index], piece.begin);
    store(g_end[index], piece.end);
    recording::raise_to(g_used, index + 1);
    recording::publish(g_state[index], in_phase(filling, kThere));
    store(g_first, (index + 1) % kMappings);
    return true;
  }
  lost();
  return false;
}

std::uint64_t share(std::uint64_t bytes, std::uintptr_t part, std::uintptr_t whole) {
  return part == whole
             ? bytes
             : sampling::weighted(bytes, static_cast<double>(part) / static_cast<double>(whole));
}

void remove_live(const Piece& piece) {
  if (piece.stack != kReserved) {
    sites::remove_live(piece.stack, piece.live_bytes, piece.round);
  }
}

// Cuts [begin, end) out of the entry, which is being trimmed and meets it, but is not all in it.
// What is left on the far side gets an entry of its own before this one shrinks, so that at every
// moment each byte lies in one.
Piece trim(std::uint32_t index, std::uintptr_t begin, std::uintptr_t end) {
  Rest& rest = g_rest[index];
  const std::uintptr_t low = load(g_begin[index]);
  const std::uintptr_t high = load(g_end[index]);
  Piece taken = {begin > low ? begin : low, end < high ? end : high, 0, rest.stack, rest.round};
  taken.live_bytes = share(rest.live_bytes, taken.end - taken.begin, high - low);
  rest.live_bytes -= taken.live_bytes;
  if (taken.begin == low) {
    store(g_begin[index], taken.end);
    return taken;
  }
  if (taken.end < high) {
    const std::uint64_t far =
        share(rest.live_bytes, high - taken.end, (taken.begin - low) + (high - taken.end));
    rest.live_bytes -= far;
    const Piece behind = {taken.end, high, far, rest.stack, rest.round};
    if (!put(behind, rest.number)) {
      remove_live(behind);
    }
  }
  store(g_end[index], taken.begin);
  return taken;
}

enum class Kind : std::uint8_t { kAny, kMemory, kReserved };

bool is_of(const Rest& rest, Kind kind) {
  return kind == Kind::kAny || (rest.stack == kReserved) == (kind == Kind::kReserved);
}

struct Found {
  Piece piece;
  Moment number;
};

// Takes what the entry has of [begin, end), if it is not younger than `before`. One that is being
// filled is younger; one that another thread trims is waited for.
bool take_from(std::uint32_t index, std::uintptr_t begin, std::uintptr_t end, Moment before,
               Kind kind, Found& found) {
  constexpr int kSpins = 100;
  constexpr int kMaxTries = 1000;
  for (int i = 0; i < kMaxTries; ++i) {
    const std::uint32_t state = __atomic_load_n(&g_state[index], __ATOMIC_ACQUIRE);
    if (phase_of(state) == kFree || phase_of(state) == kFilling) {
      return false;
    }
    if (phase_of(state) == kTrimming) {
      if (i >= kSpins) {
        raw_syscall(SYS_sched_yield);  // its holder may have lost its CPU
      }
      continue;
    }
    const Rest rest = g_rest[index];
    found = {{load(g_begin[index]), load(g_end[index]), rest.live_bytes, rest.stack, rest.round},
             rest.number};
    const Piece& whole = found.piece;
    if (!meets(index, begin, end) || rest.number > before || !is_of(rest, kind)) {
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      if (load(g_state[index]) == state) {
        return false;
      }
    } else if (begin <= whole.begin && whole.end <= end) {
      if (recording::exchange_if(g_state[index], state, in_phase(state, kFree))) {
        store(g_first, index < load(g_first) ? index : load(g_first));
        return true;
      }
    } else if (recording::exchange_if(g_state[index], state, in_phase(state, kTrimming))) {
      found.piece = trim(index, begin, end);
      recording::publish(g_state[index], in_phase(load(g_state[index]), kThere));
      return true;
    }
  }
  lost();
  return false;
}

// Takes every piece of [begin, end) that is not younger than `before` out, and hands it to `what`
// with its number.
template <class What>
void for_each_piece(std::uintptr_t begin, std::uintptr_t end, Moment before, Kind kind,
                    const What& what) {
  const std::uint32_t used = load(g_used);
  for (std::uint32_t i = 0; i < used; ++i) {
    Found found;
    if (meets(i, begin, end) && take_from(i, begin, end, before, kind, found)) {
      what(found.piece, found.number);
    }
  }
}

// An entry that a newer one overlaps: its mapping is gone, but the thread that unmapped it has not
// yet said so.
bool is_outlived(const Moving& moving, std::uint32_t index) {
  const Piece& piece = moving.pieces[index];
  for (std::uint32_t i = 0; i < moving.count; ++i) {
    const Piece& other = moving.pieces[i];
    if (moving.numbers[i] > moving.numbers[index] && other.begin < piece.end &&
        other.end > piece.begin) {
      return true;
    }
  }
  return false;
}

}  // namespace

void attach() {
  if (g_real.foreign_malloc) {
    g_allocator = stack::modules::range_of(reinterpret_cast<std::uintptr_t>(g_real.malloc));
  }
}

void forget_all() {
  const std::uint32_t used = load(g_used);
  for (std::uint32_t i = 0; i < used; ++i) {  // whoever was changing one is not in this process
    store(g_state[i], kFree);
  }
  store(g_used, 0);
  store(g_first, 0);
}

bool by_allocator(const void* caller) {
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  return address >= g_allocator.begin && address < g_allocator.end;
}

Moment now() { return __atomic_load_n(&g_number, __ATOMIC_SEQ_CST); }

bool follow(const Piece& piece) {
  return put(piece, __atomic_add_fetch(&g_number, 1, __ATOMIC_SEQ_CST));
}

void ended(std::uintptr_t begin, std::uintptr_t end, Moment before) {
  for_each_piece(begin, end, before, Kind::kAny,
                 [](const Piece& piece, Moment) { remove_live(piece); });
}

void opened(std::uintptr_t begin, std::uintptr_t end, Moment before, Sample sample) {
  for_each_piece(begin, end, before, Kind::kReserved, [sample](const Piece& piece, Moment) {
    sample(piece.begin, piece.end - piece.begin);
  });
}

void closed(std::uintptr_t begin, std::uintptr_t end, Moment before) {
  for_each_piece(begin, end, before, Kind::kMemory, [](const Piece& piece, Moment) {
    remove_live(piece);
    follow({piece.begin, piece.end, 0, kReserved, 0});
  });
}

void take(std::uintptr_t begin, std::uintptr_t end, Moving& moving) {
  moving.count = 0;
  for_each_piece(begin, end, UINT64_MAX, Kind::kAny, [&moving](const Piece& piece, Moment number) {
    if (moving.count == Moving::kMax) {
      lost();
      remove_live(piece);
      return;
    }
    moving.pieces[moving.count] = piece;
    moving.numbers[moving.count++] = number;
  });
}

bool put_back(const Moving& moving, std::uintptr_t from, std::size_t kept, std::uintptr_t to) {
  bool last = false;
  for (std::uint32_t i = 0; i < moving.count; ++i) {
    Piece piece = moving.pieces[i];
    const std::uintptr_t end = piece.end < from + kept ? piece.end : from + kept;
    if (end <= piece.begin || is_outlived(moving, i)) {
      remove_live(piece);
      continue;
    }
    const std::uint64_t stays = share(piece.live_bytes, end - piece.begin, piece.end - piece.begin);
    remove_live({end, piece.end, piece.live_bytes - stays, piece.stack, piece.round});
    last = last || (end == from + kept && piece.stack != kReserved);
    piece = {to + (piece.begin - from), to + (end - from), stays, piece.stack, piece.round};
    if (!follow(piece)) {
      remove_live(piece);
    }
  }
  return last;
}

}  // namespace lamprey::preload::memory::mappings
