// Hosts: where sockets lead. Only addresses and host names are kept, nothing that was sent. The
// names that lookups gave to addresses are names.cpp's. See hosts.h.

#include "preload/io/hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <cerrno>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/io/awaited.h"
#include "preload/io/names.h"

namespace lamprey::preload::io {
namespace {

using recording::NetworkFailure;
using recording::shared_add;
using recording::store;
using recording::Target;
using recording::TargetKind;
using recording::Writer;

// netdb.h has these for _GNU_SOURCE only.
constexpr int kNoData = -5;         // EAI_NODATA
constexpr int kAddressFamily = -9;  // EAI_ADDRFAMILY

// The address of an AF_INET or AF_INET6 socket address, and its port. An IPv4 address mapped into
// IPv6 (what dual-stack runtimes like Java connect to) is the IPv4 address.
Address address_of(const sockaddr_storage& from, std::uint16_t& port) {
  Address address = {};
  if (from.ss_family == AF_INET) {
    const auto& ip4 = reinterpret_cast<const sockaddr_in&>(from);
    address.family = recording::kAddressIp4;
    __builtin_memcpy(address.bytes, &ip4.sin_addr, 4);
    port = __builtin_bswap16(ip4.sin_port);
  } else if (from.ss_family == AF_INET6) {
    const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(from);
    static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    port = __builtin_bswap16(ip6.sin6_port);
    if (__builtin_memcmp(&ip6.sin6_addr, kMapped, sizeof(kMapped)) == 0) {
      address.family = recording::kAddressIp4;
      __builtin_memcpy(address.bytes, reinterpret_cast<const char*>(&ip6.sin6_addr) + 12, 4);
    } else {
      address.family = recording::kAddressIp6;
      __builtin_memcpy(address.bytes, &ip6.sin6_addr, 16);
    }
  }
  return address;
}

// What a connect leads to, before it has a place in the table.
struct Host {
  Address address;
  std::uint16_t port;
  char name[sizeof(Target::name)];
};

Host host_of(const sockaddr_storage& from, names::For purpose) {
  Host host = {};
  if (from.ss_family == AF_UNIX) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(from);
    // An abstract name begins with NUL; it is written with '@', as ss(8) does.
    const std::size_t abstract = local.sun_path[0] == '\0' ? 1 : 0;
    host.name[0] = '@';
    copy_text(host.name + abstract, sizeof(host.name) - abstract, local.sun_path + abstract);
    host.address.family = recording::kAddressUnix;
  } else {
    host.address = address_of(from, host.port);
    names::name_of(host.address, host.port, purpose, host.name, sizeof(host.name));
  }
  return host;
}

// Whether a reader would call it the same host: same name and port, whichever address was used.
bool is(const Target& target, const Host& host, std::uint16_t port) {
  if (__atomic_load_n(&target.ready, __ATOMIC_ACQUIRE) == 0 || target.port != port) {
    return false;
  }
  const bool is_unix = host.address.family == recording::kAddressUnix;
  if (is_unix != (target.address_kind == recording::kAddressUnix)) {
    return false;
  }
  if (host.name[0] != '\0' || target.name[0] != '\0') {
    return equal(target.name, host.name);
  }
  return target.address_kind == host.address.family &&
         __builtin_memcmp(target.address, host.address.bytes, sizeof(target.address)) == 0;
}

std::uint32_t find(const Host& host, std::uint16_t port) {
  const std::uint32_t used = g_writer.targets_used(TargetKind::kHost);
  for (std::uint32_t index = 0; index < used; ++index) {
    if (is(g_writer.target_at(index), host, port)) {
      return index;
    }
  }
  return Writer::kNoTarget;
}

void fill(Target& target, const Host& host) {
  target.address_kind = host.address.family;
  __builtin_memcpy(target.address, host.address.bytes, sizeof(target.address));
  recording::publish(target.port, host.port);
}

// A name may lead to another address by now.
void moved(Target& target, const Host& host) {
  if (target.address_kind == host.address.family &&
      __builtin_memcmp(target.address, host.address.bytes, sizeof(target.address)) != 0) {
    std::uint64_t halves[2];
    __builtin_memcpy(halves, host.address.bytes, sizeof(halves));
    auto* into = reinterpret_cast<std::uint64_t*>(target.address);
    store(into[0], halves[0]);
    store(into[1], halves[1]);
  }
}

// The place of `host` in the table; one that was only looked up so far becomes it.
std::uint32_t place_of(const Host& host) {
  std::uint32_t index = find(host, host.port);
  if (index == Writer::kNoTarget && host.port != 0 && host.name[0] != '\0') {
    index = find(host, 0);
    if (index != Writer::kNoTarget) {
      fill(g_writer.target_at(index), host);
    }
  }
  if (index != Writer::kNoTarget) {
    moved(g_writer.target_at(index), host);
  } else {
    index = g_writer.take_target(TargetKind::kHost, 0);
    if (index == Writer::kNoTarget) {
      shared_add(g_writer.header().targets_refused, 1);
      return index;
    }
    Target& target = g_writer.target_at(index);
    fill(target, host);
    copy_text(target.name, host.name);
    __atomic_store_n(&target.ready, 1U, __ATOMIC_RELEASE);
  }
  return index;
}

// Of a name that was looked up: any port's.
Target* target_named(const char* name) {
  const std::uint32_t used = g_writer.targets_used(TargetKind::kHost);
  for (std::uint32_t index = 0; index < used; ++index) {
    Target& target = g_writer.target_at(index);
    if (__atomic_load_n(&target.ready, __ATOMIC_ACQUIRE) != 0 && equal(target.name, name)) {
      return &target;
    }
  }
  Host host = {};
  copy_text(host.name, name);
  const std::uint32_t index = place_of(host);
  return index != Writer::kNoTarget ? &g_writer.target_at(index) : nullptr;
}

// `host`: empty where an address was asked for in numbers.
void remember_names(const char* host, const addrinfo* results) {
  int most = names::kMaxOfAnswer;
  names::Answer answer = names::begin_answer(host);
  for (const addrinfo* result = results; result != nullptr && most > 0; result = result->ai_next) {
    if (result->ai_addr == nullptr || result->ai_addrlen > sizeof(sockaddr_storage)) {
      continue;
    }
    sockaddr_storage copy = {};
    __builtin_memcpy(&copy, result->ai_addr, result->ai_addrlen);
    std::uint16_t port = 0;
    const Address address = address_of(copy, port);
    if (address.family != 0 && names::add(answer, address, port)) {
      --most;  // one address comes once for each socket type
    }
  }
  names::end_answer(answer);
}

Target* target_of(int fd) {
  if (kind_of(fd) != DescriptorKind::kHost) {
    return nullptr;
  }
  const std::uint32_t target = recording::load(g_writer.descriptor(fd).target);
  return target != 0 ? &g_writer.target_at((target - 1U) % recording::kTargets) : nullptr;
}

// Whether the descriptor's target has this very address and port, under whichever name.
bool leads_to(const recording::Descriptor& entry, const Host& host) {
  const std::uint32_t index = std::uint32_t{recording::load(entry.target)} - 1;
  if (index >= recording::kTargets) {
    return false;
  }
  const Target& target = g_writer.target_at(index);
  return target.port == host.port && target.address_kind == host.address.family &&
         __builtin_memcmp(target.address, host.address.bytes, sizeof(target.address)) == 0;
}

// Whether the characters are those of an address in numbers: nothing is looked up for one.
bool is_numeric(const char* host) {
  for (const char* c = host; *c != '\0'; ++c) {
    const bool digit = *c >= '0' && *c <= '9';
    if (!digit && *c != '.') {
      for (const char* any = host; *any != '\0'; ++any) {
        if (*any == ':') {
          return true;
        }
      }
      return false;
    }
  }
  return true;
}

}  // namespace

void connecting(int fd, const sockaddr* address, socklen_t size) {
  if (!has_entry(fd) || address == nullptr || in_vfork_child()) {
    return;
  }
  sockaddr_storage copy = {};
  const std::size_t wanted = size < sizeof(copy) ? size : sizeof(copy) - 1;
  const std::size_t got = page_probe::copy_from_caller(&copy, address, wanted);
  recording::Descriptor& entry = g_writer.descriptor(fd);
  const bool known =
      got >= sizeof(sa_family_t) &&
      (copy.ss_family == AF_UNIX || copy.ss_family == AF_INET || copy.ss_family == AF_INET6);
  if (!known) {
    recording::publish(entry.kind, DescriptorKind::kUnknown);
    return;
  }
  const bool again = recording::load(entry.connecting) != 0 && kind_of(fd) == DescriptorKind::kHost;
  const Host host = host_of(copy, again ? names::For::kLook : names::For::kConnect);
  const std::uint32_t index = place_of(host);
  const auto target = static_cast<std::uint16_t>(index == Writer::kNoTarget ? 0 : index + 1);
  if (again && leads_to(entry, host)) {
    return;  // asked again about a connect that is under way
  }
  give_meaning(fd, DescriptorKind::kHost, target, 0);
}

// The kernel has read the address, so it is there to be read.
void addressed(int fd, const sockaddr* address, socklen_t size) {
  sockaddr_storage copy = {};
  if (!has_entry(fd) || size < sizeof(sa_family_t) || size > sizeof(copy)) {
    return;
  }
  __builtin_memcpy(&copy, address, size);
  if (copy.ss_family != AF_INET && copy.ss_family != AF_INET6) {
    return;
  }
  const std::uint32_t index = place_of(host_of(copy, names::For::kLook));
  const auto target = static_cast<std::uint16_t>(index == Writer::kNoTarget ? 0 : index + 1);
  const bool is_known = kind_of(fd) == DescriptorKind::kHost &&
                        recording::load(g_writer.descriptor(fd).target) == target;
  if (!is_known && !in_vfork_child()) {
    give_meaning(fd, DescriptorKind::kHost, target, 0);
  }
}

// A socket without a peer is remembered as one of no host, so that it is not asked again.
bool identify(int fd) {
  if (!has_entry(fd) || in_vfork_child()) {
    return false;
  }
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  const long got =
      raw_syscall(SYS_getpeername, fd, pointer_argument(&peer), pointer_argument(&size));
  if (got == -EBADF || got == -ENOTSOCK) {
    return false;
  }
  const bool leads = got == 0 && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
  const std::uint32_t index =
      leads ? place_of(host_of(peer, names::For::kLook)) : Writer::kNoTarget;
  give_meaning(fd, DescriptorKind::kHost,
               static_cast<std::uint16_t>(index == Writer::kNoTarget ? 0 : index + 1), 0);
  return true;
}

CallClass connected(int fd, const Spent& spent, bool under_way) {
  Target* target = target_of(fd);
  if (target == nullptr || in_vfork_child()) {
    return CallClass::kNetwork;
  }
  spent.awaited = awaited_target(*target);
  recording::Descriptor& entry = g_writer.descriptor(fd);
  if (recording::load(entry.connecting) == 0) {
    shared_add(target->totals.starts, 1);
  }
  shared_add(target->totals.ticks, spent.ticks);
  if (under_way) {
    store(entry.connecting, spent.begin);
  } else if (!spent.failed) {
    shared_add(target->totals.connect_ticks, spent.ticks);
  } else if (is_error(spent)) {
    shared_add(target->totals.connect_ticks, spent.ticks);
    count_failure(*target, failure_of(errno));
  }
  return (target->flags & recording::kTargetRuntimeApi) != 0 ? CallClass::kOther
                                                             : CallClass::kNetwork;
}

void connect_ended(int fd, int error, const Spent& spent) {
  Target* target = target_of(fd);
  if (target == nullptr) {
    return;
  }
  recording::Descriptor& entry = g_writer.descriptor(fd);
  const std::uint64_t began = recording::load(entry.connecting);
  if (began != 0) {
    store(entry.connecting, 0);
    shared_add(target->totals.connect_ticks, g_writer.busy_between(began, spent.end));
  }
  if (error != 0) {
    count_broken(entry, *target, failure_of(error));
  }
}

void is_runtime_api(int fd) {
  Target* target = target_of(fd);
  if (target != nullptr) {
    store(target->flags, recording::kTargetRuntimeApi);
  }
}

void resolving(const char* host) {
  recording::ThreadSlot* slot = current_slot();
  if (slot != nullptr) {
    page_probe::copy_text(slot->resolving, host);  // libc may refuse the call without reading it
  }
}

void looked_up(const char* asked, const Spent& spent, NetworkFailure failure) {
  char host[sizeof(Target::name)];
  if (!page_probe::copy_text(host, asked) || is_numeric(host)) {
    return;
  }
  Target* target = target_named(host);
  if (target != nullptr) {
    spent.awaited = awaited_target(*target);
    shared_add(target->totals.lookups, 1);
    shared_add(target->totals.lookup_ticks, spent.ticks);
    if (failure != NetworkFailure::kNone) {
      count_failure(*target, failure);
    }
  }
}

void resolved(const char* asked, const addrinfo* results, int error, const Spent& spent) {
  char host[sizeof(Target::name)];
  if (!page_probe::copy_text(host, asked)) {
    return;
  }
  if (is_numeric(host)) {
    if (error == 0) {
      remember_names("", results);  // what it is connected to has no name, whoever shares it
    }
    return;
  }
  const bool unknown = error == EAI_NONAME || error == kNoData || error == kAddressFamily;
  looked_up(host, spent,
            error == 0 ? NetworkFailure::kNone
            : unknown  ? NetworkFailure::kUnknownName
                       : NetworkFailure::kResolver);
  if (error == 0) {
    remember_names(host, results);
  }
}

}  // namespace lamprey::preload::io
