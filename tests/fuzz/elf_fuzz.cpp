// Mutated ELF files, perf maps and mangled names through everything that reads them: nothing may
// crash, hang or leave the limits. Run as `elf_fuzz [ITERATIONS] [SEED]`; a seed gives the same
// bytes every time. With -DLAMPREY_LIBFUZZER the entry point is libFuzzer's.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "symbols/demangle.h"
#include "symbols/symbolizer.h"
#include "tests/unit/recording_builder.h"

namespace {

using lamprey::symbols::ElfFile;
using lamprey::symbols::Place;
using lamprey::symbols::Symbolizer;

constexpr std::int32_t kPid = 4711;

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void check(const std::string& text) {
  if (text.size() > Symbolizer::kMaxText || text.find('\n') != std::string::npos ||
      text.find(';') != std::string::npos) {
    std::fprintf(stderr, "a name of %zu bytes: %s\n", text.size(), text.c_str());
    std::abort();
  }
}

// The same bytes as a module and as a perf map.
void read_everything(const std::string& directory, const std::string& bytes) {
  const std::string module = directory + "/module.so";
  write_file(module, bytes);
  write_file(directory + "/perf-4711.map", bytes);
  const auto file = ElfFile::open(module);
  Symbolizer symbolizer({directory, directory, directory});
  std::vector<Place> places;
  for (std::uint64_t offset = 0x1000; offset < 0x3000; offset += 0x55) {
    places.push_back({kPid, offset, module, file ? file->build_id() : std::string(), offset});
    places.push_back({kPid, offset, "", "", 0});
  }
  for (const Place& place : places) {
    symbolizer.want(place);
  }
  symbolizer.work(UINT64_MAX);
  for (const Place& place : places) {
    check(symbolizer.name(place));
  }
}

#ifndef LAMPREY_LIBFUZZER

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// This program's own names in a small module, or this program itself where there is no compiler.
std::string valid_module(const std::string& directory) {
  const std::string path = directory + "/seed.so";
  write_file(path + ".cpp",
             "namespace a { template <class T> T* f(T* t) { return t + 1; } }\n"
             "extern \"C\" int* g(int* p) { return a::f(p); }\nlong h(char* c) { return *c; }\n");
  const std::string command =
      "c++ -O0 -shared -fPIC -Wl,--build-id -o " + path + " " + path + ".cpp 2>/dev/null";
  return std::system(command.c_str()) == 0 ? read_file(path) : read_file("/proc/self/exe");
}

std::string mutated(std::string bytes, std::mt19937_64& random) {
  const std::size_t table = bytes.size() > 4096 ? bytes.size() - 4096 : 0;  // section headers
  for (std::uint64_t i = random() % 12; i > 0 && !bytes.empty(); --i) {
    const std::size_t from = random() % 3 == 0 ? 0 : (random() % 2 == 0 ? table : 0x200);
    const std::size_t at = (from + (random() % 4096)) % bytes.size();
    const std::uint64_t odd[] = {0, 1, 0x7FFFFFFF, UINT32_MAX, UINT64_MAX, random(), bytes.size()};
    const std::uint64_t value = odd[random() % 7];
    const std::size_t width = std::size_t{1} << (random() % 4);
    if (at + width <= bytes.size()) {
      std::memcpy(bytes.data() + at, &value, width);
    }
  }
  if (random() % 8 == 0) {
    bytes.resize(random() % (bytes.size() + 1));
  }
  return bytes;
}

std::string mangled(std::mt19937_64& random) {
  static constexpr const char* kPieces[] = {
      "N",         "C1a", "1b",  "I",   "E", "B_",   "B0_",  "B3_",   "M",
      "X",         "Y",   "S",   "T",   "R", "Kj1_", "h",    "s_",    "u3abc",
      "Nv",        "NC",  "D",   "L_",  "F", "G_",   "$LT$", "..",    "17h0123456789abcdefE",
      "St6vector", "S_",  "S0_", "iEE", "v", "K",    "O",    "4name", "99999",
      ".llvm.1"};
  std::string text = random() % 2 == 0 ? "_R" : "_ZN";
  for (std::uint64_t i = random() % 60; i > 0; --i) {
    text += kPieces[random() % std::size(kPieces)];
  }
  return text;
}

#endif

}  // namespace

#ifdef LAMPREY_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lamprey::testing::TemporaryDirectory directory;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read_everything(directory.path(), bytes);
  lamprey::symbols::demangle(bytes);
  return 0;
}
#else
int main(int argc, char** argv) {
  const std::uint64_t iterations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const lamprey::testing::TemporaryDirectory directory;
  const std::string seed_module = valid_module(directory.path());
  std::mt19937_64 random(seed);
  std::uint64_t demangled = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    read_everything(directory.path(), mutated(seed_module, random));
    for (int name = 0; name < 50; ++name) {
      const std::string text = mangled(random);
      demangled += lamprey::symbols::demangle(text) != text ? 1 : 0;
    }
  }
  std::printf("elf_fuzz: %llu modules, %llu names demangled, seed %llu: nothing found\n",
              static_cast<unsigned long long>(iterations),
              static_cast<unsigned long long>(demangled), static_cast<unsigned long long>(seed));
  return demangled != 0 ? 0 : 1;
}
#endif
