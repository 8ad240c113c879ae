// The journal: what was printed is known to a successor, whatever moment the predecessor ended at.
#include "companion/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <thread>

#include "recording/reader.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::TemporaryDirectory;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    if (pipe2(ends_, O_CLOEXEC) != 0) {
      std::abort();
    }
    header_.pid = 77;
    header_.process_start = 5;
    header_.attach_real_ns = 6;
    std::ofstream(directory_.path() + "/77.rec") << "x";
  }
  ~JournalTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  std::string received() {
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string text(1 << 16, '\0');
    const ssize_t got = read(ends_[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  static report::Reported reported_up_to(std::uint64_t next) {
    report::Reported reported;
    reported.init = true;
    reported.next = next;
    return reported;
  }
  TemporaryDirectory directory_;
  recording::Header header_{};
  int ends_[2] = {-1, -1};
};

// Two notes take turns. What the one that is overwritten said must have got into its entry, also
// when lines of two recordings alternate in any order, and however long the spool of lines has
// become.
TEST_F(JournalTest, NothingIsForgottenHoweverLinesAlternate) {
  recording::Header other = header_;
  other.pid = 78;
  std::ofstream(directory_.path() + "/78.rec") << "x";
  const std::string long_line(3000, 'x');
  std::uint64_t first = 1;
  std::uint64_t second = 1;
  for (int round = 0; round < 100; ++round) {
    {
      Journal journal(directory_.path(), "127.0.0.1:9001");
      ASSERT_TRUE(journal.open(ends_[1]));
      ASSERT_EQ(journal.reported(header_)->next, first);
      ASSERT_EQ(journal.reported(other)->next, second);
      for (int line = 0; line <= round % 7; ++line) {
        const bool is_first = (round * 5 + line * 3) % 4 < 2;
        const std::uint64_t next = is_first ? ++first : ++second;
        ASSERT_TRUE(
            journal.print(ends_[1], long_line, is_first ? header_ : other, reported_up_to(next)));
        ASSERT_EQ(received().size(), long_line.size() + 1);
      }
    }  // as if it were killed: nothing is written at its end
  }
  EXPECT_GT(first, 100U);
  EXPECT_GT(second, 100U);
}

// The pipe refers to the spool's pages. What begins anew there must not change what was not read
// yet.
TEST_F(JournalTest, LinesThatWaitInThePipeStayAsTheyAre) {
  Journal journal(directory_.path(), "127.0.0.1:9001");
  ASSERT_TRUE(journal.open(ends_[1]));
  fcntl(ends_[1], F_SETPIPE_SZ, 1 << 20);
  std::string expected;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const std::string line(3000, static_cast<char>('A' + (i % 26)));
    ASSERT_TRUE(journal.print(ends_[1], line, header_, reported_up_to(2 + i)));
    expected += line + "\n";
  }
  std::string all;
  for (std::string part = received(); !part.empty(); part = received()) {
    all += part;
  }
  EXPECT_EQ(all, expected);
}

// Standard output that is a file, shared with others who write to it (an emulator, the runtime):
// sendfile(2) takes the offset without the lock that write(2) takes, and one's line covers
// another's.
TEST_F(JournalTest, LinesInASharedFileCoverNobodyElses) {
  constexpr int kLines = 3000;
  const std::string path = directory_.path() + "/log";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  Journal journal(directory_.path(), "127.0.0.1:9001");
  ASSERT_TRUE(journal.open(file));
  std::thread neighbour([file] {
    for (int i = 0; i < kLines; ++i) {
      ASSERT_EQ(write(file, "neighbour's\n", 12), 12);
    }
  });
  for (int i = 0; i < kLines; ++i) {
    EXPECT_TRUE(journal.print(file, "ours", header_, reported_up_to(2)));
  }
  neighbour.join();
  close(file);
  std::ifstream log(path);
  int ours = 0;
  int others = 0;
  for (std::string line; std::getline(log, line);) {
    ours += line == "ours" ? 1 : 0;
    others += line == "neighbour's" ? 1 : 0;
  }
  EXPECT_EQ(ours, kLines);
  EXPECT_EQ(others, kLines);
}

TEST_F(JournalTest, ASuccessorKnowsWhatWasPrinted) {
  {
    Journal journal(directory_.path(), "127.0.0.1:9001");
    ASSERT_TRUE(journal.open(ends_[1]));
    EXPECT_EQ(journal.reported(header_)->next, 1U);
    EXPECT_FALSE(journal.reported(header_)->init);
    report::Reported after = reported_up_to(3);
    after.flags[5] = true;
    EXPECT_TRUE(journal.print(ends_[1], "{\"a\":1}", header_, after));
    journal.state().failed_inits = 2;
    journal.state().late_request = "r1";
    journal.keep_state();
  }
  EXPECT_EQ(received(), "{\"a\":1}\n");
  Journal journal(directory_.path(), "127.0.0.1:9001");
  ASSERT_TRUE(journal.open(ends_[1]));
  EXPECT_EQ(journal.reported(header_)->next, 3U);
  EXPECT_TRUE(journal.reported(header_)->init);
  EXPECT_TRUE(journal.reported(header_)->flags[5]);
  EXPECT_EQ(journal.state().failed_inits, 2U);
  EXPECT_EQ(journal.state().late_request, "r1");
  EXPECT_FALSE(journal.state().kills.group);
  journal.forget(header_);
  EXPECT_EQ(journal.reported(header_)->next, 1U);
  EXPECT_EQ(received(), "");
}

TEST_F(JournalTest, EnvironmentsDoNotShareOne) {
  Journal one(directory_.path(), "127.0.0.1:9001");
  ASSERT_TRUE(one.open(ends_[1]));
  EXPECT_TRUE(one.print(ends_[1], "x", header_, reported_up_to(9)));
  Journal other(directory_.path(), "127.0.0.1:9002");
  ASSERT_TRUE(other.open(ends_[1]));
  EXPECT_EQ(other.reported(header_)->next, 1U);
}

TEST_F(JournalTest, ALineThatDidNotGoIsNotTakenForPrinted) {
  Journal journal(directory_.path(), "e");
  ASSERT_TRUE(journal.open(ends_[1]));
  const int closed = open("/dev/full", O_WRONLY | O_CLOEXEC);
  EXPECT_FALSE(journal.print(closed, "x", header_, reported_up_to(9)));
  close(closed);
  EXPECT_EQ(journal.reported(header_)->next, 1U);
}

TEST_F(JournalTest, GarbageAndForeignFilesAreNoJournal) {
  std::ofstream(directory_.path() + "/journal-e") << std::string(9000, 'x');
  Journal journal(directory_.path(), "e");
  EXPECT_TRUE(journal.open(ends_[1]));  // made anew
  EXPECT_EQ(journal.reported(header_)->next, 1U);
  ASSERT_EQ(symlink("/etc/passwd", (directory_.path() + "/journal-f").c_str()), 0);
  Journal link(directory_.path(), "f");
  EXPECT_FALSE(link.open(ends_[1]));
  EXPECT_FALSE(link.reported(header_));
  EXPECT_TRUE(link.print(ends_[1], "y", header_, {}));  // printed all the same
  EXPECT_EQ(received(), "y\n");
}

TEST_F(JournalTest, KilledAtAnyInstantNoLineIsLostOrRepeated) {
  constexpr std::uint64_t kLinesOfOneLife = 20;
  constexpr int kLines = 200;  // each takes one of the 256 places of a pipe of 1 MB
  fcntl(ends_[1], F_SETPIPE_SZ, 1 << 20);
  unsigned seed = 5;
  std::uint64_t next = 1;
  int restarts = 0;
  while (next <= kLines) {
    const pid_t child = fork();
    if (child == 0) {
      Journal journal(directory_.path(), "e");
      journal.open(ends_[1]);
      const std::uint64_t next_to_print = journal.reported(header_)->next;
      const std::uint64_t last =
          std::min<std::uint64_t>(kLines, next_to_print + kLinesOfOneLife - 1);
      for (std::uint64_t n = next_to_print; n <= last; ++n) {
        journal.print(ends_[1], "line " + std::to_string(n), header_, reported_up_to(n + 1));
      }
      pause();  // a busy machine may kill it late
    }
    seed = (seed * 1103515245U) + 12345U;
    // Longer each time: on a busy machine a child may not get to its first line in 0.8 ms.
    usleep(100 + ((seed >> 16U) % static_cast<unsigned>(700 + (20 * restarts))));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_LT(++restarts, 2000) << "no line was printed";
    Journal journal(directory_.path(), "e");
    ASSERT_TRUE(journal.open(ends_[1]));
    next = journal.reported(header_)->next;
  }
  EXPECT_GE(restarts, kLines / static_cast<int>(kLinesOfOneLife));
  std::string expected;
  for (int n = 1; n <= kLines; ++n) {
    expected += "line " + std::to_string(n) + "\n";
  }
  EXPECT_EQ(received(), expected);
}

}  // namespace
}  // namespace lamprey::companion
