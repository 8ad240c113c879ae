// Files, folders and gzip as blocks of whole lines: nothing lost, nothing twice, cut files said.
#include "cli/input/log_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lamprey::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LogFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "lamprey-log-files-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  // With the machine's own gzip: the referee knows nothing of ours.
  std::string compress(const std::string& name, const std::string& text) {
    const std::string path = write(name, text);
    EXPECT_EQ(std::system(("gzip -nf " + path).c_str()), 0);
    return path + ".gz";
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // All blocks behind one another; each but the last of a file ends with a newline.
  static std::string all(LogFiles& files) {
    std::string text;
    Block block;
    while (files.next(block)) {
      text += block.text;
    }
    return text;
  }

  fs::path folder_;
};

std::string many_lines(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) {
    text += std::to_string(i) + std::string(i % 300, static_cast<char>('a' + (i % 26))) + "\n";
  }
  return text;
}

TEST_F(LogFilesTest, PlainAndCompressedAreTheSame) {
  const std::string text = many_lines(9 << 20);
  LogFiles files({write("a.log", text), compress("b.log", text)});
  EXPECT_TRUE(all(files) == text + text);
  EXPECT_THAT(files.faults(), IsEmpty());
}

TEST_F(LogFilesTest, BlocksAreWholeLinesInOrder) {
  LogFiles files({write("a.log", many_lines(9 << 20))});
  Block block;
  std::uint64_t number = 0;
  while (files.next(block)) {
    EXPECT_EQ(block.number, number++);
    EXPECT_TRUE(block.text.ends_with('\n'));
  }
  EXPECT_GT(number, 2U);
}

TEST_F(LogFilesTest, ALineLongerThanABlockIsOne) {
  const std::string text = std::string(7 << 20, 'x') + "\nshort\nlast without newline";
  LogFiles files({write("a.log", text)});
  Block block;
  ASSERT_TRUE(files.next(block));
  EXPECT_GE(block.text.find('\n'), 7U << 20U);
  LogFiles again({write("a.log", text)});
  EXPECT_TRUE(all(again) == text);
}

TEST_F(LogFilesTest, ConcatenatedMembersAreOneText) {
  const std::string two = content(compress("a", "one\n")) + content(compress("b", "two\n"));
  LogFiles files({write("both.gz", two)});
  EXPECT_EQ(all(files), "one\ntwo\n");
  EXPECT_THAT(files.faults(), IsEmpty());
}

TEST_F(LogFilesTest, CutAndDamagedFilesGiveWhatTheyHave) {
  const std::string text = many_lines(3 << 20);
  const std::string packed = content(compress("a", text));
  LogFiles cut({write("cut.gz", packed.substr(0, packed.size() - 9))});
  EXPECT_FALSE(all(cut).empty());
  EXPECT_THAT(cut.faults(), ElementsAre(HasSubstr("cut.gz: the compressed file is cut")));
  std::string wrong = packed;
  wrong[wrong.size() - 5] = static_cast<char>(wrong[wrong.size() - 5] ^ 1);
  LogFiles damaged({write("wrong.gz", wrong)});
  EXPECT_TRUE(all(damaged) == text);
  EXPECT_THAT(damaged.faults(), ElementsAre(HasSubstr("damaged")));
  for (std::size_t size = 2; size < 40; ++size) {  // in the header and just behind
    LogFiles begun({write("begun.gz", packed.substr(0, size))});
    all(begun);
    EXPECT_THAT(begun.faults(), ElementsAre(HasSubstr("cut"))) << size;
  }
  LogFiles rubbish({write("rubbish.gz", packed + "rubbish behind it")});
  EXPECT_TRUE(all(rubbish) == text);
  EXPECT_THAT(rubbish.faults(), ElementsAre(HasSubstr("not gzip")));
}

TEST_F(LogFilesTest, AFolderIsItsFilesByName) {
  write("logs/2/b", "b\n");
  write("logs/1/a", "a\n");
  fs::create_symlink(folder_ / "logs", folder_ / "logs/1/loop");
  fs::create_symlink(folder_ / "logs/2/b", folder_ / "logs/1/link");
  ASSERT_EQ(mkfifo((folder_ / "logs/pipe").c_str(), 0600), 0);
  LogFiles files({(folder_ / "logs").string()});
  EXPECT_EQ(all(files), "a\nb\n");
  fs::create_directory(folder_ / "empty");
  LogFiles empty({(folder_ / "empty").string()});
  EXPECT_TRUE(empty.is_missing());
}

TEST_F(LogFilesTest, AJsonTextOfManyLinesIsGivenWhole) {
  const std::string text = "{\n  \"events\": [\n" + std::string(3 << 20, ' ') + "]}\n";
  LogFiles files({write("export.json", text), write("lines.json", "{\"a\":1}\n{\"b\":2}\n")});
  Block block;
  ASSERT_TRUE(files.next(block));
  EXPECT_TRUE(block.whole && block.text == text);
  ASSERT_TRUE(files.next(block));
  EXPECT_FALSE(block.whole);
  for (const char* first : {"[INFO] started\n", "{not json}\n", "[1234] x\n", "{}\n"}) {
    LogFiles log({write("lines.log", first + std::string("more\n"))});
    ASSERT_TRUE(log.next(block));
    EXPECT_FALSE(block.whole) << first;
  }
}

}  // namespace
}  // namespace lamprey::cli
