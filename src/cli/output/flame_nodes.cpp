// Trees of stacks; see the header.
#include "cli/output/flame_nodes.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace lamprey::cli {
namespace {

struct Node {
  std::vector<std::int64_t> values;
  std::map<std::string, Node*> children;
};

class Tree {
 public:
  explicit Tree(const Picture& picture) : root_(made(picture.views.size())) {
    for (const PictureStack& stack : picture.stacks) {
      add(stack);
    }
  }

  std::vector<FlameNode> widest(std::size_t most) const {
    std::vector<double> widths;
    for (const Node& node : nodes_) {
      widths.push_back(width_of(node));
    }
    double least = 0;
    if (widths.size() > most) {
      std::nth_element(widths.begin(), widths.begin() + static_cast<std::ptrdiff_t>(most),
                       widths.end(), std::greater<>());
      least = widths[most];
    }
    std::vector<FlameNode> out;
    if (width_of(*root_) > 0) {
      put(out, "all", *root_, 0, least);
    }
    return out;
  }

 private:
  Node* made(std::size_t views) {
    nodes_.push_back({std::vector<std::int64_t>(views, 0), {}});
    return &nodes_.back();
  }

  void add(const PictureStack& stack) {
    const auto into = [&stack](Node& node) {
      for (std::size_t i = 0; i < node.values.size(); ++i) {
        node.values[i] = bounded_sum(node.values[i], std::max<std::int64_t>(stack.values[i], 0));
      }
    };
    Node* node = root_;
    into(*node);
    for (const std::string& frame : *stack.frames) {
      Node*& child = node->children[frame];
      child = child == nullptr ? made(root_->values.size()) : child;
      node = child;
      into(*node);
    }
  }

  // The greatest share that a node has of any view.
  double width_of(const Node& node) const {
    double width = 0;
    for (std::size_t i = 0; i < node.values.size(); ++i) {
      if (root_->values[i] > 0) {
        width = std::max(
            width, static_cast<double>(node.values[i]) / static_cast<double>(root_->values[i]));
      }
    }
    return width;
  }

  // A node that is narrower than its caller may be kept, never the other way round.
  void put(std::vector<FlameNode>& out, const std::string& frame, const Node& node,
           std::size_t depth, double least) const {
    out.push_back({frame, depth, node.values});
    std::vector<std::pair<double, const std::pair<const std::string, Node*>*>> order;
    for (const auto& child : node.children) {
      if (const double width = width_of(*child.second); width > least) {
        order.emplace_back(-width, &child);
      }
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [width, child] : order) {
      put(out, child->first, *child->second, depth + 1, least);
    }
  }

  std::deque<Node> nodes_;
  Node* root_;
};

}  // namespace

std::vector<FlameNode> flame_nodes(const Picture& picture, std::size_t most) {
  return Tree(picture).widest(most);
}

}  // namespace lamprey::cli
