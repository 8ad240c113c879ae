// The table of functions in .eh_frame_hdr, as linkers write it: sorted pairs of 4 bytes, relative
// to the header itself (Linux Standard Base 5.0, 10.6.2). Another encoding gives an empty table.
// Pure.
#pragma once

#include "preload/base/byte_cursor.h"

namespace lamprey::preload {
inline namespace base {

struct EhFrameHeader {
  struct Row {
    std::int32_t begin;  // of the function, from the header
    std::int32_t entry;  // of its description in .eh_frame, from the header
  };
  const std::uint8_t* rows = nullptr;  // not aligned
  std::uint64_t count = 0;             // every row lies before the end that was given

  Row row(std::uint64_t index) const {
    Row value;
    __builtin_memcpy(&value, rows + (index * sizeof(Row)), sizeof(Row));
    return value;
  }
};

inline EhFrameHeader read_eh_frame_header(const std::uint8_t* header, const std::uint8_t* end) {
  ByteCursor in = {header, end};
  const auto version = in.fixed<std::uint8_t>();
  const auto frame_encoding = in.fixed<std::uint8_t>();
  const auto count_encoding = in.fixed<std::uint8_t>();
  const auto table_encoding = in.fixed<std::uint8_t>();
  in.number(frame_encoding);
  const std::uint64_t count = in.number(count_encoding);
  if (!in.good || version != 1 || table_encoding != (kFromHeader | kSigned4) ||
      count > static_cast<std::size_t>(in.end - in.at) / sizeof(EhFrameHeader::Row)) {
    return {};
  }
  return {in.at, count};
}

}  // namespace base
}  // namespace lamprey::preload
