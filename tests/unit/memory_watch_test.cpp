// Memory beside its limit and beside what is live: each finding where the figures support it, and
// silence where they do not; and the address space as the kernel writes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "report/findings/memory_watch.h"
#include "report/procfs/process.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kMb = 1'000'000;

const Finding* find(const Report& report, const std::string& code) {
  for (const Finding& finding : report.findings) {
    if (finding.code == code) {
      return &finding;
    }
  }
  return nullptr;
}

Report report_of(std::uint64_t limit_mb, std::uint64_t peak_rss, std::uint64_t anonymous = 0,
                 std::uint64_t live = 0) {
  Report report;
  report.memory.emplace();
  report.memory->live_bytes = static_cast<std::int64_t>(live);
  report.memory_limit_mb = limit_mb;
  report.process.peak_rss_bytes = peak_rss;
  report.process.rss_anonymous_bytes = anonymous;
  return report;
}

class MemoryWatchTest : public ::testing::Test {
 protected:
  Report look(Report report) {
    watch_.look(report, [this] {
      ++reads_;
      return space_;
    });
    return report;
  }
  MemoryWatch watch_;
  std::optional<AddressSpace> space_;
  int reads_ = 0;
};

TEST_F(MemoryWatchTest, Tight) {
  EXPECT_EQ(find(look(report_of(128, 120'000'000)), "memory.tight"), nullptr);  // 89 %
  const Report report = look(report_of(128, 122'000'000));
  ASSERT_NE(find(report, "memory.tight"), nullptr);
  EXPECT_EQ(find(report, "memory.tight")->severity, Severity::kWarning);
  EXPECT_THAT(find(report, "memory.tight")->text,
              ::testing::HasSubstr("116 MB, 90 % of its 128 MB."));
  EXPECT_EQ(find(look(report_of(128, 123'000'000)), "memory.tight"), nullptr);  // said already
  for (std::uint64_t i = 3; i < MemoryWatch::kEvery + 1; ++i) {
    look(report_of(128, 123'000'000));
  }
  EXPECT_NE(find(look(report_of(128, 123'000'000)), "memory.tight"), nullptr);
}

TEST_F(MemoryWatchTest, NothingIsSaidWithoutALimitOrAPeak) {
  Report unknown = report_of(128, 127'000'000);
  unknown.memory_limit_mb.reset();
  EXPECT_TRUE(look(unknown).findings.empty());
  Report no_peak = report_of(128, 0);
  no_peak.process.peak_rss_bytes.reset();
  EXPECT_TRUE(look(no_peak).findings.empty());
  EXPECT_TRUE(look(report_of(UINT64_MAX, 127'000'000)).findings.empty());
}

TEST_F(MemoryWatchTest, OversizedOnceAfterMany) {
  int told = 0;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    const Report report = look(report_of(1024, 200 * kMb));
    told += find(report, "memory.oversized") != nullptr ? 1 : 0;
    EXPECT_FALSE(told != 0 && i < MemoryWatch::kOversizedAfter);
  }
  EXPECT_EQ(told, 1);
}

// Whoever leaks is not told to take less memory.
TEST_F(MemoryWatchTest, NotOversizedWhileItGrows) {
  int told = 0;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const std::uint64_t grown = std::min<std::uint64_t>(i, 100) * kMb;
    const Report report = look(report_of(1024, 100 * kMb + grown));
    told += find(report, "memory.oversized") != nullptr ? 1 : 0;
    EXPECT_TRUE(told == 0 || i > 110) << i;
  }
  EXPECT_EQ(told, 1);
}

TEST_F(MemoryWatchTest, NotOversized) {
  MemoryWatch small;
  MemoryWatch used;
  for (int i = 0; i < 200; ++i) {
    Report little = report_of(128, 20 * kMb);  // there is hardly less to be had
    small.look(little, [] { return std::nullopt; });
    Report half = report_of(1024, 500 * kMb);
    used.look(half, [] { return std::nullopt; });
    EXPECT_TRUE(little.findings.empty());
    EXPECT_TRUE(half.findings.empty());
  }
}

TEST_F(MemoryWatchTest, RetainedInArenas) {
  space_ = AddressSpace{80 * kMb, 8, 300 * kMb, 9, 2 * kMb, 30 * kMb, 10 * kMb};
  const Report report = look(report_of(1024, 420 * kMb, 400 * kMb, 96 * kMb));
  const Finding* finding = find(report, "memory.retained");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(report.memory->retained_bytes, 284'000'000);
  EXPECT_THAT(finding->text, ::testing::HasSubstr("at least 270 MB in 9 arenas"));
  EXPECT_THAT(finding->advice, ::testing::HasSubstr("MALLOC_ARENA_MAX=2"));
  look(report_of(1024, 420 * kMb, 400 * kMb, 96 * kMb));
  EXPECT_EQ(reads_, 1);  // the address space is not read at every invocation
}

TEST_F(MemoryWatchTest, RetainedInOneHeap) {
  space_ = AddressSpace{300 * kMb, 0, 0, 1, 0, 0, 0};
  const Report report = look(report_of(512, 320 * kMb, 310 * kMb, 60 * kMb));
  ASSERT_NE(find(report, "memory.retained"), nullptr);
  EXPECT_THAT(find(report, "memory.retained")->advice, ::testing::HasSubstr("malloc_trim"));
}

TEST_F(MemoryWatchTest, AnInterpretersOwnHeapIsNotTheAllocators) {
  space_ = AddressSpace{70 * kMb, 0, 0, 1, 0, 20 * kMb, 300 * kMb};
  const Report report = look(report_of(1024, 420 * kMb, 400 * kMb, 60 * kMb));
  EXPECT_EQ(find(report, "memory.retained"), nullptr);
  EXPECT_EQ(report.memory->retained_bytes, 10'000'000);
}

TEST_F(MemoryWatchTest, LittleIsNotLookedAt) {
  space_ = AddressSpace{70 * kMb, 0, 0, 1, 0, 0, 0};
  const Report report = look(report_of(128, 70 * kMb, 66 * kMb, 50 * kMb));
  EXPECT_EQ(reads_, 0);
  EXPECT_FALSE(report.memory->retained_bytes);
  Report unseen = report_of(1024, 420 * kMb, 400 * kMb, 96 * kMb);
  space_.reset();
  EXPECT_TRUE(look(unseen).findings.empty());
  EXPECT_EQ(reads_, 1);
}

TEST_F(MemoryWatchTest, WhatTakesLongToReadIsReadOverSeveralInvocations) {
  const Report large = report_of(1024, 420 * kMb, 400 * kMb, 96 * kMb);
  look(large);
  look(large);
  space_ = AddressSpace{80 * kMb, 8, 300 * kMb, 9, 2 * kMb, 30 * kMb, 10 * kMb};
  EXPECT_NE(find(look(large), "memory.retained"), nullptr);
  EXPECT_EQ(reads_, 3);
}

TEST_F(MemoryWatchTest, WhatCannotBeReadIsNotTriedForEver) {
  for (std::uint64_t i = 0; i < MemoryWatch::kEvery; ++i) {
    look(report_of(1024, 420 * kMb, 400 * kMb, 96 * kMb));
  }
  EXPECT_EQ(reads_, static_cast<int>(MemoryWatch::kMaxTries));
}

constexpr const char* kSmaps =
    "55d0c0000000-55d0c2000000 rw-p 00000000 00:00 0                          [heap]\n"
    "Size:              32768 kB\nRss:               30000 kB\nPss:               30000 kB\n"
    "7f0000000000-7f0001000000 rw-p 00000000 00:00 0 \nRss:               16000 kB\n"
    "7f0001000000-7f0004000000 ---p 00000000 00:00 0 \nRss:                   0 kB\n"
    "7f0004000000-7f0004100000 rw-p 00000000 00:00 0 \nRss:                1000 kB\n"
    "7f0010000000-7f0010001000 ---p 00000000 00:00 0 \nRss:                   0 kB\n"
    "7f0010001000-7f0010801000 rw-p 00000000 00:00 0 \nRss:                  64 kB\n"
    "7f0020000000-7f0020021000 r-xp 00000000 08:01 1234                       /usr/lib/a b.so\n"
    "Rss:                 100 kB\n"
    "7f0030001000-7f0030021000 rw-p 00000000 00:00 0 \nRss:                  10 kB\n"
    "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
    "Rss:                  36 kB\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    "Rss:                   4 kB\n";

void expect_parsed(const AddressSpace& space) {
  EXPECT_EQ(space.heap_bytes, 30'000U * 1024);
  EXPECT_EQ(space.arenas, 2U);
  EXPECT_EQ(space.arena_bytes, 17'000U * 1024);
  EXPECT_EQ(space.stacks, 2U);
  EXPECT_EQ(space.stack_bytes, 100U * 1024);
  EXPECT_EQ(space.file_bytes, 100U * 1024);
  EXPECT_EQ(space.other_bytes, 10U * 1024);
}

TEST(AddressSpaceTest, ParsedInPiecesOfAnySize) {
  for (const std::size_t size : {1U, 7U, 64U, 4096U}) {
    SmapsParser parser;
    const std::string text = kSmaps;
    for (std::size_t at = 0; at < text.size(); at += size) {
      parser.take(std::string_view(text).substr(at, size));
    }
    expect_parsed(parser.finish());
  }
}

TEST(AddressSpaceTest, TheHeapsOfOneArenaAreOneArena) {
  SmapsParser parser;
  parser.take(
      "7f0000000000-7f0004000000 rw-p 00000000 00:00 0 \nRss: 65536 kB\n"
      "7f0004000000-7f0007ff0000 rw-p 00000000 00:00 0 \nRss: 65472 kB\n"
      "7f0007ff0000-7f0008000000 ---p 00000000 00:00 0 \nRss: 0 kB\n"
      "7f0008000000-7f0009000000 rw-p 00000000 00:00 0 \nRss: 1000 kB\n");
  const AddressSpace space = parser.finish();
  EXPECT_EQ(space.arenas, 1U);
  EXPECT_EQ(space.arena_bytes, (65'536U + 65'472U + 1000U) * 1024);
}

TEST(AddressSpaceTest, OddTextIsSurvived) {
  SmapsParser parser;
  parser.take(
      "Rss: 5 kB\n\n-\n1-\n1-2\n2-1 rw-p\n1-2 \nRss:\nRss: x\nRss: 99999999999999999999 kB\n");
  parser.take(std::string(100'000, 'a'));
  parser.take("\n");
  EXPECT_EQ(parser.finish().heap_bytes, 0U);
}

TEST(AddressSpaceTest, OfThisProcess) {
  constexpr std::size_t kBytes = std::size_t{20} << 20U;
  void* block = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::fill_n(static_cast<char*>(block), kBytes, 'x');
  const auto start = process_start(getpid());
  ASSERT_TRUE(start);
  std::optional<AddressSpace> space;
  AddressSpaceReader reader;
  std::thread([&] {
    for (int pieces = 0; !space && pieces < 1000; ++pieces) {
      space = reader.read_on(getpid(), *start, 0);  // no time: one piece
      EXPECT_FALSE(space && pieces < 2);
    }
  }).join();
  ASSERT_TRUE(space);
  EXPECT_GE(space->stacks, 1U);
  EXPECT_GT(space->file_bytes, 0U);
  EXPECT_GE(space->other_bytes + space->arena_bytes + space->stack_bytes, kBytes);
  EXPECT_TRUE(reader.read_on(getpid(), *start, UINT64_MAX));
  EXPECT_FALSE(reader.read_on(getpid(), *start + 1, UINT64_MAX));
  munmap(block, kBytes);
}

}  // namespace
}  // namespace lamprey::report
