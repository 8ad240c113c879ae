// A close look at a living process that is about to be killed at its deadline: which threads
// compute, and which connections an event loop may be waiting for. Read from /proc; what /proc does
// not show is absent. Nothing from recordings lives here.
//
// Units: ns (CLOCK_MONOTONIC, CPU time).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamprey::report {

struct ThreadLook {
  std::int32_t tid = 0;
  bool running = false;  // on a CPU, or waiting for one
  std::uint64_t cpu_ns = 0;
  std::string name;                // 15 characters at most
  std::uint64_t run_delay_ns = 0;  // ready to run, without a CPU; 0 where the kernel does not say
};

std::optional<ThreadLook> look_at_thread(std::int32_t pid, std::int32_t tid);
// Every thread of the process, at most kMaxThreads; empty when it cannot be seen.
inline constexpr std::size_t kMaxThreads = 512;
std::vector<ThreadLook> look_at_threads(std::int32_t pid);

// A TCP connection that the process may be waiting for.
struct SocketLook {
  std::int32_t descriptor = -1;
  bool connecting = false;  // SYN sent, no answer; else established with nothing to read
  std::string peer;         // "10.0.3.17:5432"
};

// Connections to loopback's `except` ("127.0.0.1:9001", the Runtime API) are left out; connecting
// ones first; at most kMaxSockets.
inline constexpr std::size_t kMaxSockets = 16;
std::vector<SocketLook> look_at_sockets(std::int32_t pid, const std::string& except);

// Two looks at the same process and what lies between them.
struct Closeup {
  std::uint64_t mono_ns = 0;    // of the second look; 0: there was none
  std::uint64_t window_ns = 0;  // between the two; 0: there was only one
  struct Busy {
    std::int32_t tid = 0;
    std::uint64_t cpu_ns = 0;     // within the window
    std::uint64_t wanted_ns = 0;  // the same, and what it waited for a CPU
  };
  std::vector<Busy> busy;           // threads that were computing, busiest first
  std::vector<ThreadLook> threads;  // all of them, at the second look
  std::vector<SocketLook> sockets;
};

// Asks each thread that was running where it is (recording/layout.h, kAskSignal); `ask` is what
// its recording says to ask with, 0: nobody may. A thread that waits is left alone: its call would
// be interrupted. Does not wait for the answers.
void ask_running(std::int32_t pid, std::uint64_t ask, const std::vector<ThreadLook>& threads);

// The thread at the second look; null where it was not seen.
const ThreadLook* look_at(const Closeup& closeup, std::int32_t tid);

// Pure. A thread counts as busy when it was running at the second look, or wanted to for half of
// the window.
std::vector<Closeup::Busy> busy_between(const std::vector<ThreadLook>& first,
                                        const std::vector<ThreadLook>& second,
                                        std::uint64_t window_ns);

}  // namespace lamprey::report
