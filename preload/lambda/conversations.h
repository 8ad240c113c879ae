// The connections on which the Runtime API is spoken: what is known of each, and who has hold of
// it.
//
// A connection is of one thread at a time. Others wait for it, since .NET's clients receive an
// answer on one thread while the hook of the other is still busy with the request: microseconds,
// 100 ms at most.
//
// No allocation, no lock of libc. Any thread; a signal handler never waits for what its own
// thread has hold of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/lambda/error_type.h"
#include "preload/lambda/http_framer.h"
#include "preload/process/thread.h"

namespace lamprey::preload::lambda::runtime_api {

enum class Asked : std::uint8_t { kOther, kNext, kRestore, kAnswer };

// One connection. Requests are answered in order (RFC 9112, 9.3.2), so what was asked waits in a
// queue: a client may send the POST of one invocation and the GET of the next before it reads.
struct Conversation {
  // What is going on with it, and on which descriptor: one word, so that who closes a connection
  // while another thread has hold of it can leave the rest to that thread.
  std::uint32_t word;
  std::int32_t holder;   // the thread that has hold of it; 0: none, or it is not written down yet
  bool known;            // its first request line was a Runtime API one
  bool end_marked;       // by sending(), for the request that is about to leave
  bool reports_error;    // the request being sent is about an error, of `answering` or of init
  bool has_plain_type;   // a header that says of any error of the function the same
  int fd;                // of whoever has hold of it
  std::uint32_t status;  // of the response being read
  std::uint32_t early;   // answers that were read before their requests were
  HttpFramer requests;
  HttpFramer responses;
  Asked asked[8];
  std::uint32_t asked_head;  // next to be answered
  std::uint32_t asked_tail;
  std::uint64_t delivered;   // invocation that arrived here last, 0 none
  std::uint64_t answering;   // invocation that the request being sent answers, 0 none
  std::uint64_t answered;    // the newest such invocation
  std::uint64_t body_bytes;  // of the request being sent
  ErrorTypeFinder error_type;
  // the response being read
  std::uint64_t deadline_ms;
  recording::ClockPair first_byte;
  char request_id[64];
  char trace_id[128];
  char function_arn[224];
};

// How long a thread waits for another, ns. Longer than a share of 128 MB may hold that one back,
// and than a companion in batches is waited for (boundaries.cpp). Tests wait longer.
extern std::uint64_t g_patience_ns;

// Holds the conversation of `fd` for this thread, once no other has it; nullptr: there is none, or
// one keeps it, or this is a signal handler that interrupts its own thread in one. Give it back by
// release().
Conversation* hold(int fd);

// The conversation in which an answer has come, held. Its receiver may be faster than the hook of
// its request's sender: that one is waited for.
Conversation* hold_for_answer(int fd);

void release(Conversation& conversation);

// A new conversation for `fd`, of which nothing but `state` was known, held. nullptr when all are
// in use, and when another thread has closed the descriptor meanwhile, or has begun one for it.
Conversation* begin(int fd, std::uint8_t state);

// Frees one that the caller holds. The descriptor may be another connection's by now.
void drop(Conversation& conversation);

// `fd`, whose state was this, is closed: freed here, or left to who holds it.
void close(std::uint8_t state, int fd);

}  // namespace lamprey::preload::lambda::runtime_api
