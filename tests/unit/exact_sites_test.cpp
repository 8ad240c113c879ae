// Which places in code exact mode would change: shapes, and everything that forbids it.
#include "preload/exact/exact_sites.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace lamprey::preload::exact {
namespace {

#if defined(__x86_64__)

using Bytes = std::vector<std::uint8_t>;

const Bytes kGetppid = {0xB8, 110, 0, 0, 0, 0x0F, 0x05};                   // mov $110, %eax
const Bytes kCompared = {0x0F, 0x05, 0x48, 0x3D, 0x00, 0xF0, 0xFF, 0xFF};  // cmp $-4096, %rax
const Bytes kCompared4095 = {0x0F, 0x05, 0x48, 0x3D, 0x01, 0xF0, 0xFF, 0xFF};
const Bytes kNarrow = {0x0F, 0x05, 0x3D, 0x00, 0xF0, 0xFF, 0xFF};  // cmp $-4096, %eax
const Bytes kReturn = {0xC3};
const Bytes kNop = {0x90};

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Functions one behind the other, looked through as a text of their own.
struct Search {
  std::vector<SyscallSite> sites = std::vector<SyscallSite>(16);
  SitesFound found;

  explicit Search(std::initializer_list<Bytes> functions, std::size_t room = 16) {
    Bytes text;
    std::vector<FunctionTable::Entry> table;
    for (const Bytes& function : functions) {
      table.push_back({static_cast<std::int32_t>(text.size()), 0});
      text = text + function;
    }
    std::vector<std::uint8_t> interior((text.size() / 8) + 1);
    found = find_sites({text.data(), text.size(), {table.data(), table.size(), 0}}, sites.data(),
                       room, interior.data());
    sites.resize(found.sites);
  }
};

TEST(ExactSitesTest, TheThreeShapes) {
  const Search search(
      {kNop + kGetppid + kReturn, kCompared + kReturn, kCompared4095 + kReturn, kNarrow + kReturn});
  ASSERT_EQ(search.found.sites, 4U);
  EXPECT_EQ(search.found.left, 0U);
  const SyscallSite& first = search.sites[0];
  EXPECT_EQ(first.offset, 1U);
  EXPECT_EQ(first.bytes, 7U);
  EXPECT_EQ(first.behind, 7U);
  EXPECT_EQ(first.number, 110);
  EXPECT_EQ(first.shape, Shape::kNumberFirst);
  EXPECT_EQ(search.sites[1].bytes, 8U);
  EXPECT_EQ(search.sites[1].behind, 2U);
  EXPECT_EQ(search.sites[1].number, -1);
  EXPECT_EQ(search.sites[1].compared, -4096);
  EXPECT_EQ(search.sites[2].compared, -4095);
  EXPECT_EQ(search.sites[3].shape, Shape::kCompare32);
  EXPECT_EQ(search.sites[3].bytes, 7U);
}

TEST(ExactSitesTest, WhatMustNotBeLedAnywhere) {
  const Bytes vfork = {0xB8, 58, 0, 0, 0, 0x0F, 0x05};
  const Search search({vfork + kReturn, vfork + Bytes(kCompared.begin() + 2, kCompared.end())});
  EXPECT_EQ(search.found.sites, 0U);
  EXPECT_EQ(search.found.untouched, 2U);
  EXPECT_EQ(search.found.left, 0U);
}

// glibc's __restore_rt, whose description begins a byte before its first instruction: read from
// there, other instructions come out, which end at the same place.
TEST(ExactSitesTest, TheReturnFromSignalHandlers) {
  const Bytes restore = {0x00, 0x48, 0xC7, 0xC0, 0x0F, 0, 0, 0, 0x0F, 0x05, 0x90};
  const Search search({restore});
  EXPECT_EQ(search.found.sites, 0U);
  EXPECT_EQ(search.found.untouched, 1U);
  Bytes getppid = restore;
  getppid[4] = 110;
  EXPECT_EQ(Search({Bytes(getppid.begin() + 1, getppid.end())}).sites.at(0).number, 110);
  EXPECT_EQ(Search({getppid}).found.sites, 0U) << "no instruction begins there";
}

TEST(ExactSitesTest, WhatStandsBeforeIsCopied) {
  const Bytes lea = {0xB8, 0xCA, 0, 0, 0, 0x48, 0x8D, 0x3D, 1, 2, 0, 0, 0x0F, 0x05, 0xC3};
  const Bytes two = {0x55, 0x31, 0xFF, 0x89, 0xD0, 0x0F, 0x05, 0xC3};  // push; xor; mov; syscall
  const Bytes r8 = {0x41, 0xB8, 8, 0, 0, 0, 0x0F, 0x05, 0xC3};         // mov $8, %r8d
  const Search search({lea, two, r8});
  ASSERT_EQ(search.found.sites, 3U);
  for (const SyscallSite& site : search.sites) {
    EXPECT_EQ(site.shape, Shape::kCopied);
    EXPECT_EQ(site.number, -1);
    EXPECT_EQ(site.behind, site.bytes);
  }
  EXPECT_EQ(search.sites[0].offset, 5U);  // as little as is enough
  EXPECT_EQ(search.sites[0].bytes, 9U);
  EXPECT_EQ(search.sites[1].offset, lea.size() + 1);
  EXPECT_EQ(search.sites[1].bytes, 6U);
  EXPECT_EQ(search.sites[2].bytes, 8U);
}

TEST(ExactSitesTest, WhatCannotBeCopied) {
  const Bytes call = {0xE8, 0, 0, 0, 0, 0x0F, 0x05, 0xC3};
  const Bytes push = {0x68, 1, 0, 0, 0, 0x0F, 0x05, 0xC3};
  const Bytes short_one = {0x50, 0x31, 0xC0, 0x0F, 0x05, 0xC3};  // push; xor: 4 bytes
  const Bytes first = {0x0F, 0x05, 0xC3};
  const Bytes other = {0x90, 0x0F, 0x05, 0x48, 0x3D, 0x00, 0xF1, 0xFF, 0xFF};  // cmp with another
  const Search search({call, push, short_one, first, other});
  EXPECT_EQ(search.found.sites, 0U);
  EXPECT_EQ(search.found.left, 5U);
}

TEST(ExactSitesTest, AJumpBetweenWhatWouldBeCopied) {
  const Bytes loop = {0x31, 0xFF, 0x89, 0xD0, 0x0F, 0x05, 0xEB, 0xFA};  // back to mov
  EXPECT_EQ(Search({loop}).found.sites, 0U);
  const Bytes whole = {0x31, 0xFF, 0x89, 0xD0, 0x0F, 0x05, 0xEB, 0xF8};  // back to xor
  EXPECT_EQ(Search({whole}).found.sites, 1U);
}

TEST(ExactSitesTest, WhatIsCopiedBelongsToNoOtherPlace) {
  // The second call's number is what follows the first's comparison, which is replaced with it.
  const Bytes pair = kCompared + Bytes{0x31, 0xC0, 0x0F, 0x05, 0xC3};
  const Search search({pair});
  ASSERT_EQ(search.found.sites, 1U);
  EXPECT_EQ(search.sites[0].shape, Shape::kCompare64);
  EXPECT_EQ(search.found.left, 1U);
}

TEST(ExactSitesTest, AJumpIntoTheMiddle) {
  const Bytes to_syscall = {0xEB, 0x05};  // over mov, to syscall
  const Bytes back = {0x75, 0xF9};        // jne to the cmp behind syscall
  const Search near({to_syscall + kGetppid + kReturn, kCompared + Bytes{0x90} + back + kReturn});
  EXPECT_EQ(near.found.sites, 0U);
  EXPECT_EQ(near.found.left, 2U);
  // From another function, as cold parts of functions do: jmp and jcc with four bytes.
  const Bytes far = {0xE9, 0xF8, 0xFF, 0xFF, 0xFF};  // 8 back from its end: to syscall
  const Search cold({kGetppid + kReturn, far});
  EXPECT_EQ(cold.found.sites, 0U);
  const Bytes conditional = {0x0F, 0x84, 0xF7, 0xFF, 0xFF, 0xFF};
  const Search branch({kGetppid + kReturn, conditional});
  EXPECT_EQ(branch.found.sites, 0U);
}

TEST(ExactSitesTest, AJumpToItsBeginningDoesNoHarm) {
  const Bytes back = {0x75, 0xF7};  // to mov
  const Search search({kGetppid + back + kReturn});
  EXPECT_EQ(search.found.sites, 1U);
}

TEST(ExactSitesTest, DataThatLooksLikeIt) {
  // movabs $..., %rax whose eight bytes are a whole place.
  const Bytes data = {0x48, 0xB8, 0xB8, 110, 0, 0, 0, 0x0F, 0x05, 0x90, 0xC3};
  const Search search({data});
  EXPECT_EQ(search.found.sites, 0U);
  EXPECT_EQ(search.found.left, 0U) << "it is no call that is not counted";
  // The two bytes alone, in a constant.
  const Bytes constant = {0xB9, 0x0F, 0x05, 0, 0, 0xC3};
  EXPECT_EQ(Search({constant}).found.left, 0U);
}

TEST(ExactSitesTest, AFunctionThatCannotBeRead) {
  const Search search({Bytes{0x06} + kGetppid + kReturn, kGetppid + kReturn});  // push %es
  ASSERT_EQ(search.found.sites, 1U);
  EXPECT_EQ(search.sites[0].offset, 9U);
}

TEST(ExactSitesTest, AFunctionThatCannotBeReadToItsEnd) {
  const Search search({kGetppid + Bytes{0x06} + kReturn, kGetppid + kReturn});
  ASSERT_EQ(search.found.sites, 1U);
  EXPECT_EQ(search.sites[0].offset, 9U);
  EXPECT_EQ(search.found.left, 1U);
}

TEST(ExactSitesTest, NoTableNoPlace) {
  Bytes text = kGetppid + kReturn;
  std::vector<std::uint8_t> interior(2);
  SyscallSite site{};
  EXPECT_EQ(find_sites({text.data(), text.size(), {}}, &site, 1, interior.data()).sites, 0U);
}

TEST(ExactSitesTest, NoMoreThanThereIsRoomFor) {
  const Search search({kGetppid + kReturn, kGetppid + kReturn, kGetppid + kReturn}, 2);
  EXPECT_EQ(search.found.sites, 2U);
  EXPECT_EQ(search.found.left, 1U);
}

TEST(ExactSitesTest, TheTextsVeryEnd) {
  EXPECT_EQ(Search({kGetppid}).found.sites, 1U);
  EXPECT_EQ(Search({Bytes{0x0F, 0x05}}).found.left, 1U);
  EXPECT_EQ(Search({Bytes{0x90, 0x0F}}).found.left, 0U);
  for (std::size_t cut = 0; cut < kCompared.size(); ++cut) {
    const Bytes some(kCompared.begin(), kCompared.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_EQ(Search({kReturn + some}).found.sites, 0U) << cut;
  }
}

#endif

}  // namespace
}  // namespace lamprey::preload::exact
