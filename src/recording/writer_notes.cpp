// Notes: words for errors, and child processes (notes.h).
#include "recording/writer.h"

namespace lamprey::recording {

// The first word counts: that of the header comes before the one in the body.
void Writer::note_error(std::uint64_t sequence, const char* type) {
  ErrorText& text = notes().errors[(sequence + 1) % kErrorTexts];
  if (load(text.key) == sequence + 1 || type[0] == '\0') {
    return;
  }
  take_back(text.key, 0);
  std::size_t i = 0;
  for (; type[i] != '\0' && i + 1 < sizeof(text.type); ++i) {
    text.type[i] = type[i];
  }
  text.type[i] = '\0';
  recording::publish(text.key, sequence + 1);
}

Child& Writer::new_child(std::int32_t pid, std::uint64_t started) {
  Child& child =
      notes().children[__atomic_fetch_add(&header().children_started, 1U, __ATOMIC_RELAXED) %
                       kChildren];
  take_back(child.pid, 0);
  child = {};
  child.started = started;
  recording::publish(child.pid, pid);
  return child;
}

Child* Writer::find_child(std::int32_t pid) {
  const std::uint32_t newest = load(header().children_started);
  for (std::uint32_t back = 1; back <= kChildren && back <= newest; ++back) {
    Child& child = notes().children[(newest - back) % kChildren];
    if (load(child.pid) == pid && load(child.ended) == 0) {
      return &child;
    }
  }
  return nullptr;
}

}  // namespace lamprey::recording
