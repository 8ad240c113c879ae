// See hotspot.h.
#include "preload/stack/hotspot/hotspot.h"

#include "preload/base/text.h"
#include "preload/stack/hotspot/methods.h"
#include "preload/stack/hotspot/stepping.h"
#include "preload/stack/reading/memory_reads.h"

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

void append_scope(const Scope& scope, Words& words) {
  if (const std::uint64_t word = word_of(g_fields, scope); word != 0) {
    words.append(word);
  }
}

}  // namespace

bool is_runtime(const LoadedObject& object) { return ends_with(object.path, "/libjvm.so"); }

void module_came(const LoadedObject& runtime) {
  if (load(g_stage) == Stage::kNoRuntime) {
    g_library = runtime;
    g_library.path = "";  // only borrowed
    __atomic_store_n(&g_stage, Stage::kMet, __ATOMIC_RELEASE);
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

bool step(std::uintptr_t& pc, std::uintptr_t& sp, std::uintptr_t& fp, std::uintptr_t end_of_stack) {
  Position position = {pc, sp, fp};
  if (!step_up(g_fields, g_cache.find(pc), end_of_stack, position)) {
    return false;
  }
  pc = position.pc;
  sp = position.sp;
  fp = position.fp;
  return true;
}

void append(const NativeFrame& frame, Words& words) {
  const Blob blob = g_cache.find(frame.pc);
  Scope scope = {};
  switch (blob.kind) {
    case Kind::kCompiled:
    case Kind::kNative: {
      Scopes scopes(g_fields, blob, real_pc(g_fields, blob, frame.pc, frame.sp));
      while (scopes.next(scope)) {
        append_scope(scope, words);
      }
      return;
    }
    case Kind::kInterpreter:
      if (interpreted_scope(g_fields, frame.fp, scope)) {
        append_scope(scope, words);
      }
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

}  // namespace lamprey::preload::stack::hotspot
