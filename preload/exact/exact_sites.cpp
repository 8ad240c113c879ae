// Finds the places; see the header.
#include "preload/exact/exact_sites.h"

#include "preload/exact/instruction.h"
#include "recording/kernel_calls.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace lamprey::preload::exact {
namespace {

using recording::KernelCallKind;
using recording::kKernelNumbers;

std::uint32_t word_at(const std::uint8_t* bytes) {
  std::uint32_t word = 0;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

#if defined(__x86_64__)

using recording::KernelCallKind;
using recording::kKernelNumbers;

// The kinds alone: a table of names would be relocated in every process that loads us.
struct Kinds {
  KernelCallKind of[kKernelNumbers];
};
constexpr Kinds kKinds = [] {
  Kinds kinds{};
  for (std::uint32_t number = 0; number < kKernelNumbers; ++number) {
    kinds.of[number] = recording::kKernelCalls.of[number].kind;
  }
  return kinds;
}();

constexpr std::uint8_t kMovEax = 0xB8;  // mov $imm32, %eax
constexpr std::size_t kMovBytes = 5;
constexpr std::size_t kMovRaxBytes = 7;   // mov $imm32, %rax: 48 C7 C0 and the number
constexpr std::size_t kSyscallBytes = 2;  // 0F 05
constexpr std::uint8_t kRexW = 0x48;
constexpr std::uint8_t kCompareEax = 0x3D;  // cmp $imm32, %eax; with REX.W before: %rax

// What stands before `syscall` at `at`, if it gives the number of the call: how many bytes.
std::size_t number_before(const std::uint8_t* text, std::size_t at, std::uint32_t& number) {
  if (at >= kMovRaxBytes && text[at - kMovRaxBytes] == kRexW &&
      text[at - kMovRaxBytes + 1] == 0xC7 && text[at - kMovRaxBytes + 2] == 0xC0) {
    number = word_at(text + at - 4);
    return kMovRaxBytes;
  }
  const bool prefixed = at > kMovBytes && (text[at - kMovBytes - 1] & 0xF0U) == 0x40U;
  if (at >= kMovBytes && text[at - kMovBytes] == kMovEax && !prefixed) {
    number = word_at(text + at - 4);
    return kMovBytes;
  }
  return 0;
}

// The shape of the bytes around `syscall` at `at`; nothing when they have none. Sets `untouched`
// when the number is of such a kind.
bool shape_at(const std::uint8_t* text, std::size_t bytes, std::size_t at, SyscallSite& site,
              bool& untouched) {
  const auto offset = static_cast<std::uint32_t>(at);
  std::uint32_t number = 0;
  const std::size_t before = number_before(text, at, number);
  if (before != 0 && number < kKernelNumbers && kKinds.of[number] != KernelCallKind::kUnknown) {
    untouched = kKinds.of[number] == KernelCallKind::kUntouched;
    const auto whole = static_cast<std::uint8_t>(before + kSyscallBytes);
    site = {offset - static_cast<std::uint32_t>(before), whole, whole, Shape::kNumberFirst,
            static_cast<std::int16_t>(number),           0};
    return true;
  }
  const bool wide = at + 8 <= bytes && text[at + 2] == kRexW && text[at + 3] == kCompareEax;
  const bool narrow = at + 7 <= bytes && text[at + 2] == kCompareEax;
  if (!wide && !narrow) {
    return false;
  }
  const auto compared = static_cast<std::int32_t>(word_at(text + at + (wide ? 4 : 3)));
  site = {offset,
          static_cast<std::uint8_t>(wide ? 8 : 7),
          kSyscallBytes,
          wide ? Shape::kCompare64 : Shape::kCompare32,
          -1,
          compared};
  return compared == -4095 || compared == -4096;
}

void set_bit(std::uint8_t* bits, std::size_t at) {
  bits[at / 8] = static_cast<std::uint8_t>(bits[at / 8] | (1U << (at % 8)));
}

// Calls `take` with every offset, in order, at which a byte stands that `matches` (of 16 at a time)
// marks.
template <class Matches, class Take>
void for_each_byte(const std::uint8_t* text, std::size_t size, Matches matches, Take take) {
  std::size_t at = 0;
  for (; at + sizeof(__m128i) <= size; at += sizeof(__m128i)) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
    auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(matches(bytes)));
    for (; mask != 0; mask &= mask - 1) {
      take(at + static_cast<std::size_t>(__builtin_ctz(mask)));
    }
  }
  if (at < size) {
    std::uint8_t tail[sizeof(__m128i)] = {};
    __builtin_memcpy(tail, text + at, size - at);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tail));
    auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(matches(bytes)));
    for (mask &= (1U << (size - at)) - 1; mask != 0; mask &= mask - 1) {
      take(at + static_cast<std::size_t>(__builtin_ctz(mask)));
    }
  }
}

// The work on one text.
class Search {
 public:
  Search(const Text& text, SyscallSite* sites, std::size_t room, std::uint8_t* interior)
      : text_(text), sites_(sites), room_(room), interior_(interior) {}

  SitesFound run() {
    for_each_byte(
        text_.bytes, text_.size,
        [](__m128i bytes) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x0F)); },
        [this](std::size_t at) {
          if (at + kSyscallBytes <= text_.size && text_.bytes[at + 1] == 0x05U) {
            consider(at);
          }
        });
    const std::uint32_t shaped = found_.sites;
    for (std::uint32_t i = 0; i < shaped; ++i) {
      if (sites_[i].shape == Shape::kCopied) {
        find_copied(i);
      }
      mark_interior(sites_[i]);
    }
    far_jumps();
    for (std::uint32_t i = 0; i < shaped;) {
      i = read_function(i);
    }
    found_.sites = 0;
    for (std::uint32_t i = 0; i < shaped; ++i) {
      if (sites_[i].bytes != 0) {
        sites_[found_.sites++] = sites_[i];
      } else if (sites_[i].behind != 0) {
        ++found_.left;
      }
    }
    return found_;
  }

 private:
  void consider(std::size_t at) {
    SyscallSite site{};
    bool untouched = false;
    if (!shape_at(text_.bytes, text_.size, at, site, untouched)) {
      // Only the call for now: how much before it is copied is decided later.
      site = {static_cast<std::uint32_t>(at), kSyscallBytes, kSyscallBytes, Shape::kCopied, -1, 0};
    }
    const SyscallSite* before = found_.sites != 0 ? &sites_[found_.sites - 1] : nullptr;
    const bool overlaps = before != nullptr && site.offset < before->offset + before->bytes;
    if (untouched) {
      ++found_.untouched;
    } else if (overlaps || found_.sites == room_) {
      ++found_.left;
    } else {
      sites_[found_.sites++] = site;
    }
  }

  void mark_interior(const SyscallSite& site) {
    for (std::size_t i = 1; i < site.bytes; ++i) {
      set_bit(interior_, site.offset + i);
    }
  }

  // It is no call at all, but part of another instruction.
  static void give_up_data(SyscallSite& site) { site.bytes = site.behind = 0; }

  // Takes so many of the simple instructions before place `index` into it that there is room for a
  // jump; gives it up when there are none.
  void find_copied(std::uint32_t index) {
    constexpr std::size_t kJumpBytes = 5;
    constexpr std::size_t kMaxInstructions = 3;
    SyscallSite& site = sites_[index];
    const std::size_t call = site.offset;
    site.bytes = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    if (!function_around(site.offset, begin, end)) {
      return;
    }
    std::size_t starts[kMaxInstructions] = {};  // of the simple ones just read, newest last
    std::size_t count = 0;
    for (std::size_t at = begin; at < call;) {
      const Instruction read = read_instruction(text_.bytes + at, end - at);
      if (read.length == 0) {
        return;
      }
      if (count == kMaxInstructions || !read.simple) {
        const std::size_t kept = read.simple ? count - 1 : 0;
        for (std::size_t i = 0; i < kept; ++i) {
          starts[i] = starts[i + 1];
        }
        count = kept;
      }
      if (read.simple) {
        starts[count++] = at;
      }
      at += read.length;
      if (at > call) {
        give_up_data(site);  // `syscall` is in the middle of an instruction
        return;
      }
    }
    const std::size_t free_from =
        index == 0 ? 0 : sites_[index - 1].offset + sites_[index - 1].bytes;
    for (std::size_t back = count; back > 0; --back) {
      const std::size_t from = starts[back - 1];
      if (from >= free_from && call + kSyscallBytes - from >= kJumpBytes &&
          call - from <= kMaxCopied) {
        site.offset = static_cast<std::uint32_t>(from);
        site.bytes = static_cast<std::uint8_t>(call + kSyscallBytes - from);
        site.behind = site.bytes;
        return;
      }
    }
  }

  // Somebody jumps to `target`: if that is in the middle of a place, the place is given up.
  void jump_to(std::int64_t target) {
    if (target < 0 || target >= static_cast<std::int64_t>(text_.size)) {
      return;
    }
    const auto at = static_cast<std::size_t>(target);
    if ((interior_[at / 8] & (1U << (at % 8))) == 0) [[likely]] {
      return;
    }
    for (std::uint32_t i = 0; i < found_.sites; ++i) {
      if (at > sites_[i].offset && at < sites_[i].offset + sites_[i].bytes) {
        sites_[i].bytes = 0;
      }
    }
  }

  // E8 call, E9 jmp, 0F 80..8F jcc: 4 bytes of distance follow.
  void far_jumps() {
    for_each_byte(
        text_.bytes, text_.size,
        [](__m128i bytes) {
          const __m128i direct =
              _mm_cmpeq_epi8(_mm_and_si128(bytes, _mm_set1_epi8(static_cast<char>(0xFE))),
                             _mm_set1_epi8(static_cast<char>(0xE8)));
          return _mm_or_si128(direct, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x0F)));
        },
        [this](std::size_t at) {
          const std::uint8_t* byte = text_.bytes + at;
          const bool two_bytes = *byte == 0x0FU;
          const std::size_t opcode = two_bytes ? 2 : 1;
          if (at + opcode + 4 > text_.size || (two_bytes && (byte[1] & 0xF0U) != 0x80U)) {
            return;
          }
          const auto distance = static_cast<std::int32_t>(word_at(byte + opcode));
          jump_to(static_cast<std::int64_t>(at + opcode) + 4 + distance);
        });
  }

  // Where the function begins that has `offset`, and where the next one does.
  bool function_around(std::uint32_t offset, std::size_t& begin, std::size_t& end) const {
    const FunctionTable& table = text_.functions;
    const auto start_of = [&table](std::size_t index) {
      return static_cast<std::int64_t>(table.origin) + table.entries[index].start;
    };
    std::size_t low = 0;
    std::size_t high = table.count;
    while (low < high) {  // the first that begins behind `offset`
      const std::size_t middle = low + ((high - low) / 2);
      if (start_of(middle) > static_cast<std::int64_t>(offset)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (low == 0 || start_of(low - 1) < 0) {
      return false;
    }
    begin = static_cast<std::size_t>(start_of(low - 1));
    const std::int64_t next =
        low < table.count ? start_of(low) : static_cast<std::int64_t>(text_.size);
    end =
        next < static_cast<std::int64_t>(text_.size) ? static_cast<std::size_t>(next) : text_.size;
    return true;
  }

  // Reads the function around place `first`, and gives up those of its places at which no
  // instruction begins or into which it jumps. Returns the first place behind the function.
  std::uint32_t read_function(std::uint32_t first) {
    std::size_t begin = 0;
    std::size_t end = 0;
    if (!function_around(sites_[first].offset, begin, end)) {
      sites_[first].bytes = 0;
      return first + 1;
    }
    std::uint32_t next = first;  // not reached yet
    for (std::size_t at = begin; at < end;) {
      const std::size_t length = read_instruction(text_.bytes + at, end - at).length;
      for (; next < found_.sites && sites_[next].offset < at; ++next) {
        give_up_data(sites_[next]);  // no instruction began there
      }
      if (next < found_.sites && sites_[next].offset == at) {
        ++next;
      }
      if (length == 0) {
        next = first;  // what lies behind may jump to any of its places
        break;
      }
      const std::uint8_t opcode = text_.bytes[at];
      const bool near_jump =
          opcode == 0xEBU || (opcode & 0xF0U) == 0x70U || (opcode & 0xFCU) == 0xE0U;
      if (near_jump && length == 2) {
        jump_to(static_cast<std::int64_t>(at) + 2 + static_cast<std::int8_t>(text_.bytes[at + 1]));
      }
      at += length;
    }
    for (; next < found_.sites && sites_[next].offset < end; ++next) {
      sites_[next].bytes = 0;  // the function could not be read to its end
    }
    return next > first ? next : first + 1;
  }

  const Text& text_;
  SyscallSite* sites_;
  std::size_t room_;
  std::uint8_t* interior_;
  SitesFound found_{};
};

#else

constexpr std::uint32_t kSupervisorCall = 0xD4000001U;  // svc #0

#endif

}  // namespace

#if defined(__x86_64__)

SitesFound find_sites(const Text& text, SyscallSite* sites, std::size_t room,
                      std::uint8_t* interior) {
  return Search(text, sites, room, interior).run();
}

#else

SitesFound find_sites(const Text& text, SyscallSite* sites, std::size_t room, std::uint8_t*) {
  SitesFound found;
  for (std::size_t at = 0; at + 4 <= text.size; at += 4) {
    if (word_at(text.bytes + at) != kSupervisorCall) {
      continue;
    }
    if (found.sites == room) {
      ++found.left;
    } else {
      sites[found.sites++] = {static_cast<std::uint32_t>(at), 4, 4, Shape::kAlone, -1, 0};
    }
  }
  return found;
}

#endif

}  // namespace lamprey::preload::exact
