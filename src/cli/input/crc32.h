// The checksum of gzip (RFC 1952), eight bytes at a time. Nothing else may live here.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lamprey::cli {

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables crc_tables() {
  CrcTables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1U) != 0 ? 0xEDB88320U ^ (value >> 1U) : value >> 1U;
    }
    tables[0][i] = value;
  }
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t step = 1; step < tables.size(); ++step) {
      const std::uint32_t before = tables[step - 1][i];
      tables[step][i] = (before >> 8U) ^ tables[0][before & 0xFFU];
    }
  }
  return tables;
}

// Of `bytes` behind those that `before` is the checksum of.
inline std::uint32_t crc_32(std::string_view bytes, std::uint32_t before = 0) {
  static constexpr CrcTables kTables = crc_tables();
  const auto byte = [&bytes](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at]));
  };
  std::uint32_t crc = ~before;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    crc ^= byte(at) | (byte(at + 1) << 8U) | (byte(at + 2) << 16U) | (byte(at + 3) << 24U);
    crc = kTables[7][crc & 0xFFU] ^ kTables[6][(crc >> 8U) & 0xFFU] ^
          kTables[5][(crc >> 16U) & 0xFFU] ^ kTables[4][crc >> 24U] ^ kTables[3][byte(at + 4)] ^
          kTables[2][byte(at + 5)] ^ kTables[1][byte(at + 6)] ^ kTables[0][byte(at + 7)];
  }
  for (; at < bytes.size(); ++at) {
    crc = kTables[0][(crc ^ byte(at)) & 0xFFU] ^ (crc >> 8U);
  }
  return ~crc;
}

}  // namespace lamprey::cli
