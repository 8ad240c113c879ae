// What is said about one init, invocation, shutdown or run: plain values, ready to be printed by
// any sink. No reading of recordings and no formatting lives here.
//
// Units: ns for durations, bytes, counts. A figure that could not be obtained is absent, never 0.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "recording/calls.h"
#include "recording/source_function.h"
#include "recording/timeline_section.h"
#include "report/model/allocation_profile.h"
#include "report/model/frame.h"
#include "report/model/time_figures.h"

namespace lamprey::report {

struct SummaryFigures;

enum class Type : std::uint8_t { kInit, kInvoke, kShutdown, kRun, kSummary };
enum class Status : std::uint8_t { kOk, kError, kTimeout, kOutOfMemory, kCrash, kExit };
enum class Severity : std::uint8_t { kInfo, kWarning, kCritical };

const char* name_of(Type type);
const char* name_of(Status status);
const char* name_of(Severity severity);

struct Finding {
  std::string_view code;  // this, the advice and the evidence's names are literals
  Severity severity = Severity::kInfo;
  std::string text;
  std::string_view advice;
  std::vector<std::pair<std::string_view, std::int64_t>> evidence{};
  Stack site{};        // the call site it is about; its names are added to the text (stack_names.h)
  bool after = false;  // it waited after that, not in it
  std::string_view site_note{};  // what is said of the site behind its names
  bool told = false;             // a line not long ago had it in full (finding_dedup.h)
  std::uint64_t count = 0;       // of a summary: how many invocations had it

  void add_evidence(std::string_view name, std::int64_t value);
};

// What one call site (a whole stack) allocated. Sampled: estimates, each unbiased by itself.
struct MemorySite {
  std::int64_t live_bytes = 0;
  std::int64_t live_delta_bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t allocations = 0;
  std::uint64_t churn_bytes = 0;           // allocated and freed again in this span
  std::optional<std::int64_t> peak_bytes;  // live here when most was live everywhere
  bool mapping = false;                    // by mmap, not malloc; the stack begins with "mmap"
  std::uint32_t stack_id = 0;              // of the recording; 0: none, or `stack` is there
  Stack stack;
  std::string stack_text;  // "function (module:line or +offset)", innermost first, joined by "; "
};

struct MemoryFigures {
  std::uint64_t allocations = 0;
  std::uint64_t frees = 0;
  std::uint64_t reallocations = 0;
  std::uint64_t allocated_bytes = 0;
  std::optional<std::uint64_t> freed_bytes = 0;  // this, live bytes: absent if sizes are unknown
  std::uint64_t failed = 0;
  std::optional<std::int64_t> live_bytes = 0;
  std::optional<std::int64_t> live_delta_bytes = 0;
  std::optional<std::int64_t> peak_live_bytes;
  std::optional<std::int64_t> retained_bytes;  // held by malloc and not live, at least
  // Resident bytes, if the address space was read (address_space.h).
  std::optional<std::uint64_t> mapped_bytes;  // anonymous, outside malloc's heaps and the stacks
  std::optional<std::uint64_t> arenas;        // glibc's, the main one included
  std::optional<std::uint64_t> thread_stacks_bytes;
  std::optional<std::uint64_t> file_mapped_bytes;
  std::uint64_t maps = 0;           // mmap of anonymous memory that may be touched
  std::uint64_t map_bytes = 0;      // asked for by them; in whole pages, whether touched or not
  std::uint64_t unmap_bytes = 0;    // given back by munmap, whatever was there
  std::uint64_t discard_bytes = 0;  // given back by madvise, and mapped still
  std::vector<MemorySite> sites;    // most live first
  // All sites, counted anew each time it is asked: only for a line that will be printed whole.
  // Becomes `profile` when stacks are named.
  std::shared_ptr<const std::function<ProfiledSites()>> profiled;
  std::optional<AllocationProfile> profile;
};

// Where CPU time was spent: what samples stand for, by stack.
struct CpuSite {
  std::uint64_t cpu_ns = 0;
  bool awake = false;  // spent in waiting without sleeping
  Stack stack;
  std::string stack_text;
};
struct CpuFigures {
  std::uint32_t hz = 0;  // samples a second of CPU time
  std::uint64_t samples = 0;
  std::uint64_t total_ns = 0;     // that all samples stand for
  std::uint64_t unplaced_ns = 0;  // of these, without a stack
  std::vector<CpuSite> sites;     // the top few, most first
};

struct CallFigures {
  recording::Call call{};
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t total_ns = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p99_ns = 0;
  std::optional<std::uint64_t> max_ns;
  // How many failed with which error number, most first; empty unless known for all of them.
  std::vector<std::pair<std::int32_t, std::uint64_t>> by_error{};
};

// What exact mode counted between libc and the kernel, by total time, longest first.
struct KernelCall {
  const char* name = "";
  CallFigures figures;  // without `call` and `by_error`
};
struct KernelFigures {
  std::uint64_t places = 0;  // in libc's code, at which calls are counted
  std::uint64_t total = 0;
  std::uint64_t errors = 0;
  std::uint64_t time_ns = 0;
  std::vector<KernelCall> by_time;
};

// All calls by total time, longest first; the totals are of all of them.
struct CallsFigures {
  std::uint64_t total = 0;
  std::uint64_t errors = 0;
  std::uint64_t time_ns = 0;
  std::vector<CallFigures> by_time;
};

// What a call that waits for connections had to expect from them.
enum class Awaited : std::uint8_t {
  kUnknown,
  kAnswer,      // a host was sent something and has not answered, or a connect is under way
  kFirstBytes,  // the connection never carried a byte
  kMore,        // a read, although all that was asked had been answered, at least in part
  kNothing,     // an event loop, all of whose connections are idle
  kOwnThread,   // a pipe whose other end is the process's own
};

// A call that a thread was in when the end came; or, in the timeline, one that it waited in.
struct Blocked {
  std::int32_t tid = 0;
  recording::Call call{};
  std::optional<std::uint64_t> for_ns;  // absent when nobody saw the end
  std::string target;                   // host and port, or host name; empty: unknown
  bool on_cpu = false;                  // in no call: computing, for_ns of CPU time
  bool handler = false;                 // the thread that took the request
  bool main = false;                    // the process's first thread
  bool held_up = false;                 // the handler: it waits for the first thread in the list
  std::uint8_t sure_percent = 0;        // of that first thread: how sure it is that it is the one
  Awaited awaited = Awaited::kUnknown;
  bool in_handshake = false;                   // of TLS: the target has not finished it
  std::optional<std::uint64_t> unanswered_ns;  // since the target was asked, in this span
  std::optional<std::uint64_t> worked_ns;      // in calls on others, or running or ready to, lately
  // Of a loop that waits for nobody else that is known: after how long a timer wakes it at the
  // latest.
  std::optional<std::uint64_t> timer_ns;
  std::int32_t holder = 0;               // thread that holds the mutex, or is joined; 0: unknown
  std::vector<std::int32_t> woken_by{};  // threads that ended long waits of this one before
  std::uint32_t stack_id = 0;            // of the recording; 0: none
  Stack stack;                           // where the call was entered
  bool after = false;  // of an event loop: what the program did last before it waited
  std::string stack_text;
  // Of the timeline only.
  std::uint64_t at_ns = 0;  // since the span's start
  recording::CallClass spent_on{};
  recording::WaitPhase phase{};
  bool open = false;                  // it had not ended
  std::uint32_t target_plus_one = 0;  // of the recording; 0: none
};

inline constexpr std::size_t kMaxTimeline = 48;       // waits that a line shows at most
inline constexpr std::size_t kMaxTimelineOfAny = 16;  // of one that is full for no other reason
                                                      // than LAMPREY_DETAIL

// What `call` of the record says.
const char* call_name(const Blocked& blocked);

// A child process that ran at some time in the span.
struct ChildFigures {
  std::int32_t pid = 0;                      // -1: not known
  std::string program;                       // empty: a fork of the process
  std::uint32_t arguments = 0;               // the program's name not counted
  bool running = false;                      // at the end of the span
  bool forgotten = false;                    // it has ended, and nobody has waited for it
  bool earlier = false;                      // it was started before the span
  bool signalled = false;                    // the process itself sent it a signal
  std::optional<std::uint64_t> duration_ns;  // until its end was noticed, or the span's end
  std::optional<std::int64_t> exit_code;
  std::string signal;  // that ended it: "SIGKILL"
  std::optional<std::uint64_t> cpu_ns;
  std::optional<std::uint64_t> max_rss_bytes;
};

// What the environment refused in the span, and who holds what there is little of.
struct LimitFigures {
  std::uint64_t descriptors = 0;    // EMFILE, ENFILE
  std::uint64_t threads = 0;        // EAGAIN of pthread_create, fork, posix_spawn
  std::uint64_t space = 0;          // ENOSPC
  std::uint64_t shared_memory = 0;  // sem_open and shm_open that the system cannot do
  struct Held {
    std::string what;  // "connections to db.internal", "files in /var/task", "pipes"
    std::uint64_t count = 0;
  };
  std::vector<Held> held;  // descriptors, when they run out; most first
};

// Why and how a process, or what ran in it, ended.
struct EndDescription {
  std::string reason;  // in words; empty: it did not end, or not abnormally
  std::string signal;  // "SIGSEGV"
  std::optional<std::int64_t> exit_code;
  std::optional<std::uint64_t> address;  // that a fault accessed
  std::optional<std::int32_t> tid;       // the thread that it happened in
  std::uint32_t stack_id = 0;            // of the recording; 0: none
  std::uint64_t pc = 0;                  // of a fault: the frames above it are a signal handler's
  Stack stack;
  std::string stack_text;
  bool stack_overflow = false;
};

// What the system says about the process, in its recording or in /proc. Each figure may be absent.
struct ProcessFigures {
  std::optional<std::uint64_t> rss_bytes;
  std::optional<std::uint64_t> peak_rss_bytes;
  std::optional<std::uint64_t> rss_anonymous_bytes;
  std::optional<std::uint64_t> all_peak_rss_bytes;  // with child processes; absent: none seen
  std::optional<std::uint64_t> cpu_user_ns;
  std::optional<std::uint64_t> cpu_system_ns;
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> fd_use;
  std::optional<std::uint64_t> fd_max;
  std::optional<std::uint64_t> tmp_used;
  std::optional<std::uint64_t> tmp_max;
  std::optional<std::uint64_t> rx_bytes;
  std::optional<std::uint64_t> tx_bytes;
};

struct Coverage {
  const char* mode = "api";         // api: divided by Runtime API traffic; process: a whole run
  std::vector<std::string> unseen;  // what could not be seen, and why
  std::uint64_t threads_without_slot = 0;
  std::uint64_t rows_refused = 0;
  std::uint64_t traffic_dropped = 0;
  std::uint64_t boundaries_missed = 0;
  std::uint64_t invocations_lost = 0;
  std::uint64_t targets_refused = 0;
  std::uint64_t stacks_refused = 0;
  std::uint64_t modules_refused = 0;
  std::uint64_t functions_refused = 0;         // frames whose function has no name for want of room
  std::uint64_t samples_unplaced = 0;          // sampled blocks whose free was not followed
  std::uint64_t mappings_unfollowed = 0;       // sampled mappings whose end was not
  std::optional<std::uint64_t> sampled_bytes;  // mean distance of two sampled allocations

  void add_unseen(const char* text);
};

// What Lambda itself said about an earlier invocation: its report comes only after ours.
struct PlatformFigures {
  std::string request_id;
  std::optional<std::uint64_t> billed_ms;
  std::optional<std::uint64_t> max_memory_mb;
  std::optional<std::uint64_t> init_ns;
  std::optional<std::uint64_t> restore_ns;
};

// The cost and the state of Lamprey itself.
struct SelfFigures {
  std::optional<std::uint64_t> flush_ns;  // of the line before this one
  std::optional<std::uint64_t> attach_ns;
  std::optional<std::uint64_t> companion_rss_bytes;
  std::optional<std::uint64_t> recording_bytes;
  std::uint64_t dropped = 0;  // parts of recordings that made no sense
};

struct Report {
  Type type = Type::kInvoke;
  Status status = Status::kOk;
  bool late = false;     // printed late: after a reset, or past the deadline margin
  std::int32_t pid = 0;  // of the recorded process; 0 unknown
  std::string request_id;
  std::string program;                    // base name of the process's executable
  std::string runtime_library;            // directory of the library that came with it; or empty
  std::optional<std::int32_t> child_pid;  // of a child process that was followed
  std::optional<std::int32_t> parent_pid;
  std::string function_name;
  std::string function_version;
  std::string trace_id;
  std::optional<bool> cold_start;
  std::optional<std::uint64_t> invocation;
  std::optional<std::uint64_t> started_real_ns;
  std::optional<std::uint64_t> started_mono_ns;  // CLOCK_MONOTONIC; of invocations
  std::optional<std::uint64_t> duration_ns;
  std::optional<std::uint64_t> response_ns;
  std::string error_type;  // the runtime's own word for the error that it reported
  std::optional<std::uint64_t> response_bytes;
  std::optional<std::uint32_t> response_status;  // what the Runtime API said of the answer
  std::optional<std::uint64_t> init_ns;
  std::optional<std::uint64_t> files_opened;      // during init
  std::optional<std::uint64_t> runtime_start_ns;  // of init: until the function's own code began
  std::optional<std::uint64_t> import_ns;         // of init: from there
  std::optional<std::uint64_t> init_file_ns;      // of init: in calls on files, in all threads
  std::string headline;
  std::vector<Finding> findings;
  std::optional<MemoryFigures> memory;
  std::optional<CallsFigures> calls;
  std::optional<CpuFigures> cpu;        // where it is sampled
  std::optional<KernelFigures> kernel;  // of exact mode
  std::optional<WallFigures> wall;
  TargetFigures targets;
  std::optional<std::uint64_t> memory_limit_mb;
  ProcessFigures process;
  std::vector<Blocked> blocked;
  bool slowest = false;           // slower than each of the hundred before
  std::vector<Blocked> timeline;  // in the order of their start, for_ns known
  // When a host last sent something, from the start of a span that did not end; who.
  std::optional<std::uint64_t> last_answer_ns;
  std::string last_answer_from;
  std::vector<ChildFigures> children;  // in the order of their start
  bool memory_kill = false;            // the kernel counted a kill for want of memory in this span
  LimitFigures limits;
  EndDescription death;  // abnormal ends: why, as far as known
  std::optional<PlatformFigures> platform;
  std::shared_ptr<const SummaryFigures> summary;  // of type summary; else null
  Coverage coverage;
  SelfFigures self;
};

}  // namespace lamprey::report
