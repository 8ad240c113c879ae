// Which line an instruction belongs to: decodes the table of a code object. No pointer is followed
// but that to the table's bytes.
//
// Cost: about 0.5 ns a byte of the table (16 bytes a line of source from 3.11 on).
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::stack::python {

struct LineTable {
  const unsigned char* bytes;
  std::size_t size;
  std::uint16_t minor;       // of the version whose format it has
  std::uint32_t first_line;  // of the function
};

// `instruction`: its offset in the code, in bytes. The function's first line where the table gives
// none.
std::uint32_t line_of(const LineTable& table, std::int32_t instruction);

}  // namespace lamprey::preload::stack::python
