// Decides whether the process that the library finds itself in is to be recorded. Nothing else.
//
//   LAMPREY=off                              never
//   _LAMPREY_TARGET is our pid               yes: the wrapper's last exec, or `lamprey run`
//   ... but the program is a shell           no, not yet: a chained wrapper in bash (another
//                                            layer's) is on its way to exec the runtime
//   _LAMPREY_TARGET is another pid           a child: only with LAMPREY_FOLLOW_CHILDREN=on, or
//                                            where it may be the runtime itself (launched.h)
//   no _LAMPREY_TARGET                       LD_PRELOAD is a function variable (provided.*): the
//                                            runtime has _HANDLER (none in an image without a
//                                            command) and the log group's name, extensions have
//                                            neither; and nothing below /opt/extensions (the
//                                            emulators give extensions everything)
#pragma once

#include "recording/layout.h"

namespace lamprey::preload {
inline namespace process {

struct Decision {
  bool record;
  recording::Role role;
  bool follow_children;
  bool concurrent;           // Managed Instances
  std::int32_t launched_by;  // 0, or the wrapper's pid: it may be the runtime, as its child
};

// `executable`: the path of this program, NUL-terminated. Constructor only.
Decision decide_role(const char* executable, int pid);

// Programs that only stand between the wrapper and the runtime.
bool is_shell(const char* executable);

}  // namespace process
}  // namespace lamprey::preload
