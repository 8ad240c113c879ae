// Finding the layer beside the command; see the header.
#include "cli/commands/own_layer.h"

#include <unistd.h>

#include <filesystem>

namespace lamprey::cli {
namespace {

namespace fs = std::filesystem;

// Both, because /usr/local and the like may hold either name without being a layer.
bool holds_layer(const OwnLayer& layer) {
  const fs::path wrapper = layer.folder + "/lamprey";
  std::error_code error;
  return fs::is_regular_file(wrapper, error) && access(wrapper.c_str(), X_OK) == 0 &&
         fs::is_regular_file(layer.library(), error);
}

}  // namespace

OwnLayer layer_beside(const std::string& program) {
  const fs::path prefix = fs::path(program).parent_path().parent_path();
  OwnLayer layer;
  for (const fs::path& folder : {prefix, prefix / "share" / "lamprey"}) {
    layer.folder = folder.string();
    layer.found = holds_layer(layer);
    if (layer.found) {
      break;
    }
  }
  return layer;
}

OwnLayer own_layer() {
  // The kernel has followed the links already, such as the one that pipx puts on PATH.
  std::error_code error;
  return layer_beside(fs::read_symlink("/proc/self/exe", error).string());
}

}  // namespace lamprey::cli
