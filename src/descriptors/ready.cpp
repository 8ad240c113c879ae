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

bool wait(int descriptor, short events, std::optional<milliseconds> most) {
  const auto until = steady_clock::now() + most.value_or(milliseconds{0});
  pollfd waiting{descriptor, events, 0};
  while (true) {
    int left = -1;
    if (most) {
      const auto rest = ceil<milliseconds>(until - steady_clock::now());
      left = static_cast<int>(std::max(rest, milliseconds{0}).count());
    }
    const int ready = poll(&waiting, 1, left);
    if (ready >= 0 || errno != EINTR) {
      return ready != 0;  // what is wrong with it, the next call will say
    }
  }
}

}  // namespace

bool wait_readable(int descriptor, std::optional<milliseconds> most) {
  return wait(descriptor, POLLIN, most);
}

bool wait_writable(int descriptor, std::optional<milliseconds> most) {
  return wait(descriptor, POLLOUT, most);
}

}  // namespace lamprey::descriptors
