// System calls without libc; see the header.
#include "symbols/direct_syscalls.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "symbols/elf_file.h"

namespace lamprey::symbols {
namespace {

constexpr std::size_t kPiece = 16384;
constexpr std::size_t kOverlap = 16;  // no shorter than what is looked for

#if defined(__x86_64__)
// `at`: where `0f 05` begins.
bool is_call(std::span<const std::uint8_t> code, std::size_t at) {
  static constexpr std::array<std::uint8_t, 3> kCompared = {0xF0, 0xFF, 0xFF};
  constexpr std::size_t kMove = 5;  // b8, and a number of 32 bits: below 1,024 for system calls
  const std::uint8_t* after = &code[at + 2];
  const bool numbered = at >= kMove && code[at - 5] == 0xB8 && code[at - 3] < 4 &&
                        code[at - 2] == 0 && code[at - 1] == 0;
  return numbered || (after[0] == 0x48 && after[1] == 0x3D && after[2] < 2 &&
                      std::memcmp(after + 3, kCompared.data(), kCompared.size()) == 0);
}
#endif

bool has_raw_call_in(const ElfFile& file) {
  const CodeRange range = file.code();
  std::array<std::uint8_t, kPiece> piece;
  const std::uint64_t end = range.offset + std::min(range.bytes, kMaxCode);
  for (std::uint64_t at = range.offset; at + kOverlap < end; at += kPiece - kOverlap) {
    const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - at));
    if (!file.read_at(at, piece.data(), bytes)) {
      break;
    }
    if (has_raw_call({piece.data(), bytes})) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool has_raw_call(std::span<const std::uint8_t> code) {
#if defined(__x86_64__)
  // By the second byte: the first one begins every long jump.
  for (std::size_t at = 1; at + 7 <= code.size(); ++at) {
    const void* found = std::memchr(&code[at], 0x05, code.size() - 6 - at);
    if (found == nullptr) {
      break;
    }
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - code.data());
    if (code[at - 1] == 0x0F && is_call(code, at - 1)) {
      return true;
    }
  }
#else
  for (std::size_t at = 0; at + 4 <= code.size(); at += 4) {
    std::uint32_t instruction = 0;
    std::memcpy(&instruction, &code[at], sizeof(instruction));
    if (instruction == 0xD4000001) {
      return true;
    }
  }
#endif
  return false;
}

bool is_part_of_libc(const std::string& path) {
  static constexpr std::array<const char*, 7> kNames = {
      "libc.so", "libc-2", "ld-", "libpthread", "librt", "liblamprey", "[vdso]"};
  const std::string name = path.substr(path.rfind('/') + 1);
  return std::any_of(kNames.begin(), kNames.end(),
                     [&name](const char* part) { return name.starts_with(part); });
}

bool DirectSyscallSearch::finds(const std::string& path) {
  const auto file = is_part_of_libc(path) ? std::nullopt : ElfFile::open(path);
  if (!file) {
    return false;
  }
  const std::string& build = file->build_id();
  const auto has = [&build](const std::vector<std::string>& builds) {
    return std::find(builds.begin(), builds.end(), build) != builds.end();
  };
  if (has(with_) || has(without_)) {
    return has(with_);
  }
  const bool found = has_raw_call_in(*file);
  if (!build.empty() && with_.size() + without_.size() < kMaxBuilds) {
    (found ? with_ : without_).push_back(build);
  }
  return found;
}

}  // namespace lamprey::symbols
