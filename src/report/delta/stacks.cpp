// Addresses to modules, frames to words; see the header.
#include "report/delta/stacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::LoadedModule;

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Stacks keep the lower 16 bits of a generation.
bool was_there(const LoadedModule& module, std::uint32_t generation) {
  return (module.born & 0xFFFFU) <= generation &&
         (module.died == UINT32_MAX || generation < (module.died & 0xFFFFU));
}

std::string frame_text(const Frame& frame) {
  if (frame.label != nullptr) {
    return frame.label;
  }
  if (frame.function) {
    return frame.function->name;  // whoever prints it for people says more (stack_names.h)
  }
  if (frame.module_path().empty()) {
    return fmt::format("?? ({:#x})", frame.address);
  }
  return fmt::format("?? ({} +{:#x})", base_name(frame.module_path()), frame.offset);
}

}  // namespace

ModuleMap::ModuleMap(std::vector<LoadedModule> modules) {
  put_in_order(modules,
               [](const LoadedModule& a, const LoadedModule& b) { return a.start < b.start; });
  modules_ = std::make_shared<const std::vector<LoadedModule>>(std::move(modules));
}

Stack ModuleMap::frames_of(const recording::CapturedStack& stack) const {
  Stack frames;
  frames.reserve(stack.frames.size());
  for (const recording::CapturedFrame& captured : stack.frames) {
    Frame frame;
    if (captured.function) {
      frame.function = captured.function;
      frame.line = captured.line;
      frame.async = captured.async;
      frames.push_back(std::move(frame));
      continue;
    }
    frame.address = captured.address != 0 ? captured.address - 1 : 0;
    // Modules of different times may overlap, so all that begin below the address are looked at: a
    // few hundred.
    const LoadedModule* found = nullptr;
    for (const LoadedModule& module : *modules_) {
      if (module.start > frame.address) {
        break;
      }
      if (frame.address < module.end && was_there(module, stack.generation)) {
        found = &module;
      }
    }
    if (found != nullptr) {
      frame.module = std::shared_ptr<const LoadedModule>(modules_, found);
      frame.offset = frame.address - found->bias;
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

// A module that was written changes only when it is unloaded, and then the generation changes too.
const ModuleMap& KnownModules::of(recording::Reader& reader) {
  const recording::Header& header = reader.header();
  if (!complete_ || used_ != header.modules_used || generation_ != header.generation) {
    std::vector<LoadedModule> modules = reader.modules();
    used_ = header.modules_used;
    generation_ = header.generation;
    complete_ = modules.size() == used_;
    modules_ = ModuleMap(std::move(modules));
  }
  return modules_;
}

std::string stack_text(const Stack& stack) {
  std::string text;
  for (const Frame& frame : stack) {
    text += text.empty() ? "" : "; ";
    text += frame_text(frame);
  }
  return text;
}

}  // namespace lamprey::report
