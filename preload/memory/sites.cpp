// Live bytes, churn and peak of the sites; see the header.
#include "preload/memory/sites.h"

#include "preload/process/thread.h"

namespace lamprey::preload::memory::sites {
namespace {

using recording::load;
using recording::shared_add;
using recording::Site;
using recording::store;

constexpr std::int64_t kMarginShift = 4;  // 1/16

void copy_live(Site& site) {
  const std::uint64_t added = load(site.live_added);
  const std::uint64_t removed = load(site.live_removed);
  store(site.peak_bytes, added > removed ? added - removed : 0);
}

// Two threads that copy at once may mix two moments between which the level rose by 1/16.
void copy_peak() {
  recording::Header& header = g_writer.header();
  std::uint32_t used = load(header.stacks_used);
  used = used < recording::kStacks ? used : recording::kStacks;
  for (std::uint32_t i = 0; i < used; ++i) {
    copy_live(g_writer.site_at(i));
  }
  copy_live(header.no_stack);
  store(header.peak_round, load(header.started) + 1);
}

}  // namespace

Site& of(std::uint32_t stack) {
  return stack != 0 ? g_writer.site_at(stack - 1) : g_writer.header().no_stack;
}

std::uint32_t round() { return static_cast<std::uint32_t>(load(g_writer.header().started)); }

void add_live(std::uint32_t stack, std::uint64_t bytes) {
  recording::Header& header = g_writer.header();
  shared_add(of(stack).live_added, bytes);
  const std::int64_t level =
      __atomic_add_fetch(&header.sampled_live, static_cast<std::int64_t>(bytes), __ATOMIC_RELAXED);
  const std::int64_t copied = load(header.peak_sampled);
  if (level > copied + (copied >> kMarginShift) &&
      recording::exchange_if(header.peak_sampled, copied, level)) {
    copy_peak();
  }
}

void remove_live(std::uint32_t stack, std::uint64_t bytes, std::uint32_t born_in) {
  Site& site = of(stack);
  shared_add(site.live_removed, bytes);
  shared_add(site.churned_bytes, born_in == round() ? bytes : 0);
  shared_add(g_writer.header().sampled_live, -static_cast<std::int64_t>(bytes));
}

void restore_live(std::uint32_t stack, std::uint64_t bytes, std::uint32_t born_in) {
  shared_add(of(stack).churned_bytes, born_in == round() ? 0 - bytes : 0);
  add_live(stack, bytes);
}

}  // namespace lamprey::preload::memory::sites
