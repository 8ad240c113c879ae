// Files that pretend to be modules, and names that pretend to be mangled, through what turns
// addresses into names. An input that does not begin as ELF is lines of names.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "symbols/demangle.h"
#include "symbols/direct_syscalls.h"
#include "symbols/symbolizer.h"
#include "tests/fuzz/fuzzing.h"

namespace {

using lamprey::fuzzing::odd_number;
using lamprey::fuzzing::Random;
using lamprey::fuzzing::require;
using lamprey::symbols::ElfFile;
using lamprey::symbols::Place;
using lamprey::symbols::Symbolizer;
using lamprey::symbols::SymbolTable;

constexpr std::size_t kMachine = offsetof(Elf64_Ehdr, e_machine);
#ifdef __x86_64__
constexpr std::uint16_t kThisMachine = EM_X86_64;
#else
constexpr std::uint16_t kThisMachine = EM_AARCH64;
#endif

void check_table(const ElfFile& file, const SymbolTable& table, std::uint64_t bytes) {
  require(table.offset <= bytes && table.names_offset <= bytes, "tables lie in the file");
  require(table.count <= bytes / sizeof(Elf64_Sym) && table.names_bytes <= bytes,
          "tables are no larger than the file");
  std::vector<Elf64_Sym> symbols(8);
  const std::size_t read = file.read_symbols(table, 0, symbols);
  require(read <= symbols.size() && read <= table.count, "no more symbols are read than there are");
  for (std::size_t i = 0; i < read; ++i) {
    require(file.read_name(table, symbols[i].st_name).size() <= ElfFile::kMaxName + 3,
            "a name is cut");
  }
}

std::vector<std::uint64_t> places_in(const ElfFile& file) {
  std::vector<std::uint64_t> offsets{0, 0x1000, 0x1001, UINT64_MAX};
  for (const SymbolTable& table : {file.full(), file.exported()}) {
    std::vector<Elf64_Sym> symbols(8);
    symbols.resize(file.read_symbols(table, 0, symbols));
    for (const Elf64_Sym& symbol : symbols) {
      offsets.push_back(symbol.st_value);
      offsets.push_back(symbol.st_value + symbol.st_size);
    }
  }
  return offsets;
}

void check_name(const std::string& text) {
  require(text.size() <= Symbolizer::kMaxText && text.find('\n') == std::string::npos &&
              text.find(';') == std::string::npos,
          "a name is one line of at most kMaxText, without ';'");
}

void read_module(std::string bytes) {
  static lamprey::fuzzing::InputFile module("module.so");
  if (bytes.size() >= sizeof(Elf64_Ehdr)) {
    std::memcpy(bytes.data() + kMachine, &kThisMachine, sizeof(kThisMachine));
  }
  module.set(bytes);
  const auto file = ElfFile::open(module.path());
  std::vector<std::uint64_t> offsets{0, 1};
  if (file) {
    require(file->build_id().size() % 2 == 0, "a build id is whole bytes");
    require(file->debug_link().find('/') == std::string::npos, "a link leads nowhere else");
    check_table(*file, file->full(), bytes.size());
    check_table(*file, file->exported(), bytes.size());
    require(file->code().bytes <= bytes.size(), "code is no larger than the file");
    offsets = places_in(*file);
  }
  lamprey::symbols::DirectSyscallSearch().finds(module.path());
  const std::string& directory = lamprey::fuzzing::directory();
  Symbolizer symbolizer({directory, directory, directory, directory});
  const std::string id = file ? file->build_id() : std::string();
  for (const std::uint64_t offset : offsets) {
    symbolizer.want({4711, offset, module.path(), id, offset});
  }
  symbolizer.work(UINT64_MAX);
  for (const std::uint64_t offset : offsets) {
    check_name(symbolizer.name({4711, offset, module.path(), id, offset}));
  }
}

void read_names(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string name = text.substr(at, end - at);
    const std::string readable = lamprey::symbols::demangle(name);
    require(readable.size() <= (64U << 10U) + name.size(), "a readable name has an end");
    at = end + 1;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  bytes.starts_with(ELFMAG) ? read_module(bytes) : read_names(bytes);
  return 0;
}

// Numbers of an ELF file stand at multiples of their size, most of those that matter in its header
// and in the tables that the header leads to.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Random random(seed);
  Elf64_Ehdr header{};
  if (random() % 3 == 0 || size < sizeof(header) || std::memcmp(data, ELFMAG, SELFMAG) != 0) {
    return LLVMFuzzerMutate(data, size, most);
  }
  std::memcpy(&header, data, sizeof(header));
  for (std::uint64_t i = 1 + (random() % 4); i > 0; --i) {
    const std::uint64_t tables[] = {0, header.e_phoff, header.e_shoff, random() % size};
    const std::uint64_t from = tables[random() % std::size(tables)];
    const std::size_t width = std::size_t{1} << (random() % 4);
    const std::uint64_t at = (from + (random() % 1024)) / width * width;
    if (at < SELFMAG || at > size - width) {
      continue;
    }
    const std::uint64_t near = random() % size;
    const std::uint64_t value = random() % 2 == 0 ? odd_number(random) : near;
    std::memcpy(data + at, &value, width);
  }
  return size;
}
