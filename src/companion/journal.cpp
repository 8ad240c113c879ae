// The journal's file; see the header. Everything is written with pwrite: a file that somebody cuts
// short must not kill the companion by SIGBUS. (For sendfile it is an error, EFAULT.)
#include "companion/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "cloudwatch/line.h"

namespace lamprey::companion {
namespace {

constexpr std::uint64_t kMagic = 0x314C4E524A504D4CULL;  // "LMPJRNL1"
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kEntries = 64;
constexpr std::uint64_t kUnknown = UINT64_MAX;

}  // namespace

struct Journal::Entry {
  std::uint64_t process_start;
  std::uint64_t attach_real_ns;
  std::uint64_t next;
  std::uint64_t bits[2];
  std::int32_t pid;
  std::uint8_t used;
  std::uint8_t init;
  std::uint8_t whole;
  std::uint8_t reserved;
};

struct Journal::Page {
  std::uint64_t magic;
  // The line that is being printed: `sent` of its `size` bytes have left, says the kernel; when all
  // have, `pending` takes the place of entry number `place`.
  std::int64_t sent;
  std::int64_t size;  // 0: none
  std::uint64_t place;
  Entry pending;
  // EnvironmentState
  std::uint64_t failed_inits;
  std::uint64_t first_failed_real_ns;
  std::uint64_t group_kills;
  std::uint64_t machine_kills;
  char late_request[64];
  Entry entries[kEntries];
};

namespace {

std::optional<std::uint64_t> known(std::uint64_t value) {
  return value == kUnknown ? std::nullopt : std::optional(value);
}

}  // namespace

Journal::Journal(const std::string& directory, const std::string& environment)
    : path_(directory + "/journal-"), page_(new Page{}) {
  static_assert(sizeof(Page) <= kPageBytes);
  static_assert(recording::kInvocations == 128, "two words of bits");
  for (const char c : environment.substr(0, 96)) {
    path_ += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ? c : '-';
  }
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

// A companion that was killed between removing a recording and forgetting it.
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

void Journal::recover(int output) {
  if (page_->size <= 0) {
    return;
  }
  if (page_->sent >= page_->size && page_->place < kEntries) {
    page_->entries[page_->place] = page_->pending;
    keep_entry(page_->entries[page_->place]);
  } else if (page_->sent > 0) {
    [[maybe_unused]] const ssize_t wrote = write(output, "\n", 1);
  }
  page_->size = 0;
  keep(offsetof(Page, size), sizeof(page_->size));
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

Journal::Entry* Journal::find(const recording::Header& header) const {
  for (Entry& entry : page_->entries) {
    if (entry.used != 0 && entry.pid == header.pid && entry.process_start == header.process_start &&
        entry.attach_real_ns == header.attach_real_ns) {
      return &entry;
    }
  }
  return nullptr;
}

std::optional<report::Given> Journal::given(const recording::Header& header) const {
  if (descriptor_ < 0) {
    return std::nullopt;
  }
  report::Given given;
  if (const Entry* entry = find(header)) {
    given.init = entry->init != 0;
    given.whole = entry->whole != 0;
    given.next = std::max<std::uint64_t>(1, entry->next);
    for (std::size_t bit = 0; bit < given.flags.size(); ++bit) {
      given.flags[bit] = ((entry->bits[bit / 64] >> (bit % 64)) & 1U) != 0;
    }
  }
  return given;
}

bool Journal::print(int output, const std::string& line, const recording::Header& header,
                    const report::Given& after) {
  Entry* place = descriptor_ < 0 ? nullptr : find(header);
  for (Entry& entry : page_->entries) {
    if (place == nullptr && descriptor_ >= 0 && entry.used == 0) {
      place = &entry;
    }
  }
  if (place == nullptr) {
    return cloudwatch::write_line(output, line);
  }
  Entry entry = {header.process_start,
                 header.attach_real_ns,
                 after.next,
                 {0, 0},
                 header.pid,
                 1,
                 static_cast<std::uint8_t>(after.init ? 1 : 0),
                 static_cast<std::uint8_t>(after.whole ? 1 : 0),
                 0};
  for (std::size_t bit = 0; bit < after.flags.size(); ++bit) {
    entry.bits[bit / 64] |= std::uint64_t{after.flags[bit] ? 1U : 0U} << (bit % 64);
  }
  page_->sent = 0;
  page_->size = static_cast<std::int64_t>(line.size()) + 1;
  page_->place = static_cast<std::uint64_t>(place - page_->entries);
  page_->pending = entry;
  keep(offsetof(Page, sent), offsetof(Page, failed_inits) - offsetof(Page, sent));
  const bool printed = send(output, line) || cloudwatch::write_line(output, line);
  if (printed) {
    *place = entry;
    keep_entry(*place);
  }
  page_->size = 0;
  keep(offsetof(Page, size), sizeof(page_->size));
  return printed;
}

// By sendfile, from a file in memory that nobody changes afterwards: what is in the pipe may still
// be that file's page. Not into a file: sendfile(2) takes its offset without the lock that write(2)
// takes, so that lines of others who share it are written over. False: not a byte of it went.
bool Journal::send(int output, const std::string& line) {
  const std::string text = line + "\n";
  struct stat status {};
  const bool is_file = fstat(output, &status) != 0 || S_ISREG(status.st_mode);
  const int spool = mapped_ == nullptr || is_file ? -1 : memfd_create("lamprey-line", MFD_CLOEXEC);
  if (spool < 0) {
    return false;
  }
  bool sent = false;
  if (write(spool, text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    auto* offset = reinterpret_cast<off_t*>(static_cast<char*>(mapped_) + offsetof(Page, sent));
    std::size_t left = text.size();
    while (left > 0) {
      const ssize_t went = sendfile(output, spool, offset, left);
      if (went < 0 && (errno == EINTR || errno == EAGAIN)) {
        continue;
      }
      if (went <= 0) {
        break;
      }
      left -= static_cast<std::size_t>(went);
      sent = true;
    }
    if (sent && left > 0) {  // it took a part and refuses the rest: what else can be done
      [[maybe_unused]] const ssize_t rest = write(output, text.data() + (text.size() - left), left);
    }
  }
  close(spool);
  return sent;
}

void Journal::forget(const recording::Header& header) {
  if (Entry* entry = descriptor_ < 0 ? nullptr : find(header)) {
    *entry = {};
    keep_entry(*entry);
  }
}

}  // namespace lamprey::companion
