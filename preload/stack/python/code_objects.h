// From a code object to the words of a stack: its function in the recording, with name and file as
// they are copied when it is first met, and the line.
//
// Cost: ~3 ns for a frame seen before, some hundred for one that is new.
#pragma once

#include <cstdint>

#include "preload/stack/python/python.h"
#include "preload/stack/python/runtime.h"

namespace lamprey::preload::stack::python {

// Fills the frame's code and identity. False: there is no code object.
bool describe(const Runtime& runtime, std::uintptr_t code, Frame& frame);

// As recording/functions.h has it.
std::uint64_t word_of(const Runtime& runtime, const Frame& frame);

}  // namespace lamprey::preload::stack::python
