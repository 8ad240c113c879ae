// One part of a sum, or one row of its lists: a name and figures. All of them are alike, so that
// adding up, keeping and giving back are one loop each. Which figure is which says a table for each
// part. Private to this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace lamprey::report {

enum class Part : std::uint8_t {
  // One entry each.
  kCounts,
  kReport,
  kMemory,
  kCalls,
  kKernel,
  kWall,
  kProcess,
  kCoverage,
  kSelf,
  // An entry for each row.
  kHost,
  kFile,
  kCall,
  kKernelCall,
  kFinding,
  kUnseen
};
inline constexpr std::size_t kParts = 15;

struct Entry {
  static constexpr std::size_t kMostFigures = 18;

  Part part = Part::kCounts;
  std::uint64_t id = 0;  // of a call; of a finding its severity
  std::string name;
  std::string more;         // a host's peer; a finding's newest text
  std::uint64_t known = 0;  // a bit for each figure that is there
  std::array<std::uint64_t, kMostFigures> figures{};
};

std::size_t figures_of(Part part);
// What rows of this part are ordered by, most first.
std::uint64_t cost_of(const Entry& entry);
// Adds the figures of the entry's part, which are at `more`, to it.
void add_figures(Entry& entry, const void* more);
// Gives the entry's figures to its part, which is at `to`.
void put_figures(const Entry& entry, void* to);

}  // namespace lamprey::report
