// Creation of the recording's file, by raw system calls: nothing here is counted as the program's,
// and libc's errno stays as it was. See file.h.
#include "preload/process/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "recording/layout.h"
#include "recording/place.h"
#include "recording/written.h"

namespace lamprey::preload {
inline namespace process {
namespace {

char g_directory[recording::kMaxDirectoryBytes] = "/tmp/lamprey";

long open_at(int directory, const char* name, int flags, int mode = 0) {
  return raw_syscall(SYS_openat, directory, pointer_argument(name), flags | O_CLOEXEC, mode);
}

void close_raw(long fd) { raw_syscall(SYS_close, fd); }

void recording_name(char (&name)[48], int pid) {
  const std::size_t n = write_number(name, static_cast<std::uint64_t>(pid));
  copy_text(name + n, sizeof(name) - n, recording::kSuffix);
}

// A descriptor of the directory, ours and private; or -errno.
long open_directory() {
  const long made = raw_syscall(SYS_mkdirat, AT_FDCWD, pointer_argument(g_directory), 0700);
  if (made < 0 && made != -EEXIST) {
    return made;
  }
  const long fd = open_at(AT_FDCWD, g_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) {
    return fd;  // ELOOP or ENOTDIR: somebody put a symlink or a file there
  }
  struct stat status = {};
  long error = raw_syscall(SYS_fstat, fd, pointer_argument(&status));
  if (error == 0 && status.st_uid != static_cast<uid_t>(raw_syscall(SYS_geteuid))) {
    error = -EPERM;
  }
  if (error == 0 && (status.st_mode & 077) != 0) {
    error = raw_syscall(SYS_fchmod, fd, 0700);
  }
  if (error != 0) {
    close_raw(fd);
    return error;
  }
  return fd;
}

// A file of our name is already there: ours from before an exec, or another process's whose pid
// came round again. The second is kept for the companion under a name that cannot collide.
void make_room(int directory, const char* name, unsigned long process_start) {
  const long fd = open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);  // even a FIFO
  if (fd < 0) {
    return;
  }
  recording::Header old = {};
  const long got = raw_syscall(SYS_pread64, fd, pointer_argument(&old), sizeof(old), 0);
  close_raw(fd);
  const bool readable = got == static_cast<long>(sizeof(old)) && old.magic == recording::kMagic;
  if (!readable || old.process_start == process_start) {
    raw_syscall(SYS_unlinkat, directory, pointer_argument(name), 0);
    return;
  }
  char kept[80];
  std::size_t n = copy_text(kept, name);
  n -= length_of(recording::kSuffix);
  kept[n++] = '-';
  n += write_number(kept + n, old.process_start);
  copy_text(kept + n, sizeof(kept) - n, recording::kSuffix);
  raw_syscall(SYS_renameat2, directory, pointer_argument(name), directory, pointer_argument(kept),
              0);
}

// Writes zeros over a span in few large calls. 0 or -errno.
long write_zeros(long fd, recording::Span span) {
  static constexpr char kZeros[65536] = {};
  const std::size_t end = span.offset + span.bytes;
  for (std::size_t at = span.offset; at < end;) {
    const std::size_t left = end - at;
    const std::size_t size = left < sizeof(kZeros) ? left : sizeof(kZeros);
    const long wrote = raw_syscall(SYS_pwrite64, fd, pointer_argument(kZeros),
                                   static_cast<long>(size), static_cast<long>(at));
    if (wrote <= 0) {
      return wrote < 0 ? wrote : -ENOSPC;
    }
    at += static_cast<std::size_t>(wrote);
  }
  return 0;
}

// The whole size on the disk now, so that a full disk is an error here and never a SIGBUS at a
// store later (memray #117).
long allocate(long fd, recording::Extras extras) {
  const std::size_t bytes = recording::file_bytes(extras);
  // Beyond RLIMIT_FSIZE the kernel does not only refuse, it sends SIGXFSZ, whose default is death
  // (setrlimit(2)): so the limit is asked first.
  rlimit limit = {};
  if (raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, pointer_argument(&limit)) == 0 &&
      limit.rlim_cur < bytes) {
    return -EFBIG;
  }
  long error = raw_syscall(SYS_fallocate, fd, 0, 0, static_cast<long>(bytes));
  if (error == -EOPNOTSUPP || error == -ENOSYS) {
    return write_zeros(fd, {0, bytes});
  }
  for (const recording::Span& span : recording::kWritten) {
    error = error == 0 ? write_zeros(fd, span) : error;
  }
  if (extras.exact) {
    for (const recording::Span& span : recording::kKernelWritten) {
      error = error == 0 ? write_zeros(fd, span) : error;
    }
  }
  return error;
}

FileResult map(int directory, const char* name, recording::Extras extras) {
  const long fd = open_at(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return {nullptr, -fd, "creating a file in "};
  }
  long error = raw_syscall(SYS_fchmod, fd, 0600);  // whatever the umask
  error = error == 0 ? allocate(fd, extras) : error;
  if (error != 0) {
    close_raw(fd);
    raw_syscall(SYS_unlinkat, directory, pointer_argument(name), 0);
    return {nullptr, -error, "reserving space in "};
  }
  const std::size_t bytes = recording::file_bytes(extras);
  const long mapped =
      raw_syscall(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close_raw(fd);  // no descriptor is held: the program may close all it finds
  if (raw_failed(mapped)) {
    raw_syscall(SYS_unlinkat, directory, pointer_argument(name), 0);
    return {nullptr, -mapped, "mapping a file in "};
  }
  // Without this the first store to a page that was not written yet reads in, and clears, up to
  // 128 KB around it (filemap_fault's read-around), in the middle of somebody's call.
  raw_syscall(SYS_madvise, mapped, static_cast<long>(bytes), MADV_RANDOM);
  return {reinterpret_cast<std::byte*>(mapped), 0, ""};
}

}  // namespace

void use_directory(const char* path) {
  if (path != nullptr && *path == '/' && length_of(path) < sizeof(g_directory)) {
    copy_text(g_directory, path);
  }
}

const char* recording_directory() { return g_directory; }

FileResult create_recording_file(int pid, unsigned long process_start, recording::Extras extras) {
  const long directory = open_directory();
  if (directory < 0) {
    return {nullptr, -directory, "opening "};
  }
  char name[48];
  recording_name(name, pid);
  make_room(static_cast<int>(directory), name, process_start);
  const FileResult result = map(static_cast<int>(directory), name, extras);
  close_raw(directory);
  return result;
}

unsigned long process_start_time() {
  char text[1024];
  const long fd = open_at(AT_FDCWD, "/proc/self/stat", O_RDONLY);
  if (fd < 0) {
    return 0;
  }
  const long got = raw_syscall(SYS_read, fd, pointer_argument(text), sizeof(text) - 1);
  close_raw(fd);
  if (got <= 0) {
    return 0;
  }
  text[got] = '\0';
  // proc(5): field 2 is the program's name in parentheses and may hold anything, ')' included.
  const char* at = text;
  for (const char* c = text; *c != '\0'; ++c) {
    at = *c == ')' ? c + 1 : at;
  }
  for (int field = 3; *at != '\0'; ++at) {
    if (*at == ' ' && field++ == 22) {
      return to_number(at + 1);
    }
  }
  return 0;
}

void touch_recording_file(int pid) {
  char path[recording::kMaxDirectoryBytes + 48];
  std::size_t n = copy_text(path, sizeof(path), g_directory);
  path[n++] = '/';
  n += write_number(path + n, static_cast<std::uint64_t>(pid));
  copy_text(path + n, sizeof(path) - n, recording::kSuffix);
  raw_syscall(SYS_utimensat, AT_FDCWD, pointer_argument(path), 0, AT_SYMLINK_NOFOLLOW);
}

void remove_recording_file(const recording::Header& ours) {
  const long directory = open_at(AT_FDCWD, g_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (directory < 0) {
    return;
  }
  char name[48];
  recording_name(name, ours.pid);
  const long fd = open_at(static_cast<int>(directory), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  recording::Header there = {};
  const bool readable = fd >= 0 && raw_syscall(SYS_pread64, fd, pointer_argument(&there),
                                               sizeof(there), 0) == sizeof(there);
  // A process of another pid namespace may have our pid and write to the same /tmp.
  if (readable && there.magic == ours.magic && there.process_start == ours.process_start &&
      there.attach_real_ns == ours.attach_real_ns) {
    raw_syscall(SYS_unlinkat, directory, pointer_argument(name), 0);
  }
  if (fd >= 0) {
    close_raw(fd);
  }
  close_raw(directory);
}

}  // namespace process
}  // namespace lamprey::preload
