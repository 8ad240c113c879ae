// Where the layer lies that belongs to this very command. What is in it is not read here.
#pragma once

#include <string>

namespace lamprey::cli {

struct OwnLayer {
  std::string folder;  // where it is, or where an installed command would have it
  bool found = false;  // the folder holds the wrapper and the library

  std::string library() const { return folder + "/lib/liblamprey.so"; }
};

// `program` is an absolute path without symbolic links, PREFIX/bin/NAME. A development build is
// laid out like the layer, in PREFIX itself; an installed command has its layer in
// PREFIX/share/lamprey.
OwnLayer layer_beside(const std::string& program);

// The layer beside this command itself.
OwnLayer own_layer();

}  // namespace lamprey::cli
