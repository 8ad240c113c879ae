// Files and directories: which path an open, or a question about a path, counts for. See files.h.
#include "preload/io/files.h"

#include <cerrno>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/io/awaited.h"
#include "preload/io/paths.h"
#include "preload/io/recent_directory.h"

namespace lamprey::preload::io {
namespace {

using recording::shared_add;
using recording::Target;
using recording::TargetKind;
using recording::Writer;

// As of the last chdir; empty: unknown. Written by the thread that changes it: another may see it
// torn for a moment.
char g_directory[paths::kBytes];

// The moment at which the function's own code began to be read.
void note_task(const paths::Path& path, std::uint64_t now) {
  recording::Header& header = g_writer.header();
  if (recording::load(header.task_opened) == 0 && paths::is_below_root(path.text)) {
    recording::store(header.task_opened, now);
  }
}

// What a relative path at `at` starts from.
const char* base_of(int at) {
  if (at == kHere) {
    return g_directory[0] != '\0' ? g_directory : nullptr;
  }
  if (kind_of(at) != DescriptorKind::kFile) {
    return nullptr;
  }
  const recording::Descriptor& entry = g_writer.descriptor(at);
  const std::uint32_t index = (entry.target - 1U) % recording::kTargets;
  // A directory of the table stands for all below it, so only a file's own entry is a path.
  const bool own = entry.target != 0 && index >= recording::kTargetFirst[2];
  return own ? g_writer.target_at(index).name : nullptr;
}

recent_directory::Origin origin_of(int at, const char* path) {
  if (*path == '/') {
    return {recent_directory::kRoot, 0};
  }
  if (at == kHere) {
    return {recent_directory::kWorkingDirectory, 0};
  }
  if (kind_of(at) != DescriptorKind::kFile) {
    return {recent_directory::kNowhere, 0};
  }
  return {at, recording::load(g_writer.descriptor(at).generation)};
}

std::uint32_t new_target(TargetKind kind, std::uint64_t hash, const char* text, std::size_t bytes,
                         std::uint32_t directory) {
  const std::uint32_t index = g_writer.take_target(kind, hash);
  if (index != Writer::kNoTarget) {
    Target& target = g_writer.target_at(index);
    copy_text(target.name, bytes + 1 < sizeof(target.name) ? bytes + 1 : sizeof(target.name), text);
    target.directory =
        static_cast<std::uint16_t>(directory != Writer::kNoTarget ? directory + 1 : 0);
    g_writer.show_target(index);
  }
  return index;
}

std::uint32_t directory_of(const paths::Path& path) {
  const std::uint32_t index = g_writer.find_target(TargetKind::kDirectory, path.directory_hash);
  return index != Writer::kNoTarget
             ? index
             : new_target(TargetKind::kDirectory, path.directory_hash, path.text,
                          path.directory_bytes, Writer::kNoTarget);
}

bool room_for_file() {
  return g_writer.init_ended() ||
         g_writer.targets_used(TargetKind::kFile) < recording::kFilesOfInit;
}

// The file itself, or the directory that stands for it.
std::uint32_t file_or_directory(const paths::Path& path) {
  std::uint32_t index = g_writer.find_target(TargetKind::kFile, path.hash);
  if (index != Writer::kNoTarget) {
    return index;
  }
  const std::uint32_t directory = directory_of(path);
  if (room_for_file()) {
    index = new_target(TargetKind::kFile, path.hash, path.text, path.bytes, directory);
  }
  return index != Writer::kNoTarget ? index : directory;
}

bool is_missing(const Spent& spent) {
  return spent.failed && (errno == ENOENT || errno == ENOTDIR);
}

// The path of a call that is over. After a success it is there, for it was read. A call that failed
// may have refused something else before it came to the path, and of one that is too long it has
// read PATH_MAX bytes: memory may end there. Such a path is known by its beginning, in `cut`.
const char* readable_path(const char* path, const Spent& spent, char (&cut)[paths::kBytes]) {
  constexpr std::size_t kPathMax = 4096;
  if (!spent.failed || path == nullptr) [[likely]] {
    return path;
  }
  if (errno == EFAULT) {
    return nullptr;
  }
  const std::size_t length = page_probe::text_length(path, kPathMax);
  if (length == kPathMax) {
    page_probe::copy_text(cut, path);
    return cut;
  }
  return length != page_probe::kUnreadable ? path : nullptr;
}

}  // namespace

void opened(int fd, int at, const char* path, const Spent& spent) {
  paths::Path named;
  char cut[paths::kBytes];
  path = readable_path(path, spent, cut);
  if (path == nullptr || !paths::make(named, base_of(at), path) || in_vfork_child()) {
    return;
  }
  const bool missing = is_missing(spent);
  const std::uint32_t index = missing ? directory_of(named) : file_or_directory(named);
  if (index == Writer::kNoTarget) {
    shared_add(g_writer.header().targets_refused, 1);
    return;
  }
  spent.awaited = index + 1;
  recording::TargetTotals& totals = g_writer.target_at(index).totals;
  shared_add(totals.ticks, spent.ticks);
  if (missing) {
    shared_add(totals.not_found, 1);
  } else if (spent.failed) {
    shared_add(totals.errors, 1);
  } else {
    shared_add(totals.starts, 1);
    note_task(named, spent.begin);
    if (has_entry(fd)) {
      give_meaning(fd, DescriptorKind::kFile, static_cast<std::uint16_t>(index + 1), 0);
    }
  }
}

void probed(int at, const char* path, const Spent& spent) {
  char cut[paths::kBytes];
  path = readable_path(path, spent, cut);
  if (path == nullptr) {
    return;
  }
  recent_directory::Question question;
  const bool plain = recent_directory::ask(origin_of(at, path), path, question);
  std::uint32_t index = plain ? recent_directory::recall(question) : recent_directory::kUnknown;
  if (index == recent_directory::kUnknown) {
    paths::Path named;
    if (!paths::make(named, base_of(at), path)) {
      return;
    }
    index = directory_of(named);
    if (index == Writer::kNoTarget) {
      shared_add(g_writer.header().targets_refused, 1);
      return;
    }
    if (plain) {
      recent_directory::keep(question, index);
    }
  }
  recording::Target& directory = g_writer.target_at(index);
  recording::TargetTotals& totals = directory.totals;
  spent.awaited = index + 1;
  const bool own = owns(directory);
  add(own, directory.owned.ticks, totals.ticks, spent.ticks);
  add(own, directory.owned.probes, totals.probes, 1);
  if (is_missing(spent)) {
    shared_add(totals.not_found, 1);
  } else if (is_error(spent)) {
    shared_add(totals.errors, 1);
  }
}

void task_root_is(const char* path) {
  paths::Path named;
  if (paths::make(named, nullptr, path)) {
    paths::root_is(named);
  }
}

void working_directory_changed() {
  char now[paths::kBytes] = {};
  const long got = raw_syscall(SYS_getcwd, pointer_argument(now), static_cast<long>(sizeof(now)));
  // getcwd(2): what is outside the root begins with "(unreachable)".
  copy_text(g_directory, got > 0 && now[0] == '/' ? now : "");
  recent_directory::forget_all();
}

}  // namespace lamprey::preload::io
