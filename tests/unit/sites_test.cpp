// Sites of a recording as figures of one span: what is a difference, what is of the peak, and of
// which peak.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/delta/sites.h"
#include "report/delta/stacks.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::report {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;

class SitesTest : public ::testing::Test {
 protected:
  SitesTest() : builder_(directory_.path() + "/1.rec") {
    builder_.header().stacks_used = 2;
    for (std::uint32_t i = 0; i < 2; ++i) {
      builder_.stack(i, {0x1000 + i});
    }
    site(0) = {1000, 256, 800, 300, 4, 100, 700, 0};
    site(1) = {4096, 256, 4096, 0, 1, 0, 4096, recording::kSiteMapping};
  }
  recording::Site& site(std::uint32_t index) { return builder_.writer().site_at(index); }
  recording::Reader reader() {
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return std::move(*reader);
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(SitesTest, MappingsBeginWithTheWord) {
  recording::Reader file = reader();
  const std::vector<MemorySite> sites = SiteLedger::whole(file);
  ASSERT_EQ(sites.size(), 2U);
  EXPECT_TRUE(sites[0].mapping);
  EXPECT_THAT(stack_text(sites[0].stack), ::testing::StartsWith("mmap; ?? (0x1000)"));
  EXPECT_FALSE(sites[1].mapping);
  EXPECT_THAT(stack_text(sites[1].stack), ::testing::StartsWith("?? (0xfff)"));
}

TEST_F(SitesTest, ChurnIsOfTheSpan) {
  recording::Reader file = reader();
  SiteLedger ledger;
  EXPECT_EQ(ledger.take(file, 0)[1].churn_bytes, 100U);
  site(0).churned_bytes = 150;
  site(0).live_removed = 350;
  const std::vector<MemorySite> sites = ledger.take(file, 0);
  EXPECT_EQ(sites[1].churn_bytes, 50U);
  EXPECT_EQ(sites[1].live_delta_bytes, -50);
}

TEST_F(SitesTest, ThePeakIsOfTheNewestInvocationOrLeftOut) {
  builder_.header().peak_round = 1;  // copied during init
  recording::Reader before = reader();
  EXPECT_EQ(SiteLedger::whole(before)[1].peak_bytes, 700);
  SiteLedger ledger;
  EXPECT_EQ(ledger.take(before, 0)[1].peak_bytes, 700);
  builder_.header().started = 1;
  recording::Reader begun = reader();
  EXPECT_FALSE(SiteLedger::whole(begun)[1].peak_bytes);  // of the whole life nobody knows
  // Nothing was copied in invocation 1: what was live at its START.
  EXPECT_EQ(ledger.take(begun, 1)[1].peak_bytes, 500);
  builder_.header().peak_round = 2;
  recording::Reader copied = reader();
  EXPECT_EQ(ledger.take(copied, 1)[1].peak_bytes, 700);
  EXPECT_FALSE(ledger.take(copied, 0)[1].peak_bytes);  // one that is over
}

// Far apart, side by side, twice, out of order, never taken: each in its place.
TEST_F(SitesTest, StacksComeAsTheyWereAskedFor) {
  for (std::uint32_t i = 0; i < 200; ++i) {
    builder_.stack(i, {0x1000 + i}).depth = i == 150 ? 0 : 1;
  }
  builder_.header().stacks_used = 200;
  recording::Reader file = reader();
  const std::vector<std::uint32_t> wanted = {180, 1, 200, 0, 2, 1, 34, 201, 151, 33};
  const auto stacks = file.stacks(wanted);
  ASSERT_EQ(stacks.size(), wanted.size());
  for (std::size_t at = 0; at < wanted.size(); ++at) {
    const bool there = wanted[at] != 0 && wanted[at] != 201 && wanted[at] != 151;
    ASSERT_EQ(stacks[at].has_value(), there) << wanted[at];
    if (there) {
      ASSERT_EQ(stacks[at]->frames.size(), 1U);
      EXPECT_EQ(stacks[at]->frames[0].address, 0x1000U + wanted[at] - 1);
    }
  }
}

// A module is read once; one that was not written yet, and one that another replaced, is seen
// later.
TEST_F(SitesTest, ModulesAreReadAgainWhenTheyAreOthers) {
  const auto add = [this](std::uint32_t index, const char* path, std::uint32_t born) {
    recording::Module& module = builder_.writer().module_at(index);
    module.start = 0x1000;
    module.end = 0x2000;
    module.born = born;
    std::strncpy(module.path, path, sizeof(module.path) - 1);
    module.state = recording::kModuleThere;
  };
  KnownModules known;
  const recording::CapturedStack stack{0, false, {std::uint64_t{0x1801}}};
  const auto module_of = [&](std::uint32_t generation) {
    recording::Reader file = reader();
    recording::CapturedStack taken = stack;
    taken.generation = generation;
    return std::string(known.of(file).frames_of(taken)[0].module_path());
  };
  builder_.header().modules_used = 1;  // handed out, not written
  EXPECT_EQ(module_of(0), "");
  add(0, "/opt/one.so", 0);
  EXPECT_EQ(module_of(0), "/opt/one.so");
  builder_.writer().module_at(0).died = 1;
  builder_.header().modules_used = 2;
  add(1, "/opt/two.so", 1);
  EXPECT_EQ(module_of(0), "/opt/one.so");
  builder_.header().generation = 1;
  EXPECT_EQ(module_of(1), "/opt/two.so");
  EXPECT_EQ(module_of(0), "/opt/one.so");
  builder_.writer().module_at(1).died = 2;  // by one that was in the table before: none is new
  EXPECT_EQ(module_of(2), "/opt/two.so") << "read before the generation was another";
  builder_.header().generation = 2;
  EXPECT_EQ(module_of(2), "");
}

}  // namespace
}  // namespace lamprey::report
