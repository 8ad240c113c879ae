// What frames that were met before mean, so that one costs a few loads and not some sixty checked
// ones: by return address, how it steps and which functions it stands for; of an interpreter's
// frame, by method and bytecode, which function.
//
// Code and metaspace are used again after they were thrown away, so an entry counts only while what
// it was made from is what is there: of compiled code the number of its compilation, which no other
// has; of a method, all that its identity is made of (methods.h).
//
// Cost: ~3 ns each; 192 KB, touched as used. No lock: an entry that another thread is writing is
// none. Any thread, any signal handler, also one that interrupts a writer.
#pragma once

#include "preload/stack/hotspot/scopes.h"
#include "preload/stack/reading/frames.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::hotspot::known_frames {

struct Stepping {
  Kind kind;
  std::int32_t words;  // CodeBlob::_frame_size
};

inline constexpr std::uint32_t kMaxFunctions = 10;
inline constexpr unsigned kCodeBits = 10;

// An entry: what a return address in the code cache means.
struct Code {
  std::uint32_t version;  // odd: it is being written
  std::int32_t compilation;
  std::uintptr_t pc;
  std::uintptr_t blob;
  std::uintptr_t name;
  Stepping stepping;
  std::uint32_t count;  // of functions; more than kMaxFunctions: nobody asked
  std::uint64_t functions[kMaxFunctions];
};
[[gnu::visibility("hidden")]] extern Code g_codes[std::size_t{1} << kCodeBits];

inline Code& code_for(std::uintptr_t pc) {
  constexpr std::uint64_t kScatter = 0x9E3779B97F4A7C15U;
  return g_codes[(pc * kScatter) >> (64 - kCodeBits)];
}

inline bool has_compilation(Kind kind) { return kind == Kind::kCompiled || kind == Kind::kNative; }

// What a reader takes of an entry before it looks whether that was being written.
struct Taken {
  std::uintptr_t blob;
  std::uintptr_t name;
  std::int32_t compilation;
  Stepping stepping;
};

[[gnu::always_inline]] inline Taken take(const Code& code) {
  using recording::load;
  return {load(code.blob),
          load(code.name),
          load(code.compilation),
          {load(code.stepping.kind), load(code.stepping.words)}};
}

// `version`: loaded before the entry was taken. The code cache was seen to be there, and never
// shrinks.
[[gnu::always_inline]] inline bool holds_still(const Fields& fields, const Code& code,
                                               std::uint32_t version, const Taken& taken) {
  using recording::load;
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if ((version & 1U) != 0 || load(code.version) != version) {
    return false;
  }
  const std::uintptr_t blob = taken.blob;
  return load(*reinterpret_cast<const std::uintptr_t*>(blob + fields.at[kBlobName])) ==
             taken.name &&
         (!has_compilation(taken.stepping.kind) ||
          load(*reinterpret_cast<const std::int32_t*>(blob + fields.at[kCompileId])) ==
              taken.compilation);
}

// False: not known.
[[gnu::always_inline]] inline bool find(const Fields& fields, std::uintptr_t pc,
                                        Stepping& stepping) {
  const Code& code = code_for(pc);
  const std::uint32_t version = __atomic_load_n(&code.version, __ATOMIC_ACQUIRE);
  const Taken taken = take(code);
  stepping = taken.stepping;
  return recording::load(code.pc) == pc && holds_still(fields, code, version, taken);
}
void remember(const Fields& fields, std::uintptr_t pc, const Blob& blob, Stepping stepping);

// The functions of compiled code, which find() knows: appended to `words`.
bool append(const Fields& fields, std::uintptr_t pc, Words& words);
void remember_functions(std::uintptr_t pc, const std::uint64_t* functions, std::uint32_t count);

// The word of an interpreter's frame at `fp`, 0: not known.
std::uint64_t interpreted(const Fields& fields, std::uintptr_t fp);
void remember_interpreted(const Fields& fields, std::uintptr_t fp, std::uint64_t word);

// In a forked child that gets a recording of its own: other functions are there.
void forget_all();

}  // namespace lamprey::preload::stack::hotspot::known_frames
