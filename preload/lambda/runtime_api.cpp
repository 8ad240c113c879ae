// The conversations with the Runtime API that are under way, and the marks they make. See
// runtime_api.h for what is recognised; http_framer.h finds the messages.
#include "preload/lambda/runtime_api.h"

#include <sys/stat.h>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/base/tripwire.h"
#include "preload/io/hosts.h"
#include "preload/io/tls_records.h"
#include "preload/lambda/boundaries.h"
#include "preload/lambda/conversations.h"
#include "preload/process/thread.h"

namespace lamprey::preload::lambda::runtime_api {

namespace {

constexpr const char* kGetPrefix = "GET /2018-06-01/runtime/";
constexpr const char* kPostPrefix = "POST /2018-06-01/runtime/";
constexpr const char* kNextPath = "invocation/next";
constexpr const char* kRestorePath = "restore/next";
constexpr const char* kInvocationPath = "invocation/";
constexpr const char* kInitErrorPath = "init/error";

bool g_spoken_to = false;  // set once, never read in a hurry

bool is_socket(int fd) {
  struct stat status = {};
  return raw_syscall(SYS_fstat, fd, pointer_argument(&status)) == 0 && S_ISSOCK(status.st_mode);
}

// The path below /2018-06-01/runtime/, or nullptr.
const char* runtime_path(const char* line) {
  if (starts_with(line, kGetPrefix)) {
    return line + length_of(kGetPrefix);
  }
  return starts_with(line, kPostPrefix) ? line + length_of(kPostPrefix) : nullptr;
}

// More work is asked for on this connection: what was delivered on it has ended.
void ask_for_work(Conversation& c) {
  if (g_writer.init_ended()) {
    boundaries::invocation_ended(c.delivered);
  } else {
    boundaries::init_ended();
  }
  c.delivered = 0;
}

// -- what goes out --------------------------------------------------------------------------------

// AWS's client for Java: the error's class stands in the body.
constexpr const char* kPlainType = "Runtime.UserException";

struct RequestSink {
  Conversation& c;

  void start_line(const char* line, std::size_t /*n*/) {
    c.body_bytes = 0;
    c.reports_error = false;
    c.error_type.reset();
    c.has_plain_type = false;
    const char* path = runtime_path(line);
    if (path != nullptr && !c.known) {
      recording::store(g_spoken_to, true);
      c.known = true;
      io::is_runtime_api(c.fd);
    }
    Asked asked = Asked::kOther;
    if (path != nullptr && starts_with(path, kNextPath)) {
      asked = Asked::kNext;
      if (!c.end_marked) {
        ask_for_work(c);
      }
      c.end_marked = false;
    } else if (path != nullptr && starts_with(path, kRestorePath)) {
      asked = Asked::kRestore;
      ask_for_work(c);  // init ends here: a snapshot is taken, and may be restored days later
    } else if (path != nullptr && starts_with(path, kInvocationPath)) {
      answer(path + length_of(kInvocationPath));
      asked = c.answering != 0 ? Asked::kAnswer : Asked::kOther;
    } else if (path != nullptr && starts_with(path, kInitErrorPath)) {
      c.reports_error = true;
    }
    constexpr std::uint32_t kQueue = sizeof(c.asked) / sizeof(c.asked[0]);
    if (c.early != 0) {
      --c.early;  // its answer has been read
    } else if (c.asked_tail - c.asked_head < kQueue) {
      c.asked[c.asked_tail++ % kQueue] = asked;
    } else {
      recording::shared_add(g_writer.header().traffic_dropped, 1);
    }
  }
  void header(const char* name, std::size_t n, const char* value) {
    if (c.reports_error && equal_ignoring_case(name, n, "lambda-runtime-function-error-type")) {
      c.has_plain_type = equal(value, kPlainType);
      if (!c.has_plain_type) {
        g_writer.note_error(c.answering, value);
      }
    }
  }
  bool head_end() { return true; }
  void body(const char* data, std::size_t n) {
    c.body_bytes += n;
    if (c.reports_error && c.error_type.found() == nullptr) {
      c.error_type.feed(data, n);
      if (c.error_type.found() != nullptr) {
        g_writer.note_error(c.answering, c.error_type.found());
      }
    }
  }
  void message_end() {
    if (c.has_plain_type) {
      g_writer.note_error(c.answering, kPlainType);  // unless the body had the type
    }
    if (c.answering != 0 && !c.reports_error) {
      g_writer.mark_answer(c.answering, c.body_bytes);
    }
    if (c.answering != 0 && recording::is_concurrent(g_writer.header())) {
      boundaries::invocation_ended(c.answering);
    }
    c.answering = 0;
    c.reports_error = false;
  }

  // `rest`: "<request id>/response HTTP/1.1" or "<request id>/error HTTP/1.1".
  void answer(const char* rest) {
    char id[64];
    std::size_t n = 0;
    while (rest[n] != '\0' && rest[n] != '/' && n + 1 < sizeof(id)) {
      id[n] = rest[n];
      ++n;
    }
    id[n] = '\0';
    const bool response = starts_with(rest + n, "/response");
    const bool error = starts_with(rest + n, "/error");
    if (response || error) {
      c.answering = g_writer.mark_response(id, error, clock_pair());
      c.answered = c.answering;
      c.reports_error = error && c.answering != 0;
    }
  }
};

// -- what comes in --------------------------------------------------------------------------------

struct ResponseSink {
  Conversation& c;

  void start_line(const char* line, std::size_t n) {
    c.status = n > 9 ? static_cast<std::uint32_t>(to_number(line + 9)) : 0;
    c.deadline_ms = 0;
    c.request_id[0] = c.trace_id[0] = c.function_arn[0] = '\0';
  }
  void header(const char* name, std::size_t n, const char* value) {
    if (equal_ignoring_case(name, n, "lambda-runtime-aws-request-id")) {
      copy_text(c.request_id, value);
    } else if (equal_ignoring_case(name, n, "lambda-runtime-deadline-ms")) {
      c.deadline_ms = to_number(value);
    } else if (equal_ignoring_case(name, n, "lambda-runtime-trace-id")) {
      copy_text(c.trace_id, value);
    } else if (equal_ignoring_case(name, n, "lambda-runtime-invoked-function-arn")) {
      copy_text(c.function_arn, value);
    }
  }
  bool head_end() {
    if (c.status < 200) {
      return false;  // 100 Continue: the answer proper is still to come
    }
    constexpr std::uint32_t kQueue = sizeof(c.asked) / sizeof(c.asked[0]);
    Asked asked = Asked::kOther;
    if (c.asked_head != c.asked_tail) {
      asked = c.asked[c.asked_head++ % kQueue];
    } else {  // nobody waited long enough for the hook of its request
      ++c.early;
      asked = c.end_marked ? Asked::kNext : Asked::kOther;
    }
    if (asked == Asked::kNext && c.status == 200 && c.request_id[0] != '\0') {
      start();
    } else if (asked == Asked::kAnswer) {
      g_writer.mark_answer_status(c.answered, c.status);
    } else if (asked == Asked::kRestore && c.status == 200) {
      g_writer.mark_restored(c.first_byte);
    }
    return c.status != 204 && c.status != 304;
  }
  void message_end() {}

  void start() {
    const recording::RequestFacts facts = {c.request_id, c.trace_id, c.function_arn, c.deadline_ms};
    c.delivered = g_writer.mark_start(facts, current_slot(), current_tid(), c.first_byte,
                                      read_clock(CLOCK_REALTIME), boundaries::thread_cpu_ns);
    page_probe::forget_all();  // libc unmaps memory that no hook sees
  }
};

bool asks_for_work(const char* head) {
  return starts_with(head, kGetPrefix) && starts_with(head + length_of(kGetPrefix), kNextPath);
}

bool whole_prefix(const char* data, std::size_t size) {
  char head[kPrefixBytes + 1];  // no more than may_be_request() has found to be there
  std::size_t n = 0;
  for (; n < size && n + 1 < sizeof(head); ++n) {
    head[n] = data[n];
  }
  head[n] = '\0';
  return runtime_path(head) != nullptr;
}

// The first bytes of a connection, however few, do not contradict a Runtime API request line. (To
// wait for the line's end instead would let 64 connections of another protocol, whose first byte
// happens to be a G or P, take every conversation there is.)
bool may_become_request(const char* data, std::size_t size) {
  static constexpr const char* kPrefixes[] = {kGetPrefix, kPostPrefix};
  for (const char* prefix : kPrefixes) {
    std::size_t n = 0;
    while (n < size && prefix[n] != '\0' && data[n] == prefix[n]) {
      ++n;
    }
    if (n == size || prefix[n] == '\0') {
      return true;
    }
  }
  return false;
}

// The conversation that these outgoing bytes belong to, held; nullptr: they are no business of
// ours.
Conversation* outgoing(int fd, const char* data, std::size_t size) {
  if (static_cast<unsigned>(fd) >= kDescriptors || size == 0) {
    return nullptr;
  }
  const std::uint8_t state = recording::load(g_descriptor[fd]);
  if (state == kFresh) {
    if (!may_become_request(data, size)) {
      const bool is_tls = io::tls::is_client_hello(data, size);
      if (recording::exchange_if(g_descriptor[fd], state, is_tls ? kTls : kPlain) && is_tls) {
        io::handshake_is(fd, recording::Handshake::kUnderWay);
      }
      return nullptr;
    }
    return begin(fd, state);
  }
  if (state == kTls) {
    const recording::Handshake handshake = io::tls::after_sending(data, size);
    if (handshake != recording::Handshake::kUnderWay) {
      recording::exchange_if(g_descriptor[fd], state, kPlain);
      io::handshake_is(fd, handshake);
    }
    return nullptr;
  }
  if (state == kPlain) {
    // Connected before us, inherited, or handed over; a file that happens to hold such a line is
    // told apart by asking the kernel, once.
    return whole_prefix(data, size) && is_socket(fd) ? begin(fd, state) : nullptr;
  }
  return hold(fd);
}

}  // namespace

void sending_slow(int fd, const char* data, std::size_t size) {
  tripwire::enter();
  char head[64] = {};
  const std::size_t n =
      page_probe::copy_from_caller(head, data, size < sizeof(head) ? size : sizeof(head) - 1);
  // A conversation is there before its first answer can be.
  const bool begins = descriptor_state(fd) == kFresh && runtime_path(head) != nullptr;
  if ((begins || asks_for_work(head)) && descriptor_state(fd) != kPlain) {
    Conversation* c = outgoing(fd, head, n);
    if (c != nullptr) {
      // Not the repeat of a failed send.
      if (asks_for_work(head) && c->requests.at_message_start() && !c->end_marked) {
        recording::store(g_spoken_to, true);
        c->known = c->end_marked = true;
        io::is_runtime_api(fd);
        ask_for_work(*c);
      }
      release(*c);
    }
  }
  tripwire::leave();
}

void sent_slow(int fd, const char* data, std::size_t size) {
  tripwire::enter();
  Conversation* c = outgoing(fd, data, size);
  if (c != nullptr) {
    RequestSink sink{*c};
    c->requests.feed(data, size, sink);
    const bool mistaken = c->requests.lost() || (!c->known && c->asked_tail != 0);
    if (mistaken) {
      drop(*c);
    }
    release(*c);
  }
  tripwire::leave();
}

void received_slow(int fd, const char* data, std::size_t size) {
  tripwire::enter();
  const recording::ClockPair now = clock_pair();  // before it waits for anybody
  Conversation* c = size == 0 ? nullptr : hold_for_answer(fd);
  if (c != nullptr) {
    if (c->responses.at_message_start()) {
      c->first_byte = now;
    }
    ResponseSink sink{*c};
    c->responses.feed(data, size, sink);
    if (c->responses.lost()) {
      recording::shared_add(g_writer.header().traffic_dropped, 1);
      drop(*c);
    }
    release(*c);
  }
  tripwire::leave();
}

void connected(int fd) {
  if (static_cast<unsigned>(fd) < kDescriptors && !in_vfork_child()) {
    forget(fd);
    g_descriptor[fd] = kFresh;
  }
}

void forget_slow(int fd) {
  // A vfork child (CPython's and glibc's way to start programs) shares our memory and closes
  // "its" descriptors: ours stay open.
  if (in_vfork_child()) {
    return;
  }
  const std::uint8_t state = __atomic_exchange_n(&g_descriptor[fd], kPlain, __ATOMIC_ACQ_REL);
  if (state == kPlain || state >= kTls) {
    return;
  }
  close(state, fd);
}

void forget_range(unsigned first, unsigned last) {
  const unsigned end = last < kDescriptors ? last : kDescriptors - 1;
  for (unsigned fd = first; fd <= end && fd >= first; ++fd) {
    forget(static_cast<int>(fd));
  }
}

bool was_spoken_to() { return recording::load(g_spoken_to); }

}  // namespace lamprey::preload::lambda::runtime_api
