// The reader of CPython's frames on made-up objects: tables of lines and texts of each version,
// chains that lead astray, and which machine frames give way to which frames of Python's.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/page_probe.h"
#include "preload/process/thread.h"
#include "preload/stack/python/chain.h"
#include "preload/stack/python/code_objects.h"
#include "preload/stack/python/line_tables.h"
#include "preload/stack/python/merging.h"
#include "preload/stack/python/text.h"
#include "preload/stack/reading/functions.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey::preload::stack::python {
namespace {

using Bytes = std::vector<unsigned char>;

// -- lines ----------------------------------------------------------------------------------------

// Of one function as each version compiled it: ten lines before it, a list over several lines, a
// handler, 300 empty lines before a `with`. What is expected is what co_lines() says there.
constexpr std::uint32_t kFirstLine = 10;
const Bytes kTable8 = {0, 2,  2, 1, 2, 1, 2,   255, 2,   254, 4,  6, 2, 1,  10,
                       1, 14, 1, 8, 1, 8, 127, 0,   127, 0,   47, 6, 0, 18, 1};
const Bytes kTable10 = {2, 2, 2, 1,   2, 1, 2, 255, 4, 254, 2,  6,  10, 1,   12, 1,
                        6, 1, 2, 255, 8, 2, 0, 127, 0, 127, 42, 47, 2,  128, 4,  1};
const Bytes kTable13 = {
    128, 0,   224, 8,   9,  217, 8,   9,  216, 12,  13,  243, 3,   1,   9,   15,  240, 5,  4,   9,
    6,   128, 65,  240, 12, 3,   5,   17, 217, 8,   9,   140, 3,   243, 6,   0,   14,  15, 136, 1,
    242, 90,  9,   0,   14, 15,  145, 1,  148, 3,   143, 81,  137, 81,  241, 91,  9,   0,  14,  15,
    240, 92,  9,   0,   12, 13,  128, 72, 248, 244, 97,  9,   0,   12,  22,  243, 0,   1,  5,   17,
    217, 15,  16,  240, 3,  1,   5,   17, 250, 247, 94,  9,   0,   14,  15,  142, 81,  250};

std::uint32_t line(const Bytes& table, std::uint16_t minor, std::int32_t instruction) {
  return line_of({table.data(), table.size(), minor, kFirstLine}, instruction);
}

TEST(PythonLines, BeforeVersion10) {
  const std::vector<std::pair<std::int32_t, std::uint32_t>> lines = {
      {0, 12},  {2, 13},  {4, 14},  {6, 13},   {10, 11},  {12, 17},  {14, 18},
      {24, 19}, {38, 20}, {46, 21}, {54, 322}, {77, 322}, {78, 323}, {80, 323}};
  for (const auto& [at, expected] : lines) {
    EXPECT_EQ(line(kTable8, 8, at), expected) << at;
    EXPECT_EQ(line(kTable8, 9, at), expected) << at;
  }
}

TEST(PythonLines, OfVersion10) {
  const std::vector<std::pair<std::int32_t, std::uint32_t>> lines = {
      {0, 12},  {2, 13},  {4, 14},   {6, 13},   {8, 11},          {12, 17}, {36, 20},
      {42, 19}, {44, 21}, {52, 322}, {92, 322}, {94, kFirstLine}, {96, 323}};
  for (const auto& [at, expected] : lines) {
    EXPECT_EQ(line(kTable10, 10, at), expected) << at;
  }
}

TEST(PythonLines, FromVersion11On) {
  const std::vector<std::pair<std::int32_t, std::uint32_t>> lines = {
      {0, 10},   {2, 12},   {4, 13},           {8, 14},          {10, 13},
      {18, 11},  {22, 17},  {24, 18},          {38, 21},         {48, 322},
      {86, 322}, {88, 21},  {92, 323},         {96, kFirstLine}, {98, 19},
      {116, 20}, {120, 19}, {126, kFirstLine}, {128, 322},       {158, kFirstLine}};
  for (const auto& [at, expected] : lines) {
    EXPECT_EQ(line(kTable13, 13, at), expected) << at;
  }
}

TEST(PythonLines, NoInstructionYetAndNoneInTheTable) {
  for (const std::uint16_t minor : std::array<std::uint16_t, 3>{8, 10, 13}) {
    EXPECT_EQ(line({}, minor, -1), kFirstLine);
    EXPECT_EQ(line({}, minor, 4), kFirstLine);
  }
  EXPECT_EQ(line(kTable13, 13, 100'000), kFirstLine);
}

TEST(PythonLines, WhateverIsInATableItEnds) {
  std::minstd_rand random(1);
  for (int round = 0; round < 3000; ++round) {
    Bytes table(random() % 64);
    for (unsigned char& byte : table) {
      byte = static_cast<unsigned char>(random() >> 8U);
    }
    for (const std::uint16_t minor : std::array<std::uint16_t, 4>{8, 10, 11, 14}) {
      for (const std::int32_t at : {0, 7, 4000, 1 << 28}) {
        EXPECT_LE(line(table, minor, at), recording::kMaxLines);
      }
    }
  }
}

// -- made-up objects ------------------------------------------------------------------------------

const Layout& layout_of(std::uint16_t minor) { return kLayouts[minor - kOldest]; }

// Memory for objects, each where it was made.
class Objects {
 public:
  explicit Objects(std::uint16_t minor) {
    page_probe::forget_all();
    runtime_.layout = layout_of(minor);
    runtime_.code_type = make(64);
    runtime_.text_type = make(64);
    runtime_.module_start = 0x7F0000000000;
    runtime_.module_end = 0x7F0000100000;
    runtime_.evaluator = 0x7F0000010000;
    runtime_.evaluator_end = 0x7F0000020000;
  }

  std::uintptr_t make(std::size_t bytes) {
    objects_.emplace_back((bytes + 7) / 8);
    return reinterpret_cast<std::uintptr_t>(objects_.back().data());
  }
  template <typename T>
  static void put(std::uintptr_t at, T value) {
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(value));
  }
  static void put_word(std::uintptr_t at, std::uint64_t value) { put(at, value); }

  template <typename Character>
  std::uintptr_t text(const std::basic_string<Character>& characters, bool ascii = false) {
    const std::uintptr_t made = make(200 + (characters.size() * sizeof(Character)));
    put_word(made + kObjectType, runtime_.text_type);
    put_word(made + kObjectSize, characters.size());
    put(made + kTextState,
        static_cast<std::uint32_t>((sizeof(Character) << 2U) | 0x20U | (ascii ? 0x40U : 0U)));
    std::memcpy(reinterpret_cast<void*>(
                    made + (ascii ? runtime_.layout.text_ascii : runtime_.layout.text_other)),
                characters.data(), characters.size() * sizeof(Character));
    return made;
  }

  std::uintptr_t code(const std::string& name, std::int32_t first_line) {
    const Layout& layout = runtime_.layout;
    const std::uintptr_t made = make(512);
    put_word(made + kObjectType, runtime_.code_type);
    put(made + layout.code_first_line, first_line);
    put_word(made + layout.code_name, text(name, true));
    put_word(made + layout.code_qualified_name, text(name, true));
    put_word(made + layout.code_file, text(std::string("/var/task/app.py"), true));
    return made;
  }

  // `owner`: of 3.12 and later.
  std::uintptr_t frame(std::uintptr_t code, std::uintptr_t previous, std::uint8_t owner = 0) {
    const Layout& layout = runtime_.layout;
    const std::uintptr_t made = make(layout.frame_bytes + 8U);
    put_word(made + layout.frame_previous, previous);
    put_word(made + layout.frame_code, code);
    if (layout.minor >= kFirstWithCframe) {
      put_word(made + layout.frame_instruction, code + layout.code_instructions + 8U);
    }
    if (layout.frame_owner != 0) {
      put(made + layout.frame_owner, owner);
    }
    return made;
  }

  Walked walk_from(std::uintptr_t frame, Chain& chain) {
    const Layout& layout = runtime_.layout;
    const std::uintptr_t state = make(256);
    std::uintptr_t newest = frame;
    if (layout.cframe_previous != 0) {
      newest = make(32);
      put_word(newest + layout.cframe_frame, frame);
    }
    put_word(state + layout.state_frame, newest);
    chain.count = 0;
    chain.hash = 0;
    return walk(runtime_, state, chain);
  }

  const Runtime& runtime() const { return runtime_; }

 private:
  Runtime runtime_ = {};
  std::deque<std::vector<std::uint64_t>> objects_;
};

// -- texts ----------------------------------------------------------------------------------------

class PythonTexts : public ::testing::TestWithParam<std::uint16_t> {
 protected:
  std::string read(std::uintptr_t text, Kept kept = Kept::kStart, std::uint32_t most = 100) {
    std::vector<char> into(std::size_t{most} * kMaxBytesOfCharacter);
    const Runtime& runtime = objects.runtime();
    const std::uint32_t bytes =
        read_text(text, runtime.text_type, runtime.layout, kept, most, into.data());
    return {into.data(), bytes};
  }
  Objects objects{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Versions, PythonTexts, ::testing::Values(8, 12));

TEST_P(PythonTexts, OfEachKind) {
  EXPECT_EQ(read(objects.text(std::string("handler"), true)), "handler");
  EXPECT_EQ(read(objects.text(std::string("caf\xE9"))), "caf\u00E9");
  EXPECT_EQ(read(objects.text(std::u16string(u"\u0436\u5909"))), "\u0436\u5909");
  EXPECT_EQ(read(objects.text(std::u32string(U"\U00020BB7x"))), "\U00020BB7x");
}

TEST_P(PythonTexts, WhatIsNoCharacterIsReplaced) {
  EXPECT_EQ(read(objects.text(std::u16string{0xD800, u'x', 0xDFFF})), "\uFFFDx\uFFFD");
  EXPECT_EQ(read(objects.text(std::u32string{0x110000})), "\uFFFD");
  EXPECT_EQ(read(objects.text(std::string("\x80\xFF", 2), true)), "\u0080\u00FF");
}

TEST_P(PythonTexts, AreCutWhereItWasAsked) {
  const std::uintptr_t text = objects.text(std::string("0123456789"), true);
  EXPECT_EQ(read(text, Kept::kStart, 4), "0123");
  EXPECT_EQ(read(text, Kept::kEnd, 4), "6789");
  EXPECT_EQ(read(objects.text(std::u16string(u"\u0436\u0437")), Kept::kEnd, 1), "\u0437");
}

TEST_P(PythonTexts, WhatIsNoTextGivesNothing) {
  EXPECT_EQ(read(0), "");
  EXPECT_EQ(read(objects.code("f", 1)), "");
  const std::uintptr_t text = objects.text(std::string("abc"), true);
  EXPECT_EQ(read(text + 1), "");
  Objects::put_word(text + kObjectSize, std::uint64_t{1} << 40U);
  EXPECT_EQ(read(text), "");
  Objects::put_word(text + kObjectSize, 3);
  Objects::put(text + kTextState, std::uint32_t{0x60U | (3U << 2U)});  // three bytes a character
  EXPECT_EQ(read(text), "");
}

// -- chains ---------------------------------------------------------------------------------------

class PythonChains : public ::testing::TestWithParam<std::uint16_t> {
 protected:
  Objects objects{GetParam()};
  Chain chain = {};
};
INSTANTIATE_TEST_SUITE_P(Versions, PythonChains, ::testing::Values(8, 9, 10, 11, 12, 13, 14));

TEST_P(PythonChains, AreFollowedToTheirEnd) {
  const std::uintptr_t one = objects.code("one", 1);
  const std::uintptr_t two = objects.code("two", 2);
  const std::uintptr_t outer = objects.frame(two, 0);
  ASSERT_EQ(objects.walk_from(objects.frame(one, outer), chain), Walked::kWhole);
  ASSERT_EQ(chain.count, 2U);
  EXPECT_EQ(chain.frames[0].code, one);
  EXPECT_EQ(chain.frames[1].code, two);
  EXPECT_NE(chain.frames[0].identity, chain.frames[1].identity);
  EXPECT_FALSE(chain.cut);
  const std::uint64_t hash = chain.hash;
  objects.walk_from(objects.frame(two, outer), chain);
  EXPECT_NE(chain.hash, hash);
  objects.walk_from(0, chain);
  EXPECT_EQ(chain.count, 0U);
  EXPECT_EQ(chain.hash, 0U);
}

TEST_P(PythonChains, AnotherCodeObjectAtTheSameAddressIsAnother) {
  const Layout& layout = objects.runtime().layout;
  const std::uintptr_t code = objects.code("one", 1);
  const std::uintptr_t frame = objects.frame(code, 0);
  objects.walk_from(frame, chain);
  const std::uint64_t before = chain.frames[0].identity;
  for (const std::uint16_t changed : {layout.code_file, layout.code_name, layout.code_lines}) {
    std::uint64_t kept = 0;
    std::memcpy(&kept, reinterpret_cast<void*>(code + changed), sizeof(kept));
    Objects::put_word(code + changed, objects.text(std::string("other"), true));
    objects.walk_from(frame, chain);
    EXPECT_NE(chain.frames[0].identity, before) << changed;
    Objects::put_word(code + changed, kept);
  }
  Objects::put(code + layout.code_first_line, 7);
  objects.walk_from(frame, chain);
  EXPECT_NE(chain.frames[0].identity, before);
}

TEST_P(PythonChains, ALoopEnds) {
  const std::uintptr_t code = objects.code("f", 1);
  const std::uintptr_t frame = objects.frame(code, 0);
  Objects::put_word(frame + objects.runtime().layout.frame_previous, frame);
  EXPECT_NE(objects.walk_from(frame, chain), Walked::kWhole);
  EXPECT_EQ(chain.count, Chain::kMax);
  EXPECT_TRUE(chain.cut);
}

TEST_P(PythonChains, WildPointersEndItAndWhatStandsBeforeIsKept) {
  void* closed = mmap(nullptr, page_probe::kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(closed, MAP_FAILED);
  const auto unreadable = reinterpret_cast<std::uintptr_t>(closed);
  const std::uintptr_t good = objects.code("f", 1);
  for (const std::uintptr_t wild : {std::uintptr_t{0x6C}, unreadable, UINTPTR_MAX - 7,
                                    std::uintptr_t{1} << 47U, objects.make(64)}) {
    EXPECT_EQ(objects.walk_from(objects.frame(good, objects.frame(wild, 0)), chain),
              Walked::kBroken);
    EXPECT_EQ(chain.count, 1U);
    EXPECT_TRUE(chain.cut);
  }
  for (const std::uintptr_t wild : {std::uintptr_t{0x6C}, unreadable, UINTPTR_MAX - 7}) {
    EXPECT_EQ(objects.walk_from(objects.frame(good, wild), chain), Walked::kBroken);
    EXPECT_EQ(chain.count, 1U);
    EXPECT_EQ(objects.walk_from(wild, chain), Walked::kBroken);
    EXPECT_EQ(chain.count, 0U);
  }
  munmap(closed, page_probe::kPage);
}

// -- merging --------------------------------------------------------------------------------------

class PythonMerging : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kInterpreter = 0x7F0000000100;  // not in the evaluator's range
  static constexpr std::uint64_t kEvaluator = 0x7F0000010100;
  static constexpr std::uint64_t kExtension = 0x7E0000000000;
  static constexpr std::uintptr_t kStack = 0x100000;
  static constexpr std::uintptr_t kFrameBytes = 256;

  void SetUp() override {
    g_writer.bind(memory_.base());
    functions::forget_all();
    forget_words();
  }
  void TearDown() override { g_writer.unbind(); }

  // Innermost first, each with a piece of the stack of its own.
  static NativeFrames natives(const std::vector<std::uint64_t>& pcs) {
    NativeFrames native = {};
    for (const std::uint64_t pc : pcs) {
      native.frames[native.count] = {pc, kStack + (native.count * kFrameBytes), 0, false, false};
      ++native.count;
    }
    return native;
  }
  static std::uintptr_t in_frame(std::uint32_t k) { return kStack + (k * kFrameBytes) + 64; }

  // What is in the words: names of functions, and the machine frames' letters.
  std::string shown(const Words& words) {
    std::string result;
    for (std::uint32_t i = 0; i < words.depth; ++i) {
      const std::uint64_t word = words.frames[i];
      result += i == 0 ? "" : " ";
      if (recording::is_function_frame(word)) {
        const auto& function = g_writer.function_at(recording::function_of(word) - 1);
        result.append(g_writer.function_text() + function.name, function.name_bytes);
      } else {
        result += word == kInterpreter ? "I" : word == kEvaluator ? "E" : "X";
      }
    }
    return result;
  }

  Chain chain_of(Objects& objects, const std::vector<std::string>& names) {
    Chain chain = {};
    std::uintptr_t frame = 0;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      frame = objects.frame(objects.code(*name, 1), frame);
    }
    objects.walk_from(frame, chain);
    return chain;
  }
  static void end_run(Chain& chain, std::uint32_t frame, std::uintptr_t where) {
    chain.frames[frame].ends_run = true;
    chain.frames[frame].run_ends = where;
  }
  std::string merged(const Objects& objects, const Chain& chain, const NativeFrames& native) {
    Words words = {};
    merge(objects.runtime(), chain, native, words);
    cut_ = words.cut;
    return shown(words);
  }

  bool cut_ = false;
  test::RecordingMemory memory_;
};

TEST_F(PythonMerging, RunsStandWhereTheirEvaluatorDoes) {
  Objects objects(12);
  Chain chain = chain_of(objects, {"a", "b", "c"});
  end_run(chain, 1, in_frame(2));
  end_run(chain, 2, in_frame(6));
  const NativeFrames native = natives({kInterpreter, kExtension, kInterpreter, kInterpreter,
                                       kExtension, kInterpreter, kInterpreter, kInterpreter, 1});
  EXPECT_EQ(merged(objects, chain, native), "I X a b X c X");
  EXPECT_FALSE(cut_);
}

TEST_F(PythonMerging, AnAddressThatNoFrameHoldsPutsTheRestBehind) {
  Objects objects(13);
  Chain chain = chain_of(objects, {"a", "b", "c"});
  end_run(chain, 0, in_frame(1));
  end_run(chain, 1, 0x900000);  // a greenlet's, whose machine stack lies elsewhere
  end_run(chain, 2, in_frame(3));
  const NativeFrames native = natives({kExtension, kInterpreter, kInterpreter, kExtension, 1});
  EXPECT_EQ(merged(objects, chain, native), "X a b c X X");
}

TEST_F(PythonMerging, OfNoRunIsItKnownWhereItStands) {
  Objects objects(13);
  const Chain chain = chain_of(objects, {"a", "b"});
  EXPECT_EQ(merged(objects, chain, natives({kExtension, kInterpreter, kExtension, 1})),
            "X a b X X");
  EXPECT_EQ(merged(objects, chain, natives({kInterpreter, kEvaluator, kExtension, 1})),
            "I a b X X");
}

TEST_F(PythonMerging, BeforeVersion11ByCount) {
  Objects objects(8);
  const Chain chain = chain_of(objects, {"a", "b"});
  const NativeFrames native =
      natives({kInterpreter, kEvaluator, kExtension, kInterpreter, kEvaluator, kInterpreter, 1});
  EXPECT_EQ(merged(objects, chain, native), "I a X b X");
}

// Part of the evaluator lies where no symbol says so.
TEST_F(PythonMerging, BeforeVersion11TheSimpleRuleWhereFramesAreMissing) {
  Objects objects(10);
  const Chain chain = chain_of(objects, {"a", "b", "c"});
  const NativeFrames native =
      natives({kExtension, kInterpreter, kEvaluator, kExtension, kInterpreter, kEvaluator, 1});
  EXPECT_EQ(merged(objects, chain, native), "X a b c X X");
}

// The chain is the greenlet's own: the evaluators further out run who started it.
TEST_F(PythonMerging, BeforeVersion11MoreEvaluatorsThanFrames) {
  Objects objects(9);
  const Chain chain = chain_of(objects, {"a"});
  EXPECT_EQ(merged(objects, chain, natives({kInterpreter, kEvaluator, kExtension, kEvaluator, 1})),
            "I a X X");
}

TEST_F(PythonMerging, WhatFindsNoRoomIsCut) {
  Objects objects(8);
  const Chain chain = chain_of(objects, std::vector<std::string>(Chain::kMax + 5, "f"));
  EXPECT_EQ(chain.count, Chain::kMax);
  NativeFrames native = natives({kInterpreter, kEvaluator});
  native.cut = true;
  Words words = {};
  merge(objects.runtime(), chain, native, words);
  EXPECT_EQ(words.depth, recording::kMaxDepth);
  EXPECT_TRUE(words.cut);
}

}  // namespace
}  // namespace lamprey::preload::stack::python
