// Cost and memory size from lines: figures by hand, advice only where the lines carry it.
#include "cli/output/sizing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr std::uint64_t kMb = std::uint64_t{1} << 20;

struct Work {
  double duration_ms;
  double cpu_ms;
  std::uint64_t peak_mb;
  std::uint64_t limit_mb;
  int invocations = 60;
};

std::string table_of(const Work& work, std::optional<double> price = {}) {
  Sizing sizing;
  for (int i = 1; i <= work.invocations; ++i) {
    sizing.add(Read(
        Json{{"type", "invoke"},
             {"status", "ok"},
             {"function_name", "f"},
             {"invocation", i},
             {"duration_ms", work.duration_ms},
             {"cpu_ms", work.cpu_ms},
             {"memory",
              {{"peak_rss_bytes", work.peak_mb * kMb}, {"limit_bytes", work.limit_mb * kMb}}}}));
  }
  return sizing.table(price);
}

TEST(SizingTest, CountsGbSecondsAndPrices) {
  // 10 invocations of 100 ms at 1,024 MB: 1 GB-second; 100,000 for a million.
  const std::string text = table_of({100, 1, 100, 1024, 10}, 0.5);
  EXPECT_THAT(text, HasSubstr("1.000"));
  EXPECT_THAT(text, HasSubstr("100000"));
  EXPECT_THAT(text, HasSubstr("50000.0000"));
  EXPECT_THAT(table_of({100, 1, 100, 1024, 10}), Not(HasSubstr("price")));
}

TEST(SizingTest, AdvisesWhatTheLinesSupport) {
  EXPECT_THAT(table_of({100, 2, 60, 1024}), HasSubstr("less memory: 128 MB (59 warm"));
  EXPECT_THAT(table_of({100, 2, 120, 128}), HasSubstr("more memory: 192 MB"));
  // 256 MB are 0.145 of a CPU: on CPU 14 % of the time is all it gets.
  EXPECT_THAT(table_of({100, 14, 60, 256}), HasSubstr("CPU is what it lacks: 512 MB"));
}

TEST(SizingTest, IsSilentWhereTheyDoNot) {
  const auto silent = Not(HasSubstr("warm invocations"));
  EXPECT_THAT(table_of({100, 2, 60, 1024, 20}), silent);  // too few
  EXPECT_THAT(table_of({100, 2, 400, 640}), silent);      // used
  EXPECT_THAT(table_of({100, 30, 60, 1024}), silent);     // 128 MB would starve it
  EXPECT_THAT(table_of({100, 2, 0, 1024}), silent);       // no peak known
  Sizing two;
  for (int i = 1; i <= 120; ++i) {
    two.add(Read(Json{{"type", "invoke"},
                      {"function_name", "f"},
                      {"invocation", i},
                      {"duration_ms", 100},
                      {"cpu_ms", 1},
                      {"memory",
                       {{"peak_rss_bytes", 50 * kMb},
                        {"limit_bytes", std::uint64_t{512} * kMb * (i % 2 == 0 ? 1 : 2)}}}}));
  }
  EXPECT_THAT(two.table({}), silent);  // two sizes
}

TEST(SizingTest, TakesNoNonsense) {
  Sizing sizing;
  for (const char* text :
       {"3", "[]", "{}", R"({"type":7,"duration_ms":1,"memory":{"limit_bytes":134217728}})",
        R"({"type":"invoke"})", R"({"type":"invoke","duration_ms":-1})",
        R"({"type":"invoke","duration_ms":1,"memory":3})",
        R"({"type":"invoke","duration_ms":1,"memory":{"limit_bytes":"x"}})",
        R"({"type":"invoke","duration_ms":1,"memory":{"limit_bytes":0}})",
        R"({"type":"shutdown","duration_ms":1,"memory":{"limit_bytes":134217728}})"}) {
    sizing.add(Read(Json::parse(text)));
  }
  EXPECT_EQ(sizing.table({}), "");
}

}  // namespace
}  // namespace lamprey::cli
