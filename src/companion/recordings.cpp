// Finding and sorting recordings; see the header.
#include "companion/recordings.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "recording/reader_directory.h"
#include "report/procfs/process.h"

namespace lamprey::companion {
namespace {

using recording::Failure;
using recording::Header;
using recording::OpenError;
using recording::Reader;
using recording::Role;

constexpr std::size_t kMaxIgnored = 2048;

ino_t inode_of(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

ino_t inode_of(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// What became of a connect: 0 or an errno. On loopback the answer comes at once, but not always
// before connect(2) returns.
int outcome_of(int connecting) {
  constexpr int kPatienceMs = 20;
  pollfd ready = {connecting, POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof(error);
  if (poll(&ready, 1, kPatienceMs) != 1 ||
      getsockopt(connecting, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return EINPROGRESS;
  }
  return error;
}

// Whether anybody takes connections at "127.0.0.1:9001". Asked of loopback only; of any other place
// it is supposed.
bool somebody_listens(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1 ||
      (ntohl(to.sin_addr.s_addr) >> 24U) != 127) {
    return true;
  }
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = EINPROGRESS;
  if (probe >= 0 && connect(probe, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    error = errno == EINPROGRESS ? outcome_of(probe) : errno;
  }
  const bool refused = error == ECONNREFUSED;
  if (probe >= 0) {
    close(probe);
  }
  return !refused;
}

bool older_than(const std::string& path, std::uint64_t real_ns) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return false;
  }
  const auto changed = (static_cast<std::uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000U) +
                       static_cast<std::uint64_t>(status.st_ctim.tv_nsec);
  return changed < real_ns;
}

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

void Followed::look_early() {
  if (early_mono_ns_ == 0) {
    early_mono_ns_ = recording::monotonic_ns();
    early_ = report::look_at_threads(ledger_.header().pid);
  }
}

void Followed::look_late() {
  const Header& header = ledger_.header();
  const std::uint64_t now = recording::monotonic_ns();
  closeup_.mono_ns = now;
  closeup_.window_ns = early_mono_ns_ != 0 ? now - early_mono_ns_ : 0;
  closeup_.busy =
      report::busy_between(early_, report::look_at_threads(header.pid), closeup_.window_ns);
  closeup_.sockets = report::look_at_sockets(header.pid, header.runtime_api);
}

void Followed::sample_memory() {
  if (const auto now = report::resident_bytes(ledger_.header().pid)) {
    highest_rss_bytes_ = std::max(highest_rss_bytes_.value_or(0), *now);
  }
}

report::MemoryEvidence Followed::memory_evidence(const report::MemoryKills& before) {
  report::MemoryEvidence evidence;
  evidence.before = before;
  evidence.after = report::count_memory_kills(0);
  evidence.limit_bytes = ledger_.memory_limit_bytes();
  evidence.highest_rss_bytes = highest_rss_bytes_;
  evidence.live_bytes = ledger_.reader().live(recording::monotonic_ns())->memory.live_bytes;
  return evidence;
}

bool Followed::has_ended() {
  if ((ledger_.header().flags & recording::kFlagExited) != 0 || replaced) {
    return true;
  }
  const bool runs = ledger_.process_runs();
  seen_running_ = seen_running_ || runs;
  // One that died before we first looked was never seen, but most leave their last words.
  return !runs && (seen_running_ || ledger_.account().has_value());
}

Recordings::Recordings(std::string directory, std::string environment, std::uint64_t since_real_ns,
                       Journal& journal)
    : journal_(journal),
      directory_(std::move(directory)),
      environment_(std::move(environment)),
      since_real_ns_(since_real_ns) {}

bool Recordings::followed_already(const std::string& path) {
  for (const auto& followed : live_) {
    if (followed->path() != path || followed->replaced) {
      continue;
    }
    if (followed->inode() == inode_of(path)) {
      return true;
    }
    followed->replaced = true;
  }
  return false;
}

bool Recordings::is_ours(const Header& header) const {
  return header.role != Role::kRun &&
         (header.environment[0] == '\0' || environment_ == header.environment);
}

bool Recordings::is_orphan(const Header& header) const {
  return header.role != Role::kRun && header.attach_real_ns < since_real_ns_ &&
         !report::is_running(header.pid, header.process_start);
}

// Several environments may share one /tmp (`lamprey local --concurrency`): what a process of
// another one left is that one's companion's to report, for as long as that environment is there.
bool Recordings::is_abandoned(const Header& header) const {
  return !is_ours(header) && !somebody_listens(header.environment);
}

void Recordings::scan(std::vector<std::string>& complaints) {
  for (const std::string& path : recording::list_recordings(directory_)) {
    if (!ignored_.contains(path) && !followed_already(path) &&
        std::find(orphans_.begin(), orphans_.end(), path) == orphans_.end()) {
      consider(path, complaints);
    }
  }
}

void Recordings::consider(const std::string& path, std::vector<std::string>& complaints) {
  Failure failure;
  auto reader = Reader::open(path, failure);
  if (!reader) {
    refuse(path, failure, complaints);
    return;
  }
  if (is_orphan(reader->header()) &&
      (is_ours(reader->header()) || is_abandoned(reader->header()))) {
    orphans_.push_back(path);
    return;
  }
  const Header& header = reader->header();
  const bool older = header.attach_real_ns < since_real_ns_;
  if (!is_ours(header) || (older && header.environment[0] == '\0')) {
    // It may still become an orphan of a process that is just ending: not ignored for good.
    return;
  }
  if (live_.size() >= kMaxFollowed) {
    ignored_.insert(path);
    complaints.push_back(fmt::format("lamprey: recording {} is not followed: more than {} at once",
                                     path, kMaxFollowed));
    return;
  }
  const ino_t inode = inode_of(reader->descriptor());
  live_.push_back(std::make_unique<Followed>(std::move(*reader), inode));
  if (const auto given = journal_.given(live_.back()->ledger().header())) {
    live_.back()->ledger().resume(*given);
  }
}

void Recordings::refuse(const std::string& path, const Failure& failure,
                        std::vector<std::string>& complaints) {
  if (failure.error == OpenError::kMissing) {
    return;
  }
  const bool old = older_than(path, since_real_ns_);
  if (failure.error == OpenError::kUnfinished && !old) {
    return;  // it is just being made
  }
  complaints.push_back("lamprey: " + failure.text);
  // What nobody can read any more would be complained about for ever.
  const bool useless =
      failure.error == OpenError::kCorrupt || failure.error == OpenError::kUnfinished;
  if (useless && old && unlink(path.c_str()) == 0) {
    return;
  }
  if (ignored_.size() < kMaxIgnored) {
    ignored_.insert(path);
  }
}

std::vector<Recordings::Orphan> Recordings::take_orphans() {
  std::vector<Orphan> found;
  for (const std::string& path : orphans_) {
    Failure failure;
    auto reader = Reader::open(path, failure);
    if (!reader) {
      continue;
    }
    const bool ours = is_ours(reader->header());
    // Of another environment: whoever removes the file has claimed it. Of ours: it stays until it
    // was printed, for we may be killed before.
    if (!ours && unlink(path.c_str()) != 0) {
      continue;
    }
    auto ledger = std::make_unique<report::Ledger>(std::move(*reader));
    const auto given = ours ? journal_.given(ledger->header()) : std::nullopt;
    if (given) {
      ledger->resume(*given);
    }
    found.push_back({std::move(ledger), given.has_value()});
  }
  orphans_.clear();
  return found;
}

void Recordings::bury(Orphan& orphan) {
  unlink(orphan.ledger->reader().path().c_str());
  journal_.forget(orphan.ledger->header());
}

void Recordings::remove(Followed& followed) {
  if (inode_of(followed.path()) == followed.inode()) {
    unlink(followed.path().c_str());
  }
  journal_.forget(followed.ledger().header());
  std::erase_if(live_, [&followed](const auto& entry) { return entry.get() == &followed; });
}

}  // namespace lamprey::companion
