// Accounts of time; see the header.
#include "report/delta/time_account.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "report/model/counted.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::CallClass;
using recording::kTargets;
using recording::TargetKind;
using recording::TargetName;
using recording::TargetTotals;
using recording::ThreadAccount;
using recording::ThreadMoment;

// `part`, but no more than `left`, which is reduced by it.
std::uint64_t take(std::uint64_t part, std::uint64_t& left) {
  const std::uint64_t taken = std::min(part, left);
  left -= taken;
  return taken;
}

// How much a counter of a host or a file grew.
struct TargetGrowth {
  const TargetTotals& before;
  const TargetTotals& after;
  std::uint64_t operator()(std::uint64_t TargetTotals::*counter) const {
    return grown(after.*counter, before.*counter);
  }
};

HostFigures host_figures(const TargetName& name, const TargetGrowth& grew,
                         const recording::ClockScale& clock) {
  HostFigures host;
  host.target_plus_one = name.index + 1;
  host.from.stack_id = name.from;
  host.from.after_id = name.after;
  host.host = name.name.empty() ? name.address : name.name;
  host.peer = name.address;
  host.connects = grew(&TargetTotals::starts);
  host.connect_ns = clock.duration_ns(grew(&TargetTotals::connect_ticks));
  host.tls_handshakes = grew(&TargetTotals::handshakes);
  host.tls_ns = clock.duration_ns(grew(&TargetTotals::handshake_ticks));
  host.lookups = grew(&TargetTotals::lookups);
  host.lookup_ns = clock.duration_ns(grew(&TargetTotals::lookup_ticks));
  host.answers = grew(&TargetTotals::answers);
  host.first_byte_ns = clock.duration_ns(grew(&TargetTotals::first_byte_ticks));
  host.longest_ns = clock.duration_ns(name.longest_ticks);
  host.wait_ns = clock.duration_ns(grew(&TargetTotals::ticks));
  host.sent_bytes = grew(&TargetTotals::sent);
  host.received_bytes = grew(&TargetTotals::received);
  host.reused = grew(&TargetTotals::reused);
  host.errors = grew(&TargetTotals::errors);
  for (std::size_t kind = 0; kind < host.failures.size(); ++kind) {
    host.failures[kind] =
        static_cast<std::uint16_t>(grew.after.failures[kind] - grew.before.failures[kind]);
  }
  return host;
}

bool is_silent(const HostFigures& host) {
  return host.connects + host.lookups + host.wait_ns + host.sent_bytes + host.received_bytes +
             host.errors ==
         0;
}

FileFigures file_figures(const TargetName& name, const TargetGrowth& grew,
                         const recording::ClockScale& clock) {
  FileFigures file;
  file.path = name.name;
  if (name.kind == TargetKind::kFile) {
    file.from.stack_id = name.from;
    file.from.after_id = name.after;
  }
  if (name.kind == TargetKind::kDirectory) {
    file.path += name.name == "/" ? "*" : "/*";
  }
  file.opens = grew(&TargetTotals::starts);
  file.reads = grew(&TargetTotals::reads);
  file.writes = grew(&TargetTotals::writes);
  file.read_bytes = grew(&TargetTotals::received);
  file.written_bytes = grew(&TargetTotals::sent);
  file.time_ns = clock.duration_ns(grew(&TargetTotals::ticks));
  file.errors = grew(&TargetTotals::errors) + grew(&TargetTotals::not_found);
  return file;
}

// By the index of their target; few.
using Directories = std::map<std::uint32_t, DirectoryFigures>;

// Word by word: the C library that we ship with compares byte by byte.
bool is_same(const TargetTotals& a, const TargetTotals& b) {
  static_assert(sizeof(TargetTotals) % sizeof(std::uint64_t) == 0);
  const auto* one = reinterpret_cast<const char*>(&a);
  const auto* other = reinterpret_cast<const char*>(&b);
  for (std::size_t at = 0; at < sizeof(TargetTotals); at += sizeof(std::uint64_t)) {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::memcpy(&first, one + at, sizeof(first));
    std::memcpy(&second, other + at, sizeof(second));
    if (first != second) {
      return false;
    }
  }
  return true;
}

template <class Figures, class Key>
void sort_by(std::vector<Figures>& list, Key key) {
  put_in_order(list, [key](const Figures& a, const Figures& b) { return a.*key > b.*key; });
}

}  // namespace

const ThreadAccount& handler_of(const recording::Invocation& entry) {
  const ThreadAccount& received = entry.accounts[0];
  const ThreadAccount& first = entry.accounts[1];
  if (received.tid == 0) {
    return first.tid != 0 ? first : received;
  }
  const auto used = [](const ThreadAccount& account) {
    return grown(account.ended.cpu_ns, account.started.cpu_ns);
  };
  return first.tid != 0 && used(first) > used(received) ? first : received;
}

std::optional<WallFigures> wall_of(const ThreadAccount& account, const ThreadMoment& ended,
                                   std::uint64_t total_ns, std::optional<std::uint64_t> runnable_ns,
                                   const recording::ClockScale& clock) {
  if (account.tid == 0) {
    return std::nullopt;
  }
  WallFigures wall;
  wall.tid = account.tid;
  wall.total_ns = total_ns;
  std::uint64_t left = total_ns;
  const auto spent = [&](CallClass on) {
    const auto index = static_cast<std::size_t>(on);
    return take(
        clock.duration_ns(grown(ended.class_ticks[index], account.started.class_ticks[index])),
        left);
  };
  wall.network_ns = spent(CallClass::kNetwork);
  wall.dns_ns = spent(CallClass::kDns);
  wall.file_ns = spent(CallClass::kFile);
  wall.lock_ns = spent(CallClass::kLock);
  wall.sleep_ns = spent(CallClass::kSleep);
  wall.child_ns = spent(CallClass::kChild);
  wall.other_ns = spent(CallClass::kWait) + spent(CallClass::kOther);
  if (account.started.cpu_ns != 0 && ended.cpu_ns >= account.started.cpu_ns) {
    wall.cpu_ns = take(ended.cpu_ns - account.started.cpu_ns, left);
  }
  if (runnable_ns) {
    wall.runnable_ns = take(*runnable_ns, left);
  }
  wall.unexplained_ns = left;
  wall.other_ns += left;
  return wall;
}

TargetFigures targets_between(const recording::Totals& before, const recording::Totals& after,
                              const std::vector<TargetName>& names,
                              const recording::ClockScale& clock) {
  TargetFigures figures;
  Directories directories;
  for (const TargetName& name : names) {
    if (name.index >= kTargets || is_same(before.targets[name.index], after.targets[name.index])) {
      continue;  // true of nearly all of them
    }
    const TargetGrowth grew{before.targets[name.index], after.targets[name.index]};
    if (name.kind == TargetKind::kHost) {
      HostFigures host = host_figures(name, grew, clock);
      if (!name.runtime_api && !is_silent(host)) {
        figures.hosts.push_back(std::move(host));
      }
      continue;
    }
    FileFigures file = file_figures(name, grew, clock);
    const std::uint32_t above = name.kind == TargetKind::kDirectory ? name.index : name.directory;
    if (above < kTargets) {
      DirectoryFigures& directory = directories[above];
      directory.opens += file.opens;
      directory.probes += grew(&TargetTotals::probes);
      directory.not_found += grew(&TargetTotals::not_found);
      directory.time_ns += file.time_ns;
    }
    if (file.opens + file.reads + file.writes + file.time_ns + file.errors != 0) {
      figures.files.push_back(std::move(file));
    }
  }
  for (const TargetName& name : names) {
    const auto found =
        name.kind == TargetKind::kDirectory ? directories.find(name.index) : directories.end();
    if (found != directories.end() && !name.name.empty() &&
        found->second.opens + found->second.probes + found->second.not_found != 0) {
      found->second.path = name.name;
      figures.directories.push_back(std::move(found->second));
    }
  }
  sort_by(figures.hosts, &HostFigures::wait_ns);
  sort_by(figures.files, &FileFigures::time_ns);
  sort_by(figures.directories, &DirectoryFigures::time_ns);
  return figures;
}

}  // namespace lamprey::report
