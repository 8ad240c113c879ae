// What event loops watch: which descriptor an event is about, and which epoll a socket was given
// to. See descriptors.h.
#include "preload/io/descriptors.h"

namespace lamprey::preload::io {
namespace {

using recording::Descriptor;
using recording::load;
using recording::store;

// Which descriptor was last registered with such data (by pointers, mostly: libevent, nginx, asio):
// where to look first, +1; 0: none was.
constexpr unsigned kHintBits = 11;
std::uint16_t g_hints[1U << kHintBits];
static_assert(recording::kDescriptors < UINT16_MAX);

std::uint16_t& hint_for(std::uint64_t data) {
  return g_hints[(data * 0x9E3779B97F4A7C15U) >> (64 - kHintBits)];
}

bool is_registered_as(int fd, std::uint64_t data) {
  const Descriptor& entry = g_writer.descriptor(fd);
  return load(entry.epoll_data) == data && load(entry.kind) != DescriptorKind::kUnknown;
}

}  // namespace

void registered(int epoll, int fd, std::uint64_t data) {
  if (has_entry(fd) && !in_vfork_child()) {
    Descriptor& entry = g_writer.descriptor(fd);
    store(entry.epoll_data, data);
    if (kind_of(fd) == DescriptorKind::kHost) {
      store(entry.watched_by, static_cast<std::uint16_t>(has_entry(epoll) ? epoll + 1 : 0));
    }
    store(hint_for(data), static_cast<std::uint16_t>(fd + 1));
  }
}

void unregistered(int epoll, int fd) {
  if (kind_of(fd) == DescriptorKind::kHost && !in_vfork_child()) {
    recording::exchange_if(g_writer.descriptor(fd).watched_by,
                           static_cast<std::uint16_t>(epoll + 1), std::uint16_t{0});
  }
}

int registered_as(std::uint64_t data, bool& may_search) {
  // Nearly everybody puts the descriptor itself there, some leave the upper half undefined.
  const auto guess = static_cast<int>(data & 0xFFFFFFFFU);
  if (kind_of(guess) != DescriptorKind::kUnknown) {
    const std::uint64_t known = load(g_writer.descriptor(guess).epoll_data);
    if (known == data || (known == 0 && data <= 0xFFFFFFFFU)) {
      return guess;
    }
  }
  const int hint = int{load(hint_for(data))} - 1;
  if (data == 0) {  // of all that the program does not tell apart; or of the waker alone (mio)
    return kind_of(hint) == DescriptorKind::kEvent && is_registered_as(hint, data) ? hint : -1;
  }
  if (hint < 0 || is_registered_as(hint, data)) {
    return hint;
  }
  // Another has the place now, or the descriptor was closed.
  if (&hint_for(load(g_writer.descriptor(hint).epoll_data)) != &hint_for(data)) {
    store(hint_for(data), 0);
  }
  const bool searches = may_search;
  may_search = false;
  for (int fd = 0; searches && has_entry(fd); ++fd) {
    if (is_registered_as(fd, data)) {
      store(hint_for(data), static_cast<std::uint16_t>(fd + 1));
      return fd;
    }
  }
  return -1;
}

}  // namespace lamprey::preload::io
