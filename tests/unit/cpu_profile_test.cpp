// CPU time out of log lines: whose code a frame is, how lines are added up, and what the pictures
// of it say.
#include "cli/analysis/cpu_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/analysis/cpu_figures.h"
#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "report/text/frame_words.h"
#include "tests/unit/sampled_record.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using report::Origin;
using report::origin_of_words;
using report::own_frame;
using ::testing::ElementsAre;

TEST(FrameWordsTest, WhoseCodeItIs) {
  EXPECT_EQ(origin_of_words("handler (/var/task/app.py:12)"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("async handler (/var/task/index.mjs:3)"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("com.example.App.handleRequest (App.java:42)"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("handler (/var/task/app.rb)"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("py::load:/var/task/app.py"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("(garbage collection)"), Origin::kOwn);
  EXPECT_EQ(origin_of_words("send (/var/task/site-packages/urllib3/a.py:7)"), Origin::kDependency);
  EXPECT_EQ(origin_of_words("f (/var/task/node_modules/x/i.js:7)"), Origin::kDependency);
  EXPECT_EQ(origin_of_words("com.fasterxml.jackson.Reader.read (Reader.java:1)"),
            Origin::kDependency);
  EXPECT_EQ(origin_of_words("load(int (*)(char)) (bootstrap +0x12)"), Origin::kExtension);
  EXPECT_EQ(origin_of_words("std::vector<int>::reserve (bootstrap +0x12)"), Origin::kRuntime);
  EXPECT_EQ(origin_of_words("void std::sort<int> (bootstrap +0x12)"), Origin::kRuntime);
  EXPECT_EQ(origin_of_words("run (/var/runtime/bootstrap.py:490)"), Origin::kClient);
  EXPECT_EQ(origin_of_words("loads (/var/lang/lib/python3.12/json/__init__.py:346)"),
            Origin::kRuntime);
  EXPECT_EQ(origin_of_words("java.util.HashMap.put (HashMap.java:600)"), Origin::kRuntime);
  EXPECT_EQ(origin_of_words("memcpy (libc.so.6 +0x10)"), Origin::kHidden);
  EXPECT_EQ(origin_of_words("node:fs (node:fs:12)"), Origin::kHidden);
}

TEST(FrameWordsTest, TheInnermostOfTheProgramsOwn) {
  EXPECT_EQ(own_frame("scan (_json.so +0x1); loads (/usr/lib/python3.12/json/__init__.py:9); "
                      "parse (/var/task/app.py:88); handler (/var/task/app.py:12)"),
            "parse (/var/task/app.py:88)");
  EXPECT_EQ(own_frame("memcpy (libc.so.6 +0x1); std::copy (app +0x5); load (app +0x2); main (app "
                      "+0x3)"),
            "load (app +0x2)");
  EXPECT_EQ(own_frame("read (libc.so.6 +0x1); main (/x/site-packages/a.py:1); f (ext.so +0x2)"),
            "main (/x/site-packages/a.py:1)");
  EXPECT_EQ(own_frame("read (libc.so.6 +0x1); ..."), "read (libc.so.6 +0x1)");
  EXPECT_EQ(own_frame("..."), "");
  EXPECT_EQ(own_frame("; ; "), "");
}

const Frames kParse = {"handler (/app.py)", "parse (/app.py)"};
const Frames kSave = {"handler (/app.py)", "save (/app.py)"};
constexpr const char* kParseText = "parse (/app.py:88); handler (/app.py:12)";
constexpr const char* kSaveText = "save (/app.py:40); handler (/app.py:13)";

TEST(CpuProfileTest, SumsAndWhatIsNotListed) {
  CpuProfile profile;
  profile.add(Read(sampled("invoke", "f", 100, 10, {{kParseText, 60}, {kSaveText, 30}})));
  profile.add(
      Read(sampled("invoke", "f", 50, 5, {{"parse (/app.py:91); handler (/app.py:12)", 20}})));
  profile.add(Read(sampled("invoke", "f", 10, 1, {{kSaveText, 10}})));
  profile.add(Read(sampled("shutdown", "f", 160, 16, {{kSaveText, 40}})));  // says all that again
  profile.add(Read(sampled("init", "f", 7.5, 1, {{kParseText, 7.5}})));
  const CpuSites sites = profile.sites();
  EXPECT_EQ(sites.at(kParse).invocations.ns, 80'000'000);
  EXPECT_DOUBLE_EQ(sites.at(kParse).invocations.samples, 8);
  EXPECT_EQ(sites.at(kParse).inits.ns, 7'500'000);
  EXPECT_EQ(sites.at(kSave).invocations.ns, 40'000'000);
  EXPECT_EQ(sites.at({kNotInTopSites}).invocations.ns, 40'000'000);
  EXPECT_DOUBLE_EQ(sites.at({kNotInTopSites}).invocations.samples, 4);
  EXPECT_EQ(profile.hz(), 97U);
}

TEST(CpuProfileTest, SeveralFunctionsAreToldApart) {
  CpuProfile profile;
  profile.add(Read(sampled("invoke", "f", 10, 1, {{kParseText, 10}})));
  profile.add(Read(sampled("invoke", "g", 20, 2, {{kParseText, 20}})));
  const CpuSites sites = profile.sites();
  EXPECT_EQ(sites.at({"f", kParse[0], kParse[1]}).invocations.ns, 10'000'000);
  EXPECT_EQ(sites.at({"g", kParse[0], kParse[1]}).invocations.ns, 20'000'000);
  EXPECT_EQ(sites.size(), 2U);
}

TEST(CpuProfileTest, LinesWithoutCpuAreNone) {
  CpuProfile profile;
  profile.add(Read(Json{{"type", "invoke"}, {"cpu_ms", 61.0}}));
  EXPECT_TRUE(profile.empty());
  profile.add(Read(sampled("invoke", "f", 0, 0, {})));
  EXPECT_FALSE(profile.empty());
  EXPECT_TRUE(profile.sites().empty());
}

TEST(CpuProfileTest, OddRecords) {
  CpuProfile profile;
  for (const char* text :
       {R"({"cpu":5})", R"({"cpu":{"sites":7}})", R"({"cpu":{"sites":[1,"a",null,{}]}})",
        R"({"cpu":{"total_ms":"x","sites":[{"stack":5,"cpu_ms":[]}]}})",
        R"({"cpu":{"total_ms":-4,"samples":-1,"sites":[{"stack":"a","cpu_ms":-3}]}})"}) {
    profile.add(Read(Json::parse(text)));
  }
  EXPECT_TRUE(profile.sites().empty());
  for (int i = 0; i < 1000; ++i) {
    profile.add(Read(sampled("invoke", "f", 8e12, 2'000'000'000,
                             {{"a (m)", 8e12}, {"b (m)", 8e12}, {"c (m)", 8e12}})));
  }
  EXPECT_EQ(profile.sites().at({"a (m)"}).invocations.ns, INT64_MAX);
  EXPECT_FALSE(profile.sites().contains({kNotInTopSites}));
  EXPECT_GT(picture_of(profile.sites()).stacks.at(0).count, 0);
}

TEST(CpuProfileTest, ThePictureHasInvocationsAndInits) {
  const CpuSites sites = {{kParse, {{8'000'000, 3}, {2'000'000, 1}}}};
  const Picture picture = picture_of(sites);
  EXPECT_EQ(picture.unit, PictureUnit::kNanoseconds);
  ASSERT_EQ(picture.stacks.size(), 2U);
  EXPECT_THAT(picture.stacks[0].values, ElementsAre(8'000'000, 8'000'000, 0));
  EXPECT_THAT(picture.stacks[1].values, ElementsAre(2'000'000, 0, 2'000'000));
  const Json file = Json::parse(speedscope_file(picture, "title"));
  EXPECT_EQ(file["profiles"][0]["unit"], "microseconds");
  EXPECT_EQ(file["profiles"][0]["endValue"], 10'000);
  EXPECT_EQ(file["profiles"][2]["endValue"], 2'000);
}

}  // namespace
}  // namespace lamprey::cli
