// See line_tables.h. The entries have no positions of their own: where each begins is a set of
// bits, one for each position, and the entry's number is how many are set up to it ("rank"). Ruby's
// iseq.c, succ_index_table:
//   for positions below 54    six words, each with seven-bit ranks of nine positions
//   for each 512 after those  the rank before them (4 bytes), the ranks before the second to eighth
//                             64 of them (nine bits each, in one word), and their bits (eight
//                             words)
#include "preload/stack/ruby/line_tables.h"

#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/ruby/iseqs.h"

namespace lamprey::preload::stack::ruby {
namespace {

constexpr std::uint32_t kMostEntries = 1U << 24U;

constexpr std::uint32_t kImmediate = 54;
constexpr std::uint32_t kOfAWord = 9;
constexpr unsigned kImmediateBits = 7;
constexpr std::uintptr_t kBlocks = 48;  // behind the six words
constexpr std::uint32_t kOfABlock = 512;
constexpr std::uintptr_t kBlockBytes = 80;
constexpr std::uintptr_t kBlockRanks = 8;
constexpr std::uintptr_t kBlockSet = 16;
constexpr unsigned kRankBits = 9;
constexpr std::uint32_t kOfASmallBlock = 64;

constexpr std::uint64_t low_bits(unsigned count) { return (std::uint64_t{1} << count) - 1; }

std::uint32_t set_in(std::uint64_t word) {
  return static_cast<std::uint32_t>(__builtin_popcountll(word));
}

std::uint32_t rank_in_block(std::uintptr_t block, std::uint32_t within) {
  std::uint32_t before = 0;
  std::uint64_t ranks = 0;
  std::uint64_t set = 0;
  const std::uint32_t small = within / kOfASmallBlock;
  if (!read_at(block, before) || !read_at(block + kBlockRanks, ranks) ||
      !read_at(block + kBlockSet + (small * sizeof(set)), set)) {
    return 0;
  }
  const std::uint64_t earlier = small == 0 ? 0 : (ranks >> ((small - 1) * kRankBits));
  const unsigned above = kOfASmallBlock - 1 - (within % kOfASmallBlock);
  return before + static_cast<std::uint32_t>(earlier & low_bits(kRankBits)) + set_in(set << above);
}

std::uint32_t rank_of(std::uintptr_t table, std::uint32_t position) {
  if (position >= kImmediate) {
    const std::uint32_t behind = position - kImmediate;
    return rank_in_block(table + kBlocks + (behind / kOfABlock * kBlockBytes), behind % kOfABlock);
  }
  std::uint64_t word = 0;
  if (!read_at(table + (position / kOfAWord * sizeof(word)), word)) {
    return 0;
  }
  return static_cast<std::uint32_t>((word >> (position % kOfAWord * kImmediateBits)) &
                                    low_bits(kImmediateBits));
}

}  // namespace

std::uint32_t line_in(std::uintptr_t lines, std::uint32_t position) {
  const auto entries = field<std::uintptr_t>(lines + kLinesEntries);
  const auto count = field<std::uint32_t>(lines + kLinesCount);
  const auto table = field<std::uintptr_t>(lines + kLinesTable);
  if (count == 0 || count > kMostEntries) {
    return 0;
  }
  std::uint32_t number = 1;
  if (count > 1) {
    number = is_object(table) ? rank_of(table, position) : 0;
  }
  std::int32_t line = 0;
  const bool read =
      number != 0 && number <= count && read_at(entries + ((number - 1) * kLineEntryBytes), line);
  return read && line > 0 ? static_cast<std::uint32_t>(line) : 0;
}

}  // namespace lamprey::preload::stack::ruby
