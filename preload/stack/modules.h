// What is loaded into the process: names for addresses (written into the recording) and unwind
// tables (kept here). Walking stacks is unwind.h's work.
//
// Modules that come after attach (extension modules of Python, Ruby, Node come by dlopen) are found
// when an address inside them is first met. Never by the loader's lock, which another thread may
// hold while it waits for what the interrupted program holds: where libc has _dl_find_object (glibc
// 2.35), which takes none, by that; else by walking the debugger's list of modules (r_debug), while
// no dlclose runs: dlclose is hooked for this (and dlopen never is: its caller matters to it).
//
// No allocation, lock, system call; any thread, any signal handler, unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/unwind_tables.h"

namespace lamprey::preload::stack::modules {

// Takes all that is loaded now, at attach (it asks the loader). `on_new` is told of each module
// when it is first met: here, or later by the thread that meets it, with its signals blocked.
void attach(void (*on_new)(const LoadedObject&));
// In a forked child that gets a recording of its own: only writes again what is known.
void write_again();

enum class Answer : std::uint8_t {
  kFound,
  kNone,      // no module has this address, or one without unwind tables
  kAskLater,  // not to be known at this moment
};
Answer find_tables(std::uintptr_t pc, unwind::Tables& tables);

// Where this library itself lies.
struct Range {
  std::uintptr_t begin;
  std::uintptr_t end;
};
Range own();
// Where the module lies that holds `address`; empty when none is known.
Range range_of(std::uintptr_t address);
// The index of that module in Module[], + 1; 0 when none is known.
std::uint32_t number_of(std::uintptr_t address);

// The kernel's page of code in every process.
bool in_vdso(std::uintptr_t pc);

// Around the real dlclose.
void unloading();
void unloaded();

}  // namespace lamprey::preload::stack::modules
