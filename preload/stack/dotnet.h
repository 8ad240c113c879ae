// Whether .NET's runtime is in this process. Its frames have no reader; what matters is that no
// signal of ours may interrupt it (preload/cpu/cpu.h).
//
// A look costs three lookups in a module's hash table, once a module. Any thread.
#pragma once

#include "preload/stack/reading/dynamic_symbols.h"

namespace lamprey::preload::stack::dotnet {

// A module was loaded: is it the runtime, or a program that has it within?
void module_came(const LoadedObject& object);

bool is_here();

}  // namespace lamprey::preload::stack::dotnet
