// HotSpot's code cache: which piece of code holds an address, and of what kind that is.
//
// Cost: ~5 ns. Code does not move, and a piece that a frame is in is not freed. The list of heaps
// grows while the JVM starts. Any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/stack/hotspot/vm_structs.h"

namespace lamprey::preload::stack::hotspot {

enum class Kind : std::uint8_t {
  kNone,          // nothing is known of it
  kCompiled,      // a method, with those that were inlined into it
  kNative,        // what calls a native method
  kInterpreter,   // one frame a method
  kStubs,         // keeps a frame pointer: the stub that calls into Java
  kContinuation,  // below it a virtual thread's frames, the outer ones in the heap
  kAdapter,       // from the interpreter to compiled code and back
  kOther,         // of the runtime: a frame of fixed size, or of none
};

struct Blob {
  std::uintptr_t at;
  Kind kind;
};

// The kind that a blob's name tells: at least four characters of it count ("I" alone would be
// "Interpreter", "I2C/C2I adapters" and "InlineCacheBuffer").
Kind kind_of(std::uintptr_t name);

// The first segment of the block that segment `index` is in; kFree: of none. `map`: a byte for each
// segment, which says how far back to look next.
inline constexpr std::size_t kFree = ~std::size_t{0};
std::size_t first_segment(const std::uint8_t* map, std::size_t index);

class CodeCache {
 public:
  explicit constexpr CodeCache(const Fields& fields) : fields_(fields) {}

  // Once the fields are known. False: the JVM has not made it yet.
  bool begin();
  // Of what begin() found; `bytes` is 0 before.
  std::uintptr_t low() const { return low_; }
  std::uintptr_t bytes() const { return bytes_; }

  Blob find(std::uintptr_t pc);

 private:
  struct Heap {
    std::uintptr_t object;
    std::uintptr_t low;
    std::uintptr_t segment_map;
  };
  static constexpr std::uint32_t kMaxHeaps = 8;

  bool holds(const Heap& heap, std::uintptr_t pc) const;
  bool find_heap(std::uintptr_t pc, Heap& heap);
  bool find_new_heap(std::uintptr_t pc, Heap& heap);
  void keep(const Heap& heap);
  Kind kind_by_name(std::uintptr_t name);

  const Fields& fields_;
  std::uintptr_t low_ = 0;
  std::uintptr_t bytes_ = 0;
  std::uint32_t shift_ = 0;
  std::uint32_t count_ = 0;
  bool keeping_ = false;
  Heap heaps_[kMaxHeaps] = {};
  // The names that nearly every frame has, by where they stand: they are literals of libjvm's.
  std::uintptr_t names_[static_cast<std::size_t>(Kind::kInterpreter) + 1] = {};
};

}  // namespace lamprey::preload::stack::hotspot
