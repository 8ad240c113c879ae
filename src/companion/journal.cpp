// The journal's file; see the header. Everything is written with pwrite: a write to a mapping of a
// file that somebody cut short would kill the companion by SIGBUS. (sendfile fails with EFAULT.)
#include "companion/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>

#include "companion/journal_page.h"
#include "companion/neighbours.h"
#include "descriptors/ready.h"
#include "recording/reader_directory.h"

namespace lamprey::companion {
namespace {

constexpr std::uint64_t kMagic = 0x334C4E524A504D4CULL;  // "LMPJRNL3"
constexpr std::size_t kPageBytes = 4096;
constexpr std::uint64_t kUnknown = UINT64_MAX;
// Waiting costs the function time, so only the first line that finds no room waits.
constexpr std::chrono::milliseconds kPatience{50};

std::optional<std::uint64_t> known(std::uint64_t value) {
  return value == kUnknown ? std::nullopt : std::optional(value);
}

}  // namespace

Journal::Journal(const std::string& directory, const std::string& environment)
    : path_(journal_path(directory, environment)), page_(new Page{}) {
  static_assert(sizeof(Page) <= kPageBytes);
  static_assert(recording::kInvocations == 128, "two words of bits");
  page_->group_kills = page_->machine_kills = kUnknown;
}

Journal::~Journal() {
  if (mapped_ != nullptr) {
    munmap(mapped_, kPageBytes);
  }
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
  delete page_;
}

bool Journal::open(int output) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  struct stat status {};
  if (descriptor_ < 0 || fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != geteuid()) {
    if (descriptor_ >= 0) {
      close(descriptor_);
      descriptor_ = -1;
    }
    return false;
  }
  Page found{};
  const bool whole = pread(descriptor_, &found, sizeof(found), 0) == sizeof(found);
  if (whole && found.magic == kMagic) {
    *page_ = found;
    page_->late_request[sizeof(page_->late_request) - 1] = '\0';
    recover(output);
  } else {
    page_->magic = kMagic;
    char zeros[kPageBytes] = {};
    if (ftruncate(descriptor_, 0) != 0 ||
        pwrite(descriptor_, zeros, sizeof(zeros), 0) != static_cast<ssize_t>(sizeof(zeros)) ||
        !keep(0, sizeof(*page_))) {
      close(descriptor_);
      descriptor_ = -1;
      return false;
    }
  }
  drop_entries_of_removed_files();
  state_ = {page_->failed_inits,
            page_->first_failed_real_ns,
            {known(page_->group_kills), known(page_->machine_kills)},
            page_->late_request};
  mapped_ = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  mapped_ = mapped_ == MAP_FAILED ? nullptr : mapped_;
  return true;
}

// A companion may have been killed after it removed a recording and before it removed its entry.
void Journal::drop_entries_of_removed_files() {
  const std::string directory = path_.substr(0, path_.rfind('/') + 1);
  for (Entry& entry : page_->entries) {
    const std::string name = directory + std::to_string(entry.pid);
    const std::string kept = name + "-" + std::to_string(entry.process_start);
    if (entry.used != 0 && access((name + recording::kSuffix).c_str(), F_OK) != 0 &&
        access((kept + recording::kSuffix).c_str(), F_OK) != 0) {
      entry = {};
      keep_entry(entry);
    }
  }
}

// Writes one part of the copy to its place in the file.
bool Journal::keep(std::size_t at, std::size_t bytes) const {
  return descriptor_ >= 0 && pwrite(descriptor_, reinterpret_cast<const char*>(page_) + at, bytes,
                                    static_cast<off_t>(at)) == static_cast<ssize_t>(bytes);
}

bool Journal::keep_entry(const Entry& entry) const {
  const auto place = static_cast<std::size_t>(&entry - page_->entries);
  return keep(offsetof(Page, entries) + (place * sizeof(Entry)), sizeof(Entry));
}

std::uint64_t Journal::number_of(const Entry& place) const {
  return static_cast<std::uint64_t>(&place - page_->entries);
}

bool Journal::keep_note(const Note& note) const {
  const auto number = static_cast<std::size_t>(&note - page_->notes);
  return keep(offsetof(Page, notes) + (number * sizeof(Note)), sizeof(Note));
}

void Journal::clear_note(Note& note) const {
  note.size = 0;
  keep_note(note);
}

// Takes what a note or a kept sum says of a recording, unless something newer is known.
void Journal::adopt(std::uint64_t place, const Entry& entry) {
  if (place < kEntries && entry.order > page_->entries[place].order) {
    page_->entries[place] = entry;
    keep_entry(page_->entries[place]);
  }
}

// Lines in the order in which they were begun.
void Journal::recover(int output) {
  std::array<Note*, kNotes> notes = {&page_->notes[0], &page_->notes[1]};
  if (notes[0]->order > notes[1]->order) {
    std::swap(notes[0], notes[1]);
  }
  std::uint64_t printed = page_->sums_printed;
  for (Note* const note : notes) {
    notes_begun_ = std::max(notes_begun_, note->order);
    if (note->size <= 0) {
      continue;
    }
    const bool whole = note->sent >= note->start && note->sent - note->start >= note->size;
    if (whole && note->place == kOfSummary) {
      printed = std::max(printed, note->order);
    } else if (whole) {
      adopt(note->place, note->entry);
    } else if (note->sent > note->start) {
      print(output, "");
    }
    if (waiting_.empty()) {
      clear_note(*note);
    } else {  // still cut off: whoever comes after us must know
      next_note_ = static_cast<std::size_t>(note - page_->notes);
    }
  }
  page_->sums_printed = printed;
  keep(offsetof(Page, sums_printed), sizeof(page_->sums_printed));
  find_sum(printed);
}

void Journal::keep_state() {
  page_->failed_inits = state_.failed_inits;
  page_->first_failed_real_ns = state_.first_failed_real_ns;
  page_->group_kills = state_.kills.group.value_or(kUnknown);
  page_->machine_kills = state_.kills.machine.value_or(kUnknown);
  const std::size_t length = std::min(state_.late_request.size(), sizeof(page_->late_request) - 1);
  std::memset(page_->late_request, 0, sizeof(page_->late_request));
  std::memcpy(page_->late_request, state_.late_request.data(), length);
  keep(offsetof(Page, failed_inits), offsetof(Page, entries) - offsetof(Page, failed_inits));
}

bool Journal::is_of(const Entry& entry, const recording::Header& header) {
  return entry.pid == header.pid && entry.process_start == header.process_start &&
         entry.attach_real_ns == header.attach_real_ns;
}

Journal::Entry* Journal::find(const recording::Header& header) const {
  for (Entry& entry : page_->entries) {
    if (entry.used != 0 && is_of(entry, header)) {
      return &entry;
    }
  }
  return nullptr;
}

// Where the entry is, or a free place for it; nullptr: there is neither.
Journal::Entry* Journal::place_for(const Entry& entry) const {
  Entry* free = nullptr;
  for (Entry& there : page_->entries) {
    if (there.used == 0) {
      free = &there;
    } else if (there.pid == entry.pid && there.process_start == entry.process_start &&
               there.attach_real_ns == entry.attach_real_ns) {
      return &there;
    }
  }
  return free;
}

report::Reported Journal::reported_by(const Entry& entry) {
  report::Reported reported;
  reported.init = entry.init != 0;
  reported.whole = entry.whole != 0;
  reported.next = std::max<std::uint64_t>(1, entry.next);
  for (std::size_t bit = 0; bit < reported.flags.size(); ++bit) {
    reported.flags[bit] = ((entry.bits[bit / 64] >> (bit % 64)) & 1U) != 0;
  }
  return reported;
}

std::optional<report::Reported> Journal::reported(const recording::Header& header) const {
  for (auto newest = waiting_.rbegin(); newest != waiting_.rend(); ++newest) {
    if (newest->entry && is_of(*newest->entry, header)) {
      return reported_by(*newest->entry);
    }
  }
  if (descriptor_ < 0) {
    return std::nullopt;
  }
  const Entry* entry = find(header);
  return entry == nullptr ? report::Reported{} : reported_by(*entry);
}

bool Journal::waits_for(const recording::Header& header) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&header](const Waiting& waiting) {
    return waiting.entry && is_of(*waiting.entry, header);
  });
}

Journal::Entry Journal::entry_of(const recording::Header& header, const report::Reported& after) {
  Entry entry = {header.process_start,
                 header.attach_real_ns,
                 after.next,
                 {0, 0},
                 0,
                 header.pid,
                 1,
                 static_cast<std::uint8_t>(after.init ? 1 : 0),
                 static_cast<std::uint8_t>(after.whole ? 1 : 0),
                 0};
  for (std::size_t bit = 0; bit < after.flags.size(); ++bit) {
    entry.bits[bit / 64] |= std::uint64_t{after.flags[bit] ? 1U : 0U} << (bit % 64);
  }
  return entry;
}

bool Journal::print(int output, std::string line, const recording::Header& header,
                    const report::Reported& after) {
  line.push_back('\n');
  return enqueue(output, {std::move(line), entry_of(header, after)});
}

bool Journal::print(int output, std::string line) {
  line.push_back('\n');
  return enqueue(output, {std::move(line), std::nullopt});
}

bool Journal::enqueue(int output, Waiting waiting) {
  using std::chrono::milliseconds;
  bool all = send_waiting(output, milliseconds{0});
  const milliseconds patience = waiting_.empty() ? kPatience : milliseconds{0};
  if (!waiting_.empty() && waiting_bytes_ + waiting.text.size() > kMaxWaitingBytes) {
    return false;
  }
  waiting_bytes_ += waiting.text.size();
  waiting_.push_back(std::move(waiting));
  return send_waiting(output, patience) && all;
}

bool Journal::send_waiting(int output, std::chrono::milliseconds most) {
  using std::chrono::steady_clock;
  std::optional<steady_clock::time_point> until;
  bool all = true;
  bool was_ready = false;
  while (!waiting_.empty()) {
    if (waiting_.front().what == Waiting::What::kSum) {
      write_sum(waiting_.front());
      waiting_bytes_ -= waiting_.front().text.size();
      waiting_.pop_front();
      continue;
    }
    const std::size_t before = first_ == nullptr ? 0 : first_->gone();
    const OutgoingLine::Step step = send_first(output);
    if (step != OutgoingLine::Step::kFull) {
      all = all && step == OutgoingLine::Step::kDone;
      was_ready = false;
      continue;
    }
    until = until ? until : steady_clock::now() + most;
    const auto left = std::chrono::floor<std::chrono::milliseconds>(*until - steady_clock::now());
    if (left.count() <= 0) {
      break;
    }
    if (was_ready && first_->gone() == before) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});  // writable, yet nothing is taken
    }
    was_ready = descriptors::wait_writable(output, left);
  }
  return all;
}

// sendfile(2) into a file takes that file's offset without the lock that write(2) takes, and so
// overwrites lines of others who share it.
bool Journal::takes_sendfile(int output) {
  if (!into_file_) {
    struct stat status {};
    into_file_ = fstat(output, &status) != 0 || S_ISREG(status.st_mode);
  }
  return mapped_ != nullptr && !*into_file_;
}

// Notes in the file which line is about to be printed, and the entry that holds once it has left.
// What the note said before is first put into its entry. Returns where the kernel is to note how
// far the line has come.
off_t* Journal::begin_note(const Entry& entry, std::uint64_t place, std::size_t size, off_t start) {
  Note& note = page_->notes[next_note_];
  const Note& other = page_->notes[1 - next_note_];
  if (note.size > 0 && note.place < kEntries && (other.size <= 0 || other.place != note.place)) {
    keep_entry(page_->entries[note.place]);
  }
  note = {start, start, static_cast<std::int64_t>(size), ++notes_begun_, place, entry};
  note.entry.order = note.order;
  keep_note(note);
  note_ = &note;
  const std::size_t at = offsetof(Page, notes) + (next_note_ * sizeof(Note));
  next_note_ = 1 - next_note_;
  static_assert(offsetof(Note, sent) == 0);
  return mapped_ == nullptr ? nullptr : reinterpret_cast<off_t*>(static_cast<char*>(mapped_) + at);
}

void Journal::begin_first(int output) {
  const Waiting& waiting = waiting_.front();
  const bool of_sum = waiting.what == Waiting::What::kLineOfSum && descriptor_ >= 0;
  Entry* place = waiting.entry && descriptor_ >= 0 ? place_for(*waiting.entry) : nullptr;
  std::string text = cut_off_ ? "\n" + waiting.text : waiting.text;
  note_ = nullptr;
  if (place == nullptr && !of_sum) {
    first_ = std::make_unique<OutgoingLine>(std::move(text));
    return;
  }
  const auto start = takes_sendfile(output) ? spool_.put(text) : std::nullopt;
  off_t* const counter =
      begin_note(waiting.entry.value_or(Entry{}), place == nullptr ? kOfSummary : number_of(*place),
                 text.size(), start.value_or(0));
  first_ = start ? std::make_unique<OutgoingLine>(std::move(text), spool_, counter)
                 : std::make_unique<OutgoingLine>(std::move(text));
}

// By sendfile the kernel has noted already how far the line has come.
void Journal::end_note(OutgoingLine::Step step) {
  Note& note = *note_;
  if (step == OutgoingLine::Step::kRefused) {
    clear_note(note);
    return;
  }
  note.sent = note.start + static_cast<std::int64_t>(first_->gone());
  if (!first_->is_noted()) {
    keep_note(note);
  }
  if (step == OutgoingLine::Step::kDone && note.place == kOfSummary) {
    page_->sums_printed = note.order;
    keep(offsetof(Page, sums_printed), sizeof(page_->sums_printed));
    sum_kept_ = false;
  } else if (step == OutgoingLine::Step::kDone) {
    page_->entries[note.place] = note.entry;
  }
}

OutgoingLine::Step Journal::send_first(int output) {
  if (first_ == nullptr) {
    begin_first(output);
  }
  const OutgoingLine::Step step = first_->go(output);
  if (note_ != nullptr) {
    end_note(step);
  }
  if (step == OutgoingLine::Step::kFull) {
    return step;
  }
  cut_off_ = step == OutgoingLine::Step::kRefused && (first_->gone() != 0 || cut_off_);
  waiting_bytes_ -= waiting_.front().text.size();
  waiting_.pop_front();
  first_.reset();
  return step;
}

void Journal::forget(const recording::Header& header) {
  if (Entry* entry = descriptor_ < 0 ? nullptr : find(header)) {
    *entry = {};
    keep_entry(*entry);
    for (Note& note : page_->notes) {
      if (note.size > 0 && note.place == number_of(*entry)) {
        clear_note(note);
      }
    }
  }
}

void Journal::remove_if_needless() {
  const bool needed = std::any_of(std::begin(page_->entries), std::end(page_->entries),
                                  [](const Entry& entry) { return entry.used != 0; });
  if (descriptor_ >= 0 && !needed && waiting_.empty() && !sum_kept_ && state_.failed_inits == 0) {
    recording::remove_file(path_, recording::inode_of(descriptor_));
  }
}

}  // namespace lamprey::companion
