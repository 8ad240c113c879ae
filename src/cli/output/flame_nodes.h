// The flame graph that stands inside a larger page: stacks as one tree, of which the widest nodes
// are kept. What is left out is part of its callers' width; no sum changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/output/picture.h"

namespace lamprey::cli {

struct FlameNode {
  std::string frame;
  std::size_t depth = 0;             // 0: the root, "all"
  std::vector<std::int64_t> values;  // one a view; what is negative counts as 0
};

// In the order of a walk from the root, callers before what they call, the widest child first.
// Empty where nothing has a width.
std::vector<FlameNode> flame_nodes(const Picture& picture, std::size_t most);

}  // namespace lamprey::cli
