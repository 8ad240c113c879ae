// The library's life in a process: attach (the constructor), fork, exit. The order inside attach
// matters and is commented; whatever fails, the process goes on without us and one line on stderr
// says why.
#include <sys/mman.h>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/cpu/cpu.h"
#include "preload/ending/death.h"
#include "preload/exact/exact.h"
#include "preload/hooks/allocation.h"
#include "preload/hooks/allocator.h"
#include "preload/hooks/deadly_signals.h"
#include "preload/io/files.h"
#include "preload/io/recent_directory.h"
#include "preload/lambda/boundaries.h"
#include "preload/lambda/runtime_api.h"
#include "preload/libc/environment.h"
#include "preload/libc/real.h"
#include "preload/memory/live_set.h"
#include "preload/memory/mappings.h"
#include "preload/memory/sampler.h"
#include "preload/process/compatibility.h"
#include "preload/process/file.h"
#include "preload/process/launched.h"
#include "preload/process/role.h"
#include "preload/process/thread.h"
#include "preload/stack/modules.h"
#include "preload/stack/stacks.h"
#include "recording/place.h"

// glibc only, and not declared in a header; weak, so that a musl program still loads us (and finds
// us inert). pthread_atfork itself would be libpthread's before glibc 2.34.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" __attribute__((weak)) int __register_atfork(void (*)(), void (*)(), void (*)(), void*);

namespace lamprey::preload {
namespace {

recording::Role g_role = recording::Role::kRuntime;
bool g_follow_children = false;
bool g_concurrent = false;
std::uint32_t g_allocator = 0;   // judge_allocator's answer
std::uint32_t g_cpu_hz = 0;      // samples a second of CPU time; 0: none
std::int32_t g_launched_by = 0;  // Decision::launched_by
// It is the one of _LAMPREY_TARGET, not one of those that a function-wide LD_PRELOAD or another
// wrapper lets attach.
bool g_started_by_name = false;

void complain(const FileResult& failure) {
  char line[160 + recording::kMaxDirectoryBytes];
  char number[24];
  write_number(number, static_cast<std::uint64_t>(failure.error));
  std::size_t n = copy_text(line, "lamprey: not recording: ");
  n += copy_text(line + n, sizeof(line) - n, failure.doing);
  n += copy_text(line + n, sizeof(line) - n, recording_directory());
  n += copy_text(line + n, sizeof(line) - n, " failed with errno ");
  n += copy_text(line + n, sizeof(line) - n, number);
  n += copy_text(line + n, sizeof(line) - n, "\n");
  raw_syscall(SYS_write, 2, pointer_argument(line), static_cast<long>(n));
}

void fill_identity(recording::Header& h, int pid, unsigned long start, const char* executable,
                   recording::ClockPair begin) {
  h.pid = pid;
  h.parent_pid = static_cast<std::int32_t>(raw_syscall(SYS_getppid));
  h.launched_by = g_launched_by;
  h.process_start = start;
  h.role = g_role;
  h.clock = g_clock;
  h.attach_begin = begin;
  h.attach_real_ns = read_clock(CLOCK_REALTIME);
  copy_text(h.executable, executable);
  const char* memory = environment_value("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
  h.memory_limit_mb = memory != nullptr ? to_number(memory) : 0;
  const char* api = environment_value("AWS_LAMBDA_RUNTIME_API");
  const char* environment = environment_value(kEnvironmentVariable);
  copy_text(h.runtime_api, api);
  copy_text(h.environment, environment != nullptr ? environment : api);
  copy_text(h.function_name, environment_value("AWS_LAMBDA_FUNCTION_NAME"));
  copy_text(h.function_version, environment_value("AWS_LAMBDA_FUNCTION_VERSION"));
  copy_text(h.handler, environment_value("_HANDLER"));
  copy_text(h.log_group, environment_value("AWS_LAMBDA_LOG_GROUP_NAME"));
  copy_text(h.log_stream, environment_value("AWS_LAMBDA_LOG_STREAM_NAME"));
  copy_text(h.initialization_type, environment_value("AWS_LAMBDA_INITIALIZATION_TYPE"));
  h.flags |= g_allocator;
  h.flags |= g_follow_children ? recording::kFlagFollowChildren : 0;
  h.flags |= g_concurrent ? recording::kFlagConcurrent : 0;
}

// What was allocated before attach belongs to the process's totals.
void adopt_early() {
  hooks::g_early.open = false;
  recording::ThreadSlot* slot = register_thread();
  if (slot == nullptr) {
    return;
  }
  recording::own_add(slot->memory.allocations, hooks::g_early.allocations);
  recording::own_add(slot->memory.frees, hooks::g_early.frees);
  recording::own_add(slot->memory.reallocations, hooks::g_early.reallocations);
  recording::own_add(slot->memory.failed, hooks::g_early.failed);
  recording::own_add(slot->memory.allocated_bytes, hooks::g_early.allocated_bytes);
  recording::own_add(slot->memory.freed_bytes, hooks::g_early.freed_bytes);
  recording::own_add(slot->memory.live_bytes, hooks::g_early.live_bytes);
  recording::store(slot->peak, hooks::g_early.peak);
}

// From here on hooks record. The page of the flag is one that fork empties in the child.
void open_recording(recording::Header& header) {
  header.attach_end = clock_pair();
  __atomic_store_n(&header.magic, recording::kMagic, __ATOMIC_RELEASE);
  __atomic_store_n(&g_wiped.recording, std::uint8_t{1}, __ATOMIC_RELEASE);
  g_wiped.sizes_by_header = (g_allocator & recording::kFlagUsableByHeader) != 0 ? UINTPTR_MAX : 0;
}

recording::ExactState exact_mode() {
  return compatibility::is_off("exact") ? recording::ExactState::kListed : exact::possible();
}

// A forked child's own recording. `parent` is still mapped: what is loaded is known from there.
void record_child(const std::byte* parent, const recording::Header& before,
                  std::int64_t inherited) {
  const recording::ClockPair begin = clock_pair();
  const int pid = static_cast<int>(raw_syscall(SYS_getpid));
  const unsigned long start = process_start_time();
  const bool exact = before.exact == recording::ExactState::kOn;  // the child has the changed code
  const recording::Extras extras = {exact, before.cpu.count != 0, before.trail.count != 0};
  const FileResult file = create_recording_file(pid, start, extras);
  if (file.base == nullptr) {
    return;  // the child runs without a recording; the parent's says that children are followed
  }
  g_role = recording::Role::kChild;
  g_writer.bind(file.base, extras);
  recording::Header& header = g_writer.header();
  header.exact = before.exact;
  if (exact) {
    const auto& kernel =
        *reinterpret_cast<const recording::Kernel*>(parent + recording::kKernelOffset);
    g_writer.kernel()->places = kernel.places;
    g_writer.kernel()->places_left = kernel.places_left;
  }
  fill_identity(header, pid, start, before.executable, begin);
  copy_text(header.environment, before.environment);
  g_writer.inherit_live(inherited);
  stack::attach_child(before, parent + recording::kModulesOffset);
  header.allocator = before.allocator;
  memory::live_set::forget_all();
  memory::mappings::forget_all();
  io::recent_directory::forget_all();
  header.sample_bytes = before.sample_bytes;
  header.sample_now = before.sample_bytes;
  open_recording(header);
  cpu::attach_child(g_cpu_hz);
}

// In a forked child, before the program goes on. Async-signal-safe: raw system calls and stores.
void after_fork_in_child() {
  std::byte* parent = g_writer.bound() ? reinterpret_cast<std::byte*>(&g_writer.header()) : nullptr;
  if (parent == nullptr) {
    return;
  }
  g_wiped = {};  // already so where the kernel wipes the page
  forget_thread();
  lambda::runtime_api::forget_all();
  const std::int64_t inherited = g_writer.live_bytes();
  const recording::Header before = g_writer.header();
  g_writer.unbind();
  if (g_follow_children) {
    record_child(parent, before, inherited);
  }
  raw_syscall(SYS_munmap, pointer_argument(parent), static_cast<long>(before.file_bytes));
}

void __attribute__((constructor(101))) attach() {
  choose_clock();
  const recording::ClockPair begin = clock_pair();
  resolve_real_functions();
  char executable[256];
  const long n =
      raw_syscall(SYS_readlinkat, -100 /* AT_FDCWD */, pointer_argument("/proc/self/exe"),
                  pointer_argument(executable), sizeof(executable) - 1);
  executable[n > 0 ? n : 0] = '\0';
  const int pid = static_cast<int>(raw_syscall(SYS_getpid));
  launched::attach();
  const Decision decision = decide_role(executable, pid);
  if (!decision.record) {
    hooks::g_early.open = false;
    return;
  }
  g_role = decision.role;
  g_follow_children = decision.follow_children;
  g_concurrent = decision.concurrent;
  g_launched_by = decision.launched_by;
  g_started_by_name = environment_value(kTargetVariable) != nullptr && g_launched_by == 0;
  compatibility::attach();
  const recording::ExactState exact_state = exact::wanted(environment_value("LAMPREY_EXACT"))
                                                ? exact_mode()
                                                : recording::ExactState::kOff;
  const bool exact = exact_state == recording::ExactState::kOn;
  const unsigned long start = process_start_time();
  use_directory(environment_value(recording::kDirectoryVariable));
  g_cpu_hz = cpu::wanted_hz(environment_value("LAMPREY_CPU"));
  const bool batch =
      g_role == recording::Role::kRuntime &&
      lambda::boundaries::are_reported_in_batches(environment_value("LAMPREY_FLUSH"));
  const recording::Extras extras = {exact, g_cpu_hz != 0, batch};
  const FileResult file = create_recording_file(pid, start, extras);
  if (file.base == nullptr) {
    hooks::g_early.open = false;
    leave_environment();
    complain(file);
    return;
  }
  g_allocator = hooks::judge_allocator();
  prepare_thread_exit();
  g_writer.bind(file.base, extras);
  recording::Header& header = g_writer.header();
  fill_identity(header, pid, start, executable, begin);
  header.exact = exact_state;
  io::working_directory_changed();
  io::task_root_is(environment_value("LAMBDA_TASK_ROOT"));
  adopt_early();
  if (__register_atfork != nullptr) {
    __register_atfork(nullptr, nullptr, after_fork_in_child, nullptr);
  }
  raw_syscall(SYS_madvise, pointer_argument(&g_wiped), sizeof(g_wiped), MADV_WIPEONFORK);
  // Only a child that is followed may inherit the preload; what the runtime may be is told to those
  // alone that may be it.
  g_follow_children ? leave_command() : leave_environment();
  ending::attach();
  stack::attach(__builtin_return_address(0));
  memory::mappings::attach();
  if (g_real.foreign_malloc) {
    header.allocator = stack::modules::number_of(reinterpret_cast<std::uintptr_t>(g_real.malloc));
  }
  // A bad value is reported by the companion, or by `lamprey run`.
  memory::sampler::attach(environment_value("LAMPREY_SAMPLE_BYTES"));
  if (exact) {
    header.exact = exact::install(*g_writer.kernel());
  }
  open_recording(header);
  hooks::watch_deadly_signals();
  cpu::attach(g_cpu_hz, hooks::is_go_program());
}

void __attribute__((destructor(101))) detach() {
  if (!recording_here()) {
    return;
  }
  recording::Header& header = g_writer.header();
  __atomic_fetch_or(&header.flags, recording::kFlagExited, __ATOMIC_RELAXED);
  // With LD_PRELOAD set for a whole function, every helper program that it starts attaches, and
  // with another wrapper some of those that this one starts: those that never spoke to the Runtime
  // API leave nothing behind.
  if (!g_started_by_name && g_role == recording::Role::kRuntime &&
      !lambda::runtime_api::was_spoken_to()) {
    remove_recording_file(header);
  }
}

}  // namespace
}  // namespace lamprey::preload
