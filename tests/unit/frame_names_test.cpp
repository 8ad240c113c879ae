// Frames of the program's own functions in words: whose code they are, which are kept, and what of
// them a recording may get wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/delta/stacks.h"
#include "report/text/frame_names.h"
#include "report/text/stack_names.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/stack_frames.h"

namespace lamprey::report {
namespace {

using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using recording::Language;
using recording::SourceFunction;
using ::testing::EndsWith;
using ::testing::Not;
using ::testing::StartsWith;

Frame function(Language language, const std::string& name, const std::string& file,
               std::uint32_t line = 7) {
  Frame frame;
  frame.function = std::make_shared<SourceFunction>(SourceFunction{language, name, file, 1});
  frame.line = line;
  return frame;
}

Frame python(const std::string& name, const std::string& file, std::uint32_t line = 7) {
  return function(Language::kPython, name, file, line);
}

Frame machine(const std::string& module) { return frame_at(0x1000, module, 0x1000); }

std::string text(const Stack& stack, std::size_t most = kMaxStackText) {
  symbols::Symbolizer symbolizer;
  return stack_text(stack, 0, symbolizer, most);
}

TEST(FrameNamesTest, WhoseCodeItIs) {
  const auto python_origin = [](const char* file) { return origin_of(python("f", file)); };
  EXPECT_EQ(python_origin("/var/task/app.py"), Origin::kOwn);
  EXPECT_EQ(python_origin("<string>"), Origin::kOwn);
  EXPECT_EQ(python_origin("/var/task/vendor/site-packages/requests/api.py"), Origin::kDependency);
  EXPECT_EQ(python_origin("/opt/python/thing.py"), Origin::kDependency);
  EXPECT_EQ(python_origin("/var/lang/lib/python3.12/site-packages/awslambdaric/bootstrap.py"),
            Origin::kClient);
  EXPECT_EQ(python_origin("/var/lang/lib/python3.12/json/decoder.py"), Origin::kRuntime);
  EXPECT_EQ(python_origin("<frozen importlib._bootstrap>"), Origin::kHidden);
  const auto node_origin = [](const char* file) {
    return origin_of(function(Language::kJavaScript, "f", file));
  };
  EXPECT_EQ(node_origin("/var/task/index.js"), Origin::kOwn);
  EXPECT_EQ(node_origin("/var/task/node_modules/pg/lib/client.js"), Origin::kDependency);
  EXPECT_EQ(node_origin("/var/runtime/index.mjs"), Origin::kClient);
  EXPECT_EQ(node_origin("node:internal/modules/cjs/loader"), Origin::kHidden);
  const auto java_origin = [](const char* name) {
    return origin_of(function(Language::kJava, name, "X.java"));
  };
  EXPECT_EQ(java_origin("com.example.App.handleRequest"), Origin::kOwn);
  EXPECT_EQ(java_origin("org.springframework.web.Dispatcher.go"), Origin::kDependency);
  EXPECT_EQ(java_origin("java.util.ArrayList.add"), Origin::kRuntime);
  EXPECT_EQ(java_origin("java.lang.invoke.LambdaForm$MH.invoke"), Origin::kHidden);
  EXPECT_EQ(java_origin("com.amazonaws.services.lambda.runtime.api.client.AWSLambda.main"),
            Origin::kClient);
  EXPECT_EQ(origin_of(machine("/usr/lib/libpython3.12.so.1.0")), Origin::kHidden);
  EXPECT_EQ(origin_of(machine("/var/task/fast.cpython-312-x86_64-linux-gnu.so")),
            Origin::kExtension);
}

TEST(FrameNamesTest, AFrameInWords) {
  EXPECT_EQ(function_text(python("Cache.put", "/var/task/app.py", 12)),
            "Cache.put (/var/task/app.py:12)");
  EXPECT_EQ(function_text(python("put", "/var/task/app.py", 0)), "put (/var/task/app.py)");
  Frame awaiting = function(Language::kJavaScript, "", "/var/task/index.js", 3);
  awaiting.async = true;
  EXPECT_EQ(function_text(awaiting), "async (anonymous) (/var/task/index.js:3)");
  EXPECT_EQ(function_text(function(Language::kNone, "(garbage collection)", "", 0)),
            "(garbage collection)");
}

// What the interpreter and libc put around and between them says nothing of the program.
TEST(FrameNamesTest, TheProgramsFunctionsStandAlone) {
  const Stack stack = {machine("/usr/lib/x86_64-linux-gnu/libc.so.6"),
                       machine("/usr/lib/libpython3.12.so.1.0"),
                       python("remember", "/var/task/app.py", 4),
                       python("handler", "/var/task/app.py", 10),
                       python("<module>", "<frozen importlib._bootstrap>", 1),
                       machine("/usr/bin/python3.12")};
  EXPECT_EQ(text(stack), "remember (/var/task/app.py:4); handler (/var/task/app.py:10)");
}

// Where nothing else is left, they are shown.
TEST(FrameNamesTest, WithoutOwnFunctionsTheRuntimesStand) {
  EXPECT_EQ(text({machine("/lib/libc.so.6"), python("load", "/usr/lib/python3.12/json/a.py", 3)}),
            "load (/usr/lib/python3.12/json/a.py:3)");
  EXPECT_EQ(text({python("_find", "<frozen importlib._bootstrap>", 3)}),
            "_find (<frozen importlib._bootstrap>:3)");
}

TEST(FrameNamesTest, AnExtensionStaysWhereItIs) {
  EXPECT_EQ(text({machine("/var/task/fast.so"), python("sum_up", "/var/task/app.py", 4),
                  machine("/usr/bin/python3.12")}),
            "?? (fast.so +0x1000); sum_up (/var/task/app.py:4)");
}

TEST(FrameNamesTest, ACutStackKeepsThePrograms) {
  Stack stack;
  for (int i = 0; i < 40; ++i) {
    stack.push_back(python("inner_" + std::to_string(i), "/x/site-packages/p/q.py", 1));
  }
  stack.push_back(python("handler", "/var/task/app.py", 10));
  const std::string all = text(stack);
  EXPECT_THAT(all, StartsWith("inner_0 (/x/site-packages/p/q.py:1); inner_1 "));
  EXPECT_THAT(all, EndsWith("; handler (/var/task/app.py:10)"));
  EXPECT_EQ(text(stack, 60), "handler (/var/task/app.py:10)");
  Stack own;
  for (int i = 0; i < 40; ++i) {
    own.push_back(python("own_" + std::to_string(i), "/var/task/app.py", 1));
  }
  EXPECT_THAT(text(own), EndsWith("; own_15 (/var/task/app.py:1); ..."));
}

TEST(FrameNamesTest, AFindingPointsToTheInnermostOwnFunction) {
  Report report;
  Finding finding;
  finding.text = "It grows.";
  finding.site = {machine("/lib/libc.so.6"), python("encode", "/usr/lib/python3.12/json/e.py", 1),
                  python("send", "/x/site-packages/p/q.py", 2),
                  python("remember", "/var/task/app.py", 4),
                  python("handler", "/var/task/app.py", 10)};
  report.findings.push_back(finding);
  symbols::Symbolizer symbolizer;
  name_stacks(report, symbolizer, UINT64_MAX);
  EXPECT_EQ(report.findings[0].text,
            "It grows. Here: remember (/var/task/app.py:4); handler (/var/task/app.py:10)");
}

// A client's frames are many and long: the record's text of a thread at the end has 512 bytes.
TEST(FrameNamesTest, WhatAThreadWasInAtTheEndKeepsThePrograms) {
  Report report;
  Stack stack;
  for (int i = 0; i < 12; ++i) {
    stack.push_back(python("read_response_" + std::to_string(i),
                           "/var/lang/lib/python3.12/http/client_of_this_library.py", 1));
  }
  stack.push_back(python("ask", "/var/task/app.py", 4));
  report.blocked.emplace_back().stack = stack;
  report.death.stack = stack;
  symbols::Symbolizer symbolizer;
  name_stacks(report, symbolizer, UINT64_MAX);
  for (const std::string& shown : {report.blocked[0].stack_text, report.death.stack_text}) {
    EXPECT_LE(shown.size(), kMaxEndStackText);
    EXPECT_THAT(shown, StartsWith("read_response_0 ("));
    EXPECT_THAT(shown, ::testing::HasSubstr("; ask (/var/task/app.py:4)"));
  }
}

TEST(FrameNamesTest, AHeadlineSaysWhoWaitedWhereNoFindingDoes) {
  const auto headline_of = [](bool program, bool finding) {
    Report report;
    Blocked& blocked = report.blocked.emplace_back();
    blocked.tid = 7;
    blocked.call = recording::Call::k_ppoll;
    blocked.for_ns = 1'990'000'000;
    blocked.stack = {python(program ? "pause" : "sleep",
                            program ? "/var/task/app.py" : "/usr/lib/python3.12/x.py", 3)};
    report.headline = "Timed out after 2.00 s: thread 7 1.99 s in ppoll; allocated 1 KB.";
    if (finding) {
      report.findings.emplace_back().site = blocked.stack;
    }
    symbols::Symbolizer symbolizer;
    name_stacks(report, symbolizer, UINT64_MAX);
    return report.headline;
  };
  EXPECT_EQ(headline_of(true, false),
            "Timed out after 2.00 s: thread 7 1.99 s in ppoll, called by pause "
            "(/var/task/app.py:3); allocated 1 KB.");
  for (const std::string& silent : {headline_of(false, false), headline_of(true, true)}) {
    EXPECT_THAT(silent, Not(::testing::HasSubstr("called by")));
  }
}

TEST(FrameNamesTest, StacksOfOnePlaceAreOneSite) {
  Report report;
  report.memory.emplace();
  for (const char* module : {"/lib/libc.so.6", "/usr/lib/libpython3.12.so.1.0", "/var/task/a.so"}) {
    MemorySite site;
    site.live_bytes = 100;
    site.allocated_bytes = 300;
    site.allocations = 3;
    site.stack = {machine(module), python("remember", "/var/task/app.py", 4)};
    report.memory->sites.push_back(site);
  }
  report.memory->sites[0].peak_bytes = 7;
  symbols::Symbolizer symbolizer;
  name_stacks(report, symbolizer, UINT64_MAX);
  const auto& sites = report.memory->sites;
  ASSERT_EQ(sites.size(), 2U);  // that of the extension is another
  EXPECT_EQ(sites[0].live_bytes, 200);
  EXPECT_EQ(sites[0].allocated_bytes, 600U);
  EXPECT_EQ(sites[0].allocations, 6U);
  EXPECT_EQ(sites[0].peak_bytes, 7);
  EXPECT_EQ(sites[1].live_bytes, 100);
}

class RecordedFunctionsTest : public ::testing::Test {
 protected:
  RecordedFunctionsTest() : builder_(directory_.path() + "/1.rec") {
    const std::string text = "handler/var/task/app.py";
    std::memcpy(builder_.writer().function_text(), text.data(), text.size());
    builder_.writer().source_file_at(0) = {7, 16, recording::kFunctionThere};
    builder_.writer().function_at(0) = {0, 3, 1, 7, Language::kPython, recording::kFunctionThere,
                                        0};
    builder_.header().stacks_used = 1;
  }
  std::string text_of(std::initializer_list<std::uint64_t> words) {
    builder_.stack(0, words);
    recording::Failure failure;
    auto reader = recording::Reader::open(builder_.path(), failure);
    EXPECT_TRUE(reader) << failure.text;
    const auto stack = reader->stack(1);
    return stack ? text(ModuleMap(reader->modules()).frames_of(*stack)) : "none";
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
};

TEST_F(RecordedFunctionsTest, AreReadBack) {
  EXPECT_EQ(text_of({0x1000, recording::function_frame(1, 5)}), "handler (/var/task/app.py:5)");
  EXPECT_EQ(text_of({recording::function_frame(1, 5) | recording::kAsyncFrame}),
            "async handler (/var/task/app.py:5)");
}

TEST_F(RecordedFunctionsTest, WhatIsNotThereHasNoName) {
  EXPECT_EQ(text_of({recording::function_frame(0, 5)}), "(more functions)");
  EXPECT_EQ(text_of({recording::function_frame(2, 5)}), "(more functions)");
  EXPECT_EQ(text_of({recording::function_frame(0xFFFFFF, 5)}), "(more functions)");
}

TEST_F(RecordedFunctionsTest, HostileEntriesAreHarmless) {
  recording::Function& function = builder_.writer().function_at(0);
  function.name = UINT32_MAX - 3;
  EXPECT_EQ(text_of({recording::function_frame(1, 5)}), "(anonymous) (/var/task/app.py:5)");
  function.name = 0;
  function.file = UINT16_MAX;
  EXPECT_EQ(text_of({recording::function_frame(1, 5)}), "handler");
  function.language = static_cast<Language>(200);
  std::memcpy(builder_.writer().function_text(), "a;b\n\x7F\x01;", 7);
  EXPECT_EQ(text_of({recording::function_frame(1, 5)}), "a,b???,");
  builder_.writer().stack_at(0).first = UINT32_MAX;
  recording::Failure failure;
  auto reader = recording::Reader::open(builder_.path(), failure);
  EXPECT_FALSE(reader->stack(1));
}

}  // namespace
}  // namespace lamprey::report
