// Parts of a recording, copied in one system call before they are asked for. Which parts those are
// is the reader's business.
//
// The copy is made by process_vm_readv(2) from a mapping of this very process: where a file was cut
// short it fails with EFAULT, and where a load would kill us by SIGBUS nothing happens. The mapping
// is never dereferenced here. Small windows are mapped, each its own: the kernel brings in what
// lies around a page that is touched, and that counts as resident.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamprey::recording {

class Ahead {
 public:
  Ahead();
  ~Ahead();
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  // Part of a file: bytes from `offset` on.
  struct Part {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
  };

  // A new list of parts begins.
  void begin(int descriptor);
  // Parts are copied in this order. `window`: what is mapped for it, once; it includes the part.
  void want(Part part, Part window);
  void want(Part part) { want(part, part); }
  // Copies all of them. False: this system does not do that, or the file is cut.
  bool copy();
  // Forgets what was copied.
  void drop() { copied_ = false; }
  bool is_there() const { return copied_; }

  // From the first part that includes these bytes; or the last, which was copied later. False: none
  // does.
  bool first(std::uint64_t offset, void* into, std::size_t bytes) const;
  bool last(std::uint64_t offset, void* into, std::size_t bytes) const;

 private:
  struct Window {
    Part part;
    char* address = nullptr;
  };
  const char* mapped(Part part, Part window);
  bool take(std::size_t index, std::uint64_t offset, void* into, std::size_t bytes) const;

  pid_t self_;
  int descriptor_ = -1;
  bool able_ = true;
  bool copied_ = false;
  std::vector<Window> windows_;
  std::vector<Part> parts_;
  std::vector<std::size_t> places_;  // of the parts in bytes_
  std::vector<iovec> from_;
  std::vector<char> bytes_;
};

}  // namespace lamprey::recording
