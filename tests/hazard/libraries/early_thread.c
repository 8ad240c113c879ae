/* Has a second thread running before the library under test attaches. */
#include <pthread.h>
#include <unistd.h>

static void* stay(void* nothing) {
  for (;;) pause();
  return nothing;
}

__attribute__((constructor)) static void begin(void) {
  pthread_t thread;
  pthread_create(&thread, 0, stay, 0);
}
