// Where the command looks for its layer: a development build, an installed command, neither.
#include "cli/commands/own_layer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lamprey::cli {
namespace {

namespace fs = std::filesystem;

class OwnLayerTest : public ::testing::Test {
 protected:
  ~OwnLayerTest() override {
    std::error_code error;
    fs::remove_all(prefix_, error);
  }

  void make_layer(const fs::path& folder) const {
    fs::create_directories(folder / "lib");
    std::ofstream(folder / "lib/liblamprey.so") << "library";
    std::ofstream(folder / "lamprey") << "#!/bin/bash\n";
    fs::permissions(folder / "lamprey", fs::perms::owner_all);
  }

  OwnLayer found() const { return layer_beside((prefix_ / "bin/lamprey").string()); }

  fs::path prefix_ = fs::path(::testing::TempDir()) / ("own-layer-" + std::to_string(::getpid()));
};

TEST_F(OwnLayerTest, ADevelopmentBuildIsLaidOutLikeTheLayer) {
  make_layer(prefix_);
  EXPECT_TRUE(found().found);
  EXPECT_EQ(prefix_.string(), found().folder);
  EXPECT_EQ((prefix_ / "lib/liblamprey.so").string(), found().library());
}

TEST_F(OwnLayerTest, AnInstalledCommandHasItsLayerInShare) {
  make_layer(prefix_ / "share/lamprey");
  EXPECT_TRUE(found().found);
  EXPECT_EQ((prefix_ / "share/lamprey").string(), found().folder);
}

TEST_F(OwnLayerTest, ALibraryWithoutItsWrapperIsNoLayer) {
  make_layer(prefix_);
  fs::remove(prefix_ / "lamprey");
  EXPECT_FALSE(found().found);
}

TEST_F(OwnLayerTest, AWrapperThatIsNotExecutableIsNoLayer) {
  make_layer(prefix_);
  fs::permissions(prefix_ / "lamprey", fs::perms::owner_read);
  EXPECT_FALSE(found().found);
}

TEST_F(OwnLayerTest, WhereNoneIsThePlaceOfAnInstalledOneIsNamed) {
  EXPECT_FALSE(found().found);
  EXPECT_EQ((prefix_ / "share/lamprey").string(), found().folder);
}

}  // namespace
}  // namespace lamprey::cli
