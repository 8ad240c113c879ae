// The journal's sums: what was added up and not printed is known to a successor, whatever moment
// the predecessor ended at, and is counted once.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "companion/journal.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::TemporaryDirectory;

class JournalSummaryTest : public ::testing::Test {
 protected:
  JournalSummaryTest() {
    if (pipe2(ends_, O_CLOEXEC) != 0) {
      std::abort();
    }
    for (const int pid : {77, 78}) {
      recording::Header& header = pid == 77 ? first_ : second_;
      header.pid = pid;
      header.process_start = 5;
      header.attach_real_ns = 6;
      std::ofstream(directory_.path() + "/" + std::to_string(pid) + ".rec") << "x";
    }
  }
  ~JournalSummaryTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  std::string received() {
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string text(1 << 20, '\0');
    const ssize_t got = read(ends_[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  static report::Reported up_to(std::uint64_t next) {
    report::Reported reported;
    reported.init = true;
    reported.next = next;
    return reported;
  }
  TemporaryDirectory directory_;
  recording::Header first_{};
  recording::Header second_{};
  int ends_[2] = {-1, -1};
};

TEST_F(JournalSummaryTest, ASuccessorFindsTheSumAndWhatIsInIt) {
  {
    Journal journal(directory_.path(), "e");
    ASSERT_TRUE(journal.open(ends_[1]));
    EXPECT_EQ(journal.summary(), "");
    journal.keep_summary(ends_[1], "a", &first_, up_to(2));
    journal.keep_summary(ends_[1], "ab", &second_, up_to(9));
    journal.keep_summary(ends_[1], "abc", &second_, up_to(10));
    journal.keep_summary(ends_[1], "abcd", nullptr, {});
    journal.remove_if_needless();
  }
  Journal successor(directory_.path(), "e");
  ASSERT_TRUE(successor.open(ends_[1]));
  EXPECT_EQ(successor.summary(), "abcd");
  EXPECT_EQ(successor.reported(first_)->next, 2U);
  EXPECT_EQ(successor.reported(second_)->next, 10U);
}

TEST_F(JournalSummaryTest, WhatItsLineHasSaidIsNotFoundAgain) {
  Journal journal(directory_.path(), "e");
  ASSERT_TRUE(journal.open(ends_[1]));
  journal.keep_summary(ends_[1], "a", &first_, up_to(2));
  EXPECT_TRUE(journal.print_summary(ends_[1], "sum of a"));
  // Both notes are written over.
  EXPECT_TRUE(journal.print(ends_[1], "other", second_, up_to(2)));
  EXPECT_TRUE(journal.print(ends_[1], "another", first_, up_to(3)));
  EXPECT_EQ(received(), "sum of a\nother\nanother\n");
  Journal successor(directory_.path(), "e");
  ASSERT_TRUE(successor.open(ends_[1]));
  EXPECT_EQ(successor.summary(), "");
  EXPECT_EQ(successor.reported(first_)->next, 3U);
  successor.keep_summary(ends_[1], "b", &first_, up_to(4));
  Journal third(directory_.path(), "e");
  ASSERT_TRUE(third.open(ends_[1]));
  EXPECT_EQ(third.summary(), "b");
}

// Lines and sums of two recordings in any order: each container of the file is written over in
// turn, and what it said must have got into the page.
TEST_F(JournalSummaryTest, NothingIsForgottenHoweverLinesAndSumsAlternate) {
  unsigned seed = 3;
  std::uint64_t next[2] = {1, 1};
  for (int round = 0; round < 300; ++round) {
    {
      Journal journal(directory_.path(), "e");
      ASSERT_TRUE(journal.open(ends_[1]));
      for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(journal.reported(i == 0 ? first_ : second_)->next, next[i]) << round;
      }
      for (int i = 0; i < 5; ++i) {
        seed = (seed * 1103515245U) + 12345U;
        const unsigned choice = (seed >> 16U) % 5;
        const unsigned which = (seed >> 20U) % 2;
        const recording::Header& header = which == 0 ? first_ : second_;
        if (choice == 4) {
          journal.print_summary(ends_[1], "s");
          continue;
        }
        next[which] += 1;
        if (choice < 2) {
          journal.print(ends_[1], "l", header, up_to(next[which]));
        } else {
          journal.keep_summary(ends_[1], "x", &header, up_to(next[which]));
        }
      }
    }
    received();
  }
}

// A sum that was written only in part is none: the one before it counts.
TEST_F(JournalSummaryTest, ATornSumIsNotTaken) {
  {
    Journal journal(directory_.path(), "e");
    ASSERT_TRUE(journal.open(ends_[1]));
    journal.keep_summary(ends_[1], "whole", &first_, up_to(2));
    journal.keep_summary(ends_[1], "torn", &first_, up_to(3));
  }
  const std::string path = directory_.path() + "/journal-e";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  const std::size_t at = all.str().find("torn");
  ASSERT_NE(at, std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file << "T";
  file.close();
  Journal successor(directory_.path(), "e");
  ASSERT_TRUE(successor.open(ends_[1]));
  EXPECT_EQ(successor.summary(), "whole");
  EXPECT_EQ(successor.reported(first_)->next, 2U);
}

// Standard output is full: a sum behind lines that wait must not say that they were printed.
TEST_F(JournalSummaryTest, ASumDoesNotOvertakeLinesThatWait) {
  fcntl(ends_[1], F_SETFL, O_NONBLOCK);
  while (write(ends_[1], "\n", 1) == 1) {
  }
  {
    Journal journal(directory_.path(), "e");
    ASSERT_TRUE(journal.open(ends_[1]));
    journal.print(ends_[1], "waits", first_, up_to(2));
    journal.keep_summary(ends_[1], "a", &first_, up_to(3));
    journal.keep_summary(ends_[1], "ab", &first_, up_to(4));
    EXPECT_EQ(journal.waiting(), 2U);
    EXPECT_EQ(journal.reported(first_)->next, 4U);
  }
  {
    Journal successor(directory_.path(), "e");
    ASSERT_TRUE(successor.open(ends_[1]));
    EXPECT_EQ(successor.reported(first_)->next, 1U);
    EXPECT_EQ(successor.summary(), "");
    successor.print(ends_[1], "waits", first_, up_to(2));
    successor.keep_summary(ends_[1], "ab", &first_, up_to(4));
    received();
    successor.send_waiting(ends_[1], std::chrono::milliseconds{100});
  }
  Journal third(directory_.path(), "e");
  ASSERT_TRUE(third.open(ends_[1]));
  EXPECT_EQ(third.summary(), "ab");
  EXPECT_EQ(third.reported(first_)->next, 4U);
}

// Each invocation is in one line or in one sum, whenever its companion is killed.
TEST_F(JournalSummaryTest, KilledAtAnyInstantEachIsCountedOnce) {
  constexpr std::uint64_t kInvocations = 3000;
  constexpr std::uint64_t kOfOneSum = 7;
  fcntl(ends_[1], F_SETPIPE_SZ, 1 << 20);
  unsigned seed = 5;
  std::uint64_t next = 1;
  int restarts = 0;
  std::string sum;
  std::string printed;  // a pipe has room for 256 lines
  while (next <= kInvocations || !sum.empty()) {
    const pid_t child = fork();
    if (child == 0) {
      Journal journal(directory_.path(), "e");
      journal.open(ends_[1]);
      std::uint64_t count = 0;
      if (!journal.summary().empty()) {
        journal.print_summary(ends_[1], "sum " + journal.summary());
      }
      for (std::uint64_t n = journal.reported(first_)->next; n <= kInvocations; ++n) {
        if (n % 5 == 0) {
          journal.print(ends_[1], "line 1", first_, up_to(n + 1));
          continue;
        }
        ++count;
        journal.keep_summary(ends_[1], std::to_string(count), &first_, up_to(n + 1));
        if (count == kOfOneSum) {
          journal.print_summary(ends_[1], "sum " + std::to_string(count));
          count = 0;
        }
      }
      pause();
    }
    seed = (seed * 1103515245U) + 12345U;
    usleep(100 + ((seed >> 16U) % static_cast<unsigned>(900 + (20 * restarts))));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_LT(++restarts, 2000);
    Journal journal(directory_.path(), "e");
    ASSERT_TRUE(journal.open(ends_[1]));
    next = journal.reported(first_)->next;
    sum = journal.summary();
    printed += received();
  }
  EXPECT_GE(restarts, 5);
  std::istringstream lines(printed);
  std::uint64_t counted = 0;
  std::string word;
  for (std::uint64_t count = 0; lines >> word >> count;) {
    ASSERT_TRUE(word == "line" || word == "sum") << word;
    counted += count;
  }
  EXPECT_EQ(counted, kInvocations);
}

}  // namespace
}  // namespace lamprey::companion
