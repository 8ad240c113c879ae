// Reader: modules, stacks and what was sampled at them. Nothing here names a function.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kModulesARead = 32;  // 8 KB a pread
constexpr std::size_t kSitesARead = 128;
constexpr std::size_t kStacksARead = 32;  // 10 KB
constexpr std::uint64_t kUserSpace = std::uint64_t{1} << 56;

std::string hexadecimal(const std::uint8_t* bytes, std::size_t count) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text.append({kDigits[bytes[i] >> 4U], kDigits[bytes[i] & 0xFU]});
  }
  return text;
}

bool makes_sense(const Module& module) {
  return module.start < module.end && module.end < kUserSpace &&
         module.build_id_bytes <= kMaxBuildId && module.path[0] != '\0';
}

}  // namespace

std::vector<LoadedModule> Reader::modules() {
  std::vector<LoadedModule> found;
  const std::uint32_t used = used_of("modules", header_->modules_used, header_->modules.count);
  std::vector<Module> buffer(std::min<std::size_t>(used, kModulesARead));
  for (std::uint32_t index = 0; index < used;) {
    const std::size_t count = std::min<std::size_t>(used - index, kModulesARead);
    if (!read_at(header_->modules.offset + (index * sizeof(Module)), buffer.data(),
                 count * sizeof(Module))) {
      drop(fmt::format("modules: {} could not be read", used - index));
      break;
    }
    for (std::size_t i = 0; i < count; ++i) {
      Module& module = buffer[i];
      module.path[sizeof(module.path) - 1] = '\0';
      if (module.state != kModuleThere) {
        continue;
      }
      if (!makes_sense(module)) {
        drop(fmt::format("module {}: addresses or name make no sense", index + i));
        continue;
      }
      found.push_back({module.start, module.end, module.bias, module.born,
                       module.died != 0 ? module.died : UINT32_MAX,
                       hexadecimal(module.build_id, module.build_id_bytes), module.path});
    }
    index += static_cast<std::uint32_t>(count);
  }
  return found;
}

std::string Reader::module_path(std::uint32_t index_plus_one) {
  Module module = {};
  if (index_plus_one == 0 || index_plus_one > header_->modules.count ||
      !read_at(header_->modules.offset + ((index_plus_one - 1) * sizeof(Module)), &module,
               sizeof(Module)) ||
      module.state != kModuleThere || !makes_sense(module)) {
    return {};
  }
  module.path[sizeof(module.path) - 1] = '\0';
  return module.path;
}

std::optional<CapturedStack> Reader::captured(std::uint64_t index, const Stack& stack) {
  if (stack.depth > kStackFrames) {
    drop(fmt::format("stack {}: {} frames in room for {}", index, stack.depth, kStackFrames));
    return std::nullopt;
  }
  if (stack.depth == 0) {
    return std::nullopt;
  }
  CapturedStack captured;
  captured.generation = stack.generation;
  captured.cut = (stack.flags & kStackCut) != 0;
  captured.frames.assign(stack.frames, stack.frames + stack.depth);
  return captured;
}

std::optional<CapturedStack> Reader::stack(std::uint32_t index_plus_one) {
  return stacks({index_plus_one}).front();
}

// A stack between two that are wanted costs less than another system call.
std::vector<std::optional<CapturedStack>> Reader::stacks(
    const std::vector<std::uint32_t>& indices_plus_one) {
  const std::uint32_t used = used_of("stacks", header_->stacks_used, header_->stacks.count);
  std::vector<std::optional<CapturedStack>> found(indices_plus_one.size());
  std::vector<std::size_t> order;  // positions of the indices that can exist, sorted by index
  for (std::size_t at = 0; at < indices_plus_one.size(); ++at) {
    if (indices_plus_one[at] != 0 && indices_plus_one[at] <= used) {
      order.push_back(at);
    }
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return indices_plus_one[a] < indices_plus_one[b];
  });
  std::vector<Stack> buffer;
  for (std::size_t from = 0; from < order.size();) {
    const std::uint64_t first = indices_plus_one[order[from]] - 1;
    std::size_t to = from + 1;
    while (to < order.size() && indices_plus_one[order[to]] - 1 < first + kStacksARead) {
      ++to;
    }
    buffer.resize(indices_plus_one[order[to - 1]] - first);
    if (!read_at(header_->stacks.offset + (first * sizeof(Stack)), buffer.data(),
                 buffer.size() * sizeof(Stack))) {
      drop("stacks: some could not be read");
      break;
    }
    for (; from < to; ++from) {
      const std::uint64_t index = indices_plus_one[order[from]] - 1;
      found[order[from]] = captured(index, buffer[index - first]);
    }
  }
  return found;
}

std::vector<Site> Reader::sites() {
  const std::uint32_t used = std::min(
      used_of("stacks", header_->stacks_used, header_->stacks.count), header_->sites.count);
  std::vector<Site> sites(used);
  for (std::uint32_t index = 0; index < used;) {
    const std::size_t count = std::min<std::size_t>(used - index, kSitesARead);
    if (!read_at(header_->sites.offset + (index * sizeof(Site)), &sites[index],
                 count * sizeof(Site))) {
      drop(fmt::format("sites: {} could not be read", used - index));
      sites.resize(index);
      break;
    }
    index += static_cast<std::uint32_t>(count);
  }
  return sites;
}

}  // namespace lamprey::recording
