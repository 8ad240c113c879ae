// The hook of dlclose: what is remembered of code addresses must not outlive the code. It counts
// nothing. (dlopen is not hooked: libc resolves names against its caller, which would be us.)
#include "preload/base/tripwire.h"
#include "preload/libc/real.h"
#include "preload/stack/stacks.h"

extern "C" __attribute__((visibility("default"))) int hook_dlclose(void* handle) asm("dlclose");
int hook_dlclose(void* handle) {
  using namespace lamprey::preload;
  tripwire::check("dlclose");
  if (!available(g_real.dlclose, "dlclose")) {
    return -1;
  }
  stack::unloading();
  const int result = g_real.dlclose(handle);
  stack::unloaded();
  return result;
}
