// A standard output that does not block and takes no more: nothing spins, no line is torn, and what
// waited comes out whole.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "companion/journal.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::companion {
namespace {

using lamprey::testing::TemporaryDirectory;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kPipeBytes = 4096;

class FullOutputTest : public ::testing::Test {
 protected:
  FullOutputTest() : journal_(directory_.path(), "e") {
    if (pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0 ||
        fcntl(ends_[1], F_SETPIPE_SZ, static_cast<int>(kPipeBytes)) < 0) {
      std::abort();
    }
    header_.pid = getpid();
    header_.process_start = 5;
    header_.attach_real_ns = 6;
  }
  ~FullOutputTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  void fill() {
    const std::string byte = "\n";
    while (write(ends_[1], byte.data(), 1) == 1) {
    }
  }
  // What lies in the pipe, added to what was taken before.
  void take() {
    char buffer[kPipeBytes];
    for (ssize_t got = 0; (got = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
      taken_.append(buffer, static_cast<std::size_t>(got));
    }
  }
  void take_all(Journal& from) {
    for (take(); from.waiting() != 0; take()) {
      EXPECT_TRUE(from.send_waiting(ends_[1], milliseconds(0)));
    }
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> found;
    for (std::size_t at = 0, end = 0; (end = taken_.find('\n', at)) != std::string::npos;
         at = end + 1) {
      if (end != at) {
        found.push_back(taken_.substr(at, end - at));
      }
    }
    return found;
  }
  bool print(const std::string& line) {
    report::Reported after;
    after.next = ++printed_;
    return journal_.print(ends_[1], line, header_, after);
  }
  static std::uint64_t cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U) +
           static_cast<std::uint64_t>(now.tv_nsec);
  }

  TemporaryDirectory directory_;
  Journal journal_;
  recording::Header header_{};
  int ends_[2] = {-1, -1};
  std::string taken_;
  std::uint64_t printed_ = 1;
};

// Until somebody reads, a third of a second later. Spinning, it would use the CPU all the time.
TEST_F(FullOutputTest, IsWaitedForWithoutTheCpu) {
  ASSERT_TRUE(journal_.open(ends_[1]));
  fill();
  std::thread reader([this] {
    std::this_thread::sleep_for(milliseconds(300));
    take();
  });
  const std::uint64_t cpu = cpu_ns();
  const auto begun = steady_clock::now();
  EXPECT_TRUE(print("one"));
  const auto took = steady_clock::now() - begun;
  EXPECT_LT(static_cast<double>(cpu_ns() - cpu), 0.5 * static_cast<double>(took.count()));
  reader.join();
  EXPECT_TRUE(print("two"));
  take_all(journal_);
  EXPECT_EQ(lines(), (std::vector<std::string>{"one", "two"}));
}

// By sendfile, and by write where no journal can be kept.
TEST_F(FullOutputTest, TearsNoLine) {
  for (const bool noted : {false, true}) {
    if (noted) {
      ASSERT_TRUE(journal_.open(ends_[1]));
    }
    taken_.clear();
    std::vector<std::string> expected;
    for (char c = 'a'; c <= 'd'; ++c) {
      expected.emplace_back(3 * kPipeBytes, c);
      print(expected.back());
    }
    for (int i = 0; i < 10; ++i) {
      take();
      expected.emplace_back("small");
      EXPECT_TRUE(print(expected.back()));
    }
    take_all(journal_);
    EXPECT_EQ(lines(), expected) << noted;
  }
}

// What waits is known to have been given, and a successor knows that it was not printed.
TEST_F(FullOutputTest, WhatWaitedIsASuccessorsToPrint) {
  ASSERT_TRUE(journal_.open(ends_[1]));
  EXPECT_TRUE(print("first"));
  take();
  EXPECT_TRUE(print(std::string(3 * kPipeBytes, 'x')));  // next is 3, and only a part can leave
  EXPECT_EQ(journal_.reported(header_)->next, 3U);
  EXPECT_TRUE(journal_.waits_for(header_));
  std::rename((directory_.path() + "/journal-e").c_str(),
              (directory_.path() + "/journal-f").c_str());
  std::fclose(
      std::fopen((directory_.path() + "/" + std::to_string(header_.pid) + ".rec").c_str(), "we"));
  take();
  Journal successor(directory_.path(), "f");
  ASSERT_TRUE(successor.open(ends_[1]));
  EXPECT_EQ(successor.reported(header_)->next, 2U);
  EXPECT_TRUE(successor.print(ends_[1], "again"));
  take_all(successor);
  ASSERT_EQ(lines().size(), 3U);
  EXPECT_EQ(lines().front(), "first");
  EXPECT_EQ(lines().back(), "again");  // the torn line before it was ended
}

TEST_F(FullOutputTest, TakesSoMuchMemoryAndNoMore) {
  ASSERT_TRUE(journal_.open(ends_[1]));
  fill();
  int lost = 0;
  for (int i = 0; i < 500; ++i) {
    lost += print(std::to_string(i) + std::string(2000, '.')) ? 0 : 1;
  }
  EXPECT_GT(lost, 300);
  EXPECT_EQ(journal_.waiting() + static_cast<std::size_t>(lost), 500U);
  take_all(journal_);
  ASSERT_EQ(lines().size(), 500U - static_cast<std::size_t>(lost));
  EXPECT_EQ(lines().back(), std::to_string(lines().size() - 1) + std::string(2000, '.'));
}

// Nobody reads any more: each line is lost, and no line waits.
TEST_F(FullOutputTest, AReaderThatIsGoneLosesLines) {
  signal(SIGPIPE, SIG_IGN);
  ASSERT_TRUE(journal_.open(ends_[1]));
  fill();
  EXPECT_TRUE(print("waits"));
  close(ends_[0]);
  EXPECT_FALSE(print("too late"));
  EXPECT_EQ(journal_.waiting(), 0U);
  ends_[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace
}  // namespace lamprey::companion
