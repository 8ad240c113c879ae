// The reader of HotSpot's frames on made-up memory: its packed numbers, tables of lines, segment
// maps, the tables by which it describes itself, steps from each kind of frame, names.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/page_probe.h"
#include "preload/process/thread.h"
#include "preload/stack/hotspot/bytes.h"
#include "preload/stack/hotspot/code_cache.h"
#include "preload/stack/hotspot/methods.h"
#include "preload/stack/hotspot/scopes.h"
#include "preload/stack/hotspot/stepping.h"
#include "preload/stack/reading/functions.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey::preload::stack::hotspot {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::uintptr_t address_of(const void* of) { return reinterpret_cast<std::uintptr_t>(of); }

// A page of memory behind which nothing can be read.
class LastPage {
 public:
  LastPage()
      : pages_(static_cast<std::uint8_t*>(::mmap(nullptr, 2 * page_probe::kPage,
                                                 PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    ::mprotect(pages_ + page_probe::kPage, page_probe::kPage, PROT_NONE);
    page_probe::forget_all();
  }
  ~LastPage() {
    ::munmap(pages_, 2 * page_probe::kPage);
    page_probe::forget_all();
  }
  LastPage(const LastPage&) = delete;
  LastPage& operator=(const LastPage&) = delete;

  // So that the last byte is the last that can be read.
  std::uintptr_t put_last(const Bytes& bytes) {
    std::uint8_t* const at = pages_ + page_probe::kPage - bytes.size();
    std::memcpy(at, bytes.data(), bytes.size());
    return address_of(at);
  }

 private:
  std::uint8_t* pages_;
};

// Some bytes, and nothing that can be read for as far as a wrong offset of 32 bits leads.
class Alone {
 public:
  explicit Alone(const void* bytes, std::size_t size)
      : at_(::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                   0)) {
    ::mprotect(at_, page_probe::kPage, PROT_READ | PROT_WRITE);
    std::memcpy(at_, bytes, size);
  }
  ~Alone() {
    ::munmap(at_, kBytes);
    page_probe::forget_all();
  }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

  std::uintptr_t begin() const { return address_of(at_); }

 private:
  static constexpr std::size_t kBytes = std::size_t{1} << 33U;
  void* at_;
};

// As HotSpot packs them.
Bytes unsigned5(std::uint32_t value, std::uint32_t excluded) {
  Bytes bytes;
  const std::uint32_t low = 192 - excluded;
  while (bytes.size() < 4 && value >= low) {
    value -= low;
    bytes.push_back(static_cast<std::uint8_t>(192 + (value % 64)));
    value >>= 6U;
  }
  bytes.push_back(static_cast<std::uint8_t>(value + excluded));
  return bytes;
}

Bytes signed5(std::int32_t value, std::uint32_t excluded) {
  const auto wide = static_cast<std::uint32_t>(value);
  return unsigned5((wide << 1U) ^ (0U - (wide >> 31U)), excluded);
}

void add(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

// -- packed numbers -------------------------------------------------------------------------------

TEST(JavaPackedNumbers, AreReadAsTheyAreWritten) {
  for (const std::uint32_t excluded : {0U, 1U}) {
    for (const std::uint32_t value : {0U, 1U, 190U, 191U, 192U, 193U, 255U, 4095U, 65535U,
                                      1U << 20U, (1U << 31U) + 5, 0xFFFFFFFFU}) {
      const Bytes bytes = unsigned5(value, excluded);
      CheckedBytes at(address_of(bytes.data()));
      std::uint32_t read = 0;
      EXPECT_TRUE(read_unsigned5(at, excluded, read));
      EXPECT_EQ(read, value) << excluded;
    }
    for (const std::int32_t value : {0, 1, -1, 95, -96, 200, -200, 65535, INT32_MAX, INT32_MIN}) {
      const Bytes bytes = signed5(value, excluded);
      CheckedBytes at(address_of(bytes.data()));
      std::int32_t read = 0;
      EXPECT_TRUE(read_signed5(at, excluded, read));
      EXPECT_EQ(read, value) << excluded;
    }
  }
}

TEST(JavaPackedNumbers, KnownBytes) {
  const std::pair<Bytes, std::array<std::uint32_t, 2>> known[] = {
      {{0x01}, {1, 0}}, {{0xBF}, {191, 190}}, {{0xC0, 0x01}, {256, 191}}};
  for (const auto& [bytes, values] : known) {
    for (const std::uint32_t excluded : {0U, 1U}) {
      CheckedBytes at(address_of(bytes.data()));
      std::uint32_t read = 0;
      EXPECT_TRUE(read_unsigned5(at, excluded, read));
      EXPECT_EQ(read, values[excluded]);
    }
  }
}

TEST(JavaPackedNumbers, EndWithTheMemory) {
  LastPage page;
  CheckedBytes at(page.put_last({0xFF, 0xFF}));
  std::uint32_t read = 0;
  EXPECT_FALSE(read_unsigned5(at, 1, read));
}

// -- lines ----------------------------------------------------------------------------------------

Bytes line_table(const std::vector<std::pair<int, int>>& entries, std::uint32_t excluded) {
  Bytes table;
  int at = 0;
  int line = 0;
  for (const auto& [bytecode, in_line] : entries) {
    const int bytecodes = bytecode - at;
    const int lines = in_line - line;
    if (bytecodes >= 0 && bytecodes < 31 && lines >= 0 && lines < 8 && bytecodes + lines > 0) {
      table.push_back(static_cast<std::uint8_t>((bytecodes << 3) | lines));
    } else {
      table.push_back(0xFF);
      add(table, signed5(bytecodes, excluded));
      add(table, signed5(lines, excluded));
    }
    at = bytecode;
    line = in_line;
  }
  table.push_back(0);
  return table;
}

TEST(JavaLines, TheNearestEntryBeforeCountsInWhateverOrder) {
  for (const std::uint32_t excluded : {0U, 1U}) {
    const Bytes table =
        line_table({{0, 100}, {4, 101}, {40, 90}, {20, 104}, {300, 70000}, {30, 5}}, excluded);
    const std::pair<int, std::uint32_t> expected[] = {
        {0, 100}, {3, 100}, {4, 101}, {19, 101}, {20, 104},    {29, 104},
        {30, 5},  {39, 5},  {40, 90}, {299, 90}, {300, 70000}, {65000, 70000}};
    for (const auto& [bytecode, line] : expected) {
      EXPECT_EQ(line_in(address_of(table.data()), excluded, bytecode), line) << bytecode;
    }
  }
}

TEST(JavaLines, NoneBeforeTheFirstEntryAndInAnEmptyTable) {
  const Bytes table = line_table({{7, 12}}, 1);
  EXPECT_EQ(line_in(address_of(table.data()), 1, 6), 0U);
  const Bytes empty = {0};
  EXPECT_EQ(line_in(address_of(empty.data()), 1, 0), 0U);
}

TEST(JavaLines, EndWithTheMemory) {
  LastPage page;
  EXPECT_EQ(line_in(page.put_last({8 << 3 | 3, 8 << 3 | 1}), 1, 100), 4U);
  EXPECT_EQ(line_in(page.put_last({8 << 3 | 3, 0xFF, 0xFF}), 1, 100), 3U);
}

TEST(JavaLines, RandomBytesDoNoHarm) {
  std::mt19937 random(17);
  LastPage page;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random() % 200 + 1);
    for (std::uint8_t& byte : bytes) {
      byte = static_cast<std::uint8_t>(random());
    }
    line_in(page.put_last(bytes), random() % 2, static_cast<std::int32_t>(random() % 70000));
  }
}

// -- the code cache -------------------------------------------------------------------------------

TEST(JavaSegments, LeadBackToTheirBlock) {
  Bytes map = {0xFF, 0, 1, 2, 3, 0, 1, 0xFF};
  for (const auto& [index, first] :
       std::map<std::size_t, std::size_t>{{1, 1}, {2, 1}, {4, 1}, {5, 5}, {6, 5}}) {
    EXPECT_EQ(first_segment(map.data(), index), first) << index;
  }
  EXPECT_EQ(first_segment(map.data(), 0), kFree);
  EXPECT_EQ(first_segment(map.data(), 7), kFree);
  map[0] = 5;  // would lead before the beginning
  EXPECT_EQ(first_segment(map.data(), 0), kFree);
}

TEST(JavaSegments, LongBlocksHopSeveralTimes) {
  Bytes map(1000);
  for (std::size_t i = 0; i < map.size(); ++i) {
    map[i] = static_cast<std::uint8_t>(i < 254 ? i : 254);
  }
  for (std::size_t i = 0; i < map.size(); ++i) {
    EXPECT_EQ(first_segment(map.data(), i), 0U) << i;
  }
}

TEST(JavaBlobs, AreToldByTheirNames) {
  const std::pair<const char*, Kind> known[] = {
      {"nmethod", Kind::kCompiled},
      {"native nmethod", Kind::kNative},
      {"Interpreter", Kind::kInterpreter},
      {"I2C/C2I adapters", Kind::kAdapter},
      {"InlineCacheBuffer", Kind::kOther},
      {"StubRoutines (1)", Kind::kStubs},
      {"StubRoutines (continuation stubs)", Kind::kContinuation},
      {"StubRoutines (continuationstubs)", Kind::kContinuation},
      {"DeoptimizationBlob", Kind::kOther}};
  for (const auto& [name, kind] : known) {
    EXPECT_EQ(kind_of(address_of(name)), kind) << name;
  }
  EXPECT_EQ(kind_of(0), Kind::kNone);
  LastPage page;
  EXPECT_EQ(kind_of(page.put_last({'n', 'm', 'e'})), Kind::kOther);
}

// -- the tables -----------------------------------------------------------------------------------

// One of libjvm's, as gHotSpotVMStructs is.
struct StructRow {
  const char* type;
  const char* name;
  const char* type_text;
  std::int32_t is_static;
  std::uint64_t offset;
  const void* address;
};
struct TypeRow {
  const char* type;
  const char* base;
  std::int32_t flags[3];
  std::uint64_t size;
};

TEST(JavaTables, FieldsAreFoundAndTheRestIsNot) {
  int heaps = 0;
  const std::string type = "CodeBlob";  // not the same pointer in each row
  const StructRow structs[] = {
      {"CodeBlob", "_name", "", 0, 96, nullptr},        {type.c_str(), "_size", "", 0, 12, nullptr},
      {"CodeBlob", "_named", "", 0, 1, nullptr},        {"CodeCache", "_heaps", "", 1, 0, &heaps},
      {"CodeCache", "_low_bound", "", 0, 8, nullptr},    // static by rights
      {"Method", "_constMethod", "", 1, 0, &heaps},      // not static by rights
      {"Symbol", "_body", "", 0, 1ULL << 40U, nullptr},  // an offset that makes no sense
      {"Klass", "_name", "", 0, 24, nullptr},           {nullptr, nullptr, nullptr, 0, 0, nullptr}};
  const TypeRow types[] = {{"ConstMethod", nullptr, {}, 56}, {nullptr, nullptr, {}, 0}};
  Fields fields;
  ASSERT_TRUE(read_rows_of(
      {address_of(structs), sizeof(StructRow), offsetof(StructRow, type), offsetof(StructRow, name),
       offsetof(StructRow, is_static), offsetof(StructRow, offset), offsetof(StructRow, address)},
      {address_of(types), sizeof(TypeRow), offsetof(TypeRow, type), 0, 0, offsetof(TypeRow, size),
       0},
      fields));
  EXPECT_EQ(fields.at[kBlobName], 96U);
  EXPECT_EQ(fields.at[kBlobSize], 12U);
  EXPECT_EQ(fields.at[kStaticHeaps], address_of(&heaps));
  EXPECT_EQ(fields.at[kKlassName], 24U);
  EXPECT_EQ(fields.at[kSizeOfConstMethod], 56U);
  for (const Field absent : {kStaticLowBound, kConstMethod, kSymbolBody, kSizeOfPool}) {
    EXPECT_FALSE(fields.has(absent)) << absent;
  }
  EXPECT_FALSE(complete(fields));
}

TEST(JavaTables, WithoutAnEndAreNone) {
  LastPage page;
  Bytes bytes(3 * sizeof(StructRow));
  StructRow row = {"Klass", "_name", "", 0, 24, nullptr};
  for (int i = 0; i < 3; ++i) {
    std::memcpy(bytes.data() + (static_cast<std::size_t>(i) * sizeof(row)), &row, sizeof(row));
  }
  const Columns columns = {page.put_last(bytes),           sizeof(StructRow),
                           offsetof(StructRow, type),      offsetof(StructRow, name),
                           offsetof(StructRow, is_static), offsetof(StructRow, offset),
                           offsetof(StructRow, address)};
  Fields fields;
  EXPECT_FALSE(read_rows_of(columns, columns, fields));
}

Fields all_fields(bool newer) {
  Fields fields;
  for (std::uint64_t& at : fields.at) {
    at = 8;
  }
  const Field older_only[] = {kBlobCodeBegin,      kScopesBegin, kMetadataOffset,
                              kDependenciesOffset, kDeoptBegin,  kDeoptHandlesBegin};
  const Field newer_only[] = {kBlobCodeOffset,    kImmutableData,   kScopesOffset,
                              kDeoptOffset,       kBlobMutableData, kBlobRelocationSize,
                              kDeoptHandlesOffset};
  for (const Field field : older_only) {
    fields.at[field] = newer ? Fields::kNone : 8;
  }
  for (const Field field : newer_only) {
    fields.at[field] = newer ? 8 : Fields::kNone;
  }
  fields.at[kStaticHeap] = Fields::kNone;
  fields.at[kKlassSourceFile] = Fields::kNone;
  fields.version = newer ? 25 : 17;
  return fields;
}

TEST(JavaTables, OneMissingFieldIsTooMany) {
  for (const bool newer : {false, true}) {
    const Fields whole = all_fields(newer);
    ASSERT_TRUE(complete(whole));
    for (std::uint32_t i = 0; i < kFieldCount; ++i) {
      const auto field = static_cast<Field>(i);
      Fields fields = whole;
      fields.at[field] = Fields::kNone;
      if (whole.has(field) && field != kDeoptHandlesOffset) {
        EXPECT_FALSE(complete(fields)) << newer << " " << i;
      }
    }
  }
}

// -- steps ----------------------------------------------------------------------------------------

struct Stack {
  std::array<std::uintptr_t, 64> words = {};
  std::uintptr_t at(std::size_t index) const { return address_of(words.data() + index); }
  std::uintptr_t end() const { return at(words.size()); }
};

TEST(JavaSteps, CompiledCodeBySize) {
  Stack stack;
  stack.words[6] = 0x1111;  // the saved register
  stack.words[7] = 0x2222;  // the return address
  Position position = {0x5000, stack.at(0), 0xBAD, 0};
  ASSERT_TRUE(step_up(Kind::kCompiled, 8, stack.end(), position));
  EXPECT_EQ(position.pc, 0x2222U);
  EXPECT_EQ(position.fp, 0x1111U);
  EXPECT_EQ(position.sp, stack.at(8));
}

TEST(JavaSteps, NoFrameIsLargerThanTheStackOrHasNoSize) {
  Stack stack;
  for (const std::int32_t words : {0, -8, 65, 1 << 24, INT32_MAX, INT32_MIN}) {
    Position position = {0x5000, stack.at(0), stack.at(3), 0};
    EXPECT_FALSE(step_up(Kind::kCompiled, words, stack.end(), position)) << words;
    EXPECT_EQ(position.sp, stack.at(0));
  }
}

TEST(JavaSteps, TheInterpreterByItsSlots) {
  Stack stack;
  const std::size_t fp = 12;
  stack.words[fp - 1] = stack.at(20);  // the caller's stack pointer
  stack.words[fp] = stack.at(30);
  stack.words[fp + 1] = 0x2222;
  Position position = {0x5000, stack.at(2), stack.at(fp), 0};
  ASSERT_TRUE(step_up(Kind::kInterpreter, 0, stack.end(), position));
  EXPECT_EQ(position.pc, 0x2222U);
  EXPECT_EQ(position.fp, stack.at(30));
  EXPECT_EQ(position.sp, stack.at(20));
}

TEST(JavaSteps, AFramePointerThatLeadsAstrayEndsTheWalk) {
  Stack stack;
  const std::uintptr_t wild[] = {0, 8, stack.at(1) + 1, stack.end(), UINTPTR_MAX - 7};
  for (const Kind kind : {Kind::kInterpreter, Kind::kStubs}) {
    for (const std::uintptr_t fp : wild) {
      Position position = {0x5000, stack.at(4), fp, 0};
      EXPECT_FALSE(step_up(kind, 0, stack.end(), position)) << fp;
    }
  }
  Stack back;  // a caller that is not above
  back.words[11] = back.at(1);
  Position position = {0x5000, back.at(4), back.at(12), 0};
#if defined(__x86_64__)
  EXPECT_FALSE(step_up(Kind::kInterpreter, 0, back.end(), position));
#else
  EXPECT_TRUE(step_up(Kind::kInterpreter, 0, back.end(), position));
  EXPECT_EQ(position.sp, back.at(14));
#endif
}

TEST(JavaSteps, StubsByTheirFramePointer) {
  Stack stack;
  stack.words[10] = stack.at(20);
  stack.words[11] = 0x2222;
  Position position = {0x5000, stack.at(2), stack.at(10), 0};
  ASSERT_TRUE(step_up(Kind::kStubs, 0, stack.end(), position));
  EXPECT_EQ(position.pc, 0x2222U);
  EXPECT_EQ(position.fp, stack.at(20));
  EXPECT_EQ(position.sp, stack.at(12));
}

#if defined(__x86_64__)
// The stub that asks whether a method may be entered (generate_method_entry_barrier) has pushed -1
// before it made its frame.
TEST(JavaSteps, TheEntryBarrierHasAWordBelowItsReturnAddress) {
  Stack stack;
  stack.words[10] = stack.at(20);
  stack.words[11] = UINTPTR_MAX;
  stack.words[12] = 0x2222;
  Position position = {0x5000, stack.at(2), stack.at(10), 0};
  ASSERT_TRUE(step_up(Kind::kStubs, 0, stack.end(), position));
  EXPECT_EQ(position.pc, 0x2222U);
  EXPECT_EQ(position.fp, stack.at(20));
  EXPECT_EQ(position.sp, stack.at(13));
}

// 512 bytes of vector registers, then the others: r13 is the third, rax the sixteenth.
TEST(JavaSteps, AdaptersOnlyWhereTheirRegistersAgree) {
  std::vector<std::uintptr_t> words(128);
  const auto at = [&words](std::size_t index) { return address_of(words.data() + index); };
  words[64 + 2] = at(90);
  words[64 + 15] = 0x2222;
  words[90] = 0x2222;
  Position position = {0x5000, at(0), 0x77, 0};
  ASSERT_TRUE(step_up(Kind::kAdapter, 0, at(128), position));
  EXPECT_EQ(position.pc, 0x2222U);
  EXPECT_EQ(position.fp, 0x77U);
  EXPECT_EQ(position.sp, at(91));
  words[90] = 0x3333;
  position = {0x5000, at(0), 0x77, 0};
  EXPECT_FALSE(step_up(Kind::kAdapter, 0, at(128), position));
}
#endif

TEST(JavaSteps, NothingLeadsOutOfAContinuation) {
  Stack stack;
  stack.words[10] = stack.at(20);
  stack.words[11] = 0x2222;
  for (const Kind kind : {Kind::kContinuation, Kind::kNone}) {
    Position position = {0x5000, stack.at(2), stack.at(10), 0};
    EXPECT_FALSE(step_up(kind, 8, stack.end(), position));
  }
}

// -- methods --------------------------------------------------------------------------------------

std::string name_of(const std::string& class_name, const std::string& method) {
  MethodName made;
  make_name({class_name.data(), static_cast<std::uint32_t>(class_name.size())},
            {method.data(), static_cast<std::uint32_t>(method.size())}, made);
  return {made.bytes + made.begin, made.bytes + sizeof(made.bytes)};
}

TEST(JavaNames, AreWrittenAsInJava) {
  EXPECT_EQ(name_of("com/example/App", "handleRequest"), "com.example.App.handleRequest");
  EXPECT_EQ(name_of("App", "<init>"), "App.<init>");
  EXPECT_EQ(name_of("", ""), ".");
}

TEST(JavaNames, AnAddressOfAHiddenClassIsMasked) {
  EXPECT_EQ(name_of("T$$Lambda+0x00007f0123456789", "run"), "T$$Lambda+<hidden>.run");
  EXPECT_EQ(name_of("T$$Lambda$14+0x0000000800c03000", "run"), "T$$Lambda$14+<hidden>.run");
  EXPECT_EQ(name_of("T+0x00007f012345678X", "run"), "T+0x00007f012345678X.run");
  EXPECT_EQ(name_of("T+0x12", "run"), "T+0x12.run");
}

TEST(JavaNames, ALongOneKeepsItsEndAndWholeCharacters) {
  const std::string made = name_of("com/" + std::string(300, 'x') + "/App", "handle");
  EXPECT_EQ(made.size(), recording::kMaxFunctionName);
  EXPECT_TRUE(made.ends_with("x.App.handle"));
  for (std::size_t more = 0; more < 3; ++more) {
    std::string name;
    for (int i = 0; i < 60; ++i) {
      name += "\u00e9\u4e2d";
    }
    const std::string cut = name_of(name, std::string(more, 'm'));
    EXPECT_LE(cut.size(), recording::kMaxFunctionName);
    EXPECT_NE(static_cast<unsigned char>(cut[0]) & 0xC0U, 0x80U);
  }
}

// A class with a method, in memory of ours, with offsets of ours.
class MadeMethod {
 public:
  MadeMethod() : fields_(all_fields(true)) {
    const std::pair<Field, std::uint64_t> offsets[] = {
        {kConstMethod, 8}, {kConstants, 8},          {kCodeSize, 16},  {kMethodFlags, 18},
        {kNameIndex, 20},  {kSizeOfConstMethod, 24}, {kPoolHolder, 8}, {kPoolLength, 16},
        {kSizeOfPool, 24}, {kPoolSourceFile, 20},    {kKlassName, 8},  {kSymbolLength, 0},
        {kSymbolBody, 2}};
    for (const auto& [field, offset] : offsets) {
      fields_.at[field] = offset;
    }
    set_symbol(class_name_, "com/example/App");
    set_symbol(name_, "handle");
    set_symbol(file_, "App.java");
    put(method_, 8, address_of(constants_.data()));
    put(constants_, 8, address_of(pool_.data()));
    put(constants_, 16, std::uint16_t{kCodeBytes});
    put(constants_, 18, std::uint8_t{1});
    put(constants_, 20, std::uint16_t{1});
    const Bytes lines = line_table({{0, 40}, {4, 42}}, 1);
    std::memcpy(bytes(constants_) + 24 + kCodeBytes, lines.data(), lines.size());
    put(pool_, 8, address_of(klass_.data()));
    put(pool_, 16, std::int32_t{3});
    put(pool_, 20, std::uint16_t{2});
    put(pool_, 24 + 8, address_of(name_.data()) | 1U);
    put(pool_, 24 + 16, address_of(file_.data()));
    put(klass_, 8, address_of(class_name_.data()));
    g_writer.bind(memory_.base());
    functions::forget_all();
  }

  std::uint64_t word(std::int32_t bytecode) {
    return word_of(fields_, {address_of(method_.data()), bytecode});
  }
  std::string text(std::uint64_t word) {
    const recording::Function& function = g_writer.function_at(recording::function_of(word) - 1);
    const char* texts = g_writer.function_text();
    std::string made(texts + function.name, function.name_bytes);
    if (function.file != 0) {
      const recording::SourceFile& file = g_writer.source_file_at(function.file - 1U);
      made += " (" + std::string(texts + file.path, file.path_bytes) + ":" +
              std::to_string(recording::line_of(word)) + ")";
    }
    return made;
  }

  static constexpr std::uint16_t kCodeBytes = 10;
  using Memory = std::array<std::uint64_t, 32>;

  static std::uint8_t* bytes(Memory& of) { return reinterpret_cast<std::uint8_t*>(of.data()); }
  template <typename T>
  static void put(Memory& to, std::size_t offset, T value) {
    std::memcpy(bytes(to) + offset, &value, sizeof(value));
  }
  static void set_symbol(Memory& symbol, const std::string& text) {
    put(symbol, 0, static_cast<std::uint16_t>(text.size()));
    std::memcpy(bytes(symbol) + 2, text.data(), text.size());
  }

  Memory method_ = {}, constants_ = {}, pool_ = {}, klass_ = {}, class_name_ = {}, name_ = {},
         file_ = {};
  Fields fields_;
  lamprey::test::RecordingMemory memory_;
};

TEST(JavaMethods, HaveNameFileAndLine) {
  MadeMethod made;
  EXPECT_EQ(made.text(made.word(5)), "com.example.App.handle (App.java:42)");
  EXPECT_EQ(made.text(made.word(0)), "com.example.App.handle (App.java:40)");
  EXPECT_EQ(made.text(made.word(kNoBytecode)), "com.example.App.handle (App.java:40)");
  EXPECT_EQ(recording::function_of(made.word(5)), recording::function_of(made.word(0)));
  EXPECT_EQ(made.memory_.header().functions_used, 1U);
}

// Metaspace is used again: the same addresses may be another class's, whose name stands where the
// first one's stood.
TEST(JavaMethods, AnotherWhereOneWasIsAnother) {
  const char* const names[] = {"com/example/Apq", "com/ezample/App", "dom/example/App", "com/App"};
  for (const char* name : names) {
    MadeMethod made;
    const std::uint64_t before = made.word(5);
    MadeMethod::set_symbol(made.class_name_, name);
    const std::uint64_t after = made.word(5);
    EXPECT_NE(recording::function_of(before), recording::function_of(after)) << name;
    EXPECT_EQ(recording::function_of(after), recording::function_of(made.word(0)));
  }
}

// Of a method handle's intrinsic the pool is short, and the index of its file is another pool's.
TEST(JavaMethods, AnIndexBehindThePoolIsNoFile) {
  MadeMethod made;
  MadeMethod::put(made.pool_, 20, std::uint16_t{500});
  EXPECT_EQ(made.text(made.word(5)), "com.example.App.handle");
}

TEST(JavaMethods, WildPointersAreNone) {
  const std::uintptr_t wild[] = {0, 1, 4096, 0xFFFFFFFFFFFFFFF8U, 0x00007FFFFFFFFFF8U, 65536};
  for (const std::uintptr_t value : wild) {
    MadeMethod made;
    EXPECT_EQ(word_of(made.fields_, {value, 0}), 0U);
    MadeMethod::put(made.method_, 8, value);
    EXPECT_EQ(made.word(0), 0U) << value;
    MadeMethod second;
    MadeMethod::put(second.constants_, 8, value);
    EXPECT_EQ(second.word(0), 0U) << value;
    MadeMethod third;
    MadeMethod::put(third.pool_, 8, value);
    EXPECT_EQ(third.word(0), 0U) << value;
    MadeMethod fourth;
    MadeMethod::put(fourth.klass_, 8, value);
    EXPECT_EQ(fourth.word(0), 0U) << value;
    MadeMethod fifth;
    MadeMethod::put(fifth.pool_, 24 + 8, value);
    EXPECT_EQ(fifth.word(0), 0U) << value;
  }
}

// -- scopes ---------------------------------------------------------------------------------------

// Compiled code as JDK 25 lays it out, in memory of ours: two methods inlined into a third.
class MadeCode {
 public:
  MadeCode() : fields_(all_fields(true)) {
    const std::pair<Field, std::uint64_t> offsets[] = {
        {kMethodOfCode, 0},        {kImmutableData, 8},   {kBlobMutableData, 16},
        {kBlobRelocationSize, 24}, {kBlobCodeOffset, 28}, {kDescriptorsOffset, 32},
        {kScopesOffset, 36}};
    for (const auto& [field, offset] : offsets) {
      fields_.at[field] = offset;
    }
    Bytes scopes = {0};
    outer_ = write(scopes, 0, 1, 10);
    middle_ = write(scopes, outer_, 2, 20);
    inner_ = write(scopes, middle_, 3, -1);
    const std::int32_t descriptors[][4] = {
        {-1, 0, 0, 0}, {16, outer_, 0, 0}, {24, 0, 0, 0}, {32, inner_, 0, 0}, {1 << 30, 0, 0, 0}};
    immutable_.resize(8);
    const std::size_t begin = immutable_.size();
    immutable_.resize(begin + sizeof(descriptors));
    std::memcpy(immutable_.data() + begin, descriptors, sizeof(descriptors));
    const std::size_t end = immutable_.size();
    add(immutable_, scopes);
    put(0, std::uintptr_t{0xAAA8});
    put(8, address_of(immutable_.data()));
    put(16, address_of(mutable_.data()));
    put(24, std::int32_t{8});
    put(28, std::int32_t{64});
    put(32, static_cast<std::int32_t>(begin));
    put(36, static_cast<std::int32_t>(end));
  }

  std::vector<std::pair<std::uintptr_t, std::int32_t>> at(std::uintptr_t offset) {
    std::vector<std::pair<std::uintptr_t, std::int32_t>> found;
    Scopes scopes(fields_, {address_of(blob_.data()), Kind::kCompiled},
                  address_of(blob_.data()) + 64 + offset);
    Scope scope = {};
    while (scopes.next(scope)) {
      found.emplace_back(scope.method, scope.bytecode);
    }
    return found;
  }

  template <typename T>
  void put(std::size_t offset, T value) {
    std::memcpy(reinterpret_cast<std::uint8_t*>(blob_.data()) + offset, &value, sizeof(value));
  }

  Bytes immutable_;

 private:
  static std::int32_t write(Bytes& scopes, std::int32_t sender, std::uint32_t method,
                            std::int32_t bytecode) {
    const auto at = static_cast<std::int32_t>(scopes.size());
    add(scopes, unsigned5(static_cast<std::uint32_t>(sender), 1));
    add(scopes, unsigned5(method, 1));
    add(scopes, unsigned5(static_cast<std::uint32_t>(bytecode + 1), 1));
    return at;
  }

  Fields fields_;
  std::array<std::uint64_t, 32> blob_ = {};
  std::array<std::uintptr_t, 4> mutable_ = {0, 0x1008, 0x2008, 0x3008};
  std::int32_t outer_, middle_, inner_;
};

using Found = std::vector<std::pair<std::uintptr_t, std::int32_t>>;

TEST(JavaScopes, InlinedOnesAreInnermostFirst) {
  MadeCode code;
  EXPECT_EQ(code.at(32), (Found{{0x3008, kNoBytecode}, {0x2008, 20}, {0x1008, 10}}));
  EXPECT_EQ(code.at(16), (Found{{0x1008, 10}}));
}

TEST(JavaScopes, WithoutDebugInformationTheMethodOfTheCode) {
  MadeCode code;
  EXPECT_EQ(code.at(24), (Found{{0xAAA8, kNoBytecode}}));
  EXPECT_EQ(code.at(17), (Found{{0xAAA8, kNoBytecode}}));
  code.put(8, std::uintptr_t{4096});  // tables that cannot be read
  EXPECT_EQ(code.at(32), (Found{{0xAAA8, kNoBytecode}}));
}

TEST(JavaScopes, ChainsEnd) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    MadeCode code;
    Bytes tables = code.immutable_;
    for (int i = 0; i < 4; ++i) {
      tables[random() % tables.size()] = static_cast<std::uint8_t>(random());
    }
    const std::array<std::uintptr_t, 4> methods = {0, 0x1008, 0x2008, 0x3008};
    const Alone alone(tables.data(), tables.size());
    const Alone methods_alone(methods.data(), sizeof(methods));
    code.put(8, alone.begin());
    code.put(16, methods_alone.begin());
    EXPECT_LE(code.at(32).size(), 128U);
  }
}

}  // namespace
}  // namespace lamprey::preload::stack::hotspot
