// Recordings for tests: a real file, written through the real Writer, with what no process would
// ever write poked in afterwards. No assertions live here.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include "recording/layout.h"
#include "recording/reader.h"
#include "recording/writer.h"
#include "report/procfs/process.h"

namespace lamprey::testing {

// A directory of its own under /tmp, removed with everything directly inside it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/lamprey-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TemporaryDirectory() {
    const std::string command = "rm -rf '" + path_ + "'";
    [[maybe_unused]] const int status = std::system(command.c_str());
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A recording that is being written, as by a process with this test's own pid (so that it counts as
// running) unless told otherwise.
class RecordingBuilder {
 public:
  explicit RecordingBuilder(const std::string& path, const char* environment = "",
                            bool exact = false, bool cpu = false, bool batch = false)
      : path_(path), bytes_(recording::file_bytes({exact, cpu, batch})) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    [[maybe_unused]] const int status = ftruncate(file, static_cast<off_t>(bytes_));
    base_ =
        static_cast<std::byte*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    close(file);
    writer_.bind(base_, {exact, cpu, batch});
    recording::Header& h = header();
    h.exact = exact ? recording::ExactState::kOn : recording::ExactState::kOff;
    h.pid = getpid();
    h.process_start = report::process_start(getpid()).value_or(0);
    h.clock = recording::Clock::kMonotonic;
    h.attach_begin = now();
    h.attach_end = now();
    h.attach_real_ns = recording::realtime_ns();
    h.memory_limit_mb = 256;
    h.flags = recording::kFlagStacks;
    std::strncpy(h.environment, environment, sizeof(h.environment) - 1);
    std::strncpy(h.function_name, "orders", sizeof(h.function_name) - 1);
    slot_ = writer_.take_slot(4711);
    h.magic = recording::kMagic;
  }
  ~RecordingBuilder() { munmap(base_, bytes_); }
  RecordingBuilder(const RecordingBuilder&) = delete;
  RecordingBuilder& operator=(const RecordingBuilder&) = delete;

  const std::string& path() const { return path_; }
  recording::Header& header() { return writer_.header(); }
  recording::Writer& writer() { return writer_; }
  recording::ThreadSlot& slot() { return *slot_; }
  recording::Invocation& entry(std::uint64_t sequence) {
    return reinterpret_cast<recording::Invocation*>(
        base_ + recording::kInvocationsOffset)[sequence % recording::kInvocations];
  }
  recording::Boundary& boundary(std::uint64_t sequence) {
    return reinterpret_cast<recording::Boundary*>(
        base_ + recording::kBoundariesOffset)[sequence % recording::kBoundaries];
  }
  recording::CallRow& row(std::uint32_t index) {
    return reinterpret_cast<recording::CallRow*>(base_ + recording::kRowsOffset)[index];
  }
  std::byte* bytes() { return base_; }

  static recording::ClockPair now() {
    const std::uint64_t ns = recording::monotonic_ns();
    return {ns, ns};
  }
  void wake() { syscall(SYS_futex, &header().wake, FUTEX_WAKE, 0x7FFFFFFF, nullptr, nullptr, 0); }

  void end_init() {
    writer_.mark_init_end(now());
    wake();
  }
  std::uint64_t start(const std::string& request_id, std::uint64_t deadline_in_ms = 3000) {
    const recording::RequestFacts facts{request_id.c_str(), "Root=1-2-3", "arn:aws:lambda",
                                        (recording::realtime_ns() / 1'000'000) + deadline_in_ms};
    return writer_.mark_start(facts, slot_, 4711, now(), recording::realtime_ns());
  }
  void respond(const std::string& request_id, bool error = false) {
    writer_.mark_response(request_id.c_str(), error, now());
  }
  void end() {
    writer_.mark_end(0, 4711, now());
    wake();
  }
  // A whole invocation that allocates `blocks` blocks of 100 bytes and reads once.
  void invoke(const std::string& request_id, std::uint64_t blocks = 1) {
    start(request_id);
    for (std::uint64_t i = 0; i < blocks; ++i) {
      writer_.count_allocation(*slot_, 100, 104);
    }
    writer_.count_call(slot_, recording::Call::k_read, 5000, false, 10);
    respond(request_id);
    end();
  }
  // Stack[index], with these frames.
  recording::Stack& stack(std::uint32_t index, std::initializer_list<std::uint64_t> frames) {
    recording::Stack& stack = writer_.stack_at(index);
    stack.first = header().frame_words_used;
    std::copy(frames.begin(), frames.end(), writer_.frame_words() + stack.first);
    header().frame_words_used += static_cast<std::uint32_t>(frames.size());
    stack.depth = static_cast<std::uint32_t>(frames.size());
    return stack;
  }
  // As of a process that /proc does not show.
  void never_seen() {
    header().pid = 0x3FFFFFF;  // above any pid_max
    header().process_start = 1;
  }
  // As left by a process that is gone.
  void orphan() {
    never_seen();
    header().attach_real_ns -= 60'000'000'000U;
  }

 private:
  std::string path_;
  std::size_t bytes_;
  std::byte* base_ = nullptr;
  recording::Writer writer_;
  recording::ThreadSlot* slot_ = nullptr;
};

}  // namespace lamprey::testing
