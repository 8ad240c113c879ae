// Threads that come, go and end in odd ways; prints, as JSON, what a counter must show for them.
//
//   threads churn N     N threads one after the other, each with known calls
//   threads crowd N     N threads alive at once, each counting before and after all are there
//   threads endings N   N threads whose thread_local objects and key destructors (all four rounds)
//                       allocate, free, read and close after everybody else's destructors
//   threads idle N      N detached threads that make no hooked call at all
//   threads leave N     the same, all of them ending at once
//   threads consume N   one thread that only frees: N (at most 1000) blocks of main's
//   threads late N      N threads whose only hooked call comes in their destructors' last round
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <vector>

#include "tests/hazard/opaque.h"

namespace {

std::atomic<std::uint64_t> g_allocations{0};
std::atomic<std::uint64_t> g_frees{0};
std::atomic<std::uint64_t> g_bytes{0};
std::atomic<std::uint64_t> g_reads{0};
std::atomic<std::uint64_t> g_closes{0};
std::atomic<int> g_arrived{0};
pthread_rwlock_t g_gate = PTHREAD_RWLOCK_INITIALIZER;  // held by main until the crowd is complete
int g_count = 0;
int g_zero = -1;
pthread_key_t g_key;
pthread_key_t g_late_key;

void* take(std::size_t size) {
  ++g_allocations;
  g_bytes += size;
  return opaque(std::malloc(size));
}

void give(void* block) {
  ++g_frees;
  std::free(opaque(block));
}

void read_one(int fd) {
  char byte = 0;
  if (::read(fd, &byte, 1) != 1) {
    std::abort();
  }
  ++g_reads;
}

void* churn(void*) {
  for (int i = 0; i < 5; ++i) {
    give(take(100));
    read_one(g_zero);
  }
  return nullptr;
}

void* crowd(void*) {
  void* block = take(64);
  read_one(g_zero);
  ++g_arrived;
  pthread_rwlock_rdlock(&g_gate);
  pthread_rwlock_unlock(&g_gate);
  give(block);
  give(take(32));
  read_one(g_zero);
  return nullptr;
}

// Destroyed by libc before the keys' destructors; allocated lazily, as a C++ program's would be.
struct Belongings {
  int fd = ::dup(g_zero);
  void* block = take(500);
  ~Belongings() {
    read_one(fd);
    ::close(fd);
    ++g_closes;
    give(block);
  }
};

void on_key(void* value) {
  const auto round = reinterpret_cast<std::uintptr_t>(value);
  give(take(200));
  read_one(g_zero);
  if (round < PTHREAD_DESTRUCTOR_ITERATIONS) {
    pthread_setspecific(g_key, reinterpret_cast<void*>(round + 1));
  }
}

void* endings(void*) {
  static thread_local Belongings belongings;
  read_one(belongings.fd);
  pthread_setspecific(g_key, reinterpret_cast<void*>(std::uintptr_t{1}));
  return nullptr;
}

void on_late_key(void* value) {
  const auto round = reinterpret_cast<std::uintptr_t>(value);
  if (round < PTHREAD_DESTRUCTOR_ITERATIONS) {
    pthread_setspecific(g_late_key, reinterpret_cast<void*>(round + 1));
  } else {
    read_one(g_zero);
  }
}

void* late(void*) {
  pthread_setspecific(g_late_key, reinterpret_cast<void*>(std::uintptr_t{1}));
  return nullptr;
}

std::atomic<int> g_gone{0};
void* idle(void*) {
  ++g_gone;
  return nullptr;
}

bool start(pthread_t& thread, void* (*body)(void*), bool detached, std::size_t stack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack);
  pthread_attr_setdetachstate(&attributes,
                              detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  const int error = pthread_create(&thread, &attributes, body, nullptr);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

bool one_after_the_other(void* (*body)(void*), bool detached) {
  pthread_t thread{};
  for (int i = 0; i < g_count; ++i) {
    // Large stacks: libc keeps few of them, so it frees each thread's belongings as it goes.
    if (!start(thread, body, detached, std::size_t{16} << 20)) {
      return false;
    }
    if (!detached) {
      pthread_join(thread, nullptr);
    }
    while (detached && g_gone.load() <= i) {
      ::sched_yield();
    }
  }
  return true;
}

std::atomic<bool> g_leave{false};
void* leave(void*) {
  ++g_arrived;
  while (!g_leave.load()) {
    ::sched_yield();
  }
  return nullptr;
}

bool all_leave_at_once() {
  pthread_t thread{};
  for (int i = 0; i < g_count; ++i) {
    if (!start(thread, leave, true, std::size_t{16} << 20)) {
      return false;
    }
  }
  while (g_arrived.load() < g_count) {
    ::usleep(1000);
  }
  g_leave = true;
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  while (threads() > 1) {
    ::usleep(1000);
  }
  return true;
}

constexpr int kMaxBlocks = 1000;
std::array<void*, kMaxBlocks> g_blocks;
void* consume(void*) {
  for (int i = 0; i < g_count; ++i) {
    give(g_blocks.at(static_cast<std::size_t>(i)));
  }
  return nullptr;
}

bool one_consumes() {
  if (g_count > kMaxBlocks) {
    return false;
  }
  for (int i = 0; i < g_count; ++i) {
    g_blocks.at(static_cast<std::size_t>(i)) = take(100);
  }
  pthread_t thread{};
  return start(thread, consume, false, std::size_t{1} << 20) && pthread_join(thread, nullptr) == 0;
}

bool all_at_once() {
  std::vector<pthread_t> threads(static_cast<std::size_t>(g_count));
  pthread_rwlock_wrlock(&g_gate);
  for (pthread_t& thread : threads) {
    if (!start(thread, crowd, false, 65536)) {
      return false;
    }
  }
  while (g_arrived.load() < g_count) {
    ::usleep(1000);
  }
  pthread_rwlock_unlock(&g_gate);
  for (const pthread_t thread : threads) {
    pthread_join(thread, nullptr);
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const char* mode = count == 3 ? arguments[1] : "";
  g_count = count == 3 ? std::atoi(arguments[2]) : 0;
  g_zero = ::open("/dev/zero", O_RDONLY);
  pthread_key_create(&g_key, on_key);
  pthread_key_create(&g_late_key, on_late_key);
  bool done = false;
  if (std::strcmp(mode, "churn") == 0) {
    done = one_after_the_other(churn, false);
  } else if (std::strcmp(mode, "crowd") == 0) {
    done = all_at_once();
  } else if (std::strcmp(mode, "endings") == 0) {
    done = one_after_the_other(endings, false);
  } else if (std::strcmp(mode, "late") == 0) {
    done = one_after_the_other(late, false);
  } else if (std::strcmp(mode, "idle") == 0) {
    done = one_after_the_other(idle, true);
  } else if (std::strcmp(mode, "consume") == 0) {
    done = one_consumes();
  } else if (std::strcmp(mode, "leave") == 0) {
    done = all_leave_at_once();
  }
  if (!done) {
    std::fprintf(stderr, "threads: cannot do %s %d\n", mode, g_count);
    return 2;
  }
  std::printf(
      "{\"allocations\":%llu,\"frees\":%llu,\"allocated_bytes\":%llu,\"reads\":%llu,\"closes\":%"
      "llu}\n",
      static_cast<unsigned long long>(g_allocations.load()),
      static_cast<unsigned long long>(g_frees.load()),
      static_cast<unsigned long long>(g_bytes.load()),
      static_cast<unsigned long long>(g_reads.load()),
      static_cast<unsigned long long>(g_closes.load()));
  return 0;
}
