// Reader: modules, stacks and what was sampled at them. Nothing here names a function.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "recording/order.h"
#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kModulesARead = 32;  // 8 KB a pread
constexpr std::size_t kSitesARead = 128;
constexpr std::size_t kStacksARead = 128;  // 3 KB
constexpr std::size_t kMaxKept = 1024;     // functions, some 200 bytes each
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

bool Reader::lies_inside(std::uint64_t index, const Stack& stack) {
  const std::uint32_t words = header_->frame_words.count;
  if (stack.depth > kMaxDepth || stack.first > words || stack.depth > words - stack.first) {
    drop(fmt::format("stack {}: {} frames at {} in room for {}", index, stack.depth, stack.first,
                     words));
    return false;
  }
  return stack.depth != 0;
}

// The frames of neighbours lie side by side, as a rule: one read for all of them.
Reader::Window Reader::window_of(const std::vector<std::pair<std::uint64_t, Stack>>& wanted) {
  constexpr std::uint32_t kMax = 16 * 1024;
  Window window;
  std::uint32_t end = 0;
  window.first = UINT32_MAX;
  for (const auto& [index, stack] : wanted) {
    window.first = std::min(window.first, stack.first);
    end = std::max(end, stack.first + stack.depth);
  }
  if (end > window.first && end - window.first <= kMax) {
    window.words.resize(end - window.first);
    if (!read_at(header_->frame_words.offset + (window.first * sizeof(std::uint64_t)),
                 window.words.data(), window.words.size() * sizeof(std::uint64_t))) {
      window.words.clear();
    }
  }
  return window;
}

std::optional<CapturedStack> Reader::captured(const Stack& stack, const Window& window) {
  std::uint64_t frames[kMaxDepth];
  if (!window.words.empty()) {
    std::copy_n(window.words.begin() + (stack.first - window.first), stack.depth, frames);
  } else if (!read_at(header_->frame_words.offset + (stack.first * sizeof(std::uint64_t)), frames,
                      stack.depth * sizeof(std::uint64_t))) {
    return std::nullopt;
  }
  CapturedStack captured;
  captured.generation = stack.generation;
  captured.cut = (stack.flags & kStackCut) != 0;
  captured.frames.reserve(stack.depth);
  for (std::uint32_t i = 0; i < stack.depth; ++i) {
    captured.frames.push_back(captured_frame(frames[i]));
  }
  return captured;
}

CapturedFrame Reader::captured_frame(std::uint64_t word) {
  if (!is_function_frame(word)) {
    return word;
  }
  CapturedFrame frame;
  frame.function = function(function_of(word));
  frame.line = line_of(word);
  frame.async = (word & kAsyncFrame) != 0;
  return frame;
}

// What is not there, or makes no sense, is a function without a name.
std::shared_ptr<const SourceFunction> Reader::function(std::uint32_t number) {
  if (const auto known = functions_.find(number); known != functions_.end()) {
    return known->second;
  }
  static const auto unnamed = std::make_shared<const SourceFunction>(
      SourceFunction{Language::kNone, "(more functions)", ""});
  Function entry = {};
  SourceFile file = {};
  if (number == 0 || number > header_->functions.count ||
      !read_at(header_->functions.offset + ((number - 1) * sizeof(Function)), &entry,
               sizeof(entry)) ||
      entry.state != kFunctionThere) {
    return unnamed;
  }
  if (entry.file != 0 && entry.file <= header_->source_files.count) {
    read_at(header_->source_files.offset + ((entry.file - 1U) * sizeof(SourceFile)), &file,
            sizeof(file));
  }
  auto found = std::make_shared<SourceFunction>();
  found->language =
      static_cast<std::size_t>(entry.language) < kLanguages ? entry.language : Language::kNone;
  found->name = function_text(entry.name, entry.name_bytes);
  found->file = file.state == kFunctionThere ? function_text(file.path, file.path_bytes) : "";
  found->first_line = entry.first_line;
  if (functions_.size() >= kMaxKept) {
    functions_.clear();
  }
  functions_.emplace(number, found);
  return found;
}

// Names are the program's: they may hold anything. What would end a line, or a frame in a list of
// frames, is replaced; bytes that are no UTF-8 are left to whoever prints.
std::string Reader::function_text(std::uint32_t offset, std::uint32_t bytes) {
  constexpr std::uint32_t kMax = std::max(kMaxFunctionName, kMaxSourcePath);
  const std::uint32_t room = header_->function_text.count;
  std::string text(std::min(bytes, kMax), '\0');
  if (offset > room || text.size() > room - offset ||
      !read_at(header_->function_text.offset + offset, text.data(), text.size())) {
    return {};
  }
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    c = byte < 0x20 || byte == 0x7F ? '?' : c == ';' ? ',' : c;
  }
  return text;
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
  put_in_order(order, [&](std::size_t a, std::size_t b) {
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
    std::vector<std::pair<std::uint64_t, Stack>> wanted;
    for (; from < to; ++from) {
      const std::uint64_t index = indices_plus_one[order[from]] - 1;
      if (lies_inside(index, buffer[index - first])) {
        wanted.emplace_back(order[from], buffer[index - first]);
      }
    }
    const Window window = window_of(wanted);
    for (const auto& [place, stack] : wanted) {
      found[place] = captured(stack, window);
    }
  }
  return found;
}

void Reader::for_each_site(const std::function<void(const Site&)>& look) {
  const std::uint32_t used = std::min(
      used_of("stacks", header_->stacks_used, header_->stacks.count), header_->sites.count);
  std::vector<Site> some(std::min<std::size_t>(used, kSitesARead));
  for (std::uint32_t index = 0; index < used;) {
    const std::size_t count = std::min<std::size_t>(used - index, kSitesARead);
    if (!read_at(header_->sites.offset + (index * sizeof(Site)), some.data(),
                 count * sizeof(Site))) {
      drop(fmt::format("sites: {} could not be read", used - index));
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      look(some[i]);
    }
    index += static_cast<std::uint32_t>(count);
  }
}

}  // namespace lamprey::recording
