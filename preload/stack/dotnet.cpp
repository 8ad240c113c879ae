// See dotnet.h.
#include "preload/stack/dotnet.h"

#include "recording/counting.h"

namespace lamprey::preload::stack::dotnet {
namespace {

// What debuggers find it by: of libcoreclr.so, of a program in a single file, of one that was
// compiled ahead of time.
constexpr const char* kExported[] = {"coreclr_initialize", "DotNetRuntimeInfo",
                                     "DotNetRuntimeDebugHeader"};
bool g_here = false;

}  // namespace

void module_came(const LoadedObject& object) {
  const DynamicSymbols symbols(object);
  for (const char* name : kExported) {
    if (symbols.find(name) != 0) {
      recording::store(g_here, true);
    }
  }
}

bool is_here() { return recording::load(g_here); }

}  // namespace lamprey::preload::stack::dotnet
