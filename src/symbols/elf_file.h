// One ELF file: its build id, where its separate debug file is, and its symbol tables, piece by
// piece. Knows nothing of names' languages, caches or budgets.
//
// The content is hostile (any file can be named by a recording): everything is copied by pread(2)
// into bounded buffers and checked; nothing is mapped, because a file cut short under a mapping is
// SIGBUS. Not a table is held in memory: node has 200,000 symbols and the companion 2 MB.
#pragma once

#include <elf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lamprey::symbols {

// Where a symbol table and its names lie in the file; bytes. Checked against the file's size.
struct SymbolTable {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t names_offset = 0;
  std::uint64_t names_bytes = 0;
};

// Where .gnu_debugdata lies; bytes 0 when there is none. See mini_debug_info.h.
struct PackedSymbols {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// A piece of the file that is mapped to be executed, as far as the file goes; bytes.
struct CodeRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

class ElfFile {
 public:
  // Nothing when it cannot be opened or is not a 64-bit ELF file of this machine's architecture.
  // Never blocks on what is not a regular file.
  static std::optional<ElfFile> open(const std::string& path);
  // The same for an open file, which is this object's from now on.
  static std::optional<ElfFile> adopt(int descriptor);

  ElfFile(ElfFile&& other) noexcept;
  ElfFile& operator=(ElfFile&& other) noexcept;
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;
  ~ElfFile();

  // Hexadecimal, lower case; empty when it has none.
  const std::string& build_id() const { return build_id_; }
  // The file name in .gnu_debuglink; empty when it has none. Never holds a slash.
  const std::string& debug_link() const { return debug_link_; }
  // .symtab (the full one) and .dynsym (what is exported); count 0 when absent.
  const SymbolTable& full() const { return full_; }
  const SymbolTable& exported() const { return exported_; }
  const PackedSymbols& packed() const { return packed_; }
  // The first such piece, read anew from the program headers; most callers want symbols.
  CodeRange code() const;
  bool read_at(std::uint64_t offset, void* into, std::size_t bytes) const;
  // For pread(2) of what lies in it; stays this object's.
  int descriptor() const { return descriptor_; }

  // Fills `into` from symbol `first` on; returns how many are valid.
  std::size_t read_symbols(const SymbolTable& table, std::uint64_t first,
                           std::span<Elf64_Sym> into) const;
  // At most kMaxName bytes; a longer name ends with "...". Empty when the index makes no sense.
  std::string read_name(const SymbolTable& table, std::uint32_t index) const;

  static constexpr std::size_t kMaxName = 1024;

 private:
  ElfFile() = default;
  bool check_header(Elf64_Ehdr& header) const;
  void read_sections(const Elf64_Ehdr& header);
  void read_section(const Elf64_Ehdr& header, const Elf64_Shdr& section,
                    const std::optional<Elf64_Shdr>& names);
  void read_segments(const Elf64_Ehdr& header);
  void read_named_section(const Elf64_Shdr& section, const Elf64_Shdr& names);
  void read_debug_link(const Elf64_Shdr& section);
  void read_notes(std::uint64_t offset, std::uint64_t bytes);
  std::optional<Elf64_Phdr> segment_at(const Elf64_Ehdr& header, std::uint64_t index) const;
  std::optional<Elf64_Shdr> section_at(const Elf64_Ehdr& header, std::uint64_t index) const;
  SymbolTable table_of(const Elf64_Ehdr& header, const Elf64_Shdr& section) const;
  bool holds(std::uint64_t offset, std::uint64_t bytes) const;

  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
  std::string build_id_;
  std::string debug_link_;
  SymbolTable full_;
  SymbolTable exported_;
  PackedSymbols packed_;
};

}  // namespace lamprey::symbols
