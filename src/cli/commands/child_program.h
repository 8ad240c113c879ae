// Running a program as if its parent were not there: standard streams, signals and exit status pass
// through. Knows nothing of recordings.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace lamprey::cli {

struct ChildEnd {
  pid_t pid = 0;
  int start_error = 0;  // errno of exec; 0 when the program was started
  int wait_status = 0;  // as waitpid gives it
  rusage usage{};       // of the program and the children that it waited for
};

// Forks; `prepare` runs in the child before exec (environment). Blocks until the program has ended.
// Signals that somebody sends to this process go on to the program; those of the terminal reach it
// anyway.
ChildEnd run_program(const std::vector<std::string>& words, const std::function<void()>& prepare);

// Ends this process the way the program ended when that was a signal (without a core file), else
// returns the exit status to give.
int follow_into_death(int wait_status);

}  // namespace lamprey::cli
