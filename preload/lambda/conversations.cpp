// See conversations.h.
#include "preload/lambda/conversations.h"

#include "preload/base/raw_syscall.h"
#include "preload/base/ticks.h"
#include "preload/lambda/runtime_api.h"
#include "preload/process/thread.h"

namespace lamprey::preload::lambda::runtime_api {

std::uint8_t g_descriptor[kDescriptors] = {};
std::uint64_t g_patience_ns = 100'000'000;

namespace {

constexpr std::size_t kConversations = 64;
static_assert(kConversations < kTls);
constinit Conversation g_conversations[kConversations] = {};

class Patience {
 public:
  // False: it is over.
  bool nap() {
    const std::uint64_t now = read_clock(CLOCK_MONOTONIC);
    until_ = until_ == 0 ? now + g_patience_ns : until_;
    if (now >= until_) {
      return false;
    }
    timespec nap = {0, 20'000};
    raw_syscall(SYS_nanosleep, pointer_argument(&nap), 0);
    return true;
  }

 private:
  std::uint64_t until_ = 0;
};

// Values of Conversation::word; 0: free.
enum Stage : std::uint32_t {
  kOpen = 1,  // of a descriptor, and in nobody's hands
  kHeld = 2,
  kLeft = 3,  // held, and to be freed by who holds it: its descriptor was closed
};

constexpr std::uint32_t word_of(int fd, Stage stage) {
  return (static_cast<std::uint32_t>(fd) << 2U) | stage;
}

}  // namespace

Conversation* hold(int fd) {
  const std::int32_t self = current_tid();
  Patience patience;
  while (true) {
    const std::uint8_t state = descriptor_state(fd);
    if (state == kPlain || state >= kTls) {
      return nullptr;
    }
    Conversation& c = g_conversations[state - 1];
    if (recording::exchange_if(c.word, word_of(fd, kOpen), word_of(fd, kHeld))) {
      recording::store(c.holder, self);
      return &c;
    }
    const std::uint32_t word = recording::load(c.word);
    if (word == word_of(fd, kOpen)) {
      continue;  // it was given back in between
    }
    if (word != word_of(fd, kHeld)) {
      return nullptr;
    }
    if (recording::load(c.holder) == self || !patience.nap()) {
      recording::shared_add(g_writer.header().traffic_dropped, 1);
      return nullptr;
    }
  }
}

void release(Conversation& c) {
  recording::store(c.holder, 0);
  if (!recording::exchange_if(c.word, word_of(c.fd, kHeld), word_of(c.fd, kOpen))) {
    recording::publish(c.word, 0);
  }
}

void drop(Conversation& c) {
  const auto mine = static_cast<std::uint8_t>(&c - g_conversations + 1);
  recording::exchange_if(g_descriptor[c.fd], mine, kPlain);
  recording::store(c.word, word_of(c.fd, kLeft));
}

Conversation* begin(int fd, std::uint8_t state) {
  for (std::size_t i = 0; i < kConversations; ++i) {
    Conversation& c = g_conversations[i];
    if (recording::load(c.word) != 0 || !recording::exchange_if(c.word, 0, word_of(fd, kHeld))) {
      continue;
    }
    recording::store(c.holder, current_tid());
    c.known = false;
    c.end_marked = false;
    c.fd = fd;
    c.requests.reset();
    c.responses.reset();
    c.asked_head = c.asked_tail = c.early = 0;
    c.delivered = c.answering = c.answered = 0;
    c.reports_error = false;
    if (recording::exchange_if(g_descriptor[fd], state, static_cast<std::uint8_t>(i + 1))) {
      return &c;
    }
    recording::store(c.holder, 0);
    recording::publish(c.word, 0);
    break;
  }
  recording::shared_add(g_writer.header().traffic_dropped, 1);
  return nullptr;
}

Conversation* hold_for_answer(int fd) {
  Patience patience;
  while (true) {
    Conversation* c = hold(fd);
    if (c == nullptr || !c->responses.at_message_start() || c->asked_head != c->asked_tail) {
      return c;
    }
    release(*c);
    if (!patience.nap()) {
      return hold(fd);  // nothing was asked
    }
  }
}

// Neither where it is another descriptor's by now.
void close(std::uint8_t state, int fd) {
  Conversation& c = g_conversations[state - 1];
  std::uint32_t word = recording::load(c.word);
  while (word == word_of(fd, kOpen) || word == word_of(fd, kHeld)) {
    const std::uint32_t then = word == word_of(fd, kOpen) ? 0 : word_of(fd, kLeft);
    if (__atomic_compare_exchange_n(&c.word, &word, then, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      break;
    }
  }
}

void forget_all() {
  for (Conversation& c : g_conversations) {
    if (const std::uint32_t word = recording::load(c.word); word != 0) {
      g_descriptor[word >> 2U] = kPlain;
      recording::store(c.word, 0);
    }
  }
}

}  // namespace lamprey::preload::lambda::runtime_api
