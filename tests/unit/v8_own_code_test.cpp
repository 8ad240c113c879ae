// Which functions of JavaScript are the program's own.
#include "preload/stack/v8/own_code.h"

#include <gtest/gtest.h>

#include <string>

namespace lamprey::preload::stack::v8::own_code {
namespace {

Words of(std::initializer_list<std::uint32_t> functions) {
  Words words = {};
  words.append(0x7F0000001000);  // machine code
  for (const std::uint32_t function : functions) {
    words.append(recording::function_frame(function, 12));
  }
  return words;
}

void note_file(std::uint32_t function, const std::string& file) {
  note(function, {file.data(), static_cast<std::uint32_t>(file.size())});
}

TEST(OwnCodeTest, IsNeitherNodesNorAPackagesNorTheClients) {
  forget_all();
  note_file(1, "/var/task/index.js");
  note_file(2, "node:internal/process/task_queues");
  note_file(3, "/var/task/node_modules/pg/lib/client.js");
  note_file(4, "/var/runtime/index.mjs");
  note_file(5, "");
  note_file(recording::kFunctions, "file:///var/task/last.mjs");
  EXPECT_TRUE(is_in(of({2, 1})));
  EXPECT_TRUE(is_in(of({recording::kFunctions})));
  for (const std::uint32_t function : {2U, 3U, 4U, 5U, 6U}) {
    EXPECT_FALSE(is_in(of({function}))) << function;
  }
  EXPECT_FALSE(is_in(of({})));
  forget_all();
  EXPECT_FALSE(is_in(of({1})));
}

TEST(OwnCodeTest, NumbersThatThereAreNotAreNobodys) {
  forget_all();
  note_file(0, "/var/task/index.js");
  note_file(recording::kFunctions + 1, "/var/task/index.js");
  EXPECT_FALSE(is_in(of({0, recording::kFunctions + 1, 0xFFFFFF})));
}

}  // namespace
}  // namespace lamprey::preload::stack::v8::own_code
