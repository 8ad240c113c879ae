// See ruby.h. Which Ruby this process has, and whether it may be read at this moment.
#include "preload/stack/ruby/ruby.h"

#include "preload/process/thread.h"
#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/ruby/chain.h"
#include "preload/stack/ruby/iseqs.h"
#include "preload/stack/ruby/merging.h"
#include "preload/stack/ruby/proof.h"

namespace lamprey::preload::stack::ruby {
namespace {

using recording::FrameReader;
using recording::load;
using recording::store;

constexpr std::uint32_t kMaxLooks = 1U << 16U;  // captures without a frame of Ruby's
constexpr std::uint32_t kMaxBroken = 64;        // walks one after the other

constinit Runtime g_runtime = {};  // written before `g_armed`, by who holds `g_proving`
bool g_coming = false;
bool g_armed = false;
bool g_proving = false;
std::uint32_t g_looks = 0;
std::uint32_t g_broken = 0;  // walks in a row that met what is no frame

void say(FrameReader how) {
  store(g_writer.header().frame_readers[static_cast<std::uint32_t>(recording::Language::kRuby)],
        how);
}

void give_up(FrameReader why) {
  store(g_coming, false);
  store(g_armed, false);
  say(why);
}

void judge(Walked walked) {
  if (walked != Walked::kBroken) {
    if (load(g_broken) != 0) {
      store(g_broken, 0);
    }
  } else if (__atomic_add_fetch(&g_broken, 1U, __ATOMIC_RELAXED) == kMaxBroken) {
    give_up(FrameReader::kNotProven);
  }
}

void clear(Chain& chain) {
  chain.count = 0;
  chain.hash = 0;
  chain.cut = false;
}

bool prove_alone(Chain& chain, std::uintptr_t& in_evaluator) {
  const std::uintptr_t context = find_context(g_runtime);
  if (context == 0) {
    if (__atomic_add_fetch(&g_looks, 1U, __ATOMIC_RELAXED) == kMaxLooks) {
      give_up(FrameReader::kMissing);
    }
    return false;
  }
  if (walk(g_runtime, context, Wanted::kAll, chain) == Walked::kBroken) {
    judge(Walked::kBroken);
    return false;
  }
  const Proof proof = compare(g_runtime, chain);
  if (proof == Proof::kOther) {
    give_up(FrameReader::kNotProven);
  }
  if (proof != Proof::kSame) {
    return false;
  }
  // With direct threading, Ruby's default, an instruction is the address of the code that runs it.
  const std::uintptr_t code = field<std::uintptr_t>(chain.frames[0].body + kBodyCode);
  in_evaluator = is_object(code) && read_at(code, in_evaluator) ? in_evaluator : 0;
  store(g_coming, false);
  recording::publish(g_armed, true);
  say(FrameReader::kOn);
  return true;
}

}  // namespace

void module_came(const LoadedObject& object, bool wanted) {
  Runtime runtime;
  if (load(g_armed) || load(g_coming)) {
    return;
  }
  const FrameReader how = find_runtime(object, runtime);
  if (how == FrameReader::kAbsent) {
    return;
  }
  if (!wanted || how != FrameReader::kOn) {
    say(wanted ? how : FrameReader::kSwitchedOff);
    return;
  }
  g_runtime = runtime;
  recording::publish(g_coming, true);
}

bool is_coming() { return load(g_coming); }

bool prove(Chain& chain, std::uintptr_t& in_evaluator) {
  bool proven = false;
  if (!__atomic_test_and_set(&g_proving, __ATOMIC_ACQUIRE)) {
    proven = load(g_coming) && prove_alone(chain, in_evaluator);
    __atomic_clear(&g_proving, __ATOMIC_RELEASE);
  }
  clear(chain);
  return proven;
}

void set_evaluator(std::uintptr_t begin, std::uintptr_t end) {
  g_runtime.evaluator_end = end;
  recording::publish(g_runtime.evaluator, begin);
}

bool armed() { return __atomic_load_n(&g_armed, __ATOMIC_ACQUIRE); }

void read(Chain& chain) {
  clear(chain);
  if (!armed()) {
    return;
  }
  if (const std::uintptr_t context = context_of(g_runtime); context != 0) {
    judge(walk(g_runtime, context, Wanted::kShown, chain));
  }
}

bool merge(const Chain& chain, const NativeFrames& native, Words& words) {
  if (chain.count == 0 || !armed()) {
    return false;
  }
  merge(g_runtime, chain, native, words);
  return true;
}

}  // namespace lamprey::preload::stack::ruby
