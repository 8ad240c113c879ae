// The table of modules; see the header.
#include "preload/stack/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <sys/syscall.h>

#include "preload/base/elf_notes.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/signals_blocked.h"
#include "preload/base/text.h"
#include "preload/process/thread.h"

namespace lamprey::preload::stack::modules {
namespace {

using recording::load;
using recording::store;

constexpr std::uintptr_t kPage = 4096;
constexpr std::uintptr_t kLargestModule = std::uintptr_t{1} << 34;
constexpr int kMaxHeaders = 64;
constexpr int kMaxLinks = 4096;
constexpr int kMaxSpins = 100000;

// What one module's program headers say.
struct Found {
  std::uintptr_t start = UINTPTR_MAX;
  std::uintptr_t end = 0;
  std::uintptr_t bias = 0;
  std::uintptr_t dynamic = 0;  // its dynamic section; 0: none
  unwind::Tables tables;
  const std::uint8_t* build_id = nullptr;
  std::uint8_t build_id_bytes = 0;
  std::uintptr_t thread_block = 0;  // see LoadedObject
  std::size_t thread_block_bytes = 0;
};

// The private half of Module[], same index.
struct Known {
  std::uintptr_t start;
  std::uintptr_t end;  // stored last; 0: not there
  unwind::Tables tables;
  bool gone;  // unloaded, as far as seen
};

// constinit, here and wherever a member has a default value: this library attaches in its first
// constructor, and another that ran later would take away what attach had found.
constinit Known g_known[recording::kModules] = {};
std::uint32_t g_count = 0;
bool g_adding = false;
std::uint32_t g_walkers = 0;
std::uint32_t g_unloading = 0;
constinit Range g_own = {};
constinit Range g_vdso = {};
r_debug* g_debug = nullptr;
void (*g_on_new)(const LoadedObject&) = nullptr;

// <dlfcn.h> of glibc 2.35; the extra room is for what later ones may add.
struct FoundObject {
  unsigned long long flags;
  void* map_start;
  void* map_end;
  link_map* link;
  void* tables;
  unsigned long long reserved[16];
};
int (*g_find_object)(void*, FoundObject*) = nullptr;

void take_build_id(const std::uint8_t* at, const std::uint8_t* end, Found& found) {
  find_note(at, end, [&found](const ElfNote& note) {
    if (note.type != NT_GNU_BUILD_ID || !has_name(note, "GNU")) {
      return false;
    }
    found.build_id = note.text;
    found.build_id_bytes = static_cast<std::uint8_t>(
        note.text_bytes < recording::kMaxBuildId ? note.text_bytes : recording::kMaxBuildId);
    return true;
  });
}

bool describe(const ElfW(Phdr) * headers, int count, std::uintptr_t bias, Found& found) {
  found.bias = bias;
  const ElfW(Phdr)* table = nullptr;
  for (int i = 0; i < count && i < kMaxHeaders; ++i) {
    const ElfW(Phdr)& header = headers[i];
    if (header.p_type == PT_LOAD) {
      const std::uintptr_t start = (bias + header.p_vaddr) & ~(kPage - 1);
      const std::uintptr_t end =
          (bias + header.p_vaddr + header.p_memsz + kPage - 1) & ~(kPage - 1);
      found.start = start < found.start ? start : found.start;
      found.end = end > found.end ? end : found.end;
    }
    table = header.p_type == PT_GNU_EH_FRAME ? &header : table;
    found.dynamic = header.p_type == PT_DYNAMIC ? bias + header.p_vaddr : found.dynamic;
    found.thread_block_bytes = header.p_type == PT_TLS ? header.p_memsz : found.thread_block_bytes;
  }
  if (found.start >= found.end || found.end - found.start > kLargestModule) {
    return false;
  }
  for (int i = 0; i < count && i < kMaxHeaders; ++i) {
    const ElfW(Phdr)& header = headers[i];
    const auto* begin = reinterpret_cast<const std::uint8_t*>(bias + header.p_vaddr);
    if (header.p_type == PT_NOTE && found.build_id == nullptr && (header.p_flags & PF_R) != 0 &&
        begin >= reinterpret_cast<const std::uint8_t*>(found.start) &&
        begin + header.p_memsz <= reinterpret_cast<const std::uint8_t*>(found.end)) {
      take_build_id(begin, begin + header.p_memsz, found);
    }
    if (header.p_type == PT_LOAD && table != nullptr && table->p_vaddr >= header.p_vaddr &&
        table->p_vaddr - header.p_vaddr < header.p_filesz) {
      found.tables = {reinterpret_cast<const std::uint8_t*>(bias + table->p_vaddr), begin,
                      begin + header.p_filesz};
    }
  }
  return true;
}

// By the ELF header that stands at the lowest byte of nearly every module.
bool describe_at(std::uintptr_t start, std::uintptr_t bias, Found& found) {
  const auto* elf = reinterpret_cast<const ElfW(Ehdr)*>(start);
  if (start == 0 || start % kPage != 0 || __builtin_memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
      elf->e_phentsize != sizeof(ElfW(Phdr)) ||
      elf->e_phoff + (elf->e_phnum * sizeof(ElfW(Phdr))) > kPage) {
    return false;
  }
  return describe(reinterpret_cast<const ElfW(Phdr)*>(start + elf->e_phoff), elf->e_phnum, bias,
                  found) &&
         found.start == start;
}

// -- the table ------------------------------------------------------------------------------------

bool same_module(const recording::Module& module, const Found& found, const char* path) {
  return module.start == found.start && module.end == found.end && module.bias == found.bias &&
         module.build_id_bytes == found.build_id_bytes && equal(module.path, path) &&
         (found.build_id == nullptr ||
          __builtin_memcmp(module.build_id, found.build_id, found.build_id_bytes) == 0);
}

void write(std::uint32_t index, const Found& found, const char* path, std::uint32_t generation) {
  recording::Module& module = g_writer.module_at(index);
  module.start = found.start;
  module.end = found.end;
  module.bias = found.bias;
  module.born = generation;
  module.died = 0;
  module.build_id_bytes = found.build_id_bytes;
  for (std::size_t i = 0; i < found.build_id_bytes; ++i) {
    module.build_id[i] = found.build_id[i];
  }
  copy_text(module.path, path);
  recording::publish(module.state, recording::kModuleThere);
  store(g_writer.header().modules_used, index + 1);
}

// Modules that the new one lies upon are gone; stacks taken from now on are of a new generation.
std::uint32_t mark_gone(const Found& found) {
  recording::Header& header = g_writer.header();
  std::uint32_t generation = load(header.generation);
  const std::uint32_t next = generation + 1;
  for (std::uint32_t i = 0; i < g_count; ++i) {
    recording::Module& module = g_writer.module_at(i);
    if (module.start < found.end && found.start < module.end && load(module.died) == 0) {
      store(g_known[i].gone, true);
      store(module.died, next);
      generation = next;
    }
  }
  if (generation == next) {
    store(header.generation, next);
  }
  return generation;
}

// With `g_adding` held, or at attach.
void add_or_revive(const Found& found, const char* path) {
  std::uint32_t index = 0;
  for (; index < g_count; ++index) {
    const recording::Module& module = g_writer.module_at(index);
    if (load(module.died) == 0 && same_module(module, found, path)) {
      break;
    }
  }
  if (index < g_count) {  // unloaded and loaded again at the same place
    store(g_known[index].gone, false);
  } else if (index < recording::kModules) {
    write(index, found, path, mark_gone(found));
    Known& known = g_known[index];
    known.start = found.start;
    known.tables = found.tables;
    recording::publish(known.end, found.end);
    __atomic_store_n(&g_count, index + 1, __ATOMIC_RELEASE);
    if (g_on_new != nullptr) {
      g_on_new({found.bias, found.start, found.end, found.dynamic, path, found.build_id,
                found.build_id_bytes, found.thread_block, found.thread_block_bytes});
    }
  } else {
    mark_gone(found);  // no name is better than a wrong one
    recording::shared_add(g_writer.header().modules_refused, 1);
  }
}

// False: another thread adds, perhaps this very module. Not for ever: it may have been killed.
bool begin_adding() {
  constexpr int kMaxYields = 1000;
  for (int i = 0; __atomic_test_and_set(&g_adding, __ATOMIC_ACQUIRE); ++i) {
    if (i == kMaxYields) {
      return false;
    }
    raw_syscall(SYS_sched_yield);
  }
  return true;
}

void add(const Found& found, const char* path) {
  const std::uint64_t before = block_signals();
  if (begin_adding()) {
    add_or_revive(found, path);
    __atomic_clear(&g_adding, __ATOMIC_RELEASE);
  }
  restore_signals(before);
}

const Known* look_up(std::uintptr_t pc) {
  const std::uint32_t count = __atomic_load_n(&g_count, __ATOMIC_ACQUIRE);
  for (std::uint32_t i = count; i-- > 0;) {
    const Known& known = g_known[i];
    if (pc >= known.start && pc < known.end && !load(known.gone)) {
      return &known;
    }
  }
  return nullptr;
}

const char* path_of(const link_map* link) {
  return link->l_name != nullptr && link->l_name[0] != '\0' ? link->l_name
                                                            : g_writer.header().executable;
}

// -- asking ---------------------------------------------------------------------------------------

Answer find_by_object(std::uintptr_t pc, unwind::Tables& tables) {
  FoundObject object;
  if (g_find_object(reinterpret_cast<void*>(pc), &object) != 0) {
    return Answer::kNone;
  }
  const auto start = reinterpret_cast<std::uintptr_t>(object.map_start);
  const Known* known = look_up(pc);
  if (known != nullptr && known->tables.header == object.tables) {
    tables = known->tables;
    return Answer::kFound;
  }
  Found found;
  if (object.link == nullptr || !describe_at(start, object.link->l_addr, found)) {
    return Answer::kNone;
  }
  add(found, path_of(object.link));
  tables = found.tables;
  return Answer::kFound;
}

// r_debug's list may be walked while no module goes away; a dlclose waits for us (unloading()).
bool begin_walk() {
  __atomic_fetch_add(&g_walkers, 1U, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&g_unloading, __ATOMIC_SEQ_CST) == 0 && g_debug != nullptr &&
      load(g_debug->r_state) == r_debug::RT_CONSISTENT) {
    return true;
  }
  __atomic_fetch_sub(&g_walkers, 1U, __ATOMIC_SEQ_CST);
  return false;
}
void end_walk() { __atomic_fetch_sub(&g_walkers, 1U, __ATOMIC_SEQ_CST); }

// The lowest byte of a shared library is its bias (only prelinked ones, long out of use, differ);
// its dynamic section, of which the loader tells, must lie above it.
bool may_start_at(const link_map& link) {
  const auto dynamic = reinterpret_cast<std::uintptr_t>(link.l_ld);
  return link.l_addr != 0 && link.l_addr % kPage == 0 && dynamic > link.l_addr &&
         dynamic - link.l_addr < kLargestModule;
}

Answer find_by_list(std::uintptr_t pc, unwind::Tables& tables) {
  if (const Known* known = look_up(pc)) {
    tables = known->tables;
    return Answer::kFound;
  }
  if (!begin_walk()) {
    return Answer::kAskLater;
  }
  int left = kMaxLinks;
  for (const link_map* link = g_debug->r_map; link != nullptr && --left > 0; link = link->l_next) {
    Found found;
    if (may_start_at(*link) && look_up(link->l_addr) == nullptr &&
        describe_at(link->l_addr, link->l_addr, found)) {
      add(found, path_of(link));
    }
  }
  end_walk();
  const Known* known = look_up(pc);
  if (known == nullptr) {
    return Answer::kNone;
  }
  tables = known->tables;
  return Answer::kFound;
}

int take_loaded(dl_phdr_info* info, std::size_t size, void*) {
  Found found;
  if (describe(info->dlpi_phdr, info->dlpi_phnum, info->dlpi_addr, found)) {
    if (size > offsetof(dl_phdr_info, dlpi_tls_data)) {
      found.thread_block = reinterpret_cast<std::uintptr_t>(info->dlpi_tls_data);
    }
    const bool named = info->dlpi_name != nullptr && info->dlpi_name[0] != '\0';
    // Nothing is recorded yet, so no handler and no other thread asks: neither lock nor mask.
    add_or_revive(found, named ? info->dlpi_name : g_writer.header().executable);
    const auto here = reinterpret_cast<std::uintptr_t>(&take_loaded);
    if (here >= found.start && here < found.end) {
      g_own = {found.start, found.end};
    }
    if (named && starts_with(info->dlpi_name, "linux-vdso")) {
      g_vdso = {found.start, found.end};
    }
  }
  return 0;
}

template <class Function>
void find(Function& into, const char* name) {
  into = reinterpret_cast<Function>(::dlsym(RTLD_DEFAULT, name));
}

}  // namespace

void attach(void (*on_new)(const LoadedObject&)) {
  g_on_new = on_new;
  int (*iterate)(int (*)(dl_phdr_info*, std::size_t, void*), void*) = nullptr;
  find(iterate, "dl_iterate_phdr");
  find(g_find_object, "_dl_find_object");
  find(g_debug, "_r_debug");
  if (iterate != nullptr) {
    iterate(take_loaded, nullptr);
  }
}

void write_again() {
  // The parent's table was copied; whatever thread was adding to it is not in this process.
  __atomic_clear(&g_adding, __ATOMIC_RELEASE);
  store(g_walkers, 0);
  store(g_unloading, 0);
}

Answer find_tables(std::uintptr_t pc, unwind::Tables& tables) {
  return g_find_object != nullptr ? find_by_object(pc, tables) : find_by_list(pc, tables);
}

Range own() { return g_own; }

Range range_of(std::uintptr_t address) {
  const Known* known = look_up(address);
  return known != nullptr ? Range{known->start, known->end} : Range{};
}

std::uint32_t number_of(std::uintptr_t address) {
  const Known* known = look_up(address);
  return known != nullptr ? static_cast<std::uint32_t>(known - g_known) + 1 : 0;
}

bool in_vdso(std::uintptr_t pc) { return pc >= g_vdso.begin && pc < g_vdso.end; }

void unloading() {
  __atomic_fetch_add(&g_unloading, 1U, __ATOMIC_SEQ_CST);
  for (int i = 0; i < kMaxSpins && __atomic_load_n(&g_walkers, __ATOMIC_SEQ_CST) != 0; ++i) {
  }
}

void unloaded() {
  __atomic_fetch_sub(&g_unloading, 1U, __ATOMIC_SEQ_CST);
  if (g_find_object != nullptr) {
    // The next library may come to lie at the same place with tables at the same place.
    for (std::uint32_t i = 0; i < load(g_count); ++i) {
      FoundObject object;
      if (g_find_object(reinterpret_cast<void*>(g_known[i].start), &object) != 0) {
        store(g_known[i].gone, true);
      }
    }
  } else if (begin_walk()) {
    for (std::uint32_t i = 0; i < load(g_count); ++i) {
      bool listed = false;
      int left = kMaxLinks;
      for (const link_map* link = g_debug->r_map; link != nullptr && --left > 0 && !listed;
           link = link->l_next) {
        const auto dynamic = reinterpret_cast<std::uintptr_t>(link->l_ld);
        listed = dynamic >= g_known[i].start && dynamic < g_known[i].end;
      }
      store(g_known[i].gone, !listed);
    }
    end_walk();
  }
}

}  // namespace lamprey::preload::stack::modules
