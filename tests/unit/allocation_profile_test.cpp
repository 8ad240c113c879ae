// Profiles of all sites: what is counted in which, their words, and how the command adds them up
// with what lines list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "cli/analysis/memory_profile.h"
#include "cloudwatch/line.h"
#include "report/delta/profile.h"
#include "report/text/profile_text.h"
#include "tests/unit/record_reading.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/stack_frames.h"

namespace lamprey {
namespace {

using cli::Frames;
using cli::MemoryProfile;
using cli::Read;
using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using report::ProfiledSite;
using report::ProfiledSites;
using report::Stack;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ProfileLedgerTest : public ::testing::Test {
 protected:
  ProfileLedgerTest() : builder_(directory_.path() + "/1.rec") {
    builder_.header().stacks_used = 3;
    for (std::uint32_t i = 0; i < 3; ++i) {
      builder_.stack(i, {0x1001 + i});
    }
    site(0) = {1000, 2 * recording::kBlockUnits, 800, 300, 4, 100, 700, 0};
    site(1) = {4096, recording::kBlockUnits, 4096, 0, 1, 0, 4096, recording::kSiteMapping};
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

TEST_F(ProfileLedgerTest, EachCountsFromTheOneBefore) {
  recording::Reader file = reader();
  report::ProfileLedger ledger;
  const ProfiledSites first = ledger.take(file, 0);
  EXPECT_FALSE(first.since);
  EXPECT_EQ(first.until, 0U);
  ASSERT_EQ(first.sites.size(), 2U);
  EXPECT_EQ(first.sites[0].allocated_bytes, 1000U);  // all of what malloc gave
  EXPECT_EQ(first.sites[0].allocations, 2U);
  EXPECT_EQ(first.sites[0].live_bytes, 500);
  EXPECT_TRUE(first.sites[1].mapping);
  const auto stacks = first.stacks_of(first.sites);
  ASSERT_EQ(stacks.size(), 2U);
  EXPECT_EQ(stacks[0][0].address, 0x1000U);

  site(0).allocated_bytes = 1500;
  site(0).live_removed = 700;
  const ProfiledSites second = ledger.take(file, 100);
  EXPECT_EQ(second.since, 0U);
  EXPECT_EQ(second.until, 100U);
  EXPECT_EQ(second.sites[0].allocated_bytes, 500U);
  EXPECT_EQ(second.sites[0].live_bytes, 100);
  EXPECT_EQ(second.sites[0].live_delta_bytes, -400);
  EXPECT_EQ(second.sites[1].allocated_bytes, 0U);  // it holds, so it is there
  EXPECT_EQ(second.sites[1].live_bytes, 4096);
}

TEST_F(ProfileLedgerTest, WhatOthersHaveToldIsNotCounted) {
  recording::Reader file = reader();
  report::ProfileLedger ledger;
  ledger.begin(file, 7);
  site(0).allocated_bytes += 60;
  const ProfiledSites taken = ledger.take(file, 9);
  EXPECT_EQ(taken.since, 7U);
  EXPECT_EQ(taken.sites[0].allocated_bytes, 60U);
}

// One part in two thousand of the blocks, and of the mappings, is the least that has a place.
TEST_F(ProfileLedgerTest, WhatHardlyCountsIsLeftOut) {
  site(0) = {1'000'000, recording::kBlockUnits, 0, 0, 1, 0, 0, 0};
  site(2) = {400, recording::kBlockUnits, 0, 0, 1, 0, 0, 0};
  recording::Reader file = reader();
  report::ProfileLedger ledger;
  EXPECT_EQ(ledger.take(file, 0).sites.size(), 2U);
  site(2).allocated_bytes = 4'000'000;
  const ProfiledSites next = ledger.take(file, 1);
  ASSERT_EQ(next.sites.size(), 2U);
  EXPECT_EQ(next.sites[0].stack_id, 2U);  // all of what is mapped
  EXPECT_EQ(next.sites[1].stack_id, 3U);
}

ProfiledSites three() {
  ProfiledSites profile;
  profile.since = 100;
  profile.until = 200;
  profile.sites = {{1, false, 900, 9, 90, 10}, {2, true, 800, 1, 800, 0}, {3, false, 50, 5, 0, 0}};
  profile.stacks_of = [](const std::vector<ProfiledSite>& some) {
    std::vector<Stack> stacks;
    stacks.reserve(some.size());
    for (const ProfiledSite& site : some) {
      stacks.push_back(site.stack_id == 2 ? Stack{report::frame_at(0x20)}
                                          : Stack{report::frame_at(0x10), report::frame_at(0x20)});
    }
    return stacks;
  };
  return profile;
}

TEST(ProfileTextTest, EachFrameStandsOnceAndEqualStacksAreAddedUp) {
  symbols::Symbolizer symbolizer;
  const auto text = report::profile_text(three(), 0, symbolizer, 1000);
  EXPECT_EQ(text.frames, "?? (0x10); ?? (0x20); mmap");
  EXPECT_EQ(text.sites, "950 14 90 10 0 1; 800 1 800 0 2 1");
  EXPECT_EQ(text.since, 100U);
  EXPECT_EQ(text.until, 200U);
}

report::Frame python(const char* name, const char* file, std::uint32_t line) {
  report::Frame frame;
  frame.function = std::make_shared<recording::SourceFunction>(
      recording::SourceFunction{recording::Language::kPython, name, file, 1});
  frame.line = line;
  return frame;
}

// A path stands once, whoever is in it; the command puts it back.
TEST(ProfileTextTest, AFileStandsOnce) {
  ProfiledSites profile;
  profile.sites = {{1, false, 10, 1, 0, 0}};
  profile.stacks_of = [](const std::vector<ProfiledSite>&) {
    return std::vector<Stack>{{python("load", "/var/task/app.py", 3),
                               python("read", "/var/task/other.py", 4),
                               python("handler", "/var/task/app.py", 9)}};
  };
  symbols::Symbolizer symbolizer;
  const auto text = report::profile_text(profile, 0, symbolizer, 1000);
  EXPECT_EQ(text.files, "/var/task/app.py; /var/task/other.py");
  EXPECT_EQ(text.frames, "load (#0:3); read (#1:4); handler (#0:9)");
  MemoryProfile read;
  Json record = {{"type", "invoke"}, {"invocation", 1}, {"memory", {{"allocated_bytes", 10}}}};
  record["allocation_profile"] = {
      {"until", 1}, {"files", text.files}, {"frames", text.frames}, {"sites", text.sites}};
  read.add(Read(record));
  EXPECT_EQ(read.sites()
                .at({"handler (/var/task/app.py)", "read (/var/task/other.py)",
                     "load (/var/task/app.py)"})
                .allocated_bytes,
            10);
  record["allocation_profile"]["files"] = "/one.py";  // hostile: the second is missing
  MemoryProfile cut;
  cut.add(Read(record));
  EXPECT_EQ(cut.sites().size(), 1U);
}

TEST(ProfileTextTest, WhatHasNoRoomLeavesNothingBehind) {
  symbols::Symbolizer symbolizer;
  const auto text = report::profile_text(three(), 0, symbolizer, 80);
  EXPECT_EQ(text.frames, "?? (0x10); ?? (0x20)");
  EXPECT_EQ(text.sites, "950 14 90 10 0 1");
}

TEST(ProfileTextTest, ALineHasItLastAndAsMuchAsFits) {
  report::Report report;
  report.type = report::Type::kShutdown;
  report.memory.emplace();
  report.memory->profile = {std::nullopt, 3, "", "a; b", "1 1 1 1 0 1; 2 2 2 2 1"};
  const std::string line = cloudwatch::to_line(report, {});
  EXPECT_THAT(line, ::testing::EndsWith(R"(,"allocation_profile":{"until":3,"frames":"a; b",)"
                                        R"("sites":"1 1 1 1 0 1; 2 2 2 2 1"}})"));
  std::string many = "9 9 9 9 0";
  while (many.size() < 2 * cloudwatch::kMaxBytes) {
    many += "; 1 1 1 1 0 1";
  }
  report.memory->profile->sites = many;
  const std::string cut = cloudwatch::to_line(report, {});
  EXPECT_LE(cut.size(), cloudwatch::kMaxBytes);
  EXPECT_GT(cut.size(), cloudwatch::kMaxBytes - 200);
  EXPECT_TRUE(Json::accept(cut));
  EXPECT_THAT(cut, HasSubstr("; 1 1 1 1 0 1\"}}"));
}

Json line(const char* type, int invocation, std::int64_t allocated, std::int64_t live) {
  Json record = {{"type", type},
                 {"function_name", "f"},
                 {"memory", {{"allocated_bytes", allocated}, {"live_bytes", live}}}};
  if (invocation != 0) {
    record["invocation"] = invocation;
  }
  return record;
}

Json with_site(Json record, const char* stack, std::int64_t allocated, std::int64_t live) {
  record["memory"]["sites"].push_back(
      {{"stack", stack}, {"allocated_bytes", allocated}, {"live_bytes", live}});
  return record;
}

Json with_profile(Json record, int since, int until, const char* frames, const char* sites) {
  record["allocation_profile"] = {{"until", until}, {"frames", frames}, {"sites", sites}};
  if (since >= 0) {
    record["allocation_profile"]["since"] = since;
  }
  return record;
}

const Frames kLoad = {"main (app)", "load (app)"};

// Init 0, invocations 1 to 3, and the end of the process: its profile is of all three.
TEST(ProfiledLinesTest, AProfileTakesThePlaceOfWhatItsLinesList) {
  MemoryProfile profile;
  profile.add(Read(with_profile(line("init", 0, 1000, 100), -1, 0,
                                "load (app +0x1); main (app +0x2)", "1000 1 100 100 0 1")));
  for (int i = 1; i <= 3; ++i) {
    profile.add(Read(with_site(line("invoke", i, 500, 100), "load (app +0x9)", 200, 7)));
  }
  EXPECT_EQ(profile.sites().at({"load (app)"}).allocated_bytes, 600);
  EXPECT_EQ(profile.sites().at({MemoryProfile::kNotListed}).allocated_bytes, 900);
  profile.add(Read(with_profile(line("shutdown", 0, 2500, 100), 0, 3,
                                "load (app +0x3); main (app +0x2); mmap",
                                "1500 9 80 -20 0 1; 4096 1 4096 0 2 0 1")));
  const auto sites = profile.sites();
  EXPECT_EQ(sites.at(kLoad).allocated_bytes, 2500);
  EXPECT_EQ(sites.at(kLoad).allocations, 10);
  EXPECT_EQ(sites.at(kLoad).live_bytes, 80);
  EXPECT_EQ(sites.at(kLoad).growth_bytes, 80);
  EXPECT_EQ(sites.at({"main (app)", "load (app)", "mmap"}).live_bytes, 4096);
  EXPECT_EQ(sites.at({"load (app)"}).allocated_bytes, 0);  // by name, not by line
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).live_bytes, 20);
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).allocated_bytes, 0);
}

TEST(ProfiledLinesTest, WhatIsOlderThanAProfileStays) {
  MemoryProfile profile;
  profile.add(Read(with_site(line("invoke", 60, 500, 1), "load (app +0x9)", 200, 1)));
  profile.add(
      Read(with_profile(line("invoke", 300, 500, 1), 200, 300, "load (app +0x1)", "3000 1 1 0 0")));
  EXPECT_EQ(profile.sites().at({"load (app)"}).allocated_bytes, 3200);
}

// Two environments have come as far as each other; one ends, and the other goes on.
TEST(ProfiledLinesTest, AnEnvironmentThatEndedIsNotContinued) {
  MemoryProfile profile;
  profile.add(Read(with_site(line("invoke", 1, 10, 70), "a (m)", 10, 70)));
  profile.add(Read(with_profile(line("shutdown", 0, 10, 70), 0, 1, "b (m)", "10 1 70 0 0")));
  profile.add(Read(with_site(line("invoke", 2, 10, 30), "a (m)", 10, 30)));
  const auto sites = profile.sites();
  EXPECT_EQ(sites.at({"b (m)"}).live_bytes, 70);
  EXPECT_EQ(sites.at({"a (m)"}).live_bytes, 30);
}

TEST(ProfiledLinesTest, WhatMakesNoSenseIsLeftOut) {
  for (const char* sites :
       {"", "1", "1 1 1 1", "1 1 1 1 9", "x 1 1 1 0", "1 1 1 1 -1", "99999999999999999999 1 1 1 0",
        "1 1 1 1 0x", ";;; ;", "1 1 1 1 18446744073709551616"}) {
    MemoryProfile profile;
    profile.add(Read(with_profile(line("invoke", 1, 10, 10), 0, 1, "a (m)", sites)));
    const auto found = profile.sites();
    EXPECT_TRUE(!found.contains({"a (m)"}) || found.at({"a (m)"}).allocated_bytes == 0) << sites;
  }
  MemoryProfile profile;
  Json record = line("invoke", 1, 10, 10);
  record["allocation_profile"] = {{"frames", 7}, {"sites", {1, 2}}, {"since", "x"}};
  profile.add(Read(record));
  EXPECT_LE(profile.sites().size(), 1U);
}

}  // namespace
}  // namespace lamprey
