// Which figures a sum has, where in a report they stand, and how each is added up; see the header.
#include "report/summary/entry.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "report/model/report.h"
#include "report/model/summary_figures.h"

namespace lamprey::report {
namespace {

using Count = std::uint64_t;
using Known = std::optional<std::uint64_t>;
using KnownSigned = std::optional<std::int64_t>;

enum class Holds : std::uint8_t { kCount, kKnown, kKnownSigned };
enum class Rule : std::uint8_t { kSum, kMost, kLeast, kNewest };

struct Field {
  std::uint16_t at;
  Holds holds;
  Rule rule;
};

template <class Figure>
constexpr Holds holds() {
  static_assert(std::is_same_v<Figure, Count> || std::is_same_v<Figure, Known> ||
                std::is_same_v<Figure, KnownSigned>);
  return std::is_same_v<Figure, Count>   ? Holds::kCount
         : std::is_same_v<Figure, Known> ? Holds::kKnown
                                         : Holds::kKnownSigned;
}

#define FIGURE(type, member, rule) \
  Field { offsetof(type, member), holds<decltype(type::member)>(), Rule::k##rule }

constexpr Field kOfCounts[] = {
    FIGURE(SummaryCounts, invocations, Sum),      FIGURE(SummaryCounts, end_real_ns, Most),
    FIGURE(SummaryCounts, responses, Sum),        FIGURE(SummaryCounts, response_ns, Sum),
    FIGURE(SummaryCounts, response_bytes, Sum),   FIGURE(SummaryCounts, billed, Sum),
    FIGURE(SummaryCounts, billed_ms, Sum),        FIGURE(SummaryCounts, max_memory_mb, Most),
    FIGURE(SummaryCounts, platform_init_ns, Sum), FIGURE(SummaryCounts, platform_restore_ns, Sum),
};
constexpr Field kOfReport[] = {
    FIGURE(Report, started_real_ns, Least),
    FIGURE(Report, memory_limit_mb, Newest),
};
constexpr Field kOfMemory[] = {
    FIGURE(MemoryFigures, allocations, Sum),
    FIGURE(MemoryFigures, frees, Sum),
    FIGURE(MemoryFigures, reallocations, Sum),
    FIGURE(MemoryFigures, allocated_bytes, Sum),
    FIGURE(MemoryFigures, failed, Sum),
    FIGURE(MemoryFigures, maps, Sum),
    FIGURE(MemoryFigures, map_bytes, Sum),
    FIGURE(MemoryFigures, unmap_bytes, Sum),
    FIGURE(MemoryFigures, discard_bytes, Sum),
    FIGURE(MemoryFigures, freed_bytes, Sum),
    FIGURE(MemoryFigures, live_delta_bytes, Sum),
    FIGURE(MemoryFigures, live_bytes, Newest),
    FIGURE(MemoryFigures, peak_live_bytes, Most),
    FIGURE(MemoryFigures, retained_bytes, Newest),
    FIGURE(MemoryFigures, mapped_bytes, Newest),
    FIGURE(MemoryFigures, arenas, Newest),
    FIGURE(MemoryFigures, thread_stacks_bytes, Newest),
    FIGURE(MemoryFigures, file_mapped_bytes, Newest),
};
constexpr Field kOfCalls[] = {
    FIGURE(CallsFigures, total, Sum),
    FIGURE(CallsFigures, errors, Sum),
    FIGURE(CallsFigures, time_ns, Sum),
};
constexpr Field kOfKernel[] = {
    FIGURE(KernelFigures, places, Newest),
    FIGURE(KernelFigures, total, Sum),
    FIGURE(KernelFigures, errors, Sum),
    FIGURE(KernelFigures, time_ns, Sum),
};
constexpr Field kOfWall[] = {
    FIGURE(WallFigures, total_ns, Sum),    FIGURE(WallFigures, cpu_ns, Sum),
    FIGURE(WallFigures, runnable_ns, Sum), FIGURE(WallFigures, stolen_ns, Sum),
    FIGURE(WallFigures, network_ns, Sum),  FIGURE(WallFigures, dns_ns, Sum),
    FIGURE(WallFigures, file_ns, Sum),     FIGURE(WallFigures, lock_ns, Sum),
    FIGURE(WallFigures, sleep_ns, Sum),    FIGURE(WallFigures, child_ns, Sum),
    FIGURE(WallFigures, other_ns, Sum),
};
constexpr Field kOfProcess[] = {
    FIGURE(ProcessFigures, cpu_user_ns, Sum),         FIGURE(ProcessFigures, cpu_system_ns, Sum),
    FIGURE(ProcessFigures, rss_bytes, Newest),        FIGURE(ProcessFigures, peak_rss_bytes, Most),
    FIGURE(ProcessFigures, all_peak_rss_bytes, Most),
};
// The counts are those since the start: the newest say all.
constexpr Field kOfCoverage[] = {
    FIGURE(Coverage, threads_without_slot, Newest), FIGURE(Coverage, rows_refused, Newest),
    FIGURE(Coverage, traffic_dropped, Newest),      FIGURE(Coverage, boundaries_missed, Newest),
    FIGURE(Coverage, invocations_lost, Newest),     FIGURE(Coverage, targets_refused, Newest),
    FIGURE(Coverage, stacks_refused, Newest),       FIGURE(Coverage, modules_refused, Newest),
    FIGURE(Coverage, functions_refused, Newest),    FIGURE(Coverage, samples_unplaced, Newest),
    FIGURE(Coverage, mappings_unfollowed, Newest),  FIGURE(Coverage, sampled_bytes, Newest),
};
constexpr Field kOfSelf[] = {
    FIGURE(SelfFigures, attach_ns, Newest),
    FIGURE(SelfFigures, recording_bytes, Newest),
    FIGURE(SelfFigures, dropped, Newest),
};
constexpr Field kOfHost[] = {
    FIGURE(HostFigures, wait_ns, Sum),        FIGURE(HostFigures, connects, Sum),
    FIGURE(HostFigures, connect_ns, Sum),     FIGURE(HostFigures, tls_handshakes, Sum),
    FIGURE(HostFigures, tls_ns, Sum),         FIGURE(HostFigures, lookups, Sum),
    FIGURE(HostFigures, lookup_ns, Sum),      FIGURE(HostFigures, answers, Sum),
    FIGURE(HostFigures, first_byte_ns, Sum),  FIGURE(HostFigures, sent_bytes, Sum),
    FIGURE(HostFigures, received_bytes, Sum), FIGURE(HostFigures, reused, Sum),
    FIGURE(HostFigures, errors, Sum),
};
constexpr Field kOfFile[] = {
    FIGURE(FileFigures, time_ns, Sum),    FIGURE(FileFigures, opens, Sum),
    FIGURE(FileFigures, reads, Sum),      FIGURE(FileFigures, writes, Sum),
    FIGURE(FileFigures, read_bytes, Sum), FIGURE(FileFigures, written_bytes, Sum),
    FIGURE(FileFigures, errors, Sum),
};
constexpr Field kOfCall[] = {
    FIGURE(CallFigures, total_ns, Sum), FIGURE(CallFigures, calls, Sum),
    FIGURE(CallFigures, errors, Sum),   FIGURE(CallFigures, bytes, Sum),
    FIGURE(CallFigures, max_ns, Most),
};
constexpr Field kOfFinding[] = {FIGURE(Finding, count, Sum)};

#undef FIGURE

struct Table {
  const Field* fields;
  std::size_t count;
};
template <std::size_t Count>
constexpr Table table(const Field (&fields)[Count]) {
  static_assert(Count <= Entry::kMostFigures);
  return {fields, Count};
}
// By Part. What a list is ordered by stands first in its table.
constexpr Table kTables[kParts] = {
    table(kOfCounts), table(kOfReport),  table(kOfMemory),   table(kOfCalls),   table(kOfKernel),
    table(kOfWall),   table(kOfProcess), table(kOfCoverage), table(kOfSelf),    table(kOfHost),
    table(kOfFile),   table(kOfCall),    table(kOfCall),     table(kOfFinding), {nullptr, 0},
};

const Table& table_of(Part part) { return kTables[static_cast<std::size_t>(part)]; }

Known figure_at(const void* part, Field field) {
  const void* const place = static_cast<const char*>(part) + field.at;
  if (field.holds == Holds::kCount) {
    return *static_cast<const Count*>(place);
  }
  if (field.holds == Holds::kKnown) {
    return *static_cast<const Known*>(place);
  }
  const KnownSigned& figure = *static_cast<const KnownSigned*>(place);
  return figure ? Known(static_cast<std::uint64_t>(*figure)) : std::nullopt;
}

}  // namespace

std::size_t figures_of(Part part) { return table_of(part).count; }

std::uint64_t cost_of(const Entry& entry) {
  return entry.part >= Part::kHost && entry.part <= Part::kKernelCall ? entry.figures[0] : 0;
}

void add_figures(Entry& entry, const void* more) {
  const Table& table = table_of(entry.part);
  for (std::size_t i = 0; i < table.count; ++i) {
    const Known figure = figure_at(more, table.fields[i]);
    if (!figure) {
      continue;
    }
    std::uint64_t& sum = entry.figures[i];
    const std::uint64_t before = ((entry.known >> i) & 1U) != 0 ? sum : *figure;
    switch (table.fields[i].rule) {
      case Rule::kSum:
        sum += *figure;
        break;
      case Rule::kMost:
        sum = static_cast<std::int64_t>(before) < static_cast<std::int64_t>(*figure) ? *figure
                                                                                     : before;
        break;
      case Rule::kLeast:
        sum = std::min(before, *figure);
        break;
      case Rule::kNewest:
        sum = *figure;
        break;
    }
    entry.known |= std::uint64_t{1} << i;
  }
}

void put_figures(const Entry& entry, void* to) {
  const Table& table = table_of(entry.part);
  for (std::size_t i = 0; i < table.count; ++i) {
    const Field field = table.fields[i];
    const bool known = ((entry.known >> i) & 1U) != 0;
    void* const place = static_cast<char*>(to) + field.at;
    if (field.holds == Holds::kCount) {
      *static_cast<Count*>(place) = entry.figures[i];
    } else if (field.holds == Holds::kKnown) {
      *static_cast<Known*>(place) = known ? Known(entry.figures[i]) : std::nullopt;
    } else {
      *static_cast<KnownSigned*>(place) =
          known ? KnownSigned(static_cast<std::int64_t>(entry.figures[i])) : std::nullopt;
    }
  }
}

}  // namespace lamprey::report
