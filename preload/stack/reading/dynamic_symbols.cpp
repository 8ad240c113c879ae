// See dynamic_symbols.h. The tables' formats: the GNU hash section, as binutils' linker writes it;
// the System V ABI, "Hash Table".
#include "preload/stack/reading/dynamic_symbols.h"

#include <elf.h>

#include "preload/base/text.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack {
inline namespace reading {
namespace {

constexpr int kMaxEntries = 256;           // of a dynamic section
constexpr std::uint32_t kMaxLinks = 4096;  // of one bucket
constexpr std::uint32_t kMaxBuckets = 1U << 24;

std::uint32_t gnu_hash(const char* name) {
  std::uint32_t hash = 5381;
  for (; *name != '\0'; ++name) {
    hash = (hash * 33) + static_cast<unsigned char>(*name);
  }
  return hash;
}

std::uint32_t old_hash(const char* name) {
  std::uint32_t hash = 0;
  for (; *name != '\0'; ++name) {
    hash = (hash << 4U) + static_cast<unsigned char>(*name);
    const std::uint32_t high = hash & 0xF0000000U;
    hash = (hash ^ (high >> 24U)) & ~high;
  }
  return hash;
}

}  // namespace

DynamicSymbols::DynamicSymbols(const LoadedObject& object) : bias_(object.bias) {
  std::uintptr_t gnu_table = 0;
  std::uintptr_t old_table = 0;
  // glibc adds the bias to these addresses in place; musl leaves them as they are in the file.
  const auto address = [&object](std::uintptr_t value) {
    return value < object.start ? value + object.bias : value;
  };
  for (int i = 0; object.dynamic != 0 && i < kMaxEntries; ++i) {
    Elf64_Dyn entry = {};
    if (!read_at(object.dynamic + (static_cast<unsigned>(i) * sizeof(entry)), entry) ||
        entry.d_tag == DT_NULL) {
      break;
    }
    switch (entry.d_tag) {
      case DT_SYMTAB:
        symbols_ = address(entry.d_un.d_ptr);
        break;
      case DT_STRTAB:
        names_ = address(entry.d_un.d_ptr);
        break;
      case DT_STRSZ:
        names_bytes_ = entry.d_un.d_val;
        break;
      case DT_GNU_HASH:
        gnu_table = address(entry.d_un.d_ptr);
        break;
      case DT_HASH:
        old_table = address(entry.d_un.d_ptr);
        break;
      default:
        break;
    }
  }
  if (symbols_ == 0 || names_ == 0) {
    return;
  }
  if (gnu_table != 0) {
    take_gnu_table(gnu_table);
  } else if (old_table != 0) {
    take_old_table(old_table);
  }
}

void DynamicSymbols::take_gnu_table(std::uintptr_t table) {
  struct {
    std::uint32_t buckets, first_hashed, bloom_words, bloom_shift;
  } header = {};
  if (!read_at(table, header) || header.buckets == 0 || header.buckets > kMaxBuckets ||
      header.bloom_words == 0 || header.bloom_words > kMaxBuckets) {
    return;
  }
  first_hashed_ = header.first_hashed;
  bloom_words_ = header.bloom_words;
  bloom_shift_ = header.bloom_shift % 32;
  bloom_ = table + sizeof(header);
  buckets_ = bloom_ + (std::uintptr_t{header.bloom_words} * sizeof(std::uint64_t));
  chains_ = buckets_ + (std::uintptr_t{header.buckets} * sizeof(std::uint32_t));
  bucket_count_ = header.buckets;
}

void DynamicSymbols::take_old_table(std::uintptr_t table) {
  struct {
    std::uint32_t buckets, symbols;
  } header = {};
  if (!read_at(table, header) || header.buckets == 0 || header.buckets > kMaxBuckets) {
    return;
  }
  buckets_ = table + sizeof(header);
  chains_ = buckets_ + (std::uintptr_t{header.buckets} * sizeof(std::uint32_t));
  symbol_count_ = header.symbols;
  bucket_count_ = header.buckets;
}

std::uintptr_t DynamicSymbols::find(const char* name) const {
  std::uint64_t size = 0;
  return find(name, size);
}

std::uintptr_t DynamicSymbols::find(const char* name, std::uint64_t& size) const {
  if (bucket_count_ == 0) {
    return 0;
  }
  return symbol_count_ != 0 ? find_by_old_table(name, size) : find_by_gnu_table(name, size);
}

bool DynamicSymbols::is(std::uint32_t index, const char* name, std::size_t bytes,
                        std::uintptr_t& address, std::uint64_t& size) const {
  Elf64_Sym symbol = {};
  if (!read_at(symbols_ + (std::uintptr_t{index} * sizeof(symbol)), symbol) ||
      symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names_bytes_ ||
      bytes > names_bytes_ - symbol.st_name || !can_read(names_ + symbol.st_name, bytes) ||
      __builtin_memcmp(reinterpret_cast<const char*>(names_ + symbol.st_name), name, bytes) != 0) {
    return false;
  }
  size = symbol.st_size;
  address = ELF64_ST_TYPE(symbol.st_info) == STT_TLS ? symbol.st_value : bias_ + symbol.st_value;
  return true;
}

std::uintptr_t DynamicSymbols::find_by_gnu_table(const char* name, std::uint64_t& size) const {
  const std::uint32_t hash = gnu_hash(name);
  const std::size_t bytes = length_of(name) + 1;
  std::uint64_t bloom = 0;
  std::uint32_t index = 0;
  if (!read_at(bloom_ + (((hash / 64) % bloom_words_) * sizeof(bloom)), bloom) ||
      ((bloom >> (hash % 64)) & (bloom >> ((hash >> bloom_shift_) % 64)) & 1U) == 0 ||
      !read_at(buckets_ + ((hash % bucket_count_) * sizeof(index)), index) ||
      index < first_hashed_) {
    return 0;
  }
  for (std::uint32_t link = 0; link < kMaxLinks; ++link, ++index) {
    std::uint32_t there = 0;
    if (!read_at(chains_ + (std::uintptr_t{index - first_hashed_} * sizeof(there)), there)) {
      return 0;
    }
    std::uintptr_t address = 0;
    if ((there | 1U) == (hash | 1U) && is(index, name, bytes, address, size)) {
      return address;
    }
    if ((there & 1U) != 0) {
      return 0;
    }
  }
  return 0;
}

std::uintptr_t DynamicSymbols::find_by_old_table(const char* name, std::uint64_t& size) const {
  const std::size_t bytes = length_of(name) + 1;
  std::uint32_t index = 0;
  if (!read_at(buckets_ + ((old_hash(name) % bucket_count_) * sizeof(index)), index)) {
    return 0;
  }
  for (std::uint32_t link = 0; link < kMaxLinks && index != 0 && index < symbol_count_; ++link) {
    std::uintptr_t address = 0;
    if (is(index, name, bytes, address, size)) {
      return address;
    }
    if (!read_at(chains_ + (std::uintptr_t{index} * sizeof(index)), index)) {
      return 0;
    }
  }
  return 0;
}

}  // namespace reading
}  // namespace lamprey::preload::stack
