// A companion in a thread of the test, its Extensions API and the lines that it prints. No test may
// live here.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "companion/companion.h"
#include "tests/unit/fake_extensions_api.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::companion {

class CompanionTest : public ::testing::Test {
 protected:
  ~CompanionTest() override { stop("spindown"); }

  void begin() {
    Surroundings here;
    here.api = api_.address();
    here.name = "lamprey";
    here.directory = directory();
    here.output = given_output_ >= 0
                      ? given_output_
                      : open(lines_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    here.lookup = [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
    here.started_real_ns = recording::realtime_ns();
    output_ = here.output;
    thread_ = std::thread([here] { EXPECT_EQ(Companion(here).run(), 0); });
    ASSERT_TRUE(api_.wait_for_next(1));
  }
  void stop(const std::string& reason) {
    if (thread_.joinable()) {
      api_.shut_down(reason);
      thread_.join();
      close(output_);
    }
  }
  void use_output(int descriptor) { given_output_ = descriptor; }  // -1: the file of lines
  std::string directory() const { return temporary_.path() + "/lamprey"; }
  std::string lines_path() const { return temporary_.path() + "/lines"; }
  std::string recording_path(const char* name = "77.rec") {
    mkdir(directory().c_str(), 0700);
    return directory() + "/" + name;
  }
  std::vector<nlohmann::json> lines() const {
    std::ifstream file(lines_path());
    std::vector<nlohmann::json> found;
    for (std::string line; std::getline(file, line);) {
      found.push_back(nlohmann::json::parse(line));
    }
    return found;
  }
  std::vector<std::string> words(const char* key) const {
    std::vector<std::string> found;
    for (const nlohmann::json& line : lines()) {
      found.push_back(line.value(key, "-"));
    }
    return found;
  }

  lamprey::testing::TemporaryDirectory temporary_;
  lamprey::testing::FakeExtensionsApi api_;
  std::map<std::string, std::string> environment_;
  std::thread thread_;
  int output_ = -1;
  int given_output_ = -1;
};

}  // namespace lamprey::companion
