// Reading ELF files; see the header.
#include "symbols/elf_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lamprey::symbols {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#endif

constexpr std::uint64_t kMaxSections = 4096;
constexpr std::uint64_t kMaxSegments = 256;
constexpr std::uint64_t kMaxNotes = std::uint64_t{64} * 1024;
constexpr std::size_t kMaxBuildId = 64;
constexpr std::size_t kMaxLink = 255;
constexpr std::size_t kBatch = 16;  // headers read at once

std::uint64_t rounded(std::uint64_t bytes) { return (bytes + 3) & ~std::uint64_t{3}; }

}  // namespace

ElfFile::ElfFile(ElfFile&& other) noexcept { *this = std::move(other); }

ElfFile& ElfFile::operator=(ElfFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  bytes_ = other.bytes_;
  build_id_ = std::move(other.build_id_);
  debug_link_ = std::move(other.debug_link_);
  full_ = other.full_;
  exported_ = other.exported_;
  packed_ = other.packed_;
  return *this;
}

ElfFile::~ElfFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

std::optional<ElfFile> ElfFile::open(const std::string& path) {
  return adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

std::optional<ElfFile> ElfFile::adopt(int descriptor) {
  ElfFile file;
  file.descriptor_ = descriptor;
  struct stat status {};
  if (file.descriptor_ < 0 || fstat(file.descriptor_, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size <= 0) {
    return std::nullopt;
  }
  file.bytes_ = static_cast<std::uint64_t>(status.st_size);
  Elf64_Ehdr header{};
  if (!file.check_header(header)) {
    return std::nullopt;
  }
  file.read_sections(header);
  // A debug file's segments point at what was taken out of it: sections go first.
  if (file.build_id_.empty()) {
    file.read_segments(header);
  }
  return file;
}

bool ElfFile::holds(std::uint64_t offset, std::uint64_t bytes) const {
  return offset <= bytes_ && bytes <= bytes_ - offset;
}

bool ElfFile::read_at(std::uint64_t offset, void* into, std::size_t bytes) const {
  auto* bytes_into = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, bytes_into, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    const auto count = static_cast<std::size_t>(got);
    bytes_into += count;
    offset += count;
    bytes -= count;
  }
  return true;
}

bool ElfFile::check_header(Elf64_Ehdr& header) const {
  return holds(0, sizeof(header)) && read_at(0, &header, sizeof(header)) &&
         std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
         header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
         header.e_machine == kMachine && (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

std::optional<Elf64_Shdr> ElfFile::section_at(const Elf64_Ehdr& header, std::uint64_t index) const {
  Elf64_Shdr section{};
  const std::uint64_t within = index * sizeof(section);
  if (index >= header.e_shnum || header.e_shoff > bytes_ ||
      !holds(header.e_shoff + within, sizeof(section)) ||
      !read_at(header.e_shoff + within, &section, sizeof(section))) {
    return std::nullopt;
  }
  return section;
}

void ElfFile::read_sections(const Elf64_Ehdr& header) {
  const std::uint64_t count = std::min<std::uint64_t>(header.e_shnum, kMaxSections);
  if (header.e_shentsize != sizeof(Elf64_Shdr) ||
      !holds(header.e_shoff, count * sizeof(Elf64_Shdr))) {
    return;
  }
  const auto names = section_at(header, header.e_shstrndx);
  Elf64_Shdr batch[kBatch];
  for (std::uint64_t first = 0; first < count; first += kBatch) {
    const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(kBatch, count - first));
    if (!read_at(header.e_shoff + (first * sizeof(Elf64_Shdr)), batch, here * sizeof(batch[0]))) {
      return;
    }
    for (std::size_t i = 0; i < here; ++i) {
      read_section(header, batch[i], names);
    }
  }
}

void ElfFile::read_section(const Elf64_Ehdr& header, const Elf64_Shdr& section,
                           const std::optional<Elf64_Shdr>& names) {
  switch (section.sh_type) {
    case SHT_SYMTAB:
      full_ = full_.count == 0 ? table_of(header, section) : full_;
      return;
    case SHT_DYNSYM:
      exported_ = exported_.count == 0 ? table_of(header, section) : exported_;
      return;
    case SHT_NOTE:
      read_notes(section.sh_offset, section.sh_size);
      return;
    case SHT_PROGBITS:
      if (names && holds(names->sh_offset, names->sh_size) &&
          holds(section.sh_offset, section.sh_size)) {
        read_named_section(section, *names);
      }
      return;
    default:
      return;
  }
}

void ElfFile::read_named_section(const Elf64_Shdr& section, const Elf64_Shdr& names) {
  constexpr std::size_t kMaxNameOfSection = 16;
  char name[kMaxNameOfSection] = {};
  if (section.sh_name >= names.sh_size) {
    return;
  }
  const auto bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>(sizeof(name) - 1, names.sh_size - section.sh_name));
  if (!read_at(names.sh_offset + section.sh_name, name, bytes)) {
    return;
  }
  if (std::strcmp(name, ".gnu_debuglink") == 0) {
    read_debug_link(section);
  } else if (std::strcmp(name, ".gnu_debugdata") == 0) {
    packed_ = {section.sh_offset, section.sh_size};
  }
}

void ElfFile::read_debug_link(const Elf64_Shdr& section) {
  std::string link(static_cast<std::size_t>(std::min<std::uint64_t>(section.sh_size, kMaxLink)),
                   '\0');
  if (read_at(section.sh_offset, link.data(), link.size())) {
    link.resize(std::strlen(link.c_str()));
    debug_link_ = link.find('/') == std::string::npos ? link : std::string();
  }
}

SymbolTable ElfFile::table_of(const Elf64_Ehdr& header, const Elf64_Shdr& section) const {
  const auto names = section_at(header, section.sh_link);
  if (section.sh_entsize != sizeof(Elf64_Sym) || (section.sh_flags & SHF_COMPRESSED) != 0 ||
      !holds(section.sh_offset, section.sh_size) || !names || names->sh_type != SHT_STRTAB ||
      (names->sh_flags & SHF_COMPRESSED) != 0 || !holds(names->sh_offset, names->sh_size)) {
    return {};
  }
  return {section.sh_offset, section.sh_size / sizeof(Elf64_Sym), names->sh_offset, names->sh_size};
}

std::optional<Elf64_Phdr> ElfFile::segment_at(const Elf64_Ehdr& header, std::uint64_t index) const {
  Elf64_Phdr segment{};
  const std::uint64_t within = index * sizeof(segment);
  if (header.e_phentsize != sizeof(segment) || header.e_phoff > bytes_ || index >= kMaxSegments ||
      index >= header.e_phnum || !holds(header.e_phoff + within, sizeof(segment)) ||
      !read_at(header.e_phoff + within, &segment, sizeof(segment))) {
    return std::nullopt;
  }
  return segment;
}

void ElfFile::read_segments(const Elf64_Ehdr& header) {
  std::uint64_t i = 0;
  while (const auto segment = segment_at(header, i++)) {
    if (segment->p_type == PT_NOTE) {
      read_notes(segment->p_offset, segment->p_filesz);
    }
  }
}

CodeRange ElfFile::code() const {
  Elf64_Ehdr header{};
  std::uint64_t i = 0;
  while (const auto segment = check_header(header) ? segment_at(header, i++) : std::nullopt) {
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
        holds(segment->p_offset, segment->p_filesz)) {
      return {segment->p_offset, segment->p_filesz};
    }
  }
  return {};
}

void ElfFile::read_notes(std::uint64_t offset, std::uint64_t bytes) {
  if (!build_id_.empty() || !holds(offset, bytes) || bytes > kMaxNotes) {
    return;
  }
  const std::uint64_t end = offset + bytes;
  Elf64_Nhdr note{};
  while (end - offset >= sizeof(note) && read_at(offset, &note, sizeof(note))) {
    const std::uint64_t name = offset + sizeof(note);
    const std::uint64_t content = name + rounded(note.n_namesz);
    const std::uint64_t next = content + rounded(note.n_descsz);
    if (next > end || next <= offset) {
      return;
    }
    char owner[4] = {};
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(owner) &&
        note.n_descsz <= kMaxBuildId && read_at(name, owner, sizeof(owner)) &&
        std::memcmp(owner, "GNU", sizeof(owner)) == 0) {
      unsigned char id[kMaxBuildId];
      if (read_at(content, id, note.n_descsz)) {
        for (std::size_t i = 0; i < note.n_descsz; ++i) {
          build_id_ += fmt::format("{:02x}", id[i]);
        }
      }
      return;
    }
    offset = next;
  }
}

std::size_t ElfFile::read_symbols(const SymbolTable& table, std::uint64_t first,
                                  std::span<Elf64_Sym> into) const {
  if (first >= table.count) {
    return 0;
  }
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), table.count - first));
  const bool read =
      read_at(table.offset + (first * sizeof(Elf64_Sym)), into.data(), count * sizeof(Elf64_Sym));
  return read ? count : 0;
}

std::string ElfFile::read_name(const SymbolTable& table, std::uint32_t index) const {
  if (index >= table.names_bytes) {
    return {};
  }
  std::string name(
      static_cast<std::size_t>(std::min<std::uint64_t>(kMaxName, table.names_bytes - index)), '\0');
  if (!read_at(table.names_offset + index, name.data(), name.size())) {
    return {};
  }
  const std::size_t end = name.find('\0');
  if (end == std::string::npos) {
    return name + "...";
  }
  return name.substr(0, end);  // not resize(): many are kept, and each would hold kMaxName bytes
}

}  // namespace lamprey::symbols
