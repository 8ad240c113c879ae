// The writing side of a recording: counters, slots, rows, marks, boundaries, idle time.
#include "recording/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "tests/unit/recording_fixture.h"

namespace lamprey::recording {
namespace {

// Empty where the call was never made.
CallTotals totals_of(const Boundary& boundary, Call call) {
  for (std::uint32_t place = 0; place < boundary.calls_used; ++place) {
    if (boundary.calls[place].call == static_cast<std::uint32_t>(call)) {
      return boundary.calls[place].totals;
    }
  }
  return {};
}

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() { writer_.bind(memory_.base()); }

  std::uint64_t start(const char* id, std::uint64_t ticks) {
    return writer_.mark_start({id, "Root=1-2-3", "arn:aws:lambda:eu-west-1:1:function:f", 1234},
                              nullptr, 7, {ticks, ticks}, 99);
  }
  std::int64_t peak() {
    std::int64_t highest = memory_.header().peak_live;
    for (std::size_t i = 1; i < memory_.header().slots_used && i < kThreadSlots; ++i) {
      const ThreadSlot& slot = memory_.slot(i);
      highest = std::max(highest, memory_.header().live_published + slot.peak - slot.published);
    }
    return highest;
  }

  test::RecordingMemory memory_;
  Writer writer_;
};

TEST(BucketTest, EveryDurationIsInTheBucketThatHoldsIt) {
  for (std::uint32_t bucket = 0; bucket + 1 < kBuckets; ++bucket) {
    EXPECT_EQ(bucket_of(bucket_floor(bucket)), bucket);
    EXPECT_EQ(bucket_of(bucket_floor(bucket + 1) - 1), bucket);
  }
  EXPECT_EQ(bucket_of(0), 0U);
  EXPECT_EQ(bucket_of(~std::uint64_t{0}), kBuckets - 1);
}

TEST(BucketTest, GeometricMiddleIsWithinTwelvePercent) {
  for (std::uint32_t bucket = 1; bucket + 1 < kBuckets; ++bucket) {
    const auto low = static_cast<double>(bucket_floor(bucket));
    const auto high = static_cast<double>(bucket_floor(bucket + 1));
    EXPECT_LT((high / low) - 1, 0.2501) << bucket;  // so sqrt is below 1.119
  }
}

TEST_F(WriterTest, WhatTheProgramDidLastIsOfThisInvocation) {
  start("a", 100);
  const_cast<Header&>(memory_.header()).last_program_stack = 7;
  writer_.mark_response("a", false, {200, 200});
  EXPECT_EQ(memory_.header().last_program_stack, 7U);
  start("b", 300);
  EXPECT_EQ(memory_.header().last_program_stack, 0U);
}

TEST_F(WriterTest, MemoryCountersAndPeakAreExactForOneThread) {
  ThreadSlot* slot = writer_.take_slot(1);
  ASSERT_NE(slot, nullptr);
  std::int64_t live = 0;
  std::int64_t expected_peak = 0;
  unsigned seed = 1;
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 20000; ++i) {
    seed = (seed * 1103515245U) + 12345U;
    if (!blocks.empty() && (seed >> 16) % 5 < 2) {
      writer_.count_free(*slot, blocks.back());
      live -= static_cast<std::int64_t>(blocks.back());
      blocks.pop_back();
    } else {
      const std::uint64_t size = 16 + ((seed >> 8) % 3000);
      writer_.count_allocation(*slot, size - 3, size);
      blocks.push_back(size);
      live += static_cast<std::int64_t>(size);
    }
    expected_peak = std::max(expected_peak, live);
    ASSERT_EQ(writer_.live_bytes(), live);
    ASSERT_EQ(peak(), expected_peak) << "after event " << i;
  }
  EXPECT_EQ(slot->memory.allocations + slot->memory.frees, 20000U);
}

TEST_F(WriterTest, PeakStartsAnewWithEachInvocation) {
  ThreadSlot* slot = writer_.take_slot(1);
  writer_.count_allocation(*slot, 100000, 100000);
  writer_.count_free(*slot, 100000);
  writer_.count_allocation(*slot, 500, 512);
  EXPECT_EQ(peak(), 100000);
  writer_.mark_init_end({10, 10}, {});
  start("a", 20);
  EXPECT_EQ(peak(), 512);
  writer_.count_allocation(*slot, 1000, 1008);
  writer_.count_free(*slot, 1008);
  writer_.mark_end(1, 7, {30, 30}, {});
  EXPECT_EQ(memory_.boundary(1).peak_live_bytes, 1520);
}

TEST_F(WriterTest, ReallocationMovesLiveBytesBothWays) {
  ThreadSlot* slot = writer_.take_slot(1);
  writer_.count_allocation(*slot, 100, 104);
  writer_.count_reallocation(*slot, 5000, 104, 5008);
  EXPECT_EQ(writer_.live_bytes(), 5008);
  writer_.count_reallocation(*slot, 10, 5008, 24);
  EXPECT_EQ(writer_.live_bytes(), 24);
  EXPECT_EQ(slot->memory.reallocations, 2U);
  EXPECT_EQ(slot->memory.allocated_bytes, 5110U);
  EXPECT_EQ(slot->memory.freed_bytes, 5112U);
}

TEST_F(WriterTest, SlotsAreReusedAndKeepTotals) {
  for (int i = 0; i < 3000; ++i) {
    ThreadSlot* slot = writer_.take_slot(i + 1);
    ASSERT_NE(slot, nullptr) << i;
    writer_.count_allocation(*slot, 10, 24);
    writer_.count_call(slot, Call::k_read, 100, false, 5);
    writer_.give_back(*slot);
  }
  EXPECT_EQ(memory_.header().slots_used, 2U);
  EXPECT_EQ(memory_.slot(1).memory.allocations, 3000U);
  EXPECT_EQ(memory_.calls(Call::k_read), 3000U);
  EXPECT_EQ(memory_.header().threads_without_slot, 0U);
}

TEST_F(WriterTest, MoreThreadsThanSlotsLoseNothing) {
  constexpr int kThreads = 64;
  constexpr int kEach = 5000;
  std::vector<ThreadSlot*> taken;
  while (ThreadSlot* slot = writer_.take_slot(1)) {
    taken.push_back(slot);
  }
  EXPECT_EQ(taken.size(), kThreadSlots - 1);
  EXPECT_EQ(memory_.header().threads_without_slot, 1U);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach; ++i) {
        writer_.shared_allocation(8, 24);
        writer_.count_call(nullptr, Call::k_write, 50, i % 2 == 0, 3);
        writer_.shared_free(24);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(memory_.slot(0).memory.allocations, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(memory_.calls(Call::k_write), std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(writer_.live_bytes(), 0);
}

TEST_F(WriterTest, RowsRunOutIntoTheSharedOnes) {
  std::vector<ThreadSlot*> slots;
  while (ThreadSlot* slot = writer_.take_slot(1)) {
    slots.push_back(slot);
  }
  std::uint64_t counted = 0;
  for (ThreadSlot* slot : slots) {
    for (std::uint32_t call = 0; call < kCallCount; ++call) {
      writer_.count_call(slot, static_cast<Call>(call), 10, false, 0);
      writer_.count_call(slot, static_cast<Call>(call), 10, false, 0);
      counted += 2;
    }
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kCallRows; ++i) {
    sum += memory_.row(i).totals.calls;
  }
  EXPECT_EQ(sum, counted);
  EXPECT_GT(memory_.header().rows_refused, 0U);
}

TEST_F(WriterTest, BoundaryHoldsTotalsAndForgetsTheMaximum) {
  ThreadSlot* slot = writer_.take_slot(1);
  writer_.count_call(slot, Call::k_recv, 5000, false, 10);
  writer_.count_call(slot, Call::k_recv, 100, true, 0);
  writer_.mark_init_end({10, 10}, {});
  const CallTotals recv = totals_of(memory_.boundary(0), Call::k_recv);
  EXPECT_EQ(recv.calls, 2U);
  EXPECT_EQ(recv.errors, 1U);
  EXPECT_EQ(recv.bytes, 10U);
  EXPECT_EQ(recv.ticks, 5100U);
  EXPECT_EQ(recv.max_ticks, 5000U);
  EXPECT_EQ(recv.buckets[bucket_of(5000)], 1U);
  start("a", 20);
  writer_.count_call(slot, Call::k_recv, 300, false, 1);
  ASSERT_TRUE(writer_.mark_end(1, 7, {40, 40}, {}));
  const CallTotals later = totals_of(memory_.boundary(1), Call::k_recv);
  EXPECT_EQ(later.calls, 3U);
  EXPECT_EQ(later.max_ticks, 300U);
  EXPECT_EQ(memory_.boundary(1).sequence_begin, memory_.boundary(1).sequence_end);
}

TEST_F(WriterTest, SlotsOfThreadsThatWentWithoutAWordAreFoundWhenAllAreInUse) {
  static int asked;
  asked = 0;
  const Writer::IsGone odd_ones = [](std::int32_t tid) {
    ++asked;
    return tid % 2 == 1;
  };
  for (std::uint32_t tid = 1; tid < kThreadSlots; ++tid) {
    ThreadSlot* slot = writer_.take_slot(static_cast<std::int32_t>(tid), odd_ones);
    ASSERT_NE(slot, nullptr);
    writer_.count_allocation(*slot, 10, 16);
  }
  EXPECT_EQ(asked, 0);
  for (std::uint32_t i = 0; i < kThreadSlots / 2; ++i) {
    EXPECT_NE(writer_.take_slot(2000, odd_ones), nullptr) << i;
  }
  EXPECT_EQ(asked, kThreadSlots - 1);
  EXPECT_EQ(memory_.header().threads_without_slot, 0U);
  EXPECT_EQ(writer_.live_bytes(), 16 * (kThreadSlots - 1));  // what they counted stays
  // Of living threads only: asked at the first refusal, and then at each 64th.
  for (int i = 0; i < 65; ++i) {
    EXPECT_EQ(writer_.take_slot(2000, odd_ones), nullptr);
  }
  EXPECT_EQ(asked, 3 * (kThreadSlots - 1));
  EXPECT_EQ(memory_.header().threads_without_slot, 65U);
}

// The ring comes round: what a boundary said of calls four ENDs ago is gone, also of one that was
// only ever in flight.
TEST_F(WriterTest, BoundariesHoldOnlyTheCallsThatWereMade) {
  ThreadSlot* slot = writer_.take_slot(1);
  writer_.count_call(slot, Call::k_recv, 100, false, 1);
  writer_.mark_init_end({10, 10}, {});
  EXPECT_EQ(memory_.boundary(0).calls_used, 1U);
  start("a", 20);
  slot->in_flight.started = 30;
  slot->in_flight.call = static_cast<std::uint32_t>(Call::k_accept) + 1;
  ASSERT_TRUE(writer_.mark_end(1, 7, {40, 40}, {}));
  EXPECT_EQ(memory_.boundary(1).calls_used, 2U);
  EXPECT_EQ(totals_of(memory_.boundary(1), Call::k_accept).ticks, 10U);
  slot->in_flight.call = 0;  // a longjmp left it: it is never counted
  for (std::uint64_t sequence = 2; sequence <= 5; ++sequence) {
    start("b", sequence * 100);
    ASSERT_TRUE(writer_.mark_end(sequence, 7, {(sequence * 100) + 50, 1}, {}));
  }
  EXPECT_EQ(memory_.boundary(5).sequence_begin, 6U);
  EXPECT_EQ(totals_of(memory_.boundary(5), Call::k_accept).ticks, 0U);
  EXPECT_EQ(totals_of(memory_.boundary(5), Call::k_recv).calls, 1U);
}

TEST_F(WriterTest, FailuresAreCountedByTheirNumber) {
  const auto count_of = [this](Call call, std::int32_t error) {
    std::uint64_t count = 0;
    for (const CallError& entry : memory_.header().call_errors) {
      count +=
          entry.key == call_error_key(static_cast<std::uint32_t>(call), error) ? entry.count : 0;
    }
    return count;
  };
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < 1000; ++n) {
        writer_.count_error(Call::k_open, ENOENT);
        writer_.count_error(Call::k_read, n % 2 == 0 ? EAGAIN : EINTR);
      }
      writer_.count_error(Call::k_getaddrinfo, -2);
      writer_.count_error(Call::k_open, 0);  // says nothing
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(count_of(Call::k_open, ENOENT), 4000U);
  EXPECT_EQ(count_of(Call::k_read, EAGAIN), 2000U);
  EXPECT_EQ(count_of(Call::k_read, EINTR), 2000U);
  EXPECT_EQ(count_of(Call::k_getaddrinfo, -2), 4U);
  EXPECT_EQ(count_of(Call::k_open, 0), 0U);
  for (std::int32_t error = 1; error < 100; ++error) {
    writer_.count_error(Call::k_connect, error);  // more than there is room for
  }
  writer_.count_error(Call::k_open, ENOENT);
  EXPECT_EQ(count_of(Call::k_open, ENOENT), 4001U);
  EXPECT_EQ(count_of(Call::k_connect, 44), 1U);
  EXPECT_EQ(count_of(Call::k_connect, 99), 0U);
}

TEST_F(WriterTest, MarksMakeAnInvocation) {
  writer_.mark_init_end({10, 11}, {});
  EXPECT_EQ(start("req-1", 20), 1U);
  const Invocation& entry = memory_.invocation(1);
  EXPECT_EQ(entry.state, InvocationState::kStarted);
  EXPECT_STREQ(entry.request_id, "req-1");
  EXPECT_EQ(entry.deadline_ms, 1234U);
  writer_.mark_response("somebody-else", false, {25, 25});
  EXPECT_EQ(entry.state, InvocationState::kStarted);
  writer_.mark_response("req-1", true, {30, 30});
  EXPECT_EQ(entry.state, InvocationState::kResponded);
  EXPECT_EQ(entry.flags & kInvocationError, kInvocationError);
  const std::uint32_t wake = memory_.header().wake;
  EXPECT_TRUE(writer_.mark_end(1, 7, {40, 40}, {}));
  EXPECT_EQ(entry.state, InvocationState::kEnded);
  EXPECT_GT(memory_.header().wake, wake);
  EXPECT_FALSE(writer_.mark_end(1, 7, {50, 50}, {}));  // nothing is open
  EXPECT_EQ(memory_.header().ended, 1U);
}

TEST_F(WriterTest, EndFindsTheAnsweredInvocationWithoutAConnection) {
  writer_.mark_init_end({10, 10}, {});
  start("a", 20);
  start("b", 21);
  writer_.mark_response("a", false, {30, 30});
  EXPECT_TRUE(writer_.mark_end(0, 7, {40, 40}, {}));
  EXPECT_EQ(memory_.invocation(1).state, InvocationState::kEnded);
  EXPECT_EQ(memory_.invocation(2).state, InvocationState::kStarted);
}

TEST_F(WriterTest, FirstRequestOfAnotherWorkerEndsNothing) {
  writer_.mark_init_end({10, 10}, {});
  start("a", 20);  // taken by thread 7
  EXPECT_FALSE(writer_.mark_end(0, 8, {30, 30}, {}));
  EXPECT_EQ(memory_.invocation(1).state, InvocationState::kStarted);
  EXPECT_TRUE(writer_.mark_end(0, 7, {40, 40}, {}));
}

TEST_F(WriterTest, RequestIdsLongerThanTheFieldAreCut) {
  writer_.mark_init_end({10, 10}, {});
  const std::string long_id(500, 'x');
  start(long_id.c_str(), 20);
  EXPECT_EQ(std::string(memory_.invocation(1).request_id).size(),
            sizeof(Invocation::request_id) - 1);
}

TEST_F(WriterTest, IdleTimeIsNobodys) {
  constexpr std::uint64_t kMillion = 1'000'000;
  writer_.mark_init_end({1 * kMillion, 1}, {});
  EXPECT_EQ(writer_.busy_between(kMillion / 2, 5 * kMillion), kMillion / 2);  // still idle
  start("a", 3 * kMillion);
  writer_.mark_end(1, 7, {4 * kMillion, 4}, {});
  start("b", 9 * kMillion);
  // A background call over two idle intervals: 0.5 of init, 1 of a, 1 of b.
  EXPECT_EQ(writer_.busy_between(kMillion / 2, 10 * kMillion), 5 * kMillion / 2);
  EXPECT_EQ(writer_.busy_between(5 * kMillion, 6 * kMillion), 0U);
  EXPECT_EQ(writer_.busy_between(9 * kMillion, 9 * kMillion + 50), 50U);
}

TEST_F(WriterTest, CallInFlightIsSharedBetweenInvocations) {
  constexpr std::uint64_t kMillion = 1'000'000;
  ThreadSlot* slot = writer_.take_slot(1);
  writer_.mark_init_end({kMillion, 1}, {});
  start("a", 2 * kMillion);
  slot->in_flight.started = 2 * kMillion;
  slot->in_flight.call = static_cast<std::uint32_t>(Call::k_poll) + 1;
  writer_.mark_end(1, 7, {5 * kMillion, 5}, {});
  EXPECT_EQ(totals_of(memory_.boundary(1), Call::k_poll).ticks, 3 * kMillion);
  start("b", 9 * kMillion);
  slot->in_flight.call = 0;
  writer_.count_call(slot, Call::k_poll, writer_.busy_between(2 * kMillion, 10 * kMillion), false,
                     0);
  writer_.mark_end(2, 7, {11 * kMillion, 11}, {});
  const std::uint64_t second = totals_of(memory_.boundary(2), Call::k_poll).ticks -
                               totals_of(memory_.boundary(1), Call::k_poll).ticks;
  EXPECT_EQ(second, kMillion);  // from the start of b to its return
}

TEST_F(WriterTest, RingKeepsTheNewestInvocations) {
  writer_.mark_init_end({10, 10}, {});
  constexpr std::uint64_t kCount = 3 * std::uint64_t{kInvocations};
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    const std::string id = "id-" + std::to_string(i);
    EXPECT_EQ(start(id.c_str(), 100 * i), i);
    writer_.mark_end(i, 7, {(100 * i) + 50, 1}, {});
  }
  EXPECT_EQ(memory_.header().ended, kCount);
  EXPECT_STREQ(memory_.invocation(kCount).request_id, "id-384");
}

// More others start while it runs than the ring has room for. Nothing is known of it any more, but
// that is all: what comes after it is idle, and as many have ended as have started.
TEST_F(WriterTest, AnInvocationThatTheRingOverrunsIsGivenUp) {
  constexpr std::uint64_t kMillion = 1'000'000;
  const_cast<Header&>(memory_.header()).flags |= kFlagConcurrent;
  writer_.mark_init_end({kMillion, 1}, {});
  start("long", 2 * kMillion);
  std::uint64_t now = 3 * kMillion;
  for (std::uint64_t sequence = 2; sequence <= kInvocations + 10; ++sequence) {
    const std::string id = "id-" + std::to_string(sequence);
    ASSERT_EQ(start(id.c_str(), now), sequence);
    ASSERT_EQ(writer_.mark_response(id.c_str(), false, {now + 1, 1}), sequence);
    ASSERT_TRUE(writer_.mark_end(sequence, 7, {now + kMillion, 1}, {}));
    now += 2 * kMillion;
  }
  EXPECT_EQ(memory_.header().started, memory_.header().ended);
  EXPECT_EQ(writer_.busy_between(now, now + kMillion), 0U);
  EXPECT_EQ(writer_.mark_response("long", false, {now, 1}), 0U);
  EXPECT_FALSE(writer_.mark_end(1, 7, {now, 1}, {}));
  start("next", now + kMillion);
  EXPECT_EQ(writer_.busy_between(now, now + 2 * kMillion), kMillion);
  EXPECT_EQ(memory_.header().started, memory_.header().ended + 1);
}

// A second worker that asks for its first work when the first one has got some already.
TEST_F(WriterTest, InitEndsOnce) {
  constexpr std::uint64_t kMillion = 1'000'000;
  writer_.mark_init_end({kMillion, 1}, {});
  start("a", 2 * kMillion);
  writer_.mark_init_end({3 * kMillion, 3}, {});
  EXPECT_EQ(writer_.busy_between(4 * kMillion, 5 * kMillion), kMillion);
  EXPECT_EQ(memory_.header().init_end.ticks, kMillion);
}

// Of two workers each starts and ends what is its own. While one's runs nothing is idle, whatever
// the other does.
TEST_F(WriterTest, NothingIsIdleWhileAnInvocationRuns) {
  constexpr int kRounds = 150'000;
  constexpr std::uint64_t kLong = 2 * kLongCallTicks;
  std::atomic<std::uint64_t> clock{kLong};
  std::atomic<int> idle{0};
  std::array<std::atomic<int>, 2> rounds{};
  writer_.mark_init_end({clock, 1}, {});
  const auto work = [&](std::int32_t tid) {
    std::atomic<int>& own = rounds[static_cast<std::size_t>(tid % 2)];
    const std::atomic<int>& others = rounds[static_cast<std::size_t>((tid + 1) % 2)];
    for (int round = 0; round < kRounds; own = ++round) {
      // The ring has room for 128: whoever has no CPU is not overrun, which is another test's
      // subject.
      while (round - others > 60) {
        std::this_thread::yield();
      }
      const std::uint64_t began = clock.fetch_add(kLong);
      const std::uint64_t sequence =
          writer_.mark_start({"id", "", "", 1}, nullptr, tid, {began, 1}, 1);
      const std::uint64_t now = clock.fetch_add(3 * kLong);
      const bool busy = writer_.busy_between(now + kLong, now + (2 * kLong)) == kLong;
      idle += busy ? 0 : 1;
      writer_.mark_end(sequence, tid, {clock.fetch_add(kLong), 1}, {});
    }
  };
  std::thread other(work, 8);
  work(7);
  other.join();
  EXPECT_EQ(idle, 0);
  EXPECT_EQ(memory_.header().ended, std::uint64_t{2} * kRounds);
  const std::uint64_t end = clock;
  EXPECT_EQ(writer_.busy_between(end, end + kLong), 0U);
}

}  // namespace
}  // namespace lamprey::recording
