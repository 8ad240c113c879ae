/* What a walk brings along for libunwind, and how it gets libunwind's address space. For C and C++.
 */
#pragma once

/* By its own name: the cross compiler brings another libunwind.h along, LLVM's. */
#ifdef __x86_64__
#include <libunwind-x86_64.h>
#else
#include <libunwind-aarch64.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LAMPREY_WALK_STATES 4
#ifdef __x86_64__
#define LAMPREY_WALK_STATE_WORDS 27
#else
#define LAMPREY_WALK_STATE_WORDS 124
#endif

/* Where libunwind would allocate. */
/* NOLINTNEXTLINE(readability-identifier-naming): C, as libunwind is */
struct lamprey_walk_memory {
  unsigned used;
  unw_word_t entry[16];
  unw_word_t states[LAMPREY_WALK_STATES][LAMPREY_WALK_STATE_WORDS];
};

/* From now on this thread's walk uses `memory`; gives what it used before. */
struct lamprey_walk_memory* lamprey_use_memory(struct lamprey_walk_memory* memory);

/* The one address space, without a cache. Once, at attach. */
unw_addr_space_t lamprey_address_space(const unw_accessors_t* accessors);

/* Finds `pc` in a sorted table (UNW_INFO_FORMAT_REMOTE_TABLE): the work of a find_proc_info. */
int lamprey_search_table(unw_addr_space_t as, unw_word_t pc, unw_dyn_info_t* table,
                         unw_proc_info_t* info, int want_rules, void* arg);

#ifdef __cplusplus
}
#endif
