// Linked with client.c: two threads that take turns at a spin lock, which one of them holds for
// most of the time; compiled with -DSLEEPS, at a mutex.
#include <pthread.h>
#include <time.h>

namespace {

#ifdef SLEEPS
pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
void lock() { pthread_mutex_lock(&g_lock); }
void unlock() { pthread_mutex_unlock(&g_lock); }
#else
pthread_spinlock_t g_lock;
void lock() { pthread_spin_lock(&g_lock); }
void unlock() { pthread_spin_unlock(&g_lock); }
#endif

void hold(long ms) {
  lock();
  const timespec time = {0, ms * 1'000'000};
  nanosleep(&time, nullptr);
  unlock();
}

void* hold_long(void*) {
  hold(400);
  return nullptr;
}

}  // namespace

extern "C" void handle_event(const char*) {
#ifndef SLEEPS
  pthread_spin_init(&g_lock, PTHREAD_PROCESS_PRIVATE);
#endif
  pthread_t other;
  pthread_create(&other, nullptr, hold_long, nullptr);
  const timespec first = {0, 20'000'000};  // the other one has it by then
  nanosleep(&first, nullptr);
  hold(1);
  pthread_join(other, nullptr);
}
