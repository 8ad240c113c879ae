// Names: which name a lookup gave to an address. Several names may share one address (a load
// balancer, localhost), and an address may move to another name: so each connect asks for the name
// that it was most likely made by.
//
// The name is that of the lookup that the connecting thread made last for this address and port, if
// it has made no connect of it yet; else of the oldest lookup by another thread in the last second
// that nobody has connected by (Node and asyncio look up in one thread and connect in another, in
// the same order); else of this thread's last lookup; else of anybody's.
//
// Nothing here allocates, locks or makes a system call: entries that two threads write at once lose
// one of the two answers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::io {

struct Address {
  std::uint16_t family;  // recording::kAddress*; 0: none
  std::uint8_t bytes[16];
};

namespace names {

// How many addresses keep their names. A function talks to a handful of hosts.
inline constexpr std::size_t kNames = 64;
inline constexpr int kMaxOfAnswer = 8;  // the addresses that a client tries

// kConnect uses a lookup up, kLook does not.
enum class For : std::uint8_t { kConnect, kLook };

// The answer to one lookup, while it is being noted. `host`: empty for an address in numbers.
struct Answer {
  const char* host;
  std::uint64_t order;
  std::uint64_t at;  // ticks
};
Answer begin_answer(const char* host);
// `port`: 0 where the lookup named none. False when the answer had this one already.
bool add(Answer& answer, const Address& address, std::uint16_t port);
// What the name led to before, and no longer does, loses it.
void end_answer(const Answer& answer);

// Writes the name, or nothing, into `into`.
void name_of(const Address& address, std::uint16_t port, For purpose, char* into,
             std::size_t capacity);

// Forgets everything; for tests.
void forget_all();

}  // namespace names
}  // namespace lamprey::preload::io
