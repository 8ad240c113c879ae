/* libunwind's own ways to memory, locks and registered code, replaced: its pools lie in memory that
   the walk brings along, nothing locks, nothing is looked up in the process. What is compiled
   beside this is libunwind.cmake's list. Nothing may be called here but libunwind. */
#include "preload/stack/libunwind_stand_ins.h"

#include "dwarf_i.h"
#include "libunwind_i.h"
#include "mempool.h"

/* The walk of this thread that runs now. Walks nest where a signal interrupts one. */
static _Thread_local struct lamprey_walk_memory* current;

intrmask_t unwi_full_mask;
unw_addr_space_t unw_local_addr_space; /* none: x86_64/Ginit.c is left out */

_Static_assert(sizeof(struct dwarf_cie_info) <= sizeof(current->entry), "room for an entry");
_Static_assert(sizeof(dwarf_stackable_reg_state_t) <= sizeof(current->states[0]),
               "room for a state");

struct lamprey_walk_memory* lamprey_use_memory(struct lamprey_walk_memory* memory) {
  struct lamprey_walk_memory* before = current;
  current = memory;
  return before;
}

unw_addr_space_t lamprey_address_space(const unw_accessors_t* accessors) {
  static struct unw_addr_space space;
  space.acc = *accessors;
  space.caching_policy = UNW_CACHE_NONE;
  tdep_init();
  return &space;
}

int lamprey_search_table(unw_addr_space_t as, unw_word_t pc, unw_dyn_info_t* table,
                         unw_proc_info_t* info, int want_rules, void* arg) {
  return dwarf_search_unwind_table(as, pc, table, info, want_rules, arg);
}

/* mi/mempool.c: a walk has one entry of a table in hand at a time, and as many states of the
   registers as the entry tells to remember (two, in practice). */
void mempool_init(struct mempool* pool, size_t size, size_t reserve) {
  (void)reserve;
  pool->obj_size = size;
}

void* mempool_alloc(struct mempool* pool) {
  if (pool->obj_size == sizeof(struct dwarf_cie_info)) {
    return &current->entry;
  }
  return current->used < LAMPREY_WALK_STATES ? &current->states[current->used++] : NULL;
}

/* States are freed last first. */
void mempool_free(struct mempool* pool, void* object) {
  (void)object;
  if (pool->obj_size != sizeof(struct dwarf_cie_info)) {
    --current->used;
  }
}

/* mi/init.c */
void mi_init(void) {}

/* mi/Gfind_dynamic_proc_info.c, mi/Gput_dynamic_unwind_info.c: code that registers itself with
   libunwind (_U_dyn_register). Nobody can with this copy. */
int unwi_find_dynamic_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t* pi,
                                int need_unwind_info, void* arg) {
  (void)as;
  (void)ip;
  (void)pi;
  (void)need_unwind_info;
  (void)arg;
  return -UNW_ENOINFO;
}

void unwi_put_dynamic_unwind_info(unw_addr_space_t as, unw_proc_info_t* pi, void* arg) {
  (void)as;
  (void)pi;
  (void)arg;
}

/* Where it would lock or abort; libunwind.cmake gives the calls these names. */
int lamprey_no_lock(pthread_mutex_t* lock) {
  (void)lock;
  return 0;
}

int lamprey_no_mask(sigset_t* mask) {
  (void)mask;
  return 0;
}

void lamprey_no_abort(void) { __builtin_trap(); }
