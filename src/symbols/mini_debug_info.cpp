// Unpacking MiniDebugInfo; see the header.
#include "symbols/mini_debug_info.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace lamprey::symbols {
namespace {

constexpr std::size_t kPiece = 2048;  // bytes unpacked in one step
constexpr std::size_t kMaxInMemory = std::size_t{128} << 10;

}  // namespace

std::unique_ptr<MiniDebugInfo> MiniDebugInfo::begin(const ElfFile& module,
                                                    const std::string& folder) {
  const PackedSymbols& packed = module.packed();
  const auto bytes = xz_unpacked_bytes(module.descriptor(), packed.offset, packed.bytes);
  if (!bytes || *bytes == 0 || *bytes > kMax) {
    return nullptr;
  }
  std::unique_ptr<MiniDebugInfo> made(new MiniDebugInfo());
  if (!made->make_room(folder, static_cast<std::size_t>(*bytes))) {
    return nullptr;
  }
  made->stream_ =
      std::make_unique<XzStream>(module.descriptor(), packed.offset, packed.bytes, made->mapped_);
  return made;
}

MiniDebugInfo::~MiniDebugInfo() {
  if (mapped_.data() != nullptr) {
    munmap(mapped_.data(), mapped_.size());
  }
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

// All of the file's room is taken at once: a disk that fills up later would be SIGBUS.
bool MiniDebugInfo::make_room(const std::string& folder, std::size_t bytes) {
  std::string path = folder + "/lamprey-names-XXXXXX";
  descriptor_ = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    return false;
  }
  unlink(path.c_str());
  if (posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes)) != 0) {
    return false;
  }
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (mapped == MAP_FAILED) {
    return false;
  }
  mapped_ = {static_cast<std::uint8_t*>(mapped), bytes};
  return true;
}

// The pages stay in the file; a match that reaches back reads them again.
void MiniDebugInfo::let_go() {
  if (stream_->written() - kept_from_ >= kMaxInMemory) {
    madvise(mapped_.data(), mapped_.size(), MADV_DONTNEED);
    kept_from_ = stream_->written();
  }
}

bool MiniDebugInfo::step() {
  const XzStream::Progress progress = stream_->step(kPiece);
  complete_ = progress == XzStream::Progress::kEnd;
  let_go();
  return progress == XzStream::Progress::kMore;
}

int MiniDebugInfo::take() { return complete_ ? std::exchange(descriptor_, -1) : -1; }

}  // namespace lamprey::symbols
