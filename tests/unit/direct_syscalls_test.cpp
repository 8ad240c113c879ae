// Which modules ask the kernel without libc: told by the shape of their code, never by chance.
#include "symbols/direct_syscalls.h"

#include <gtest/gtest.h>

#include <string>

#include "symbols/elf_file.h"
#include "tests/unit/compiled_module.h"
#include "tests/unit/recording_builder.h"

namespace lamprey::symbols {
namespace {

using lamprey::testing::compile_library;
using lamprey::testing::read_text;
using lamprey::testing::TemporaryDirectory;
using lamprey::testing::write_text;

bool makes_direct_syscalls(const std::string& path) { return DirectSyscallSearch().finds(path); }

bool raw(const std::string& code) {
  const TemporaryDirectory directory;
  const std::string library = directory.path() + "/libraw.so";
  compile_library(library, "#include <unistd.h>\n" + code);
  return makes_direct_syscalls(library);
}

#if defined(__x86_64__)
constexpr const char* kNumbered = R"(
extern "C" long asks() { long r; asm volatile("mov $39,%%eax\n\tsyscall" : "=a"(r) :: "rcx", "r11"); return r; })";
constexpr const char* kCompared = R"(
extern "C" long asks(long n) { asm volatile("syscall\n\tcmp $-4095,%%rax\n\tsbb %%rax,%%rax" : "+a"(n) :: "rcx", "r11"); return n; })";
// The two bytes within a number, and behind a move of what is no call's.
constexpr const char* kChance = R"(
extern "C" long asks() { long r; asm volatile("mov $0x050f,%%eax\n\tmov $0x12345678,%%eax\n\tnop\n\t.byte 0x0f,0x05,0x90,0x90" : "=a"(r) :: "rcx", "r11"); return r; })";

TEST(DirectSyscallsTest, AreFoundByTheirShape) {
  EXPECT_TRUE(raw(kNumbered));
  EXPECT_TRUE(raw(kCompared));
  EXPECT_FALSE(raw(kChance));
}
#else
TEST(DirectSyscallsTest, AreFoundByTheirShape) {
  EXPECT_TRUE(raw(R"(extern "C" void asks() { asm volatile("svc #0" ::: "x0"); })"));
}
#endif

TEST(DirectSyscallsTest, CallsOfLibcAreNone) {
  EXPECT_FALSE(raw(R"(extern "C" int asks() { return getppid(); })"));
  EXPECT_FALSE(makes_direct_syscalls("/nonexistent"));
  EXPECT_FALSE(makes_direct_syscalls("/dev/zero"));
}

TEST(DirectSyscallsTest, LibcItselfIsNotOfInterest) {
  EXPECT_TRUE(is_part_of_libc("/lib/x86_64-linux-gnu/libc.so.6"));
  EXPECT_TRUE(is_part_of_libc("/lib64/libpthread-2.26.so"));
  EXPECT_TRUE(is_part_of_libc("/lib64/ld-linux-x86-64.so.2"));
  EXPECT_FALSE(is_part_of_libc("/var/task/libc_client.so"));
}

// A build is read once: whatever is at another path, or there now, goes by its build id.
TEST(DirectSyscallsTest, ABuildIsLookedAtOnce) {
  const TemporaryDirectory directory;
  const std::string library = directory.path() + "/libraw.so";
  compile_library(library, "extern \"C\" int asks() { return 1; }");
  const std::string id = ElfFile::open(library)->build_id();
  ASSERT_FALSE(id.empty());
  DirectSyscallSearch search;
  EXPECT_FALSE(search.finds(library));
  std::string changed = read_text(library);
#if defined(__x86_64__)
  const std::string call("\x0F\x05\x48\x3D\x01\xF0\xFF\xFF", 8);
#else
  const std::string call("\x01\x00\x00\xD4", 4);
#endif
  changed.replace(ElfFile::open(library)->code().offset, call.size(), call);
  write_text(library, changed);
  EXPECT_TRUE(makes_direct_syscalls(library));
  EXPECT_FALSE(search.finds(library)) << "the same build id";
  EXPECT_TRUE(DirectSyscallSearch().finds(library));
  EXPECT_FALSE(search.finds("/nonexistent"));
}

// Across the border between two pieces that are read (16 KiB from where the code begins).
TEST(DirectSyscallsTest, NoCallIsLostBetweenPieces) {
  const TemporaryDirectory directory;
  const std::string library = directory.path() + "/libraw.so";
  compile_library(library, "asm(\".text; .fill 10000,4,0x90909090\");");
  const std::string plain = read_text(library);
  EXPECT_FALSE(makes_direct_syscalls(library));
#if defined(__x86_64__)
  const std::string call("\x0F\x05\x48\x3D\x01\xF0\xFF\xFF", 8);
#else
  const std::string call("\x01\x00\x00\xD4", 4);
#endif
  const std::size_t step = call.size() == 4 ? 4 : 1;  // instructions of arm64 are aligned
  const std::size_t border = ElfFile::open(library)->code().offset + 16384;
  for (std::size_t before = 0; before <= call.size(); ++before) {
    std::string changed = plain;
    changed.replace(border - before / step * step, call.size(), call);
    write_text(library, changed);
    EXPECT_TRUE(makes_direct_syscalls(library)) << before;
  }
}

}  // namespace
}  // namespace lamprey::symbols
