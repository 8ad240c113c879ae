// The table of names; see the header.
#include "preload/io/names.h"

#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/process/thread.h"

namespace lamprey::preload::io::names {
namespace {

using recording::exchange_if;
using recording::load;
using recording::store;

// Lookups that nobody has connected by for longer than that are not waited for. An answer that is
// older than that is not taken for the same as the newest (resolvers answer in turns).
constexpr std::uint64_t kSoonNs = 1'000'000'000;

struct Name {
  std::uint32_t version;  // even: complete; odd: it is being written; 0: empty
  std::int32_t tid;       // who looked it up last
  std::uint64_t order;    // of the last lookup that gave it: the larger, the later
  std::uint64_t at;       // ticks of it
  std::uint32_t unused;   // 1: nobody has connected since
  std::uint16_t port;     // 0: any
  Address address;
  char host[64];
};

constinit Name g_names[kNames] = {};
std::uint64_t g_order = 0;

bool same(const Address& a, const Address& b) {
  return a.family == b.family && __builtin_memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool is_there(const Name& name) {
  const std::uint32_t version = __atomic_load_n(&name.version, __ATOMIC_ACQUIRE);
  return version != 0 && version % 2 == 0;
}

void renew(Name& name, const Answer& answer) {
  store(name.tid, current_tid());
  store(name.at, answer.at);
  store(name.unused, 1);
  recording::publish(name.order, answer.order);
}

// The entry that has been of no use for longest.
Name& oldest() {
  Name* found = &g_names[0];
  for (Name& name : g_names) {
    if (load(name.order) < load(found->order)) {
      found = &name;
    }
  }
  return *found;
}

struct Choice {
  Name* own_unused = nullptr;     // the newest of this thread
  Name* others_unused = nullptr;  // the oldest of another one
  Name* own = nullptr;
  Name* any = nullptr;
};

void newer(Name*& best, Name& name) {
  if (best == nullptr || load(name.order) > load(best->order)) {
    best = &name;
  }
}

Choice choose(const Address& address, std::uint16_t port) {
  Choice choice;
  const std::int32_t me = current_tid();
  const std::uint64_t now = ticks();
  for (Name& name : g_names) {
    const std::uint16_t of = load(name.port);
    if (!is_there(name) || !same(name.address, address) || (of != 0 && of != port)) {
      continue;
    }
    const bool mine = load(name.tid) == me;
    const bool waits = load(name.unused) != 0;
    newer(choice.any, name);
    if (mine) {
      newer(choice.own, name);
    }
    if (mine && waits) {
      newer(choice.own_unused, name);
    } else if (waits && now - load(name.at) < ticks_for(kSoonNs) &&
               (choice.others_unused == nullptr ||
                load(name.order) < load(choice.others_unused->order))) {
      choice.others_unused = &name;
    }
  }
  return choice;
}

}  // namespace

Answer begin_answer(const char* host) {
  return {host, __atomic_add_fetch(&g_order, 1U, __ATOMIC_RELAXED), ticks()};
}

bool add(Answer& answer, const Address& address, std::uint16_t port) {
  for (Name& name : g_names) {
    if (is_there(name) && same(name.address, address) && load(name.port) == port &&
        equal(name.host, answer.host)) {
      const bool is_new = load(name.order) != answer.order;
      renew(name, answer);
      return is_new;
    }
  }
  Name& name = oldest();
  const std::uint32_t version = load(name.version);
  if (version % 2 != 0 || !exchange_if(name.version, version, version + 1)) {
    return false;  // another thread is writing it
  }
  recording::changes_follow();
  name.address = address;
  store(name.port, port);
  copy_text(name.host, answer.host);
  renew(name, answer);
  recording::publish(name.version, version + 2);
  return true;
}

void end_answer(const Answer& answer) {
  for (Name& name : g_names) {
    const std::uint32_t version = load(name.version);
    if (answer.host[0] != '\0' && is_there(name) && load(name.order) < answer.order &&
        equal(name.host, answer.host) && answer.at - load(name.at) > ticks_for(kSoonNs) &&
        exchange_if(name.version, version, version + 1)) {
      recording::changes_follow();
      name.address = {};
      store(name.order, 0);
      recording::publish(name.version, version + 2);
    }
  }
}

void name_of(const Address& address, std::uint16_t port, For purpose, char* into,
             std::size_t capacity) {
  into[0] = '\0';
  const Choice choice = choose(address, port);
  Name* name = choice.own_unused != nullptr      ? choice.own_unused
               : choice.others_unused != nullptr ? choice.others_unused
               : choice.own != nullptr           ? choice.own
                                                 : choice.any;
  if (name == nullptr) {
    return;
  }
  const std::uint32_t version = __atomic_load_n(&name->version, __ATOMIC_ACQUIRE);
  copy_text(into, capacity, name->host);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (load(name->version) != version || version % 2 != 0 || !same(name->address, address)) {
    into[0] = '\0';  // another name took the place while this one was copied
  } else if (purpose == For::kConnect) {
    store(name->unused, 0);
  }
}

void forget_all() {
  for (Name& name : g_names) {
    name = {};
  }
  g_order = 0;
}

}  // namespace lamprey::preload::io::names
