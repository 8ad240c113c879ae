// Comparing CPU time by function: what is planted is found, equal runs are left alone, and a line
// that lists the top site only is believed no more than it says.
#include "cli/analysis/cpu_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "cli/analysis/compared_stacks.h"
#include "cli/analysis/comparison.h"
#include "cli/output/diff_tables.h"
#include "tests/unit/sampled_record.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

struct Load {
  std::map<std::string, double> ms{};  // an invocation's mean, by function
  std::uint64_t seed = 1;
  std::size_t listed = 10;  // sites at most
  int invocations = 300;
};

// Invocations as a sampler at 100 Hz sees them.
RunFigures run_of(const Load& load) {
  std::mt19937_64 random(load.seed);
  RunFigures figures;
  for (int i = 1; i <= load.invocations; ++i) {
    std::vector<std::pair<std::string, double>> sites;
    double total = 0;
    int samples = 0;
    for (const auto& [name, ms] : load.ms) {
      const int hits = std::poisson_distribution<int>(ms / 10)(random);
      total += 10.0 * hits;
      samples += hits;
      if (hits != 0) {
        sites.emplace_back(name + " (/app.py:7); handler (/app.py:1)", 10.0 * hits);
      }
    }
    std::stable_sort(sites.begin(), sites.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    sites.resize(std::min(sites.size(), load.listed));
    figures.add(Read(sampled("invoke", "f", total, samples, sites)));
  }
  return figures;
}

std::vector<std::string> changed(const RunFigures& before, const RunFigures& after) {
  std::vector<std::string> names;
  const Comparison comparison = compare(before, after);
  for (const Change& change : comparison.functions.at(0).cpu) {
    if (change.verdict == Verdict::kWorse || change.verdict == Verdict::kBetter) {
      names.push_back(change.name + (change.verdict == Verdict::kWorse ? " worse" : " better"));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(CpuChangesTest, FindsWhatIsPlanted) {
  const RunFigures before = run_of({.ms = {{"parse", 30}, {"price", 10}, {"old", 8}}});
  const RunFigures after = run_of({.ms = {{"parse", 50}, {"price", 10}, {"new", 8}}, .seed = 2});
  EXPECT_THAT(changed(before, after),
              ElementsAre("new (/app.py) worse", "old (/app.py) better", "parse (/app.py) worse"));
  const std::string tables = diff_tables(compare(before, after));
  EXPECT_THAT(tables, HasSubstr("CPU of an invocation in (sampled)\n"));
  EXPECT_THAT(tables, HasSubstr("worse   parse (/app.py)\n"));
}

TEST(CpuChangesTest, SaysNothingOfEqualRuns) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::map<std::string, double> ms = {{"parse", 30}, {"price", 10}, {"save", 2}};
    wrong +=
        changed(run_of({.ms = ms, .seed = seed}), run_of({.ms = ms, .seed = 5000 + seed})).empty()
            ? 0
            : 1;
  }
  EXPECT_LE(wrong, 1);
}

// "price" has as much as before, but another function is now in front of it in every list.
TEST(CpuChangesTest, WhatIsNoLongerListedIsNotGone) {
  const RunFigures before = run_of({.ms = {{"parse", 20}, {"price", 60}}, .listed = 1});
  const RunFigures after = run_of({.ms = {{"parse", 90}, {"price", 60}}, .seed = 2, .listed = 1});
  EXPECT_THAT(changed(before, after), ElementsAre("parse (/app.py) worse"));
}

TEST(CpuChangesTest, TooFewLinesAreNoAnswer) {
  EXPECT_THAT(changed(run_of({.ms = {{"parse", 30}}, .invocations = 12}),
                      run_of({.ms = {{"parse", 90}}, .seed = 2, .invocations = 12})),
              IsEmpty());
}

TEST(CpuChangesTest, LinesBesideASumAreNotLikeTheRest) {
  const RunFigures before = run_of({.ms = {{"parse", 30}}});
  RunFigures after = run_of({.ms = {{"parse", 90}}, .seed = 2});
  EXPECT_THAT(changed(before, after), ElementsAre("parse (/app.py) worse"));
  after.add(Read(Json{{"type", "summary"}, {"function_name", "f"}}));
  EXPECT_THAT(changed(before, after), IsEmpty());
}

Json allocating(const char* function, std::int64_t all, std::int64_t here) {
  return {{"type", "invoke"},
          {"function_name", function},
          {"coverage", {{"sampled", 1000}}},
          {"memory",
           {{"allocated_bytes", all},
            {"sites", {{{"allocated_bytes", here}, {"stack", "load (/app.py:3)"}}}}}}};
}

TEST(ComparedStacksTest, AnInvocationOfEachSide) {
  StackWeights before(Compared::kCpu);
  StackWeights after(Compared::kCpu);
  for (int i = 0; i < 4; ++i) {
    before.add(Read(sampled("invoke", "f", 60, 6, {{"parse (/app.py:88)", 40}})));
  }
  Json cold = sampled("invoke", "f", 900, 90, {{"parse (/app.py:88)", 900}});
  cold["cold_start"] = true;
  before.add(Read(cold));
  before.add(Read(sampled("init", "f", 900, 90, {{"parse (/app.py:88)", 900}})));
  after.add(Read(sampled("invoke", "f", 50, 5, {{"parse (/app.py:90)", 50}})));
  const auto stacks = compare_stacks(before, after);
  ASSERT_EQ(stacks.size(), 2U);
  EXPECT_THAT(stacks[0].frames, ElementsAre("(not in the top sites)"));
  EXPECT_DOUBLE_EQ(stacks[0].before, 20e6);
  EXPECT_DOUBLE_EQ(stacks[0].after, 0);
  EXPECT_THAT(stacks[1].frames, ElementsAre("parse (/app.py)"));
  EXPECT_DOUBLE_EQ(stacks[1].before, 40e6);
  EXPECT_DOUBLE_EQ(stacks[1].after, 50e6);
  // 16 samples of 10 ms, in four invocations: 10 ms a standard deviation.
  EXPECT_DOUBLE_EQ(stacks[1].spread_before, 1e14);
}

TEST(ComparedStacksTest, FunctionsOfBothSidesByTheirNames) {
  StackWeights before(Compared::kAllocated);
  StackWeights after(Compared::kAllocated);
  before.add(Read(allocating("f", 100, 70)));
  before.add(Read(allocating("old", 100, 70)));
  after.add(Read(allocating("f", 300, 70)));
  after.add(Read(allocating("new", 100, 70)));
  const auto stacks = compare_stacks(before, after);
  ASSERT_EQ(stacks.size(), 2U);
  EXPECT_THAT(stacks[0].frames, ElementsAre("f", "(sites not listed)"));
  EXPECT_DOUBLE_EQ(stacks[0].before, 30);
  EXPECT_DOUBLE_EQ(stacks[0].after, 230);
  EXPECT_DOUBLE_EQ(stacks[1].spread_after, 70'000);
}

TEST(ComparedStacksTest, OneFunctionOnEachSideIsCompared) {
  StackWeights before(Compared::kAllocated);
  StackWeights after(Compared::kAllocated);
  before.add(Read(allocating("v1", 100, 140)));
  after.add(Read(allocating("v2", 100, 70)));
  const auto stacks = compare_stacks(before, after);
  ASSERT_EQ(stacks.size(), 2U);
  EXPECT_DOUBLE_EQ(stacks[0].before, 0);  // estimates may be more than all there is
  EXPECT_DOUBLE_EQ(stacks[1].before, 140);
}

}  // namespace
}  // namespace lamprey::cli
