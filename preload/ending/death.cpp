// Writing a Death record; see the header.
#include "preload/ending/death.h"

#include <dlfcn.h>
#include <fcntl.h>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"
#include "preload/stack/handled_fault.h"
#include "preload/stack/stacks.h"

// Weak, not looked up: dlsym leaves a text behind for a name that is not there (a C program), which
// the program would seem to allocate and to free. A C++ runtime that is loaded later is not found:
// then an uncaught exception has no type in the record.
// NOLINTNEXTLINE(readability-identifier-naming): the ABI's name
extern "C" __attribute__((weak)) const void* __cxa_current_exception_type();

namespace lamprey::preload::ending {
namespace {

using recording::Death;
using recording::DeathKind;
using recording::DeathState;

// glibc's own, GLIBC_PRIVATE since 2.4 (assert/assert.c, sysdeps/posix/libc_fatal.c); gdb and
// apport read it the same way.
struct AbortMessage {
  unsigned size;
  char text[1];
};
AbortMessage** g_abort_message = nullptr;

// libstdc++ and libc++abi: std::type_info* of the exception being handled. The second word of a
// type_info is the mangled name (Itanium C++ ABI 2.9.5).
struct TypeInfo {
  const void* table;
  const char* name;
};

std::uint64_t hexadecimal(const char*& at) {
  std::uint64_t value = 0;
  for (;; ++at) {
    const char c = *at;
    if (c >= '0' && c <= '9') {
      value = (value << 4U) | static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = (value << 4U) | static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return value;
    }
  }
}

// "55d0-55e0 r-xp 00001000 08:01 123   /usr/bin/x": whether `pc` lies in it; fills the record.
bool place_in_line(Death& record, const char* line, std::uint64_t& base, char* base_path) {
  const char* at = line;
  const std::uint64_t low = hexadecimal(at);
  ++at;
  const std::uint64_t high = hexadecimal(at);
  at += 6;  // " r-xp "
  const std::uint64_t file_offset = hexadecimal(at);
  const char* path = at;
  while (*path != '\0' && *path != '/' && *path != '[') {
    ++path;
  }
  if (file_offset == 0 && *path == '/') {  // the first mapping of a file: where it was loaded
    base = low;
    copy_text(base_path, sizeof(record.module), path);
  }
  if (record.pc < low || record.pc >= high) {
    return false;
  }
  copy_text(record.module, path);
  record.offset =
      equal(record.module, base_path) ? record.pc - base : file_offset + record.pc - low;
  return true;
}

// Which file the address lies in, from /proc/self/maps, read in pieces: a crash may have left
// little room on this stack.
void place(Death& record) {
  const long fd =
      raw_syscall(SYS_openat, AT_FDCWD, pointer_argument("/proc/self/maps"), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return;
  }
  char line[320];
  char piece[1024] = {};
  char base_path[sizeof(record.module)] = {};
  std::uint64_t base = 0;
  std::size_t length = 0;
  bool found = false;
  while (!found) {
    const long got = raw_syscall(SYS_read, fd, pointer_argument(piece), sizeof(piece));
    if (got <= 0) {
      break;
    }
    for (long i = 0; i < got && !found; ++i) {
      if (piece[i] != '\n') {
        line[length] = piece[i];
        length += length + 1 < sizeof(line) ? 1 : 0;
        continue;
      }
      line[length] = '\0';
      length = 0;
      found = place_in_line(record, line, base, base_path);
    }
  }
  raw_syscall(SYS_close, fd);
}

// An exit or a signal that kills is the last word; a call of abort() or raise() is not, for a
// handler of the program's may go on from it.
bool may_have_survived(const Death& record) {
  return record.kind == DeathKind::kAbort || record.kind == DeathKind::kSent;
}

bool claim(Death& record) {
  const bool mine =
      recording::exchange_if(record.state, DeathState::kNone, DeathState::kWriting) ||
      (may_have_survived(record) &&
       recording::exchange_if(record.state, DeathState::kWritten, DeathState::kWriting));
  recording::changes_follow();
  return mine;
}

// Whether the signal follows from a call that was reported already: that record has the caller.
bool completes(const SelfReport& account, const Death& record, std::int32_t tid) {
  return account.kind == DeathKind::kSignal && may_have_survived(record) && record.tid == tid &&
         record.signal == account.signal;
}

bool is_exit(DeathKind kind) {
  return kind == DeathKind::kExit || kind == DeathKind::kQuickExit ||
         kind == DeathKind::kImmediateExit;
}

// on_exit(3): only its handlers are told what main returned.
void on_exit_status(int status, void*) {
  if (is_ours()) {
    write({DeathKind::kExit, status, 0, 0, 0, 0, 0, 0, nullptr}, false);
  }
}

// Machine frames first: what the language's frames are read from may be what is ruined.
void take_stack(Death& record, const void* context) {
  record.stack = context != nullptr ? stack::capture_interrupted(context) : 0;
  record.stack = record.stack != 0 ? record.stack : stack::capture();
  const std::uint32_t merged =
      context != nullptr ? stack::capture_interrupted_with_languages(context) : 0;
  record.stack = merged != 0 ? merged : record.stack;
}

void note_first_fault(Death& record) {
  stack::HandledFault fault;
  if (!stack::find_handled_fault(fault, record.signal)) {
    return;
  }
  record.address = fault.address;
  record.pc = fault.pc;
  record.stack_pointer = fault.sp;
  place(record);
  record.first_code = fault.code;
  recording::publish(record.first_signal, fault.signal);
}

template <class Function>
void find(Function& into, const char* name) {
  into = reinterpret_cast<Function>(::dlsym(RTLD_DEFAULT, name));
}

}  // namespace

bool is_ours() { return recording_here() && raw_syscall(SYS_getpid) == g_writer.header().pid; }

void write(const SelfReport& account, bool with_stack) {
  Death& record =
      g_writer.header()
          .deaths[is_exit(account.kind) ? recording::kDeathByExit : recording::kDeathBySignal];
  if (!claim(record)) {
    return;
  }
  const auto tid = static_cast<std::int32_t>(raw_syscall(SYS_gettid));
  if (completes(account, record, tid)) {
    record.code = account.code;
    record.sender = account.sender;
    recording::publish(record.state, DeathState::kWritten);
    return;
  }
  record.kind = account.kind;
  record.exit_code = account.exit_code;
  record.signal = account.signal;
  record.code = account.code;
  record.sender = account.sender;
  record.tid = tid;
  record.stack = 0;
  record.first_signal = 0;
  record.at = clock_pair();
  record.address = account.address;
  record.pc = account.pc;
  record.stack_pointer = account.stack_pointer;
  record.offset = 0;
  record.module[0] = '\0';
  copy_text(record.message, account.message);
  recording::publish(record.state, DeathState::kWritten);
  // What may still go wrong comes after: a walk over a ruined stack may fault.
  if (with_stack) {
    take_stack(record, account.context);
  }
  if (with_stack && may_have_survived(record)) {
    note_first_fault(record);
  }
  if (record.first_signal == 0 && account.pc != 0 &&
      (account.kind == DeathKind::kSignal || record.stack == 0)) {
    place(record);
  }
}

void attach() {
  find(g_abort_message, "__abort_msg");
  int (*listen)(void (*)(int, void*), void*) = nullptr;
  find(listen, "on_exit");
  if (listen != nullptr) {
    // One of the 32 places that glibc has without allocating (stdlib/cxa_atexit.c).
    listen(on_exit_status, nullptr);
  }
}

const char* abort_message() {
  const AbortMessage* message = g_abort_message != nullptr ? *g_abort_message : nullptr;
  return message != nullptr ? message->text : nullptr;
}

const char* exception_type() {
  const auto* type = __cxa_current_exception_type != nullptr
                         ? static_cast<const TypeInfo*>(__cxa_current_exception_type())
                         : nullptr;
  return type != nullptr && type->name != nullptr ? type->name + (*type->name == '*' ? 1 : 0)
                                                  : nullptr;
}

}  // namespace lamprey::preload::ending
