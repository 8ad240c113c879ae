// Addresses → names, on libraries made here: stripped, with separate debug files, of another build,
// cut short; within a budget; and code that runtimes make.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "report/text/stack_names.h"
#include "symbols/hexadecimal.h"
#include "symbols/symbolizer.h"
#include "tests/unit/compiled_module.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/stack_frames.h"

namespace lamprey::symbols {
namespace {

using lamprey::testing::address_of;
using lamprey::testing::compile_library;
using lamprey::testing::must_run;
using lamprey::testing::read_text;
using lamprey::testing::TemporaryDirectory;
using lamprey::testing::write_text;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kText = R"(
#include <cstdlib>
namespace app { 
__attribute__((noinline)) static void* hidden(int n) { return std::malloc(static_cast<unsigned>(n)); }
__attribute__((noinline)) void* load(int n) { char* p = static_cast<char*>(hidden(n)); if (p) *p = 1; return p; }
}
extern "C" void* exported(int n) { void* p = app::load(n + 1); if (p) *static_cast<char*>(p) = 2; return p; }
extern "C" __attribute__((alias("exported"))) void* __alias_of_exported(int);
)";

class SymbolizerTest : public ::testing::Test {
 protected:
  SymbolizerTest() : library_(directory_.path() + "/libapp.so") {
    compile_library(library_, kText);
    hidden_ = address_of(library_, "_ZN3appL6hiddenEi") + 2;
    load_ = address_of(library_, "_ZN3app4loadEi") + 2;
    exported_ = address_of(library_, "exported") + 2;
    id_ = ElfFile::open(library_)->build_id();
  }
  Surroundings here() {
    return {directory_.path() + "/debug", directory_.path() + "/proc", directory_.path()};
  }
  Place at(std::uint64_t offset) { return {0, offset, library_, id_, offset}; }
  static std::string name(Symbolizer& symbolizer, const Place& place) {
    symbolizer.want(place);
    EXPECT_TRUE(symbolizer.work(UINT64_MAX));
    return symbolizer.name(place);
  }
  std::string name(const Place& place) {
    Symbolizer symbolizer(here());
    return name(symbolizer, place);
  }
  void strip() { must_run("strip '" + library_ + "'"); }
  std::string debug_file() {
    const std::string folder = here().debug + "/.build-id/" + id_.substr(0, 2);
    std::filesystem::create_directories(folder);
    return folder + "/" + id_.substr(2) + ".debug";
  }

  TemporaryDirectory directory_;
  std::string library_;
  std::uint64_t hidden_ = 0;
  std::uint64_t load_ = 0;
  std::uint64_t exported_ = 0;
  std::string id_;
};

TEST(HexadecimalTest, AddsTheDigitsAlone) {
  for (const auto& [value, digits] : {std::pair<std::uint64_t, const char*>{0, "0"},
                                      {0xF, "f"},
                                      {0x10, "10"},
                                      {0x8FEC3, "8fec3"},
                                      {UINT64_MAX, "ffffffffffffffff"}}) {
    std::string text = "+0x";
    append_hexadecimal(text, value);
    EXPECT_EQ(text, std::string("+0x") + digits);
  }
}

TEST_F(SymbolizerTest, FullTable) {
  ASSERT_EQ(id_.size(), 40U);
  ASSERT_GT(hidden_, 2U);
  EXPECT_EQ(name(at(hidden_)), fmt::format("app::hidden (libapp.so +0x{:x})", hidden_));
  EXPECT_THAT(name(at(load_)), StartsWith("app::load (libapp.so +0x"));
  EXPECT_THAT(name(at(exported_)), StartsWith("exported (libapp.so +0x"));  // not its alias
  EXPECT_EQ(name(at(0)), "?? (libapp.so +0x0)");
  EXPECT_EQ(name(at(UINT64_MAX)), "?? (libapp.so +0xffffffffffffffff)");
}

TEST_F(SymbolizerTest, StrippedHasOnlyWhatIsExported) {
  strip();
  EXPECT_THAT(name(at(load_)), StartsWith("app::load ("));
  EXPECT_THAT(name(at(hidden_)), StartsWith("?? ("));  // never the neighbour's name
}

TEST_F(SymbolizerTest, AnotherBuildIsNotBelieved) {
  Place place = at(load_);
  std::string another = id_;
  another[0] = another[0] == '0' ? '1' : '0';
  place.build_id = another;
  EXPECT_THAT(name(place), StartsWith("?? ("));
  place.build_id = {};  // recorded without: the file must have none either
  EXPECT_THAT(name(place), StartsWith("?? ("));
}

TEST_F(SymbolizerTest, WithoutBuildIds) {
  compile_library(library_, kText, "-Wl,--build-id=none");
  Place place = at(address_of(library_, "exported") + 2);
  EXPECT_THAT(name(place), StartsWith("?? ("));
  place.build_id = {};
  EXPECT_THAT(name(place), StartsWith("exported ("));
}

TEST_F(SymbolizerTest, DebugFileByBuildId) {
  must_run("objcopy --only-keep-debug '" + library_ + "' '" + debug_file() + "'");
  strip();
  EXPECT_THAT(name(at(hidden_)), StartsWith("app::hidden ("));
}

TEST_F(SymbolizerTest, DebugFileOfAnotherBuild) {
  const std::string other = directory_.path() + "/libother.so";
  compile_library(other, std::string(kText) + "int more;");
  must_run("objcopy --only-keep-debug '" + other + "' '" + debug_file() + "'");
  strip();
  EXPECT_THAT(name(at(hidden_)), StartsWith("?? ("));
}

TEST_F(SymbolizerTest, DebugFileByLink) {
  for (const std::string& where : {std::string("/.debug"), "/debug" + directory_.path()}) {
    const std::string folder = directory_.path() + where;
    std::filesystem::create_directories(folder);
    compile_library(library_, kText);
    must_run("objcopy --only-keep-debug '" + library_ + "' '" + folder + "/app.debug'");
    strip();
    must_run("cd '" + folder + "' && objcopy --add-gnu-debuglink=app.debug '" + library_ + "'");
    EXPECT_THAT(name(at(hidden_)), StartsWith("app::hidden (")) << where;
    std::filesystem::remove_all(folder);
  }
}

TEST_F(SymbolizerTest, ThroughTheProcessesOwnRoot) {
  const std::string root = here().proc + "/77/root" + directory_.path();
  std::filesystem::create_directories(root);
  std::filesystem::rename(library_, root + "/libapp.so");
  EXPECT_THAT(name(at(load_)), StartsWith("?? ("));
  Place place = at(load_);
  place.pid = 77;
  EXPECT_THAT(name(place), StartsWith("app::load ("));
}

TEST_F(SymbolizerTest, RefusesWhatIsNoFileOfThisMachine) {
  std::string bytes = read_text(library_);
  for (const auto& [at_byte, value] :
       {std::pair<std::size_t, char>{4, 1}, {5, 2}, {18, 3}, {0, 0}}) {
    std::string other = bytes;
    other[at_byte] = value;
    write_text(directory_.path() + "/other", other);
    EXPECT_FALSE(ElfFile::open(directory_.path() + "/other")) << at_byte;
  }
  EXPECT_FALSE(ElfFile::open(directory_.path()));
  EXPECT_FALSE(ElfFile::open("/dev/zero"));
  EXPECT_FALSE(ElfFile::open(directory_.path() + "/none"));
  must_run("mkfifo '" + directory_.path() + "/fifo'");
  EXPECT_FALSE(ElfFile::open(directory_.path() + "/fifo"));
}

TEST_F(SymbolizerTest, AnyTruncationIsSurvived) {
  const std::string bytes = read_text(library_);
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    write_text(library_, bytes.substr(0, size));
    const std::string said = name(at(load_));
    EXPECT_THAT(said, HasSubstr("(libapp.so +0x"));
  }
}

TEST_F(SymbolizerTest, WithoutTimeNothingIsNamedYetAndLaterItIs) {
  Symbolizer symbolizer(here());
  symbolizer.want(at(load_));
  EXPECT_FALSE(symbolizer.work(0));
  EXPECT_THAT(symbolizer.name(at(load_)), StartsWith("?? (libapp.so +0x"));
  symbolizer.want(at(hidden_));
  EXPECT_TRUE(symbolizer.work(UINT64_MAX));
  EXPECT_THAT(symbolizer.name(at(load_)), StartsWith("app::load"));
  EXPECT_THAT(symbolizer.name(at(hidden_)), StartsWith("app::hidden"));
  // Answers outlive the file.
  std::filesystem::remove(library_);
  EXPECT_THAT(name(symbolizer, at(load_)), StartsWith("app::load"));
}

TEST_F(SymbolizerTest, BoundedHoweverMuchIsAskedFor) {
  Symbolizer symbolizer(here());
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    symbolizer.want(at(0x10'0000 + i));
    if (i % 1000 == 0) {
      symbolizer.work(UINT64_MAX);
    }
  }
  EXPECT_TRUE(symbolizer.work(UINT64_MAX));
  EXPECT_THAT(name(symbolizer, at(load_)), StartsWith("app::load"));
}

TEST_F(SymbolizerTest, AStackIsTextInnermostFirstAndBounded) {
  Symbolizer symbolizer(here());
  report::Report report;
  report.memory.emplace();
  report.memory->sites.resize(2);
  report::Stack& stack = report.memory->sites[0].stack;
  for (const std::uint64_t offset : {hidden_, load_, exported_}) {
    stack.push_back(report::frame_at(0x7000'0000'0000 + offset, library_, offset, id_));
  }
  stack.push_back(report::frame_at(0x1234));
  report.memory->sites[1].stack.assign(100, stack[0]);
  report::name_stacks(report, symbolizer, UINT64_MAX);
  EXPECT_EQ(report.memory->sites[0].stack_text,
            fmt::format("app::hidden (libapp.so +0x{:x}); app::load (libapp.so +0x{:x}); "
                        "exported (libapp.so +0x{:x}); ?? (0x1234)",
                        hidden_, load_, exported_));
  const std::string& deep = report.memory->sites[1].stack_text;
  EXPECT_LE(deep.size(), report::kMaxStackText);
  EXPECT_THAT(deep, ::testing::EndsWith("; ..."));
}

// CPython 3.12 and newer with PYTHONPERFSUPPORT=1: three frames of the interpreter for each
// function.
TEST_F(SymbolizerTest, BetweenFunctionsOfAPerfMapTheInterpreterIsNotShown) {
  std::ofstream(directory_.path() + "/perf-4711.map")
      << "10000 100 py::inner:/var/task/app.py\n10100 100 py::outer:/var/task/app.py\n";
  Symbolizer symbolizer(here());
  const report::Frame interpreter =
      report::frame_at(0x7000'0000'0000 + load_, library_, load_, id_);
  const report::Frame other = report::frame_at(0x7100'0000'0000, "/opt/other.so", 0x10);
  const report::Frame inner = report::frame_at(0x10010);
  const report::Frame outer = report::frame_at(0x10110);
  report::Report report;
  report.pid = 4711;
  report.memory.emplace();
  report.memory->sites.resize(2);
  report.memory->sites[0].stack = {interpreter, inner,       interpreter, interpreter,
                                   other,       interpreter, outer,       interpreter};
  // Addresses that nobody knows are no reason to leave anything out.
  report.memory->sites[1].stack = {report::frame_at(0x5), interpreter, report::frame_at(0x6)};
  report::name_stacks(report, symbolizer, UINT64_MAX);
  const std::string named = fmt::format("app::load (libapp.so +0x{:x})", load_);
  EXPECT_EQ(report.memory->sites[0].stack_text,
            named +
                "; py::inner:/var/task/app.py; ?? (other.so +0x10); py::outer:/var/task/app.py; " +
                named);
  EXPECT_EQ(report.memory->sites[1].stack_text, "?? (0x5); " + named + "; ?? (0x6)");
}

class PerfMapTest : public ::testing::Test {
 protected:
  PerfMapTest() : path_(directory_.path() + "/perf-4711.map") {}
  std::string name(std::uint64_t address) {
    const Place place{4711, address, "", "", 0};
    symbolizer_.want(place);
    symbolizer_.work(UINT64_MAX);
    return symbolizer_.name(place);
  }
  void append(const std::string& text) { write_text(path_, read_text(path_) + text); }

  TemporaryDirectory directory_;
  std::string path_;
  Symbolizer symbolizer_{{"", "", directory_.path()}};
};

TEST_F(PerfMapTest, NamesAndLaterLines) {
  EXPECT_EQ(name(0x1010), "?? (0x1010)");
  append("1000 20 py::load:/var/task/app.py\n0x2000 10 LazyCompile:*f; x\n");
  EXPECT_EQ(name(0x1010), "py::load:/var/task/app.py");
  EXPECT_EQ(name(0x101f), "py::load:/var/task/app.py");
  EXPECT_EQ(name(0x1020), "?? (0x1020)");
  EXPECT_EQ(name(0x2000), "LazyCompile:*f, x");
  append("1008 20 newer\n1000 8 half a li");
  EXPECT_EQ(name(0x1010), "newer");
  EXPECT_EQ(name(0x1001), "py::load:/var/task/app.py");
  append("ne\n");
  EXPECT_EQ(name(0x1001), "half a line");
  EXPECT_EQ(name(0x1010), "newer");  // looked at once more from the start: the same
}

TEST_F(PerfMapTest, GrownByMegabytesAndLongLines) {
  std::string text = "500 10 " + std::string(100'000, 'x') + "\n";
  for (int i = 0; i < 50'000; ++i) {
    text += fmt::format("{:x} 10 name{}\n", 0x100'0000 + (i * 16), i);
  }
  append(text);
  EXPECT_EQ(name(0x100'0000), "name0");
  EXPECT_EQ(name(0x100'0000 + (49'999 * 16)), "name49999");
  EXPECT_EQ(name(0x501), "?? (0x501)");
}

TEST_F(PerfMapTest, HostileLines) {
  append(
      "\n\n \nzz 10 a\n1000\n1000 \n1000 10\n1000 10 \nffffffffffffffff ffffffffffffffff end\n"
      "1 fffffffffffffffffff b\n");
  EXPECT_EQ(name(0x1001), "?? (0x1001)");
  EXPECT_EQ(name(UINT64_MAX), "end");
  EXPECT_EQ(symbolizer_.name({4712, 0x1001, "", "", 0}), "?? (0x1001)");
  EXPECT_EQ(symbolizer_.name({0, 0x1001, "", "", 0}), "?? (0x1001)");
}

TEST_F(PerfMapTest, ALinkIsNotFollowed) {
  write_text(directory_.path() + "/real", "1000 20 secret\n");
  ASSERT_EQ(symlink((directory_.path() + "/real").c_str(), path_.c_str()), 0);
  EXPECT_EQ(name(0x1001), "?? (0x1001)");
}

}  // namespace
}  // namespace lamprey::symbols
