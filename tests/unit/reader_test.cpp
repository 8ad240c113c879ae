// The reader against what a process writes and against what no process would.
#include "recording/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "recording/reader_directory.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::recording {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using ::testing::HasSubstr;

class ReaderTest : public ::testing::Test {
 protected:
  std::string path(const char* name = "1.rec") const { return directory_.path() + "/" + name; }
  Failure fails(const std::string& path) {
    Failure failure;
    EXPECT_FALSE(Reader::open(path, failure)) << path;
    EXPECT_EQ(failure.text.find('\n'), std::string::npos);
    EXPECT_THAT(failure.text, HasSubstr(path));
    return failure;
  }
  Reader opens(const std::string& path) {
    Failure failure;
    auto reader = Reader::open(path, failure);
    EXPECT_TRUE(reader) << failure.text;
    return std::move(*reader);
  }
  // Init ended a second after the attach began, at so many ticks.
  static void use_tsc(RecordingBuilder& builder, std::uint64_t ticks_at_init_end) {
    builder.header().clock = Clock::kTsc;
    builder.header().attach_begin = {1000, 500};
    builder.header().attach_end = {1300, 600};
    builder.header().init_end = {ticks_at_init_end, 1'000'000'500};
  }
  TemporaryDirectory directory_;
};

// Two clocks of one speed, 1000 apart; before each reading time passes.
struct TwoClocks {
  std::vector<std::uint64_t> pauses;
  std::uint64_t now = 5000;
  std::size_t at = 0;
  std::uint64_t read() { return now += at < pauses.size() ? pauses[at++] : 10; }
  ClockPair pair() {
    return closest_pair([this] { return read(); }, [this] { return read() + 1000; }, 100);
  }
};

TEST(ClockPairTest, WhoLosesTheCpuBetweenTheReadingsTriesAgain) {
  EXPECT_EQ(TwoClocks{}.pair().mono_ns - TwoClocks{}.pair().ticks, 1000U);
  TwoClocks paused{{10, 9000, 10}};
  const ClockPair pair = paused.pair();
  EXPECT_EQ(pair.mono_ns - pair.ticks, 1000U);
  EXPECT_EQ(paused.at, 3U);
}

TEST(ClockPairTest, OfReadingsThatAreAllApartTheClosestCount) {
  TwoClocks slow{{10, 900, 900, 10, 300, 300, 10, 500, 500, 10, 700, 700, 10, 1, 1}};
  const ClockPair pair = slow.pair();
  EXPECT_EQ(pair.mono_ns - pair.ticks, 1000U);
  EXPECT_EQ(slow.at, 12U);
}

TEST_F(ReaderTest, ReadsWhatTheWriterWrote) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one", 3);
  Reader reader = opens(path());
  EXPECT_EQ(reader.header().started, 1U);
  const auto entries = reader.invocations();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_STREQ(entries[0].request_id, "one");
  EXPECT_EQ(entries[0].state, InvocationState::kEnded);
  const auto init = reader.boundary(0);
  const auto first = reader.boundary(1);
  ASSERT_TRUE(init && first);
  EXPECT_EQ(init->memory.allocations, 0U);
  EXPECT_EQ(first->memory.allocations, 3U);
  EXPECT_EQ(first->memory.live_bytes, 312);
  EXPECT_EQ(first->calls[static_cast<std::size_t>(Call::k_read)].bytes, 10U);
  EXPECT_EQ(reader.boundary(2), nullptr);
  EXPECT_TRUE(reader.dropped().empty());
}

TEST_F(ReaderTest, LiveTotalsSumSlotsAndRowsAndCallsInFlight) {
  RecordingBuilder builder(path());
  ThreadSlot* other = builder.writer().take_slot(4712);
  builder.writer().count_allocation(builder.slot(), 100, 112);
  builder.writer().count_free(*other, 16);
  builder.writer().shared_allocation(50, 64);
  builder.writer().count_call(&builder.slot(), Call::k_read, 7, false, 1);
  builder.writer().count_call(nullptr, Call::k_read, 8, true, 0);
  const std::uint64_t now = monotonic_ns();
  other->in_flight = {
      static_cast<std::uint32_t>(Call::k_connect) + 1, 3, now - 5'000'000, 0, 0, 0, 0};
  Reader reader = opens(path());
  const auto live = reader.live(now);
  EXPECT_EQ(live->memory.allocations, 2U);
  EXPECT_EQ(live->memory.frees, 1U);
  EXPECT_EQ(live->memory.live_bytes, 160);
  const CallTotals& read = live->calls[static_cast<std::size_t>(Call::k_read)];
  EXPECT_EQ(read.calls, 2U);
  EXPECT_EQ(read.errors, 1U);
  EXPECT_EQ(read.ticks, 15U);
  EXPECT_EQ(live->calls[static_cast<std::size_t>(Call::k_connect)].ticks, 5'000'000U);
  const auto open = reader.open_calls();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].tid, 4712);
  EXPECT_EQ(open[0].call, Call::k_connect);
}

TEST_F(ReaderTest, IdleTimeIsNotInFlightTime) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one");
  const std::uint64_t now = monotonic_ns() + 50'000'000;
  builder.slot().in_flight = {
      static_cast<std::uint32_t>(Call::k_recv) + 1, 3, builder.header().idle_since, 0, 0, 0, 0};
  Reader reader = opens(path());
  EXPECT_EQ(reader.live(now)->calls[static_cast<std::size_t>(Call::k_recv)].ticks, 0U);
}

// A long one, and two short ones beside it with a gap between them.
TEST_F(ReaderTest, NothingIsIdleBesideALongerInvocation) {
  constexpr std::uint64_t kMs = 1'000'000;
  RecordingBuilder builder(path());
  builder.header().flags |= kFlagConcurrent;
  builder.end_init();
  const std::uint64_t begin = monotonic_ns();
  const auto at = [begin](std::uint64_t ms) {
    return ClockPair{begin + (ms * kMs), begin + (ms * kMs)};
  };
  Writer& writer = builder.writer();
  const auto start = [&](const char* id, std::uint64_t ms) {
    writer.mark_start({id, "", "", 0}, nullptr, 7, at(ms), 0);
  };
  const auto end = [&](const char* id, std::uint64_t sequence, std::uint64_t ms) {
    writer.mark_response(id, false, at(ms));
    writer.mark_end(sequence, 7, at(ms));
  };
  start("long", 0);
  start("a", 10);
  end("a", 2, 20);
  start("b", 40);
  end("b", 3, 50);
  builder.slot().in_flight = {
      static_cast<std::uint32_t>(Call::k_recv) + 1, 3, at(0).ticks, 0, 0, 0, 0};
  Reader reader = opens(path());
  const auto recv = static_cast<std::size_t>(Call::k_recv);
  EXPECT_EQ(reader.live(at(100).mono_ns)->calls[recv].ticks, 100 * kMs);
  end("long", 1, 60);
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.live(at(100).mono_ns)->calls[recv].ticks, 60 * kMs);
}

TEST_F(ReaderTest, PeakIsThatOfTheHighestSlotAboveWhatIsPublished) {
  RecordingBuilder builder(path());
  builder.writer().count_allocation(builder.slot(), 4000, 4000);
  builder.writer().count_free(builder.slot(), 4000);
  Reader reader = opens(path());
  EXPECT_EQ(reader.live(monotonic_ns())->peak_live_bytes, 4000);
}

TEST_F(ReaderTest, TicksBecomeNanosecondsThroughTheNewestPair) {
  RecordingBuilder builder(path());
  use_tsc(builder, 3'000'001'000);  // 3 GHz
  Reader reader = opens(path());
  EXPECT_EQ(reader.clock().duration_ns(3000), 1000U);
  EXPECT_EQ(reader.clock().ticks_at(1'000'500), 3'001'000U);
  EXPECT_EQ(reader.clock().duration_ns(UINT64_MAX), UINT64_MAX / 3);
  builder.header().init_end = {5, 5};  // before the attach: no clock
  builder.header().attach_end = {1, 1};
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(opens(path()).clock().duration_ns(77), 77U);
}

TEST_F(ReaderTest, TheNewestPairIsLookedForOncePerLook) {
  RecordingBuilder builder(path());
  use_tsc(builder, 2'000'001'000);  // 2 GHz
  Reader reader = opens(path());
  EXPECT_EQ(reader.clock().duration_ns(2000), 1000U);
  builder.header().init_end = {4'000'001'000, 1'000'000'500};
  EXPECT_EQ(reader.clock().duration_ns(2000), 1000U);
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.clock().duration_ns(2000), 500U);
}

TEST_F(ReaderTest, RefusesWhatIsNotARecordingOfOurs) {
  EXPECT_EQ(fails(path("none.rec")).error, OpenError::kMissing);
  ASSERT_EQ(mkfifo(path("fifo.rec").c_str(), 0600), 0);
  EXPECT_EQ(fails(path("fifo.rec")).error, OpenError::kForeign);
  RecordingBuilder builder(path());
  ASSERT_EQ(symlink(path().c_str(), path("link.rec").c_str()), 0);
  EXPECT_EQ(fails(path("link.rec")).error, OpenError::kForeign);
  builder.header().magic = 0;
  EXPECT_EQ(fails(path()).error, OpenError::kUnfinished);
  builder.header().magic = 42;
  EXPECT_EQ(fails(path()).error, OpenError::kCorrupt);
  builder.header().magic = kMagic;
  builder.header().version = kVersion + 1;
  const Failure failure = fails(path());
  EXPECT_EQ(failure.error, OpenError::kVersion);
  EXPECT_EQ(failure.text, "recording " + path() + " has version 16, this program reads 15");
}

TEST_F(ReaderTest, RefusesAnotherUsersFile) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file to somebody else";
  }
  RecordingBuilder builder(path());
  ASSERT_EQ(chown(path().c_str(), 12345, 12345), 0);
  EXPECT_EQ(fails(path()).error, OpenError::kForeign);
}

TEST_F(ReaderTest, RefusesSectionsThatCannotBe) {
  RecordingBuilder builder(path());
  const Header good = builder.header();
  builder.header().rows.stride = 0;
  EXPECT_EQ(fails(path()).error, OpenError::kCorrupt);
  builder.header().rows = good.rows;
  builder.header().slots.count = 0xFFFFFFFF;
  EXPECT_EQ(fails(path()).error, OpenError::kCorrupt);
  builder.header().slots = good.slots;
  builder.header().invocations.offset = UINT64_MAX - 8;
  EXPECT_EQ(fails(path()).error, OpenError::kCorrupt);
  builder.header().invocations = good.invocations;
  builder.header().call_count = 3;
  EXPECT_EQ(fails(path()).error, OpenError::kCorrupt);
}

TEST_F(ReaderTest, SaysWhatACutFileLost) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one");
  Reader reader = opens(path());
  ASSERT_EQ(truncate(path().c_str(), kRowsOffset), 0);
  Reader late = opens(path());
  EXPECT_FALSE(late.dropped().empty());
  EXPECT_EQ(late.live(monotonic_ns())->memory.allocations, 1U);
  EXPECT_EQ(late.invocations().size(), 1U);
  // Cut under an open reader: nothing dies, what is gone is said.
  ASSERT_EQ(truncate(path().c_str(), 100), 0);
  EXPECT_FALSE(reader.refresh());
  EXPECT_FALSE(reader.wake());
  EXPECT_EQ(reader.boundary(1), nullptr);
  EXPECT_FALSE(reader.invocation(1));
  EXPECT_EQ(reader.live(monotonic_ns())->memory.allocations, 0U);
  EXPECT_GT(reader.dropped_count(), 0U);
  const Failure cut = fails(path());
  EXPECT_EQ(cut.error, OpenError::kCorrupt);
  EXPECT_EQ(cut.text, "recording " + path() + " was cut to 100 bytes, inside its header");
  ASSERT_EQ(truncate(path().c_str(), 0), 0);  // as it is for a moment while it is made
  EXPECT_EQ(fails(path()).error, OpenError::kUnfinished);
}

TEST_F(ReaderTest, DropsForgedEntries) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one");
  builder.invoke("two");
  builder.entry(1).state = static_cast<InvocationState>(99);
  std::memset(builder.entry(2).request_id, 'x', sizeof(builder.entry(2).request_id));
  builder.slot().in_flight.call = kCallCount + 1;
  builder.row(kCallCount).call = 0xFFFF;
  builder.header().slots_used = 0xFFFFFFFF;
  builder.header().rows_used = 0xFFFFFFFF;
  std::memset(builder.header().function_name, 'f', sizeof(builder.header().function_name));
  Reader reader = opens(path());
  EXPECT_EQ(std::strlen(reader.header().function_name), sizeof(Header::function_name) - 1);
  const auto entries = reader.invocations();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(std::strlen(entries[0].request_id), sizeof(Invocation::request_id) - 1);
  EXPECT_TRUE(reader.open_calls().empty());
  reader.live(monotonic_ns());
  EXPECT_GE(reader.dropped_count(), 5U);
  EXPECT_LE(reader.dropped().size(), Reader::kMaxDropped);
  builder.header().started = UINT64_MAX;
  ASSERT_TRUE(reader.refresh());
  EXPECT_TRUE(reader.invocations().empty());
}

TEST_F(ReaderTest, ATornBoundaryIsNone) {
  RecordingBuilder builder(path());
  builder.end_init();
  builder.invoke("one");
  Reader reader = opens(path());
  builder.boundary(1).sequence_end = 0;
  EXPECT_EQ(reader.boundary(1), nullptr);
  builder.boundary(1).sequence_end = 2;
  EXPECT_NE(reader.boundary(1), nullptr);
  builder.boundary(1).sequence_begin = 6;
  EXPECT_EQ(reader.boundary(1), nullptr);
}

// While the ring is written over as fast as a thread can: a copy is of one boundary or none.
TEST_F(ReaderTest, ABoundaryIsNeverCopiedHalf) {
  RecordingBuilder builder(path());
  builder.end_init();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      builder.invoke("request", 1);
    }
  });
  Reader reader = opens(path());
  std::uint64_t copied = 0;
  for (int look = 0; look < 20'000; ++look) {
    reader.refresh();
    const std::uint64_t sequence = reader.header().ended;
    if (const auto totals = reader.boundary(sequence)) {
      ++copied;
      ASSERT_EQ(totals->memory.allocations, sequence);
      ASSERT_EQ(totals->calls[static_cast<std::size_t>(Call::k_read)].calls, sequence);
    }
  }
  done = true;
  writer.join();
  EXPECT_GT(copied, 100U);
}

// The same of the ring of invocations: its oldest entries are those that are written over.
TEST_F(ReaderTest, AnInvocationIsNeverCopiedHalf) {
  RecordingBuilder builder(path());
  builder.end_init();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t i = 1; !done; ++i) {
      builder.start(std::to_string(i));
      builder.end();
    }
  });
  Reader reader = opens(path());
  std::uint64_t copied = 0;
  for (int look = 0; look < 1'000'000 && copied < 60'000; ++look) {
    reader.refresh();
    const std::uint64_t started = reader.header().started;
    for (std::uint64_t back = kInvocations; started > back && back > kInvocations - 4; --back) {
      const std::uint64_t sequence = started - back;
      if (const auto entry = reader.invocation(sequence)) {
        ++copied;
        ASSERT_EQ(entry->request_id, std::to_string(sequence));
      }
    }
  }
  done = true;
  writer.join();
  EXPECT_GT(copied, 100U);
}

TEST_F(ReaderTest, MakesOnlyADirectoryOfItsOwn) {
  const std::string fresh = directory_.path() + "/lamprey";
  EXPECT_EQ(make_directory(fresh), "");
  EXPECT_EQ(make_directory(fresh), "");
  struct stat status {};
  ASSERT_EQ(stat(fresh.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(symlink(fresh.c_str(), path("link").c_str()), 0);
  EXPECT_THAT(make_directory(path("link")), HasSubstr("symbolic link"));
  EXPECT_TRUE(list_recordings(path("link")).empty());
  RecordingBuilder one(fresh + "/7.rec");
  RecordingBuilder two(fresh + "/.rec");
  EXPECT_THAT(list_recordings(fresh),
              ::testing::ElementsAre(::testing::Field(&Listed::path, fresh + "/7.rec")));
}

}  // namespace
}  // namespace lamprey::recording
