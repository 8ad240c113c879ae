// .gnu_debugdata: xz streams as the tool xz makes them, whole and damaged, and the names that a
// stripped library has by them, made the way that distributions' packages are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "symbols/mini_debug_info.h"
#include "symbols/symbolizer.h"
#include "symbols/xz_stream.h"
#include "tests/unit/compiled_module.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::symbols {
namespace {

using lamprey::testing::address_of;
using lamprey::testing::compile_library;
using lamprey::testing::must_run;
using lamprey::testing::output_of;
using lamprey::testing::read_text;
using lamprey::testing::TemporaryDirectory;
using lamprey::testing::write_text;
using ::testing::StartsWith;

// The content of the xz file, unpacked `piece` bytes at a time; nothing when it is refused.
std::optional<std::string> unpacked(const std::string& path, std::size_t piece) {
  const int file = open(path.c_str(), O_RDONLY);
  const std::uint64_t bytes = std::filesystem::file_size(path);
  std::optional<std::string> content;
  const auto size = xz_unpacked_bytes(file, 0, bytes);
  if (size && *size <= (std::uint64_t{64} << 20)) {
    constexpr std::size_t kGuard = 512;  // on both sides; nothing may be written there
    std::string into(static_cast<std::size_t>(*size) + (2 * kGuard), '#');
    XzStream stream(
        file, 0, bytes,
        {reinterpret_cast<std::uint8_t*>(into.data()) + kGuard, into.size() - (2 * kGuard)});
    auto progress = XzStream::Progress::kMore;
    while (progress == XzStream::Progress::kMore) {
      progress = stream.step(piece);
    }
    const std::string guard(kGuard, '#');
    EXPECT_TRUE(into.starts_with(guard) && into.ends_with(guard));
    if (progress == XzStream::Progress::kEnd) {
      content = into.substr(kGuard, into.size() - (2 * kGuard));
    }
  }
  close(file);
  return content;
}

std::string random_bytes(std::size_t count) {
  std::mt19937 random(1);
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    bytes.push_back(static_cast<char>(random()));
  }
  return bytes;
}

// What programs' tables look like, what cannot be packed, and what is nearly nothing.
std::vector<std::string> contents() {
  std::string program(150'000, '\0');
  std::ifstream("/proc/self/exe", std::ios::binary).read(program.data(), 150'000);
  return {program, random_bytes(70'000),
          program.substr(0, 30'000) + random_bytes(70'000) + program.substr(0, 30'000),
          std::string(300'000, '\0'), "x"};
}

class XzOptions : public ::testing::TestWithParam<const char*> {};

TEST_P(XzOptions, ContentIsWhatWasPacked) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/content";
  for (const std::string& content : contents()) {
    write_text(path, content);
    must_run("xz -k -f " + std::string(GetParam()) + " '" + path + "'");
    for (const std::size_t piece : {std::size_t{1} << 30, std::size_t{1000}, std::size_t{1}}) {
      EXPECT_TRUE(unpacked(path + ".xz", piece) == content) << content.size() << " by " << piece;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, XzOptions,
                         ::testing::Values("", "-0", "-9e", "--check=none", "--check=crc32",
                                           "--check=sha256", "--block-size=65536",
                                           "--lzma2=dict=4KiB,lc=0,lp=2,pb=0",
                                           "--lzma2=preset=6,lc=4,lp=0,pb=4",
                                           "--lzma2=preset=6,lc=0,lp=4,pb=2",
                                           "--lzma2=mode=fast,mf=hc3,nice=8"));

TEST(XzStreamTest, WhatItDoesNotReadIsRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/content";
  write_text(path, contents().front());
  must_run("xz -k --x86 --lzma2 '" + path + "'");  // a filter before LZMA2
  EXPECT_FALSE(unpacked(path + ".xz", 4096));
  write_text(path + ".xz", "no xz at all, yet long enough for a header and a footer of it");
  EXPECT_FALSE(unpacked(path + ".xz", 4096));
}

// Of which the length is not even a number (UndefinedBehaviorSanitizer saw a shift by 71).
TEST(XzStreamTest, AKindOfSumThatCannotBeIsRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/content";
  write_text(path, "content");
  must_run("xz -k '" + path + "'");
  std::string packed = read_text(path + ".xz");
  ASSERT_EQ(unpacked(path + ".xz", 4096), "content");
  for (const unsigned kind : {16U, 192U, 255U}) {
    packed[7] = static_cast<char>(kind);
    write_text(path + ".xz", packed);
    EXPECT_FALSE(unpacked(path + ".xz", 4096)) << kind;
  }
}

// Whatever is damaged: an end, and nothing written outside. (What only changes the content is not
// noticed: the sums are not looked at.)
TEST(XzStreamTest, DamagedStreamsEnd) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/content";
  const std::string content = contents()[2].substr(20'000, 20'000);
  write_text(path, content);
  must_run("xz -k '" + path + "'");
  const std::string packed = read_text(path + ".xz");
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = packed;
    char& byte = damaged[random() % (i % 3 == 0 ? 60 : damaged.size())];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (random() % 8)));
    write_text(path + ".xz", damaged);
    refused += unpacked(path + ".xz", 4096) ? 0 : 1;
  }
  EXPECT_GT(refused, 30);
  for (std::size_t length = 0; length < packed.size(); length += 211) {
    write_text(path + ".xz", packed.substr(0, length));
    EXPECT_FALSE(unpacked(path + ".xz", 4096)) << length;
  }
}

constexpr const char* kText = R"(
#include <cstdlib>
namespace app {
__attribute__((noinline)) static void* hidden(int n) { return std::malloc(static_cast<unsigned>(n)); }
__attribute__((noinline)) static void* other(int n) { char* p = static_cast<char*>(hidden(n)); if (p) *p = 3; return p; }
}
extern "C" void* exported(int n) { void* p = app::other(n + 1); if (p) *static_cast<char*>(p) = 2; return p; }
)";

// A library as find-debuginfo leaves it in a package.
class MiniDebugInfoTest : public ::testing::Test {
 protected:
  MiniDebugInfoTest() : library_(directory_.path() + "/libapp.so") {
    compile_library(library_, kText);
    hidden_ = address_of(library_, "_ZN3appL6hiddenEi") + 2;
    other_ = address_of(library_, "_ZN3appL5otherEi") + 2;
    exported_ = address_of(library_, "exported") + 2;
    id_ = ElfFile::open(library_)->build_id();
    const std::string mini = directory_.path() + "/mini";
    const auto names = [&](const std::string& options) {
      return "nm " + options + " --format=posix --defined-only '" + library_ +
             "' | awk '$2 ~ /[Tt]/ { print $1 }' | sort";
    };
    write_text(mini + ".exported", output_of(names("-D")));
    write_text(mini + ".all", output_of(names("")));
    must_run("comm -13 '" + mini + ".exported' '" + mini + ".all' >'" + mini + ".keep'");
    must_run("objcopy --only-keep-debug '" + library_ + "' '" + mini + ".debug'");
    must_run("objcopy -S --remove-section .comment --keep-symbols='" + mini + ".keep' '" + mini +
             ".debug' '" + mini + "'");
    must_run("strip '" + library_ + "'");
    must_run("xz '" + mini + "'");
    stripped_ = read_text(library_);
    must_run("objcopy --add-section .gnu_debugdata='" + mini + ".xz' '" + library_ + "'");
    std::filesystem::create_directory(scratch());
  }
  std::string scratch() { return directory_.path() + "/scratch"; }
  Surroundings here() {
    return {directory_.path() + "/debug", directory_.path() + "/proc", directory_.path(),
            scratch()};
  }
  std::string name(Symbolizer& symbolizer, std::uint64_t offset) {
    const Place place{0, offset, library_, id_, offset};
    symbolizer.want(place);
    EXPECT_TRUE(symbolizer.work(UINT64_MAX));
    return symbolizer.name(place);
  }
  std::string name(std::uint64_t offset) {
    Symbolizer symbolizer(here());
    return name(symbolizer, offset);
  }

  TemporaryDirectory directory_;
  std::string library_;
  std::string stripped_;
  std::uint64_t hidden_ = 0;
  std::uint64_t other_ = 0;
  std::uint64_t exported_ = 0;
  std::string id_;
};

TEST_F(MiniDebugInfoTest, FunctionsThatAreNotExportedHaveNames) {
  EXPECT_THAT(name(hidden_), StartsWith("app::hidden (libapp.so +0x"));
  EXPECT_THAT(name(other_), StartsWith("app::other ("));
  EXPECT_THAT(name(exported_), StartsWith("exported ("));
  EXPECT_TRUE(std::filesystem::is_empty(scratch())) << "something was left";
  write_text(library_, stripped_);
  EXPECT_THAT(name(hidden_), StartsWith("?? ("));
}

TEST_F(MiniDebugInfoTest, UnpackedOnceForAModule) {
  Symbolizer symbolizer(here());
  EXPECT_THAT(name(symbolizer, hidden_), StartsWith("app::hidden ("));
  std::filesystem::remove(scratch());  // nothing can be unpacked any more
  EXPECT_THAT(name(symbolizer, other_), StartsWith("app::other ("));
  EXPECT_THAT(name(other_), StartsWith("?? ("));
}

TEST_F(MiniDebugInfoTest, NotUnpackedForWhatIsExported) {
  std::filesystem::remove(scratch());
  Symbolizer symbolizer(here());
  EXPECT_THAT(name(symbolizer, exported_), StartsWith("exported ("));
  EXPECT_THAT(name(symbolizer, hidden_), StartsWith("?? ("));
}

TEST_F(MiniDebugInfoTest, ALittleAtATime) {
  Symbolizer symbolizer(here());
  const Place place{0, hidden_, library_, id_, hidden_};
  symbolizer.want(place);
  int looks = 0;
  while (!symbolizer.work(0) && looks < 3) {
    ++looks;  // no time at all: nothing is done
  }
  EXPECT_EQ(looks, 3);
  EXPECT_THAT(symbolizer.name(place), StartsWith("?? ("));
  EXPECT_TRUE(symbolizer.work(UINT64_MAX));
  EXPECT_THAT(symbolizer.name(place), StartsWith("app::hidden ("));
}

TEST_F(MiniDebugInfoTest, TooLargeOrDamagedIsLeftAlone) {
  const std::string section = directory_.path() + "/section";
  const auto with = [&](const std::string& content) {
    write_text(library_, stripped_);
    write_text(section, content);
    must_run("objcopy --add-section .gnu_debugdata='" + section + "' '" + library_ + "'");
    return name(hidden_);
  };
  write_text(section, std::string(MiniDebugInfo::kMax + 1, '\0'));
  must_run("xz -f '" + section + "'");
  EXPECT_THAT(with(read_text(section + ".xz")), StartsWith("?? ("));
  EXPECT_THAT(with("nonsense"), StartsWith("?? ("));
  EXPECT_TRUE(std::filesystem::is_empty(scratch()));
}

TEST(UnpackedFilesTest, OldOnesGoWhenThereIsTooMuch) {
  const TemporaryDirectory directory;
  UnpackedFiles files(directory.path());
  const auto make = [&](std::uint64_t bytes) {
    const int descriptor = open(directory.path().c_str(), O_TMPFILE | O_RDWR, 0600);
    EXPECT_EQ(ftruncate(descriptor, static_cast<off_t>(bytes)), 0);
    return descriptor;
  };
  const auto has = [&](const std::string& build_id) {
    const int found = files.find(build_id);
    if (found >= 0) {
      close(found);
    }
    return found >= 0;
  };
  files.keep("aa", make(UnpackedFiles::kMaxBytes / 2));
  files.keep("bb", make(UnpackedFiles::kMaxBytes / 2));
  EXPECT_TRUE(has("aa") && has("bb") && !has("cc"));
  files.keep("cc", make(1));
  EXPECT_TRUE(!has("aa") && has("bb") && has("cc"));
  for (const char* name : {"dd", "ee", "ff"}) {
    files.keep(name, make(1));
  }
  EXPECT_TRUE(!has("bb") && has("cc") && has("ff"));  // kMax of them
  files.keep("gg", -1);                               // as when there are no descriptors left
  files.keep("hh", make(1));
  EXPECT_TRUE(!has("gg") && has("ee") && has("hh"));
}

}  // namespace
}  // namespace lamprey::symbols
