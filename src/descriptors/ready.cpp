// Waiting with poll(2), which a handled signal ends early with EINTR; see the header.
#include "descriptors/ready.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace lamprey::descriptors {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool wait(int descriptor, short events, std::optional<milliseconds> most, int also = -1) {
  const auto until = steady_clock::now() + most.value_or(milliseconds{0});
  pollfd waiting[] = {{descriptor, events, 0}, {also, POLLIN, 0}};
  while (true) {
    int left = -1;
    if (most) {
      const auto rest = ceil<milliseconds>(until - steady_clock::now());
      left = static_cast<int>(std::max(rest, milliseconds{0}).count());
    }
    const int ready = poll(waiting, also < 0 ? 1 : 2, left);
    if (ready >= 0 || errno != EINTR) {
      return ready < 0 || waiting[0].revents != 0;  // what is wrong with it, the next call will say
    }
  }
}

}  // namespace

bool wait_readable(int descriptor, std::optional<milliseconds> most, int also) {
  return wait(descriptor, POLLIN, most, also);
}

bool wait_writable(int descriptor, std::optional<milliseconds> most) {
  return wait(descriptor, POLLOUT, most);
}

}  // namespace lamprey::descriptors
