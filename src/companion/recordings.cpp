// Finding and sorting recordings; see the header.
#include "companion/recordings.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "companion/neighbours.h"
#include "recording/reader_directory.h"
#include "report/procfs/process.h"

namespace lamprey::companion {
namespace {

using recording::Failure;
using recording::Header;
using recording::inode_of;
using recording::OpenError;
using recording::Reader;
using recording::Role;

constexpr std::size_t kMaxPassedOver = recording::kMaxListed;
// Two files that are made within one tick of the file system's clock give the directory the same
// time. Two seconds are the coarsest tick there is.
constexpr std::uint64_t kCoarsestTickNs = 2'000'000'000;
// How far the kernel's coarse clock, from which files get their times, may lag (CONFIG_HZ=100).
constexpr std::uint64_t kKernelTickNs = 10'000'000;

ino_t inode_at(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

std::uint64_t nanoseconds_of(const timespec& time) {
  return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U) +
         static_cast<std::uint64_t>(time.tv_nsec);
}

bool has_asked(const Header& header) { return header.init_end.mono_ns != 0; }

}  // namespace

Followed::Followed(Reader reader, ino_t inode)
    : ledger_(std::move(reader)),
      waiter_(ledger_.reader()),
      inode_(inode),
      seen_running_(ledger_.process_runs()) {}

void Followed::begin_invocation() {
  early_.clear();
  early_mono_ns_ = 0;
  closeup_ = {};
}

void Followed::watch(std::uint64_t sequence) {
  if (std::exchange(watched_, sequence) != sequence) {
    begin_invocation();
  }
}

void Followed::note_told() {
  told_mark_.tell(ledger_.reader().descriptor(), ledger_.header(), ledger_.reported_so_far().next);
}

void Followed::look_early() {
  if (early_mono_ns_ == 0) {
    early_mono_ns_ = recording::monotonic_ns();
    early_ = report::look_at_threads(ledger_.header().pid);
    ledger_.note_threads(early_);
  }
}

// Each answers in its own time: the answer is in the recording when the end is told of.
void Followed::ask_where() {
  const std::uint64_t started = ledger_.header().started;
  if (std::exchange(asked_in_, started) != started) {
    const Header& header = ledger_.header();
    report::ask_running(header.pid, header.ask, report::look_at_threads(header.pid));
  }
}

void Followed::snapshot_before_deadline() {
  const Header& header = ledger_.header();
  const std::uint64_t now = recording::monotonic_ns();
  closeup_.mono_ns = now;
  closeup_.window_ns = early_mono_ns_ != 0 ? now - early_mono_ns_ : 0;
  closeup_.threads = report::look_at_threads(header.pid);
  closeup_.busy = report::busy_between(early_, closeup_.threads, closeup_.window_ns);
  closeup_.sockets = report::look_at_sockets(header.pid, header.runtime_api);
  report::ask_running(header.pid, header.ask, closeup_.threads);
}

void Followed::sample_memory() {
  if (const auto now = report::resident_bytes(ledger_.header().pid)) {
    highest_rss_bytes_ = std::max(highest_rss_bytes_.value_or(0), *now);
  }
  ledger_.sample_children();
}

report::MemoryEvidence Followed::memory_evidence(const report::MemoryKills& before) {
  report::MemoryEvidence evidence;
  evidence.before = before;
  evidence.after = report::count_memory_kills(0);
  evidence.limit_bytes = ledger_.memory_limit_bytes();
  evidence.highest_rss_bytes = highest_rss_bytes_;
  evidence.live_bytes = ledger_.live_bytes(recording::monotonic_ns());
  return evidence;
}

bool Followed::has_ended() {
  if ((ledger_.header().flags & recording::kFlagExited) != 0 || replaced) {
    return true;
  }
  const bool runs = ledger_.process_runs();
  seen_running_ = seen_running_ || runs;
  // We never saw one that died before we first looked, but most write how they ended.
  return !runs && (seen_running_ || ledger_.self_report().has_value());
}

Recordings::Recordings(std::string directory, std::string environment, std::uint64_t since_real_ns,
                       Journal& journal)
    : journal_(journal),
      directory_(std::move(directory)),
      environment_(std::move(environment)),
      since_real_ns_(since_real_ns) {}

const Header* rather_the_runtime(const Header* so_far, const Header& header, bool at_end) {
  if (header.launched_by == 0 || (!has_asked(header) && !at_end)) {
    return so_far;
  }
  const bool better =
      so_far == nullptr || has_asked(header) > has_asked(*so_far) ||
      (has_asked(header) == has_asked(*so_far) && header.attach_real_ns > so_far->attach_real_ns);
  return better ? &header : so_far;
}

bool is_beside(const Header& header, const Header* runtime) {
  return runtime != nullptr && &header != runtime && !has_asked(header) &&
         (header.pid == runtime->launched_by || header.launched_by == runtime->launched_by);
}

bool Recordings::followed_already(const std::string& path) {
  for (const auto& followed : live_) {
    if (followed->path() != path || followed->replaced) {
      continue;
    }
    if (followed->inode() == inode_at(path)) {
      return true;
    }
    followed->replaced = true;
  }
  return false;
}

// What `lamprey run` recorded is not for a companion. Neither is a child that it followed: its
// recording names no environment.
bool Recordings::is_ours(const Header& header) const {
  return header.role != Role::kRun && environment_ == header.environment;
}

bool Recordings::is_orphan(const Header& header) const {
  return header.role != Role::kRun && header.attach_real_ns < since_real_ns_ &&
         !report::is_running(header.pid, header.process_start);
}

// Several environments may share one /tmp. While another one is there, its own companion reports
// what its processes left.
bool Recordings::is_abandoned(const Header& header) const {
  return !is_ours(header) && header.environment[0] != '\0' && !somebody_listens(header.environment);
}

// Whether the directory is as it was when it was last listed.
bool Recordings::is_unchanged() {
  struct stat status {};
  if (lstat(directory_.c_str(), &status) != 0) {
    return false;
  }
  const std::uint64_t changed = nanoseconds_of(status.st_mtim);
  const bool same =
      settled_ && status.st_ino == directory_inode_ && changed == directory_changed_ns_;
  directory_inode_ = status.st_ino;
  directory_changed_ns_ = changed;
  settled_ = recording::realtime_ns() > changed + kCoarsestTickNs;
  return same;
}

void Recordings::scan(std::vector<std::string>& complaints) {
  if (is_unchanged()) {
    return;
  }
  for (const recording::Listed& listed : recording::list_recordings(directory_)) {
    const auto passed_over = passed_over_.find(listed.path);
    const bool known =
        passed_over != passed_over_.end() && passed_over->second.inode == listed.inode;
    if (!known && !followed_already(listed.path) && !is_leaving(listed.path)) {
      consider(listed, complaints);
    }
  }
}

void Recordings::pass_over(const recording::Listed& listed, bool for_good) {
  if (passed_over_.size() < kMaxPassedOver) {
    passed_over_[listed.path] = {listed.inode, for_good};
  }
}

void Recordings::look_again() {
  std::erase_if(passed_over_, [](const auto& entry) { return !entry.second.for_good; });
  settled_ = false;
}

void Recordings::consider(const recording::Listed& listed, std::vector<std::string>& complaints) {
  const std::string& path = listed.path;
  Failure failure;
  struct stat before {};
  const bool there = lstat(path.c_str(), &before) == 0;
  auto reader = Reader::open(path, failure);
  if (!reader) {
    refuse(listed, there ? &before : nullptr, failure, complaints);
    return;
  }
  const Header& header = reader->header();
  const ino_t inode = inode_of(reader->descriptor());
  if (is_orphan(header) && (is_ours(header) || is_abandoned(header))) {
    orphans_.push_back({path, inode});
    return;
  }
  if (!is_ours(header)) {
    pass_over(listed, false);
    return;
  }
  if (live_.size() >= kMaxFollowed) {
    pass_over(listed, true);
    complaints.push_back(fmt::format("lamprey: recording {} is not followed: more than {} at once",
                                     path, kMaxFollowed));
    return;
  }
  live_.push_back(std::make_unique<Followed>(std::move(*reader), inode));
  if (const auto reported = journal_.reported(live_.back()->ledger().header())) {
    live_.back()->ledger().restore(*reported);
  }
}

void Recordings::refuse(const recording::Listed& listed, const struct stat* before,
                        const Failure& failure, std::vector<std::string>& complaints) {
  if (failure.error == OpenError::kMissing || before == nullptr) {
    return;
  }
  // (The kernel gives files the time of its last tick: a new file may seem a tick older than we
  // are.)
  const bool old = nanoseconds_of(before->st_ctim) + kKernelTickNs < since_real_ns_;
  if (failure.error == OpenError::kUnfinished && !old) {
    settled_ = false;  // it is being made right now
    return;
  }
  complaints.push_back("lamprey: " + failure.text);
  // A file that nobody can ever read would be complained about for ever.
  const bool useless =
      failure.error == OpenError::kCorrupt || failure.error == OpenError::kUnfinished;
  if (useless && old && recording::remove_file(listed.path, before->st_ino)) {
    return;
  }
  pass_over(listed, true);
}

std::vector<Recordings::Orphan> Recordings::take_orphans() {
  std::vector<Orphan> found;
  for (const auto& [path, inode] : std::exchange(orphans_, {})) {
    Failure failure;
    auto reader = Reader::open(path, failure);
    if (!reader || inode_of(reader->descriptor()) != inode) {
      settled_ = false;  // another process has the path by now
      continue;
    }
    const bool ours = is_ours(reader->header());
    // Another environment's orphan belongs to the companion that removes its file. Ours stays until
    // its lines are printed: we may be killed before.
    if (!ours && !recording::remove_file(path, inode)) {
      continue;
    }
    auto ledger = std::make_unique<report::Ledger>(std::move(*reader));
    const auto reported = ours ? journal_.reported(ledger->header()) : std::nullopt;
    if (reported) {
      ledger->restore(*reported);
    }
    found.push_back({std::move(ledger), reported.has_value()});
  }
  const Header* runtime = nullptr;
  for (const Orphan& orphan : found) {
    runtime = rather_the_runtime(runtime, orphan.ledger->header(), true);
  }
  for (std::size_t i = found.size(); i-- != 0;) {
    if (is_beside(found[i].ledger->header(), runtime)) {
      delete_orphan(found[i]);
      std::swap(found[i], found.back());
      found.pop_back();
    }
  }
  return found;
}

void Recordings::delete_orphan(Orphan& orphan) {
  const Reader& reader = orphan.ledger->reader();
  leave(reader.path(), inode_of(reader.descriptor()), reader.header());
}

void Recordings::remove(Followed& followed) {
  leave(followed.path(), followed.inode(), followed.ledger().header());
  std::erase_if(live_, [&followed](const auto& entry) { return entry.get() == &followed; });
}

// Removes the file, once all its lines are printed.
void Recordings::leave(const std::string& path, ino_t inode, const Header& header) {
  leaving_.push_back({path, inode, std::make_unique<Header>(header)});
  remove_printed();
}

void Recordings::remove_printed() {
  std::erase_if(leaving_, [this](const Leaving& leaving) {
    if (journal_.waits_for(*leaving.header)) {
      return false;
    }
    recording::remove_file(leaving.path, leaving.inode);
    journal_.forget(*leaving.header);
    return true;
  });
}

void Recordings::drop_wrappers(bool at_end) {
  const Header* runtime = nullptr;
  for (const auto& followed : live_) {
    runtime = rather_the_runtime(runtime, followed->ledger().header(), at_end);
  }
  for (std::size_t i = live_.size(); i-- != 0;) {
    if (is_beside(live_[i]->ledger().header(), runtime)) {
      remove(*live_[i]);
    }
  }
}

bool Recordings::is_leaving(const std::string& path) {
  return std::any_of(leaving_.begin(), leaving_.end(), [&path](const Leaving& leaving) {
    return leaving.path == path && leaving.inode == inode_at(path);
  });
}

}  // namespace lamprey::companion
