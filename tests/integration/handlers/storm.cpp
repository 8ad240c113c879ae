// For the storm of kills: four threads that allocate and write all the time, beside the runtime in
// client.c. They start with the first event.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

void work(unsigned seed) {
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  void* kept[64] = {};
  while (true) {
    seed = (seed * 1103515245U) + 12345U;
    void*& place = kept[(seed >> 8U) % 64];
    free(place);
    place = malloc((seed >> 16U) % 8192);
    [[maybe_unused]] const ssize_t wrote = write(nowhere, "x", 1);
  }
}

}  // namespace

extern "C" void handle_event(const char*) {
  static bool started = false;
  for (unsigned i = 0; i < 4 && !started; ++i) {
    std::thread(work, i + 1).detach();
  }
  started = true;
}
