// See submissions.h.
#include "preload/stack/submissions.h"

#include "preload/base/ticks.h"
#include "preload/base/tripwire.h"
#include "preload/process/thread.h"
#include "preload/stack/stacks.h"
#include "preload/stack/v8/own_code.h"

namespace lamprey::preload::stack::submissions {

using recording::load;
using recording::store;

std::uint32_t g_on = 0;

namespace {

constexpr std::uint64_t kBetweenNs = 250'000;
std::uint64_t g_last = 0;

bool is_main_thread() { return t_thread.tid == g_writer.header().pid; }

}  // namespace

void signals_slow() {
  if (!recording_here() || !is_main_thread()) {
    return;
  }
  const recording::Header& header = g_writer.header();
  const std::uint64_t now = ticks();
  if (load(header.started) == load(header.ended) || now - g_last < ticks_for(kBetweenNs)) {
    return;
  }
  g_last = now;
  tripwire::enter();
  capture();
  tripwire::leave();
}

void kept(std::uint32_t stack, const Words& words) {
  if (load(g_on) != 0 && stack != 0 && is_main_thread() && v8::own_code::is_in(words)) {
    store(g_writer.header().last_program_stack, stack);
  }
}

}  // namespace lamprey::preload::stack::submissions
