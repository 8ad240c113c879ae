// libunwind's accessors for this very process, and the loop over its steps; see the header.
#include "preload/stack/signal_walk.h"

#include <signal.h>
#include <ucontext.h>

#include "preload/base/interrupted_registers.h"
#include "preload/base/page_probe.h"
#include "preload/stack/libunwind_stand_ins.h"
#include "preload/stack/modules.h"

namespace lamprey::preload::stack::signal_walk {
namespace {

constexpr int kMaxSteps = 256;
constexpr std::uint32_t kMaxWords = 200'000;  // a walk of 40 frames reads some 10,000
constexpr std::uintptr_t kLowestCode = 4096;

#if defined(__x86_64__)
constexpr std::uint32_t kRegisters = 17;  // DWARF's numbers: 16 general ones, the return address
constexpr std::uint32_t kFramePointer = 6;
constexpr std::uint32_t kStackPointer = 7;
constexpr std::uint32_t kPc = 16;
#else
constexpr std::uint32_t kRegisters = 33;
constexpr std::uint32_t kFramePointer = 29;
constexpr std::uint32_t kLinkRegister = 30;
constexpr std::uint32_t kStackPointer = 31;
constexpr std::uint32_t kPc = 32;
#endif

unw_addr_space_t g_space = nullptr;

// What one walk knows; libunwind hands it to the accessors.
struct Source {
  std::uint64_t registers[kRegisters];
  std::uint32_t words_left;
};

bool is_readable(std::uintptr_t address) { return page_probe::readable(address, 1); }

// An instruction may be read that stands less than a word below the end of what is mapped.
bool read_word(Source& source, std::uintptr_t address, std::uint64_t& value) {
  if (source.words_left == 0 || !is_readable(address)) {
    return false;
  }
  --source.words_left;
  value = 0;
  const std::uintptr_t in_page = page_probe::kPage - (address % page_probe::kPage);
  if (in_page >= sizeof(value) || is_readable(address + in_page)) {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): seen to be there
    __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(value));
    return true;
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(address);
  for (std::uintptr_t i = 0; i < in_page; ++i) {
    value |= std::uint64_t{bytes[i]} << (8 * i);
  }
  return true;
}

int access_memory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* of) {
  return write == 0 && read_word(*static_cast<Source*>(of), address, *value) ? 0 : -UNW_EINVAL;
}

int access_register(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write, void* of) {
  const auto index = static_cast<std::uint32_t>(number);
  if (write != 0 || index >= kRegisters) {
    return -UNW_EBADREG;
  }
  *value = static_cast<Source*>(of)->registers[index];
  return 0;
}

int access_float(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) { return -UNW_EBADREG; }

// The sorted table behind .eh_frame_hdr, as every linker of our platforms writes it (Linux Standard
// Base 5.0, "DWARF exception header encoding"): version 1, then how three things are written.
struct TableHeader {
  std::uint8_t version;
  std::uint8_t frames_encoding;
  std::uint8_t count_encoding;
  std::uint8_t table_encoding;
  std::int32_t frames;
  std::uint32_t count;
};

int find_function(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t* info, int want_rules,
                  void* of) {
  constexpr std::uint8_t kFromHereSigned4 = 0x1B;
  constexpr std::uint8_t kUnsigned4 = 0x03;
  constexpr std::uint8_t kFromHeaderSigned4 = 0x3B;
  unwind::Tables tables;
  if (modules::find_tables(pc, tables) != modules::Answer::kFound || tables.header == nullptr) {
    return -UNW_ENOINFO;
  }
  TableHeader header = {};
  if (static_cast<std::size_t>(tables.end - tables.header) < sizeof(header)) {
    return -UNW_ENOINFO;
  }
  __builtin_memcpy(&header, tables.header, sizeof(header));
  if (header.version != 1 || header.frames_encoding != kFromHereSigned4 ||
      header.count_encoding != kUnsigned4 || header.table_encoding != kFromHeaderSigned4) {
    return -UNW_ENOINFO;
  }
  unw_dyn_info_t found = {};
  found.format = UNW_INFO_FORMAT_REMOTE_TABLE;
  found.start_ip = pc;  // what holds it is known already
  found.end_ip = pc + 1;
  found.u.rti.segbase = reinterpret_cast<std::uintptr_t>(tables.header);
  found.u.rti.table_data = found.u.rti.segbase + sizeof(header);
  found.u.rti.table_len = header.count;  // in words; an entry is two halves of one
  return lamprey_search_table(space, pc, &found, info, want_rules, of);
}

void put_function(unw_addr_space_t, unw_proc_info_t*, void*) {}

int registered_code(unw_addr_space_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

// arm64: the upper bits of a return address may be its signature; user space has 48.
unw_word_t signature_bits(unw_addr_space_t, void*) { return ~std::uint64_t{0xFFFFFFFFFFFF}; }

void take_registers(const ucontext_t& context, std::uint64_t (&registers)[kRegisters]) {
#if defined(__x86_64__)
  constexpr int kOrder[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  for (std::uint32_t i = 0; i < kRegisters; ++i) {
    registers[i] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[kOrder[i]]);
  }
#else
  __builtin_memcpy(registers, context.uc_mcontext.regs, sizeof(context.uc_mcontext.regs));
  registers[kStackPointer] = context.uc_mcontext.sp;
  registers[kPc] = context.uc_mcontext.pc;
#endif
}

// Whether the processor faulted on fetching the instruction at pc, as it does when data is called.
bool is_fetch_fault(const ucontext_t& context) {
#if defined(__x86_64__)
  constexpr std::uint64_t kPageFault = 14;
  const auto of = [&context](int which) {
    return static_cast<std::uint64_t>(context.uc_mcontext.gregs[which]);
  };
  return of(REG_TRAPNO) == kPageFault && of(REG_CR2) == of(REG_RIP);
#else
  return context.uc_mcontext.fault_address == context.uc_mcontext.pc;
#endif
}

// A call of a null or wild pointer: no instruction stands at pc, and the caller is who the call has
// just left its return address for. libunwind would guess so too, and then take the frame pointer
// for the called function's, or (arm64) leave the caller out. True: the registers are the caller's
// now, with pc as if it was still calling.
bool undo_wild_call(Source& source, std::uint64_t& returned) {
#if defined(__x86_64__)
  std::uint64_t& stack = source.registers[kStackPointer];
  if (!read_word(source, stack, returned)) {
    return false;
  }
  stack += sizeof(returned);
#else
  returned = source.registers[kLinkRegister] & ~signature_bits(nullptr, nullptr);
#endif
  source.registers[kPc] = returned - 1;
  return is_readable(source.registers[kPc]);
}

// Whether the alternate stack that the handler may run on leaves room for a walk.
bool has_room(const ucontext_t& context) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto begin = reinterpret_cast<std::uintptr_t>(context.uc_stack.ss_sp);
  const bool on_it = (context.uc_stack.ss_flags & SS_DISABLE) == 0 && here >= begin &&
                     here - begin < context.uc_stack.ss_size;
  return !on_it || here - begin >= kStackNeeded;
}

bool is_own(std::uint64_t pc) {
  const modules::Range own = modules::own();
  return pc >= own.begin && pc < own.end;
}

// Where a walk's frames go: addresses alone, or with their registers.
struct Kept {
  Walk walk;
  std::uint64_t* frames;
  NativeFrame* native;  // or nullptr
  std::uint32_t capacity;

  void keep(std::uint64_t pc, std::uintptr_t sp, std::uintptr_t fp) {
    if (walk.depth == capacity) {
      walk.cut = true;
    } else if (!is_own(pc)) {
      if (native != nullptr) {
        native[walk.depth] = {pc, sp, fp, false, false};
      } else {
        frames[walk.depth] = pc;
      }
      ++walk.depth;
    }
  }
};

std::uint64_t register_of(unw_cursor_t& cursor, int number) {
  unw_word_t value = 0;
  return unw_get_reg(&cursor, number, &value) == 0 ? value : 0;
}

void walk_up(Source& source, Kept& kept) {
  unw_cursor_t cursor;
  if (unw_init_remote(&cursor, g_space, &source) < 0) {
    return;
  }
  for (int steps = 0; steps < kMaxSteps && !kept.walk.cut && unw_step(&cursor) > 0; ++steps) {
    unw_word_t pc = 0;
    if (unw_get_reg(&cursor, UNW_REG_IP, &pc) < 0 || pc < kLowestCode) {
      return;
    }
    kept.keep(pc, register_of(cursor, UNW_REG_SP), register_of(cursor, kFramePointer));
    if (!is_readable(pc)) {
      return;  // a smashed stack's; what follows would be a guess from there
    }
  }
}

}  // namespace

void attach() {
  unw_accessors_t accessors = {};
  accessors.find_proc_info = find_function;
  accessors.put_unwind_info = put_function;
  accessors.get_dyn_info_list_addr = registered_code;
  accessors.access_mem = access_memory;
  accessors.access_reg = access_register;
  accessors.access_fpreg = access_float;
  accessors.ptrauth_insn_mask = signature_bits;
  g_space = lamprey_address_space(&accessors);
}

namespace {

void walk_into(const void* interrupted, Kept& kept) {
  const auto& context = *static_cast<const ucontext_t*>(interrupted);
  if (g_space == nullptr || interrupted == nullptr || !has_room(context)) {
    return;
  }
  Source source;
  take_registers(context, source.registers);
  source.words_left = kMaxWords;
  const std::uint64_t sp = source.registers[kStackPointer];
  const std::uint64_t fp = source.registers[kFramePointer];
  kept.keep(source.registers[kPc], sp, fp);
  std::uint64_t returned = 0;
  if (is_fetch_fault(context) || !is_readable(source.registers[kPc])) {
    if (!undo_wild_call(source, returned)) {
      return;
    }
    kept.keep(returned, sp, fp);
  }
  lamprey_walk_memory memory;
  memory.used = 0;
  lamprey_walk_memory* const before = lamprey_use_memory(&memory);
  walk_up(source, kept);
  lamprey_use_memory(before);
}

}  // namespace

Walk walk(const void* interrupted, std::uint64_t* frames, std::uint32_t capacity) {
  Kept kept = {{0, false}, frames, nullptr, capacity};
  walk_into(interrupted, kept);
  return kept.walk;
}

void walk_frames(const void* interrupted, NativeFrames& native) {
  Kept kept = {{0, false}, nullptr, native.frames, NativeFrames::kMax};
  walk_into(interrupted, kept);
  native.count = kept.walk.depth;
  native.cut = kept.walk.cut;
  if (native.count != 0 && native.frames[0].pc == interrupted_registers(interrupted).pc) {
    ++native.frames[0].pc;
    native.frames[0].interrupted = true;
  }
}

}  // namespace lamprey::preload::stack::signal_walk
