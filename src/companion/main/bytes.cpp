// memcpy, memmove and memset of the shipped companion, 16 bytes at a time. Those that the toolchain
// links into a small static program copy byte by byte, which took a third of our CPU time between
// the end of an invocation and the next. glibc's are better than these: built with glibc, this file
// is empty.
#include <cstddef>
#include <cstdint>
#include <cstdlib>  // __GLIBC__

#if !defined(__GLIBC__) || defined(LAMPREY_BYTES_TEST)

namespace {

// Loads and stores of any alignment. may_alias: the bytes may belong to an object of any type.
struct __attribute__((packed, may_alias)) Two {
  std::uint16_t value;
};
struct __attribute__((packed, may_alias)) Four {
  std::uint32_t value;
};
struct __attribute__((packed, may_alias)) Eight {
  std::uint64_t value;
};
using Vector = std::uint8_t __attribute__((vector_size(16)));
struct __attribute__((packed, may_alias)) Sixteen {
  Vector value;
};

// Both ends are loaded before either is stored, so it does not matter how they overlap.
template <typename Piece>
void move_ends(char* to, const char* from, std::size_t bytes) {
  const Piece head = *reinterpret_cast<const Piece*>(from);
  const Piece tail = *reinterpret_cast<const Piece*>(from + bytes - sizeof(Piece));
  *reinterpret_cast<Piece*>(to) = head;
  *reinterpret_cast<Piece*>(to + bytes - sizeof(Piece)) = tail;
}

// At most 32 bytes.
void move_few(char* to, const char* from, std::size_t bytes) {
  if (bytes >= 16) {
    move_ends<Sixteen>(to, from, bytes);
  } else if (bytes >= 8) {
    move_ends<Eight>(to, from, bytes);
  } else if (bytes >= 4) {
    move_ends<Four>(to, from, bytes);
  } else if (bytes >= 2) {
    move_ends<Two>(to, from, bytes);
  } else if (bytes == 1) {
    *to = *from;
  }
}

// The compiler knows this loop and would put a call of memcpy in its place.
inline void keep_the_loop() { asm volatile("" ::: "memory"); }

// Through a value: where two objects overlap in part, one must not be assigned to the other.
inline void move_sixteen(char* to, const char* from) {
  const Vector value = reinterpret_cast<const Sixteen*>(from)->value;
  reinterpret_cast<Sixteen*>(to)->value = value;
}

void move_upwards(char* to, const char* from, std::size_t bytes) {
  const Sixteen tail = *reinterpret_cast<const Sixteen*>(from + bytes - 16);
  for (std::size_t i = 0; i + 16 < bytes; i += 16) {
    move_sixteen(to + i, from + i);
    keep_the_loop();
  }
  *reinterpret_cast<Sixteen*>(to + bytes - 16) = tail;
}

void move_downwards(char* to, const char* from, std::size_t bytes) {
  const Sixteen head = *reinterpret_cast<const Sixteen*>(from);
  for (std::size_t i = bytes; i > 16; i -= 16) {
    move_sixteen(to + i - 16, from + i - 16);
    keep_the_loop();
  }
  *reinterpret_cast<Sixteen*>(to) = head;
}

}  // namespace

extern "C" {

void* memmove(void* to, const void* from, std::size_t bytes) {
  auto* const out = static_cast<char*>(to);
  const auto* const in = static_cast<const char*>(from);
  if (bytes <= 32) {
    move_few(out, in, bytes);
  } else if (reinterpret_cast<std::uintptr_t>(out) <= reinterpret_cast<std::uintptr_t>(in)) {
    move_upwards(out, in, bytes);
  } else {
    move_downwards(out, in, bytes);
  }
  return to;
}

void* memcpy(void* __restrict to, const void* __restrict from, std::size_t bytes) {
  auto* const out = static_cast<char*>(to);
  const auto* const in = static_cast<const char*>(from);
  if (bytes <= 32) {
    move_few(out, in, bytes);
  } else {
    move_upwards(out, in, bytes);
  }
  return to;
}

void* memset(void* to, int value, std::size_t bytes) {
  auto* const out = static_cast<char*>(to);
  const auto byte = static_cast<std::uint8_t>(value);
  if (bytes < 16) {
    for (std::size_t i = 0; i < bytes; ++i) {
      out[i] = static_cast<char>(byte);
      keep_the_loop();
    }
    return to;
  }
  const Sixteen all = {byte - Vector{}};  // in every lane
  for (std::size_t i = 0; i + 16 < bytes; i += 16) {
    *reinterpret_cast<Sixteen*>(out + i) = all;
    keep_the_loop();
  }
  *reinterpret_cast<Sixteen*>(out + bytes - 16) = all;
  return to;
}
}

#endif
