// See known_frames.h.
#include "preload/stack/hotspot/known_frames.h"

#include "preload/stack/hotspot/methods.h"
#include "preload/stack/reading/memory_reads.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::hotspot::known_frames {

using recording::load;
using recording::store;

constinit Code g_codes[std::size_t{1} << kCodeBits] = {};

namespace {

constexpr unsigned kMethodBits = 9;
constexpr std::uint64_t kScatter = 0x9E3779B97F4A7C15U;
constexpr std::uint32_t kNotYet = kMaxFunctions + 1;

struct Interpreted {
  std::uint32_t version;
  std::uintptr_t method;
  std::uintptr_t bytecode;  // where it stands
  Method parts;
  std::uint64_t class_name_hash;
  std::uint64_t word;
};

constinit Interpreted g_interpreted[std::size_t{1} << kMethodBits] = {};

Interpreted& interpreted_for(std::uintptr_t method, std::uintptr_t bytecode) {
  return g_interpreted[((method ^ (bytecode << 7U)) * kScatter) >> (64 - kMethodBits)];
}

std::uint32_t begin_read(const std::uint32_t& version) {
  return __atomic_load_n(&version, __ATOMIC_ACQUIRE);
}
bool end_read(const std::uint32_t& version, std::uint32_t before) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return (before & 1U) == 0 && load(version) == before;
}
// False: another writes it, or this thread was interrupted while it did.
bool begin_write(std::uint32_t& version) {
  std::uint32_t before = load(version);
  if ((before & 1U) != 0 || !__atomic_compare_exchange_n(&version, &before, before + 1, false,
                                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    return false;
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
  return true;
}
void end_write(std::uint32_t& version) {
  __atomic_store_n(&version, load(version) + 1, __ATOMIC_RELEASE);
}

// Of memory that was seen to be there, and that is never unmapped.
template <typename T>
T word_at(std::uintptr_t address) {
  return load(*reinterpret_cast<const T*>(address));
}

bool has_slots(std::uintptr_t fp) {
  constexpr std::uintptr_t kBytes = kBytecodeSlot * sizeof(std::uint64_t);
  return can_read(fp - kBytes, kBytes);
}
std::uintptr_t slot(std::uintptr_t fp, std::uintptr_t words) {
  return word_at<std::uintptr_t>(fp - (words * sizeof(std::uint64_t)));
}

// Method by method the same pointers, each to what could be read when it was met; and whether it
// can now, since memory of classes that were unloaded is given back.
bool is_same(const Fields& fields, std::uintptr_t method, const Method& parts,
             std::uint64_t class_name_hash) {
  const std::uintptr_t constants = method + fields.at[kConstMethod];
  const std::uintptr_t pool = parts.constants + fields.at[kConstants];
  const std::uintptr_t holder = parts.pool + fields.at[kPoolHolder];
  const std::uintptr_t class_name = parts.holder + fields.at[kKlassName];
  std::uint64_t end = 0;
  return can_read(constants, sizeof(std::uint64_t)) && can_read(pool, sizeof(std::uint64_t)) &&
         can_read(holder, sizeof(std::uint64_t)) && can_read(class_name, sizeof(std::uint64_t)) &&
         word_at<std::uintptr_t>(constants) == parts.constants &&
         word_at<std::uintptr_t>(pool) == parts.pool &&
         word_at<std::uintptr_t>(holder) == parts.holder &&
         word_at<std::uintptr_t>(class_name) == parts.class_name &&
         hash_of_class_name(fields, parts, end) && end == class_name_hash;
}

}  // namespace

void remember(const Fields& fields, std::uintptr_t pc, const Blob& blob, Stepping stepping) {
  std::int32_t compilation = 0;
  std::uintptr_t name = 0;
  const bool kept = has_compilation(stepping.kind) || stepping.kind == Kind::kInterpreter ||
                    stepping.kind == Kind::kStubs;
  if (!kept || !read_at(blob.at + fields.at[kBlobName], name) ||
      (has_compilation(stepping.kind) &&
       (!read_at(blob.at + fields.at[kCompileId], compilation) || compilation <= 0))) {
    return;
  }
  Code& code = code_for(pc);
  if (!begin_write(code.version)) {
    return;
  }
  store(code.pc, pc);
  store(code.compilation, compilation);
  store(code.blob, blob.at);
  store(code.name, name);
  store(code.stepping.words, stepping.words);
  store(code.stepping.kind, stepping.kind);
  store(code.count, kNotYet);
  end_write(code.version);
}

bool append(const Fields& fields, std::uintptr_t pc, Words& words) {
  const Code& code = code_for(pc);
  const std::uint32_t version = begin_read(code.version);
  const std::uint32_t depth = words.depth;
  const bool cut = words.cut;
  const std::uint32_t count = load(code.count);
  const Taken taken = take(code);
  if (load(code.pc) != pc || count > kMaxFunctions || !has_compilation(taken.stepping.kind)) {
    return false;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    words.append(load(code.functions[i]));
  }
  if (holds_still(fields, code, version, taken)) {
    return true;
  }
  words.depth = depth;
  words.cut = cut;
  return false;
}

void remember_functions(std::uintptr_t pc, const std::uint64_t* functions, std::uint32_t count) {
  Code& code = code_for(pc);
  if (count > kMaxFunctions || !begin_write(code.version)) {
    return;
  }
  if (load(code.pc) == pc) {
    for (std::uint32_t i = 0; i < count; ++i) {
      store(code.functions[i], functions[i]);
    }
    store(code.count, count);
  }
  end_write(code.version);
}

std::uint64_t interpreted(const Fields& fields, std::uintptr_t fp) {
  if (!has_slots(fp)) {
    return 0;
  }
  const std::uintptr_t method = slot(fp, kMethodSlot);
  const std::uintptr_t bytecode = slot(fp, kBytecodeSlot);
  const Interpreted& known = interpreted_for(method, bytecode);
  const std::uint32_t version = begin_read(known.version);
  if (load(known.method) != method || load(known.bytecode) != bytecode) {
    return 0;
  }
  const Method parts = {load(known.parts.constants), load(known.parts.pool),
                        load(known.parts.holder), load(known.parts.name),
                        load(known.parts.class_name)};
  const std::uint64_t class_name_hash = load(known.class_name_hash);
  const std::uint64_t word = load(known.word);
  return end_read(known.version, version) && is_same(fields, method, parts, class_name_hash) ? word
                                                                                             : 0;
}

void remember_interpreted(const Fields& fields, std::uintptr_t fp, std::uint64_t word) {
  const std::uintptr_t method = slot(fp, kMethodSlot);
  const std::uintptr_t bytecode = slot(fp, kBytecodeSlot);
  Method parts;
  std::uint64_t class_name_hash = 0;
  if (!read_method(fields, method, parts) || !hash_of_class_name(fields, parts, class_name_hash)) {
    return;
  }
  Interpreted& known = interpreted_for(method, bytecode);
  if (!begin_write(known.version)) {
    return;
  }
  store(known.method, method);
  store(known.bytecode, bytecode);
  store(known.parts.constants, parts.constants);
  store(known.parts.pool, parts.pool);
  store(known.parts.holder, parts.holder);
  store(known.parts.name, parts.name);
  store(known.parts.class_name, parts.class_name);
  store(known.class_name_hash, class_name_hash);
  store(known.word, word);
  end_write(known.version);
}

// No other thread is here.
void forget_all() {
  for (Code& code : g_codes) {
    if (load(code.pc) != 0) {
      store(code.pc, std::uintptr_t{0});
      store(code.version, 0);
    }
  }
  for (Interpreted& known : g_interpreted) {
    if (load(known.method) != 0) {
      store(known.method, std::uintptr_t{0});
      store(known.version, 0);
    }
  }
}

}  // namespace lamprey::preload::stack::hotspot::known_frames
