// Findings about what an environment has little of, or does not have: descriptors, threads, room in
// /tmp, semaphores and shared memory. See findings.h.
#include <fmt/format.h>

#include <algorithm>

#include "report/findings/findings.h"
#include "report/model/order.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::string held_text(const LimitFigures& limits) {
  constexpr std::size_t kMaxTold = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(limits.held.size(), kMaxTold); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", human_count(limits.held[i].count),
                        limits.held[i].what);
  }
  return text;
}

void add_descriptors(Report& report) {
  constexpr std::uint64_t kNearPercent = 90;
  const LimitFigures& limits = report.limits;
  const std::uint64_t used = report.process.fd_use.value_or(0);
  const std::uint64_t most = report.process.fd_max.value_or(0);
  const bool refused = limits.descriptors != 0;
  if (!refused && (most == 0 || used * 100 < most * kNearPercent)) {
    return;
  }
  Finding finding;
  finding.code = "fds.limit";
  finding.severity = refused ? Severity::kCritical : Severity::kWarning;
  if (most != 0) {
    finding.text =
        fmt::format("{} of {} descriptors are in use", human_count(used), human_count(most));
  }
  const std::string held = held_text(limits);
  if (!held.empty()) {
    finding.text += fmt::format("{}{}", finding.text.empty() ? "Open are " : ": ", held);
  }
  if (refused) {
    finding.text +=
        fmt::format("{}{} call{} failed for want of one (EMFILE)", finding.text.empty() ? "" : "; ",
                    human_count(limits.descriptors), limits.descriptors == 1 ? "" : "s");
    finding.add_evidence("refused", signed_of(limits.descriptors));
  }
  finding.text += ".";
  finding.advice =
      "Make clients once, outside of the handler, and let them share a pool of connections; close "
      "what is opened. Lambda allows 1,024 descriptors.";
  finding.add_evidence("fd_use", signed_of(used));
  finding.add_evidence("fd_max", signed_of(most));
  report.findings.push_back(std::move(finding));
}

void add_threads(Report& report) {
  if (report.limits.threads == 0) {
    return;
  }
  Finding finding;
  finding.code = "threads.limit";
  finding.severity = Severity::kCritical;
  finding.text = fmt::format(
      "{} thread{} or process{} could not be started (EAGAIN){}.",
      human_count(report.limits.threads), report.limits.threads == 1 ? "" : "s",
      report.limits.threads == 1 ? "" : "es",
      report.process.threads
          ? fmt::format("; this process has {} threads", human_count(*report.process.threads))
          : std::string());
  finding.advice =
      "Keep a pool instead of a thread for each piece of work, and wait for children. Lambda "
      "allows "
      "1,024 threads and processes together.";
  finding.add_evidence("refused", signed_of(report.limits.threads));
  if (report.process.threads) {
    finding.add_evidence("threads", signed_of(*report.process.threads));
  }
  report.findings.push_back(std::move(finding));
}

// Which files below /tmp were written most.
std::string grown_files(const Report& report) {
  constexpr std::size_t kMaxTold = 3;
  std::vector<const FileFigures*> files;
  for (const FileFigures& file : report.targets.files) {
    if (file.written_bytes != 0 && file.path.starts_with("/tmp")) {
      files.push_back(&file);
    }
  }
  put_in_order(files, [](const FileFigures* a, const FileFigures* b) {
    return a->written_bytes > b->written_bytes;
  });
  std::string text;
  for (std::size_t i = 0; i < std::min(files.size(), kMaxTold); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", files[i]->path,
                        human_bytes(signed_of(files[i]->written_bytes)));
  }
  return text;
}

void add_space(Report& report) {
  if (report.limits.space == 0) {
    return;
  }
  const std::uint64_t used = report.process.tmp_used.value_or(0);
  const std::uint64_t most = report.process.tmp_max.value_or(0);
  const std::string grown = grown_files(report);
  Finding finding;
  finding.code = "files.tmp_full";
  finding.severity = Severity::kCritical;
  finding.text = fmt::format("{} call{} found no room on a file system (ENOSPC)",
                             human_count(report.limits.space), report.limits.space == 1 ? "" : "s");
  if (most != 0) {
    finding.text += fmt::format("; /tmp has {} of {} in use now", human_bytes(signed_of(used)),
                                human_bytes(signed_of(most)));
  }
  if (!grown.empty()) {
    finding.text += "; written most: " + grown;
  }
  finding.text += ".";
  finding.advice =
      "Remove what an invocation leaves in /tmp: it stays as long as the environment. Or give the "
      "function more ephemeral storage (up to 10,240 MB).";
  finding.add_evidence("refused", signed_of(report.limits.space));
  finding.add_evidence("tmp_used_bytes", signed_of(used));
  finding.add_evidence("tmp_max_bytes", signed_of(most));
  report.findings.push_back(std::move(finding));
}

void add_shared_memory(Report& report) {
  if (report.limits.shared_memory == 0) {
    return;
  }
  report.findings.push_back(
      {"system.no_shared_memory",
       Severity::kWarning,
       fmt::format("{} call{} of sem_open or shm_open failed: there is no /dev/shm to write to.",
                   human_count(report.limits.shared_memory),
                   report.limits.shared_memory == 1 ? "" : "s"),
       "Lambda has no POSIX semaphores with names and no shared memory. In Python, "
       "multiprocessing's Pool, Queue and Lock need them; Process, Pipe and threads do not.",
       {{"refused", signed_of(report.limits.shared_memory)}}});
}

}  // namespace

void add_limit_findings(Report& report) {
  add_descriptors(report);
  add_threads(report);
  add_space(report);
  add_shared_memory(report);
}

}  // namespace lamprey::report
