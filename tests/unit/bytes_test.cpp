// memcpy, memmove and memset of the shipped companion, under other names, against loops.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#define LAMPREY_BYTES_TEST
#define memcpy tested_memcpy
#define memmove tested_memmove
#define memset tested_memset
#include "companion/main/bytes.cpp"  // NOLINT(bugprone-suspicious-include)
#undef memcpy
#undef memmove
#undef memset

namespace lamprey {
namespace {

constexpr std::size_t kRoom = 400;
constexpr std::size_t kMax = 150;

std::string numbered() {
  std::string text(kRoom, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(i * 7);
  }
  return text;
}

// What a move gives, from a copy of the source.
std::string moved(const std::string& text, std::size_t to, std::size_t from, std::size_t bytes) {
  return std::string(text).replace(to, bytes, text.substr(from, bytes));
}

TEST(BytesTest, MovesWhateverOverlaps) {
  const std::string text = numbered();
  constexpr std::size_t kFrom[] = {100, 101, 107, 116, 120, 131, 132, 140};
  for (std::size_t bytes = 0; bytes <= kMax; ++bytes) {
    for (std::size_t to = 100; to <= 140; ++to) {
      for (const std::size_t from : kFrom) {
        std::string now = text;
        EXPECT_EQ(tested_memmove(now.data() + to, now.data() + from, bytes), now.data() + to);
        ASSERT_EQ(now, moved(text, to, from, bytes)) << bytes << " from " << from << " to " << to;
      }
    }
  }
}

TEST(BytesTest, CopiesAtAnyAlignment) {
  const std::string text = numbered();
  for (std::size_t bytes = 0; bytes <= kMax; ++bytes) {
    for (std::size_t shift = 0; shift < 17; ++shift) {
      std::string now = text;
      tested_memcpy(now.data() + 200 + shift, now.data() + 3, bytes);
      ASSERT_EQ(now, moved(text, 200 + shift, 3, bytes)) << bytes;
    }
  }
}

TEST(BytesTest, SetsNoByteMore) {
  const std::string text = numbered();
  for (std::size_t bytes = 0; bytes <= kMax; ++bytes) {
    for (std::size_t shift = 0; shift < 17; ++shift) {
      std::string now = text;
      tested_memset(now.data() + shift, 0x1AB, bytes);
      ASSERT_EQ(now, std::string(text).replace(shift, bytes, std::string(bytes, '\xAB'))) << bytes;
    }
  }
}

}  // namespace
}  // namespace lamprey
