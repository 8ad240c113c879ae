// Damaged xz streams through the reader of .gnu_debugdata: it must end, write nowhere but into the
// room that it was given, and unpack the same however small the steps are.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "symbols/xz_stream.h"
#include "tests/fuzz/fuzzing.h"

namespace {

using lamprey::fuzzing::require;
using lamprey::symbols::XzStream;
using Progress = XzStream::Progress;

constexpr std::uint64_t kMaxUnpacked = std::uint64_t{1} << 17;

struct Unpacked {
  Progress end = Progress::kBroken;
  std::size_t written = 0;
  std::vector<std::uint8_t> bytes;
};

Unpacked unpack(int file, std::size_t packed, std::size_t bytes, std::size_t step) {
  Unpacked result;
  // Exactly so large: asan sees the first byte behind it.
  result.bytes.resize(bytes);
  XzStream stream(file, 0, packed, {result.bytes.data(), bytes});
  // Every step takes at least a byte of what is packed or gives one of what is unpacked.
  std::size_t steps = (2 * packed) + bytes + 16;
  do {
    result.end = stream.step(step);
    require(steps-- > 0, "a stream ends");
  } while (result.end == Progress::kMore);
  result.written = stream.written();
  require(result.written <= bytes, "no more is written than there is room");
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static lamprey::fuzzing::InputFile file("xz");
  file.set({reinterpret_cast<const char*>(data), size});
  const auto said = lamprey::symbols::xz_unpacked_bytes(file.descriptor(), 0, size);
  if (!said || *said > kMaxUnpacked) {
    return 0;
  }
  const auto bytes = static_cast<std::size_t>(*said);
  const Unpacked whole = unpack(file.descriptor(), size, bytes, bytes + 1);
  const Unpacked steps = unpack(file.descriptor(), size, bytes, 1 + (size % 7));
  require(whole.end == steps.end, "the steps' size does not change how a stream ends");
  // Of a broken one nothing is used: more or less of it is written before that is noticed.
  require(whole.end != Progress::kEnd || whole.bytes == steps.bytes,
          "the steps' size changes nothing of what is unpacked");
  require(whole.end != Progress::kEnd || whole.written == bytes, "a whole stream is whole");
  return 0;
}

// Besides what libFuzzer does: the index says another size, or what the blocks really unpack to, so
// that a stream that was changed can be whole again.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  lamprey::fuzzing::Random random(seed);
  size = LLVMFuzzerMutate(data, size, most);
  constexpr std::size_t kFooter = 12;
  if (random() % 3 != 0 || size < kFooter) {
    return size;
  }
  static lamprey::fuzzing::InputFile file("mutated");
  file.set({reinterpret_cast<const char*>(data), size});
  std::vector<std::uint8_t> room(kMaxUnpacked);
  XzStream stream(file.descriptor(), 0, size, room);
  for (int steps = 0; steps < 10000 && stream.step(4096) == Progress::kMore; ++steps) {
  }
  std::uint64_t number =
      random() % 4 == 0 ? lamprey::fuzzing::odd_number(random) : stream.written();
  // An index of one block: 0, 1, its packed size (2 bytes will do: nobody looks), its unpacked
  // size.
  std::vector<std::uint8_t> index{0, 1, 0x80, 1};
  for (; number > 0x7F && index.size() < 12; number >>= 7U) {
    index.push_back(static_cast<std::uint8_t>(number | 0x80U));
  }
  index.push_back(static_cast<std::uint8_t>(number & 0x7FU));
  index.resize((index.size() + 3) / 4 * 4);
  index.resize(index.size() + 4);  // its sum
  const std::uint8_t units = static_cast<std::uint8_t>((index.size() / 4) - 1);
  const std::uint8_t footer[kFooter] = {0, 0, 0, 0, units, 0, 0, 0, 0, 1, 'Y', 'Z'};
  index.insert(index.end(), footer, footer + kFooter);
  // In the place of the one that is there, where that is as long.
  const std::size_t at = std::max(size, index.size()) - index.size();
  std::copy(index.begin() + static_cast<std::ptrdiff_t>(at + index.size() - size), index.end(),
            data + at);
  return size;
}
