// See runtime.h.
#include "preload/stack/v8/runtime.h"

#include <atomic>

#include "preload/process/thread.h"
#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/v8/heap.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::v8 {
namespace {

using recording::FrameReader;
using recording::load;
using recording::store;

constexpr std::uint32_t kProofs = 3;
constexpr std::uint32_t kMaxDisproofs = 64;

// v8::RegisterState and v8::SampleInfo (V8 include/v8-unwinder.h, v8-callbacks.h).
struct RegisterState {
  std::uintptr_t pc, sp, fp, lr;
  void* saved;
  std::uint64_t more[12];  // whatever a later one adds
};
struct SampleInfo {
  std::size_t frames;
  void *callback, *context, *embedder_context;
  std::int32_t state;  // 16 bits of it in newer ones
  std::int32_t embedder_state;
  std::uint64_t more[8];
};
constexpr std::int32_t kStateCollecting = 1;

using TryGetCurrent = void* (*)();
using GetStackSample = void (*)(void* isolate, const RegisterState& registers, void** frames,
                                std::size_t most, SampleInfo* info);

// Written before `g_armed`.
const Layout* g_layout = nullptr;
TryGetCurrent g_current = nullptr;
GetStackSample g_sample = nullptr;
std::uintptr_t g_key_there = 0;  // a byte of Node.js 18: the thread's key for it was made
std::uintptr_t g_begin = 0;
std::uintptr_t g_end = 0;

FrameReader g_state = FrameReader::kAbsent;
bool g_armed = false;
std::uint32_t g_proofs = 0;
std::uint32_t g_disproofs = 0;

void become(FrameReader state) {
  store(g_state, state);
  __atomic_store_n(&g_armed, state == FrameReader::kOn, __ATOMIC_RELEASE);
  if (g_writer.bound()) {
    store(g_writer.header().frame_readers[static_cast<unsigned>(recording::Language::kJavaScript)],
          state);
  }
}

bool number(const DynamicSymbols& symbols, const char* name, std::int32_t& value) {
  const std::uintptr_t at = symbols.find(name);
  return at != 0 && read_at(at, value);
}

// Whether the build's own description says what the table says, where both say it.
bool agrees(const DynamicSymbols& symbols, const Types& types) {
  const struct {
    const char* name;
    std::int32_t value;
  } expected[] = {
      {"v8dbg_SmiShiftSize", 31},
      {"v8dbg_SmiValueShift", 1},
      {"v8dbg_HeapObjectTag", 1},
      {"v8dbg_HeapObjectTagMask", 3},
      {"v8dbg_type_JSFunction__JS_FUNCTION_TYPE", types.first_function},
      {"v8dbg_type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE", types.shared_function},
      {"v8dbg_type_Script__SCRIPT_TYPE", types.script},
      {"v8dbg_type_Map__MAP_TYPE", types.map},
  };
  for (const auto& one : expected) {
    if (std::int32_t value = 0; !number(symbols, one.name, value) || value != one.value) {
      return false;
    }
  }
  return true;
}

FrameReader look(const LoadedObject& object, const DynamicSymbols& symbols, std::int32_t major) {
  std::int32_t minor = 0;
  std::int32_t build = 0;
  if (!number(symbols, "_ZN2v88internal7Version6minor_E", minor) ||
      !number(symbols, "_ZN2v88internal7Version6build_E", build)) {
    return FrameReader::kMissing;
  }
  g_layout = layout_of(major, minor, build);
  if (g_layout == nullptr) {
    return FrameReader::kUnknownVersion;
  }
  const std::uintptr_t current = symbols.find("_ZN2v87Isolate13TryGetCurrentEv");
  const std::uintptr_t sample =
      symbols.find("_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE");
  if (current == 0 || sample == 0) {
    return FrameReader::kMissing;
  }
  g_current = reinterpret_cast<TryGetCurrent>(current);
  g_sample = reinterpret_cast<GetStackSample>(sample);
  g_key_there = symbols.find("_ZN2v88internal7Isolate20isolate_key_created_E");
  g_begin = object.start;
  g_end = object.end;
  return agrees(symbols, g_layout->types) ? FrameReader::kOn : FrameReader::kNotProven;
}

void* current_isolate() {
  // Before V8 made its key, key 0 may be anybody's.
  std::uint8_t key_there = 1;
  if (g_key_there != 0 && (!read_at(g_key_there, key_there) || key_there == 0)) {
    return nullptr;
  }
  return g_current();
}

// It looks at the state first, and at no frame, as there is room for none.
std::int32_t __attribute__((noinline)) state_of(void* isolate) {
  RegisterState registers = {};
  registers.pc = reinterpret_cast<std::uintptr_t>(&state_of);
  registers.sp = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  registers.fp = registers.sp;
  SampleInfo info = {};
  void* frames[1] = {};
  g_sample(isolate, registers, frames, 0, &info);
  return g_layout->state_is_short ? info.state & 0xFFFF : info.state;
}

}  // namespace

void module_came(const LoadedObject& object, bool wanted) {
  if (load(g_state) != FrameReader::kAbsent) {
    return;
  }
  const DynamicSymbols symbols(object);
  std::int32_t major = 0;
  if (!number(symbols, "_ZN2v88internal7Version6major_E", major)) {
    return;
  }
  become(wanted ? look(object, symbols, major) : FrameReader::kSwitchedOff);
}

bool armed() { return __atomic_load_n(&g_armed, __ATOMIC_ACQUIRE); }

FrameReader state() { return load(g_state); }

void leave() { become(FrameReader::kSwitchedOff); }

const Layout& layout() { return *g_layout; }

bool in_module(std::uintptr_t pc) { return pc >= g_begin && pc < g_end; }

Here here() {
  if (!armed()) {
    return Here::kNone;
  }
  void* const isolate = current_isolate();
  if (isolate == nullptr) {
    return Here::kNone;
  }
  return state_of(isolate) == kStateCollecting ? Here::kCollecting : Here::kJavaScript;
}

std::uint64_t isolate() {
  const recording::ThreadSlot* slot = t_thread.slot;
  const std::uint64_t thread =
      slot != nullptr ? (std::uint64_t{g_writer.index_of(*slot)} << 32U) | load(slot->generation)
                      : ~std::uint64_t{0};
  return mix(mix(1, reinterpret_cast<std::uintptr_t>(current_isolate())), thread) | 1U;
}

void prove(bool passed) {
  if (load(g_proofs) >= kProofs) {
    return;
  }
  if (!passed) {
    become(FrameReader::kNotProven);
    return;
  }
  recording::shared_add(g_proofs, 1);
}

void disprove() {
  if (load(g_proofs) == 0) {
    recording::shared_add(g_disproofs, 1);
    if (load(g_disproofs) >= kMaxDisproofs) {
      become(FrameReader::kNotProven);
    }
  }
}

}  // namespace lamprey::preload::stack::v8
