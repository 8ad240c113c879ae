// A recording in ordinary memory for tests of the writing side. Nothing else lives here.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "recording/writer.h"

namespace lamprey::test {

class RecordingMemory {
 public:
  RecordingMemory()
      : bytes_(static_cast<std::byte*>(
            std::aligned_alloc(recording::kPageBytes, recording::kFileBytes))) {
    std::memset(bytes_.get(), 0, recording::kFileBytes);
  }
  std::byte* base() { return bytes_.get(); }
  const recording::Header& header() { return *reinterpret_cast<recording::Header*>(bytes_.get()); }
  const recording::ThreadSlot& slot(std::size_t index) {
    return reinterpret_cast<recording::ThreadSlot*>(base() + recording::kSlotsOffset)[index];
  }
  const recording::CallRow& row(std::size_t index) {
    return reinterpret_cast<recording::CallRow*>(base() + recording::kRowsOffset)[index];
  }
  const recording::Invocation& invocation(std::uint64_t sequence) {
    return reinterpret_cast<recording::Invocation*>(
        base() + recording::kInvocationsOffset)[sequence % recording::kInvocations];
  }
  const recording::Boundary& boundary(std::uint64_t sequence) {
    return reinterpret_cast<recording::Boundary*>(
        base() + recording::kBoundariesOffset)[sequence % recording::kBoundaries];
  }
  // Calls counted in all rows of `call`.
  std::uint64_t calls(recording::Call call) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < recording::kCallRows && i < header().rows_used; ++i) {
      const std::size_t of = i < recording::kCallCount ? i : row(i).call;
      sum += of == static_cast<std::size_t>(call) ? row(i).totals.calls : 0;
    }
    return sum;
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
};

}  // namespace lamprey::test
