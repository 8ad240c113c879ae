// The flag, and the question that it saves; see the header. The hooks: vfork_hooks.cpp.
#include "preload/process/vfork.h"

#include "preload/base/raw_syscall.h"
#include "preload/process/thread.h"

namespace lamprey::preload {
inline namespace process {

extern "C" {
__thread __attribute__((tls_model("initial-exec"))) std::uint8_t lamprey_vforked;
}

bool runs_as_vfork_child() {
  if (raw_syscall(SYS_getpid) != g_writer.header().pid) {
    return true;
  }
  lamprey_vforked = 0;
  return false;
}

}  // namespace process
}  // namespace lamprey::preload
