// See python.h.
#include "preload/stack/python/python.h"

namespace lamprey::preload::stack::python {

void module_came(const LoadedObject&, bool) {}

bool armed() { return false; }

void read(Chain& chain) {
  chain.count = 0;
  chain.hash = 0;
}

bool merge(const Chain&, const NativeFrames&, Words&) { return false; }

}  // namespace lamprey::preload::stack::python
