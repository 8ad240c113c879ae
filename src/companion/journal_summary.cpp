// The journal's part in summaries: keeping a sum that is not printed yet, and finding that of a
// companion that was killed. See journal.h; the lines are journal.cpp's.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "companion/journal.h"
#include "companion/journal_page.h"

namespace lamprey::companion {
namespace {

// Behind the first page. A sum has some kilobytes; one that does not fit is not kept.
constexpr std::size_t kKeptBytes = std::size_t{128} * 1024;
constexpr off_t kKeptAt[2] = {4096, 4096 + static_cast<off_t>(kKeptBytes)};

// Whether all of a sum is there: it may have been cut off by a kill.
std::uint64_t check_of(std::string_view bytes) {
  std::uint64_t hash = bytes.size();
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof(word), bytes.size() - at));
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29U;
  }
  return hash;
}

}  // namespace

void Journal::keep_summary(int output, std::string sum, const recording::Header* header,
                           const report::Reported& after) {
  Waiting waiting{std::move(sum), std::nullopt, Waiting::What::kSum};
  if (header != nullptr) {
    waiting.entry = entry_of(*header, after);
  }
  send_waiting(output, std::chrono::milliseconds{0});
  if (waiting_.empty()) {
    write_sum(waiting);
    return;
  }
  // Lines wait: what they say must not be overtaken. The newest sum holds all of the one before.
  const Waiting& last = waiting_.back();
  if (last.what == Waiting::What::kSum && last.entry.has_value() == waiting.entry.has_value() &&
      (!last.entry || is_of(*last.entry, *header))) {
    waiting_bytes_ -= waiting_.back().text.size();
    waiting_.pop_back();
  }
  if (waiting_bytes_ + waiting.text.size() <= kMaxWaitingBytes) {
    waiting_bytes_ += waiting.text.size();
    waiting_.push_back(std::move(waiting));
  }
}

bool Journal::print_summary(int output, const std::string& line) {
  return enqueue(output, {line + "\n", std::nullopt, Waiting::What::kLineOfSum});
}

// One write. The entry of the sum whose place it takes is put into the page first, unless the other
// sum is about the same recording.
void Journal::write_sum(const Waiting& waiting) {
  if (descriptor_ < 0 || sizeof(Kept) + waiting.text.size() > kKeptBytes) {
    return;
  }
  Entry* const place = waiting.entry ? place_for(*waiting.entry) : nullptr;
  if (waiting.entry && place == nullptr) {
    return;
  }
  Kept kept{};
  kept.size = waiting.text.size();
  kept.order = ++notes_begun_;
  kept.place = place == nullptr ? kOfSummary : number_of(*place);
  kept.entry = waiting.entry.value_or(Entry{});
  kept.entry.order = kept.order;
  std::uint64_t& replaced = kept_places_[next_kept_];
  if (replaced != kOfSummary && replaced != kept_places_[1 - next_kept_]) {
    keep_entry(page_->entries[replaced]);
  }
  std::string bytes(sizeof(kept), '\0');
  std::memcpy(bytes.data(), &kept, sizeof(kept));
  bytes += waiting.text;
  kept.check = check_of(std::string_view(bytes).substr(sizeof(kept.check)));
  std::memcpy(bytes.data(), &kept.check, sizeof(kept.check));
  if (pwrite(descriptor_, bytes.data(), bytes.size(), kKeptAt[next_kept_]) !=
      static_cast<ssize_t>(bytes.size())) {
    return;
  }
  if (place != nullptr) {
    *place = kept.entry;
  }
  replaced = kept.place;
  next_kept_ = 1 - next_kept_;
  sum_kept_ = true;
}

// `printed`: sums of a lower order are in a line that has left.
void Journal::find_sum(std::uint64_t printed) {
  std::uint64_t newest = 0;
  for (const off_t at : kKeptAt) {
    Kept kept{};
    if (pread(descriptor_, &kept, sizeof(kept), at) != static_cast<ssize_t>(sizeof(kept)) ||
        kept.size > kKeptBytes - sizeof(kept)) {
      continue;
    }
    std::string bytes(sizeof(kept) + kept.size, '\0');
    if (pread(descriptor_, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
      continue;
    }
    if (kept.check != check_of(std::string_view(bytes).substr(sizeof(kept.check)))) {
      continue;
    }
    adopt(kept.place, kept.entry);
    notes_begun_ = std::max(notes_begun_, kept.order);
    if (kept.order > printed && kept.order > newest) {
      newest = kept.order;
      found_summary_ = bytes.substr(sizeof(kept));
    }
  }
  sum_kept_ = newest != 0;
}

}  // namespace lamprey::companion
