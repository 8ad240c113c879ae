// See hotspot.h.
#include "preload/stack/hotspot/hotspot.h"

#include "preload/base/text.h"
#include "preload/stack/hotspot/known_frames.h"
#include "preload/stack/hotspot/methods.h"
#include "preload/stack/reading/memory_reads.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::hotspot {

using recording::FrameReader;
using recording::load;
using recording::store;

Stage g_stage = Stage::kNoRuntime;
constinit CodeRange g_code = {};

namespace {

// What stands in which place differs from version to version: each was run.
constexpr std::int32_t kVersions[] = {11, 17, 21, 25};

constinit LoadedObject g_library = {};
constinit Fields g_fields = {};
constinit CodeCache g_cache(g_fields);
bool g_preparing = false;

bool ends_with(const char* text, const char* end) {
  const std::size_t bytes = length_of(text);
  const std::size_t wanted = length_of(end);
  return bytes >= wanted && equal(text + bytes - wanted, end);
}

bool is_known(std::int32_t version) {
  for (const std::int32_t known : kVersions) {
    if (version == known) {
      return true;
    }
  }
  return false;
}

FrameReader off(FrameReader why) {
  store(g_stage, Stage::kNoRuntime);
  return why;
}

FrameReader read() {
  switch (read_tables(DynamicSymbols(g_library), g_fields)) {
    case TablesAre::kNotReady:
      return FrameReader::kAbsent;
    case TablesAre::kMissing:
      return off(FrameReader::kMissing);
    case TablesAre::kRead:
      break;
  }
  if (g_fields.has(kStaticHeap) || !g_fields.has(kStaticVersion)) {
    return off(FrameReader::kUnknownVersion);  // 8 has one heap
  }
  store(g_stage, Stage::kRead);
  return FrameReader::kAbsent;
}

FrameReader begin() {
  std::int32_t version = 0;
  if (!read_at(g_fields.at[kStaticVersion], version) || version == 0) {
    return FrameReader::kAbsent;  // as it is before its constructors ran
  }
  if (!is_known(version)) {
    return off(FrameReader::kUnknownVersion);
  }
  if (!complete(g_fields)) {
    return off(FrameReader::kMissing);
  }
  g_fields.version = version;
  if (!g_cache.begin()) {
    return FrameReader::kAbsent;
  }
  store(g_code.low, g_cache.low());
  __atomic_store_n(&g_code.bytes, g_cache.bytes(), __ATOMIC_RELEASE);
  store(g_stage, Stage::kReady);
  return FrameReader::kOn;
}

// What find() knows of the code, or finds out now.
Blob blob_of(std::uintptr_t pc, known_frames::Stepping& stepping) {
  const Blob blob = g_cache.find(pc);
  stepping = {blob.kind, 0};
  if (blob.kind != Kind::kNone && !read_at(blob.at + g_fields.at[kBlobFrameSize], stepping.words)) {
    return {0, Kind::kNone};
  }
  return blob;
}

void append_compiled(const NativeFrame& frame, const Blob& blob, Words& words) {
  const std::uintptr_t pc =
      frame.interrupted ? frame.pc - 1 : real_pc(g_fields, blob, frame.pc, frame.sp);
  const std::uint32_t before = words.depth;
  Scopes scopes(g_fields, blob, pc, frame.interrupted ? At::kBetweenCalls : At::kCall);
  Scope scope = {};
  while (scopes.next(scope)) {
    if (const std::uint64_t word = word_of(g_fields, scope); word != 0) {
      words.append(word);
    }
  }
  if (!frame.interrupted && pc == frame.pc && words.depth < recording::kMaxDepth) {
    known_frames::remember_functions(pc, words.frames + before, words.depth - before);
  }
}

void append_interpreted(const NativeFrame& frame, Words& words) {
  std::uint64_t word = known_frames::interpreted(g_fields, frame.fp);
  Scope scope = {};
  if (word == 0 && interpreted_scope(g_fields, frame.fp, scope)) {
    word = word_of(g_fields, scope);
    if (word != 0) {
      known_frames::remember_interpreted(g_fields, frame.fp, word);
    }
  }
  if (word != 0) {
    words.append(word);
  }
}

// Whether Java's code, or a stub of the JVM's, may return there.
bool is_return_address(std::uintptr_t pc) {
  return holds(pc) && g_cache.find(pc).kind != Kind::kNone;
}

// Takes the return address at `at`, with the caller's frame pointer `fp`, if it is one.
bool take_return(Position& p, std::uintptr_t at, std::uintptr_t fp, std::uintptr_t end) {
  std::uintptr_t pc = 0;
  if (!above(at + kWord, p.sp, end) || !read_at(at, pc) || !is_return_address(pc)) {
    return false;
  }
  p = {pc, at + kWord, fp, 0};
  return true;
}

// Where the frame is whole.
bool step_whole(Position& p, const known_frames::Stepping& stepping, std::uintptr_t end) {
  Position up = p;
  const bool stepped = stepping.kind == Kind::kCompiled
                           ? step_by_size(stepping.words, end, up)
                           : step_up(stepping.kind, stepping.words, end, up);
  if (!stepped || (stepping.kind != Kind::kStubs && !is_return_address(up.pc))) {
    return false;
  }
  p = up;
  return true;
}

// How many instructions' bytes a method has before its frame is whole, at most: a check of the
// receiver's class, of the stack's end, of the method's own state.
constexpr std::uintptr_t kEntryBytes = 64;

// Where it is not made yet, or undone already: the return address is on top of the stack, or behind
// the caller's frame pointer.
bool step_bare(Position& p, std::uintptr_t end) {
  std::uintptr_t saved = 0;
  return take_return(p, p.sp, p.fp, end) ||
         (read_at(p.sp, saved) && take_return(p, p.sp + kWord, saved, end));
}

}  // namespace

bool is_runtime(const LoadedObject& object) { return ends_with(object.path, "/libjvm.so"); }

void module_came(const LoadedObject& runtime) {
  if (load(g_stage) == Stage::kNoRuntime) {
    g_library = runtime;
    g_library.path = "";  // only borrowed
    recording::publish(g_stage, Stage::kMet);
  }
}

FrameReader prepare() {
  if (__atomic_test_and_set(&g_preparing, __ATOMIC_ACQUIRE)) {
    return FrameReader::kAbsent;  // another thread does, or this one is interrupted in it
  }
  FrameReader reader = FrameReader::kAbsent;
  if (load(g_stage) == Stage::kMet) {
    reader = read();
  }
  if (load(g_stage) == Stage::kRead) {
    reader = begin();
  }
  __atomic_clear(&g_preparing, __ATOMIC_RELEASE);
  return reader;
}

bool step(Position& position, std::uintptr_t end) {
  known_frames::Stepping stepping = {};
  if (!known_frames::find(g_fields, position.pc, stepping)) [[unlikely]] {
    const Blob blob = blob_of(position.pc, stepping);
    known_frames::remember(g_fields, position.pc, blob, stepping);
  }
  return stepping.kind == Kind::kCompiled ? step_by_size(stepping.words, end, position)
                                          : step_up(stepping.kind, stepping.words, end, position);
}

bool step_interrupted(Position& position, std::uintptr_t end) {
  constexpr int kMaxPushed = 7;
  known_frames::Stepping stepping = {};
  const Blob blob = blob_of(position.pc, stepping);
  std::uint8_t instruction = 0;
  if (blob.kind == Kind::kNone || position.sp % kWord != 0 || !read_at(position.pc, instruction)) {
    return false;
  }
#if defined(__x86_64__)
  constexpr std::uint8_t kReturn = 0xC3;
  constexpr std::uint8_t kPopFramePointer = 0x5D;
  const bool ends = instruction == kReturn || instruction == kPopFramePointer;
#else
  constexpr bool ends = false;
#endif
  const bool begins = known_frames::has_compilation(blob.kind) &&
                      position.pc - code_begin(g_fields, blob) < kEntryBytes;
  if ((ends || begins) && step_bare(position, end)) {
    return true;
  }
  if (step_whole(position, stepping, end)) {
    return true;
  }
  for (int pushed = 0; pushed < kMaxPushed; ++pushed) {  // stubs push what they need
    const std::uintptr_t at = position.sp + (static_cast<std::uintptr_t>(pushed) * kWord);
    if (take_return(position, at, position.fp, end)) {
      return true;
    }
  }
  return false;
}

void append(const NativeFrame& frame, Words& words) {
  if (!frame.interrupted && known_frames::append(g_fields, frame.pc, words)) {
    return;
  }
  known_frames::Stepping stepping = {};
  Blob blob = {0, Kind::kNone};
  if (frame.interrupted || !known_frames::find(g_fields, frame.pc, stepping) ||
      stepping.kind == Kind::kCompiled || stepping.kind == Kind::kNative) {
    blob = blob_of(frame.pc, stepping);
  }
  switch (stepping.kind) {
    case Kind::kCompiled:
    case Kind::kNative:
      append_compiled(frame, blob, words);
      return;
    case Kind::kInterpreter:
      append_interpreted(frame, words);
      return;
    case Kind::kContinuation:
      words.cut = true;
      return;
    case Kind::kNone:
    case Kind::kStubs:
    case Kind::kAdapter:
    case Kind::kOther:
      return;
  }
}

void attach_child() { known_frames::forget_all(); }

}  // namespace lamprey::preload::stack::hotspot
