// What is read of V8's tables, strings and sources, on bytes of the test's own.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "preload/stack/v8/layouts.h"
#include "preload/stack/v8/lines.h"
#include "preload/stack/v8/position_tables.h"
#include "preload/stack/v8/scripts.h"
#include "preload/stack/v8/strings.h"

namespace {

using namespace lamprey::preload::stack;

using v8::Bytes;
using v8::Word;

Bytes of(const std::vector<std::uint8_t>& bytes) {
  return {bytes.data(), bytes.data() + bytes.size()};
}

void put_unsigned(std::vector<std::uint8_t>& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<std::uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  to.push_back(static_cast<std::uint8_t>(value));
}

void put_signed(std::vector<std::uint8_t>& to, std::int64_t value) {
  put_unsigned(
      to, (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U));
}

TEST(V8Tables, NumbersOfSevenBits) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63}, std::int64_t{-64}, std::int64_t{64},
        std::int64_t{1} << 40, -(std::int64_t{1} << 40)}) {
    std::vector<std::uint8_t> bytes;
    put_signed(bytes, value);
    Bytes left = of(bytes);
    std::int64_t read = 0;
    ASSERT_TRUE(v8::take_signed(left, read));
    EXPECT_EQ(read, value);
    EXPECT_EQ(left.begin, left.end);
    bytes.back() |= 0x80U;  // says that more follows
    left = of(bytes);
    EXPECT_FALSE(v8::take_signed(left, read));
  }
  const std::vector<std::uint8_t> endless(40, 0xFF);
  Bytes left = of(endless);
  std::uint64_t read = 0;
  EXPECT_FALSE(v8::take_unsigned(left, read));
}

// The positions of the program are words: an offset in the source in bits 1 to 30, an inlined call
// above them.
std::int64_t word_of(std::int64_t offset, std::int64_t inlined = 0) {
  return ((offset + 1) << 1U) | (inlined << 31U);
}

TEST(V8Tables, ThePositionIsThatOfTheLastEntryBefore) {
  std::vector<std::uint8_t> table;
  put_signed(table, 1);  // code 0: from -1
  put_signed(table, word_of(10));
  put_signed(table, -5 - 1);  // code 5, an expression
  put_signed(table, word_of(7) - word_of(10));
  put_signed(table, 300);  // code 305
  put_signed(table, word_of(9000, 3) - word_of(7));
  v8::Position position;
  EXPECT_FALSE(v8::position_at(of(table), -1, position));
  const struct {
    std::int64_t code;
    std::int32_t offset;
    std::uint32_t inlined;
  } expected[] = {{0, 10, 0},  {4, 10, 0},     {5, 7, 0},
                  {304, 7, 0}, {305, 9000, 3}, {1 << 20, 9000, 3}};
  for (const auto& one : expected) {
    ASSERT_TRUE(v8::position_at(of(table), one.code, position));
    EXPECT_EQ(position.offset(), one.offset);
    EXPECT_EQ(position.inlined(), one.inlined);
  }
  EXPECT_FALSE(v8::position_at({table.data(), table.data()}, 0, position));
}

const v8::Layout& newest() { return *v8::layout_of(13, 6, 233); }

TEST(V8Tables, EveryBuildSaysHowLongItsBytecodesAre) {
  for (const auto& [major, minor, build] :
       {std::array{10, 2, 154}, {11, 3, 244}, {12, 4, 254}, {13, 6, 233}}) {
    const v8::Layout* layout = v8::layout_of(major, minor, build);
    ASSERT_NE(layout, nullptr);
    EXPECT_EQ(std::strlen(layout->bytecodes.letters), layout->bytecodes.count);
    for (std::uint32_t i = 0; i < 256; ++i) {
      const std::vector<std::uint8_t> code = {static_cast<std::uint8_t>(i), 4};
      const std::uint32_t size = v8::size_of_bytecode(of(code), layout->bytecodes);
      EXPECT_EQ(size != 0, i < layout->bytecodes.count) << i;
      EXPECT_LE(size, 22U);
    }
  }
  EXPECT_EQ(v8::layout_of(11, 3, 245), nullptr);
  // Ldar r: wide operands are two bytes, extra wide ones four.
  const std::uint8_t ldar = 0x0B;
  EXPECT_EQ(v8::size_of_bytecode(of({ldar}), newest().bytecodes), 2U);
  EXPECT_EQ(v8::size_of_bytecode(of({0, ldar}), newest().bytecodes), 4U);
  EXPECT_EQ(v8::size_of_bytecode(of({1, ldar}), newest().bytecodes), 6U);
  EXPECT_EQ(v8::size_of_bytecode(of({0}), newest().bytecodes), 0U);
}

TEST(V8Tables, BaselineCodeStandsAtABytecode) {
  const std::vector<std::uint8_t> code = {0x0B, 9, 0x0B, 8,    0,
                                          0x0B, 1, 0,    0x0B, 7};  // at 0, 2, 4, 8
  std::vector<std::uint8_t> lengths;
  for (const std::uint64_t length : {20U, 10U, 5U, 200U, 3U}) {  // the first: what comes before
    put_unsigned(lengths, length);
  }
  const struct {
    std::uint64_t pc;
    std::int64_t at;
  } expected[] = {{0, -1}, {19, -1}, {20, 0},  {29, 0}, {30, 2},
                  {35, 4}, {234, 4}, {235, 8}, {237, 8}};
  std::int64_t at = 0;
  for (const auto& one : expected) {
    ASSERT_TRUE(v8::bytecode_at(of(lengths), of(code), newest().bytecodes, one.pc, at)) << one.pc;
    EXPECT_EQ(at, one.at) << one.pc;
  }
  EXPECT_FALSE(v8::bytecode_at(of(lengths), of(code), newest().bytecodes, 238, at));
  const std::vector<std::uint8_t> torn(code.begin(), code.begin() + 3);
  EXPECT_FALSE(v8::bytecode_at(of(lengths), of(torn), newest().bytecodes, 235, at));
}

TEST(V8Tables, NoBytesAreTooWild) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::uint8_t> a(random() % 40);
    std::vector<std::uint8_t> b(random() % 40);
    for (auto* bytes : {&a, &b}) {
      for (std::uint8_t& byte : *bytes) {
        byte = static_cast<std::uint8_t>(random());
      }
    }
    v8::Position position;
    std::int64_t at = 0;
    v8::position_at(of(a), static_cast<std::int64_t>(random()), position);
    if (v8::bytecode_at(of(a), of(b), newest().bytecodes, random() % 1000, at)) {
      EXPECT_LT(at, static_cast<std::int64_t>(b.size()));
    }
  }
}

// A heap of the test's own: objects as V8 of Node.js 24 lays them out.
class V8Heap : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kOneByte = 8;
  static constexpr std::uint16_t kCons = 1;
  static constexpr std::uint16_t kExternal = 2;
  static constexpr std::uint16_t kSliced = 3;
  static constexpr std::uint16_t kThin = 5;

  Word object(std::uint16_t type, const std::vector<std::uint8_t>& behind_map) {
    auto map = std::make_unique<std::uint64_t[]>(4);
    std::memcpy(reinterpret_cast<char*>(map.get()) + v8::kMapType, &type, sizeof(type));
    auto memory = std::make_unique<std::uint64_t[]>((behind_map.size() / 8) + 12);
    memory[0] = reinterpret_cast<std::uintptr_t>(map.get()) + 1;
    std::memcpy(&memory[1], behind_map.data(), behind_map.size());
    const Word word = reinterpret_cast<std::uintptr_t>(memory.get()) + 1;
    kept_.push_back(std::move(map));
    kept_.push_back(std::move(memory));
    return word;
  }
  template <typename T>
  Word string(std::uint16_t type, std::uint32_t length, const std::vector<T>& behind_length) {
    std::vector<std::uint8_t> bytes(8 + (behind_length.size() * sizeof(T)));
    std::memcpy(&bytes[4], &length, sizeof(length));
    if (!behind_length.empty()) {
      std::memcpy(&bytes[8], behind_length.data(), behind_length.size() * sizeof(T));
    }
    return object(type, bytes);
  }
  Word narrow(const std::string& text) {
    return string(kOneByte, static_cast<std::uint32_t>(text.size()),
                  std::vector<char>(text.begin(), text.end()));
  }
  Word wide(const std::u16string& text) {
    return string(0, static_cast<std::uint32_t>(text.size()),
                  std::vector<char16_t>(text.begin(), text.end()));
  }
  static Word small(std::int32_t value) { return Word{static_cast<std::uint32_t>(value)} << 32U; }

  static std::string text_of(Word word, std::uint32_t from = 0, std::uint32_t capacity = 200) {
    std::string text(capacity, '#');
    text.resize(v8::copy_string(word, from, text.data(), capacity));
    return text;
  }
  static v8::Units units_of(Word word) {
    v8::Units units = {};
    EXPECT_TRUE(v8::units_of_string(word, units));
    return units;
  }

 private:
  std::vector<std::unique_ptr<std::uint64_t[]>> kept_;
};

TEST_F(V8Heap, StringsOfEveryShape) {
  const Word name = narrow("exports.handler");
  EXPECT_EQ(text_of(name), "exports.handler");
  EXPECT_EQ(text_of(name, 8), "handler");
  EXPECT_EQ(text_of(name, 15), "");
  EXPECT_EQ(text_of(narrow("caf\xE9")), "café");
  EXPECT_EQ(text_of(wide(u"日本\U0001F600!")), "日本😀!");
  EXPECT_EQ(text_of(wide(u"a\xD800z")), "a\uFFFDz");
  EXPECT_EQ(text_of(wide(std::u16string(u"a\0b", 3))), "a\uFFFDb");
  const Word cons = string<Word>(kCons | kOneByte, 20, {name, narrow(".more")});
  EXPECT_EQ(text_of(cons), "exports.handler.more");
  EXPECT_EQ(text_of(cons, 12), "ler.more");
  EXPECT_EQ(text_of(string<Word>(kCons, 22, {cons, wide(u"日本")})), "exports.handler.more日本");
  EXPECT_EQ(text_of(string<Word>(kThin, 15, {name})), "exports.handler");
  EXPECT_EQ(text_of(string<Word>(kSliced | kOneByte, 7, {name, small(8)})), "handler");
  const std::string outside = "node:internal/modules";
  const auto address = static_cast<Word>(reinterpret_cast<std::uintptr_t>(outside.data()));
  EXPECT_EQ(text_of(string<Word>(kExternal | kOneByte, 21, {0, address})), outside);
}

TEST_F(V8Heap, ATextThatIsTooLongEndsWithAWholeCharacter) {
  EXPECT_EQ(text_of(wide(u"aé日"), 0, 5), "aé");
  EXPECT_EQ(text_of(wide(u"aé日"), 0, 6), "aé日");
  EXPECT_EQ(text_of(narrow(std::string(5000, 'x')), 0, 10), std::string(10, 'x'));
}

TEST_F(V8Heap, WildStringsAreNone) {
  EXPECT_EQ(text_of(0), "");
  EXPECT_EQ(text_of(small(7)), "");
  EXPECT_EQ(text_of(0x10001), "");                    // nothing is mapped there
  EXPECT_EQ(text_of(object(500, {1, 2, 3, 4})), "");  // no string
  EXPECT_EQ(text_of(string<Word>(kSliced | kOneByte, 50, {narrow("short"), small(8)})), "");
  EXPECT_EQ(text_of(string<Word>(kSliced | kOneByte, 5, {narrow("short"), small(-8)})), "");
  EXPECT_EQ(text_of(string<Word>(kExternal | kOneByte, 21, {0, 0x10000})), "");
  EXPECT_EQ(text_of(string<Word>(kExternal | 16 | kOneByte, 21, {0, 0})), "");
  std::vector<Word> self = {0, 0};
  const Word loop = string<Word>(kCons | kOneByte, 100, self);  // it is its own first half
  std::memcpy(reinterpret_cast<void*>(loop - 1 + 16), &loop, sizeof(loop));
  EXPECT_EQ(text_of(loop), "");
}

// As V8 counts: LF, CR, CR LF, and two characters of Unicode.
template <typename Text>
std::uint32_t ends_in(const Text& text, std::size_t from, std::size_t to) {
  std::uint32_t ends = 0;
  for (std::size_t i = from; i < to; ++i) {
    const auto c = static_cast<std::uint32_t>(
        static_cast<std::make_unsigned_t<typename Text::value_type>>(text[i]));
    const bool pair = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    ends += (c == '\n' || c == 0x2028 || c == 0x2029 || (c == '\r' && !pair)) ? 1 : 0;
  }
  return ends;
}

TEST_F(V8Heap, LineEndsAreThoseOfV8) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text(random() % 100, ' ');
    std::u16string other(text.size(), u' ');
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] = "\n\r\n\rab\x8A\x8D\x0B z"[random() % 11];
      other[i] = u"\n\r\u2028\u2029a\u0A0A日\u000Bz"[random() % 9];
    }
    const v8::Units units = units_of(narrow(text));
    const v8::Units others = units_of(wide(other));
    for (std::uint32_t from = 0; from <= text.size(); from += 3) {
      for (auto to = static_cast<std::uint32_t>(text.size()); to >= from && to <= text.size();
           to -= 5) {
        ASSERT_EQ(v8::line_ends_in(units, from, to), ends_in(text, from, to)) << round;
        ASSERT_EQ(v8::line_ends_in(others, from, to), ends_in(other, from, to)) << round;
      }
    }
  }
}

TEST_F(V8Heap, LinesAreCountedFromWhereTheyWereCountedLast) {
  std::string source;
  for (int line = 1; line < 5000; ++line) {
    source += std::string(static_cast<std::size_t>(line % 50), 'x') + "\n";
  }
  v8::Script script;
  script.source = narrow(source);
  script.line_ends = small(0);
  script.line_offset = 5;
  script.identity = 77;
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    const auto at = static_cast<std::int32_t>(random() % source.size());
    EXPECT_EQ(v8::line_of(newest(), script, at),
              6 + ends_in(source, 0, static_cast<std::size_t>(at)));
  }
  EXPECT_EQ(v8::line_of(newest(), script, -1), 0U);
  EXPECT_EQ(v8::line_of(newest(), script, static_cast<std::int32_t>(source.size()) + 1), 0U);
}

TEST_F(V8Heap, ATableOfLinesIsBelieved) {
  std::vector<Word> ends = {small(3), small(9), small(17), small(40)};  // behind the length
  ends.insert(ends.begin(), small(static_cast<std::int32_t>(ends.size())));
  std::vector<std::uint8_t> bytes(ends.size() * sizeof(Word));
  std::memcpy(bytes.data(), ends.data(), bytes.size());
  v8::Script script;
  script.source = narrow("");
  script.line_ends = object(newest().types.fixed_array, bytes);
  script.line_offset = 9;
  script.identity = 78;
  EXPECT_EQ(v8::line_of(newest(), script, 0), 10U);
  EXPECT_EQ(v8::line_of(newest(), script, 3), 10U);
  EXPECT_EQ(v8::line_of(newest(), script, 4), 11U);
  EXPECT_EQ(v8::line_of(newest(), script, 40), 13U);
}

TEST_F(V8Heap, FilesOfScripts) {
  const auto file = [this](const std::string& name) {
    v8::Script script;
    script.name = narrow(name);
    char text[v8::kMaxFileBytes];
    return std::string(text, v8::file_of(script, text));
  };
  EXPECT_EQ(file("/var/task/index.js"), "/var/task/index.js");
  EXPECT_EQ(file("file:///var/task/a%20b%2Fc.mjs"), "/var/task/a b/c.mjs");
  EXPECT_EQ(file("file:///100%"), "/100%");
  EXPECT_EQ(file("file:///%zz%00%4"), "/%zz%00%4");
  EXPECT_EQ(file("node:fs"), "node:fs");
  EXPECT_EQ(file(""), "(eval)");
  EXPECT_EQ(file(std::string(3000, 'd') + "/index.js").size(), 255U);
  EXPECT_TRUE(file(std::string(3000, 'd') + "/index.js").ends_with("d/index.js"));
}

}  // namespace
