// Invocations that no recording knows: a line each, made when the next event comes.
#include "companion/unrecorded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "report/procfs/process.h"

namespace lamprey::companion {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

lambda::Event invoke(const char* id) {
  lambda::Event event;
  event.request_id = id;
  return event;
}

TEST(UnrecordedTest, EachInvocationIsToldAtTheNextEvent) {
  Unrecorded runtime("127.0.0.1:1", 128);  // whose environment nobody has: no process is found
  EXPECT_FALSE(runtime.begin(invoke("one"), 5));
  const auto first = runtime.begin(invoke("two"), 6);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->request_id, "one");
  EXPECT_EQ(first->invocation, 1U);
  EXPECT_EQ(first->started_real_ns, 5U);
  EXPECT_STREQ(first->coverage.mode, "process");
  EXPECT_EQ(first->headline, "Ran, but was not recorded.");
  EXPECT_THAT(first->coverage.unseen.at(1), HasSubstr("had ended"));
  EXPECT_FALSE(first->process.cpu_user_ns);
  const auto last = runtime.end(report::Status::kTimeout, {});
  ASSERT_TRUE(last);
  EXPECT_EQ(last->request_id, "two");
  EXPECT_EQ(last->status, report::Status::kTimeout);
  EXPECT_THAT(last->headline, StartsWith("Timed out"));
  EXPECT_FALSE(runtime.end(report::Status::kOk, {}));
}

TEST(UnrecordedTest, OneThatIsRecordedAfterAllIsForgotten) {
  Unrecorded runtime("127.0.0.1:1", std::nullopt);
  EXPECT_FALSE(runtime.begin(invoke("one"), 5));
  runtime.forget();
  EXPECT_FALSE(runtime.end(report::Status::kOk, {}));
}

TEST(UnrecordedTest, AFamilysFiguresAreThoseOfAllBelow) {
  const report::ProcessFigures own = report::figures_of_family(getpid());
  ASSERT_TRUE(own.rss_bytes && own.cpu_user_ns && own.threads);
  EXPECT_GT(*own.rss_bytes, 1U << 20U);
  EXPECT_GE(own.peak_rss_bytes, own.rss_bytes);
  const report::ProcessFigures parents = report::figures_of_family(getppid());
  EXPECT_GT(parents.threads, own.threads);
  EXPECT_FALSE(report::figures_of_family(0).threads);
}

}  // namespace
}  // namespace lamprey::companion
