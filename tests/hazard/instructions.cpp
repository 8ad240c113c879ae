// Reads instructions in hexadecimal, one a line, and counts those whose length the decoder of exact
// mode sees otherwise.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "preload/exact/instruction.cpp"  // NOLINT(bugprone-suspicious-include): all that is tried

int main() {
  std::size_t all = 0;
  std::size_t wrong = 0;
  for (std::string line; std::getline(std::cin, line); ++all) {
    std::vector<std::uint8_t> code;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2) {
      code.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
    }
    const std::size_t length = code.size();
    code.resize(length + 16, 0x90);
    if (lamprey::preload::exact::read_instruction(code.data(), code.size()).length != length &&
        ++wrong < 10) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
  }
  std::printf("%zu instructions, %zu wrong\n", all, wrong);
}
