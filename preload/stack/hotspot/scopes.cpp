// See scopes.h.
#include "preload/stack/hotspot/scopes.h"

#include "preload/stack/hotspot/bytes.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {
namespace {

constexpr int kMaxInlined = 128;
constexpr std::int32_t kMaxDescriptors = 1 << 20;
constexpr std::uint32_t kMaxMethods = 1U << 20;

// code/pcDesc.hpp
struct PcDescriptor {
  std::int32_t pc_offset;
  std::int32_t scope_offset;
  std::int32_t objects_offset;
  std::int32_t flags;
};

// A pointer in the blob; or, in newer versions, an offset from `base`.
std::uintptr_t pointer_or_offset(const Fields& fields, const Blob& blob, Field pointer,
                                 Field offset, std::uintptr_t base) {
  std::uintptr_t address = 0;
  std::int32_t distance = 0;
  if (fields.has(pointer)) {
    return read_at(blob.at + fields.at[pointer], address) ? address : 0;
  }
  return base != 0 && read_at(blob.at + fields.at[offset], distance) && distance >= 0
             ? base + static_cast<std::uintptr_t>(distance)
             : 0;
}

// Where the tables lie that never change: beside the code, or (23 on) on the C heap.
std::uintptr_t tables_of(const Fields& fields, const Blob& blob) {
  std::uintptr_t base = blob.at;
  return !fields.has(kImmutableData) || read_at(blob.at + fields.at[kImmutableData], base) ? base
                                                                                           : 0;
}

std::uintptr_t methods_of(const Fields& fields, const Blob& blob) {
  std::uintptr_t base = blob.at;
  if (fields.has(kBlobMutableData) && !read_at(blob.at + fields.at[kBlobMutableData], base)) {
    return 0;
  }
  const Field distance = fields.has(kBlobMutableData) ? kBlobRelocationSize : kMetadataOffset;
  std::int32_t bytes = 0;
  return base != 0 && read_at(blob.at + fields.at[distance], bytes) && bytes >= 0
             ? base + static_cast<std::uintptr_t>(bytes)
             : 0;
}

// Of the descriptors, which are sorted, the one of exactly this offset: each call has one. Between
// calls the next one tells the method nearly always, and a line nearby. 0: none.
std::int32_t scope_at(std::uintptr_t first, std::int32_t count, std::int32_t offset, At at) {
  std::int32_t low = 0;
  std::int32_t high = count;
  while (low < high) {
    const std::int32_t middle = low + ((high - low) / 2);
    PcDescriptor descriptor = {};
    if (!read_at(first + (static_cast<std::uintptr_t>(middle) * sizeof(descriptor)), descriptor)) {
      return 0;
    }
    if (descriptor.pc_offset == offset) {
      return descriptor.scope_offset > 0 ? descriptor.scope_offset : 0;
    }
    if (descriptor.pc_offset < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  PcDescriptor next = {};
  return at == At::kBetweenCalls && low < count &&
                 read_at(first + (static_cast<std::uintptr_t>(low) * sizeof(next)), next) &&
                 next.scope_offset > 0
             ? next.scope_offset
             : 0;
}

std::int32_t scope_of(const Fields& fields, const Blob& blob, std::uintptr_t pc,
                      std::uintptr_t tables, At at) {
  const std::uintptr_t code = code_begin(fields, blob);
  const Field behind = fields.has(kImmutableData) ? kScopesOffset : kDependenciesOffset;
  std::int32_t begin = 0;
  std::int32_t end = 0;
  if (code == 0 || pc <= code || pc - code > INT32_MAX ||
      !read_at(blob.at + fields.at[kDescriptorsOffset], begin) ||
      !read_at(blob.at + fields.at[behind], end) || begin < 0 || end < begin) {
    return 0;
  }
  const std::int32_t count = (end - begin) / static_cast<std::int32_t>(sizeof(PcDescriptor));
  return count <= kMaxDescriptors ? scope_at(tables + static_cast<std::uintptr_t>(begin), count,
                                             static_cast<std::int32_t>(pc - code), at)
                                  : 0;
}

}  // namespace

std::uintptr_t code_begin(const Fields& fields, const Blob& blob) {
  return pointer_or_offset(fields, blob, kBlobCodeBegin, kBlobCodeOffset, blob.at);
}

Scopes::Scopes(const Fields& fields, const Blob& blob, std::uintptr_t pc, At at)
    : fields_(fields), left_(kMaxInlined) {
  read_at(blob.at + fields.at[kMethodOfCode], compiled_);
  if (blob.kind == Kind::kCompiled) {
    begin(blob, pc, at);
  }
}

void Scopes::begin(const Blob& blob, std::uintptr_t pc, At at) {
  const std::uintptr_t tables = tables_of(fields_, blob);
  at_ = tables != 0 ? scope_of(fields_, blob, pc, tables, at) : 0;
  if (at_ != 0) {
    data_ = pointer_or_offset(fields_, blob, kScopesBegin, kScopesOffset, tables);
    methods_ = methods_of(fields_, blob);
  }
}

bool Scopes::next(Scope& scope) {
  const std::uintptr_t compiled = compiled_;
  compiled_ = 0;
  if (at_ != 0 && data_ != 0 && methods_ != 0 && left_-- > 0) {
    CheckedBytes bytes(data_ + static_cast<std::uintptr_t>(at_));
    std::uint32_t sender = 0;
    std::uint32_t number = 0;
    std::uint32_t bytecode = 0;
    const bool read = read_unsigned5(bytes, fields_.excluded(), sender) &&
                      read_unsigned5(bytes, fields_.excluded(), number) &&
                      read_unsigned5(bytes, fields_.excluded(), bytecode);
    // Who a method was inlined into was written before it, so each is nearer to the beginning.
    at_ = read && sender < static_cast<std::uint32_t>(at_) ? static_cast<std::int32_t>(sender) : 0;
    if (read && number != 0 && number <= kMaxMethods &&
        read_at(methods_ + (std::uintptr_t{number - 1} * sizeof(scope.method)), scope.method)) {
      scope.bytecode = static_cast<std::int32_t>(bytecode) - 1;
      return true;
    }
    at_ = 0;
  }
  scope = {compiled, kNoBytecode};
  return compiled != 0;
}

bool interpreted_scope(const Fields& fields, std::uintptr_t fp, Scope& scope) {
  std::uintptr_t at = 0;
  std::uintptr_t constants = 0;
  std::uint16_t size = 0;
  if (!read_at(fp - (kMethodSlot * sizeof(std::uint64_t)), scope.method) ||
      !is_object(scope.method)) {
    return false;
  }
  scope.bytecode = kNoBytecode;
  if (read_at(fp - (kBytecodeSlot * sizeof(std::uint64_t)), at) &&
      read_at(scope.method + fields.at[kConstMethod], constants) && is_object(constants) &&
      read_at(constants + fields.at[kCodeSize], size)) {
    const std::uintptr_t code = constants + fields.at[kSizeOfConstMethod];
    if (at >= code && at - code < size) {
      scope.bytecode = static_cast<std::int32_t>(at - code);
    }
  }
  return true;
}

}  // namespace lamprey::preload::stack::hotspot
