// See lines.h. What ends a line: V8's String::CalculateLineEnds.
#include "preload/stack/v8/lines.h"

#include "preload/stack/reading/functions.h"

namespace lamprey::preload::stack::v8 {
namespace {

// A count is remembered at the start of each block of so many units. Never more than kMaxUnits are
// counted at once: then the line is known the next time, or the time after.
constexpr std::uint32_t kBlock = 16 * 1024;
constexpr std::uint32_t kMaxUnits = 4 * 1024 * 1024;
constexpr std::uint32_t kNoFunction = 0;  // under which functions.h keeps our counts

constexpr std::uint64_t kOnes = 0x0101010101010101U;
constexpr std::uint64_t kLow = 0x7F * kOnes;

// The highest bit of each byte of `word` that is `byte`.
std::uint64_t bytes_equal(std::uint64_t word, std::uint8_t byte) {
  const std::uint64_t other = word ^ (kOnes * byte);
  return ~(((other & kLow) + kLow) | other | kLow);
}

std::uint32_t count_of(std::uint64_t highest_bits) {
  return static_cast<std::uint32_t>(((highest_bits >> 7U) * kOnes) >> 56U);
}

std::uint64_t word_at(std::uintptr_t address) {
  std::uint64_t word = 0;
  __builtin_memcpy(&word, reinterpret_cast<const void*>(address), sizeof(word));
  return word;
}

bool ends_line(const Units& units, std::uint32_t i) {
  const auto unit = [&units](std::uint32_t at) -> std::uint32_t {
    return units.wide ? reinterpret_cast<const std::uint16_t*>(units.begin)[at]
                      : reinterpret_cast<const std::uint8_t*>(units.begin)[at];
  };
  const std::uint32_t c = unit(i);
  return c == '\n' || c == 0x2028 || c == 0x2029 ||
         (c == '\r' && (i + 1 == units.count || unit(i + 1) != '\n'));
}

// By the table that V8 made: where each line ends. 0: there is none.
std::uint32_t line_in_table(const Layout& v8, Word table, std::int32_t position) {
  const Object array(table, kArrayFirst);
  if (array.type() != v8.types.fixed_array || !is_smi(array.word(kArrayLength)) ||
      smi(array.word(kArrayLength)) <= 0) {
    return 0;
  }
  std::uint32_t low = 0;
  auto high = static_cast<std::uint32_t>(smi(array.word(kArrayLength)));
  while (low < high) {
    const std::uint32_t middle = low + ((high - low) / 2);
    Word end = 0;
    if (!read_at(array.address() + kArrayFirst + (sizeof(Word) * middle), end) || !is_smi(end)) {
      return 0;
    }
    if (smi(end) >= position) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low + 1;
}

std::uint32_t line_by_counting(const Script& script, std::uint32_t position) {
  Units units = {};
  if (!units_of_string(script.source, units) || position > units.count) {
    return 0;
  }
  const unsigned shift = units.wide ? 1 : 0;
  std::uint32_t block = position / kBlock;
  std::uint32_t ends = 0;
  while (block != 0 && !functions::known_line(kNoFunction, mix(script.identity, block), ends)) {
    --block;
  }
  ends = block != 0 ? ends : 0;
  const std::uint32_t last = block + (kMaxUnits / kBlock);
  for (std::uint32_t from = block * kBlock; from < position; from += kBlock, ++block) {
    const std::uint32_t to = position - from < kBlock ? position : from + kBlock;
    // One more, which tells whether a line ends at the last.
    const std::uint32_t looked_at = (to < units.count ? to + 1 : to) - from;
    if (block == last ||
        !can_read(units.begin + (std::uintptr_t{from} << shift), std::size_t{looked_at} << shift)) {
      return 0;
    }
    if (from != 0) {
      functions::remember_line(kNoFunction, mix(script.identity, block), ends);
    }
    ends += line_ends_in(units, from, to);
  }
  return ends + 1;
}

}  // namespace

std::uint32_t line_of(const Layout& v8, const Script& script, std::int32_t position) {
  if (position < 0) {
    return 0;
  }
  std::uint32_t line = line_in_table(v8, script.line_ends, position);
  if (line == 0) {
    line = line_by_counting(script, static_cast<std::uint32_t>(position));
  }
  const std::int64_t shown = std::int64_t{line} + script.line_offset;
  return line != 0 && shown > 0 ? static_cast<std::uint32_t>(shown) : 0;
}

std::uint32_t line_ends_in(const Units& units, std::uint32_t from, std::uint32_t to) {
  constexpr std::uint32_t kAtOnce = sizeof(std::uint64_t);
  std::uint32_t ends = 0;
  std::uint32_t i = from;
  while (!units.wide && to - i > kAtOnce) {
    const std::uint64_t word = word_at(units.begin + i);
    const std::uint64_t returns = bytes_equal(word, '\r');
    ends += count_of(bytes_equal(word, '\n'));
    if (returns != 0) {
      ends += count_of(returns & ~bytes_equal(word_at(units.begin + i + 1), '\n'));
    }
    i += kAtOnce;
  }
  for (; i < to; ++i) {
    ends += ends_line(units, i) ? 1U : 0U;
  }
  return ends;
}

}  // namespace lamprey::preload::stack::v8
