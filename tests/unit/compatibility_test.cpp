// The list of builds on which a part stays off: where it is looked for, and what its rows mean.
#include "preload/process/compatibility.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "preload/libc/environment.h"
#include "preload/libc/real.h"

namespace {

namespace compatibility = lamprey::preload::compatibility;
using Id = std::array<std::uint8_t, 4>;

constexpr Id kMine = {0x01, 0x23, 0xab, 0xcd};
constexpr Id kOther = {0x01, 0x23, 0xab, 0xce};

class Compatibility : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "compatibility-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    preload(folder_ + "/liblamprey.so");
    setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.12", 1);
    lamprey::preload::g_real.gnu_get_libc_version = [] { return "2.34"; };
  }

  void TearDown() override { std::filesystem::remove_all(folder_); }

  static void preload(const std::string& value) { setenv("LD_PRELOAD", value.c_str(), 1); }

  void read(const std::string& list) const {
    std::ofstream(folder_ + "/lamprey.compatibility") << list;
    compatibility::attach();
  }

  static bool frames_off(const Id& id) {
    return compatibility::is_off("frames", id.data(), id.size());
  }

  std::string folder_;
};

TEST_F(Compatibility, WithoutAListNothingIsOff) {
  compatibility::attach();
  EXPECT_FALSE(frames_off(kMine));
  EXPECT_FALSE(compatibility::is_off("exact"));
}

TEST_F(Compatibility, ABuildIsMeantByItsWholeIdAndThePartAlone) {
  read("# frames build-id 0123abce\n\nframes build-id 0123abcd why\nexact libc 2.26");
  EXPECT_TRUE(frames_off(kMine));
  EXPECT_FALSE(frames_off(kOther));
  EXPECT_FALSE(compatibility::is_off("frames", kMine.data(), 3));
  EXPECT_FALSE(compatibility::is_off("frames", nullptr, 0));
  EXPECT_FALSE(compatibility::is_off("exact", kMine.data(), kMine.size()));
}

TEST_F(Compatibility, ARuntimeIsMeantByItsWholeName) {
  read("frames runtime AWS_Lambda_python3.1 why\n");
  EXPECT_FALSE(frames_off(kMine));
  read("frames runtime AWS_Lambda_python3.12\n");
  EXPECT_TRUE(frames_off(kMine));
  EXPECT_TRUE(compatibility::is_off("frames"));
  EXPECT_FALSE(compatibility::is_off("exact"));
}

TEST_F(Compatibility, ALibcIsMeantByItsVersion) {
  read("exact libc 2.3 why\nexact  libc 2.34 why");
  EXPECT_TRUE(compatibility::is_off("exact"));
  read("exact libc 2.3 why\n");
  EXPECT_FALSE(compatibility::is_off("exact"));
}

TEST_F(Compatibility, OnlyWhatFitsIsRead) {
  read(std::string(4000, '#') + "\nframes build-id 0123abcd\n" + std::string(200, 'x'));
  EXPECT_TRUE(frames_off(kMine));
  read(std::string(5000, '#') + "\nframes build-id 0123abcd\n");
  EXPECT_FALSE(frames_off(kMine));
}

TEST_F(Compatibility, TheListIsLookedForBesideTheLibraryAmongOthers) {
  std::array<char, 64> to = {};
  preload("/opt/other.so:/opt/lib/liblamprey.so /opt/third.so");
  EXPECT_EQ(lamprey::preload::own_directory(to.data(), to.size()), 9U);
  EXPECT_STREQ(to.data(), "/opt/lib/");
  EXPECT_EQ(lamprey::preload::own_directory(to.data(), 9), 0U);
  for (const char* without : {"", "/opt/other.so", "liblamprey.so", "/opt/xliblamprey.so"}) {
    preload(without);
    EXPECT_EQ(lamprey::preload::own_directory(to.data(), to.size()), 0U) << without;
  }
}

}  // namespace
