// Waiting for marks; see the header.
#include "companion/waiter.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <ctime>

#include "recording/layout.h"

namespace lamprey::companion {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

static_assert(offsetof(recording::Header, wake) + sizeof(std::uint32_t) <= recording::kPageBytes);
constexpr milliseconds kSlice{20};
constexpr milliseconds kNap{1};

timespec as_timespec(nanoseconds duration) {
  timespec result{};
  result.tv_sec = static_cast<time_t>(duration.count() / 1'000'000'000);
  result.tv_nsec = static_cast<long>(duration.count() % 1'000'000'000);
  return result;
}

}  // namespace

Waiter::Waiter(const recording::Reader& reader) : reader_(reader) {
  page_ = mmap(nullptr, recording::kPageBytes, PROT_READ, MAP_SHARED, reader.descriptor(), 0);
  if (page_ == MAP_FAILED) {
    page_ = nullptr;
    naps_ = true;
  }
}

Waiter::~Waiter() {
  if (page_ != nullptr) {
    munmap(page_, recording::kPageBytes);
  }
}

void Waiter::wait(std::uint32_t seen, nanoseconds most) {
  const timespec slice = as_timespec(std::min<nanoseconds>(most, naps_ ? kNap : kSlice));
  if (naps_) {
    nanosleep(&slice, nullptr);
    return;
  }
  char* word = static_cast<char*>(page_) + offsetof(recording::Header, wake);
  // FUTEX_WAIT without FUTEX_PRIVATE_FLAG: the other side is another process, found by the file's
  // page.
  const long result = syscall(SYS_futex, word, FUTEX_WAIT, seen, &slice, nullptr, 0);
  const int error = result == 0 ? 0 : errno;
  if (error == 0) {
    missed_ = 0;  // wake-ups do arrive
  }
  if (error == 0 || error == EAGAIN || error == EINTR) {
    return;
  }
  if (error != ETIMEDOUT) {  // EFAULT: the file was cut; ENOSYS, EPERM: no futex here
    naps_ = true;
    return;
  }
  // The slice passed without a wake-up. If the word has changed, a wake-up was sent and did not
  // reach us: futexes on this file do not connect the two processes. Once may be chance (the word
  // changed just as the slice ended); twice without a wake-up in between is not.
  const auto now = reader_.wake();
  if (!now || *now != seen) {
    naps_ = ++missed_ >= 2;
  }
}

}  // namespace lamprey::companion
