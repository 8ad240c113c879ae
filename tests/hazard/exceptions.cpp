// Throws a million C++ exceptions through frames that allocate, and says how many it caught.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/hazard/opaque.h"

namespace {

struct Releases {
  void* block;
  ~Releases() { std::free(block); }
};

void throw_at(int depth, int number) {
  const Releases releases = {opaque(std::malloc(100))};
  if (depth == 0) {
    throw std::runtime_error("number " + std::to_string(number));
  }
  throw_at(depth - 1, number);
}

}  // namespace

int main() {
  constexpr int kMax = 1'000'000;
  int caught = 0;
  for (int i = 0; i < kMax; ++i) {
    try {
      throw_at(2, i);
    } catch (const std::runtime_error& error) {
      caught += error.what() == "number " + std::to_string(i) ? 1 : 0;
    }
  }
  std::printf("%d\n", caught);
}
