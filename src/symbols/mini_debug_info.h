// .gnu_debugdata ("MiniDebugInfo"): an ELF file within a stripped one, packed by xz, whose .symtab
// has the functions that .dynsym lacks. Fedora's, Red Hat's and Amazon Linux's packages carry it.
//
// It is unpacked a little at a time into a file without a name, never into our memory: a large
// module's is megabytes, and the companion may have two. What is mapped of it meanwhile is let go
// as it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "symbols/elf_file.h"
#include "symbols/xz_stream.h"

namespace lamprey::symbols {

class MiniDebugInfo {
 public:
  // Nothing when the module has none, it is larger than kMax, or `folder` has no room for it.
  // `module` must outlive this.
  static std::unique_ptr<MiniDebugInfo> begin(const ElfFile& module, const std::string& folder);
  ~MiniDebugInfo();
  MiniDebugInfo(const MiniDebugInfo&) = delete;
  MiniDebugInfo& operator=(const MiniDebugInfo&) = delete;

  // Unpacks a piece (~100 µs); false when there is no more to do.
  bool step();
  // After the last step: the descriptor of the unpacked file, which is then the caller's; -1 when
  // it was damaged.
  int take();

  static constexpr std::uint64_t kMax = std::uint64_t{8} << 20;

 private:
  MiniDebugInfo() = default;
  bool make_room(const std::string& folder, std::size_t bytes);
  void let_go();

  int descriptor_ = -1;
  std::span<std::uint8_t> mapped_;
  std::size_t kept_from_ = 0;  // in mapped_: where what was not let go begins
  std::unique_ptr<XzStream> stream_;
  bool complete_ = false;
};

}  // namespace lamprey::symbols
