// One xz stream within a file: how much it unpacks to, and its content, a little at a time. Only
// LZMA2 without other filters, which is what .gnu_debugdata holds. The format: "The .xz File
// Format", version 1.2. The sums that it keeps are not looked at; see lzma2.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "symbols/lzma2.h"

namespace lamprey::symbols {

// Of what its index says, in bytes; nothing when that makes no sense. The descriptor stays the
// caller's.
std::optional<std::uint64_t> xz_unpacked_bytes(int descriptor, std::uint64_t offset,
                                               std::uint64_t bytes);

class XzStream {
 public:
  // `into` has xz_unpacked_bytes() bytes and, like the descriptor, outlives this.
  XzStream(int descriptor, std::uint64_t offset, std::uint64_t bytes, std::span<std::uint8_t> into)
      : from_(descriptor, offset, bytes), decoder_(from_, into), into_(into) {}

  using Progress = Lzma2Decoder::Progress;
  // Unpacks about `bytes` more; kEnd once all of `into` is filled and the stream's index is
  // reached.
  Progress step(std::size_t bytes);
  std::size_t written() const { return decoder_.written(); }

 private:
  bool read_stream_header();
  Progress begin_block();
  bool end_block();

  PackedBytes from_;
  Lzma2Decoder decoder_;
  std::span<std::uint8_t> into_;
  std::size_t check_bytes_ = 0;
  std::uint64_t block_begin_ = 0;  // in taken() of from_
  bool in_stream_ = false;
  bool in_block_ = false;
};

}  // namespace lamprey::symbols
