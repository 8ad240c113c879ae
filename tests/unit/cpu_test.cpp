// CPU time by function: how samples are counted in the recording, what is read of it, and what is
// found in that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "preload/cpu/cpu_sites.h"
#include "preload/process/thread.h"
#include "preload/stack/modules.h"
#include "recording/asked.h"
#include "report/delta/cpu.h"
#include "report/findings/findings.h"
#include "report/text/stack_names.h"
#include "symbols/symbolizer.h"
#include "tests/unit/recording_builder.h"

// No module is loaded here: an address stands for the code around it.
lamprey::preload::stack::modules::Answer lamprey::preload::stack::modules::find_tables(
    std::uintptr_t, unwind::Tables&) {
  return Answer::kNone;
}

namespace lamprey {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using preload::g_writer;
using preload::stack::Words;
using recording::CpuProfile;
using recording::function_frame;

constexpr std::uint64_t kMs = 1'000'000;

Words words(std::initializer_list<std::uint64_t> frames) {
  Words words = {};
  for (const std::uint64_t frame : frames) {
    words.append(frame);
  }
  return words;
}

class CpuTest : public ::testing::Test {
 protected:
  CpuTest() : builder_(directory_.path() + "/1.rec", "", false, true) {
    profile().state = recording::CpuState::kOn;
    profile().hz = 100;
    profile().interval_ns = 10 * kMs;
    g_writer.bind(builder_.bytes(), {false, true, false});
    builder_.header().slots_used = 2;  // the builder's thread has one
    preload::cpu::sites::forget_all();
  }
  ~CpuTest() override { g_writer.unbind(); }

  CpuProfile& profile() { return *builder_.writer().cpu(); }
  // As the handler does.
  void sample(const Words& stack, std::uint32_t intervals = 1) {
    profile().samples += 1;
    profile().intervals += intervals;
    preload::cpu::sites::add(stack, intervals);
  }
  recording::Reader reader() {
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    return std::move(*reader);
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(CpuTest, OneFunctionIsOneEntryWhateverItsLine) {
  sample(words({function_frame(1, 10), function_frame(2, 5)}), 2);
  sample(words({function_frame(1, 11), function_frame(2, 5)}), 3);
  sample(words({function_frame(1, 10), function_frame(2, 6)}));
  EXPECT_EQ(profile().sites_used, 2U) << "whose caller's line differs";
  EXPECT_EQ(profile().sites[0].intervals, 5U);
  recording::Reader file = reader();
  const auto samples = file.cpu_samples();
  ASSERT_TRUE(samples);
  const auto stack = file.cpu_stack(samples->sites[0]);
  ASSERT_TRUE(stack);
  EXPECT_EQ(stack->frames[0].line, 11U) << "where most were";
  EXPECT_EQ(stack->frames[1].line, 5U);
}

TEST_F(CpuTest, RecursionStandsOnce) {
  sample(words({function_frame(1, 3), function_frame(1, 4), function_frame(1, 4), 0x2001}));
  sample(words({function_frame(1, 3), function_frame(1, 4), 0x2001}));
  EXPECT_EQ(profile().sites_used, 1U);
  EXPECT_EQ(profile().sites[0].depth, 1U);
}

TEST_F(CpuTest, OfMachineCodeTheInnermostFunctionStaysBesideTheLanguages) {
  sample(words({0x1234, 0x5001, 0x6001, function_frame(1, 3), 0x7001, function_frame(2, 4)}));
  const recording::CpuSite& site = profile().sites[0];
  ASSERT_EQ(site.depth, 3U);
  EXPECT_EQ(profile().words[0], 0x1201U) << "the code around it, as nothing says where it begins";
  EXPECT_EQ(recording::function_of(profile().words[1]), 1U);
  sample(words({0x1234, 0x5001}));
  EXPECT_EQ(profile().sites[1].depth, 2U) << "without a language all of it stays";
}

TEST_F(CpuTest, WhereAThreadWaitsWithoutSleepIsMarked) {
  preload::cpu::sites::mark_awake(nullptr);
  preload::cpu::sites::mark_awake(reinterpret_cast<const void*>(0x5200));
  sample(words({0x5234, function_frame(1, 3)}));
  sample(words({0x5334, 0x5234}));
  recording::Reader file = reader();
  const auto figures = report::CpuLedger::whole(file);
  ASSERT_TRUE(figures);
  ASSERT_EQ(figures->sites.size(), 2U);
  EXPECT_TRUE(figures->sites[0].awake);
  EXPECT_FALSE(figures->sites[1].awake) << "it is not the innermost";
}

TEST_F(CpuTest, WhatFindsNoRoomIsCountedForItsFunctionAndThenAsUnplaced) {
  constexpr std::uint32_t kStacks = recording::kCpuSites - recording::kCpuSitesAlone;
  for (std::uint32_t i = 0; i < 2 * kStacks; ++i) {
    sample(words({function_frame(1, 1), function_frame(100 + i, 1)}));
  }
  EXPECT_EQ(profile().sites_alone, 1U);
  EXPECT_GE(profile().sites[kStacks].intervals, kStacks);
  EXPECT_EQ(profile().unplaced, 0U);
  for (std::uint32_t i = 0; i < 2 * recording::kCpuSitesAlone; ++i) {
    sample(words({function_frame(3000 + i, 1), function_frame(1, 1)}));
  }
  EXPECT_GE(profile().unplaced, recording::kCpuSitesAlone - 1U);
  recording::Reader file = reader();
  const auto figures = report::CpuLedger::whole(file);
  ASSERT_TRUE(figures);
  std::uint64_t placed = 0;
  for (std::uint64_t i = 0; i < recording::kCpuSites; ++i) {
    placed += profile().sites[i].intervals;
  }
  EXPECT_EQ((placed * 10 * kMs) + figures->unplaced_ns, figures->total_ns) << "all is told";
}

TEST_F(CpuTest, FiguresAreOfTheSpan) {
  recording::Reader file = reader();
  report::CpuLedger ledger;
  const auto none = ledger.take(file);
  ASSERT_TRUE(none) << "an invocation without a sample counts, too";
  EXPECT_EQ(none->total_ns, 0U);
  sample(words({function_frame(1, 1)}), 4);
  const auto first = ledger.take(file);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->total_ns, 40 * kMs);
  EXPECT_EQ(first->hz, 100U);
  sample(words({function_frame(1, 1)}));
  sample(words({function_frame(2, 1)}), 2);
  const auto second = ledger.take(file);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->samples, 2U);
  ASSERT_EQ(second->sites.size(), 2U);
  EXPECT_EQ(second->sites[0].cpu_ns, 20 * kMs) << "most first";
  EXPECT_EQ(report::CpuLedger::whole(file)->total_ns, 70 * kMs);
}

TEST_F(CpuTest, AForgedTableIsNoDanger) {
  sample(words({function_frame(1, 1)}));
  profile().sites_used = UINT32_MAX;
  profile().sites_alone = UINT32_MAX;
  profile().sites[1] = profile().sites[0];
  profile().sites[1].first = UINT32_MAX;
  profile().sites[2] = profile().sites[0];
  profile().sites[2].depth = 1000;
  recording::Reader file = reader();
  const auto figures = report::CpuLedger::whole(file);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->sites.size(), 1U);
  profile().hz = 100'000;
  EXPECT_FALSE(reader().cpu_samples());
}

TEST_F(CpuTest, AnAnswerIsOfTheInvocationThatItWasGivenIn) {
  builder_.stack(0, {0x1001});
  builder_.header().stacks_used = 1;
  builder_.start("first");
  builder_.slot().in_flight.asked = recording::asked_word(1, builder_.header().started);
  const auto asked = reader().asked_threads();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].tid, 4711);
  EXPECT_EQ(asked[0].stack, 1U);
  builder_.respond("first");
  builder_.end();
  builder_.start("second");
  EXPECT_TRUE(reader().asked_threads().empty()) << "by now it may be anywhere";
}

// -- what is told of it
// ----------------------------------------------------------------------------

report::CpuSite site(std::uint64_t ms, std::initializer_list<const char*> functions,
                     std::uint32_t line = 7) {
  static std::map<std::string, std::shared_ptr<const recording::SourceFunction>> known;
  report::CpuSite site;
  site.cpu_ns = ms * kMs;
  for (const char* name : functions) {
    auto& function = known[name];
    if (!function) {
      function = std::make_shared<recording::SourceFunction>(
          recording::SourceFunction{recording::Language::kPython, name, "/var/task/app.py"});
    }
    report::Frame frame;
    frame.function = function;
    frame.line = line;
    site.stack.push_back(frame);
  }
  return site;
}

report::Report invocation(std::vector<report::CpuSite> sites) {
  report::Report report;
  report.cpu.emplace();
  report.cpu->hz = 97;
  for (const report::CpuSite& site : sites) {
    report.cpu->total_ns += site.cpu_ns;
  }
  report.cpu->samples = report.cpu->total_ns / (10 * kMs);
  report.cpu->sites = std::move(sites);
  return report;
}

std::vector<std::string> codes_of(report::Report report) {
  add_cpu_findings(report);
  std::vector<std::string> codes;
  for (const report::Finding& finding : report.findings) {
    codes.emplace_back(finding.code);
  }
  return codes;
}

TEST(CpuFindingsTest, HalfOfTheTimeInOneFunctionIsTold) {
  using ::testing::ElementsAre;
  using ::testing::IsEmpty;
  EXPECT_THAT(codes_of(invocation({site(60, {"f", "h"}), site(50, {"g"}), site(50, {"f", "k"})})),
              ElementsAre("cpu.hot"));
  EXPECT_THAT(codes_of(invocation({site(60, {"f"}), site(50, {"g"}), site(50, {"k"})})), IsEmpty());
  EXPECT_THAT(codes_of(invocation({site(99, {"f"})})), IsEmpty()) << "too little";
}

TEST(CpuFindingsTest, WhatItsTimeoutSaysIsNotSaidAgain) {
  report::Report report = invocation({site(500, {"f"})});
  report.findings.push_back({"timeout.cpu", report::Severity::kCritical, "", ""});
  report.findings.back().site = report.cpu->sites[0].stack;
  add_cpu_findings(report);
  EXPECT_EQ(report.findings.size(), 1U);
}

TEST(CpuFindingsTest, ACollectorIsToldFromAQuarterOn) {
  report::CpuSite collector;
  collector.cpu_ns = 150 * kMs;
  collector.stack.emplace_back();
  collector.stack[0].function = std::make_shared<recording::SourceFunction>(
      recording::SourceFunction{recording::Language::kNone, "(garbage collection)", ""});
  EXPECT_THAT(
      codes_of(invocation({collector, site(150, {"f"}), site(150, {"g"}), site(140, {"h"})})),
      ::testing::ElementsAre("cpu.gc"));
  EXPECT_THAT(
      codes_of(invocation({collector, site(170, {"f"}), site(170, {"g"}), site(170, {"h"})})),
      ::testing::IsEmpty());
}

TEST(CpuFindingsTest, WaitingWithoutSleepIsToldFromAQuarterOnAndOnce) {
  report::CpuSite waits = site(150, {"take"});
  waits.awake = true;
  EXPECT_THAT(codes_of(invocation({waits, site(150, {"f"}), site(150, {"g"}), site(140, {"h"})})),
              ::testing::ElementsAre("cpu.native_wait"));
  EXPECT_THAT(codes_of(invocation({waits, site(170, {"f"}), site(170, {"g"}), site(170, {"h"})})),
              ::testing::IsEmpty());
  EXPECT_THAT(codes_of(invocation({waits})), ::testing::ElementsAre("cpu.native_wait"))
      << "not its function as well";
}

TEST(CpuNamesTest, LinesOfOneFunctionAreAddedUp) {
  report::Report report =
      invocation({site(50, {"f", "h"}, 3), site(30, {"g", "h"}, 3), site(40, {"f", "h"}, 3)});
  report.cpu->sites[2].stack[0].line = 4;
  symbols::Symbolizer symbolizer;
  report::name_stacks(report, symbolizer, 0);
  ASSERT_EQ(report.cpu->sites.size(), 2U);
  EXPECT_EQ(report.cpu->sites[0].cpu_ns, 90 * kMs);
  EXPECT_EQ(report.cpu->sites[0].stack_text, "f (/var/task/app.py:3); h (/var/task/app.py:3)");
}

TEST(CpuNamesTest, TheHeadlineSaysWhereItComputed) {
  report::Report report;
  report.headline = "Timed out after 3.00 s: main thread 2.90 s on CPU; allocated 0 B.";
  report::Blocked busy;
  busy.on_cpu = true;
  busy.stack = site(1, {"parse_orders", "handler"}, 88).stack;
  report.blocked.push_back(busy);
  symbols::Symbolizer symbolizer;
  report::name_stacks(report, symbolizer, 0);
  EXPECT_EQ(report.headline,
            "Timed out after 3.00 s: main thread 2.90 s on CPU in parse_orders "
            "(/var/task/app.py:88); allocated 0 B.");
}

}  // namespace
}  // namespace lamprey
