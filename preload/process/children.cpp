// Notes about child processes; see the header.
#include "preload/process/children.h"

#include <sys/resource.h>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/process/thread.h"

namespace lamprey::preload {
inline namespace process {

namespace {

using recording::Child;
using recording::store;

constexpr std::uint64_t kKilobyte = 1024;

std::uint64_t nanoseconds(const timeval& time) {
  return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U) +
         (static_cast<std::uint64_t>(time.tv_usec) * 1000U);
}

// Without the program's name. Read through the kernel: exec has not looked at it yet.
std::uint32_t count_arguments(char* const* arguments) {
  constexpr std::uint32_t kMax = 64;
  std::uintptr_t pointers[kMax] = {};
  const std::size_t got = page_probe::copy_from_caller(pointers, arguments, sizeof(pointers));
  std::uint32_t count = 0;
  while (count < got / sizeof(pointers[0]) && pointers[count] != 0) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;
}

// As it was asked for where it fits, else its last part.
void copy_program(Child& child, const char* program) {
  char path[256];
  if (!page_probe::copy_text(path, program)) {
    return;
  }
  const std::size_t length = length_of(path);
  const char* from = path;
  for (std::size_t i = 0; length >= sizeof(child.program) && i < length; ++i) {
    from = path[i] == '/' ? path + i + 1 : from;
  }
  copy_text(child.program, from);
}

// What this child used: of all that were waited for, what came on top since.
void take_usage(Child& child) {
  rusage all = {};
  if (raw_syscall(SYS_getrusage, RUSAGE_CHILDREN, pointer_argument(&all)) != 0) {
    return;
  }
  recording::Header& header = g_writer.header();
  const std::uint64_t now = nanoseconds(all.ru_utime) + nanoseconds(all.ru_stime);
  const std::uint64_t before = __atomic_exchange_n(&header.children_cpu_ns, now, __ATOMIC_RELAXED);
  child.cpu_ns = now > before ? now - before : 0;
  const std::uint64_t largest = static_cast<std::uint64_t>(all.ru_maxrss) * kKilobyte;
  if (largest > recording::load(header.children_max_rss)) {
    store(header.children_max_rss, largest);
    child.max_rss_bytes = largest;
    child.flags |= recording::kChildUsageOwn;
  }
}

}  // namespace

namespace children {

void started(std::int32_t pid, const char* program, char* const* arguments) {
  if (pid <= 0) {
    return;
  }
  // execvp and its like try one directory after the other.
  Child* child = g_writer.find_child(pid);
  if (child == nullptr) {
    child = &g_writer.new_child(pid, ticks());
  }
  if (program != nullptr) {
    copy_program(*child, program);
    store(child->arguments, count_arguments(arguments));
  }
}

void ended(std::int32_t pid, const int* status, const rusage* usage) {
  const std::uint64_t now = ticks();
  Child* child = g_writer.find_child(pid);
  if (child == nullptr) {
    child = &g_writer.new_child(pid, 0);  // by a way that is not hooked, or before attach
  }
  if (status != nullptr) {
    child->status = *status;
    child->flags |= recording::kChildStatusKnown;
  }
  if (usage != nullptr) {
    child->cpu_ns = nanoseconds(usage->ru_utime) + nanoseconds(usage->ru_stime);
    child->max_rss_bytes = static_cast<std::uint64_t>(usage->ru_maxrss) * kKilobyte;
    child->flags |= recording::kChildUsageOwn;
  } else {
    take_usage(*child);
  }
  recording::publish(child->ended, now);
}

void shell_ran(std::uint64_t began, int status) {
  Child& child = g_writer.new_child(-1, began);
  copy_text(child.program, "sh");
  child.arguments = 2;  // -c, and the command
  child.status = status;
  child.flags |= recording::kChildStatusKnown;
  take_usage(child);
  recording::publish(child.ended, ticks());
}

void signalled(std::int32_t pid) {
  Child* child = g_writer.find_child(pid < 0 ? -pid : pid);
  if (child != nullptr) {
    __atomic_fetch_or(&child->flags, recording::kChildSignalled, __ATOMIC_RELAXED);
  }
}

}  // namespace children

}  // namespace process
}  // namespace lamprey::preload
