// Notes and function tables of modules that may be wrong: nothing is read past the end.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "preload/base/eh_frame_header.h"
#include "preload/base/elf_notes.h"

namespace lamprey::preload {
namespace {

// Bytes in a block of exactly their size, so that the sanitizers see a read past the end.
class ModuleBytesTest : public ::testing::Test {
 protected:
  template <class T>
  void add(T value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof(value));
  }
  void add_note(std::uint32_t type, const std::string& name, const std::string& text) {
    add(static_cast<std::uint32_t>(name.size()));
    add(static_cast<std::uint32_t>(text.size()));
    add(type);
    for (const std::string& part : {name, text}) {
      bytes_.insert(bytes_.end(), part.begin(), part.end());
      bytes_.resize((bytes_.size() + 3) / 4 * 4);
    }
  }
  // How many notes are met in the first `size` bytes.
  int notes_in(std::size_t size) {
    const std::vector<std::uint8_t> exact(bytes_.begin(), bytes_.begin() + static_cast<long>(size));
    int met = 0;
    find_note(exact.data(), exact.data() + size, [&met](const ElfNote& note) {
      for (std::uint32_t i = 0; i < note.text_bytes; ++i) {
        met += note.text[i] == 0xFF ? 1000 : 0;
      }
      ++met;
      return false;
    });
    return met;
  }
  std::vector<std::uint8_t> bytes_;
};

TEST_F(ModuleBytesTest, ANoteIsFoundByTypeAndName) {
  add_note(1, std::string("GNU\0", 4), "abi!");
  add_note(NT_GNU_BUILD_ID, std::string("GNU\0", 4), "abc");
  std::string id;
  EXPECT_TRUE(find_note(bytes_.data(), bytes_.data() + bytes_.size(), [&id](const ElfNote& note) {
    if (note.type != NT_GNU_BUILD_ID || !has_name(note, "GNU")) {
      return false;
    }
    id.assign(reinterpret_cast<const char*>(note.text), note.text_bytes);
    return true;
  }));
  EXPECT_EQ(id, "abc");
}

TEST_F(ModuleBytesTest, ACutNoteEndsTheSearch) {
  add_note(1, std::string("GNU\0", 4), "abcd");
  const std::size_t first = bytes_.size();
  add_note(2, std::string("Go\0\0", 4), "efgh");
  EXPECT_EQ(notes_in(bytes_.size()), 2);
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_EQ(notes_in(size), size >= first ? 1 : 0) << size;
  }
}

TEST_F(ModuleBytesTest, ANoteThatClaimsMoreThanThereIsHasNone) {
  add(std::uint32_t{0xFFFFFFFF});
  add(std::uint32_t{0xFFFFFFFF});
  add(std::uint32_t{3});
  add(std::uint32_t{0});
  EXPECT_EQ(notes_in(bytes_.size()), 0);
}

TEST_F(ModuleBytesTest, AFunctionTableHasNoMoreRowsThanBytes) {
  for (const std::uint8_t byte : std::array<std::uint8_t, 4>{1, 0x1B, 0x03, 0x3B}) {
    add(byte);
  }
  add(std::int32_t{0});
  add(std::uint32_t{2});
  add(EhFrameHeader::Row{16, 32});
  add(EhFrameHeader::Row{48, 64});
  const EhFrameHeader table = read_eh_frame_header(bytes_.data(), bytes_.data() + bytes_.size());
  ASSERT_EQ(table.count, 2U);
  EXPECT_EQ(table.row(1).begin, 48);
  EXPECT_EQ(table.row(1).entry, 64);
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_EQ(read_eh_frame_header(bytes_.data(), bytes_.data() + size).count, 0U) << size;
  }
  bytes_[3] = 0x3C;  // 8 bytes for a number: not what linkers write
  EXPECT_EQ(read_eh_frame_header(bytes_.data(), bytes_.data() + bytes_.size()).count, 0U);
}

}  // namespace
}  // namespace lamprey::preload
