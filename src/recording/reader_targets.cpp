// Reader: what calls and descriptors lead to, in words and figures. Numbers become text here and
// nowhere else.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

std::string address_text(const Target& target) {
  const bool ip6 = target.address_kind == kAddressIp6;
  if (!ip6 && target.address_kind != kAddressIp4) {
    return {};
  }
  char text[INET6_ADDRSTRLEN] = {};
  if (inet_ntop(ip6 ? AF_INET6 : AF_INET, target.address, text, sizeof(text)) == nullptr) {
    return {};
  }
  return ip6 ? fmt::format("[{}]:{}", text, target.port) : fmt::format("{}:{}", text, target.port);
}

bool has_holder(Call call) {
  return call == Call::k_pthread_mutex_lock || call == Call::k_sem_wait;
}

// "mutex 0x7f01… held by thread 4713", "pid 4714"
std::string subject_text(const ThreadSlot& slot, Call call) {
  const std::uint64_t subject = slot.in_flight.subject;
  switch (call) {
    case Call::k_waitpid:
    case Call::k_waitid: {
      const auto pid = static_cast<std::int32_t>(subject);
      return pid > 0 ? fmt::format("pid {}", pid) : std::string("any child");
    }
    case Call::k_pthread_mutex_lock:
    case Call::k_pthread_rwlock_rdlock:
    case Call::k_pthread_rwlock_wrlock:
    case Call::k_pthread_cond_wait:
    case Call::k_sem_wait:
    case Call::k_pthread_join:
    case Call::k_pthread_barrier_wait:
    case Call::k_futex:
      break;
    default:
      return {};
  }
  const std::int32_t owner = slot.in_flight.descriptor;
  return has_holder(call) && owner > 0 ? fmt::format("0x{:x}, held by thread {}", subject, owner)
                                       : fmt::format("0x{:x}", subject);
}

std::uint64_t offset_of(const Section& section, std::uint64_t index) {
  return section.offset + (index * section.stride);
}

constexpr std::uint32_t kTargetsARead = 32;  // 10 KB a pread

// A host with an address of a kind that does not exist.
bool makes_no_sense(std::uint32_t index, const Target& target) {
  return target.ready == 1 && index < kTargetRoom[0] && target.address_kind > kAddressIp6;
}

// The name of a target that makes sense; nothing while it is incomplete.
std::optional<TargetName> name_of(std::uint32_t index, const Target& found) {
  if (found.ready != 1) {
    return std::nullopt;
  }
  TargetName name;
  name.index = index;
  while (index >= kTargetFirst[static_cast<std::uint32_t>(name.kind)] +
                      kTargetRoom[static_cast<std::uint32_t>(name.kind)]) {
    name.kind = static_cast<TargetKind>(static_cast<std::uint32_t>(name.kind) + 1);
  }
  if (found.directory != 0 && found.directory - 1U < kTargets) {
    name.directory = found.directory - 1U;
  }
  name.from = found.from != kFromNobody ? found.from : 0;
  name.after = found.after;
  name.runtime_api = (found.flags & kTargetRuntimeApi) != 0;
  name.name.assign(found.name, strnlen(found.name, sizeof(found.name)));
  if (name.kind == TargetKind::kHost) {
    name.address = address_text(found);
    name.longest_ticks = found.longest_ticks;
    if (found.address_kind == kAddressUnix) {
      name.name = "unix:" + name.name;
    }
  }
  return name;
}

}  // namespace

std::uint32_t Reader::targets_used(std::uint32_t kind) {
  const std::uint32_t room = kTargetRoom[kind];
  const std::uint32_t there = header_->targets.count > kTargetFirst[kind]
                                  ? std::min(header_->targets.count - kTargetFirst[kind], room)
                                  : 0;
  return std::min(header_->targets_used[kind], there);
}

std::optional<TargetName> Reader::target(std::uint32_t index) {
  Target found{};
  if (index >= header_->targets.count || index >= kTargets ||
      !read_at(offset_of(header_->targets, index), &found, offsetof(Target, totals))) {
    return std::nullopt;
  }
  if (makes_no_sense(index, found)) {
    drop(fmt::format("target {}: address kind {} does not exist", index, found.address_kind));
    return std::nullopt;
  }
  return name_of(index, found);
}

// Several at a time: there are up to 320, and this is done at the end of every invocation.
bool Reader::read_names() {
  names_.clear();
  hosts_named_ = 0;
  all_named_ = true;
  std::vector<Target> buffer(kTargetsARead);
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint32_t used = names_of_[kind] = targets_used(kind);
    for (std::uint32_t i = 0; i < used; i += kTargetsARead) {
      const std::uint32_t count = std::min(used - i, kTargetsARead);
      const std::uint32_t first = kTargetFirst[kind] + i;
      if (!read_at(offset_of(header_->targets, first), buffer.data(), count * sizeof(Target))) {
        return false;
      }
      for (std::uint32_t j = 0; j < count; ++j) {
        if (makes_no_sense(first + j, buffer[j])) {
          drop(fmt::format("target {}: address kind {} does not exist", first + j,
                           buffer[j].address_kind));
        }
        auto name =
            makes_no_sense(first + j, buffer[j]) ? std::nullopt : name_of(first + j, buffer[j]);
        all_named_ = all_named_ && name;
        hosts_named_ += name && kind == 0 ? 1 : 0;
        if (name) {
          names_.push_back(std::move(*name));
        }
      }
    }
  }
  return true;
}

// Of hosts more than their counters changes.
bool Reader::read_hosts() {
  std::vector<Target> hosts(hosts_named_);
  if (!hosts.empty() && !read_at(offset_of(header_->targets, kTargetFirst[0]), hosts.data(),
                                 hosts.size() * sizeof(Target))) {
    return false;
  }
  for (std::uint32_t i = 0; i < hosts.size(); ++i) {
    auto name = makes_no_sense(i, hosts[i]) ? std::nullopt : name_of(i, hosts[i]);
    if (!name) {
      return false;
    }
    names_[i] = std::move(*name);
  }
  return true;
}

const std::vector<TargetName>& Reader::targets() {
  bool same = all_named_;
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    same = same && names_of_[kind] == targets_used(kind);
  }
  if (same && hosts_are_new_ && header_->trail.count != 0) {
    return names_;  // many are told of in one go
  }
  hosts_are_new_ = true;
  if (!(same && read_hosts()) && !read_names()) {
    all_named_ = hosts_are_new_ = false;
    drop("targets: some could not be read");
  }
  return names_;
}

void Reader::add_targets(Totals& totals) {
  std::vector<Target> buffer(kTargetsARead);
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint32_t used = targets_used(kind);
    for (std::uint32_t i = 0; i < used; i += kTargetsARead) {
      const std::uint32_t count = std::min(used - i, kTargetsARead);
      const std::uint32_t first = kTargetFirst[kind] + i;
      if (!read_at(offset_of(header_->targets, first), buffer.data(), count * sizeof(Target))) {
        drop("targets: some could not be read");
        return;
      }
      for (std::uint32_t j = 0; j < count; ++j) {
        totals.targets[first + j] = sum_of(buffer[j].totals, buffer[j].owned);
      }
    }
  }
}

// "10.0.3.17:5432 (db.internal)", "unix:/run/x.sock", "/mnt/efs/model.bin", "a pipe"; empty:
// unknown.
std::string Reader::descriptor_text(std::int32_t descriptor) {
  if (descriptor < 0 || static_cast<std::uint32_t>(descriptor) >= header_->descriptors.count) {
    return {};
  }
  Descriptor entry{};
  if (!read_at(offset_of(header_->descriptors, static_cast<std::uint64_t>(descriptor)), &entry,
               sizeof(entry))) {
    drop("descriptors: an entry could not be read");
    return {};
  }
  return text_of(entry, descriptor);
}

std::string Reader::text_of(const Descriptor& entry, std::int32_t descriptor) {
  switch (entry.kind) {
    case DescriptorKind::kUnknown:
    case DescriptorKind::kLoop:  // what it watches says more
      return {};
    case DescriptorKind::kPipe:
      return "a pipe";
    case DescriptorKind::kPair:
      return "a socket pair";
    case DescriptorKind::kEvent:
      return "an eventfd";
    case DescriptorKind::kTimer:
      return "a timerfd";
    case DescriptorKind::kSignal:
      return "a signalfd";
    case DescriptorKind::kFile:
    case DescriptorKind::kHost:
      break;
    default:
      drop(fmt::format("descriptor {}: kind {} does not exist", descriptor,
                       static_cast<std::uint32_t>(entry.kind)));
      return {};
  }
  const auto found = entry.target != 0 ? target(entry.target - 1U) : std::nullopt;
  if (!found) {
    return {};
  }
  if (found->address.empty() || found->name.empty()) {
    return found->address + found->name;
  }
  return fmt::format("{} ({})", found->address, found->name);
}

std::string Reader::target_of(const ThreadSlot& slot, Call call) {
  if (kCallTable[static_cast<std::size_t>(call)].call_class == CallClass::kDns) {
    return {slot.resolving, strnlen(slot.resolving, sizeof(slot.resolving))};
  }
  std::string subject = subject_text(slot, call);
  return subject.empty() ? descriptor_text(slot.in_flight.descriptor) : subject;
}

}  // namespace lamprey::recording
