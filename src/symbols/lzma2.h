// An LZMA2 stream, unpacked a little at a time. What the format's specification calls its
// dictionary is here the unpacked content itself: it lies in memory whole (a mapped file, see
// mini_debug_info.h), so a match is a copy within it and there is no window to maintain.
//
// Written here because the companion has room for its 10 KB, not for the 60 KB of liblzma. The
// packed bytes are hostile: every read, distance and length is checked. xz's checksums are not:
// only names are at stake, and a wrong name needs a valid ELF file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lamprey::symbols {

// Bytes of a file, one after the other, by pread(2) into 4 KB. Does not own the descriptor.
class PackedBytes {
 public:
  PackedBytes(int descriptor, std::uint64_t offset, std::uint64_t bytes)
      : descriptor_(descriptor), offset_(offset), left_(bytes) {}
  // 0 behind the end and after an error; then failed() is true.
  std::uint8_t next();
  bool failed() const { return failed_; }
  // How many next() has given.
  std::uint64_t taken() const { return taken_; }

 private:
  bool refill();

  int descriptor_;
  std::uint64_t offset_;  // in the file, of what is not yet in the buffer
  std::uint64_t left_;
  std::uint64_t taken_ = 0;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  bool failed_ = false;
  std::array<std::uint8_t, 4096> buffer_;
};

class Lzma2Decoder {
 public:
  // The content of all streams that it decodes goes to `into`, one after the other.
  Lzma2Decoder(PackedBytes& from, std::span<std::uint8_t> into) : from_(from), into_(into) {}

  enum class Progress { kMore, kEnd, kBroken };
  // Unpacks until about `bytes` more are there (at most 272 above) or the stream ends. After kEnd
  // the next call begins another stream.
  Progress decode(std::size_t bytes);
  // How much of `into` is filled.
  std::size_t written() const { return position_; }

 private:
  using Probability = std::uint16_t;
  static constexpr unsigned kStates = 12;
  static constexpr unsigned kPositionStates = 16;
  static constexpr unsigned kLengthStates = 4;

  struct Lengths {
    Probability is_long;
    Probability is_longest;
    std::array<std::array<Probability, 8>, kPositionStates> low;
    std::array<std::array<Probability, 8>, kPositionStates> middle;
    std::array<Probability, 256> high;
  };
  // Names as in the specification of LZMA. All of type Probability: reset as one array.
  struct Model {
    std::array<std::array<Probability, kPositionStates>, kStates> is_match;
    std::array<Probability, kStates> is_repeat;
    std::array<Probability, kStates> is_repeat_0;
    std::array<Probability, kStates> is_repeat_1;
    std::array<Probability, kStates> is_repeat_2;
    std::array<std::array<Probability, kPositionStates>, kStates> is_repeat_0_long;
    std::array<std::array<Probability, 64>, kLengthStates> slots;
    std::array<Probability, 115> distances;
    std::array<Probability, 16> align;
    Lengths match;
    Lengths repeat;
  };

  Progress begin_chunk();
  bool begin_packed_chunk(std::uint8_t control);
  bool is_finished();
  bool set_properties(std::uint8_t properties);
  void reset_model();
  bool begin_range();
  void copy_plain(std::size_t end);
  bool unpack(std::size_t end);

  void normalise();
  unsigned bit(Probability& probability);
  unsigned tree(Probability* probabilities, unsigned bits);
  unsigned reverse_tree(Probability* probabilities, unsigned bits);
  std::uint32_t direct(unsigned bits);
  void literal();
  unsigned length(Lengths& lengths, unsigned position_state);
  std::uint32_t distance(unsigned length);
  unsigned repeated(unsigned position_state);
  bool copy_match(std::size_t length);

  PackedBytes& from_;
  std::span<std::uint8_t> into_;
  std::size_t position_ = 0;
  std::size_t dictionary_ = 0;  // where it begins in into_
  // The chunk that is being read.
  std::size_t chunk_end_ = 0;
  std::uint64_t packed_end_ = 0;  // in taken() of from_
  bool packed_ = false;
  // What a chunk must still bring before packed content can be understood.
  bool needs_dictionary_ = true;
  bool needs_properties_ = true;
  bool needs_state_ = true;
  std::uint32_t range_ = 0;
  std::uint32_t code_ = 0;
  unsigned literal_context_bits_ = 0;
  unsigned literal_position_mask_ = 0;
  unsigned position_mask_ = 0;
  unsigned state_ = 0;
  std::array<std::uint32_t, 4> recent_{};  // distances - 1
  Model model_{};
  std::vector<Probability> literals_;
};

}  // namespace lamprey::symbols
