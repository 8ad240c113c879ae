// The copy of the environment that exec hands to the next program.
#include "preload/libc/environment.h"

#include <gtest/gtest.h>

#include <vector>

namespace {

using namespace lamprey::preload;

char* text(const char* constant) { return const_cast<char*>(constant); }

TEST(EnvironmentForExec, HoldsWhatWasThereAndThePreload) {
  char* environment[] = {text("A=1"), text("LD_PRELOAD=/other.so"), text("B=2"), nullptr};
  char preload[kPreloadBytes];
  const std::size_t entries = entries_for_exec(environment);
  ASSERT_GE(entries, 5U);
  std::vector<char*> copy(entries, text("?"));
  environment_for_exec(environment, copy.data(), copy.size(), preload, sizeof(preload));
  EXPECT_STREQ(copy[0], "A=1");
  EXPECT_STREQ(copy[1], "B=2");
  EXPECT_EQ(std::string_view(copy[2]).substr(0, 11), "LD_PRELOAD=");
  EXPECT_NE(std::string_view(copy[2]).find(":/other.so"), std::string_view::npos);
  EXPECT_EQ(copy[3], nullptr);
}

// Another thread's setenv between the counting and the copying.
TEST(EnvironmentForExec, StopsWhereThereIsNoMoreRoom) {
  std::vector<char*> environment(1000, nullptr);
  environment[0] = environment[1] = text("A=1");
  const std::size_t entries = entries_for_exec(environment.data());
  for (std::size_t i = 0; i + 1 < environment.size(); ++i) {
    environment[i] = text("B=2");
  }
  char preload[kPreloadBytes];
  std::vector<char*> copy(2000, text("untouched"));
  environment_for_exec(environment.data(), copy.data(), entries, preload, sizeof(preload));
  EXPECT_STREQ(copy[1], "B=2");
  EXPECT_EQ(copy[2], preload);
  EXPECT_EQ(copy[entries - 1], nullptr);
  for (std::size_t i = entries; i < copy.size(); ++i) {
    ASSERT_STREQ(copy[i], "untouched") << i;
  }
}

TEST(EnvironmentForExec, WhatCannotBeReadIsLeftToTheKernel) {
  EXPECT_EQ(entries_for_exec(reinterpret_cast<char* const*>(8)), 0U);
  char* environment[] = {text("A=1"), reinterpret_cast<char*>(8), nullptr};
  char preload[kPreloadBytes];
  std::vector<char*> copy(entries_for_exec(environment), nullptr);
  environment_for_exec(environment, copy.data(), copy.size(), preload, sizeof(preload));
  EXPECT_EQ(copy[1], environment[1]);
}

}  // namespace
