// The processes of one environment: starting, freezing and killing them, their output and memory.
// When to do which is decided elsewhere.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/child_reaper.h"
#include "emulator/base/line_reader.h"
#include "emulator/options/function_variables.h"
#include "emulator/options/options.h"
#include "emulator/sandbox/cgroup.h"
#include "emulator/sandbox/opt_mapping.h"
#include "emulator/sandbox/process.h"

namespace lamprey::emulator {

struct SandboxEvents {
  // A line of the function's (or an extension's) stdout or stderr.
  std::function<void(bool from_extension, std::string_view line)> line;
  std::function<void(int wait_status)> runtime_ended;
  std::function<void(const std::string& name, int wait_status)> extension_ended;
};

class Sandbox {
 public:
  // `label` makes the control group's name unique within this process.
  Sandbox(boost::asio::io_context& io, ChildReaper& reaper, const OptMapping& mapping,
          const Options& options, const std::string& label, SandboxEvents events);
  ~Sandbox();  // kills everything
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // Executables in the layer's extensions folder, sorted.
  std::vector<std::string> extension_names() const;
  // 0, or the errno of a start that failed.
  int start_extension(const std::string& name, const Variables& variables);
  int start_runtime(const Variables& variables);

  bool runtime_runs() const { return runtime_ > 0; }
  std::vector<std::string> running_extensions() const;
  void signal_runtime(int number) const;
  void kill_extension(const std::string& name) const;
  void kill_all();  // orphans that left their group included
  void freeze();
  void thaw();
  bool frozen() const { return frozen_; }

  void drain_output();
  // Highest memory so far, of the group when there is one, else of the processes alive now.
  std::optional<std::uint64_t> peak_bytes() const;
  bool limits_memory() const { return cgroup_ && cgroup_->limits_memory(); }
  bool limits_cpu() const { return cgroup_ && cgroup_->limits_cpu(); }
  // From here on the processes have the share of the CPU that Lambda gives the memory size.
  void end_burst();

 private:
  int start(const std::string& name, std::vector<std::string> arguments, Variables variables,
            const std::string& folder);
  void ended(pid_t pid, const std::string& name, int wait_status);
  void read_output(int fd, bool from_extension);
  void signal_groups(int number) const;
  void kill_orphans() const;

  boost::asio::io_context& io_;
  ChildReaper& reaper_;
  const OptMapping& mapping_;
  const Options& options_;
  SandboxEvents events_;
  std::unique_ptr<Cgroup> cgroup_;
  pid_t runtime_ = 0;
  std::map<pid_t, std::string> extensions_;
  std::vector<std::shared_ptr<LineReader>> readers_;
  std::string api_address_;  // AWS_LAMBDA_RUNTIME_API, marks our processes
  bool frozen_ = false;
};

}  // namespace lamprey::emulator
