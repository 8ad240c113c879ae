// Packages that init imports; see the header.
#include "preload/hooks/imports.h"

#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/io/paths.h"
#include "preload/process/thread.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::hooks::imports {
namespace {

using recording::load;

// 1: somebody is at it. Who comes meanwhile, another thread or a signal handler, is left out.
std::uint32_t g_busy;

// By how the name ends: what CPython, Node.js and Ruby read as code, and what Node.js reads before
// the first file of a package. Java's and .NET's code comes in archives that stay open.
bool is_code(const char* path) {
  static constexpr const char* kEndings[] = {".py", ".pyc", ".js", ".mjs", ".cjs", ".node", ".rb"};
  const char* name = path;
  const char* ending = nullptr;
  for (; *path != '\0'; ++path) {
    ending = *path == '.' ? path : *path == '/' ? nullptr : ending;
    name = *path == '/' ? path + 1 : name;
  }
  if (ending == nullptr) {
    return false;
  }
  for (const char* known : kEndings) {
    if (equal(ending, known)) {
      return true;
    }
  }
  return equal(name, "package.json");
}

// The function's own code, a layer's, or a package. The runtime's own library is none of these:
// what is read of it is read for whoever imports it. `path` is absolute; a directory where there is
// no room for its files.
bool is_of_function(const char* path) {
  return io::paths::is_root(path) || io::paths::is_below_root(path) ||
         io::paths::is_in_packages(path) || starts_with(path, "/opt/") ||
         starts_with(path, "/var/runtime/");
}

// The entry of the directory that stands for the package; 0: there is none.
std::uint32_t package_of(std::uint32_t target_plus_one) {
  const bool is_file = target_plus_one > recording::kTargetFirst[2];
  return is_file ? g_writer.target_at(target_plus_one - 1).directory : target_plus_one;
}

}  // namespace

void opened(const char* path, const io::Spent& spent) {
  recording::Header& header = g_writer.header();
  const std::uint32_t target = spent.awaited;
  if (header.role != recording::Role::kRuntime || load(header.task_opened) == 0 || target == 0 ||
      target > recording::kTargets || !is_code(path)) {
    return;
  }
  const std::uint32_t package = package_of(target);
  if (package == 0 || !is_of_function(g_writer.target_at(target - 1).name) ||
      !recording::exchange_if(g_busy, 0, 1)) {
    return;
  }
  const bool is_new = load(header.importing.package) != package;
  g_writer.note_import(
      {spent.begin, spent.end, package, current_tid(), is_new ? stack::capture() : 0},
      // May be wrong by half: readers leave out what was shorter.
      ticks_for(recording::kLeastImportNs) / 2);
  recording::publish(g_busy, 0);
}

}  // namespace lamprey::preload::hooks::imports
