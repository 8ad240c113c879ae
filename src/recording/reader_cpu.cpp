// Reader: where CPU time was sampled (cpu_section.h), and where threads were when they were asked.
// Nothing about opening or the header.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "recording/asked.h"
#include "recording/reader.h"

namespace lamprey::recording {
namespace {

constexpr std::size_t kSitesARead = 256;  // 16 KB

// CpuProfile up to its table.
struct Head {
  decltype(CpuProfile::state) state;
  decltype(CpuProfile::hz) hz;
  decltype(CpuProfile::interval_ns) interval_ns;
  decltype(CpuProfile::samples) samples;
  decltype(CpuProfile::intervals) intervals;
  decltype(CpuProfile::unplaced) unplaced;
  decltype(CpuProfile::threads_refused) threads_refused;
  decltype(CpuProfile::sites_used) sites_used;
  decltype(CpuProfile::sites_alone) sites_alone;
  decltype(CpuProfile::words_used) words_used;
};
static_assert(sizeof(Head) == offsetof(CpuProfile, sites));

// Line of the program's own innermost function in which most samples were.
std::uint32_t main_line(const CpuSite& site) {
  const auto most = std::max_element(
      std::begin(site.lines), std::end(site.lines),
      [](const CpuLine& a, const CpuLine& b) { return a.intervals < b.intervals; });
  return most->line;
}

}  // namespace

std::optional<CpuSamples> Reader::cpu_samples() {
  Head head{};
  if (header_->cpu.count == 0 || !read_at(header_->cpu.offset, &head, sizeof(head))) {
    return std::nullopt;
  }
  constexpr std::uint64_t kMaxInterval = 1'000'000'000;
  if (head.hz > kMaxCpuHz || head.interval_ns > kMaxInterval) {
    drop(
        fmt::format("CPU profile: {} samples a second, one each {} ns", head.hz, head.interval_ns));
    return std::nullopt;
  }
  CpuSamples samples;
  samples.state = head.state;
  samples.hz = head.hz;
  samples.interval_ns = head.interval_ns;
  samples.samples = head.samples;
  samples.intervals = head.intervals;
  samples.unplaced = head.unplaced;
  samples.threads_refused = head.threads_refused;
  const std::uint32_t stacks = std::min(head.sites_used, kCpuSites - kCpuSitesAlone);
  samples.sites.resize(stacks);
  if (!read_cpu_sites(0, samples.sites)) {
    samples.sites.clear();
  }
  if (head.sites_alone != 0) {
    std::vector<CpuSite> alone(std::min(head.sites_alone, kCpuSitesAlone));
    samples.sites.resize(kCpuSites - kCpuSitesAlone);
    if (read_cpu_sites(kCpuSites - kCpuSitesAlone, alone)) {
      samples.sites.insert(samples.sites.end(), alone.begin(), alone.end());
    }
  }
  return samples;
}

bool Reader::read_cpu_sites(std::size_t first, std::vector<CpuSite>& sites) {
  for (std::size_t done = 0; done < sites.size();) {
    const std::size_t count = std::min(sites.size() - done, kSitesARead);
    if (!read_at(
            header_->cpu.offset + offsetof(CpuProfile, sites) + ((first + done) * sizeof(CpuSite)),
            &sites[done], count * sizeof(CpuSite))) {
      drop("CPU profile: its table could not be read");
      return false;
    }
    done += count;
  }
  return true;
}

std::optional<CapturedStack> Reader::cpu_stack(const CpuSite& site) {
  std::uint64_t words[kMaxCpuDepth];
  if (site.depth == 0 || site.depth > kMaxCpuDepth || site.first > kCpuFrameWords - site.depth ||
      !read_at(
          header_->cpu.offset + offsetof(CpuProfile, words) + (site.first * sizeof(std::uint64_t)),
          words, site.depth * sizeof(std::uint64_t))) {
    return std::nullopt;
  }
  CapturedStack captured;
  captured.generation = site.generation;
  captured.cut = (site.flags & kStackCut) != 0;
  std::uint32_t line = main_line(site);
  for (std::uint32_t i = 0; i < site.depth; ++i) {
    CapturedFrame frame = captured_frame(words[i]);
    if (frame.function) {
      frame.line = frame.line != 0 ? frame.line : line;
      line = 0;  // it is the first one's
    }
    captured.frames.push_back(std::move(frame));
  }
  return captured;
}

std::vector<AskedThread> Reader::asked_threads() {
  std::vector<AskedThread> asked;
  const std::uint32_t used = slots_used();
  for (std::uint32_t index = 1; index < used; ++index) {
    ThreadSlot slot{};
    if (!read_at(header_->slots.offset + (index * sizeof(ThreadSlot)), &slot, sizeof(slot))) {
      break;
    }
    const std::uint32_t stack = asked_stack(slot.in_flight.asked, header_->started);
    if (slot.state == SlotState::kInUse && stack != 0) {
      asked.push_back({slot.tid, stack});
    }
  }
  return asked;
}

}  // namespace lamprey::recording
