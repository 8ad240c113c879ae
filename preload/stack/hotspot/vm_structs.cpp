// See vm_structs.h.
#include "preload/stack/hotspot/vm_structs.h"

#include "preload/base/text.h"
#include "preload/stack/hotspot/bytes.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {
namespace {

struct Wanted {
  const char* type;
  const char* name;
  Field field;
};

// Rows of one type stand together. Some fields moved from type to type, or changed their name.
constexpr Wanted kWanted[] = {
    {"CodeCache", "_heap", kStaticHeap},
    {"CodeCache", "_heaps", kStaticHeaps},
    {"CodeCache", "_low_bound", kStaticLowBound},
    {"CodeCache", "_high_bound", kStaticHighBound},
    {"Abstract_VM_Version", "_vm_major_version", kStaticVersion},
    {"CodeHeap", "_memory", kHeapMemory},
    {"CodeHeap", "_segmap", kHeapSegmentMap},
    {"CodeHeap", "_log2_segment_size", kHeapShift},
    {"VirtualSpace", "_low", kSpaceLow},
    {"VirtualSpace", "_high", kSpaceHigh},
    {"HeapBlock::Header", "_used", kBlockUsed},
    {"GrowableArrayBase", "_len", kArrayLength},
    {"GenericGrowableArray", "_len", kArrayLength},
    {"GrowableArray<int>", "_data", kArrayData},
    {"CodeBlob", "_name", kBlobName},
    {"CodeBlob", "_size", kBlobSize},
    {"CodeBlob", "_frame_size", kBlobFrameSize},
    {"CodeBlob", "_code_begin", kBlobCodeBegin},
    {"CodeBlob", "_code_offset", kBlobCodeOffset},
    {"CodeBlob", "_mutable_data", kBlobMutableData},
    {"CodeBlob", "_relocation_size", kBlobRelocationSize},
    {"CompiledMethod", "_method", kMethodOfCode},
    {"CompiledMethod", "_scopes_data_begin", kScopesBegin},
    {"CompiledMethod", "_deopt_handler_begin", kDeoptBegin},
    {"CompiledMethod", "_deopt_mh_handler_begin", kDeoptHandlesBegin},
    {"nmethod", "_method", kMethodOfCode},
    {"nmethod", "_compile_id", kCompileId},
    {"nmethod", "_metadata_offset", kMetadataOffset},
    {"nmethod", "_immutable_data", kImmutableData},
    {"nmethod", "_scopes_data_offset", kScopesOffset},
    {"nmethod", "_scopes_pcs_offset", kDescriptorsOffset},
    {"nmethod", "_dependencies_offset", kDependenciesOffset},
    {"nmethod", "_orig_pc_offset", kOriginalPc},
    {"nmethod", "_deopt_handler_offset", kDeoptOffset},
    {"nmethod", "_deopt_mh_handler_offset", kDeoptHandlesOffset},
    {"Method", "_constMethod", kConstMethod},
    {"ConstMethod", "_constants", kConstants},
    {"ConstMethod", "_code_size", kCodeSize},
    {"ConstMethod", "_flags", kMethodFlags},
    {"ConstMethod", "_flags._flags", kMethodFlags},
    {"ConstMethod", "_name_index", kNameIndex},
    {"ConstantPool", "_pool_holder", kPoolHolder},
    {"ConstantPool", "_length", kPoolLength},
    {"ConstantPool", "_source_file_name_index", kPoolSourceFile},
    {"InstanceKlass", "_source_file_name_index", kKlassSourceFile},
    {"Klass", "_name", kKlassName},
    {"Symbol", "_length", kSymbolLength},
    {"Symbol", "_body", kSymbolBody},
};

constexpr Wanted kSizes[] = {
    {"HeapBlock", "", kSizeOfBlock},
    {"ConstMethod", "", kSizeOfConstMethod},
    {"ConstantPool", "", kSizeOfPool},
};

constexpr Field kAlways[] = {
    kStaticHeaps,    kStaticLowBound,    kStaticHighBound, kStaticVersion, kHeapMemory,
    kHeapSegmentMap, kHeapShift,         kSpaceLow,        kSpaceHigh,     kBlockUsed,
    kSizeOfBlock,    kArrayLength,       kArrayData,       kBlobName,      kBlobSize,
    kBlobFrameSize,  kMethodOfCode,      kCompileId,       kOriginalPc,    kDescriptorsOffset,
    kConstMethod,    kConstants,         kCodeSize,        kMethodFlags,   kNameIndex,
    kPoolHolder,     kSizeOfConstMethod, kPoolLength,      kSizeOfPool,    kKlassName,
    kSymbolLength,   kSymbolBody,
};
constexpr Field kUpTo22[] = {kBlobCodeBegin,      kScopesBegin, kMetadataOffset,
                             kDependenciesOffset, kDeoptBegin,  kDeoptHandlesBegin};
constexpr Field kFrom25[] = {kBlobCodeOffset, kImmutableData,   kScopesOffset,
                             kDeoptOffset,    kBlobMutableData, kBlobRelocationSize};

constexpr std::uint32_t kMaxRows = 16384;
constexpr std::uint64_t kLargestStride = 512;
constexpr std::uint64_t kLargestOffset = std::uint64_t{1} << 20;

bool is(std::uintptr_t text, const char* wanted) {
  CheckedBytes bytes(text);
  std::uint8_t byte = 0;
  for (; bytes.next(byte); ++wanted) {
    if (byte != static_cast<std::uint8_t>(*wanted)) {
      return false;
    }
    if (byte == 0) {
      return true;
    }
  }
  return false;
}

TablesAre datum(const DynamicSymbols& symbols, const char* name, std::uint64_t& value) {
  const std::uintptr_t at = symbols.find(name);
  return at != 0 && read_at(at, value) ? TablesAre::kRead : TablesAre::kMissing;
}

// Where a column stands may well be 0; where the rows begin, and how long they are, may not.
TablesAre begin_of(const DynamicSymbols& symbols, const char* rows, const char* stride,
                   Columns& columns) {
  if (datum(symbols, rows, columns.rows) == TablesAre::kMissing ||
      datum(symbols, stride, columns.stride) == TablesAre::kMissing ||
      columns.stride > kLargestStride) {
    return TablesAre::kMissing;
  }
  return columns.rows != 0 && columns.stride != 0 ? TablesAre::kRead : TablesAre::kNotReady;
}

bool column(const DynamicSymbols& symbols, const char* name, const Columns& columns,
            std::uint64_t& value) {
  return datum(symbols, name, value) == TablesAre::kRead && value < columns.stride;
}

// The rows of kWanted that are of the type which a table's row names.
struct Group {
  const Wanted* begin = nullptr;
  const Wanted* end = nullptr;

  template <std::size_t N>
  static Group of(std::uintptr_t type, const Wanted (&wanted)[N]) {
    const Wanted* at = wanted;
    const Wanted* const behind = wanted + N;
    while (at != behind && !is(type, at->type)) {
      ++at;
    }
    Group group = {at, at};
    while (group.end != behind && equal(group.end->type, group.begin->type)) {
      ++group.end;
    }
    return group;
  }
};

bool take_struct(const Columns& columns, std::uintptr_t row, const Group& group, Fields& fields) {
  std::uintptr_t name = 0;
  std::int32_t is_static = 0;
  std::uint64_t value = 0;
  if (!read_at(row + columns.name, name) || !read_at(row + columns.is_static, is_static) ||
      !read_at(row + (is_static != 0 ? columns.address : columns.offset), value)) {
    return false;
  }
  for (const Wanted* wanted = group.begin; wanted != group.end; ++wanted) {
    const bool must_be_static = wanted->field <= kStaticVersion;
    if (is(name, wanted->name) && must_be_static == (is_static != 0) &&
        (must_be_static || value < kLargestOffset)) {
      fields.at[wanted->field] = value;
    }
  }
  return true;
}

bool take_size(const Columns& columns, std::uintptr_t row, const Group& group, Fields& fields) {
  std::uint64_t value = 0;
  if (group.begin == group.end) {
    return true;
  }
  if (!read_at(row + columns.offset, value)) {
    return false;
  }
  if (value < kLargestOffset) {
    fields.at[group.begin->field] = value;
  }
  return true;
}

// Neighbouring rows mostly name their type by the same pointer: it is looked up once.
template <std::size_t N, typename Take>
bool read_rows(const Columns& columns, const Wanted (&wanted)[N], Fields& fields, Take take) {
  std::uintptr_t last_type = 0;
  Group group;
  std::uintptr_t row = columns.rows;
  for (std::uint32_t i = 0; i < kMaxRows; ++i, row += columns.stride) {
    std::uintptr_t type = 0;
    if (!read_at(row + columns.type, type)) {
      return false;
    }
    if (type == 0) {
      return true;
    }
    if (type != last_type) {
      group = Group::of(type, wanted);
      last_type = type;
    }
    if (group.begin != group.end && !take(columns, row, group, fields)) {
      return false;
    }
  }
  return false;
}

}  // namespace

bool read_rows_of(const Columns& structs, const Columns& types, Fields& fields) {
  for (std::uint64_t& at : fields.at) {
    at = Fields::kNone;
  }
  return read_rows(structs, kWanted, fields, take_struct) &&
         read_rows(types, kSizes, fields, take_size);
}

TablesAre read_tables(const DynamicSymbols& symbols, Fields& fields) {
  Columns structs;
  Columns types;
  TablesAre are =
      begin_of(symbols, "gHotSpotVMStructs", "gHotSpotVMStructEntryArrayStride", structs);
  if (are == TablesAre::kRead) {
    are = begin_of(symbols, "gHotSpotVMTypes", "gHotSpotVMTypeEntryArrayStride", types);
  }
  if (are != TablesAre::kRead) {
    return are;
  }
  const bool known =
      column(symbols, "gHotSpotVMStructEntryTypeNameOffset", structs, structs.type) &&
      column(symbols, "gHotSpotVMStructEntryFieldNameOffset", structs, structs.name) &&
      column(symbols, "gHotSpotVMStructEntryIsStaticOffset", structs, structs.is_static) &&
      column(symbols, "gHotSpotVMStructEntryOffsetOffset", structs, structs.offset) &&
      column(symbols, "gHotSpotVMStructEntryAddressOffset", structs, structs.address) &&
      column(symbols, "gHotSpotVMTypeEntryTypeNameOffset", types, types.type) &&
      column(symbols, "gHotSpotVMTypeEntrySizeOffset", types, types.offset);
  return known && read_rows_of(structs, types, fields) ? TablesAre::kRead : TablesAre::kMissing;
}

bool complete(const Fields& fields) {
  const auto all = [&fields](const auto& wanted) {
    for (const Field field : wanted) {
      if (!fields.has(field)) {
        return false;
      }
    }
    return true;
  };
  return all(kAlways) && (fields.has(kImmutableData) ? all(kFrom25) : all(kUpTo22)) &&
         (fields.has(kPoolSourceFile) || fields.has(kKlassSourceFile));
}

}  // namespace lamprey::preload::stack::hotspot
