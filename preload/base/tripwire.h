// A debug tripwire: proof, by running, that a hook never allocates and never enters a function of
// libc that locks. While our own code runs, `inside` is set for the thread; every hooked function
// (malloc, free, read, ...) and, in tripwire builds, the pthread lock functions, check it and stop
// the process with a message naming the function. Around the real call it is clear, for there the
// program's own callbacks, signal handlers and libc may do what they like.
//
// In builds without LAMPREY_TRIPWIRE all of this is empty and costs nothing.
#pragma once

namespace lamprey::preload {
inline namespace base {
namespace tripwire {

#if defined(LAMPREY_TRIPWIRE)
extern __thread __attribute__((tls_model("initial-exec"))) int g_inside;
[[noreturn]] void fire(const char* function);

inline void check(const char* function) {
  if (g_inside != 0) [[unlikely]] {
    fire(function);
  }
}
inline void enter() { ++g_inside; }
inline void leave() { --g_inside; }
#else
inline void check(const char*) {}
inline void enter() {}
inline void leave() {}
#endif

}  // namespace tripwire
}  // namespace base
}  // namespace lamprey::preload
