// Sleeping until a recording changes: a futex on its wake word, or short naps where that does not
// work across the two processes. Knows nothing of what the marks mean.
#pragma once

#include <chrono>
#include <cstdint>

#include "recording/reader.h"

namespace lamprey::companion {

class Waiter {
 public:
  // `reader` must outlive the waiter.
  explicit Waiter(const recording::Reader& reader);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Sleeps until the word differs from `seen`, or `most` has passed. Reading the word before
  // looking at the marks and handing it in here leaves no gap for a wake-up to fall into.
  void wait(std::uint32_t seen, std::chrono::nanoseconds most);

  bool naps() const { return naps_; }

 private:
  const recording::Reader& reader_;
  // Only ever handed to the kernel: dereferencing it would be SIGBUS once the file is cut.
  void* page_ = nullptr;
  bool naps_ = false;
  int missed_ = 0;
};

}  // namespace lamprey::companion
