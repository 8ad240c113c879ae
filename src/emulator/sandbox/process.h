// Starts one process of an environment: own process group, own pipes, the layer as /opt, inside
// the environment's control groups. What to start and when to end it is decided elsewhere.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "emulator/options/function_variables.h"
#include "emulator/sandbox/opt_mapping.h"

namespace lamprey::emulator {

struct ProcessPlan {
  std::vector<std::string> arguments;  // arguments[0] is the file to execute
  Variables variables;
  std::string folder;                     // working directory
  std::vector<std::string> cgroup_files;  // cgroup.procs files to join
};

struct StartedProcess {
  pid_t pid = -1;      // also its process group
  int stdout_fd = -1;  // reading ends, owned by the caller, non-blocking
  int stderr_fd = -1;
  int error = 0;  // errno of a failed start; the other members are unset then
};

// Blocks until the child has executed its program (or failed to).
StartedProcess start_process(const ProcessPlan& plan, const OptMapping& mapping);

// "exit status 1" or "signal: killed", as Lambda's error messages put it.
std::string describe_exit(int wait_status);

}  // namespace lamprey::emulator
