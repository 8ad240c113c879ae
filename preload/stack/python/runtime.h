// The Python that a module holds, if any: its version, where it keeps what is read of it, and the
// proof that this is so. Nothing is called and nothing is read of a running program here.
#pragma once

#include <cstdint>

#include "preload/stack/python/layouts.h"
#include "preload/stack/reading/dynamic_symbols.h"
#include "recording/functions.h"

namespace lamprey::preload::stack::python {

struct Runtime {
  Layout layout;
  std::uintptr_t code_type;         // PyCode_Type
  std::uintptr_t text_type;         // PyUnicode_Type
  std::uintptr_t finalizing;        // a word that is not 0 once the interpreter ends
  std::uintptr_t (*this_thread)();  // PyGILState_GetThisThreadState
  std::uintptr_t evaluator;         // _PyEval_EvalFrameDefault
  std::uintptr_t evaluator_end;
  std::uintptr_t module_start;
  std::uintptr_t module_end;
};

// kOn: `runtime` is filled. kAbsent: there is no Python in that module.
recording::FrameReader find_runtime(const LoadedObject& object, Runtime& runtime);

}  // namespace lamprey::preload::stack::python
