// Findings about time, hosts and files: those that one report supports (findings.h) and those that
// need several (time_history.h). Each threshold stands where it is used.
#include <fmt/format.h>

#include <algorithm>

#include "report/findings/children.h"
#include "report/findings/findings.h"
#include "report/findings/time_history.h"
#include "report/model/cpu_share.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::size_t kMaxHostsTold = 5;  // those that were waited for longest

std::int64_t in_ms(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kMs); }
std::int64_t in_us(std::uint64_t ns) { return static_cast<std::int64_t>(ns / 1000); }
std::int64_t count(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// "1 call", "2,000 calls".
std::string counted(std::uint64_t value, const char* what) {
  return fmt::format("{} {}{}", human_count(value), what, value == 1 ? "" : "s");
}

// At least `percent` of the whole, and at least `least_ns`.
bool is_large(std::uint64_t part, std::uint64_t whole, std::uint64_t percent,
              std::uint64_t least_ns) {
  return part >= least_ns && part >= whole / 100 * percent;
}

struct Figure {
  const char* name;
  std::int64_t value;
};

// Not inlined: the code that builds a finding, repeated at each call, would be most of this file's
// size.
[[gnu::noinline]] void tell(Report& report, const char* code, Severity severity, std::string text,
                            const char* advice, Figure first, Figure second, Figure third = {}) {
  Finding finding{code, severity, std::move(text), advice, {}};
  for (const Figure& figure : {first, second, third}) {
    if (figure.name != nullptr) {
      finding.add_evidence(figure.name, figure.value);
    }
  }
  report.findings.push_back(std::move(finding));
}

// What every start reads, whatever the function does: the kernel's files, and the library that
// comes with the runtime ("/var/lang/lib/python3.12" of /var/lang/bin/python3.12).
bool is_runtimes_own(const Report& report, std::string_view path) {
  constexpr std::string_view kAdded[] = {"site-packages", "dist-packages", "node_modules"};
  if (path.starts_with("/proc") || path.starts_with("/sys")) {
    return true;
  }
  for (const std::string_view added : kAdded) {
    if (path.find(added) != std::string_view::npos) {
      return false;
    }
  }
  return !report.runtime_library.empty() && path.starts_with(report.runtime_library);
}

// Only what it costs makes it worth a line: a fifth of init, and a tenth of a second.
void add_import_storm(Report& report) {
  constexpr std::uint64_t kManyCalls = 1000;
  std::uint64_t touched = 0;
  std::uint64_t time_ns = 0;
  const DirectoryFigures* slowest = nullptr;
  for (const DirectoryFigures& directory : report.targets.directories) {
    if (is_runtimes_own(report, directory.path)) {
      continue;
    }
    touched += directory.opens + directory.probes;
    time_ns += directory.time_ns;
    slowest = slowest == nullptr ? &directory : slowest;
  }
  if (report.type == Type::kInit && touched >= kManyCalls && report.init_ns &&
      is_large(time_ns, *report.init_ns, 20, 100 * kMs)) {
    tell(report, "files.import_storm", Severity::kWarning,
         fmt::format("{} of the {} of init went into {} questions for files, most of it below {}.",
                     human_duration(time_ns), human_duration(*report.init_ns), human_count(touched),
                     slowest->path),
         "Bundle the code into fewer files, or import what a request needs only when it needs it.",
         {"calls", count(touched)}, {"time_ms", in_ms(time_ns)});
  }
}

void add_file_findings(Report& report) {
  std::uint64_t touched = 0;
  std::uint64_t opened = 0;
  std::uint64_t missing = 0;
  std::uint64_t time_ns = 0;
  const DirectoryFigures* emptiest = nullptr;
  for (const DirectoryFigures& directory : report.targets.directories) {
    if (is_runtimes_own(report, directory.path)) {
      continue;
    }
    touched += directory.opens + directory.probes;
    opened += directory.opens;
    time_ns += directory.time_ns;
    missing += directory.not_found;
    if (emptiest == nullptr || directory.not_found > emptiest->not_found) {
      emptiest = &directory;
    }
  }
  add_import_storm(report);
  const auto span = report.duration_ns ? report.duration_ns : report.init_ns;
  if (missing >= 500 && missing >= touched / 2 && span && is_large(time_ns, *span, 10, 50 * kMs)) {
    tell(report, "files.not_found_storm", Severity::kInfo,
         fmt::format("{} questions for files found nothing, most of them below {}; opened: {}.",
                     human_count(missing), emptiest->path, counted(opened, "file")),
         "Shorten the search path: fewer directories, those that have the files first.",
         {"not_found", count(missing)}, {"opened", count(opened)});
  }
  const std::uint64_t used = report.process.tmp_used.value_or(0);
  const std::uint64_t most = report.process.tmp_max.value_or(0);
  if (most != 0 && used >= most / 10 * 8 && report.limits.space == 0) {  // else files.tmp_full
    tell(report, "files.tmp_filling", Severity::kWarning,
         fmt::format("/tmp is {} % full: {} of {}.", used * 100 / most, human_bytes(count(used)),
                     human_bytes(count(most))),
         "Remove what an invocation leaves there, or give it more room.",
         {"tmp_used_bytes", count(used)}, {"tmp_max_bytes", count(most)});
  }
}

// ": ./ffmpeg (pid 4711, 3 arguments) ended with exit code 0 after 2.10 s"
std::string who_was_slow(const Report& report) {
  const ChildFigures* child = longest_child(report);
  return child == nullptr
             ? std::string()
             : fmt::format(": {} {}", child_name(*child), child_account(report, *child));
}

// Whether a finding of the same report says the same with more detail: how a timeout came, or which
// host was asked again and again.
bool is_told(const Report& report, std::string_view part) {
  for (const Finding& finding : report.findings) {
    const bool timeout = finding.code.starts_with("timeout.");
    const bool retries = std::any_of(
        finding.evidence.begin(), finding.evidence.end(),
        [](const auto& figure) { return figure.first == std::string_view("asleep_ms"); });
    const bool killed = finding.code == "children.killed";
    if ((killed && part == "children.slow") ||
        (timeout && (part == "locks.contended" || part == "children.slow" ||
                     (part == "time.sleeping" && finding.code == "timeout.sleep"))) ||
        (retries && part == "time.sleeping")) {
      return true;
    }
  }
  return false;
}

// The CPU time of all threads, for they share what there is.
std::uint64_t used_ns(const Report& report, const WallFigures& wall) {
  return std::max(wall.cpu_ns.value_or(0), report.process.cpu_user_ns.value_or(0) +
                                               report.process.cpu_system_ns.value_or(0));
}

// How long it would have taken with another size: what it waited for stays, what it computed takes
// as much longer as less than one CPU is given; and no less than all threads together need.
std::uint64_t expected_ns(const Report& report, const WallFigures& wall, std::uint64_t mb) {
  const std::uint64_t cpu = wall.cpu_ns.value_or(0);
  const std::uint64_t waited = wall.total_ns - std::min(wall.total_ns, cpu + *wall.stolen_ns);
  const auto stretched = [mb](std::uint64_t ns) {
    return ns * kMbOfOneCpu / std::min(mb, kMbOfOneCpu);
  };
  return std::min(wall.total_ns,
                  std::max(waited + stretched(cpu), stretched(used_ns(report, wall))));
}

// "128 MB get 7 % of a vCPU, and it wanted 149 ms. It would take about 1.03 s with 256 MB, ...";
// what a killed one wanted nobody knows.
std::string share_text(const Report& report, const WallFigures& wall, std::uint64_t mb) {
  std::string text = fmt::format("{} MB get {} % of a vCPU", mb, mb * 100 / kMbOfOneCpu);
  const std::string cpu = human_duration(used_ns(report, wall));
  if (report.status == Status::kTimeout) {
    return text + fmt::format(", so it had {} of CPU time.", cpu);
  }
  text += fmt::format(", and it wanted {}. It would take", cpu);
  const char* mark = " about";
  for (const std::uint64_t size : {mb * 2, mb * 4, kMbOfOneCpu}) {
    if (size <= kMbOfOneCpu) {
      text += fmt::format("{} {} with {} MB", mark, human_duration(expected_ns(report, wall, size)),
                          human_count(size));
      mark = ",";
    }
  }
  return text + " (a whole vCPU).";
}

void add_cpu_throttled(Report& report, const WallFigures& wall) {
  const std::uint64_t stolen = wall.stolen_ns.value_or(0);
  if (!is_large(stolen, wall.total_ns, 20, 50 * kMs)) {
    return;
  }
  std::string text = fmt::format("The CPU was held back for {} of {}", human_duration(stolen),
                                 human_duration(wall.total_ns));
  const std::uint64_t mb = report.memory_limit_mb.value_or(kMbOfOneCpu);
  const bool is_share = mb != 0 && mb < kMbOfOneCpu && wall.cpu_ns;
  text += is_share ? ": " + share_text(report, wall, mb) : std::string(".");
  tell(report, "time.cpu_throttled", Severity::kWarning, std::move(text),
       is_share ? "Give it more memory: while it computes, twice the memory takes half of the time "
                  "and costs about the same."
                : "Others had the CPU that it runs on: see whether that goes on.",
       {"ms", in_ms(stolen)}, {"total_ms", in_ms(wall.total_ns)},
       {"cpu_ms", in_ms(used_ns(report, wall))});
}

void add_wall_findings(Report& report, const WallFigures& wall) {
  add_cpu_throttled(report, wall);
  struct Part {
    const char* code;
    Severity severity;
    std::uint64_t ns;
    std::uint64_t percent;
    std::uint64_t least_ns;
    const char* what;
    const char* advice;
  };
  const Part parts[] = {
      {"locks.contended", Severity::kWarning, wall.lock_ns, 20, 50 * kMs,
       "waiting for locks and other threads",
       "calls.top says by which kind of call: do less while the lock is held, or do it in "
       "parallel."},
      {"time.sleeping", Severity::kInfo, wall.sleep_ns, 50, 100 * kMs, "sleeping",
       "Sleeping is paid for: return, and be called again."},
      {"time.cpu_starved", Severity::kWarning, wall.runnable_ns.value_or(0), 20, 50 * kMs,
       "waiting for a CPU", "More memory gives more CPU; or use fewer threads."},
      {"children.slow", Severity::kInfo, wall.child_ns, 50, 100 * kMs,
       "waiting for child processes",
       "Do the work in the process, or keep the child between invocations."}};
  // Whoever waits for threads that compute waits for their work, not for their lock.
  const std::uint64_t others_ns =
      used_ns(report, wall) - std::min(used_ns(report, wall), wall.cpu_ns.value_or(0));
  const bool others_compute = others_ns >= wall.lock_ns / 2;
  for (const Part& part : parts) {
    if (is_told(report, part.code) ||
        (std::string_view(part.code) == "locks.contended" && others_compute)) {
      continue;
    }
    if (is_large(part.ns, wall.total_ns, part.percent, part.least_ns)) {
      tell(report, part.code, part.severity,
           fmt::format("{} of {} went into {}{}.", human_duration(part.ns),
                       human_duration(wall.total_ns), part.what,
                       std::string_view(part.code) == "children.slow" ? who_was_slow(report) : ""),
           part.advice, {"ms", in_ms(part.ns)}, {"total_ms", in_ms(wall.total_ns)});
    }
  }
}

constexpr std::uint64_t kInARow = 5;

void add_leak(Report& report, const char* code, const char* what, std::uint64_t from,
              std::uint64_t to, const char* advice) {
  tell(report, code, Severity::kWarning,
       fmt::format("There are more {} after each of {} invocations: {}, now {}.", what, kInARow,
                   from, to),
       advice, {"from", count(from)}, {"to", count(to)});
}

}  // namespace

void add_time_findings(Report& report) {
  add_network_findings(report);
  add_file_findings(report);
  if (report.wall && report.type == Type::kInvoke) {
    add_wall_findings(report, *report.wall);
  }
}

void TimeHistory::add_reconnects(Report& report) {
  constexpr std::uint64_t kTimes = 3;
  std::size_t told = 0;
  std::map<std::string, std::uint64_t> still;
  for (HostFigures& host : report.targets.hosts) {
    // A host that never answered gave no connection to keep. A resolver's socket is not the
    // function's own.
    if (host.connects == 0 || host.reused != 0 || host.received_bytes == 0 ||
        host.peer.ends_with(":53") || still.size() >= kMaxHosts) {
      continue;
    }
    const auto before = reconnecting_.find(host.host);
    const std::uint64_t times = (before != reconnecting_.end() ? before->second : 0) + 1;
    still[host.host] = times;
    const std::uint64_t cost = host.connect_ns + host.lookup_ns + host.tls_ns;
    const bool worth = cost >= kMs || cost * 20 >= report.duration_ns.value_or(0);
    if (times >= kTimes && told < kMaxHostsTold && worth && cost != 0) {
      ++told;
      host.in_findings = true;
      tell(report, "network.reconnect", Severity::kWarning,
           fmt::format("A new connection to {} in each of the last {} invocations: {} here.",
                       host.host, times, human_duration(cost)),
           "Make the client outside of the handler and keep the connection alive.",
           {"connect_us", in_us(host.connect_ns)}, {"dns_us", in_us(host.lookup_ns)},
           {"tls_us", in_us(host.tls_ns)});
    }
  }
  reconnecting_ = std::move(still);
}

bool TimeHistory::grows(Level& level, std::optional<std::uint64_t> now) {
  if (!now) {
    level = {};
    return false;
  }
  if (!level.last || *now <= *level.last) {
    level.growing = 0;
    level.first = *now;
  } else {
    ++level.growing;
  }
  level.last = now;
  return level.growing >= kInARow;
}

void TimeHistory::add_findings(Report& report) {
  add_reconnects(report);
  if (grows(descriptors_, report.process.fd_use)) {
    add_leak(report, "fds.leak", "open descriptors", descriptors_.first, *report.process.fd_use,
             "Close files and connections.");
  }
  const auto children = [&report](bool ChildFigures::*state) {
    return std::optional<std::uint64_t>(static_cast<std::uint64_t>(
        std::count_if(report.children.begin(), report.children.end(),
                      [state](const ChildFigures& child) { return child.*state; })));
  };
  const auto running = children(&ChildFigures::running);
  if (grows(children_, running)) {
    add_leak(report, "children.leak", "child processes running", children_.first, *running,
             "End children, or keep one for all invocations.");
  }
  const auto forgotten = children(&ChildFigures::forgotten);
  if (grows(forgotten_, forgotten)) {
    add_leak(report, "children.not_waited_for", "ended child processes that nobody waited for",
             forgotten_.first, *forgotten,
             "Wait for each child (waitpid, or the library's close): until then it holds its entry "
             "in the process table.");
  }
  if (grows(threads_, report.process.threads)) {
    add_leak(report, "threads.leak", "threads", threads_.first, *report.process.threads,
             "End threads, or keep a pool.");
  }
}

}  // namespace lamprey::report
