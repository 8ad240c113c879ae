// Exact mode's start: what must be true, where the places are, and the change of libc's code. See
// exact.h; the places are exact_sites.cpp's business, what happens there later exact_gate.cpp's.
#include "preload/exact/exact.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "preload/base/eh_frame_header.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/signals_blocked.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/exact/exact_gate.h"
#include "preload/exact/exact_sites.h"
#include "preload/libc/real.h"

namespace lamprey::preload::exact {
namespace {

using recording::ExactState;

constexpr std::uintptr_t kPage = 4096;

// One library with system calls: before glibc 2.34 libpthread has its own copies of many.
struct Library {
  const char* path;
  std::uintptr_t begin;  // of its executable segment
  std::uintptr_t end;
  FunctionTable functions;
};

struct Libraries {
  static constexpr std::size_t kMax = 2;
  Library list[kMax];
  std::size_t count;
};

bool ends_with(const char* text, const char* suffix) {
  const std::size_t length = length_of(text);
  const std::size_t tail = length_of(suffix);
  return length >= tail && equal(text + length - tail, suffix);
}

FunctionTable functions_of(const std::uint8_t* header, const std::uint8_t* end,
                           std::uintptr_t text) {
  const EhFrameHeader table = read_eh_frame_header(header, end);
  return {reinterpret_cast<const FunctionTable::Entry*>(table.rows),
          static_cast<std::uint32_t>(table.count),
          static_cast<std::intptr_t>(reinterpret_cast<std::uintptr_t>(header) - text)};
}

int take_library(dl_phdr_info* info, std::size_t, void* into) {
  auto& libraries = *static_cast<Libraries*>(into);
  const bool wanted =
      ends_with(info->dlpi_name, "/libc.so.6") || ends_with(info->dlpi_name, "/libpthread.so.0");
  if (!wanted || libraries.count == Libraries::kMax) {
    return 0;
  }
  Library library = {info->dlpi_name, 0, 0, {}};
  const std::uint8_t* header = nullptr;
  const std::uint8_t* header_end = nullptr;
  for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uintptr_t at = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && library.begin == 0) {
      library.begin = at;
      library.end = at + segment.p_memsz;
    } else if (segment.p_type == PT_GNU_EH_FRAME) {
      header = reinterpret_cast<const std::uint8_t*>(at);
      header_end = header + segment.p_memsz;
    }
  }
  if (library.begin != 0 && header != nullptr) {
    library.functions = functions_of(header, header_end, library.begin);
    libraries.list[libraries.count++] = library;
  }
  return 0;
}

Libraries find_libraries() {
  Libraries libraries{};
  int (*iterate)(int (*)(dl_phdr_info*, std::size_t, void*), void*) = nullptr;
  iterate = reinterpret_cast<decltype(iterate)>(::dlsym(RTLD_DEFAULT, "dl_iterate_phdr"));
  if (iterate != nullptr) {
    iterate(take_library, &libraries);
  }
  return libraries;
}

// "2.41" and later: cancellable calls go through one __syscall_cancel_arch, and whether a call was
// under way is judged by the address at which a signal interrupts it (glibc, nptl/cancellation.c).
bool is_new_glibc(const char* version) {
  std::uint64_t minor = 0;
  const char* at = version + 2;
  for (; *at >= '0' && *at <= '9'; ++at) {
    minor = (minor * 10) + static_cast<std::uint64_t>(*at - '0');
  }
  return !starts_with(version, "2.") || minor >= 41;
}

// glibc says so since 2.32; before, the number of links of /proc/self/task is 2 and one for each
// thread (proc(5)). The first is asked first: an emulator's own threads are in the second.
bool has_one_thread() {
  if (const void* single = ::dlsym(RTLD_DEFAULT, "__libc_single_threaded")) {
    return *static_cast<const char*>(single) != 0;
  }
  struct stat status = {};
  const long failed = raw_syscall(SYS_newfstatat, AT_FDCWD, pointer_argument("/proc/self/task"),
                                  pointer_argument(&status), 0);
  return failed == 0 && status.st_nlink == 3;
}

constexpr long kCode = PROT_READ | PROT_EXEC;
// Code stays executable while it is changed: then nothing is lost if the kernel refuses to make it
// unwritable again. (To take PROT_EXEC away first would leave a process that cannot go on.)
constexpr long kCodeToChange = PROT_READ | PROT_WRITE | PROT_EXEC;

// Whether code of a file may be changed and executed: SELinux, for one, has rules of its own for
// that (execmem, execmod). Tried on a mapping of libc's file that nobody uses.
bool may_change_code(const Library& library) {
  const long fd =
      raw_syscall(SYS_openat, AT_FDCWD, pointer_argument(library.path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const long page = raw_syscall(SYS_mmap, 0, kPage, kCode, MAP_PRIVATE, fd, 0);
  raw_syscall(SYS_close, fd);
  if (raw_failed(page)) {
    return false;
  }
  bool good = raw_syscall(SYS_mprotect, page, kPage, kCodeToChange) == 0;
  if (good) {
    *reinterpret_cast<volatile char*>(page) = 0;
    good = raw_syscall(SYS_mprotect, page, kPage, kCode) == 0;
  }
  raw_syscall(SYS_munmap, page, kPage);
  return good;
}

// Memory for the search, given back after it.
struct Scratch {
  SyscallSite* sites = nullptr;
  std::uintptr_t* targets = nullptr;  // of each place: where it will jump to
  std::uint8_t* interior = nullptr;
  std::size_t bytes = 0;
};

Scratch take_scratch(std::size_t text_bytes) {
  Scratch scratch;
  constexpr std::size_t kTargets = sizeof(std::uintptr_t) * kStubs;
  constexpr std::size_t kSites = sizeof(SyscallSite) * kStubs;
  scratch.bytes = kTargets + kSites + (text_bytes / 8) + 1;
  const long at = raw_syscall(SYS_mmap, 0, static_cast<long>(scratch.bytes), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!raw_failed(at)) {
    auto* bytes = reinterpret_cast<std::uint8_t*>(at);
    scratch.targets = reinterpret_cast<std::uintptr_t*>(bytes);
    scratch.sites = reinterpret_cast<SyscallSite*>(bytes + kTargets);
    scratch.interior = bytes + kTargets + kSites;
  }
  return scratch;
}

#if defined(__x86_64__)
constexpr std::int64_t kReach = INT32_MAX - 64;  // of a jump of 4 bytes' distance
#else
constexpr std::int64_t kReach = (std::int64_t{1} << 27U) - 64;  // of b
#endif

bool in_reach(std::uintptr_t from, std::uintptr_t to) {
  const auto distance = static_cast<std::int64_t>(to - from);
  return distance > -kReach && distance < kReach;
}

// A jump; the bytes after it, which are never reached, become nops. No call may be made here:
// libc's code is half changed while this runs.
constexpr std::uint8_t kNothing = 0x90;  // x86-64's nop
[[gnu::always_inline]] inline void lead(const SyscallSite& site, std::uintptr_t text,
                                        std::uintptr_t stub) {
  const std::uintptr_t at = text + site.offset;
#if defined(__x86_64__)
  const auto distance = static_cast<std::uint32_t>(stub - (at + 5));
  const std::uint64_t code = 0xE9U | (std::uint64_t{distance} << 8U);
  constexpr std::uint32_t kJump = 5;
#else
  const std::uint64_t code =
      0x14000000U | (static_cast<std::uint32_t>((stub - at) >> 2U) & 0x03FFFFFFU);
  constexpr std::uint32_t kJump = 4;
#endif
  volatile std::uint8_t* to = reinterpret_cast<volatile std::uint8_t*>(at);
  for (std::uint32_t i = 0; i < site.bytes; ++i) {
    to[i] = i < kJump ? static_cast<std::uint8_t>(code >> (i * 8)) : kNothing;
  }
}

// What was written is fetched as instructions from now on. x86-64 sees to that itself.
[[gnu::always_inline]] inline void make_fetched([[maybe_unused]] std::uintptr_t begin,
                                                [[maybe_unused]] std::uintptr_t end) {
#if defined(__aarch64__)
  __builtin___clear_cache(reinterpret_cast<char*>(begin), reinterpret_cast<char*>(end));
#endif
}

// What there is to change in one library.
struct Found {
  Scratch scratch{};
  std::uint32_t count = 0;
  std::uint32_t left = 0;
};

// The stub of one place. False: the place is left as it is.
bool make_stub_of(const SyscallSite& site, std::uintptr_t text, std::uint32_t index,
                  std::uintptr_t& target) {
  const std::uintptr_t at = text + site.offset;
  constexpr std::size_t kCallBytes = 2;
  const Copied copied = {reinterpret_cast<const std::uint8_t*>(at),
                         site.shape == Shape::kCopied ? site.bytes - kCallBytes : 0};
  target = make_stub(index,
                     {at + site.behind, at + site.bytes, site.compared, site.number,
                      site.shape == Shape::kCompare32 ? 1U : 0U},
                     copied);
  return target != 0 && in_reach(at, target);
}

// False: no memory to look with.
bool look_through(const Library& library, std::uint32_t first, Found& into) {
  const std::size_t size = library.end - library.begin;
  into.scratch = take_scratch(size);
  if (into.scratch.sites == nullptr) {
    return false;
  }
  const Text text = {reinterpret_cast<const std::uint8_t*>(library.begin), size, library.functions};
  const SitesFound found =
      find_sites(text, into.scratch.sites, kStubs - first, into.scratch.interior);
  into.left = found.left;
  for (std::uint32_t i = 0; i < found.sites; ++i) {
    const SyscallSite site = into.scratch.sites[i];
    if (make_stub_of(site, library.begin, first + into.count, into.scratch.targets[into.count])) {
      into.scratch.sites[into.count++] = site;
    } else {
      ++into.left;
    }
  }
  return true;
}

void give_back(const Scratch& scratch) {
  if (scratch.targets != nullptr) {
    raw_syscall(SYS_munmap, pointer_argument(scratch.targets), static_cast<long>(scratch.bytes));
  }
}

// Leads all places of one library to their stubs. Returns how many.
std::uint32_t lead_all(const Library& library, const Found& found) {
  const std::uintptr_t begin = library.begin & ~(kPage - 1);
  const auto bytes = static_cast<long>(((library.end + kPage - 1) & ~(kPage - 1)) - begin);
  const auto at = static_cast<long>(begin);
  // A handler that ran now would run libc's code, half of which is changed for a moment.
  const SignalsBlocked blocked;
  const bool writable = raw_syscall(SYS_mprotect, at, bytes, kCodeToChange) == 0;
  for (std::uint32_t i = 0; writable && i < found.count; ++i) {
    lead(found.scratch.sites[i], library.begin, found.scratch.targets[i]);
  }
  if (writable) {
    make_fetched(library.begin, library.end);
  }
  raw_syscall(SYS_mprotect, at, bytes, kCode);  // also where a part of it was made writable
  return writable ? found.count : 0;
}

}  // namespace

bool wanted(const char* value) { return value != nullptr && equal(value, "on"); }

ExactState possible() {
  if (g_real.gnu_get_libc_version == nullptr) {
    return ExactState::kNotGlibc;
  }
  if (is_new_glibc(g_real.gnu_get_libc_version())) {
    return ExactState::kNewGlibc;
  }
  if (g_clock == recording::Clock::kMonotonic) {
    return ExactState::kNoCounter;
  }
  if (!has_one_thread()) {
    return ExactState::kThreads;
  }
  const Libraries libraries = find_libraries();
  if (libraries.count == 0) {
    return ExactState::kNoPlaces;
  }
  return may_change_code(libraries.list[0]) ? ExactState::kOn : ExactState::kRefused;
}

ExactState install(recording::Kernel& kernel) {
  const Libraries libraries = find_libraries();
  Found found[Libraries::kMax];
  std::uint32_t places = 0;
  std::uint32_t left = 0;
  bool refused = libraries.count == 0 || !prepare_stubs();
  for (std::size_t i = 0; i < libraries.count && !refused; ++i) {
    refused = !look_through(libraries.list[i], places, found[i]);
    places += found[i].count;
    left += found[i].left;
  }
  // All stubs are ready before the first place leads to one.
  refused = refused || !seal_stubs();
  std::uint32_t led = 0;
  for (std::size_t i = 0; i < libraries.count; ++i) {
    if (!refused) {
      led += lead_all(libraries.list[i], found[i]);
    }
    give_back(found[i].scratch);
  }
  kernel.places = led;
  kernel.places_left = left + places - led;
  if (led != 0) {
    return ExactState::kOn;
  }
  return refused || places != 0 ? ExactState::kRefused : ExactState::kNoPlaces;
}

}  // namespace lamprey::preload::exact
