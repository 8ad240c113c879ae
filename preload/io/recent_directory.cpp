// See recent_directory.h. Only the thread that owns a slot, and its signal handlers, touch its
// place.
#include "preload/io/recent_directory.h"

#include <string.h>

namespace lamprey::preload::io::recent_directory {
namespace {

using recording::load;
using recording::store;

struct Place {
  std::uint32_t epoch;  // g_forgotten when it was filled; 0: empty
  std::uint32_t target;
  Origin origin;
  std::uint16_t bytes;
  bool filling;
  char text[kMaxBytes];
};

constinit Place g_places[recording::kThreadSlots] = {};
std::uint32_t g_forgotten = 1;

// A target's entry is the same for all threads, so a thread that takes over another's slot may take
// over its place too.
Place* own_place() {
  const recording::ThreadSlot* slot = t_thread.slot;
  return slot != nullptr ? &g_places[g_writer.index_of(*slot)] : nullptr;
}

}  // namespace

bool ask(const Origin& origin, const char* path, Question& question) {
  constexpr std::size_t kLongestPath = 4096;
  const std::size_t bytes = strlen(path);
  const auto* slash = static_cast<const char*>(memrchr(path, '/', bytes));
  const char* last = slash != nullptr ? slash + 1 : path;
  const auto name = static_cast<std::size_t>(last - path);
  const bool dots = last[0] == '.' && (last[1] == '\0' || (last[1] == '.' && last[2] == '\0'));
  question = {origin, path, name};
  return name <= kMaxBytes && bytes > name && bytes < kLongestPath && !dots &&
         origin.at != kNowhere;
}

std::uint32_t recall(const Question& question) {
  const Place* place = own_place();
  if (place == nullptr || place->filling || place->epoch != load(g_forgotten) ||
      place->bytes != question.bytes || place->origin.at != question.origin.at ||
      place->origin.generation != question.origin.generation ||
      __builtin_memcmp(place->text, question.text, question.bytes) != 0) {
    return kUnknown;
  }
  return place->target;
}

void keep(const Question& question, std::uint32_t target) {
  Place* place = own_place();
  if (place == nullptr || place->filling) {
    return;
  }
  const std::uint32_t epoch = load(g_forgotten);
  store(place->filling, true);
  recording::order_for_handlers();
  place->epoch = epoch;
  place->target = target;
  place->origin = question.origin;
  place->bytes = static_cast<std::uint16_t>(question.bytes);
  __builtin_memcpy(place->text, question.text, question.bytes);
  recording::order_for_handlers();
  store(place->filling, false);
}

void forget_all() { recording::shared_add(g_forgotten, 1); }

}  // namespace lamprey::preload::io::recent_directory
