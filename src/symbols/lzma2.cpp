// Unpacking LZMA2; see the header.
#include "symbols/lzma2.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace lamprey::symbols {
namespace {

constexpr std::uint16_t kEven = 1024;  // of 2048: as likely 0 as 1
constexpr unsigned kModelBits = 11;
constexpr unsigned kAdaptation = 5;
constexpr std::uint32_t kTop = std::uint32_t{1} << 24;
constexpr std::size_t kLiteral = 0x300;      // probabilities for one context
constexpr unsigned kFirstLiteralStates = 7;  // below it the last symbol was a literal
constexpr unsigned kShortest = 2;            // bytes of a match

// Control bytes of a chunk.
constexpr std::uint8_t kEnd = 0x00;
constexpr std::uint8_t kPlainWithReset = 0x01;
constexpr std::uint8_t kPlain = 0x02;
constexpr std::uint8_t kPacked = 0x80;
constexpr std::uint8_t kResetsState = 0xA0;
constexpr std::uint8_t kHasProperties = 0xC0;
constexpr std::uint8_t kResetsDictionary = 0xE0;

}  // namespace

bool PackedBytes::refill() {
  ssize_t got = 0;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer_.size()));
  do {
    got = pread(descriptor_, buffer_.data(), wanted, static_cast<off_t>(offset_));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) {
    failed_ = true;
    return false;
  }
  at_ = 0;
  filled_ = static_cast<std::size_t>(got);
  offset_ += filled_;
  left_ -= filled_;
  return true;
}

std::uint8_t PackedBytes::next() {
  if (failed_ || (at_ == filled_ && !refill())) {
    return 0;
  }
  ++taken_;
  return buffer_[at_++];
}

Lzma2Decoder::Progress Lzma2Decoder::decode(std::size_t bytes) {
  const std::size_t target = position_ + std::min(bytes, into_.size() - position_);
  do {
    if (position_ == chunk_end_) {
      const Progress progress = begin_chunk();
      if (progress != Progress::kMore) {
        return progress;
      }
    }
    const std::size_t end = std::min(std::max(target, position_ + 1), chunk_end_);
    if (!packed_) {
      copy_plain(end);
    } else if (!unpack(end) || (position_ == chunk_end_ && !is_finished())) {
      return Progress::kBroken;
    }
    if (from_.failed()) {
      return Progress::kBroken;
    }
  } while (position_ < target);
  return Progress::kMore;
}

Lzma2Decoder::Progress Lzma2Decoder::begin_chunk() {
  const std::uint8_t control = from_.next();
  if (from_.failed()) {
    return Progress::kBroken;
  }
  if (control == kEnd) {
    needs_dictionary_ = true;
    return Progress::kEnd;
  }
  if (control == kPlainWithReset || control >= kResetsDictionary) {
    needs_dictionary_ = false;
    needs_properties_ = true;
    dictionary_ = position_;
  }
  if (needs_dictionary_ || (control > kPlain && control < kPacked)) {
    return Progress::kBroken;
  }
  packed_ = control >= kPacked;
  std::size_t size = packed_ ? control & 0x1FU : 0U;
  size = (size << 8) | from_.next();
  size = ((size << 8) | from_.next()) + 1;
  if (size > into_.size() - position_) {
    return Progress::kBroken;
  }
  chunk_end_ = position_ + size;
  return !packed_ || begin_packed_chunk(control) ? Progress::kMore : Progress::kBroken;
}

bool Lzma2Decoder::begin_packed_chunk(std::uint8_t control) {
  std::uint32_t size = from_.next();
  size = ((size << 8) | from_.next()) + 1;
  if (control >= kHasProperties) {
    if (!set_properties(from_.next())) {
      return false;
    }
    needs_properties_ = false;
  }
  if (needs_properties_) {
    return false;
  }
  if (control >= kResetsState) {
    reset_model();
    needs_state_ = false;
  }
  packed_end_ = from_.taken() + size;
  return !needs_state_ && begin_range();
}

// A packed chunk's last symbol must have used its last byte.
bool Lzma2Decoder::is_finished() {
  normalise();
  return code_ == 0 && from_.taken() == packed_end_ && !from_.failed();
}

bool Lzma2Decoder::set_properties(std::uint8_t properties) {
  constexpr unsigned kMax = (4 * 5 + 4) * 9 + 8;
  if (properties > kMax) {
    return false;
  }
  const unsigned position_bits = properties / 45U;
  const unsigned rest = properties % 45U;
  const unsigned literal_position_bits = rest / 9U;
  literal_context_bits_ = rest % 9U;
  if (literal_context_bits_ + literal_position_bits > 4) {
    return false;
  }
  position_mask_ = (1U << position_bits) - 1;
  literal_position_mask_ = (1U << literal_position_bits) - 1;
  literals_.resize(kLiteral << (literal_context_bits_ + literal_position_bits));
  return true;
}

void Lzma2Decoder::reset_model() {
  static_assert(sizeof(Model) % sizeof(Probability) == 0);
  auto* probabilities = reinterpret_cast<Probability*>(&model_);
  std::fill_n(probabilities, sizeof(Model) / sizeof(Probability), kEven);
  std::fill(literals_.begin(), literals_.end(), kEven);
  recent_ = {};
  state_ = 0;
}

bool Lzma2Decoder::begin_range() {
  constexpr int kCodeBytes = 4;
  const bool is_zero = from_.next() == 0;
  range_ = UINT32_MAX;
  code_ = 0;
  for (int i = 0; i < kCodeBytes; ++i) {
    code_ = (code_ << 8) | from_.next();
  }
  return is_zero && !from_.failed();
}

void Lzma2Decoder::copy_plain(std::size_t end) {
  while (position_ < end) {
    into_[position_++] = from_.next();
  }
}

bool Lzma2Decoder::unpack(std::size_t end) {
  while (position_ < end) {
    if (from_.failed()) {
      return false;
    }
    const auto position_state = static_cast<unsigned>(position_ - dictionary_) & position_mask_;
    if (bit(model_.is_match[state_][position_state]) == 0) {
      literal();
      continue;
    }
    unsigned bytes = 0;
    if (bit(model_.is_repeat[state_]) == 0) {
      std::copy_backward(recent_.begin(), recent_.end() - 1, recent_.end());
      bytes = length(model_.match, position_state);
      state_ = state_ < kFirstLiteralStates ? 7 : 10;
      recent_[0] = distance(bytes);
    } else {
      bytes = repeated(position_state);
    }
    if (!copy_match(bytes)) {
      return false;
    }
  }
  return true;
}

void Lzma2Decoder::normalise() {
  if (range_ < kTop) {
    range_ <<= 8;
    code_ = (code_ << 8) | from_.next();
  }
}

unsigned Lzma2Decoder::bit(Probability& probability) {
  normalise();
  const std::uint32_t bound = (range_ >> kModelBits) * probability;
  if (code_ < bound) {
    range_ = bound;
    probability =
        static_cast<Probability>(probability + (((1U << kModelBits) - probability) >> kAdaptation));
    return 0;
  }
  range_ -= bound;
  code_ -= bound;
  probability = static_cast<Probability>(probability - (probability >> kAdaptation));
  return 1;
}

unsigned Lzma2Decoder::tree(Probability* probabilities, unsigned bits) {
  unsigned symbol = 1;
  for (unsigned i = 0; i < bits; ++i) {
    symbol = (symbol << 1) | bit(probabilities[symbol]);
  }
  return symbol - (1U << bits);
}

unsigned Lzma2Decoder::reverse_tree(Probability* probabilities, unsigned bits) {
  unsigned node = 1;
  unsigned symbol = 0;
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned one = bit(probabilities[node]);
    node = (node << 1) | one;
    symbol |= one << i;
  }
  return symbol;
}

std::uint32_t Lzma2Decoder::direct(unsigned bits) {
  std::uint32_t value = 0;
  for (; bits > 0; --bits) {
    normalise();
    range_ >>= 1;
    const bool one = code_ >= range_;
    code_ -= one ? range_ : 0;
    value = (value << 1) | static_cast<std::uint32_t>(one);
  }
  return value;
}

void Lzma2Decoder::literal() {
  const std::size_t within = position_ - dictionary_;
  const unsigned before = within == 0 ? 0U : into_[position_ - 1];
  const std::size_t context = ((within & literal_position_mask_) << literal_context_bits_) +
                              (before >> (8 - literal_context_bits_));
  Probability* probabilities = literals_.data() + (kLiteral * context);
  unsigned symbol = 1;
  if (state_ >= kFirstLiteralStates && recent_[0] < within) {
    // After a match the byte is probably not the one that would have continued it.
    unsigned expected = into_[position_ - 1 - recent_[0]];
    unsigned offset = 0x100;
    while (symbol < 0x100) {
      expected <<= 1;
      const unsigned expected_bit = expected & offset;
      const unsigned one = bit(probabilities[offset + expected_bit + symbol]);
      symbol = (symbol << 1) | one;
      offset &= one != 0 ? expected_bit : ~expected_bit;
    }
  } else {
    while (symbol < 0x100) {
      symbol = (symbol << 1) | bit(probabilities[symbol]);
    }
  }
  into_[position_++] = static_cast<std::uint8_t>(symbol);
  state_ = state_ < 4 ? 0 : state_ - (state_ < 10 ? 3 : 6);
}

// In bytes.
unsigned Lzma2Decoder::length(Lengths& lengths, unsigned position_state) {
  if (bit(lengths.is_long) == 0) {
    return kShortest + tree(lengths.low[position_state].data(), 3);
  }
  if (bit(lengths.is_longest) == 0) {
    return kShortest + 8 + tree(lengths.middle[position_state].data(), 3);
  }
  return kShortest + 16 + tree(lengths.high.data(), 8);
}

// Less one.
std::uint32_t Lzma2Decoder::distance(unsigned length) {
  constexpr unsigned kFirstWithBits = 4;
  constexpr unsigned kFirstWithDirect = 14;
  constexpr unsigned kAlignBits = 4;
  const unsigned length_state = std::min(length - kShortest, kLengthStates - 1);
  const unsigned slot = tree(model_.slots[length_state].data(), 6);
  if (slot < kFirstWithBits) {
    return slot;
  }
  const unsigned bits = (slot >> 1) - 1;
  const std::uint32_t base = (2U | (slot & 1U)) << bits;
  if (slot < kFirstWithDirect) {
    return base + reverse_tree(model_.distances.data() + (base - slot), bits);
  }
  const std::uint32_t high = direct(bits - kAlignBits) << kAlignBits;
  return base + high + reverse_tree(model_.align.data(), kAlignBits);
}

// A match at one of the last distances; how many bytes.
unsigned Lzma2Decoder::repeated(unsigned position_state) {
  if (bit(model_.is_repeat_0[state_]) == 0) {
    if (bit(model_.is_repeat_0_long[state_][position_state]) == 0) {
      state_ = state_ < kFirstLiteralStates ? 9 : 11;
      return 1;
    }
  } else {
    std::size_t which = 1;
    if (bit(model_.is_repeat_1[state_]) != 0) {
      which = 2 + bit(model_.is_repeat_2[state_]);
    }
    const std::uint32_t found = recent_[which];
    std::copy_backward(recent_.begin(), recent_.begin() + which, recent_.begin() + which + 1);
    recent_[0] = found;
  }
  const unsigned bytes = length(model_.repeat, position_state);
  state_ = state_ < kFirstLiteralStates ? 8 : 11;
  return bytes;
}

// Byte by byte: source and target overlap when a short piece is repeated.
bool Lzma2Decoder::copy_match(std::size_t length) {
  if (recent_[0] >= position_ - dictionary_ || length > chunk_end_ - position_) {
    return false;
  }
  std::uint8_t* to = into_.data() + position_;
  const std::uint8_t* source = to - recent_[0] - 1;
  for (std::size_t i = 0; i < length; ++i) {
    to[i] = source[i];
  }
  position_ += length;
  return true;
}

}  // namespace lamprey::symbols
