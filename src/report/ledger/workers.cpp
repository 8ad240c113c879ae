// What workers did for the handler; see the header.
#include "report/ledger/workers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "report/model/counted.h"

namespace lamprey::report {
namespace {

// Of HotSpot and .NET. The kernel cuts names to 15 characters.
constexpr std::array<std::string_view, 7> kCollectors = {
    "GC Thread#", "G1 ", "VM Thread", "Shenandoah", "ZWorker", ".NET Server GC", ".NET BGC"};
constexpr std::array<std::string_view, 4> kCompilers = {"C1 Compiler", "C2 Compiler", ".NET Tiered",
                                                        "Sweeper"};

template <std::size_t kCount>
bool begins_with_any(std::string_view name, const std::array<std::string_view, kCount>& with) {
  return std::any_of(with.begin(), with.end(),
                     [name](std::string_view each) { return name.starts_with(each); });
}

}  // namespace

void charge_to_workers(WallFigures& wall, const std::vector<WorkerTime>& workers) {
  if (workers.empty()) {
    return;
  }
  const auto by = [&workers](auto figure) {
    return *std::max_element(
        workers.begin(), workers.end(),
        [&figure](const WorkerTime& a, const WorkerTime& b) { return figure(a) < figure(b); });
  };
  const WorkerTime talks = by([](const WorkerTime& worker) { return worker.remote_ns(); });
  const WorkerTime reads = by([](const WorkerTime& worker) { return worker.file_ns; });
  const WorkerTime& busiest = reads.file_ns / 2 > talks.remote_ns() ? reads : talks;
  const auto move = [&wall](std::uint64_t ns, std::uint64_t& into) {
    const std::uint64_t moved = std::min(ns, wall.lock_ns);
    wall.lock_ns -= moved;
    into += moved;
  };
  move(busiest.network_ns, wall.network_ns);
  move(busiest.dns_ns, wall.dns_ns);
  move(busiest.file_ns, wall.file_ns);
}

ComputingThread busiest_between(const std::vector<ThreadLook>& first,
                                const std::vector<ThreadLook>& second, std::int32_t handler) {
  ComputingThread busiest;
  for (const ThreadLook& now : second) {
    if (now.tid == handler || begins_with_any(now.name, kCompilers)) {
      continue;
    }
    const auto found = std::find_if(first.begin(), first.end(),
                                    [&now](const ThreadLook& look) { return look.tid == now.tid; });
    const ThreadLook before = found != first.end() ? *found : ThreadLook{};
    const ComputingThread thread = {now.name, grown(now.cpu_ns, before.cpu_ns),
                                    grown(now.run_delay_ns, before.run_delay_ns),
                                    begins_with_any(now.name, kCollectors)};
    if (thread.all_ns() > busiest.all_ns()) {
      busiest = thread;
    }
  }
  return busiest;
}

std::uint64_t charge_to_computing(WallFigures& wall, const ComputingThread& thread) {
  if (thread.all_ns() < wall.lock_ns / 2) {
    return 0;
  }
  const std::uint64_t moved = std::min(wall.lock_ns, thread.all_ns());
  const std::uint64_t computed = std::min(moved, thread.cpu_ns);
  wall.lock_ns -= moved;
  wall.cpu_ns = wall.cpu_ns.value_or(0) + computed;
  if (moved != computed) {
    wall.runnable_ns = wall.runnable_ns.value_or(0) + moved - computed;
  }
  return moved;
}

}  // namespace lamprey::report
