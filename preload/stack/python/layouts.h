// Where CPython keeps what is read here, in bytes, for each minor version that is known. From
// 3.13 on the runtime says most of it itself (_Py_DebugOffsets); whatever the source, runtime.cpp
// checks it against what the types say of their members. arm64 has the same as x86_64.
//
// Sources: CPython's headers of each version (Include/cpython/{pystate,frameobject,code}.h,
// Include/internal/pycore_frame.h). Only data lives here.
#pragma once

#include <cstdint>

namespace lamprey::preload::stack::python {

struct Layout {
  std::uint16_t minor;  // 3.minor
  // PyThreadState. Its frame is the newest; of 3.11 and 3.12 a _PyCFrame, which knows the newest.
  std::uint16_t state_frame;
  std::uint16_t state_thread;  // pthread_self() of its thread
  std::uint16_t cframe_frame;
  std::uint16_t cframe_previous;
  // A frame: PyFrameObject, from 3.11 on _PyInterpreterFrame.
  std::uint16_t frame_previous;
  std::uint16_t frame_code;
  std::uint16_t frame_instruction;  // an index; from 3.11 on a pointer
  std::uint16_t frame_entry;        // 3.11: a byte, whether the evaluator was called for it
  std::uint16_t frame_owner;        // from 3.12 on, a byte
  std::uint16_t frame_bytes;        // that are read of it
  // PyCodeObject.
  std::uint16_t code_first_line;
  std::uint16_t code_version;  // from 3.12 on: a number that no other has
  std::uint16_t code_file;
  std::uint16_t code_name;
  std::uint16_t code_qualified_name;  // before 3.11 the plain name
  std::uint16_t code_lines;           // co_lnotab, co_linetable
  std::uint16_t code_instructions;    // tp_basicsize; from 3.11 on they begin there
  // A str.
  std::uint16_t text_ascii;  // where its characters are, if all are ASCII
  std::uint16_t text_other;
  std::uint16_t text_bytes;  // tp_basicsize
  // _PyRuntime.
  std::uint16_t finalizing;
};

inline constexpr std::uint16_t kOldest = 8;
inline constexpr std::uint16_t kFirstWithCframe = 11;
inline constexpr std::uint16_t kFirstWithShims = 12;
inline constexpr std::uint16_t kFirstWithOffsets = 13;  // _Py_DebugOffsets
inline constexpr std::uint16_t kFirstWithTags = 14;     // in the lowest bits of frame_code

inline constexpr Layout kLayouts[] = {
    {8, 24, 176, 0, 0, 24, 32, 104, 0, 0, 112, 40, 0, 104, 112, 112, 120, 176, 48, 72, 80, 16},
    {9, 24, 176, 0, 0, 24, 32, 104, 0, 0, 112, 40, 0, 104, 112, 112, 120, 176, 48, 72, 80, 16},
    {10, 24, 176, 0, 0, 24, 32, 96, 0, 0, 104, 40, 0, 104, 112, 112, 120, 176, 48, 72, 80, 16},
    {11, 56, 152, 8, 16, 48, 32, 56, 68, 0, 72, 72, 0, 112, 120, 128, 136, 184, 48, 72, 80, 24},
    {12, 56, 136, 0, 8, 8, 0, 56, 0, 70, 72, 68, 92, 112, 120, 128, 136, 192, 40, 56, 64, 24},
    {13, 72, 152, 0, 0, 8, 0, 56, 0, 70, 72, 68, 92, 112, 120, 128, 136, 200, 40, 56, 64, 0},
    {14, 72, 152, 0, 0, 8, 0, 56, 0, 74, 80, 68, 92, 112, 120, 128, 136, 208, 40, 56, 64, 0},
};

// The same in all of them.
inline constexpr std::uint16_t kObjectType = 8;
inline constexpr std::uint16_t kObjectSize = 16;  // of bytes and str: how many
inline constexpr std::uint16_t kBytesData = 32;
inline constexpr std::uint16_t kTextHash = 24;
inline constexpr std::uint16_t kTextState = 32;
inline constexpr std::uint16_t kTypeBytes = 32;     // tp_basicsize
inline constexpr std::uint16_t kTypeMembers = 240;  // tp_members
inline constexpr std::uint16_t kMemberBytes = 40;   // of a PyMemberDef
inline constexpr std::uint16_t kMemberOffset = 16;
inline constexpr std::uint16_t kCodeFlags = 48;  // from 3.11 on

}  // namespace lamprey::preload::stack::python
