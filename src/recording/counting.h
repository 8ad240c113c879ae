// How a counter in a recording is changed. Two cases, and no third:
//   own_add     the field has one writing thread. A signal handler of that thread may interrupt
//               at any instruction and count too, so the add must be ONE instruction: x86-64 has
//               `add mem, reg` (atomic against the own thread's signals, no bus lock, ~1 ns);
//               arm64 uses the LSE `stadd` (plain load-add-store would lose the handler's count).
//   shared_add  several threads write: a relaxed atomic add.
// Nothing here calls libc, takes a lock or can fail.
#pragma once

#include <cstdint>
#include <type_traits>

namespace lamprey::recording {

template <class T>
inline void own_add(T& field, std::type_identity_t<T> amount) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 8 || sizeof(T) == 4));
#if defined(__x86_64__)
  if constexpr (sizeof(T) == 8) {
    asm volatile("addq %1, %0" : "+m"(field) : "er"(amount) : "cc");
  } else {
    asm volatile("addl %1, %0" : "+m"(field) : "er"(amount) : "cc");
  }
#else
  __atomic_fetch_add(&field, amount, __ATOMIC_RELAXED);
#endif
}

template <class T>
inline void shared_add(T& field, std::type_identity_t<T> amount) {
  __atomic_fetch_add(&field, amount, __ATOMIC_RELAXED);
}

template <class T>
inline T load(const T& field) {
  T value;
  __atomic_load(&field, &value, __ATOMIC_RELAXED);
  return value;
}

template <class T>
inline void store(T& field, std::type_identity_t<T> value) {
  __atomic_store(&field, &value, __ATOMIC_RELAXED);
}

// Stores `value` so that whoever sees it sees everything stored before. Also for enumerations
// (the __atomic_*_n builtins take none in clang).
template <class T>
inline void publish(T& field, std::type_identity_t<T> value) {
  __atomic_store(&field, &value, __ATOMIC_RELEASE);
}

// For changing data that a field has published: take the field back first, and no reader sees a
// change while the field still vouches for the old data. A release store would not do: it orders
// only the stores before it, and later ones may be seen first (arm64 does that;
// docs/decisions/taking-back.md).
inline void changes_follow() { __atomic_thread_fence(__ATOMIC_RELEASE); }
template <class T>
inline void take_back(T& field, std::type_identity_t<T> value) {
  store(field, value);
  changes_follow();
}

// Changes `field` from `expected` to `value`; false when it was something else.
template <class T>
inline bool exchange_if(T& field, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return __atomic_compare_exchange(&field, &expected, &value, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_RELAXED);
}

// A compiler barrier: no access is moved across it. Enough for fields that only the own thread and
// its signal handlers look at.
inline void order_for_handlers() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

// Raises `field` to `value` if it is lower; correct with any number of writers.
template <class T>
inline void raise_to(T& field, std::type_identity_t<T> value) {
  T seen = load(field);
  while (seen < value && !__atomic_compare_exchange_n(&field, &seen, value, true, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED)) {
  }
}

}  // namespace lamprey::recording
