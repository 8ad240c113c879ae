// Reading a recording: the only place that turns the bytes of a .rec file into values. Nothing here
// writes a recording, formats anything for people, or knows about Lambda's APIs.
//
// The content is hostile: it may be torn, cut, forged or of another version. Everything is copied
// by pread(2) into buffers of this class and checked there; no mapped memory is ever dereferenced,
// because a file cut short under a mapping would kill the reader with SIGBUS.
//
// Units: bytes; ticks of Header::clock; ns of CLOCK_MONOTONIC. Not thread-safe: one thread per
// reader.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recording/ahead.h"
#include "recording/layout.h"
#include "recording/loaded_module.h"
#include "recording/rows.h"
#include "recording/source_function.h"

namespace lamprey::recording {

// What a Boundary begins with, behind its marks.
struct BoundaryWords {
  ClockPair at{};
  MemoryTotals memory{};
  MappingTotals mappings{};
  std::int64_t peak_live_bytes = 0;
  ResourceUse use{};  // of boundaries only; all zero: not to be had
};

// The counters of a whole process at one moment. About 1 KB, and 680 bytes for each of the calls
// that were made, 120 for each target.
struct Totals : BoundaryWords {
  Rows<CallTotals, kCallCount> calls;
  Rows<TargetTotals, kTargets> targets;
  bool kernel_known = false;  // exact mode counted, and its part was written at that moment
  Rows<CallTotals, kKernelNumbers> kernel;
};

struct TrailReading;  // trail_reading.h

// What exact mode reports about itself.
struct KernelPlaces {
  ExactState state = ExactState::kOff;
  std::uint32_t counted = 0;    // places in libc's code at which calls are counted
  std::uint32_t left = 0;       // places at which they are not
  std::uint64_t uncounted = 0;  // calls for which there was no row
};

// A target as people know it. `index` is its place in Totals::targets.
struct TargetName {
  std::uint32_t index = 0;
  TargetKind kind{};
  std::uint32_t directory = kTargets;  // index of its directory; kTargets: none
  bool runtime_api = false;
  std::uint64_t longest_ticks = 0;  // of hosts: Target::longest_ticks
  std::uint32_t from = 0;           // who first asked for it: Reader::stack takes it
  std::uint32_t after = 0;          // in Node: what the program last did before that; likewise
  std::string name;                 // host name or path; "unix:PATH"; empty: a host without a name
  std::string address;              // "10.0.3.17:5432"; empty where there is none
};

// "localhost:18101", of a host's name and address; one of them may be missing.
std::string label_of(const std::string& name, const std::string& address);

// A call that a thread had entered and not left when it was looked at.
struct OpenCall {
  std::int32_t tid = 0;
  Call call{};
  std::uint64_t started = 0;     // ticks
  std::uint32_t stack = 0;       // Reader::stack takes it; 0: none
  std::string target;            // what it waits for, in words; empty: unknown
  std::int32_t descriptor = -1;  // first argument where it is one
  std::uint32_t slot = 0;
  bool of_own_threads = false;              // on a pipe whose other end is this process's, too
  std::optional<std::uint64_t> timer_ms{};  // of a wait on an epoll: when it ends by itself
  std::int32_t holder = 0;                  // who ends it: holds the mutex, is joined; 0: unknown
  std::uint64_t joins = 0;                  // pthread_self() of the thread that is joined; 0: none
  std::array<Waker, kWakers> wakers{};      // who ended the thread's waits for others before
};

// A connection, or one that is being made, as the library last saw it. Times in ticks.
struct Connection {
  std::int32_t descriptor = -1;
  std::int32_t watched_by = -1;  // the epoll descriptor that it was registered with; -1: unknown
  std::uint32_t sender = 0;      // slot of the thread that last sent on it; 0: none
  std::uint32_t target = 0;      // index in Totals::targets
  std::uint64_t connecting = 0;  // since when; 0: it is not
  std::uint64_t asked = 0;       // since when bytes that were sent are unanswered; 0: none are
  std::uint64_t received = 0;    // when bytes last came; 0: never
  bool used = false;             // something was sent on it
  bool in_handshake = false;     // of TLS, which has begun and is not over
  std::string text;              // as OpenCall::target
  std::string label;             // as label_of()
  bool unanswered() const { return connecting != 0 || asked != 0; }
};

// The connections of a process, and whether one of its pipes leads to another process.
struct Connections {
  std::vector<Connection> all;  // without those to the Runtime API
  bool to_others = false;
};

// Whom an open call waits for, of the connections: that of its descriptor; of an event loop the one
// that was asked first, else one that never carried a byte. Null: nobody has an answer to give.
const Connection* awaited_by(const OpenCall& call, const Connections& connections);
// Whether the loop that `call` waits in watches it, as far as is known.
bool is_watched_by(const Connection& connection, const OpenCall& call);

// Where a thread stood at one moment, without its CPU time. `generation` tells threads apart to
// which one slot and one number were given.
struct ThreadTime {
  std::int32_t tid = 0;
  std::uint32_t generation = 0;
  ThreadMoment moment{};
};

// A slot and its thread, and what is cheap to know of what it does. Of one that has ended (tid 0)
// the times are still there.
struct SlotLook {
  std::int32_t tid = 0;
  std::uint32_t generation = 0;
  std::uint32_t born = 0;                        // births.h
  std::uint64_t class_ticks[kCallClasses] = {};  // in finished calls, not handed on
  std::optional<OpenCall> call;                  // without its target's text
  // On hosts, names, children and files.
  std::uint64_t worked() const {
    return class_ticks[static_cast<std::size_t>(CallClass::kNetwork)] +
           class_ticks[static_cast<std::size_t>(CallClass::kDns)] +
           class_ticks[static_cast<std::size_t>(CallClass::kChild)] +
           class_ticks[static_cast<std::size_t>(CallClass::kFile)];
  }
};

struct CapturedFrame {
  CapturedFrame() = default;
  CapturedFrame(std::uint64_t returned)
      : address(returned) {}  // NOLINT(google-explicit-constructor)

  std::uint64_t address = 0;  // to which the call returns; 0: it is a function's
  std::shared_ptr<const SourceFunction> function;
  std::uint32_t line = 0;  // 0: unknown
  bool async = false;      // it awaits the frame before it
};

// Innermost first.
struct CapturedStack {
  std::uint32_t generation = 0;
  bool cut = false;  // it went on
  std::vector<CapturedFrame> frames;
};

// What was sampled of CPU time since the start (cpu_section.h).
struct CpuSamples {
  CpuState state{};
  std::uint32_t hz = 0;
  std::uint64_t interval_ns = 0;
  std::uint64_t samples = 0;
  std::uint64_t intervals = 0;
  std::uint64_t unplaced = 0;  // intervals
  std::uint32_t threads_refused = 0;
  std::vector<CpuSite> sites;  // by entry; those that were not handed out are all zero
};

// A thread that said where it was when it was asked, while the newest invocation ran.
struct AskedThread {
  std::int32_t tid = 0;
  std::uint32_t stack = 0;  // Reader::stack takes it
};

// A child process that the process started.
struct ChildRecord {
  std::int32_t pid = 0;                // -1: not known
  std::uint64_t started = 0;           // ticks
  std::uint64_t ended = 0;             // ticks; 0: nobody has waited for it yet
  std::optional<std::int32_t> status;  // as wait(2) gives it
  std::optional<std::uint64_t> cpu_ns;
  std::optional<std::uint64_t> max_rss_bytes;
  std::uint32_t arguments = 0;
  bool signalled = false;  // by the process itself
  std::string program;     // empty: a fork of the process
};

// Open descriptors of one kind that lead to one place.
struct HeldDescriptors {
  DescriptorKind kind{};
  std::string place;  // host, or directory; empty: none, or not known
  std::uint64_t count = 0;
};

// Ticks ↔ nanoseconds, through two (ticks, ns) pairs of one recording. Integer arithmetic only.
class ClockScale {
 public:
  ClockScale() = default;
  // Pairs that cannot be a clock (not increasing, zero) give the identity.
  ClockScale(Clock clock, ClockPair first, ClockPair newest);

  std::uint64_t duration_ns(std::uint64_t ticks) const;
  std::uint64_t ticks_at(std::uint64_t mono_ns) const;

 private:
  ClockPair first_{};
  std::uint64_t ticks_ = 1;
  std::uint64_t ns_ = 1;
};

enum class OpenError : std::uint8_t {
  kMissing,     // no such file
  kForeign,     // not a regular file, or somebody else's
  kUnfinished,  // the attach was not, or is not yet, complete
  kCorrupt,     // not a recording, or a header that contradicts itself
  kVersion,     // a recording of another version
};

struct Failure {
  OpenError error{};
  std::string text;  // one line, names the file
};

class Reader {
 public:
  // Opens without following a symbolic link. On failure: nothing, and `failure` says why.
  static std::optional<Reader> open(const std::string& path, Failure& failure);

  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }  // stays owned by the reader
  // As of open() or the last refresh(); every text in it ends with NUL.
  const Header& header() const { return *header_; }

  // Reads again what changes while the process runs. False when the file cannot be read any more.
  bool refresh();
  // As refresh(); in the same system call it copies what the report of an invocation's end asks
  // for, and until the next refresh all of that is taken from the copy. `sequence`: of the
  // invocation. The header is copied once more behind it all, so what it counts is at least as new
  // as the rest.
  bool refresh_ahead(std::uint64_t sequence);
  // What was read is such a copy.
  bool is_ahead() const;
  // The futex word, read afresh; nothing when the file was cut.
  std::optional<std::uint32_t> wake() const;
  // As it was before all else that was last read.
  std::uint32_t wake_before() const { return wake_before_; }

  // Entry `sequence`, or nothing when it was never written, was overwritten or makes no sense.
  std::optional<Invocation> invocation(std::uint64_t sequence);
  // Every entry that makes sense, by sequence.
  std::vector<Invocation> invocations();
  // The totals at the end of `sequence` (0: init); null when absent, overwritten or torn. From a
  // trail they can be had once, in the order in which they were written.
  std::unique_ptr<Totals> boundary(std::uint64_t sequence);
  // The sum over all slots and rows as they are; calls in flight count up to `now`, without idle.
  std::unique_ptr<Totals> live(std::uint64_t now_mono_ns);
  std::vector<OpenCall> open_calls();
  // Every host, directory and file that the recording names, until the next call.
  const std::vector<TargetName>& targets();
  // Every socket with a host, without those to the Runtime API.
  Connections connections();
  // Class times of an account's slot, up to `now`: for an invocation that never ended.
  std::optional<ThreadMoment> moment_of(const ThreadAccount& account, std::uint64_t now_mono_ns);
  // Every slot that was ever used, in their order. Cheap enough for the end of each invocation.
  std::vector<SlotLook> slots();
  // Class times of every thread that has a slot.
  std::vector<ThreadTime> threads(std::uint64_t now_mono_ns);

  // The runtime's word for the error of an invocation (0: of init), one line of printable text;
  // empty: none, or another's by now.
  std::string error_type(std::uint64_t sequence);
  // The children that are known, oldest first, texts made safe.
  std::vector<ChildRecord> children();
  // How many descriptors there are of which kind and where they lead: "localhost" → 250.
  std::vector<HeldDescriptors> held_descriptors();

  // Where the socket with that number leads, as OpenCall::target; empty: unknown.
  std::string descriptor_text(std::int32_t descriptor);
  // Every module that makes sense, and its texts made safe.
  std::vector<LoadedModule> modules();
  // The path of the module with that index + 1; empty for 0 and for what makes no sense.
  std::string module_path(std::uint32_t index_plus_one);
  // The stack with that index + 1; nothing for 0 and for what was not finished or makes no sense.
  std::optional<CapturedStack> stack(std::uint32_t index_plus_one);
  // Many of them, in the order asked for: neighbours are read in one go.
  std::vector<std::optional<CapturedStack>> stacks(
      const std::vector<std::uint32_t>& indices_plus_one);
  // Nothing where exact mode was not asked for, or the recording is cut before its part.
  std::optional<KernelPlaces> kernel_places() const;
  // What was sampled at each stack, by index; ends early where some cannot be read.
  void for_each_site(const std::function<void(const Site&)>& look);
  // Nothing where CPU time is not sampled.
  std::optional<CpuSamples> cpu_samples();
  // The stack of an entry; nothing for what was not finished or makes no sense.
  std::optional<CapturedStack> cpu_stack(const CpuSite& site);
  std::vector<AskedThread> asked_threads();
  // The longest waits of the newest invocation or of the one before (0: of init), in no order. What
  // lies outside of the invocation may be among them.
  std::vector<Wait> timeline(std::uint64_t sequence);

  // The newest pair is looked for at the first call after open() or refresh(), and then kept.
  ClockScale clock();

  // What had to be dropped so far, in words; at most kMaxDropped texts, then only counted.
  const std::vector<std::string>& dropped() const { return dropped_; }
  std::uint64_t dropped_count() const { return dropped_count_; }
  static constexpr std::size_t kMaxDropped = 16;

 private:
  Reader() = default;
  bool read_at(std::uint64_t offset, void* into, std::size_t bytes) const;
  // The same once more, to see whether it changed meanwhile.
  bool read_again(std::uint64_t offset, void* into, std::size_t bytes) const;
  bool read_now(std::uint64_t offset, void* into, std::size_t bytes) const;
  void want_boundary(std::uint64_t sequence);
  void want_tables();
  void take_header(const char* fresh);
  void take_ahead_clock(std::uint64_t boundary, std::uint64_t sequence);
  bool check_header(std::uint64_t file_bytes, Failure& failure);
  bool check_section(Section& section, const char* name, std::size_t stride,
                     std::uint64_t file_bytes, Failure& failure);
  void terminate_texts();
  void check_counts();
  void check_deaths();
  void drop(std::string text);
  std::uint32_t slots_used();
  std::uint32_t rows_used();
  std::uint32_t used_of(const char* name, std::uint32_t used, std::uint32_t count);
  ClockScale read_clock();
  // Some of FrameWord[], from `first` on; empty: they could not be read in one go.
  struct Window {
    std::uint32_t first = 0;
    std::vector<std::uint64_t> words;
  };
  bool lies_inside(std::uint64_t index, const Stack& stack);
  Window window_of(const std::vector<std::pair<std::uint64_t, Stack>>& wanted);
  std::optional<CapturedStack> captured(const Stack& stack, const Window& window);
  CapturedFrame captured_frame(std::uint64_t word);
  std::shared_ptr<const SourceFunction> function(std::uint32_t number);
  std::string function_text(std::uint32_t offset, std::uint32_t bytes);
  void add_slots(Totals& totals, std::vector<OpenCall>& open_calls);
  void add_open_call(const ThreadSlot& slot, std::uint32_t index,
                     std::vector<OpenCall>& open_calls);
  std::string target_of(const ThreadSlot& slot, Call call);
  std::optional<TargetName> target(std::uint32_t index);
  bool is_for_own_threads(Call call, std::int32_t descriptor) const;
  ThreadMoment moment_in(const ThreadSlot& slot, std::uint32_t index, std::uint64_t now,
                         const Connections& known, const std::vector<Invocation>& marks);
  std::string text_of(const Descriptor& entry, std::int32_t descriptor);
  void add_targets(Totals& totals);
  std::uint32_t targets_used(std::uint32_t kind);
  bool read_cpu_sites(std::size_t first, std::vector<CpuSite>& sites);
  bool read_hosts();
  bool read_names();
  void add_rows(Totals& totals);
  bool add_kernel_rows(std::uint64_t offset, std::uint64_t used, Totals& totals);
  void add_kernel(Totals& totals);
  void copy_kernel(std::uint64_t mark, std::uint64_t place, Totals& into);
  std::unique_ptr<Totals> kept_boundary(std::uint64_t sequence);
  std::unique_ptr<Totals> trail_boundary(std::uint64_t sequence);
  void read_trail(TrailReading& trail) const;
  void add_trail_entry(TrailReading& trail, std::uint64_t number, bool back);
  void begin_trail_at(TrailReading& trail, std::uint64_t begin);
  bool copy_boundary(std::uint64_t offset, std::uint64_t mark, Totals& into);
  bool copy_calls(std::uint64_t offset, std::uint32_t used, Totals& into);
  bool copy_targets(std::uint64_t offset, const std::uint32_t (&used)[kTargetKinds],
                    Totals& into) const;
  std::uint64_t idle_ticks(std::uint64_t from, std::uint64_t to,
                           const std::vector<Invocation>& marks) const;

  int descriptor_ = -1;
  std::string path_;
  std::unique_ptr<Header> header_;
  std::optional<ClockScale> clock_;
  std::unique_ptr<Ahead> ahead_;  // null until it is asked for
  mutable bool missed_ = false;   // something was not in it, and was read later
  ClockPair ahead_clock_{};       // the newest pair in such a copy
  std::uint32_t wake_before_ = 0;
  std::uint32_t calls_before_ = 0;  // of the boundary that was last read
  // What targets() gave last, hosts first; a file's and a directory's name never changes.
  std::vector<TargetName> names_;
  std::size_t hosts_named_ = 0;
  std::array<std::uint32_t, kTargetKinds> names_of_{};  // targets_used() then
  bool all_named_ = false;                              // none of them was incomplete
  bool hosts_are_new_ = false;                          // since the last refresh
  std::vector<std::string> dropped_;
  std::uint64_t dropped_count_ = 0;
  // Functions that were asked for, by index in Function[] + 1: an entry never changes.
  std::map<std::uint32_t, std::shared_ptr<const SourceFunction>> functions_;
  std::unique_ptr<TrailReading> trail_;  // null until it is asked for
};

// Now on the clocks that recordings use, in ns.
std::uint64_t monotonic_ns();
std::uint64_t realtime_ns();

}  // namespace lamprey::recording
