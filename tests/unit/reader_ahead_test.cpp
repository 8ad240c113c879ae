// What is copied ahead of a report is what would be read piece by piece, and no older than the mark
// by which it is known to be whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "recording/reader.h"
#include "report/ledger/ledger.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::recording {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;

class ReaderAheadTest : public ::testing::Test {
 protected:
  ReaderAheadTest() : builder_(directory_.path() + "/77.rec") { builder_.end_init(); }
  Reader reader() {
    Failure failure;
    auto reader = Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return std::move(*reader);
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(ReaderAheadTest, EveryInvocationIsReadAsPieceByPiece) {
  Reader ahead = reader();
  Reader piecewise = reader();
  // More than both rings hold, so windows come and go.
  for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) {
    builder_.invoke("request " + std::to_string(sequence), sequence % 7);
    ASSERT_TRUE(ahead.refresh_ahead(sequence));
    ASSERT_TRUE(piecewise.refresh());
    ASSERT_TRUE(ahead.is_ahead());
    ASSERT_EQ(ahead.header().started, sequence);
    const auto entry = ahead.invocation(sequence);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->state, InvocationState::kEnded);
    EXPECT_EQ(entry->request_id, "request " + std::to_string(sequence));
    const auto one = ahead.boundary(sequence);
    const auto other = piecewise.boundary(sequence);
    ASSERT_TRUE(one && other);
    EXPECT_EQ(one->memory.allocations, other->memory.allocations);
    EXPECT_EQ(one->calls[static_cast<std::size_t>(Call::k_read)].calls, sequence);
    EXPECT_EQ(one->at.mono_ns, other->at.mono_ns);
  }
}

TEST_F(ReaderAheadTest, WhatEndedAfterTheCopyIsSeenOnlyAfterTheNext) {
  builder_.start("one");
  Reader ahead = reader();
  ASSERT_TRUE(ahead.refresh_ahead(1));
  const std::uint32_t before = ahead.wake_before();
  builder_.respond("one");
  builder_.end();
  EXPECT_EQ(ahead.invocation(1)->state, InvocationState::kStarted);
  EXPECT_EQ(ahead.wake().value(), before + 1);  // the word is always read afresh
  ASSERT_TRUE(ahead.refresh_ahead(1));
  EXPECT_EQ(ahead.invocation(1)->state, InvocationState::kEnded);
  EXPECT_EQ(ahead.wake_before(), before + 1);
}

TEST_F(ReaderAheadTest, ABoundaryThatIsBeingWrittenIsNone) {
  builder_.invoke("one");
  builder_.boundary(1).sequence_end = 0;
  Reader ahead = reader();
  ASSERT_TRUE(ahead.refresh_ahead(1));
  EXPECT_EQ(ahead.boundary(1), nullptr);
  EXPECT_GT(ahead.clock().ticks_at(monotonic_ns()), 0U);
}

// A load from the mapping would kill us by SIGBUS here.
TEST_F(ReaderAheadTest, AFileThatWasCutIsReadAsFarAsItGoes) {
  builder_.invoke("one");
  Reader ahead = reader();
  ASSERT_TRUE(ahead.refresh_ahead(1));
  ASSERT_EQ(truncate(builder_.path().c_str(), static_cast<off_t>(kBoundariesOffset)), 0);
  EXPECT_TRUE(ahead.refresh_ahead(1));  // the header is still there
  EXPECT_FALSE(ahead.is_ahead());
  EXPECT_FALSE(ahead.invocation(1));
  ASSERT_EQ(truncate(builder_.path().c_str(), 0), 0);
  EXPECT_FALSE(ahead.refresh_ahead(1));
}

TEST_F(ReaderAheadTest, ARequestThatIsTriedAgainIsNotTakenForItsFirstTry) {
  report::Ledger ledger(reader());
  builder_.invoke("again");
  ASSERT_TRUE(ledger.refresh_ahead());
  EXPECT_TRUE(ledger.find("again"));
  EXPECT_EQ(ledger.report_ended([](report::Report&) {}), 1U);
  EXPECT_FALSE(ledger.find("again"));
  builder_.start("again");
  ASSERT_TRUE(ledger.refresh_ahead());
  ASSERT_TRUE(ledger.find("again"));
  EXPECT_EQ(ledger.find("again")->state, InvocationState::kStarted);
}

}  // namespace
}  // namespace lamprey::recording
