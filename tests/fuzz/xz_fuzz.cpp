// Damaged xz streams through the reader of .gnu_debugdata: it must end, and write nowhere but into
// the room that it was given. Run as `xz_fuzz [ITERATIONS] [SEED]`; a seed gives the same bytes
// every time. With -DLAMPREY_LIBFUZZER the entry point is libFuzzer's.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "symbols/xz_stream.h"
#include "tests/unit/recording_builder.h"

namespace {

using lamprey::symbols::XzStream;

constexpr std::uint64_t kMaxUnpacked = std::uint64_t{1} << 20;

// How it ended; kBroken also where its size is refused.
XzStream::Progress read(const std::string& packed) {
  const int file = memfd_create("xz_fuzz", MFD_CLOEXEC);
  auto progress = XzStream::Progress::kBroken;
  if (write(file, packed.data(), packed.size()) == static_cast<ssize_t>(packed.size())) {
    const auto size = lamprey::symbols::xz_unpacked_bytes(file, 0, packed.size());
    if (size && *size <= kMaxUnpacked) {
      constexpr std::size_t kGuard = 4096;
      constexpr std::uint8_t kUntouched = 0x5A;
      const auto bytes = static_cast<std::size_t>(*size);
      std::vector<std::uint8_t> room(bytes + (2 * kGuard), kUntouched);
      XzStream stream(file, 0, packed.size(), {room.data() + kGuard, bytes});
      do {
        progress = stream.step(4096);
      } while (progress == XzStream::Progress::kMore);
      const auto untouched = [](std::uint8_t byte) { return byte == kUntouched; };
      if (!std::all_of(room.begin(), room.begin() + kGuard, untouched) ||
          !std::all_of(room.end() - kGuard, room.end(), untouched)) {
        std::fprintf(stderr, "xz_fuzz: bytes outside the room were written\n");
        std::abort();
      }
    }
  }
  close(file);
  return progress;
}

#ifndef LAMPREY_LIBFUZZER

std::string packed_program(const std::string& directory, const std::string& options) {
  const std::string path = directory + "/content";
  const std::string command = "head -c 40000 /proc/self/exe >'" + path + "' && xz -f -k " +
                              options + " '" + path + "' 2>/dev/null";
  if (std::system(command.c_str()) != 0) {
    return {};
  }
  std::ifstream file(path + ".xz", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string damaged(std::string bytes, std::mt19937_64& random) {
  for (std::uint64_t i = 1 + (random() % 6); i > 0; --i) {
    const std::size_t reach = random() % 2 == 0 ? 64 : bytes.size();  // headers are short
    const std::size_t at = random() % std::min(reach, bytes.size());
    const std::size_t from_end = bytes.size() - 1 - at;
    bytes[random() % 4 == 0 ? from_end : at] = static_cast<char>(random());
  }
  if (random() % 8 == 0) {
    bytes.resize(1 + (random() % bytes.size()));
  }
  return bytes;
}

#endif

}  // namespace

#ifdef LAMPREY_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
#else
int main(int argc, char** argv) {
  const std::uint64_t iterations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const lamprey::testing::TemporaryDirectory directory;
  std::vector<std::string> seeds;
  for (const char* options : {"-6", "--block-size=5000", "--lzma2=lc=0,lp=3,pb=1"}) {
    seeds.push_back(packed_program(directory.path(), options));
    if (read(seeds.back()) != XzStream::Progress::kEnd) {
      std::fprintf(stderr, "xz_fuzz: xz %s made nothing that can be read\n", options);
      return 1;
    }
  }
  std::mt19937_64 random(seed);
  std::uint64_t whole = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    whole += read(damaged(seeds[i % seeds.size()], random)) == XzStream::Progress::kEnd ? 1 : 0;
  }
  std::printf("xz_fuzz: %llu streams, %llu of them still whole, seed %llu: nothing found\n",
              static_cast<unsigned long long>(iterations), static_cast<unsigned long long>(whole),
              static_cast<unsigned long long>(seed));
  return 0;
}
#endif
