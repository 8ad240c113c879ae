// The functions at some offsets of one module, found by one pass over its symbol tables, piece by
// piece; what a stripped module's exported symbols do not know is asked of its .gnu_debugdata,
// which is unpacked only then. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "symbols/elf_file.h"
#include "symbols/mini_debug_info.h"
#include "symbols/unpacked_files.h"

namespace lamprey::symbols {

// Which files may speak for a module.
struct ModuleFiles {
  std::vector<std::string> paths;  // of the module itself; the first that fits is taken
  std::string build_id;            // what it must have; empty: it must have none
  std::string debug_root;          // /usr/lib/debug
};

class SymbolSearch {
 public:
  // Opens the files. `offsets` as symbol tables count them. `unpacked` outlives this.
  SymbolSearch(const ModuleFiles& files, std::vector<std::uint64_t> offsets,
               UnpackedFiles& unpacked);

  // Looks at one piece; false when there is nothing left to look at.
  bool step();

  struct Found {
    std::uint64_t offset = 0;
    std::string symbol;  // mangled; empty: no function is known to lie there
  };
  // After the last step.
  std::vector<Found> take() const;

 private:
  struct Target {
    std::uint64_t offset = 0;
    bool found = false;
    bool sized = false;       // the symbol says how long it is, and that holds the offset
    std::uint64_t value = 0;  // where it begins
    unsigned binding = 0;     // the more public, the higher
    std::uint32_t name = 0;   // in the names of `table`
    std::size_t table = 0;
    int ties = 0;
  };
  struct Table {
    std::size_t file = 0;
    SymbolTable symbols;
    bool full = false;
  };

  void open_files(const ModuleFiles& files);
  void open_debug_file(const ModuleFiles& files, const std::string& module_path,
                       const std::string& link);
  void step_table();
  bool all_known() const;
  bool begin_unpacking();
  void step_unpacking();
  void add_unpacked(int descriptor);
  void consider(const Elf64_Sym& symbol);
  void offer(Target& target, const Elf64_Sym& symbol, bool sized);
  std::string name_of(const Target& target) const;

  UnpackedFiles& unpacked_;
  std::string build_id_;
  std::vector<ElfFile> files_;
  std::vector<Table> tables_;
  std::vector<Target> targets_;  // by offset
  std::size_t table_ = 0;
  std::uint64_t next_ = 0;
  std::unique_ptr<MiniDebugInfo> unpacking_;
  bool may_unpack_ = false;  // the first of files_ is the module, and has no full table
};

}  // namespace lamprey::symbols
