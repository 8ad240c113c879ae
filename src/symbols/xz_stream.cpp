// The container around LZMA2; see the header.
#include "symbols/xz_stream.h"

#include <array>

namespace lamprey::symbols {
namespace {

constexpr std::array<std::uint8_t, 6> kMagic{0xFD, '7', 'z', 'X', 'Z', 0};
constexpr std::uint64_t kHeaderBytes = 12;  // and as many at the end
constexpr std::uint64_t kSumBytes = 4;
constexpr std::uint64_t kLzma2 = 0x21;
constexpr unsigned kMaxNumberBytes = 9;
constexpr std::uint64_t kMaxBlocks = 65536;

// 7 bits a byte, the lowest first. UINT64_MAX for what is none.
std::uint64_t read_number(PackedBytes& from) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < kMaxNumberBytes; ++i) {
    const std::uint64_t byte = from.next();
    value |= (byte & 0x7FU) << (7 * i);
    if ((byte & 0x80U) == 0) {
      return from.failed() ? UINT64_MAX : value;
    }
  }
  return UINT64_MAX;
}

std::uint32_t read_32(PackedBytes& from) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(from.next()) << (8 * i);
  }
  return value;
}

void skip(PackedBytes& from, std::uint64_t bytes) {
  for (; bytes > 0 && !from.failed(); --bytes) {
    from.next();
  }
}

}  // namespace

std::optional<std::uint64_t> xz_unpacked_bytes(int descriptor, std::uint64_t offset,
                                               std::uint64_t bytes) {
  if (bytes < 2 * kHeaderBytes) {
    return std::nullopt;
  }
  PackedBytes footer(descriptor, offset + bytes - kHeaderBytes, kHeaderBytes);
  skip(footer, kSumBytes);
  const std::uint64_t index_bytes = (std::uint64_t{read_32(footer)} + 1) * 4;
  skip(footer, 2);
  if (footer.next() != 'Y' || footer.next() != 'Z' || index_bytes > bytes - (2 * kHeaderBytes)) {
    return std::nullopt;
  }
  PackedBytes index(descriptor, offset + bytes - kHeaderBytes - index_bytes, index_bytes);
  const bool is_index = index.next() == 0;
  const std::uint64_t blocks = read_number(index);
  if (!is_index || blocks > kMaxBlocks) {
    return std::nullopt;
  }
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    read_number(index);  // packed
    const std::uint64_t unpacked = read_number(index);
    if (unpacked > UINT64_MAX - total) {
      return std::nullopt;
    }
    total += unpacked;
  }
  return index.failed() ? std::nullopt : std::optional(total);
}

bool XzStream::read_stream_header() {
  for (const std::uint8_t expected : kMagic) {
    if (from_.next() != expected) {
      return false;
    }
  }
  const bool is_known = from_.next() == 0;
  const std::uint8_t check = from_.next();
  skip(from_, kSumBytes);
  if (!is_known || check >= 16 || from_.failed()) {
    return false;
  }
  // Their lengths are fixed by groups of three, also of kinds that do not exist yet.
  check_bytes_ = check == 0 ? 0 : std::size_t{4} << ((check - 1U) / 3U);
  return true;
}

// kEnd: what follows is the index.
XzStream::Progress XzStream::begin_block() {
  block_begin_ = from_.taken();
  const std::uint64_t header_bytes = (std::uint64_t{from_.next()} + 1) * 4;
  if (from_.failed()) {
    return Progress::kBroken;
  }
  if (header_bytes == 4) {
    return decoder_.written() == into_.size() ? Progress::kEnd : Progress::kBroken;
  }
  const std::uint8_t flags = from_.next();
  for (const unsigned size_given : {0x40U, 0x80U}) {
    if ((flags & size_given) != 0) {
      read_number(from_);
    }
  }
  constexpr unsigned kFurtherFilters = 0x3F;  // and bits that mean nothing yet
  if ((flags & kFurtherFilters) != 0 || read_number(from_) != kLzma2 || read_number(from_) != 1) {
    return Progress::kBroken;
  }
  from_.next();  // the size of the dictionary: ours is the whole content
  const std::uint64_t used = from_.taken() - block_begin_;
  if (used > header_bytes) {
    return Progress::kBroken;
  }
  skip(from_, header_bytes - used);
  in_block_ = true;
  return from_.failed() ? Progress::kBroken : Progress::kMore;
}

bool XzStream::end_block() {
  in_block_ = false;
  skip(from_, (4 - ((from_.taken() - block_begin_) % 4)) % 4);
  skip(from_, check_bytes_);
  return !from_.failed();
}

XzStream::Progress XzStream::step(std::size_t bytes) {
  if (!in_stream_ && !read_stream_header()) {
    return Progress::kBroken;
  }
  in_stream_ = true;
  if (!in_block_) {
    return begin_block();
  }
  const Progress progress = decoder_.decode(bytes);
  if (progress == Progress::kEnd) {
    return end_block() ? Progress::kMore : Progress::kBroken;
  }
  return progress;
}

}  // namespace lamprey::symbols
