// See languages.h.
#include "preload/stack/languages.h"

#include "preload/process/compatibility.h"
#include "preload/process/thread.h"
#include "preload/stack/dotnet.h"
#include "preload/stack/hotspot/hotspot.h"
#include "preload/stack/modules.h"
#include "preload/stack/reading/entry_frames.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/recent_stacks.h"
#include "preload/stack/submissions.h"
#include "preload/stack/unwind.h"
#include "preload/stack/v8/v8.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::languages {
namespace {

using recording::load;
using recording::store;

bool g_off = false;                          // LAMPREY_FRAMES
bool g_any = false;                          // a reader is on
Scratch g_scratch[recording::kThreadSlots];  // touched as threads capture
Scratch g_of_handlers[recording::kThreadSlots];

void append_native(const NativeFrames& native, Words& words) {
  for (std::uint32_t i = 0; i < native.count; ++i) {
    if (hotspot::holds(native.frames[i].pc)) [[unlikely]] {
      hotspot::append(native.frames[i], words);
    } else {
      words.append(native.frames[i].pc);
    }
  }
}

void set_reader(recording::Language language, recording::FrameReader reader) {
  store(g_writer.header().frame_readers[static_cast<std::size_t>(language)], reader);
}

bool stays_off(const LoadedObject& object) {
  return compatibility::is_off("frames", object.build_id, object.build_id_bytes);
}

// No setting has switched a reader off: the list did.
void tell_of_list() {
  for (recording::FrameReader& reader : g_writer.header().frame_readers) {
    if (load(reader) == recording::FrameReader::kSwitchedOff) {
      store(reader, recording::FrameReader::kListed);
    }
  }
}

[[gnu::noinline, gnu::cold]] void prove_ruby(Scratch& scratch) {
  std::uintptr_t code = 0;
  unwind::Tables tables;
  if (ruby::prove(scratch.ruby, code) && code != 0 &&
      modules::find_tables(code, tables) == modules::Answer::kFound) {
    const unwind::Extent evaluator = unwind::extent_of(tables, code);
    ruby::set_evaluator(evaluator.begin, evaluator.end);
  }
}

void read_chain(Scratch& scratch) {
  scratch.has_ruby = false;
  python::read(scratch.python);
  if (ruby::armed() && scratch.python.count == 0) {
    scratch.has_ruby = true;
    ruby::read(scratch.ruby);
  }
}

// What was remembered of Java's frames was guessed.
[[gnu::noinline, gnu::cold]] void prepare_java() {
  const recording::FrameReader reader = hotspot::prepare();
  if (reader == recording::FrameReader::kAbsent) {
    return;
  }
  set_reader(recording::Language::kJava, reader);
  if (reader == recording::FrameReader::kOn) {
    unwind::forget_addresses();
    recent_stacks::forget_all();
    store(g_any, true);
  }
}

// A function of its own: where no language is, begin() keeps no register.
[[gnu::noinline]] Scratch* begin_reading() {
  const recording::ThreadSlot* slot = t_thread.slot;
  if (slot == nullptr) {
    return nullptr;
  }
  Scratch& scratch = g_scratch[g_writer.index_of(*slot)];
  if (load(scratch.busy)) {
    return nullptr;
  }
  store(scratch.busy, true);
  recording::order_for_handlers();
  if (ruby::is_coming()) [[unlikely]] {
    prove_ruby(scratch);
  }
  read_chain(scratch);
  return &scratch;
}

}  // namespace

void switch_off() { g_off = true; }

void module_came(const LoadedObject& object) {
  const bool listed = !g_off && stays_off(object);
  const bool wanted = !g_off && !listed;
  entry_frames::module_came(object);
  dotnet::module_came(object);
  python::module_came(object, wanted);
  v8::module_came(object, wanted);
  ruby::module_came(object, wanted);
  if (v8::armed()) {
    unwind::expect_v8();
    store(submissions::g_on, 1U);
  }
  if (python::armed() || v8::armed() || ruby::is_coming()) {
    store(g_any, true);
  }
  if (hotspot::is_runtime(object)) {
    if (!wanted) {
      set_reader(recording::Language::kJava, recording::FrameReader::kSwitchedOff);
    } else {
      hotspot::module_came(object);
    }
  }
  if (listed) {
    tell_of_list();
  }
}

bool any() { return load(g_any); }

Scratch* begin() {
  if (hotspot::is_coming()) [[unlikely]] {
    prepare_java();
  }
  return load(g_any) ? begin_reading() : nullptr;
}

Scratch* scratch_of_handler() {
  const recording::ThreadSlot* slot = t_thread.slot;
  if (slot == nullptr) {
    return nullptr;
  }
  Scratch& scratch = g_of_handlers[g_writer.index_of(*slot)];
  scratch.has_ruby = false;
  scratch.python.count = 0;
  scratch.python.hash = 0;
  if (load(g_any)) {
    read_chain(scratch);
  }
  return &scratch;
}

void end(Scratch& scratch) {
  recording::order_for_handlers();
  store(scratch.busy, false);
}

std::uint64_t chain_of(const Scratch& scratch) {
  return scratch.has_ruby ? scratch.ruby.hash : scratch.python.hash;
}

bool merge(Scratch& scratch) {
  scratch.words.depth = 0;
  scratch.words.cut = scratch.native.cut;
  if (scratch.has_ruby ? ruby::merge(scratch.ruby, scratch.native, scratch.words)
                       : python::merge(scratch.python, scratch.native, scratch.words)) {
    return true;
  }
  if (v8::armed()) {
    return v8::merge(scratch.native, scratch.words);
  }
  append_native(scratch.native, scratch.words);
  return true;
}

void unloading() { python::unloading(); }

void unloaded() {
  const std::uintptr_t may_go = python::may_go();
  python::unloaded(may_go == 0 || modules::range_of(may_go).end != 0);
}

void attach_child() {
  functions::forget_all();
  python::attach_child();
  v8::attach_child();
  hotspot::attach_child();
}

}  // namespace lamprey::preload::stack::languages
