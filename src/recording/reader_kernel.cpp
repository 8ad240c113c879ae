// Reader: what exact mode counted (kernel_section.h). Nothing about opening or the header.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kRowsARead = 32;  // 22 KB: the buffer of one pread

}  // namespace

std::optional<KernelPlaces> Reader::kernel_places() const {
  KernelPlaces places{header_->exact};
  if (places.state == ExactState::kOff) {
    return std::nullopt;
  }
  Kernel* const none = nullptr;
  struct Head {  // Kernel up to its table of rows
    decltype(none->places) places;
    decltype(none->places_left) places_left;
    decltype(none->rows_used) rows_used;
    decltype(none->reserved) reserved;
    decltype(none->uncounted) uncounted;
  } head{};
  static_assert(sizeof(Head) == offsetof(Kernel, row_of));
  if (header_->kernel.count == 0 || !read_at(header_->kernel.offset, &head, sizeof(head))) {
    return places.state == ExactState::kOn ? std::nullopt : std::optional(places);
  }
  places.counted = head.places;
  places.left = head.places_left;
  places.uncounted = head.uncounted;
  return places;
}

bool Reader::add_kernel_rows(std::uint64_t offset, std::uint64_t used, Totals& totals) {
  std::vector<KernelRow> rows(kRowsARead);
  const std::uint64_t most = std::min<std::uint64_t>(used, kKernelRows);
  for (std::uint64_t first = 0; first < most; first += kRowsARead) {
    const std::size_t count = std::min<std::size_t>(most - first, kRowsARead);
    if (!read_at(offset + (first * sizeof(KernelRow)), rows.data(), count * sizeof(KernelRow))) {
      return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (rows[i].number > kKernelNumbers) {
        drop(fmt::format("kernel row {}: call {} does not exist", first + i, rows[i].number - 1));
      } else if (rows[i].number != 0 && rows[i].totals.calls != 0) {
        add(totals.kernel[rows[i].number - 1], rows[i].totals);
      }
    }
  }
  return true;
}

void Reader::add_kernel(Totals& totals) {
  std::uint32_t used = 0;
  if (header_->exact != ExactState::kOn || header_->kernel.count == 0 ||
      !read_at(header_->kernel.offset + offsetof(Kernel, rows_used), &used, sizeof(used))) {
    return;
  }
  totals.kernel_known =
      add_kernel_rows(header_->kernel.offset + offsetof(Kernel, rows), used, totals);
}

// As copy_boundary(); a torn one leaves kernel_known false.
void Reader::copy_kernel(std::uint64_t mark, std::uint64_t place, Totals& into) {
  if (header_->exact != ExactState::kOn || header_->kernel.count == 0) {
    return;
  }
  const std::uint64_t offset = header_->kernel.offset + offsetof(Kernel, boundaries) +
                               ((place % kKernelBoundaries) * sizeof(KernelBoundary));
  std::uint64_t head[3] = {};  // sequence_begin, sequence_end, rows_used
  static_assert(sizeof(head) == offsetof(KernelBoundary, rows));
  std::uint64_t marks[2] = {};
  missed_ = false;
  into.kernel_known = read_at(offset, head, sizeof(head)) && head[0] == mark && head[1] == mark &&
                      add_kernel_rows(offset + sizeof(head), head[2], into) &&
                      read_again(offset, marks, sizeof(marks)) && marks[0] == mark &&
                      marks[1] == mark;
}

}  // namespace lamprey::recording
