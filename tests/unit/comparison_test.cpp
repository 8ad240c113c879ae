// Comparing runs: what is planted is found, what is equal is left alone, and the tests say what
// tables of statistics say.
#include "cli/analysis/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cli/output/diff_tables.h"
#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

struct Load {
  double slower = 1;
  double fatter = 1;
  int invocations = 200;
  std::uint64_t seed = 1;
  int findings = 0;
  const char* function = "orders";
};

// Invocations as a shared machine gives them: skewed durations, and slow and quick times that last
// for some invocations.
RunFigures run_of(const Load& load) {
  std::mt19937_64 random(load.seed);
  std::normal_distribution<double> noise;
  RunFigures figures;
  double weather = 0;
  for (int i = 1; i <= load.invocations; ++i) {
    weather = (0.7 * weather) + (0.01 * noise(random));
    const double duration =
        100 * load.slower * std::exp(weather + (0.05 * std::abs(noise(random))));
    const double bytes = 1e6 * load.fatter * (1 + (0.005 * noise(random)));
    Json record = {
        {"type", "invoke"},
        {"status", "ok"},
        {"function_name", load.function},
        {"invocation", i},
        {"cold_start", i == 1},
        {"duration_ms", i == 1 ? 900 : duration},
        {"cpu_ms", duration * 0.3},
        {"memory",
         {{"allocated_bytes", static_cast<std::int64_t>(bytes)},
          {"allocations", std::llround(1000 * load.fatter)},
          {"live_delta_bytes", (i % 7) * 100},
          {"peak_rss_bytes", 50'000'000 + (i * 1000)}}},
        {"calls", {{"total", 40}}},
        {"network", {{{"host", "db:5432"}, {"connects", 1}, {"wait_ms", 20 + noise(random)}}}}};
    if (i <= load.findings) {
      record["findings"] = {{{"code", "network.reconnect"}, {"severity", "warning"}}};
    }
    figures.add(Read(record));
  }
  return figures;
}

std::vector<std::string> changed(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const FunctionChanges& function : comparison.functions) {
    for (const Change& change : function.figures) {
      if (change.verdict == Verdict::kWorse || change.verdict == Verdict::kBetter) {
        names.push_back(change.name + (change.verdict == Verdict::kWorse ? " worse" : " better"));
      }
    }
    for (const EventChange& event : function.events) {
      if (event.verdict == Verdict::kWorse || event.verdict == Verdict::kBetter) {
        names.push_back(event.name + (event.verdict == Verdict::kWorse ? " worse" : " better"));
      }
    }
  }
  return names;
}

TEST(ComparisonTest, FindsWhatIsPlanted) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const RunFigures before = run_of({.seed = seed});
    EXPECT_THAT(changed(compare(before, run_of({.fatter = 1.05, .seed = 1000 + seed}))),
                ElementsAre("allocated worse", "allocations worse"));
    EXPECT_THAT(changed(compare(before, run_of({.slower = 1.1, .seed = 2000 + seed}))),
                ::testing::Contains("duration worse"));
    EXPECT_THAT(changed(compare(run_of({.fatter = 1.05, .seed = 1000 + seed}), before)),
                ElementsAre("allocated better", "allocations better"));
  }
}

TEST(ComparisonTest, SaysNothingOfEqualRuns) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    wrong +=
        changed(compare(run_of({.seed = seed}), run_of({.seed = 5000 + seed}))).empty() ? 0 : 1;
  }
  EXPECT_LE(wrong, 1);  // kErrorRate, one in a hundred
}

// The machine had other work to do in the second run: the usual invocation is slower, the fastest
// not.
TEST(ComparisonTest, ABusyMachineIsNoRegression) {
  const auto run = [](double busy) {
    RunFigures figures;
    std::mt19937_64 random(3);
    std::normal_distribution<double> noise;
    for (int i = 1; i <= 200; ++i) {
      const double waited = random() % 20 == 0 ? 0 : busy * std::abs(noise(random));
      figures.add(
          Read(Json{{"type", "invoke"}, {"function_name", "f"}, {"duration_ms", 30 + waited}}));
    }
    return figures;
  };
  EXPECT_THAT(changed(compare(run(1), run(10))), IsEmpty());
}

TEST(ComparisonTest, TooFewLinesAreNoAnswer) {
  const Comparison comparison =
      compare(run_of({.invocations = 12}), run_of({.fatter = 2, .invocations = 12, .seed = 2}));
  EXPECT_THAT(changed(comparison), IsEmpty());
  EXPECT_THAT(diff_tables(comparison), HasSubstr("cannot tell from 11 and 11 lines"));
}

TEST(ComparisonTest, FindingsNewAndGone) {
  const RunFigures without = run_of({});
  EXPECT_THAT(changed(compare(without, run_of({.seed = 2, .findings = 20}))),
              ElementsAre("network.reconnect worse"));
  EXPECT_THAT(changed(compare(run_of({.seed = 2, .findings = 20}), without)),
              ElementsAre("network.reconnect better"));
  const Comparison once = compare(without, run_of({.seed = 2, .findings = 1}));
  EXPECT_THAT(changed(once), IsEmpty());
  EXPECT_THAT(diff_tables(once), HasSubstr("network.reconnect  0 of 200  1 of 200  cannot tell"));
}

TEST(ComparisonTest, FunctionsOfOneSideAreNamed) {
  RunFigures before = run_of({});
  RunFigures after = run_of({});
  before.add(Read(Json{{"type", "invoke"}, {"function_name", "old"}}));
  after.add(Read(Json{{"type", "invoke"}, {"function_name", "new"}}));
  const Comparison comparison = compare(before, after);
  EXPECT_THAT(comparison.only_before, ElementsAre("old"));
  EXPECT_THAT(comparison.only_after, ElementsAre("new"));
  EXPECT_EQ(compare(run_of({.function = "v1"}), run_of({.function = "v2"})).functions.at(0).name,
            "v1 and v2");
}

TEST(ComparisonTest, WorseByMoreThanIsOneLineEach) {
  const Comparison comparison = compare(run_of({}), run_of({.fatter = 1.05, .seed = 9}));
  const auto lines = worse_lines(comparison, 3);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr("orders: allocated is worse"));
  EXPECT_THAT(worse_lines(comparison, 20), IsEmpty());
}

TEST(ComparisonTest, OddRecords) {
  RunFigures figures;
  for (const char* text :
       {"{}", R"({"type":"invoke","network":[1,{"host":5}],"memory":{"sites":[3,{}]}})",
        R"({"type":"invoke","duration_ms":1e300,"findings":[{}]})"}) {
    for (int i = 0; i < 30; ++i) {
      figures.add(Read(Json::parse(text)));
    }
  }
  EXPECT_THAT(changed(compare(figures, figures)), IsEmpty());
  EXPECT_FALSE(diff_tables(compare(figures, figures)).empty());
}

TEST(StatisticsTest, AsInTables) {
  // All of 8 greater than all of 8: exactly 1 in 12,870; the approximation is on the safe side.
  const std::vector<double> low{1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<double> high{11, 12, 13, 14, 15, 16, 17, 18};
  EXPECT_NEAR(probability_of_greater(low, high), 0.00047, 0.0001);
  EXPECT_GT(probability_of_greater(high, low), 0.999);
  EXPECT_EQ(probability_of_greater({5, 5, 5}, {5, 5, 5}), 1);
  // R: fisher.test(matrix(c(3, 1, 1, 3), 2))
  EXPECT_NEAR(probability_of_shares(3, 4, 1, 4), 0.4857, 0.0001);
  // R: fisher.test(matrix(c(0, 200, 8, 192), 2))
  EXPECT_NEAR(probability_of_shares(0, 200, 8, 200), 0.00721, 0.0001);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(StatisticsTest, HolmGivesUpWhatIsSureTogether) {
  EXPECT_THAT(rejected({0.5, 0.001, 0.004}, 0.01), ElementsAre(false, true, true));
  EXPECT_THAT(rejected({0.006, 0.006}, 0.01), ElementsAre(false, false));
  EXPECT_THAT(rejected({}, 0.01), IsEmpty());
}

TEST(StatisticsTest, TheIntervalHoldsTheTruthAsOftenAsItSays) {
  int held = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> noise;
    std::vector<double> before(kMaxBlocks);
    std::vector<double> after(kMaxBlocks);
    for (std::size_t i = 0; i < kMaxBlocks; ++i) {
      before[i] = 100 + noise(random);
      after[i] = 103 + noise(random);
    }
    const Interval interval = median_difference(before, after);
    held += interval.low <= 3 && 3 <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, 180);
}

TEST(KeptTest, AMillionValuesKeepTheirOrderAndMiddle) {
  Kept kept;
  for (int i = 0; i < 1'000'000; ++i) {
    kept.add(i);
  }
  EXPECT_LE(kept.values().size(), Kept::kMax);
  EXPECT_TRUE(std::is_sorted(kept.values().begin(), kept.values().end()));
  EXPECT_NEAR(median(kept.values()), 500'000, 5000);
}

}  // namespace
}  // namespace lamprey::cli
