// Searching symbol tables; see the header.
#include "symbols/symbol_search.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

namespace lamprey::symbols {
namespace {

constexpr std::size_t kPiece = 512;  // symbols: 12 KB
// How far a function without a size may reach: those are short pieces of assembly.
constexpr std::uint64_t kUnsizedReach = 4096;
constexpr int kMaxTies = 8;
constexpr std::size_t kIdOf20Bytes = 40;

// A recording keeps at most 20 bytes of an id.
bool same_id(const std::string& recorded, const std::string& found) {
  return recorded == found || (recorded.size() == kIdOf20Bytes && found.starts_with(recorded));
}

unsigned publicity(const Elf64_Sym& symbol) {
  switch (ELF64_ST_BIND(symbol.st_info)) {
    case STB_GLOBAL:
      return 2;
    case STB_WEAK:
      return 1;
    default:
      return 0;
  }
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// Of two names of one function the plainer: malloc before __libc_malloc.
bool is_plainer(const std::string& name, const std::string& than) {
  const auto hidden = [](const std::string& text) {
    return std::min(text.find_first_not_of('_'), text.size());
  };
  return std::make_pair(hidden(name), name.size()) < std::make_pair(hidden(than), than.size());
}

}  // namespace

SymbolSearch::SymbolSearch(const ModuleFiles& files, std::vector<std::uint64_t> offsets,
                           UnpackedFiles& unpacked)
    : unpacked_(unpacked), build_id_(files.build_id) {
  // By a heap: they are few, and std::sort adds 3 KB to the companion.
  std::partial_sort(offsets.begin(), offsets.end(), offsets.end());
  for (const std::uint64_t offset : offsets) {
    targets_.push_back({});
    targets_.back().offset = offset;
  }
  open_files(files);
}

void SymbolSearch::open_files(const ModuleFiles& files) {
  std::string module_path = files.paths.empty() ? std::string() : files.paths.front();
  std::string link;
  for (const std::string& path : files.paths) {
    auto file = ElfFile::open(path);
    if (file && same_id(files.build_id, file->build_id())) {
      link = file->debug_link();
      may_unpack_ = file->packed().bytes != 0;
      files_.push_back(std::move(*file));
      break;
    }
  }
  if (files_.empty() || files_.front().full().count == 0) {
    open_debug_file(files, module_path, link);
  }
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i].full().count != 0) {
      tables_.push_back({i, files_[i].full(), true});
      may_unpack_ = false;
    }
  }
  if (!files_.empty() && files_.front().exported().count != 0) {
    tables_.push_back({0, files_.front().exported(), false});
  }
}

void SymbolSearch::open_debug_file(const ModuleFiles& files, const std::string& module_path,
                                   const std::string& link) {
  const std::string& id = files.build_id;
  if (id.size() < 4) {
    return;  // nothing to check it by
  }
  std::vector<std::string> candidates{files.debug_root + "/.build-id/" + id.substr(0, 2) + "/" +
                                      id.substr(2) + ".debug"};
  if (!link.empty()) {
    const std::string folder = folder_of(module_path);
    candidates.push_back(folder + "/" + link);
    candidates.push_back(folder + "/.debug/" + link);
    candidates.push_back(files.debug_root + folder + "/" + link);
  }
  for (const std::string& path : candidates) {
    auto file = ElfFile::open(path);
    if (file && file->full().count != 0 && same_id(id, file->build_id())) {
      files_.push_back(std::move(*file));
      return;
    }
  }
}

bool SymbolSearch::step() {
  if (unpacking_) {
    step_unpacking();
  } else if (table_ < tables_.size()) {
    step_table();
  }
  if (table_ < tables_.size() || unpacking_) {
    return true;
  }
  return may_unpack_ && !all_known() && begin_unpacking();
}

bool SymbolSearch::all_known() const {
  return std::all_of(targets_.begin(), targets_.end(), [](const Target& t) { return t.sized; });
}

void SymbolSearch::step_table() {
  const Table& table = tables_[table_];
  std::array<Elf64_Sym, kPiece> piece;
  const std::size_t count = files_[table.file].read_symbols(table.symbols, next_, piece);
  for (std::size_t i = 0; i < count; ++i) {
    consider(piece[i]);
  }
  next_ += count;
  if (count == 0 || next_ >= table.symbols.count) {
    next_ = 0;
    ++table_;
    // What the full table knew is not asked of the other.
    if (all_known()) {
      table_ = tables_.size();
    }
  }
}

bool SymbolSearch::begin_unpacking() {
  may_unpack_ = false;
  const int known = build_id_.empty() ? -1 : unpacked_.find(build_id_);
  if (known >= 0) {
    add_unpacked(known);
  } else {
    unpacking_ = MiniDebugInfo::begin(files_.front(), unpacked_.folder());
  }
  return table_ < tables_.size() || unpacking_;
}

void SymbolSearch::step_unpacking() {
  if (unpacking_->step()) {
    return;
  }
  const int unpacked = unpacking_->take();
  unpacking_.reset();
  if (unpacked < 0) {
    return;
  }
  if (!build_id_.empty()) {
    unpacked_.keep(build_id_, fcntl(unpacked, F_DUPFD_CLOEXEC, 0));
  }
  add_unpacked(unpacked);
}

// Not a full table: the exported functions are missing, so a function without a size may end
// anywhere.
void SymbolSearch::add_unpacked(int descriptor) {
  auto file = ElfFile::adopt(descriptor);
  if (file && file->full().count != 0) {
    files_.push_back(std::move(*file));
    tables_.push_back({files_.size() - 1, files_.back().full(), false});
  }
}

void SymbolSearch::consider(const Elf64_Sym& symbol) {
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF) {
    return;
  }
  const bool sized = symbol.st_size != 0;
  // Only a full table has all the neighbours that end a function without a size.
  if (!sized && !tables_[table_].full) {
    return;
  }
  const std::uint64_t reach = sized ? symbol.st_size : kUnsizedReach;
  auto target =
      std::lower_bound(targets_.begin(), targets_.end(), symbol.st_value,
                       [](const Target& t, std::uint64_t value) { return t.offset < value; });
  for (; target != targets_.end() && target->offset - symbol.st_value < reach; ++target) {
    offer(*target, symbol, sized);
  }
}

void SymbolSearch::offer(Target& target, const Elf64_Sym& symbol, bool sized) {
  const unsigned binding = publicity(symbol);
  bool better = !target.found || (sized && !target.sized);
  if (!better && sized == target.sized) {
    better = symbol.st_value > target.value ||
             (symbol.st_value == target.value && binding > target.binding);
    const bool tie = symbol.st_value == target.value && binding == target.binding;
    if (tie && target.table == table_ && ++target.ties <= kMaxTies) {
      const Table& table = tables_[table_];
      better =
          is_plainer(files_[table.file].read_name(table.symbols, symbol.st_name), name_of(target));
    }
  }
  if (better) {
    target = {target.offset, true,           sized,  symbol.st_value,
              binding,       symbol.st_name, table_, target.ties};
  }
}

std::string SymbolSearch::name_of(const Target& target) const {
  const Table& table = tables_[target.table];
  return files_[table.file].read_name(table.symbols, target.name);
}

std::vector<SymbolSearch::Found> SymbolSearch::take() const {
  std::vector<Found> found;
  found.reserve(targets_.size());
  for (const Target& target : targets_) {
    found.push_back({target.offset, target.found ? name_of(target) : std::string()});
  }
  return found;
}

}  // namespace lamprey::symbols
