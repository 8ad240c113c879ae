// The reader of Ruby's frames on made-up objects: lines and strings of each version, stacks of
// control frames that lead astray, and which machine frames give way to which frames of Ruby's.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "preload/base/page_probe.h"
#include "preload/process/thread.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/ruby/chain.h"
#include "preload/stack/ruby/iseqs.h"
#include "preload/stack/ruby/line_tables.h"
#include "preload/stack/ruby/merging.h"
#include "preload/stack/ruby/runtime.h"
#include "preload/stack/ruby/strings.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey::preload::stack::ruby {
namespace {

constexpr std::uint64_t kFlagsOfIseq = kTypeInternal | (kInternalIseq << kInternalKind);
constexpr std::uint32_t kCodeWords = 4000;
constexpr std::size_t kWord = 8;
constexpr std::size_t kBlockBytes = 80;  // of a table of lines

struct Line {
  std::uint32_t position;  // where it begins
  std::int32_t line;
};

// Memory for objects, each where it was made, and a thread's stack of control frames. It is mapped,
// far from all else: a wrong pointer into it is read, as a real one would be, and no sanitizer
// minds.
class Objects {
 public:
  explicit Objects(std::uint16_t minor) {
    page_probe::forget_all();
    void* wanted = reinterpret_cast<void*>(0x200000000000);
    memory_ = mmap(wanted, kMemory, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
    EXPECT_EQ(memory_, wanted);
    runtime_.layout = kLayouts[minor - 1];
    runtime_.module_start = 0x7F0000000000;
    runtime_.module_end = 0x7F0000100000;
    runtime_.evaluator = 0x7F0000010000;
    runtime_.evaluator_end = 0x7F0000020000;
    context_ = make(kContextBytes);
    values_ = make(kStackWords * 8);
    put(context_ + kContextStack, values_);
    put(context_ + kContextStackWords, std::uint64_t{kStackWords});
    put(context_ + kContextFrame, end() - layout().frame_bytes);  // the outermost, nobody's
  }

  ~Objects() { munmap(memory_, kMemory); }
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;

  std::uintptr_t make(std::size_t bytes) {
    used_ += (bytes + 15) / 16 * 16;
    EXPECT_LE(used_, kMemory);
    return reinterpret_cast<std::uintptr_t>(memory_) + used_ - ((bytes + 15) / 16 * 16);
  }
  template <typename T>
  static void put(std::uintptr_t at, T value) {
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(value));
  }

  std::uintptr_t string(const std::string& bytes) {
    const bool outside = bytes.size() > 20;
    const std::uintptr_t made = make(64);
    std::uint64_t flags = kTypeString | (outside ? kStringOutside : 0);
    std::uintptr_t at = made + layout().text_inside;
    if (outside) {
      at = make(bytes.size());
      put(made + kStringPointer, at);
    }
    if (layout().size_in_flags && !outside) {
      flags |= std::uint64_t{bytes.size()} << kStringSizeShift;
    } else {
      put(made + kStringBytes, std::uint64_t{bytes.size()});
    }
    std::memcpy(reinterpret_cast<void*>(at), bytes.data(), bytes.size());
    put(made + kObjectFlags, flags);
    return made;
  }

  // As Ruby writes it (iseq.c, succ_index_table_create).
  void lines(std::uintptr_t body, const std::vector<Line>& entries) {
    const std::uintptr_t at = body + layout().body_lines;
    const std::uintptr_t table = make(48 + (kBlockBytes * ((kCodeWords / 512) + 1)));
    const std::uintptr_t list = make(entries.size() * kLineEntryBytes);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      put(list + (i * kLineEntryBytes), entries[i].line);
    }
    const auto rank = [&entries](std::uint32_t position) {
      return static_cast<std::uint64_t>(
          std::count_if(entries.begin(), entries.end(),
                        [position](const Line& each) { return each.position <= position; }));
    };
    for (std::uint32_t word = 0; word < 6; ++word) {
      std::uint64_t packed = 0;
      for (std::uint32_t i = 0; i < 9; ++i) {
        packed |= rank((word * 9) + i) << (7 * i);
      }
      put(table + (word * kWord), packed);
    }
    for (std::uint32_t block = 0; block * 512 < kCodeWords - 54; ++block) {
      const std::uintptr_t there = table + 48 + (block * kBlockBytes);
      const std::uint32_t first = 54 + (block * 512);
      const std::uint64_t before = rank(first - 1);
      std::uint64_t ranks = 0;
      for (std::uint32_t small = 0; small < 8; ++small) {
        std::uint64_t bits = 0;
        for (const Line& each : entries) {
          const std::uint32_t from = first + (small * 64);
          bits |= each.position >= from && each.position < from + 64
                      ? std::uint64_t{1} << (each.position - from)
                      : 0;
        }
        put(there + 16 + (small * kWord), bits);
        ranks |= small == 0 ? 0 : (rank(first + (small * 64) - 1) - before) << (9 * (small - 1));
      }
      put(there, static_cast<std::uint32_t>(before));
      put(there + 8, ranks);
    }
    put(at + kLinesEntries, list);
    put(at + kLinesCount, static_cast<std::uint32_t>(entries.size()));
    put(at + kLinesTable, table);
  }

  std::uintptr_t iseq(const std::string& name, std::int32_t first_line, std::uint32_t kind = 1,
                      std::uintptr_t parent = 0) {
    const std::uintptr_t made = make(24);
    const std::uintptr_t body = make(256);
    put(made + kObjectFlags, kFlagsOfIseq);
    put(made + kIseqBody, body);
    put(body + kBodyKind, kind);
    put(body + kBodySize, kCodeWords);
    put(body + kBodyCode, make(kCodeWords * kWord));
    put(body + kBodyPath, string("/var/task/app.rb"));
    put(body + kBodyLabel, string(name));
    put(body + kBodyFirstLine,
        layout().line_is_object ? (std::int64_t{first_line} << 1U) | 1 : std::int64_t{first_line});
    put(body + kBodyParent, parent);
    lines(body, {{0, first_line + 1}, {60, first_line + 2}});
    return made;
  }
  static std::uintptr_t body_of(std::uintptr_t iseq) {
    return read<std::uintptr_t>(iseq + kIseqBody);
  }

  // A frame further in than those before, at that word of its code; 0: of a function in C.
  std::uintptr_t enter(std::uintptr_t iseq, std::uint32_t position = 1, bool ends_run = false) {
    const auto frame = read<std::uintptr_t>(context_ + kContextFrame) - layout().frame_bytes;
    const std::uintptr_t ep = make(8);
    put(ep, std::uint64_t{ends_run ? kFlagFinish : 0});
    put(frame + kFramePc,
        iseq != 0 ? read<std::uintptr_t>(body_of(iseq) + kBodyCode) + (position * kWord) : 0);
    put(frame + kFrameIseq, iseq);
    put(frame + kFrameEp, ep);
    put(context_ + kContextFrame, frame);
    return frame;
  }
  template <typename T>
  static T read(std::uintptr_t at) {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof(value));
    return value;
  }

  Walked walk_it(Chain& chain, Wanted wanted = Wanted::kShown) {
    return walk(runtime_, context_, wanted, chain);
  }
  std::uintptr_t anywhere(std::uint64_t number) const {
    return reinterpret_cast<std::uintptr_t>(memory_) + (number % (used_ + 4096));
  }
  const Layout& layout() const { return runtime_.layout; }
  const Runtime& runtime() const { return runtime_; }
  std::uintptr_t context() const { return context_; }
  std::uintptr_t end() const { return values_ + (kStackWords * 8); }
  static constexpr std::size_t kStackWords =
      std::size_t{7} * 8 * 256;  // frames of either size fill it

 private:
  static constexpr std::size_t kMemory = std::size_t{64} << 20U;
  void* memory_ = nullptr;
  std::size_t used_ = 0;
  Runtime runtime_ = {};
  std::uintptr_t context_ = 0;
  std::uintptr_t values_ = 0;
};

class RubyFrames : public ::testing::TestWithParam<std::uint16_t> {
 protected:
  Objects objects{GetParam()};
  Chain chain = {};
};
INSTANTIATE_TEST_SUITE_P(Versions, RubyFrames, ::testing::Values(1, 2, 3, 4));

// -- strings --------------------------------------------------------------------------------------

std::string text_of(const Objects& objects, std::uintptr_t string, Kept kept = Kept::kStart,
                    std::uint32_t most = 100) {
  std::vector<char> into(std::size_t{most} * kMaxBytesOfByte);
  return {into.data(), read_string(objects.layout(), string, kept, most, into.data())};
}

TEST_P(RubyFrames, StringsInsideAndOutside) {
  EXPECT_EQ(text_of(objects, objects.string("handler")), "handler");
  EXPECT_EQ(text_of(objects, objects.string("block (2 levels) in remember_customer")),
            "block (2 levels) in remember_customer");
  EXPECT_EQ(text_of(objects, objects.string("caf\u00E9\u0436\u5909\U00020BB7")),
            "caf\u00E9\u0436\u5909\U00020BB7");
}

TEST_P(RubyFrames, WhatIsNoUtf8IsReplaced) {
  EXPECT_EQ(text_of(objects, objects.string("a\xE9z")), "a\uFFFDz");
  EXPECT_EQ(text_of(objects, objects.string(std::string("a\0b", 3))), "a\uFFFDb");
  EXPECT_EQ(text_of(objects, objects.string("\xC0\x80")), "\uFFFD\uFFFD");
  EXPECT_EQ(text_of(objects, objects.string("\xED\xA0\x80")), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(text_of(objects, objects.string("\xF4\x90\x80\x80")), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST_P(RubyFrames, StringsAreCutWhereItWasAsked) {
  const std::uintptr_t string = objects.string("0123456789");
  EXPECT_EQ(text_of(objects, string, Kept::kStart, 4), "0123");
  EXPECT_EQ(text_of(objects, string, Kept::kEnd, 4), "6789");
  EXPECT_EQ(text_of(objects, objects.string("x\u5909y"), Kept::kEnd, 3), "y");
}

TEST_P(RubyFrames, WhatIsNoStringGivesNothing) {
  EXPECT_EQ(text_of(objects, 0), "");
  EXPECT_EQ(text_of(objects, objects.iseq("f", 1)), "");
  const std::uintptr_t string = objects.string("a string that is too long to stand inside");
  EXPECT_EQ(text_of(objects, string + 1), "");
  Objects::put(string + kStringBytes, std::uint64_t{1} << 40U);
  EXPECT_EQ(text_of(objects, string), "");
  Objects::put(string + kStringBytes, std::uint64_t{30});
  Objects::put(string + kStringPointer, std::uintptr_t{0x6C});
  EXPECT_EQ(text_of(objects, string), "");
}

// -- lines ----------------------------------------------------------------------------------------

TEST_P(RubyFrames, LinesOfShortAndLongCode) {
  const std::uintptr_t body = Objects::body_of(objects.iseq("f", 10));
  std::vector<Line> entries;
  for (std::uint32_t position = 0; position < kCodeWords; position += 3 + (position % 5)) {
    entries.push_back({position, static_cast<std::int32_t>(10 + position)});
  }
  // What is packed into seven bits counts no further than 127: Ruby's first 54 positions.
  objects.lines(body, entries);
  std::size_t current = 0;
  for (std::uint32_t position = 0; position < kCodeWords; ++position) {
    while (current + 1 < entries.size() && entries[current + 1].position <= position) {
      ++current;
    }
    ASSERT_EQ(line_at(objects.layout(), body, static_cast<std::int32_t>(position)),
              static_cast<std::uint32_t>(entries[current].line))
        << position;
  }
}

TEST_P(RubyFrames, CodeOfOneLineNeedsNoTable) {
  const std::uintptr_t body = Objects::body_of(objects.iseq("f", 10));
  objects.lines(body, {{0, 44}});
  Objects::put(body + objects.layout().body_lines + kLinesTable, std::uintptr_t{0});
  EXPECT_EQ(line_at(objects.layout(), body, 77), 44U);
}

TEST_P(RubyFrames, WithoutATableOrAPositionTheFirstLine) {
  const std::uintptr_t body = Objects::body_of(objects.iseq("f", 10));
  EXPECT_EQ(line_at(objects.layout(), body, -1), 10U);
  Objects::put(body + objects.layout().body_lines + kLinesTable, std::uintptr_t{0});
  EXPECT_EQ(line_at(objects.layout(), body, 5), 10U);
  Objects::put(body + objects.layout().body_lines + kLinesCount, 0U);
  EXPECT_EQ(line_at(objects.layout(), body, 5), 10U);
}

// -- chains ---------------------------------------------------------------------------------------

TEST_P(RubyFrames, AreReadFromTheInnermostOn) {
  const std::uintptr_t one = objects.iseq("one", 1);
  const std::uintptr_t two = objects.iseq("two", 2);
  objects.enter(two, 8, true);
  objects.enter(0);  // a function in C between them
  objects.enter(one, 3);
  ASSERT_EQ(objects.walk_it(chain), Walked::kWhole);
  ASSERT_EQ(chain.count, 2U);
  EXPECT_EQ(chain.frames[0].body, Objects::body_of(one));
  EXPECT_EQ(chain.frames[0].position, 2);
  EXPECT_FALSE(chain.frames[0].ends_run);
  EXPECT_EQ(chain.frames[1].body, Objects::body_of(two));
  EXPECT_TRUE(chain.frames[1].ends_run);
  EXPECT_NE(chain.frames[0].identity, chain.frames[1].identity);
  EXPECT_FALSE(chain.cut);
  const std::uint64_t hash = chain.hash;
  objects.enter(one, 4);
  objects.walk_it(chain);
  EXPECT_NE(chain.hash, hash);
}

TEST_P(RubyFrames, AThreadThatIsBeingMadeHasNone) {
  Objects::put(objects.context() + kContextFrame, std::uintptr_t{0});
  EXPECT_EQ(objects.walk_it(chain), Walked::kWhole);
  EXPECT_EQ(chain.count, 0U);
  EXPECT_EQ(chain.hash, 0U);
}

TEST_P(RubyFrames, OtherCodeAtTheSameAddressIsOther) {
  const std::uintptr_t iseq = objects.iseq("one", 1);
  const std::uintptr_t body = Objects::body_of(iseq);
  objects.enter(iseq);
  objects.walk_it(chain);
  const std::uint64_t before = chain.frames[0].identity;
  for (const std::uintptr_t changed : {kBodyPath, kBodyLabel, kBodyFirstLine}) {
    const auto kept = Objects::read<std::uint64_t>(body + changed);
    Objects::put(body + changed, objects.string("other"));
    objects.walk_it(chain);
    EXPECT_NE(chain.frames[0].identity, before) << changed;
    Objects::put(body + changed, kept);
  }
}

TEST_P(RubyFrames, OfCodeThatWasCompiledTheInnermostLineIsNotBelieved) {
  const std::uintptr_t iseq = objects.iseq("one", 1);
  const std::uintptr_t outer = objects.enter(iseq, 8);
  Objects::put(outer + objects.layout().frame_return, std::uintptr_t{0x1000});
  const std::uintptr_t inner = objects.enter(iseq, 8);
  Objects::put(inner + objects.layout().frame_return, std::uintptr_t{0x1000});
  objects.walk_it(chain);
  EXPECT_EQ(chain.frames[0].position, -1);
  EXPECT_EQ(chain.frames[1].position, 7);
}

TEST_P(RubyFrames, TooManyAreCut) {
  const std::uintptr_t iseq = objects.iseq("one", 1);
  for (std::uint32_t i = 0; i < Chain::kMax + 1; ++i) {
    objects.enter(iseq);
  }
  EXPECT_EQ(objects.walk_it(chain), Walked::kCut);
  EXPECT_EQ(chain.count, Chain::kMax);
  EXPECT_TRUE(chain.cut);
}

TEST_P(RubyFrames, CodeThatIsBeingMovedEndsIt) {
  const std::uintptr_t iseq = objects.iseq("one", 1);
  objects.enter(iseq);
  objects.enter(objects.iseq("two", 2));
  Objects::put(iseq + kObjectFlags, kTypeMoved);
  EXPECT_EQ(objects.walk_it(chain), Walked::kCut);
  EXPECT_EQ(chain.count, 1U);
}

TEST_P(RubyFrames, WildPointersEndItAndWhatStandsBeforeIsKept) {
  void* closed = mmap(nullptr, page_probe::kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(closed, MAP_FAILED);
  const auto unreadable = reinterpret_cast<std::uintptr_t>(closed);
  const std::uintptr_t good = objects.iseq("good", 1);
  const std::uintptr_t bad = objects.enter(good);
  objects.enter(good);
  for (const std::uintptr_t wild : {std::uintptr_t{0x6C}, unreadable, UINTPTR_MAX - 7,
                                    std::uintptr_t{1} << 47U, objects.make(64)}) {
    Objects::put(bad + kFrameIseq, wild);
    EXPECT_EQ(objects.walk_it(chain), Walked::kBroken) << wild;
    EXPECT_EQ(chain.count, 1U);
    Objects::put(bad + kFrameIseq, good);
    const auto body = Objects::body_of(good);
    const std::uintptr_t other = objects.iseq("other", 1);
    Objects::put(bad + kFrameIseq, other);
    Objects::put(other + kIseqBody, wild);
    objects.walk_it(chain);
    EXPECT_GE(chain.count, 1U);
    Objects::put(other + kIseqBody, body);
    Objects::put(bad + kFrameIseq, good);
    Objects::put(bad + kFrameEp, wild);  // then it is not known where its run ends
    EXPECT_EQ(objects.walk_it(chain), Walked::kWhole);
    EXPECT_FALSE(chain.frames[1].ends_run);
  }
  for (const std::uintptr_t wild : {std::uintptr_t{0x6C}, unreadable, UINTPTR_MAX - 7}) {
    for (const std::uintptr_t field : {kContextStack, kContextStackWords, kContextFrame}) {
      const auto kept = Objects::read<std::uint64_t>(objects.context() + field);
      Objects::put(objects.context() + field, wild);
      EXPECT_EQ(objects.walk_it(chain), Walked::kBroken) << field;
      EXPECT_EQ(chain.count, 0U);
      Objects::put(objects.context() + field, kept);
    }
    EXPECT_EQ(walk(objects.runtime(), wild, Wanted::kShown, chain), Walked::kBroken);
  }
  munmap(closed, page_probe::kPage);
}

TEST_P(RubyFrames, WhateverStandsThereItEnds) {
  const std::uintptr_t iseq = objects.iseq("one", 1);
  const std::uintptr_t body = Objects::body_of(iseq);
  std::minstd_rand random(7);
  for (int i = 0; i < 8; ++i) {
    objects.enter(iseq, 70);
  }
  const auto first = Objects::read<std::uintptr_t>(objects.context() + kContextFrame);
  for (int round = 0; round < 20'000; ++round) {
    const std::uintptr_t where =
        random() % 2 == 0 ? first + ((random() % 60) * 8) : body + ((random() % 20) * 8);
    const auto kept = Objects::read<std::uint64_t>(where);
    // Into the objects' memory, or nowhere: what else can be read has owners that would complain.
    std::uint64_t wild = 0;
    switch (random() % 4) {
      case 0:
        wild = kept ^ (std::uint64_t{1} << (random() % 24));
        break;
      case 1:
        wild = random();
        break;
      case 2:
        wild = objects.anywhere(random());
        break;
      default:
        wild = UINTPTR_MAX - random();
        break;
    }
    Objects::put(where, wild);
    objects.walk_it(chain);
    for (std::uint32_t i = 0; i < chain.count; ++i) {
      EXPECT_LE(line_at(objects.layout(), chain.frames[i].body, chain.frames[i].position),
                std::uint32_t{INT32_MAX});
      text_of(objects, path_object(chain.frames[i].body));
      text_of(objects, label_object(chain.frames[i].body));
    }
    Objects::put(where, kept);
  }
}

// -- merging --------------------------------------------------------------------------------------

class RubyMerging : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kInterpreter = 0x7F0000000100;  // not in the evaluator's range
  static constexpr std::uint64_t kEvaluator = 0x7F0000010100;
  static constexpr std::uint64_t kExtension = 0x7E0000000000;
  static constexpr std::uint64_t kCompiled = 0x7D0000000000;  // no module's

  void SetUp() override {
    g_writer.bind(memory_.base());
    functions::forget_all();
  }
  void TearDown() override { g_writer.unbind(); }

  static NativeFrames natives(const std::vector<std::uint64_t>& pcs) {
    NativeFrames native = {};
    for (const std::uint64_t pc : pcs) {
      native.frames[native.count] = {pc, 0x100000 + (native.count * 256U), 0, pc == kCompiled,
                                     false};
      ++native.count;
    }
    return native;
  }

  // Names of functions with their lines, and the machine frames' letters.
  std::string merged(Objects& objects, const std::vector<std::uint64_t>& pcs) {
    Chain chain = {};
    objects.walk_it(chain);
    const NativeFrames native = natives(pcs);
    Words words = {};
    merge(objects.runtime(), chain, native, words);
    std::string result;
    for (std::uint32_t i = 0; i < words.depth; ++i) {
      const std::uint64_t word = words.frames[i];
      result += i == 0 ? "" : " ";
      if (recording::is_function_frame(word)) {
        const auto& function = g_writer.function_at(recording::function_of(word) - 1);
        result.append(g_writer.function_text() + function.name, function.name_bytes);
        result += ":" + std::to_string(recording::line_of(word));
      } else {
        result += word == kInterpreter ? "I"
                  : word == kEvaluator ? "E"
                  : word == kCompiled  ? "C"
                                       : "X";
      }
    }
    return result;
  }

  test::RecordingMemory memory_;
};

TEST_F(RubyMerging, ARunStandsWhereItsEvaluatorDoes) {
  Objects objects(3);
  objects.enter(objects.iseq("main", 1), 1, true);
  objects.enter(objects.iseq("handler", 10), 70);
  objects.enter(0);
  objects.enter(objects.iseq("block", 20), 1, true);
  EXPECT_EQ(merged(objects, {kInterpreter, kEvaluator, kInterpreter, kExtension, kInterpreter,
                             kEvaluator, kInterpreter, 1}),
            "I block:21 X handler:12 main:2 X");
}

TEST_F(RubyMerging, CompiledCodeStandsForRubysFrames) {
  Objects objects(3);
  objects.enter(objects.iseq("main", 1), 1, true);
  objects.enter(objects.iseq("handler", 10));
  objects.enter(objects.iseq("block", 20), 1, true);
  EXPECT_EQ(merged(objects, {kInterpreter, kCompiled, kInterpreter, kCompiled, kInterpreter,
                             kEvaluator, kInterpreter, 1}),
            "I block:21 handler:11 main:2 X");
}

TEST_F(RubyMerging, WithoutAnEvaluatorBehindWhatStandsInnermost) {
  Objects objects(2);
  objects.enter(objects.iseq("main", 1), 1, true);
  objects.enter(objects.iseq("handler", 10));
  EXPECT_EQ(merged(objects, {kExtension, kInterpreter, kInterpreter, 1}), "X handler:11 main:2 X");
}

TEST_F(RubyMerging, FromVersion34OnARescueIsTheFunctionThatItStandsIn) {
  for (const std::uint16_t minor : {std::uint16_t{3}, std::uint16_t{4}}) {
    Objects objects(minor);
    const std::uintptr_t handler = objects.iseq("handler", 10);
    objects.enter(handler, 1, true);
    objects.enter(objects.iseq("rescue in handler", 14, kKindRescue, handler));
    objects.enter(objects.iseq("eval", 1, kKindEval, handler));
    EXPECT_EQ(
        merged(objects, {kInterpreter, kEvaluator, 1}),
        minor == 4 ? "I handler:2 handler:15 X" : "I eval:2 rescue in handler:15 handler:11 X");
    functions::forget_all();
  }
}

}  // namespace
}  // namespace lamprey::preload::stack::ruby
