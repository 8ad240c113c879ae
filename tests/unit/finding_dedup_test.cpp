// A finding that every invocation has is news once in each hundred of them.
#include "report/findings/finding_dedup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamprey::report {
namespace {

using ::testing::ElementsAre;

class FindingDedupTest : public ::testing::Test {
 protected:
  std::vector<bool> told(std::uint64_t invocation, std::vector<Finding> findings) {
    Report report;
    report.type = Type::kInvoke;
    report.invocation = invocation;
    report.findings = std::move(findings);
    told_.mark(report);
    std::vector<bool> marks;
    for (const Finding& finding : report.findings) {
      marks.push_back(finding.told);
    }
    return marks;
  }

  static Finding finding(const char* code, Severity severity = Severity::kWarning) {
    return {code, severity, "text", "advice", {}};
  }

  FindingDedup told_;
};

TEST_F(FindingDedupTest, OnceInEachHundred) {
  int news = 0;
  for (std::uint64_t i = 1; i < 400; ++i) {
    news += told(i, {finding("network.reconnect")})[0] ? 0 : 1;
    EXPECT_EQ(news, 1 + static_cast<int>(i / 100)) << i;  // 1, 100, 200, 300: full lines anyway
  }
}

TEST_F(FindingDedupTest, AnotherCodeOrSeverityIsNews) {
  EXPECT_THAT(told(3, {finding("fds.leak"), finding("fds.leak")}), ElementsAre(false, true));
  EXPECT_THAT(told(4, {finding("threads.leak"), finding("fds.leak")}), ElementsAre(false, true));
  EXPECT_THAT(told(5, {finding("fds.leak", Severity::kCritical)}), ElementsAre(false));
  EXPECT_THAT(told(6, {finding("fds.leak")}), ElementsAre(true));
}

TEST_F(FindingDedupTest, ThoseAboutMemoryAreRareAsTheyAre) {
  EXPECT_THAT(told(3, {finding("memory.leak")}), ElementsAre(false));
  EXPECT_THAT(told(19, {finding("memory.leak")}), ElementsAre(false));
}

TEST_F(FindingDedupTest, OneThatComesNowAndThenIsToldInEachHundredThatHasIt) {
  EXPECT_THAT(told(55, {finding("children.slow")}), ElementsAre(false));
  EXPECT_THAT(told(95, {finding("children.slow")}), ElementsAre(true));
  EXPECT_THAT(told(1005, {finding("children.slow")}), ElementsAre(false));
}

}  // namespace
}  // namespace lamprey::report
