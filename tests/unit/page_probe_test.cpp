// Which pages can be read, asked of the kernel and remembered.
#include "preload/base/page_probe.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace {

using namespace lamprey::preload;

class PageProbe : public ::testing::Test {
 protected:
  void SetUp() override {
    pages_ = mmap(nullptr, 4 * page_probe::kPage, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages_, MAP_FAILED);
    page_probe::forget_all();
  }
  void TearDown() override { munmap(pages_, 4 * page_probe::kPage); }
  std::uintptr_t at(std::size_t page) const {
    return reinterpret_cast<std::uintptr_t>(pages_) + (page * page_probe::kPage);
  }
  void close_page(std::size_t page) const {
    ASSERT_EQ(mprotect(reinterpret_cast<void*>(at(page)), page_probe::kPage, PROT_NONE), 0);
  }

  void* pages_ = nullptr;
};

TEST_F(PageProbe, WhatIsMappedCanBeRead) {
  EXPECT_TRUE(page_probe::readable(at(0), 1));
  EXPECT_TRUE(page_probe::readable(at(0), 4 * page_probe::kPage));
}

TEST_F(PageProbe, OnePageThatCannotSpoilsTheRange) {
  close_page(2);
  EXPECT_TRUE(page_probe::readable(at(0), 2 * page_probe::kPage));
  EXPECT_FALSE(page_probe::readable(at(0), (2 * page_probe::kPage) + 1));
  EXPECT_FALSE(page_probe::readable(at(2), 1));
  EXPECT_FALSE(page_probe::readable(at(2) - 4, 8));
  EXPECT_TRUE(page_probe::readable(at(3), page_probe::kPage));
}

TEST_F(PageProbe, WhatIsNoAddressCannotBeRead) {
  EXPECT_FALSE(page_probe::readable(0, 1));
  EXPECT_FALSE(page_probe::readable(0x6c, 8));
  EXPECT_FALSE(page_probe::readable(std::uintptr_t{1} << 48, 8));
  EXPECT_FALSE(page_probe::readable(UINTPTR_MAX - 7, 8));
  EXPECT_FALSE(page_probe::readable(0xFFFFFFFF81000000U, 8));
  EXPECT_FALSE(page_probe::readable(UINTPTR_MAX - 3, 8));  // around the end
}

// A page is asked about once, until it is forgotten: alone, in a range, or with all others.
TEST_F(PageProbe, IsRememberedUntilItIsForgotten) {
  ASSERT_TRUE(page_probe::readable(at(0), 4 * page_probe::kPage));
  for (const std::size_t page : {0U, 1U, 3U}) {
    close_page(page);
    EXPECT_TRUE(page_probe::readable(at(page), 1)) << "was not remembered";
  }
  page_probe::forget(at(1) + 100, at(1) + 200);
  EXPECT_TRUE(page_probe::readable(at(0), 1));
  EXPECT_FALSE(page_probe::readable(at(1), 1));
  page_probe::forget(at(0), at(1));
  EXPECT_FALSE(page_probe::readable(at(0), 1));
  EXPECT_TRUE(page_probe::readable(at(3), 1));
  page_probe::forget(at(0), at(0) + (std::size_t{1} << 40U));
  EXPECT_FALSE(page_probe::readable(at(3), 1));
}

TEST_F(PageProbe, ANoIsNotRemembered) {
  close_page(0);
  EXPECT_FALSE(page_probe::readable(at(0), 1));
  ASSERT_EQ(mprotect(pages_, page_probe::kPage, PROT_READ), 0);
  EXPECT_TRUE(page_probe::readable(at(0), 1));
}

TEST_F(PageProbe, PagesThatShareAnEntryAreToldApart) {
  const std::size_t apart = page_probe::kPage << page_probe::kIndexBits;
  void* const area = mmap(nullptr, apart + page_probe::kPage, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(area, MAP_FAILED);
  const auto first = reinterpret_cast<std::uintptr_t>(area);
  const std::uintptr_t second = first + apart;
  EXPECT_TRUE(page_probe::readable(first, 1));
  EXPECT_TRUE(page_probe::readable(second, 1));
  ASSERT_EQ(munmap(reinterpret_cast<void*>(second), page_probe::kPage), 0);
  page_probe::forget(second, second + 1);
  EXPECT_TRUE(page_probe::readable(first, 1));
  EXPECT_FALSE(page_probe::readable(second, 1));
  munmap(area, apart);
}

// A text that ends with its page, and one that runs into what is not there.
TEST_F(PageProbe, TextIsReadNoFurtherThanItCanBe) {
  close_page(1);
  auto* edge = reinterpret_cast<char*>(at(1));
  std::memset(pages_, 'a', page_probe::kPage);
  for (std::size_t length = 1; length < 40; ++length) {
    EXPECT_EQ(page_probe::text_length(edge - length, 100), page_probe::kUnreadable);
    EXPECT_EQ(page_probe::text_length(edge - length, length), length);
    EXPECT_EQ(page_probe::text_length(edge - length, length + 1), page_probe::kUnreadable);
  }
  edge[-1] = '\0';
  for (std::size_t length = 0; length < 40; ++length) {
    EXPECT_EQ(page_probe::text_length(edge - length - 1, 100), length);
    EXPECT_EQ(page_probe::text_length(edge - length - 1, length / 2), length / 2);
  }
  edge[-20] = '\0';
  EXPECT_EQ(page_probe::text_length(edge - 19, 100), 18U);  // what stands before does not count
  char copy[8];
  EXPECT_TRUE(page_probe::copy_text(copy, edge - 10));
  EXPECT_STREQ(copy, "aaaaaaa");
  EXPECT_TRUE(page_probe::copy_text(copy, edge - 3));
  EXPECT_STREQ(copy, "aa");
  EXPECT_FALSE(page_probe::copy_text(copy, edge + 3));
  EXPECT_STREQ(copy, "");
  EXPECT_FALSE(page_probe::copy_text(copy, nullptr));
}

TEST_F(PageProbe, NeitherErrnoNorTheSignalMaskChanges) {
  sigset_t mask;
  sigset_t after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigset_t before;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &mask, &before), 0);
  std::memset(pages_, 0xFF, page_probe::kPage);  // every signal, if it were taken for a mask
  errno = 77;
  EXPECT_TRUE(page_probe::readable(at(0), 1));
  EXPECT_FALSE(page_probe::readable(0, 1));
  EXPECT_EQ(errno, 77);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
  EXPECT_EQ(sigismember(&after, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&after, SIGUSR1), 0);
}

}  // namespace
