// CPU time by function: who has it, and the tables of it.
#include "cli/analysis/cpu_by_function.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/analysis/function_sums.h"
#include "cli/output/cpu_table.h"
#include "cli/output/fleet_page.h"
#include "cli/output/function_tables.h"
#include "tests/unit/sampled_record.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kParseText = "parse (/app.py:88); handler (/app.py:12)";
constexpr const char* kSaveText = "save (/app.py:40); handler (/app.py:13)";

using Rows = std::vector<std::vector<std::string>>;

CpuByFunction of_two_invocations() {
  CpuByFunction sum;
  add_record(sum, Read(sampled("init", "f", 30, 3, {{kSaveText, 20}})));
  add_record(sum,
             Read(sampled("invoke", "f", 100, 10,
                          {{"scan (_json.so +0x1); parse (/app.py:88); handler (/app.py:12)", 50},
                           {"parse (/app.py:91); handler (/app.py:12)", 20},
                           {kSaveText, 10}})));
  add_record(sum, Read(sampled("invoke", "f", 0, 0, {})));
  return sum;
}

TEST(CpuByFunctionTest, TheInnermostOwnFunctionHasItAll) {
  const Rows expected = {{"CPU in (sampled)", "self", "share", "per invocation", "in inits"},
                         {"parse (/app.py)", "70.0 ms", "70.0 %", "35.0 ms", "-"},
                         {"save (/app.py)", "10.0 ms", "10.0 %", "5.00 ms", "20.0 ms"},
                         {"(not in the top sites)", "20.0 ms", "20.0 %", "10.0 ms", "10.0 ms"}};
  EXPECT_EQ(cpu_rows(of_two_invocations(), 10), expected);
  const Rows first = cpu_rows(of_two_invocations(), 1);
  ASSERT_EQ(first.size(), 3U);
  EXPECT_EQ(first[1], expected[1]);
  EXPECT_EQ(first[2], expected[3]);
  EXPECT_TRUE(cpu_rows({}, 10).empty());
}

TEST(CpuByFunctionTest, PartsAddUp) {
  CpuByFunction sum = of_two_invocations();
  append(sum, of_two_invocations());
  const Rows rows = cpu_rows(sum, 10);
  EXPECT_EQ(rows.at(1),
            (std::vector<std::string>{"parse (/app.py)", "140 ms", "70.0 %", "35.0 ms", "-"}));
}

TEST(CpuByFunctionTest, TablesAndThePageHaveIt) {
  FunctionSum sum;
  add_record(sum, Read(Json{{"type", "invoke"}, {"status", "ok"}}));
  EXPECT_THAT(functions_tables({{"f", sum}}), Not(HasSubstr("CPU in")));
  EXPECT_THAT(fleet_page({{"f", sum}}, "", ""), Not(HasSubstr("CPU in")));
  add_record(sum, Read(sampled("invoke", "f", 100, 10, {{"<b> (/app.py:88)", 50}})));
  EXPECT_THAT(functions_tables({{"f", sum}}), HasSubstr("<b> (/app.py)           50.0 ms  50.0 %"));
  EXPECT_THAT(fleet_page({{"f", sum}}, "", ""),
              HasSubstr("<td>&lt;b&gt; (/app.py)</td><td>50.0 ms"));
  FunctionSum whole;
  append(whole, sum);
  append(whole, sum);
  EXPECT_THAT(functions_tables({{"f", whole}}), HasSubstr("100 ms  50.0 %"));
}

TEST(CpuByFunctionTest, TheTableOfARun) {
  EXPECT_EQ(cpu_table(Read(sampled("run", "", 100, 10, {{kParseText, 75}}))),
            "CPU       share    in (sampled; the program's innermost own function)\n"
            "75.0 ms  75.0 %    parse (/app.py)\n"
            "25.0 ms  25.0 %    (not in the top sites)\n");
  EXPECT_EQ(cpu_table(Read(Json{{"type", "run"}})), "");
}

}  // namespace
}  // namespace lamprey::cli
