// See runtime.h.
#include "preload/stack/python/runtime.h"

#include "preload/base/text.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

using recording::FrameReader;

constexpr int kMaxMembers = 64;

// The minor version; 0: not known. Without a call: Py_Version is a number since 3.11, and each
// version before has a function that came with it.
std::uint16_t version_of(const DynamicSymbols& symbols, std::uint64_t& full) {
  full = 0;
  if (const std::uintptr_t version = symbols.find("Py_Version"); version != 0) {
    constexpr std::uint64_t kMajor = 3;
    return read_at(version, full) && (full >> 24U) == kMajor
               ? static_cast<std::uint16_t>((full >> 16U) & 0xFFU)
               : std::uint16_t{0};
  }
  if (symbols.find("Py_NewRef") != 0) {
    return 10;
  }
  if (symbols.find("PyFrame_GetCode") != 0) {
    return 9;
  }
  return symbols.find("PyCode_NewWithPosOnlyArgs") != 0 ? 8 : 0;
}

bool layout_of(std::uint16_t minor, Layout& layout) {
  for (const Layout& known : kLayouts) {
    if (known.minor == minor) {
      layout = known;
      return true;
    }
  }
  return false;
}

// A word of _Py_DebugOffsets that is an offset in something.
struct Offset {
  std::uint16_t Layout::*into;
  std::uint16_t word[2];  // of 3.13 and 3.14
};

constexpr Offset kOffsets[] = {
    {&Layout::finalizing, {4, 4}},          {&Layout::state_frame, {23, 26}},
    {&Layout::state_thread, {24, 27}},      {&Layout::frame_previous, {29, 32}},
    {&Layout::frame_code, {30, 33}},        {&Layout::frame_instruction, {31, 34}},
    {&Layout::frame_owner, {33, 36}},       {&Layout::code_file, {35, 40}},
    {&Layout::code_name, {36, 41}},         {&Layout::code_qualified_name, {37, 42}},
    {&Layout::code_lines, {38, 43}},        {&Layout::code_first_line, {39, 44}},
    {&Layout::code_instructions, {43, 48}}, {&Layout::text_ascii, {70, 80}},
};

// Takes what the runtime says. A build without the GIL has other objects and other pointers: off.
FrameReader take_offsets(std::uintptr_t said, std::uint64_t version, Layout& layout) {
  struct {
    char cookie[8];
    std::uint64_t version, free_threaded;
  } head = {};
  if (!read_at(said, head) || __builtin_memcmp(head.cookie, "xdebugpy", sizeof(head.cookie)) != 0 ||
      head.version != version) {
    return FrameReader::kNotProven;
  }
  if (head.free_threaded != 0) {
    return FrameReader::kUnknownVersion;
  }
  for (const Offset& offset : kOffsets) {
    constexpr std::uint64_t kMaxOffset = 1024;
    const std::uint16_t word = offset.word[layout.minor - kFirstWithOffsets];
    std::uint64_t value = 0;
    // _PyRuntime is large; all else is near the start of its object.
    const bool of_runtime = offset.into == &Layout::finalizing;
    if (!read_at(said + (word * sizeof(value)), value) ||
        value >= (of_runtime ? UINT16_MAX : kMaxOffset)) {
      return FrameReader::kNotProven;
    }
    layout.*offset.into = static_cast<std::uint16_t>(value);
  }
  for (const Layout& known : kLayouts) {
    // Of the version's place nothing is said; it is near the first line's.
    if (known.minor == layout.minor && known.code_first_line != layout.code_first_line) {
      layout.code_version = 0;
    }
  }
  return FrameReader::kOn;
}

// What the type says of its member.
bool has_member(std::uintptr_t type, const char* name, std::uint16_t offset) {
  std::uintptr_t member = 0;
  if (!read_at(type + kTypeMembers, member)) {
    return false;
  }
  const std::size_t bytes = length_of(name) + 1;
  for (int i = 0; i < kMaxMembers; ++i, member += kMemberBytes) {
    std::uintptr_t named = 0;
    std::uint64_t there = 0;
    if (!read_at(member, named) || named == 0 || !read_at(member + kMemberOffset, there)) {
      return false;
    }
    if (can_read(named, bytes) &&
        __builtin_memcmp(reinterpret_cast<const char*>(named), name, bytes) == 0) {
      return there == offset;
    }
  }
  return false;
}

bool has_size(std::uintptr_t type, std::uint16_t bytes) {
  std::uint64_t there = 0;
  return read_at(type + kTypeBytes, there) && there == bytes;
}

bool is_proven(const Runtime& runtime, std::uintptr_t frame_type) {
  const Layout& layout = runtime.layout;
  const std::uintptr_t code = runtime.code_type;
  bool proven =
      has_size(code, layout.code_instructions) && has_size(runtime.text_type, layout.text_bytes) &&
      has_member(code, "co_firstlineno", layout.code_first_line) &&
      has_member(code, "co_filename", layout.code_file) &&
      has_member(code, "co_name", layout.code_name) &&
      has_member(code, layout.minor < 10 ? "co_lnotab" : "co_linetable", layout.code_lines);
  if (layout.minor >= kFirstWithCframe) {
    return proven && has_member(code, "co_qualname", layout.code_qualified_name) &&
           has_member(code, "co_flags", kCodeFlags);
  }
  proven = proven && has_member(frame_type, "f_back", layout.frame_previous) &&
           has_member(frame_type, "f_code", layout.frame_code);
  // 3.10's is no plain member any more.
  return proven &&
         (layout.minor == 10 || has_member(frame_type, "f_lasti", layout.frame_instruction));
}

}  // namespace

FrameReader find_runtime(const LoadedObject& object, Runtime& runtime) {
  const DynamicSymbols symbols(object);
  const std::uintptr_t state = symbols.find("_PyRuntime");
  if (state == 0) {
    return FrameReader::kAbsent;
  }
  std::uint64_t version = 0;
  runtime = {};
  Layout& layout = runtime.layout;
  if (!layout_of(version_of(symbols, version), layout)) {
    return FrameReader::kUnknownVersion;
  }
  std::uint64_t evaluator_bytes = 0;
  runtime.code_type = symbols.find("PyCode_Type");
  runtime.text_type = symbols.find("PyUnicode_Type");
  runtime.evaluator = symbols.find("_PyEval_EvalFrameDefault", evaluator_bytes);
  runtime.evaluator_end = runtime.evaluator + evaluator_bytes;
  runtime.module_start = object.start;
  runtime.module_end = object.end;
  const std::uintptr_t this_thread = symbols.find("PyGILState_GetThisThreadState");
  const std::uintptr_t frame_type = symbols.find("PyFrame_Type");
  if (runtime.code_type == 0 || runtime.text_type == 0 || runtime.evaluator == 0 ||
      this_thread == 0 || frame_type == 0) {
    return FrameReader::kMissing;
  }
  runtime.this_thread = reinterpret_cast<std::uintptr_t (*)()>(this_thread);
  if (layout.minor >= kFirstWithOffsets) {
    if (const FrameReader said = take_offsets(state, version, layout); said != FrameReader::kOn) {
      return said;
    }
  }
  runtime.finalizing = state + layout.finalizing;
  return can_read(runtime.finalizing, sizeof(std::uintptr_t)) && is_proven(runtime, frame_type)
             ? FrameReader::kOn
             : FrameReader::kNotProven;
}

}  // namespace lamprey::preload::stack::python
