// Reader: words for errors, child processes, and which descriptors are open. Numbers become text
// here and in reader_targets.cpp only.
#include <algorithm>
#include <cstring>

#include "recording/order.h"
#include "recording/reader.h"

namespace lamprey::recording {
namespace {

// One line of printable text: whoever reads it may have a terminal. What is beyond ASCII stays; the
// line that is printed has only whole characters of UTF-8.
std::string printable(const char* text, std::size_t room) {
  std::string result(text, strnlen(text, room));
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
  return result;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(0, std::max<std::size_t>(slash, 1));
}

}  // namespace

std::string Reader::error_type(std::uint64_t sequence) {
  ErrorText text{};
  const std::uint64_t at =
      header_->notes.offset + (((sequence + 1) % kErrorTexts) * sizeof(ErrorText));
  if (header_->notes.count == 0 || !read_at(at, &text, sizeof(text)) || text.key != sequence + 1) {
    return {};
  }
  return printable(text.type, sizeof(text.type));
}

std::vector<ChildRecord> Reader::children() {
  std::vector<ChildRecord> found;
  Child all[kChildren] = {};
  if (header_->children_started == 0 || header_->notes.count == 0 ||
      !read_at(header_->notes.offset + offsetof(Notes, children), all, sizeof(all))) {
    return found;
  }
  for (const Child& child : all) {
    if (child.pid == 0 || child.pid < -1) {
      continue;
    }
    ChildRecord record;
    record.pid = child.pid;
    record.started = child.started;
    record.ended = child.ended;
    record.arguments = child.arguments;
    record.signalled = (child.flags & kChildSignalled) != 0;
    record.program = printable(child.program, sizeof(child.program));
    if (child.ended != 0) {
      if ((child.flags & kChildStatusKnown) != 0) {
        record.status = child.status;
      }
      if (child.cpu_ns != 0) {
        record.cpu_ns = child.cpu_ns;
      }
      if ((child.flags & kChildUsageOwn) != 0) {
        record.max_rss_bytes = child.max_rss_bytes;
      }
    }
    found.push_back(std::move(record));
  }
  put_in_order(found,
               [](const ChildRecord& a, const ChildRecord& b) { return a.started < b.started; });
  return found;
}

std::vector<HeldDescriptors> Reader::held_descriptors() {
  std::vector<HeldDescriptors> held;
  std::vector<Descriptor> table(std::min(header_->descriptors.count, kDescriptors));
  if (!read_at(header_->descriptors.offset, table.data(), table.size() * sizeof(Descriptor))) {
    return held;
  }
  std::vector<std::string> places(kTargets);
  for (const TargetName& name : targets()) {
    if (name.index < kTargets && !name.runtime_api) {
      places[name.index] =
          name.kind == TargetKind::kHost
              ? label_of(name.name, name.address)
              : (name.kind == TargetKind::kFile ? directory_of(name.name) : name.name);
    }
  }
  for (const Descriptor& entry : table) {
    if (entry.kind == DescriptorKind::kUnknown || entry.kind > DescriptorKind::kLoop) {
      continue;
    }
    const std::uint32_t target = std::uint32_t{entry.target} - 1;
    const std::string place = target < kTargets ? places[target] : std::string();
    const auto known = std::find_if(held.begin(), held.end(), [&](const HeldDescriptors& other) {
      return other.kind == entry.kind && other.place == place;
    });
    if (known != held.end()) {
      ++known->count;
    } else {
      held.push_back({entry.kind, place, 1});
    }
  }
  put_in_order(
      held, [](const HeldDescriptors& a, const HeldDescriptors& b) { return a.count > b.count; });
  return held;
}

}  // namespace lamprey::recording
