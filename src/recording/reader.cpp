// Reader: opening a recording and checking its header. The counters are read in
// reader_totals.cpp.
#include "recording/reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "recording/trail_reading.h"

namespace lamprey::recording {
namespace {

// Above any count that is written; keeps a forged header from costing memory or minutes.
constexpr std::uint32_t most_of(std::size_t stride) {
  return stride <= sizeof(std::uint64_t) ? 1U << 20U : 1U << 14U;
}
constexpr std::uint64_t kMaxSequence = std::uint64_t{1} << 48;
constexpr std::size_t kFrom = offsetof(Header, wake);

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U) +
         static_cast<std::uint64_t>(now.tv_nsec);
}

template <std::size_t kBytes>
void terminate(char (&text)[kBytes]) {
  text[kBytes - 1] = '\0';
}

std::uint64_t scaled(std::uint64_t value, std::uint64_t by, std::uint64_t over) {
  const auto wide = static_cast<unsigned __int128>(value) * by / over;
  const auto most = static_cast<unsigned __int128>(UINT64_MAX);
  return wide > most ? UINT64_MAX : static_cast<std::uint64_t>(wide);
}

bool later(const ClockPair& a, const ClockPair& b) {
  return a.ticks > b.ticks && a.mono_ns > b.mono_ns;
}

// What every version's header begins with.
struct Start {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t header_bytes;
};

std::optional<Failure> check_start(const std::string& path, const Start& start) {
  if (start.magic == 0) {
    return Failure{
        OpenError::kUnfinished,
        fmt::format("recording {} was never finished: its attach did not complete", path)};
  }
  if (start.magic != kMagic) {
    return Failure{OpenError::kCorrupt,
                   fmt::format("recording {} does not begin as a recording does", path)};
  }
  if (start.version != kVersion) {
    return Failure{OpenError::kVersion,
                   fmt::format("recording {} has version {}, this program reads {}", path,
                               start.version, kVersion)};
  }
  if (start.header_bytes != sizeof(Header)) {
    return Failure{OpenError::kCorrupt, fmt::format("recording {} has a header of {} bytes, not {}",
                                                    path, start.header_bytes, sizeof(Header))};
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
std::uint64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }

ClockScale::ClockScale(Clock clock, ClockPair first, ClockPair newest) : first_(first) {
  if (clock == Clock::kMonotonic) {
    first_.ticks = first.mono_ns;
    return;
  }
  if (later(newest, first)) {
    ticks_ = newest.ticks - first.ticks;
    ns_ = newest.mono_ns - first.mono_ns;
  }
}

std::uint64_t ClockScale::duration_ns(std::uint64_t ticks) const {
  return scaled(ticks, ns_, ticks_);
}

std::uint64_t ClockScale::ticks_at(std::uint64_t mono_ns) const {
  if (mono_ns <= first_.mono_ns) {
    return first_.ticks;
  }
  return first_.ticks + scaled(mono_ns - first_.mono_ns, ticks_, ns_);
}

Reader::Reader(Reader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      clock_(other.clock_),
      ahead_(std::move(other.ahead_)),
      wake_before_(other.wake_before_),
      calls_before_(other.calls_before_),
      names_(std::move(other.names_)),
      hosts_named_(other.hosts_named_),
      names_of_(other.names_of_),
      all_named_(other.all_named_),
      dropped_(std::move(other.dropped_)),
      dropped_count_(other.dropped_count_),
      functions_(std::move(other.functions_)),
      trail_(std::move(other.trail_)) {}

Reader& Reader::operator=(Reader&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  std::swap(header_, other.header_);
  std::swap(clock_, other.clock_);
  std::swap(ahead_, other.ahead_);
  std::swap(wake_before_, other.wake_before_);
  std::swap(calls_before_, other.calls_before_);
  std::swap(names_, other.names_);
  std::swap(hosts_named_, other.hosts_named_);
  std::swap(names_of_, other.names_of_);
  std::swap(all_named_, other.all_named_);
  std::swap(dropped_, other.dropped_);
  std::swap(dropped_count_, other.dropped_count_);
  std::swap(functions_, other.functions_);
  std::swap(trail_, other.trail_);
  return *this;
}

Reader::~Reader() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

std::optional<Reader> Reader::open(const std::string& path, Failure& failure) {
  Reader reader;
  reader.path_ = path;
  // O_NONBLOCK: a FIFO in the directory must not hold us until somebody writes to it.
  reader.descriptor_ = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (reader.descriptor_ < 0) {
    const int error = errno;
    failure = {error == ENOENT ? OpenError::kMissing : OpenError::kForeign,
               fmt::format("recording {} cannot be opened: {}", path, std::strerror(error))};
    return std::nullopt;
  }
  struct stat status {};
  if (fstat(reader.descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    failure = {OpenError::kForeign, fmt::format("recording {} is not a regular file", path)};
    return std::nullopt;
  }
  if (status.st_uid != geteuid()) {
    failure = {OpenError::kForeign,
               fmt::format("recording {} belongs to user {}, accepted are files of user {}", path,
                           status.st_uid, geteuid())};
    return std::nullopt;
  }
  if (!reader.check_header(static_cast<std::uint64_t>(status.st_size), failure)) {
    return std::nullopt;
  }
  return reader;
}

bool Reader::read_at(std::uint64_t offset, void* into, std::size_t bytes) const {
  if (ahead_ != nullptr && ahead_->first(offset, into, bytes)) {
    return true;
  }
  missed_ = true;
  return read_now(offset, into, bytes);
}

// What was read later than the copy has to be compared with what is there later still.
bool Reader::read_again(std::uint64_t offset, void* into, std::size_t bytes) const {
  return (ahead_ != nullptr && !missed_ && ahead_->last(offset, into, bytes)) ||
         read_now(offset, into, bytes);
}

bool Reader::read_now(std::uint64_t offset, void* into, std::size_t bytes) const {
  auto* out = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, out, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    out += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool Reader::check_header(std::uint64_t file_bytes, Failure& failure) {
  Start start{};
  if (!read_at(0, &start, sizeof(start))) {
    // Every recording is empty for the moment between its creation and its allocation.
    failure = {file_bytes == 0 ? OpenError::kUnfinished : OpenError::kCorrupt,
               fmt::format("recording {} has {} bytes, too few for a header", path_, file_bytes)};
    return false;
  }
  if (auto wrong = check_start(path_, start)) {
    failure = *wrong;
    return false;
  }
  header_ = std::make_unique<Header>();
  if (!read_at(0, header_.get(), sizeof(Header))) {
    failure = {
        OpenError::kCorrupt,
        fmt::format("recording {} was cut to {} bytes, inside its header", path_, file_bytes)};
    return false;
  }
  if (header_->call_count != kCallCount || header_->bucket_count != kBuckets) {
    failure = {OpenError::kCorrupt,
               fmt::format("recording {} counts {} calls in {} buckets, not {} in {}", path_,
                           header_->call_count, header_->bucket_count, kCallCount, kBuckets)};
    return false;
  }
  terminate_texts();
  check_counts();
  check_deaths();
  if (file_bytes < header_->file_bytes) {
    drop(fmt::format("the file was cut to {} of {} bytes", file_bytes, header_->file_bytes));
  }
  Header& h = *header_;
  return check_section(h.invocations, "invocations", sizeof(Invocation), file_bytes, failure) &&
         check_section(h.boundaries, "boundaries", sizeof(Boundary), file_bytes, failure) &&
         check_section(h.slots, "slots", sizeof(ThreadSlot), file_bytes, failure) &&
         check_section(h.rows, "rows", sizeof(CallRow), file_bytes, failure) &&
         check_section(h.descriptors, "descriptors", sizeof(Descriptor), file_bytes, failure) &&
         check_section(h.targets, "targets", sizeof(Target), file_bytes, failure) &&
         check_section(h.modules, "modules", sizeof(Module), file_bytes, failure) &&
         check_section(h.sites, "sites", sizeof(Site), file_bytes, failure) &&
         check_section(h.stacks, "stacks", sizeof(Stack), file_bytes, failure) &&
         check_section(h.frame_words, "frames", sizeof(std::uint64_t), file_bytes, failure) &&
         check_section(h.functions, "functions", sizeof(Function), file_bytes, failure) &&
         check_section(h.source_files, "source files", sizeof(SourceFile), file_bytes, failure) &&
         check_section(h.function_text, "function text", 1, file_bytes, failure) &&
         check_section(h.notes, "notes", sizeof(Notes), file_bytes, failure) &&
         check_section(h.timeline, "timeline", sizeof(Timeline), file_bytes, failure) &&
         (h.kernel.count == 0 ||
          check_section(h.kernel, "kernel", sizeof(Kernel), file_bytes, failure)) &&
         (h.cpu.count == 0 ||
          check_section(h.cpu, "CPU profile", sizeof(CpuProfile), file_bytes, failure)) &&
         (h.trail.count == 0 ||
          check_section(h.trail, "trail", sizeof(Trail), file_bytes, failure));
}

bool Reader::check_section(Section& section, const char* name, std::size_t stride,
                           std::uint64_t file_bytes, Failure& failure) {
  if (section.stride != stride || section.count == 0 || section.count > most_of(stride) ||
      section.offset < sizeof(Header) || section.offset > (std::uint64_t{1} << 40)) {
    failure = {OpenError::kCorrupt,
               fmt::format("recording {} places {} x {} bytes of {} at {}, which cannot be", path_,
                           section.count, section.stride, name, section.offset)};
    return false;
  }
  const std::uint64_t room = file_bytes > section.offset ? file_bytes - section.offset : 0;
  const auto whole = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(room / stride, std::uint64_t{section.count}));
  if (whole < section.count) {
    drop(fmt::format("{}: {} of {} lie beyond the end of the file", name, section.count - whole,
                     section.count));
    // The ring of invocations is indexed by its full length, so its count stays: reads of what is
    // missing fail one by one.
    if (&section != &header_->invocations) {
      section.count = whole;
    }
  }
  return true;
}

void Reader::terminate_texts() {
  Header& h = *header_;
  terminate(h.environment);
  terminate(h.runtime_api);
  terminate(h.executable);
  terminate(h.function_name);
  terminate(h.function_version);
  terminate(h.handler);
  terminate(h.log_group);
  terminate(h.log_stream);
  terminate(h.initialization_type);
}

// Drops a Death record that is not complete.
void Reader::check_deaths() {
  for (Death& death : header_->deaths) {
    terminate(death.module);
    terminate(death.message);
    if (death.state == DeathState::kNone) {
      continue;
    }
    const bool makes_sense = death.state <= DeathState::kWritten && death.kind > DeathKind::kNone &&
                             death.kind <= DeathKind::kSignal && death.signal >= 0 &&
                             death.signal <= 64;
    if (!makes_sense) {
      drop(fmt::format("death: kind {}, signal {} does not exist",
                       static_cast<std::uint32_t>(death.kind), death.signal));
    }
    if (!makes_sense || death.state != DeathState::kWritten) {
      death.state = DeathState::kNone;
    }
  }
}

// Drops a count that no process can have reached: nobody must loop that far.
void Reader::check_counts() {
  if (header_->started > kMaxSequence) {
    drop(fmt::format("header: {} invocations cannot be", header_->started));
    header_->started = 0;
  }
}

bool Reader::refresh() {
  // Only the part that the process writes while it runs is taken: where the sections lie was
  // checked at open() and must not move under us.
  char fresh[sizeof(Header) - kFrom];
  if (ahead_ != nullptr) {
    ahead_->drop();
  }
  if (!read_now(kFrom, fresh, sizeof(fresh))) {
    return false;
  }
  take_header(fresh);
  wake_before_ = header_->wake;
  return true;
}

void Reader::take_header(const char* fresh) {
  std::memcpy(reinterpret_cast<char*>(header_.get()) + kFrom, fresh, sizeof(Header) - kFrom);
  clock_.reset();
  hosts_are_new_ = false;
  check_counts();
  check_deaths();
}

std::optional<std::uint32_t> Reader::wake() const {
  std::uint32_t word = 0;
  if (!read_now(offsetof(Header, wake), &word, sizeof(word))) {
    return std::nullopt;
  }
  return word;
}

std::optional<Invocation> Reader::invocation(std::uint64_t sequence) {
  const Section& section = header_->invocations;
  Invocation entry{};
  missed_ = false;
  const std::uint64_t at = section.offset + ((sequence % section.count) * sizeof(Invocation));
  if (sequence == 0 || !read_at(at, &entry, sizeof(entry)) || entry.sequence != sequence) {
    return std::nullopt;
  }
  // The ring may have overwritten it while it was copied.
  std::atomic_thread_fence(std::memory_order_acquire);
  struct {
    std::uint64_t sequence;
    InvocationState state;
  } after{};
  static_assert(offsetof(Invocation, sequence) == 0 && offsetof(Invocation, state) == 8);
  if (!read_again(at, &after, sizeof(after)) || after.sequence != sequence ||
      after.state == InvocationState::kEmpty) {
    return std::nullopt;
  }
  terminate(entry.request_id);
  terminate(entry.trace_id);
  terminate(entry.function_arn);
  if (entry.state == InvocationState::kEmpty) {
    return std::nullopt;
  }
  if (entry.state > InvocationState::kEnding) {
    drop(fmt::format("invocation {}: state {} does not exist", sequence,
                     static_cast<std::uint32_t>(entry.state)));
    return std::nullopt;
  }
  return entry;
}

std::vector<Invocation> Reader::invocations() {
  std::vector<Invocation> found;
  const std::uint64_t newest = header_->started;
  const std::uint64_t count = header_->invocations.count;
  const std::uint64_t oldest = newest > count ? newest - count + 1 : 1;
  for (std::uint64_t sequence = oldest; sequence <= newest; ++sequence) {
    if (auto entry = invocation(sequence)) {
      found.push_back(*entry);
    }
  }
  return found;
}

ClockScale Reader::clock() {
  if (!clock_) {
    clock_ = read_clock();
  }
  return *clock_;
}

ClockScale Reader::read_clock() {
  // After a restore (SnapStart) both clocks may have jumped: pairs from before say nothing.
  const bool restored = header_->restored.mono_ns != 0;
  const ClockPair first = restored ? header_->restored : header_->attach_begin;
  ClockPair newest = header_->attach_end;
  const auto consider = [&newest](const ClockPair& pair) {
    if (later(pair, newest)) {
      newest = pair;
    }
  };
  consider(header_->init_end);
  if (is_ahead()) {
    consider(ahead_clock_);
    return {header_->clock, first, newest};
  }
  for (const std::uint64_t sequence : {header_->started, header_->started - 1}) {
    if (const auto entry = invocation(sequence)) {
      consider(entry->started);
      consider(entry->responded);
      consider(entry->ended);
    }
  }
  for (std::uint32_t index = 0; index < header_->boundaries.count; ++index) {
    ClockPair at{};
    if (read_at(header_->boundaries.offset + (index * sizeof(Boundary)) + offsetof(Boundary, at),
                &at, sizeof(at))) {
      consider(at);
    }
  }
  return {header_->clock, first, newest};
}

void Reader::drop(std::string text) {
  ++dropped_count_;
  if (dropped_.size() < kMaxDropped &&
      std::find(dropped_.begin(), dropped_.end(), text) == dropped_.end()) {
    dropped_.push_back(std::move(text));
  }
}

}  // namespace lamprey::recording
