// The trail: what the writer says of boundaries in few bytes, and what a reader makes of it. The
// referee is a second recording without a trail in which the same happens; its boundaries are read
// one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "recording/told_mark.h"
#include "report/ledger/ledger.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::recording {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::uint64_t kMs = 1'000'000;

Reader opens(const std::string& path) {
  Failure failure;
  auto reader = Reader::open(path, failure);
  EXPECT_TRUE(reader) << failure.text;
  return std::move(*reader);
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
bool same(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

// The longest call counts only where one was made since: `before` is the boundary before.
void expect_same_call(const CallTotals& got, CallTotals expected, const CallTotals& before) {
  if (expected.calls == before.calls && expected.ticks == before.ticks) {
    expected.max_ticks = got.max_ticks;
  }
  EXPECT_TRUE(same(got, expected)) << got.calls << " calls, not " << expected.calls;
}

void expect_same(const Totals& got, const Totals& expected, const Totals& before) {
  EXPECT_TRUE(same(got.memory, expected.memory));
  EXPECT_TRUE(same(got.mappings, expected.mappings));
  EXPECT_TRUE(same(got.use, expected.use));
  EXPECT_EQ(got.at.ticks, expected.at.ticks);
  EXPECT_EQ(got.at.mono_ns, expected.at.mono_ns);
  EXPECT_EQ(got.peak_live_bytes, expected.peak_live_bytes);
  for (std::size_t call = 0; call < kCallCount; ++call) {
    expect_same_call(got.calls[call], expected.calls[call], before.calls[call]);
  }
  for (std::size_t target = 0; target < kTargets; ++target) {
    EXPECT_TRUE(same(got.targets[target], expected.targets[target])) << target;
  }
  EXPECT_EQ(got.kernel_known, expected.kernel_known);
  for (std::size_t number = 0; number < kKernelNumbers; ++number) {
    expect_same_call(got.kernel[number], expected.kernel[number], before.kernel[number]);
  }
}

// What happens in an invocation; equal seeds do the same.
class Life {
 public:
  Life(RecordingBuilder& builder, unsigned seed) : builder_(builder), random_(seed) {
    builder.writer().mark_init_end(now(), use());
  }

  void invoke(bool fails = false) {
    Writer& writer = builder_.writer();
    const std::string id = "r" + std::to_string(++sequence_);
    writer.mark_start({id.c_str(), "", "", 0}, &builder_.slot(), 4711, now(), ns_);
    work();
    writer.mark_response(id.c_str(), fails, now());
    writer.mark_end(0, 4711, now(), use());
  }
  void work() {
    Writer& writer = builder_.writer();
    for (std::uint64_t i = up_to(40); i != 0; --i) {
      writer.count_allocation(builder_.slot(), up_to(10'000), up_to(12'000));
      writer.count_free(builder_.slot(), up_to(9'000));
    }
    for (std::uint64_t i = up_to(60); i != 0; --i) {
      const auto call = static_cast<Call>(up_to(kCallCount - 1));
      writer.count_call(up_to(3) == 0 ? nullptr : &builder_.slot(), call,
                        std::uint64_t{1} << up_to(40), up_to(9) == 0, up_to(100'000));
      if (builder_.header().kernel.count != 0) {
        writer.count_kernel(static_cast<std::uint32_t>(up_to(60)), up_to(5000), false, up_to(9));
      }
    }
    shared_add(builder_.header().mappings.maps, up_to(3));
    builder_.slot().in_flight.call = static_cast<std::uint32_t>(up_to(kCallCount));
    builder_.slot().in_flight.started = ns_;
    for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
      const std::uint32_t index = writer.take_target(static_cast<TargetKind>(kind), ++targets_);
      if (index != Writer::kNoTarget) {
        writer.show_target(index);
      }
      const std::uint32_t used = writer.targets_used(static_cast<TargetKind>(kind));
      Target& target =
          writer.target_at(kTargetFirst[kind] + static_cast<std::uint32_t>(up_to(used - 1)));
      target.totals.starts += up_to(5);
      target.totals.failures[2] = static_cast<std::uint16_t>(up_to(70'000));
      target.owned.received += up_to(1'000'000);
    }
  }

 private:
  std::uint64_t up_to(std::uint64_t most) { return random_() % (most + 1); }
  ClockPair now() {
    ns_ += kMs + up_to(kMs);
    return {ns_, ns_};
  }
  ResourceUse use() {
    cpu_ += up_to(900'000);
    return {cpu_, cpu_ / 3, up_to(1U << 30U), cpu_ / 1000, 1, 2, 3};
  }

  RecordingBuilder& builder_;
  std::mt19937_64 random_;
  std::uint64_t sequence_ = 0;
  std::uint64_t targets_ = 0;
  std::uint64_t ns_ = 5'000'000'000'000;
  std::uint64_t cpu_ = 0;
};

class TrailTest : public ::testing::Test {
 protected:
  explicit TrailTest(bool exact = false)
      : batch_(path("batch"), "", exact, false, true),
        plain_(path("plain"), "", exact),
        referee_(opens(path("plain"))) {}

  std::string path(const char* name) const { return temporary_.path() + "/" + name; }
  Trail& trail() { return *batch_.writer().trail(); }
  // Both live on; what the referee's boundaries say is kept.
  void live(std::size_t invocations) {
    if (!lives_[0]) {
      lives_[0] = std::make_unique<Life>(batch_, 7);
      lives_[1] = std::make_unique<Life>(plain_, 7);
      expected_.push_back(referee_.boundary(0));
    }
    for (std::size_t i = 0; i < invocations; ++i) {
      lives_[0]->invoke();
      lives_[1]->invoke();
      expected_.push_back(referee_.boundary(expected_.size()));
      ASSERT_NE(expected_.back(), nullptr);
    }
  }
  void expect_true(Reader& reader, std::uint64_t sequence) {
    const auto got = reader.boundary(sequence);
    ASSERT_NE(got, nullptr) << sequence;
    expect_same(*got, *expected_[sequence], sequence == 0 ? Totals{} : *expected_[sequence - 1]);
  }

  TemporaryDirectory temporary_;
  RecordingBuilder batch_;
  RecordingBuilder plain_;
  Reader referee_;
  std::unique_ptr<Life> lives_[2];
  std::vector<std::unique_ptr<Totals>> expected_;  // by sequence
};

class ExactTrailTest : public TrailTest {
 protected:
  ExactTrailTest() : TrailTest(true) {}
};

TEST_F(TrailTest, OnlyRecordingsThatAreReportedInBatchesHaveOne) {
  EXPECT_EQ(plain_.writer().trail(), nullptr);
  EXPECT_FALSE(plain_.writer().is_trail_due());
  EXPECT_EQ(file_bytes({false, false, false}), kFileBytes);
  EXPECT_EQ(batch_.header().file_bytes, page_up(kFileBytes + sizeof(Trail)));
}

TEST_F(TrailTest, EveryBoundaryIsToldToTheLastNumber) {
  Reader reader = opens(path("batch"));
  live(100);
  for (std::uint64_t sequence = 0; sequence <= 100; ++sequence) {
    expect_true(reader, sequence);
  }
  EXPECT_EQ(reader.boundary(101), nullptr);
  EXPECT_EQ(reader.dropped_count(), 0U);
}

TEST_F(ExactTrailTest, TheKernelsCallsToo) {
  Reader reader = opens(path("batch"));
  live(60);
  for (std::uint64_t sequence = 0; sequence <= 60; ++sequence) {
    expect_true(reader, sequence);
  }
}

TEST_F(TrailTest, TheRingGoesRoundManyTimes) {
  Reader reader = opens(path("batch"));
  std::uint64_t sequence = 0;
  while (trail().index[(trail().entries - 1) % kTrailEntries].until <
         std::uint64_t{3} * kTrailBytes) {
    live(50);
    for (; sequence < expected_.size(); ++sequence) {
      expect_true(reader, sequence);
    }
  }
  EXPECT_GT(sequence, 2 * kTrailEntries);
  EXPECT_EQ(reader.dropped_count(), 0U);
}

TEST_F(TrailTest, TheFirstReaderMayBeKilledAndTheNextOneGoesOn) {
  live(90);
  Reader first = opens(path("batch"));
  expect_true(first, 40);
  Reader second = opens(path("batch"));
  for (std::uint64_t sequence = 41; sequence <= 90; ++sequence) {
    expect_true(second, sequence);
  }
}

// Nobody looked for so long that the ring has gone round: what is left counts back from a whole
// boundary.
TEST_F(TrailTest, WhatWasOverwrittenIsNotThereAndTheRestIsTrue) {
  Reader reader = opens(path("batch"));
  live(3000);
  std::uint64_t first = 0;
  std::unique_ptr<Totals> got;
  for (; (got = reader.boundary(first)) == nullptr; ++first) {
  }
  EXPECT_GE(first, 3000 - kTrailEntries);
  EXPECT_LE(first, 3000 - kInvocations);
  EXPECT_TRUE(same(got->memory, expected_[first]->memory));  // what it counts from
  EXPECT_EQ(got->calls[3].calls, expected_[first]->calls[3].calls);
  EXPECT_EQ(got->calls[3].max_ticks, 0U);  // not known
  for (std::uint64_t sequence = first + 1; sequence <= 3000; ++sequence) {
    expect_true(reader, sequence);
  }
  live(30);
  for (std::uint64_t sequence = 3001; sequence <= 3030; ++sequence) {
    expect_true(reader, sequence);
  }
}

// The writer was killed, or writes right now.
TEST_F(TrailTest, AnEntryIsThereOnlyOnceItIsWhole) {
  live(10);
  trail().index[10 % kTrailEntries].mark = 0;
  Reader reader = opens(path("batch"));
  for (std::uint64_t sequence = 0; sequence <= 6; ++sequence) {
    EXPECT_EQ(reader.boundary(sequence), nullptr) << sequence;  // nothing vouches for those before
  }
  for (std::uint64_t sequence = 7; sequence <= 10; ++sequence) {
    expect_true(reader, sequence);  // whole boundaries
  }
}

TEST_F(TrailTest, WhatIsClaimedIsNotRead) {
  live(10);
  trail().claimed = trail().index[5].from + kTrailBytes + 1;
  Reader reader = opens(path("batch"));
  for (std::uint64_t sequence = 0; sequence <= 4; ++sequence) {
    EXPECT_EQ(reader.boundary(sequence), nullptr) << sequence;
  }
  for (std::uint64_t sequence = 6; sequence <= 10; ++sequence) {
    expect_true(reader, sequence);
  }
}

TEST_F(TrailTest, NonsenseIsDroppedAndCounted) {
  live(20);
  std::memset(trail().bytes + trail().index[8].from, 0xFF, 40);
  Reader reader = opens(path("batch"));
  for (std::uint64_t sequence = 0; sequence <= 7; ++sequence) {
    expect_true(reader, sequence);
  }
  EXPECT_EQ(reader.boundary(8), nullptr);
  for (std::uint64_t sequence = 9; sequence <= 20; ++sequence) {
    expect_true(reader, sequence);
  }
  EXPECT_THAT(reader.dropped(), Contains(HasSubstr("trail: ")));
}

TEST_F(TrailTest, TheWriterWaitsForAReaderThatIsBehindAndOnlyForThatOne) {
  Reader reader = opens(path("batch"));
  ToldMark mark;
  const auto tell = [&](std::uint64_t next) {
    mark.tell(reader.descriptor(), reader.header(), next);
  };
  Writer& writer = batch_.writer();
  live(200);
  EXPECT_FALSE(writer.is_reader_behind());  // nobody reads
  tell(200 - kTrailBehind + 1);
  EXPECT_FALSE(writer.is_reader_behind());
  live(1);
  EXPECT_TRUE(writer.is_reader_behind());
  writer.stop_waiting_for_reader();  // in vain: not again
  live(50);
  EXPECT_FALSE(writer.is_reader_behind());
  tell(200 - kTrailBehind + 2);
  EXPECT_TRUE(writer.is_reader_behind());
  tell(250);
  EXPECT_FALSE(writer.is_reader_behind());
  tell(~std::uint64_t{0});  // no sense is no reason to wait
  EXPECT_FALSE(writer.is_reader_behind());
}

TEST_F(TrailTest, WhereSeveralInvocationsRunAtOnceNobodyWaits) {
  Reader reader = opens(path("batch"));
  ToldMark mark;
  mark.tell(reader.descriptor(), reader.header(), 1);
  live(120);
  EXPECT_TRUE(batch_.writer().is_reader_behind());
  batch_.header().flags |= kFlagConcurrent;
  EXPECT_FALSE(batch_.writer().is_reader_behind());
}

TEST_F(TrailTest, AReaderWritesNothingIntoARecordingWithoutOne) {
  Reader reader = opens(path("plain"));
  const std::string before = bytes_of(path("plain"));
  ToldMark mark;
  mark.tell(reader.descriptor(), reader.header(), 5);
  EXPECT_EQ(bytes_of(path("plain")), before);
  EXPECT_FALSE(plain_.writer().is_reader_behind());
}

TEST_F(TrailTest, TheCompanionIsWokenAfterInitAndNowAndThen) {
  live(0);
  EXPECT_TRUE(batch_.writer().is_trail_due());
  int woken = 0;
  for (std::uint64_t i = 0; i + 1 < kTrailDueEntries; ++i) {
    live(1);
    woken += batch_.writer().is_trail_due() ? 1 : 0;
  }
  EXPECT_EQ(woken, 0);
  live(1);
  EXPECT_TRUE(batch_.writer().is_trail_due());
  EXPECT_FALSE(batch_.writer().is_trail_due());
  for (std::uint64_t i = 0; i < kTrailDueErrors; ++i) {
    EXPECT_FALSE(batch_.writer().is_trail_due());
    lives_[0]->invoke(true);
  }
  EXPECT_TRUE(batch_.writer().is_trail_due());
}

}  // namespace
}  // namespace lamprey::recording
