// What libjvm.so says of its own structures: gHotSpotVMStructs and gHotSpotVMTypes, the tables that
// its serviceability agent lives by. Which of their rows this room needs stands here; what is done
// with them, in the other files.
//
// Cost: ~100 us, once a process. No allocation, lock, libc.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"

namespace lamprey::preload::stack::hotspot {

// Each is an offset in bytes, a size (kSizeOf...), or the address of a static datum (kStatic...).
// Where versions differ, only some are there.
enum Field : std::uint8_t {
  kStaticHeap,  // 8
  kStaticHeaps,
  kStaticLowBound,
  kStaticHighBound,
  kStaticVersion,
  kHeapMemory,
  kHeapSegmentMap,
  kHeapShift,
  kSpaceLow,
  kSpaceHigh,
  kBlockUsed,
  kSizeOfBlock,
  kArrayLength,
  kArrayData,
  kBlobName,
  kBlobSize,
  kBlobFrameSize,
  kBlobCodeBegin,       // a pointer, up to 22
  kBlobCodeOffset,      // 23 on
  kBlobMutableData,     // 25
  kBlobRelocationSize,  // 25
  kMethodOfCode,
  kCompileId,
  kMetadataOffset,     // up to 22
  kImmutableData,      // 23 on
  kScopesBegin,        // a pointer, up to 22
  kScopesOffset,       // 23 on
  kDescriptorsOffset,  // of PcDesc[]
  kDependenciesOffset,
  kOriginalPc,
  kDeoptBegin,  // a pointer, up to 22
  kDeoptHandlesBegin,
  kDeoptOffset,  // 23 on
  kDeoptHandlesOffset,
  kConstMethod,
  kConstants,
  kCodeSize,
  kMethodFlags,
  kNameIndex,
  kSizeOfConstMethod,
  kPoolHolder,
  kPoolLength,
  kPoolSourceFile,  // 15 on
  kSizeOfPool,
  kKlassSourceFile,  // up to 14
  kKlassName,
  kSymbolLength,
  kSymbolBody,
  kFieldCount,
};

struct Fields {
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t at[kFieldCount];
  std::int32_t version;  // of the JDK; 0: not known

  bool has(Field field) const { return at[field] != kNone; }
  // Of the packed numbers: how many of the lowest values no byte has (bytes.h).
  std::uint32_t excluded() const { return version >= 20 ? 1 : 0; }
};

// A table in memory, and where the columns of its rows are. The last row has no type.
struct Columns {
  std::uintptr_t rows = 0;
  std::uint64_t stride = 0;
  std::uint64_t type = 0;
  std::uint64_t name = 0;
  std::uint64_t is_static = 0;
  std::uint64_t offset = 0;  // or the size
  std::uint64_t address = 0;
};

// What both tables say; false: they make no sense.
bool read_rows_of(const Columns& structs, const Columns& types, Fields& fields);

enum class TablesAre : std::uint8_t {
  kRead,
  kNotReady,  // a constructor of libjvm's fills them
  kMissing,
};

// Fills `fields` with what the module's tables say, kNone for the rest; not its version.
TablesAre read_tables(const DynamicSymbols& symbols, Fields& fields);

// Whether the readers find all that they need.
bool complete(const Fields& fields);

}  // namespace lamprey::preload::stack::hotspot
