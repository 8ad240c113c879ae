// Reader: the sockets of a process, whom a call waits for, and what threads have spent their time
// on. What a descriptor is called in words is reader_targets.cpp's.
#include <algorithm>

#include "recording/births.h"
#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::uint32_t kDescriptorsARead = 128;  // 8 KB

bool is_pipe(const Descriptor& entry) {
  return entry.kind == DescriptorKind::kPipe || entry.kind == DescriptorKind::kPair;
}

// Calls that wait on the descriptor that they are given. (A poll of one descriptor has that one.)
bool waits_on_descriptor(Call call) {
  const CallClass by_name = kCallTable[static_cast<std::size_t>(call)].call_class;
  return by_name == CallClass::kNetwork || by_name == CallClass::kFile || call == Call::k_poll ||
         call == Call::k_ppoll;
}

// What the thread itself has waited for.
void take_own_ticks(const ThreadSlot& slot, std::uint64_t (&own)[kCallClasses]) {
  std::copy(std::begin(slot.class_ticks), std::end(slot.class_ticks), own);
  for (std::uint32_t i = 0; i < kOutsideClasses; ++i) {
    std::uint64_t& ticks = own[static_cast<std::uint32_t>(kWork[i])];
    ticks -= std::min(ticks, slot.handed_on_ticks[i]);
  }
}

bool never_carried_a_byte(const Connection& connection) {
  return !connection.used && connection.received == 0;
}

}  // namespace

std::string label_of(const std::string& name, const std::string& address) {
  const std::size_t port = address.rfind(':');
  return name.empty() || name == address   ? address
         : port == std::string::npos       ? name
         : name == address.substr(0, port) ? address
                                           : name + address.substr(port);
}

bool is_watched_by(const Connection& connection, const OpenCall& call) {
  if (connection.watched_by >= 0) {
    return connection.watched_by == call.descriptor;
  }
  return connection.sender == 0 || connection.sender == call.slot;
}

const Connection* awaited_by(const OpenCall& call, const Connections& connections) {
  const Connection* first = nullptr;
  const Connection* fresh = nullptr;
  for (const Connection& connection : connections.all) {
    if (waits_on_descriptor(call.call) && call.descriptor >= 0 &&
        connection.descriptor == call.descriptor) {
      return &connection;
    }
    if (!is_loop_wait(call.call) || !is_watched_by(connection, call)) {
      continue;
    }
    const auto since = [](const Connection& c) {
      return c.connecting != 0 ? c.connecting : c.asked;
    };
    if (connection.unanswered()) {
      first = first == nullptr || since(connection) < since(*first) ? &connection : first;
    } else if (never_carried_a_byte(connection)) {
      fresh = &connection;
    }
  }
  return first != nullptr ? first : fresh;
}

Connections Reader::connections() {
  Connections found;
  std::vector<Descriptor> entries(std::min(header_->descriptors.count, kDescriptors));
  for (std::uint32_t first = 0; first < entries.size(); first += kDescriptorsARead) {
    const auto count =
        std::min(kDescriptorsARead, static_cast<std::uint32_t>(entries.size()) - first);
    if (!read_at(header_->descriptors.offset + (std::uint64_t{first} * sizeof(Descriptor)),
                 entries.data() + first, count * sizeof(Descriptor))) {
      drop("descriptors: some could not be read");
      entries.resize(first);
      break;
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Descriptor& entry = entries[i];
    const std::size_t other = entry.other - std::size_t{1};  // none: beyond the end
    found.to_others |= is_pipe(entry) && other < entries.size() && !is_pipe(entries[other]);
    const auto host = entry.kind == DescriptorKind::kHost && entry.target != 0
                          ? target(entry.target - 1U)
                          : std::nullopt;
    if (!host || host->runtime_api) {
      continue;
    }
    Connection& connection = found.all.emplace_back();
    connection.descriptor = static_cast<std::int32_t>(i);
    connection.watched_by = static_cast<std::int32_t>(entry.watched_by) - 1;
    connection.sender = entry.sender;
    connection.target = host->index;
    connection.connecting = entry.connecting;
    connection.asked = is_unanswered(entry) ? entry.sent : 0;
    connection.received = entry.received;
    connection.used = entry.invocation != 0;
    connection.in_handshake = entry.handshake == Handshake::kUnderWay;
    connection.text = text_of(entry, connection.descriptor);
    connection.label = label_of(host->name, host->address);
  }
  return found;
}

// A worker that waits for its next job, mostly.
bool Reader::is_for_own_threads(Call call, std::int32_t descriptor) const {
  const auto read_entry = [this](std::uint32_t number, Descriptor& entry) {
    return number < header_->descriptors.count &&
           read_at(header_->descriptors.offset + (std::uint64_t{number} * sizeof(entry)), &entry,
                   sizeof(entry)) &&
           is_pipe(entry);
  };
  Descriptor entry{};
  Descriptor other{};
  return waits_on_descriptor(call) && read_entry(static_cast<std::uint32_t>(descriptor), entry) &&
         read_entry(entry.other - 1U, other);
}

// The call in flight counts as what it waits for, as far as that is known.
ThreadMoment Reader::moment_in(const ThreadSlot& slot, std::uint32_t index, std::uint64_t now,
                               const Connections& known, const std::vector<Invocation>& marks) {
  ThreadMoment moment{};
  std::copy(std::begin(slot.class_ticks), std::end(slot.class_ticks), moment.class_ticks);
  const InFlight& flight = slot.in_flight;
  if (flight.call == 0 || flight.call > kCallCount || flight.started >= now) {
    return moment;
  }
  const auto call = static_cast<Call>(flight.call - 1);
  CallClass spent_on = kCallTable[flight.call - 1].call_class;
  Descriptor entry{};
  const auto descriptor = static_cast<std::uint32_t>(flight.descriptor);
  OpenCall open;
  open.tid = slot.tid;
  open.call = call;
  open.descriptor = flight.descriptor;
  open.slot = index;
  if (is_loop_wait(call) && awaited_by(open, known) != nullptr) {
    spent_on = CallClass::kNetwork;
  } else if (waits_on_descriptor(call) && descriptor < header_->descriptors.count &&
             read_at(header_->descriptors.offset + (std::uint64_t{descriptor} * sizeof(entry)),
                     &entry, sizeof(entry))) {
    spent_on = is_for_own_threads(call, flight.descriptor) ? CallClass::kOther
                                                           : class_of(entry.kind, spent_on);
  }
  const std::uint64_t since = now - flight.started;
  moment.class_ticks[static_cast<std::uint32_t>(spent_on)] +=
      since - std::min(since, idle_ticks(flight.started, now, marks));
  return moment;
}

std::optional<ThreadMoment> Reader::moment_of(const ThreadAccount& account,
                                              std::uint64_t now_mono_ns) {
  ThreadSlot slot{};
  if (account.tid == 0 || account.slot >= header_->slots.count ||
      !read_at(header_->slots.offset + (std::uint64_t{account.slot} * sizeof(slot)), &slot,
               sizeof(slot)) ||
      slot.tid != account.tid) {
    return std::nullopt;  // the thread has ended, or its slot is somebody else's now
  }
  return moment_in(slot, account.slot, clock().ticks_at(now_mono_ns), connections(), invocations());
}

std::vector<ThreadTime> Reader::threads(std::uint64_t now_mono_ns) {
  std::vector<ThreadTime> found;
  const std::uint64_t now = clock().ticks_at(now_mono_ns);
  const Connections known = connections();
  const std::vector<Invocation> marks = invocations();
  const std::uint32_t used = slots_used();
  for (std::uint32_t index = 1; index < used; ++index) {
    ThreadSlot slot{};
    if (!read_at(header_->slots.offset + (std::uint64_t{index} * sizeof(slot)), &slot,
                 sizeof(slot))) {
      break;
    }
    if (slot.state == SlotState::kInUse) {
      take_own_ticks(slot, slot.class_ticks);
      found.push_back({slot.tid, slot.generation, moment_in(slot, index, now, known, marks)});
    }
  }
  return found;
}

std::vector<SlotLook> Reader::slots() {
  constexpr std::uint32_t kSlotsARead = 8;  // 6 KB
  std::vector<SlotLook> found;
  std::vector<ThreadSlot> buffer(kSlotsARead);
  const std::uint32_t used = slots_used();
  for (std::uint32_t first = 1; first < used; first += kSlotsARead) {
    const std::uint32_t count = std::min(kSlotsARead, used - first);
    if (!read_at(header_->slots.offset + (std::uint64_t{first} * sizeof(ThreadSlot)), buffer.data(),
                 count * sizeof(ThreadSlot))) {
      break;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const ThreadSlot& slot = buffer[i];
      SlotLook& look = found.emplace_back();
      look.generation = slot.generation;
      look.born = born_in(slot);
      take_own_ticks(slot, look.class_ticks);
      if (slot.state != SlotState::kInUse) {
        continue;
      }
      look.tid = slot.tid;
      const InFlight& flight = slot.in_flight;
      if (flight.call != 0 && flight.call <= kCallCount) {
        look.call = OpenCall{slot.tid,
                             static_cast<Call>(flight.call - 1),
                             flight.started,
                             flight.stack,
                             {},
                             flight.descriptor,
                             first + i,
                             false,
                             std::nullopt};
      }
    }
  }
  return found;
}

}  // namespace lamprey::recording
