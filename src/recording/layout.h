// The recording: every byte of /tmp/lamprey/<pid>.rec. This header is the whole contract between
// the library inside somebody's process (the only writer, but for Trail::told_until) and the
// companion (a reader that trusts nothing). Only plain data lives here: no function that reads or
// writes a recording.
//
// The file, in order, every section starting on a page:
//
//   Header        identity of the process, clock calibration, life-cycle marks, counters of loss
//   Boundary[]    a ring of totals, one written at the end of init and of each invocation
//   ThreadSlot[]  slot 0 is shared by threads that got none (atomic adds); others have one writer
//   Invocation[]  a ring, entry (sequence % kInvocations), newest kInvocations kept
//   Descriptor[]  what the descriptor with that number is, and which target it leads to
//   Target[]      hosts, directories and files: names and counters (targets.h)
//   CallRow[]     rows 0 .. kCallCount-1 are shared (atomic adds), row = call; the others belong
//                 to one slot each and are handed out from the front, never given back
//   Module[]      what is, or was, loaded into the process: names for the addresses in stacks
//   Site[]        what was allocated at the stack with the same index
//   Stack[]       stacks of calls, each once, handed out from the front, never changed
//   FrameWord[], Function[], SourceFile[], Text
//                 the frames of stacks, and the program's own functions in them (functions.h)
//   Notes         words for errors, and child processes (notes.h)
//   Timeline      when the longest waits of an invocation were (timeline_section.h)
//   Kernel        of exact mode, and only there: the kernel's own calls (kernel_section.h)
//   CpuProfile    where CPU time is sampled, and only there: by function (cpu_section.h)
//   Trail         with LAMPREY_FLUSH=batch, and only there: the last 256 boundaries, in short
//                 (trail_section.h)
//
// Life of a file: created with its whole size by posix_fallocate semantics (so that a full disk is
// an error at attach and never a SIGBUS later), mode 0600, in a directory of mode 0700; mapped
// MAP_SHARED, so everything stored survives SIGKILL of the process; removed by the reader when
// reported.
//
// Units: bytes; "ticks" of Header::clock; "mono_ns" is CLOCK_MONOTONIC, "real_ns" CLOCK_REALTIME.
// A tick becomes nanoseconds through two (ticks, mono_ns) pairs: the pair at attach and the newest
// other pair in the file. Integers are little-endian; text is UTF-8, NUL-terminated, cut to fit.
//
// Concurrency: 64-bit fields are written with single relaxed stores (or atomic adds in shared
// slots), so a reader never sees half a number, but two fields may be from slightly different
// moments. A record whose presence means something (Invocation::state, Boundary::sequence_*) is
// stored last, with release order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "recording/call_totals.h"
#include "recording/calls.h"
#include "recording/clock_pair.h"
#include "recording/cpu_section.h"
#include "recording/death.h"
#include "recording/kernel_section.h"
#include "recording/notes.h"
#include "recording/stack_sections.h"
#include "recording/targets.h"
#include "recording/timeline_section.h"
#include "recording/trail_section.h"

namespace lamprey::recording {

inline constexpr std::uint64_t kMagic = 0x0A594552504D414CULL;  // "LAMPREY\n"
inline constexpr std::uint32_t kVersion = 15;
inline constexpr std::size_t kPageBytes = 4096;

inline constexpr std::uint32_t kInvocations = 128;
inline constexpr std::uint32_t kBoundaries = 4;
inline constexpr std::uint32_t kThreadSlots = 256;
inline constexpr std::uint32_t kCallRows = 1480;  // with all else in less than 3 MB

inline constexpr const char* kDirectory = "/tmp/lamprey";
inline constexpr const char* kSuffix = ".rec";

enum class Clock : std::uint32_t {
  kMonotonic = 0,  // ticks are CLOCK_MONOTONIC nanoseconds
  kTsc = 1,        // x86-64 time stamp counter, invariant
  kCntvct = 2,     // arm64 virtual counter
};

// Why the process is recorded.
enum class Role : std::uint32_t {
  kRuntime = 0,  // the Lambda runtime that the wrapper started
  kRun = 1,      // a program under `lamprey run`
  kChild = 2,    // a child process, LAMPREY_FOLLOW_CHILDREN=on, or a forked runtime worker
};

// Bits of Header::flags.
inline constexpr std::uint32_t kFlagUsableByHeader = 1;  // usable size read from glibc's chunk
inline constexpr std::uint32_t kFlagExited = 2;          // exit handlers ran: a normal end
inline constexpr std::uint32_t kFlagExec = 4;            // the process replaced itself by exec
inline constexpr std::uint32_t kFlagFollowChildren = 8;
inline constexpr std::uint32_t kFlagForeignAllocator = 16;  // malloc is not libc's own
inline constexpr std::uint32_t kFlagStacks = 32;            // stacks are recorded
inline constexpr std::uint32_t kFlagIoUring = 64;  // io_uring was set up: unseen operations
// Managed Instances: more work may be asked for before what is there has been answered.
inline constexpr std::uint32_t kFlagConcurrent = 128;
// malloc's module has no malloc_usable_size: live and freed bytes are not known, sites have
// requested bytes.
inline constexpr std::uint32_t kFlagNoUsableSize = 256;
// operator new, or mallocx, is the allocator's own and passes malloc by: its blocks are not
// counted.
inline constexpr std::uint32_t kFlagOwnOperatorNew = 512;
inline constexpr std::uint32_t kFlagMallocx = 1024;

struct Section {
  std::uint64_t offset;  // bytes from the start of the file
  std::uint32_t stride;  // bytes of one element
  std::uint32_t count;
};

// Memory counters of one slot, or their sum. "Usable" is what malloc_usable_size() says.
struct MemoryTotals {
  std::uint64_t allocations;      // calls that gave a new block, realloc(NULL, n) included
  std::uint64_t frees;            // of non-NULL, realloc(p, 0) that gave NULL included
  std::uint64_t reallocations;    // of an existing block, successful
  std::uint64_t allocated_bytes;  // requested: allocations, and the new size of reallocations
  std::uint64_t freed_bytes;      // usable: frees, and the old size of reallocations
  std::uint64_t failed;           // calls that returned NULL (or ENOMEM) for a size above zero
  std::int64_t live_bytes;        // usable; negative in a slot that frees what others allocated
};

// Memory that the program asks the kernel for without malloc, exact. Bytes are whole pages. Address
// space that may not be touched (PROT_NONE) does not count. What libc maps for itself (malloc's own
// heaps, thread stacks) does not pass through the functions that are counted here.
struct MappingTotals {
  std::uint64_t maps;             // mmap of anonymous memory, successful
  std::uint64_t mapped_bytes;     // of these, and what mremap added
  std::uint64_t unmaps;           // munmap of anything, successful
  std::uint64_t unmapped_bytes;   // of these, and what mremap took away
  std::uint64_t remaps;           // mremap, successful
  std::uint64_t failed;           // mmap, munmap and mremap that failed
  std::uint64_t discarded_bytes;  // madvise: MADV_DONTNEED, MADV_FREE
  std::int64_t break_bytes;       // by which brk and sbrk moved the end of the data segment
};

// Estimates by sampling, each unbiased by itself (docs/sampling.md).
inline constexpr std::uint64_t kBlockUnits = 256;
inline constexpr std::uint64_t kMaxSamples = 2048;  // of one invocation, before they get rarer
inline constexpr std::uint64_t kFixedBelow = 4096;  // a smaller Header::sample_bytes never grows

struct Site {
  std::uint64_t allocated_bytes;   // requested
  std::uint64_t allocated_blocks;  // calls that gave a new block, in 1/kBlockUnits
  std::uint64_t live_added;        // usable bytes of sampled blocks; live now: added - removed
  std::uint64_t live_removed;
  std::uint64_t samples;
  std::uint64_t churned_bytes;  // of live_removed: blocks freed in the invocation of their birth
  std::uint64_t peak_bytes;     // live here at the peak of Header::peak_round
  std::uint64_t flags;          // kSite*
};
inline constexpr std::uint64_t kSiteMapping = 1;  // Site::flags: mmap's bytes, not malloc's

// How calls failed: each pair of call and error number once, where there is room.
struct CallError {
  std::uint32_t key;  // (Call + 1) << 16 | error; 0: free. Never changes once it is set
  std::uint32_t reserved;
  std::uint64_t count;
};
inline constexpr std::uint32_t kCallErrors = 48;
// `error`: errno, or the error number that the function returned; getaddrinfo's are below 0.
constexpr std::uint32_t call_error_key(std::uint32_t call, std::int32_t error) {
  return ((call + 1) << 16U) | (static_cast<std::uint32_t>(error) & 0xFFFFU);
}

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): cache lines of their own, on purpose
struct Header {
  // -- written once at attach ------------------------------------------------------------------
  std::uint64_t magic;  // stored last at attach: a file without it was never finished
  std::uint32_t version;
  std::uint32_t header_bytes;  // sizeof(Header)
  std::uint64_t file_bytes;
  Section invocations;
  Section boundaries;
  Section slots;
  Section rows;
  Section descriptors;
  Section targets;
  Section modules;
  Section sites;
  Section stacks;
  Section frame_words;
  Section functions;
  Section source_files;
  Section function_text;
  Section notes;
  Section timeline;
  Section kernel;     // count 0: there is none
  Section cpu;        // count 0: there is none
  Section trail;      // count 0: there is none
  std::uint64_t ask;  // what a request for a thread's stack carries (asked.h); 0: nobody may
  ExactState exact;
  std::uint32_t call_count;
  std::uint32_t bucket_count;

  std::int32_t pid;
  std::int32_t parent_pid;
  // 0, or the pid of the wrapper whose child this is: it may be the runtime, or not.
  std::int32_t launched_by;
  std::uint32_t allocator;      // index + 1 in Module[] of what gives malloc; 0: libc, or not known
  std::uint64_t process_start;  // field 22 of /proc/<pid>/stat, clock ticks since boot; 0 unknown
  Role role;
  Clock clock;
  ClockPair attach_begin;  // first instruction of the constructor
  ClockPair attach_end;    // its last
  std::uint64_t attach_real_ns;
  std::uint64_t memory_limit_mb;  // AWS_LAMBDA_FUNCTION_MEMORY_SIZE, 0 unknown
  char environment[96];           // AWS_LAMBDA_RUNTIME_API as the wrapper saw it
  char runtime_api[96];           // AWS_LAMBDA_RUNTIME_API as the library saw it
  char executable[256];           // /proc/self/exe
  char function_name[80];
  char function_version[16];
  char handler[160];
  char log_group[256];
  char log_stream[256];
  char initialization_type[40];

  // -- written while running, by whichever thread reaches the moment ----------------------------
  // Futex word: +1 at the end of init and at every END, and nowhere else. Whoever adds to it also
  // wakes. So a reader that sees it change without being woken knows that futexes on this file do
  // not connect the two processes.
  alignas(64) std::uint32_t wake;
  std::uint32_t flags;              // kFlag*
  std::uint64_t started;            // invocations started so far = newest Invocation::sequence
  std::uint64_t ended;              // invocations ended so far
  ClockPair init_end;               // first GET .../invocation/next; 0 until then
  std::uint64_t task_opened;        // ticks: first file below LAMBDA_TASK_ROOT opened; 0 none
  Import importing;                 // the package whose code init reads, or read last
  ClockPair restored;               // GET .../restore/next answered (SnapStart); 0 if never
  std::uint64_t activity;           // whether anything runs; see is_idle()
  std::uint64_t idle_since;         // ticks: since when nothing runs; void while something does
  std::uint64_t boundary_sequence;  // newest boundary written, +1 (0 none)
  std::uint32_t waits_taken[kWaitBanks];  // places of Timeline::banks asked for since START

  alignas(64) std::int64_t live_published;  // sum of ThreadSlot::published
  std::int64_t peak_live;                   // highest published level since the last START

  alignas(64) std::uint32_t slots_used;  // slots ever handed out, slot 0 included
  std::uint32_t rows_used;               // rows ever handed out, the shared ones included
  std::uint64_t threads_without_slot;
  std::uint64_t rows_refused;       // (slot, call) pairs counted in shared rows for want of a row
  std::uint64_t traffic_dropped;    // Runtime API bytes not understood or not followed
  std::uint64_t boundaries_missed;  // totals not written: another thread was writing
  std::uint64_t targets_refused;    // hosts, directories and files that found no room in the table
  std::uint32_t targets_used[kTargetKinds];  // handed out, by TargetKind

  // -- written at the very end ------------------------------------------------------------------
  alignas(64) Death deaths[2];  // an exit, and a signal (which may come while exit handlers run)
  alignas(64) std::uint32_t modules_used;  // modules ever handed out
  std::uint32_t stacks_used;               // stacks ever handed out
  std::uint32_t generation;        // +1 when a module takes the place of another; see Module::born
  std::uint32_t modules_refused;   // found when the table was full
  std::uint64_t stacks_refused;    // not kept, for want of room
  std::uint32_t frame_words_used;  // handed out
  std::uint32_t functions_used;
  std::uint32_t source_files_used;
  std::uint32_t function_text_used;  // bytes
  // The main thread's newest stack since START that holds a function of the program; 0: none. Kept
  // in Node alone.
  std::uint32_t last_program_stack;
  std::uint64_t functions_refused;   // frames whose function found no room
  FrameReader frame_readers[8];      // by Language
  std::uint64_t sample_bytes;        // mean distance of two samples as asked for; 0: none are taken
  std::uint64_t sample_now;          // as it is now: doubled when there are too many samples
  std::uint64_t samples;             // taken so far
  std::uint64_t samples_unplaced;    // sampled blocks whose free cannot be followed: table full
  std::uint64_t samples_this_round;  // since the last START
  Site no_stack;                     // samples whose stack found no room

  alignas(64) MappingTotals mappings;
  std::uint64_t mappings_unfollowed;  // sampled ones whose end, or a piece's, is not followed
  // The peak of what samples say is live: Site::peak_bytes are copied when it has risen by 1/16.
  std::int64_t sampled_live;  // sum of live_added - live_removed of all sites
  std::int64_t peak_sampled;  // when last copied; at START what is live then
  std::uint64_t peak_round;   // Header::started + 1 when last copied; 0: never

  alignas(64) CallError call_errors[kCallErrors];

  std::uint32_t children_started;  // entries of Notes::children ever handed out
  std::uint64_t children_cpu_ns;   // of all that were waited for, when one last was
  std::uint64_t children_max_rss;  // bytes, of the largest of them
};

// One request, from START (the 200 that hands it to the runtime) to END (the next request for
// work).
enum class InvocationState : std::uint32_t {
  kEmpty = 0,
  kStarted = 1,
  kResponded = 2,  // POST .../response or .../error was begun
  kEnded = 3,
  kEnding = 4,  // its END is being written by one thread
};

inline constexpr std::uint32_t kInvocationError = 1;  // flags: it was POST .../error
// flags: its connection asked for more before it was answered, so which thread handles it is
// unknown (AWS's Node.js client on Managed Instances: requests come in on threads of the pool).
inline constexpr std::uint32_t kInvocationHandedOn = 2;

// Where one thread stood at one moment. Class times are those of all calls counted in its slot, the
// call in flight included, idle time (no invocation ran) left out.
struct ThreadMoment {
  std::uint64_t cpu_ns;  // CLOCK_THREAD_CPUTIME_ID; 0: not to be had
  std::uint64_t class_ticks[kCallClasses];
};

// A thread that may have handled the request, at START and at END.
struct ThreadAccount {
  std::int32_t tid;    // 0: none
  std::uint32_t slot;  // whose class times these are
  ThreadMoment started;
  ThreadMoment ended;  // all zero until END
};

// Two candidates: the thread that received the request, and the process's first thread (Node asks
// for work on a pool thread and handles it on its first).
inline constexpr std::uint32_t kAccounts = 2;

struct Invocation {
  std::uint64_t sequence;  // 1, 2, ... in this process
  InvocationState state;
  std::uint32_t flags;
  std::uint32_t slot;  // ThreadSlot that received the request (0 if it had none)
  std::int32_t tid;
  std::uint64_t deadline_ms;  // UNIX time, ms; 0 absent
  ClockPair started;
  std::uint64_t started_real_ns;
  ClockPair responded;
  ClockPair ended;
  std::int64_t live_at_start;  // bytes, usable
  char request_id[64];
  char trace_id[128];
  char function_arn[224];
  std::uint64_t response_bytes;   // of the answer's body, as far as it was sent
  std::uint32_t response_status;  // what the Runtime API said of it; 0: nothing yet
  std::uint32_t reserved;
  ThreadAccount accounts[kAccounts];
};

// What the kernel says of the process (getrusage(2), RUSAGE_SELF), since its start.
struct ResourceUse {
  std::uint64_t cpu_user_ns;
  std::uint64_t cpu_system_ns;
  std::uint64_t max_rss_bytes;
  std::uint64_t minor_faults;
  std::uint64_t major_faults;
  std::uint64_t voluntary_switches;
  std::uint64_t involuntary_switches;
};

// One call's totals in a boundary.
struct BoundaryCall {
  std::uint32_t call;
  std::uint32_t reserved;
  CallTotals totals;
};

// Totals of the whole process at the end of init (sequence 0) or of invocation `sequence`.
// Valid when sequence_begin == sequence_end == sequence + 1.
struct Boundary {
  std::uint64_t sequence_begin;
  std::uint64_t sequence_end;  // 0 while it is being written
  ClockPair at;
  MemoryTotals memory;
  MappingTotals mappings;
  std::int64_t peak_live_bytes;              // highest since the START before
  ResourceUse use;                           // all zero: not to be had
  std::uint32_t targets_used[kTargetKinds];  // how many of `targets` are written, by kind
  std::uint32_t calls_used;                  // how many of `calls`; some thirty as a rule
  BoundaryCall calls[kCallCount];            // in the order in which they were first made
  TargetTotals targets[kTargets];
};

// The call a thread has entered and not yet left.
struct InFlight {
  std::uint32_t call;           // Call + 1; 0: none
  std::int32_t descriptor;      // first argument where it is one; of a lock: its holder; else -1
  std::uint64_t started;        // ticks
  std::uint64_t stack_pointer;  // of the hook: stale once the thread's stack pointer is above it
  // Of calls of the classes Lock and Child: address or pid; of waits on an epoll: timer_subject().
  std::uint64_t subject;
  std::uint32_t stack;  // where it was called from: index in Stack[] + 1; 0: not taken
  // Of the thread, not of the call: where it was when somebody last asked (asked_word()); 0: never.
  std::uint32_t asked;
};

// By when a loop wants to be woken, in ms from the beginning of its wait; 0: by no time.
constexpr std::uint64_t timer_subject(int timeout_ms) {
  return timeout_ms < 0 ? 0 : static_cast<std::uint64_t>(timeout_ms) + 1;
}

// What threads do for each other, by CallClass: waits for what is outside of the process, and
// sleep.
inline constexpr std::uint32_t kWorkClasses = 5;
inline constexpr std::uint32_t kOutsideClasses = 4;
inline constexpr CallClass kWork[kWorkClasses] = {
    CallClass::kFile, CallClass::kNetwork, CallClass::kDns, CallClass::kChild, CallClass::kSleep};

// A thread that has ended long waits of another on libc's conditions and semaphores.
struct Waker {
  std::int32_t tid;
  std::uint32_t times;  // 0: nobody
};
inline constexpr std::uint32_t kWakers = 4;

enum class SlotState : std::uint32_t { kFree = 0, kInUse = 1 };

struct alignas(64) ThreadSlot {
  SlotState state;
  std::int32_t tid;
  std::uint32_t generation;  // +1 each time a thread takes the slot
  std::uint32_t reserved;
  InFlight in_flight;
  MemoryTotals memory;
  std::int64_t published;  // part of memory.live_bytes already in Header::live_published
  std::int64_t peak;       // highest memory.live_bytes since it was last published
  // The next sample is due when memory.allocated_bytes + memory.allocations reach this.
  std::uint64_t next_sample;
  std::uint64_t sample_mean;  // with which next_sample was drawn; 0: not yet
  std::uint64_t random;
  std::uint16_t row_of[kCallCount];         // row of a call; 0: none yet; kNoRow: refused
  char resolving[64];                       // what getaddrinfo was last asked for by this thread
  std::uint64_t class_ticks[kCallClasses];  // time in finished calls, by what it was spent on
  std::uint64_t woke_ticks[kWorkClasses];   // class_ticks when it last woke another thread
  // Of class_ticks: waits that another thread ended, and that count as what that one had waited
  // for. Who looks for those who waited themselves takes these away.
  std::uint64_t handed_on_ticks[kOutsideClasses];
  // The architecture's: pthread_self() is that, or (arm64) lies at most a control block below it.
  std::uint64_t thread_pointer;
  Waker wakers[kWakers];  // who ended long waits of this thread, the most frequent among them
};

inline constexpr std::uint16_t kNoRow = 0xFFFF;

struct alignas(64) CallRow {
  std::uint16_t call;  // unused in shared rows: there it is the row's own number
  std::uint16_t slot;
  std::uint32_t reserved;
  CallTotals totals;
};

// Where the sections lie. The writer uses these; the reader uses what the header says and checks.
constexpr std::size_t page_up(std::size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}
inline constexpr std::size_t kBoundariesOffset = page_up(sizeof(Header));
inline constexpr std::size_t kSlotsOffset =
    page_up(kBoundariesOffset + (sizeof(Boundary) * kBoundaries));
inline constexpr std::size_t kInvocationsOffset =
    page_up(kSlotsOffset + (sizeof(ThreadSlot) * kThreadSlots));
inline constexpr std::size_t kDescriptorsOffset =
    page_up(kInvocationsOffset + (sizeof(Invocation) * kInvocations));
inline constexpr std::size_t kTargetsOffset =
    page_up(kDescriptorsOffset + (sizeof(Descriptor) * kDescriptors));
inline constexpr std::size_t kRowsOffset = page_up(kTargetsOffset + (sizeof(Target) * kTargets));
inline constexpr std::size_t kModulesOffset = page_up(kRowsOffset + (sizeof(CallRow) * kCallRows));
inline constexpr std::size_t kSitesOffset = page_up(kModulesOffset + (sizeof(Module) * kModules));
inline constexpr std::size_t kStacksOffset = page_up(kSitesOffset + (sizeof(Site) * kStacks));
inline constexpr std::size_t kFrameWordsOffset = page_up(kStacksOffset + (sizeof(Stack) * kStacks));
inline constexpr std::size_t kFunctionsOffset =
    page_up(kFrameWordsOffset + (sizeof(std::uint64_t) * kFrameWords));
inline constexpr std::size_t kSourceFilesOffset =
    page_up(kFunctionsOffset + (sizeof(Function) * kFunctions));
inline constexpr std::size_t kFunctionTextOffset =
    page_up(kSourceFilesOffset + (sizeof(SourceFile) * kSourceFiles));
inline constexpr std::size_t kNotesOffset = page_up(kFunctionTextOffset + kFunctionText);
inline constexpr std::size_t kTimelineOffset = page_up(kNotesOffset + sizeof(Notes));
inline constexpr std::size_t kFileBytes = page_up(kTimelineOffset + sizeof(Timeline));
inline constexpr std::size_t kKernelOffset = kFileBytes;  // what follows there: extras.h

// Header::activity: how many invocations run, and above that the number of the newest interval in
// which none did (the first begins at the end of init); 0 while init runs. It is one word so that
// the last END and a concurrent START agree on which of them came first.
inline constexpr std::uint64_t kIdleInterval = 1U << 16U;
constexpr std::uint64_t running_in(std::uint64_t activity) { return activity % kIdleInterval; }
constexpr std::uint64_t idle_interval_of(std::uint64_t activity) {
  return activity / kIdleInterval;
}
constexpr bool is_idle(std::uint64_t activity) {
  return activity != 0 && running_in(activity) == 0;
}

// Whether more than one invocation may run in the process at a time.
constexpr bool is_concurrent(const Header& header) { return (header.flags & kFlagConcurrent) != 0; }

static_assert(sizeof(Invocation) == 528 + (kAccounts * sizeof(ThreadAccount)));
static_assert(sizeof(Notes) <= kPageBytes);
static_assert(kCallRows < kNoRow && kThreadSlots < 0xFFFF);
static_assert(bucket_of(bucket_floor(kBuckets - 1)) == kBuckets - 1);
static_assert(kKernelBoundaries == kBoundaries);
static_assert(sizeof(Header) <= kPageBytes);
static_assert(sizeof(Site) == 64);
static_assert(kFileBytes < std::size_t{3} << 20, "the budget for what is added to RSS is 4 MB");

}  // namespace lamprey::recording
