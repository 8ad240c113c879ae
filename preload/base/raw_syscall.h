// System calls without libc: no errno, no cancellation, no interposition (so the library's own
// calls are never counted as the program's). Results are the kernel's: negative errno on failure.
// Used at attach, in fork handlers and for the one futex wake at a mark; never in a hook's fast
// path.
#pragma once

#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

namespace lamprey::preload {
inline namespace base {

#if defined(__x86_64__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
  long result = 0;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}
#else
#error "Lamprey knows x86-64 and arm64"
#endif

// Whether the kernel refused: a result that is an address may be negative too.
inline bool raw_failed(long result) { return result < 0 && result > -4096; }

inline long pointer_argument(const void* pointer) {
  return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer));
}

}  // namespace base
}  // namespace lamprey::preload
