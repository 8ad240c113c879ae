// Prints a recording as one line of JSON, straight from layout.h: the tests' own reader, so that a
// fault in src/recording/reader.cpp cannot hide one in the library. For trusted files only; no
// arithmetic beyond sums may live here.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "recording/extras.h"
#include "recording/layout.h"

namespace {

using namespace lamprey::recording;  // NOLINT(google-build-using-namespace): a reader of it all

const std::byte* g_base = nullptr;

const Header& header() { return *reinterpret_cast<const Header*>(g_base); }

template <class T>
const T& at(std::size_t offset, std::size_t index) {
  return reinterpret_cast<const T*>(g_base + offset)[index];
}

void print_text(const char* name, const char* text, std::size_t capacity) {
  std::printf("\"%s\":\"", name);
  for (std::size_t i = 0; i < capacity && text[i] != '\0'; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == '"' || c == '\\' || c > 0x7E) {
      std::printf("\\u%04x", static_cast<unsigned>(c));
    } else {
      std::putchar(c);
    }
  }
  std::printf("\",");
}

void print_number(const char* name, std::uint64_t value) {
  std::printf("\"%s\":%" PRIu64 ",", name, value);
}

void print_signed(const char* name, std::int64_t value) {
  std::printf("\"%s\":%" PRId64 ",", name, value);
}

std::uint32_t slots_used() { return std::min(header().slots_used, kThreadSlots); }

void print_memory() {
  MemoryTotals sum = {};
  std::int64_t peak = header().peak_live;
  for (std::uint32_t i = 0; i < slots_used(); ++i) {
    const auto& slot = at<ThreadSlot>(kSlotsOffset, i);
    sum.allocations += slot.memory.allocations;
    sum.frees += slot.memory.frees;
    sum.reallocations += slot.memory.reallocations;
    sum.allocated_bytes += slot.memory.allocated_bytes;
    sum.freed_bytes += slot.memory.freed_bytes;
    sum.failed += slot.memory.failed;
    sum.live_bytes += slot.memory.live_bytes;
    peak = std::max(peak, header().live_published + slot.peak - slot.published);
  }
  std::printf("\"memory\":{");
  print_number("allocations", sum.allocations);
  print_number("frees", sum.frees);
  print_number("reallocations", sum.reallocations);
  print_number("allocated_bytes", sum.allocated_bytes);
  print_number("freed_bytes", sum.freed_bytes);
  print_number("failed", sum.failed);
  print_signed("peak_live_bytes", peak);
  std::printf("\"live_bytes\":%" PRId64 "},", sum.live_bytes);
}

void print_mappings() {
  const MappingTotals& totals = header().mappings;
  std::printf("\"mappings\":{");
  print_number("maps", totals.maps);
  print_number("mapped_bytes", totals.mapped_bytes);
  print_number("unmaps", totals.unmaps);
  print_number("unmapped_bytes", totals.unmapped_bytes);
  print_number("remaps", totals.remaps);
  print_number("failed", totals.failed);
  print_number("discarded_bytes", totals.discarded_bytes);
  print_number("unfollowed", header().mappings_unfollowed);
  std::printf("\"break_bytes\":%" PRId64 "},", totals.break_bytes);
}

void print_calls() {
  static CallTotals totals[kCallCount];
  const std::uint32_t rows = std::min(header().rows_used, kCallRows);
  for (std::uint32_t i = 0; i < rows; ++i) {
    const auto& row = at<CallRow>(kRowsOffset, i);
    const std::uint32_t call = i < kCallCount ? i : row.call;
    if (call < kCallCount) {
      totals[call].calls += row.totals.calls;
      totals[call].errors += row.totals.errors;
      totals[call].bytes += row.totals.bytes;
      for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
        totals[call].buckets[0] += row.totals.buckets[bucket];
      }
    }
  }
  std::printf("\"calls\":{");
  const char* comma = "";
  for (std::uint32_t call = 0; call < kCallCount; ++call) {
    if (totals[call].calls != 0) {
      std::printf("%s\"%s\":{", comma, kCallTable[call].name);
      print_number("calls", totals[call].calls);
      print_number("errors", totals[call].errors);
      print_number("in_histogram", totals[call].buckets[0]);
      std::printf("\"bytes\":%" PRIu64 "}", totals[call].bytes);
      comma = ",";
    }
  }
  std::printf("},");
}

// As kernel_call_name, which is the product's.
const char* kernel_name(std::uint32_t number) {
  const std::size_t architecture = header().clock == Clock::kCntvct ? 1 : 0;
  for (const KernelCallRow& row : kKernelCallRows) {
    if (row.numbers[architecture] == static_cast<int>(number)) {
      return row.name;
    }
  }
  return "unknown";
}

// What exact mode counted, by the kernel's names; null without it.
void print_kernel() {
  print_number("exact", static_cast<std::uint64_t>(header().exact));
  if (header().kernel.count == 0) {
    std::printf("\"kernel\":null,");
    return;
  }
  const auto& kernel = at<Kernel>(kKernelOffset, 0);
  std::printf("\"kernel\":{");
  print_number("places", kernel.places);
  print_number("places_left", kernel.places_left);
  print_number("uncounted", kernel.uncounted);
  std::printf("\"calls\":{");
  const char* comma = "";
  for (const KernelRow& row : kernel.rows) {
    if (row.number == 0 || row.totals.calls == 0) {
      continue;
    }
    std::uint64_t in_histogram = 0;
    for (const std::uint32_t bucket : row.totals.buckets) {
      in_histogram += bucket;
    }
    std::printf("%s\"%s\":{", comma, kernel_name(row.number - 1));
    print_number("calls", row.totals.calls);
    print_number("errors", row.totals.errors);
    print_number("in_histogram", in_histogram);
    print_number("ticks", row.totals.ticks);
    std::printf("\"bytes\":%" PRIu64 "}", row.totals.bytes);
    comma = ",";
  }
  std::printf("}},");
}

// Where CPU time was sampled: intervals by the innermost word of a stack; null without it.
void print_cpu() {
  if (header().cpu.count == 0) {
    std::printf("\"cpu\":null,");
    return;
  }
  const auto& profile = at<CpuProfile>(header().cpu.offset, 0);
  std::printf("\"cpu\":{");
  print_number("state", static_cast<std::uint64_t>(profile.state));
  print_number("samples", profile.samples);
  print_number("intervals", profile.intervals);
  print_number("unplaced", profile.unplaced);
  std::printf("\"sites\":[");
  const char* comma = "";
  for (const CpuSite& site : profile.sites) {
    if (site.depth != 0 && site.intervals != 0) {
      std::printf("%s[%" PRIu64 ",%" PRIu64 "]", comma, profile.words[site.first], site.intervals);
      comma = ",";
    }
  }
  std::printf("]},");
}

void print_threads() {
  std::uint32_t in_use = 0;
  std::uint32_t generations = 0;
  std::printf("\"in_flight\":[");
  const char* comma = "";
  for (std::uint32_t i = 1; i < slots_used(); ++i) {
    const auto& slot = at<ThreadSlot>(kSlotsOffset, i);
    in_use += slot.state == SlotState::kInUse ? 1 : 0;
    generations += slot.generation;
    if (slot.in_flight.call != 0 && slot.in_flight.call <= kCallCount) {
      std::printf("%s\"%s\"", comma, kCallTable[slot.in_flight.call - 1].name);
      comma = ",";
    }
  }
  std::printf("],");
  print_number("slots_used", header().slots_used);
  print_number("slots_in_use", in_use);
  print_number("threads", generations);
}

void print_invocations() {
  std::printf("\"invocations\":[");
  const char* comma = "";
  const std::uint64_t newest = header().started;
  for (std::uint64_t n = newest > kInvocations ? newest - kInvocations + 1 : 1; n <= newest; ++n) {
    const auto& entry = at<Invocation>(kInvocationsOffset, n % kInvocations);
    std::printf("%s{", comma);
    print_text("id", entry.request_id, sizeof(entry.request_id));
    print_text("trace", entry.trace_id, sizeof(entry.trace_id));
    print_text("arn", entry.function_arn, sizeof(entry.function_arn));
    print_number("sequence", entry.sequence);
    print_number("deadline_ms", entry.deadline_ms);
    print_number("error", entry.flags & kInvocationError);
    print_number("responded", entry.responded.mono_ns != 0 ? 1 : 0);
    std::printf("\"state\":%u}", static_cast<unsigned>(entry.state));
    comma = ",";
  }
  std::printf("],");
}

void print_death(const char* name, const Death& death) {
  std::printf("\"%s\":{", name);
  print_text("module", death.module, sizeof(death.module));
  print_text("message", death.message, sizeof(death.message));
  print_signed("exit_code", death.exit_code);
  print_signed("signal", death.signal);
  print_signed("code", death.code);
  print_signed("sender", death.sender);
  print_signed("tid", death.tid);
  print_signed("first_signal", death.first_signal);
  print_signed("first_code", death.first_code);
  print_number("address", death.address);
  print_number("kind", static_cast<std::uint64_t>(death.kind));
  print_number("stack", death.stack);
  print_number("offset", death.offset);
  std::printf("\"state\":%u},", static_cast<unsigned>(death.state));
}

void print_targets() {
  std::printf("\"targets\":[");
  const char* comma = "";
  for (std::uint32_t i = 0; i < kTargets; ++i) {
    const auto& target = at<Target>(kTargetsOffset, i);
    if (target.ready == 0) {
      continue;
    }
    const TargetTotals totals = sum_of(target.totals, target.owned);
    std::printf("%s{", comma);
    print_text("name", target.name, sizeof(target.name));
    print_number("reads", totals.reads);
    print_number("received", totals.received);
    print_number("owned_reads", target.owned.reads);
    print_number("probes", totals.probes);
    print_number("owned_probes", target.owned.probes);
    std::printf("\"sent\":%" PRIu64 "}", totals.sent);
    comma = ",";
  }
  std::printf("],");
}

// Bytes that are no plain ASCII become \\u00XX each: a reader turns them back into UTF-8.
void print_bytes(std::uint32_t offset, std::uint32_t size) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(g_base + kFunctionTextOffset);
  for (std::uint32_t i = offset; i < offset + size && i < kFunctionText; ++i) {
    if (bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\' || bytes[i] > 0x7E) {
      std::printf("\\u%04x", static_cast<unsigned>(bytes[i]));
    } else {
      std::putchar(bytes[i]);
    }
  }
}

void print_name(const Function& function) { print_bytes(function.name, function.name_bytes); }

void print_file(const Function& function) {
  if (function.file != 0 && function.file <= kSourceFiles) {
    const auto& file = at<SourceFile>(kSourceFilesOffset, function.file - 1U);
    print_bytes(file.path, file.path_bytes);
  }
}

void print_functions() {
  std::printf("\"functions\":[");
  for (std::uint32_t i = 0; i < header().functions_used && i < kFunctions; ++i) {
    const auto& function = at<Function>(kFunctionsOffset, i);
    std::printf("%s{\"name\":\"", i == 0 ? "" : ",");
    print_name(function);
    std::printf("\",\"file\":\"");
    print_file(function);
    std::printf("\",\"language\":%u,", static_cast<unsigned>(function.language));
    std::printf("\"first_line\":%u}", function.first_line);
  }
  std::printf("],\"frame_readers\":[");
  for (std::uint32_t i = 0; i < kLanguages; ++i) {
    std::printf("%s%u", i == 0 ? "" : ",", static_cast<unsigned>(header().frame_readers[i]));
  }
  std::printf("],");
  print_number("functions_refused", header().functions_refused);
}

// A function as "name (file:line)".
void print_function_frame(std::uint64_t word) {
  const std::uint32_t number = function_of(word);
  std::printf("\"");
  if (number != 0 && number <= kFunctions) {
    const auto& function = at<Function>(kFunctionsOffset, number - 1);
    print_name(function);
    std::printf(" (");
    print_file(function);
    std::printf(":%u)", line_of(word));
  }
  std::printf("\"");
}

// Each stack as "path+0xoffset" of its frames (the address itself where no module has it).
void print_frame(const Stack& stack, std::uint64_t address) {
  if (is_function_frame(address)) {
    print_function_frame(address);
    return;
  }
  for (std::uint32_t i = 0; i < header().modules_used && i < kModules; ++i) {
    const auto& module = at<Module>(kModulesOffset, i);
    const bool then =
        module.born <= stack.generation && (module.died == 0 || stack.generation < module.died);
    if (then && address >= module.start && address < module.end) {
      std::printf("\"%s+0x%" PRIx64 "\"", module.path, address - module.bias);
      return;
    }
  }
  std::printf("\"0x%" PRIx64 "\"", address);
}

std::uint64_t frame_of(const Stack& stack, std::uint32_t index) {
  return at<std::uint64_t>(kFrameWordsOffset, stack.first + index);
}

void print_stacks() {
  std::printf("\"stacks\":[");
  const char* comma = "";
  for (std::uint32_t i = 0; i < header().stacks_used && i < kStacks; ++i) {
    const auto& stack = at<Stack>(kStacksOffset, i);
    const auto& site = at<Site>(kSitesOffset, i);
    std::printf("%s{\"frames\":[", comma);
    for (std::uint32_t f = 0; f < stack.depth && f < kMaxDepth; ++f) {
      std::printf("%s", f == 0 ? "" : ",");
      print_frame(stack, frame_of(stack, f));
    }
    std::printf("],\"addresses\":[");
    for (std::uint32_t f = 0; f < stack.depth && f < kMaxDepth; ++f) {
      std::printf("%s%" PRIu64, f == 0 ? "" : ",", frame_of(stack, f));
    }
    std::printf("],");
    print_number("allocated_bytes", site.allocated_bytes);
    print_number("allocated_blocks", site.allocated_blocks);
    print_number("samples", site.samples);
    print_number("churned_bytes", site.churned_bytes);
    print_number("peak_bytes", site.peak_bytes);
    print_number("mapping", site.flags & kSiteMapping);
    print_number("cut", stack.flags & kStackCut);
    std::printf("\"live_bytes\":%" PRId64 "}",
                static_cast<std::int64_t>(site.live_added - site.live_removed));
    comma = ",";
  }
  std::printf("],");
}

bool map_file(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status = {};
  if (fd < 0 || ::fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(kFileBytes) ||
      status.st_size > static_cast<off_t>(file_bytes({true, true, true}))) {
    return false;
  }
  void* mapped =
      ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  g_base = static_cast<const std::byte*>(mapped);
  return mapped != MAP_FAILED && header().magic == kMagic;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 || !map_file(arguments[1])) {
    std::fprintf(stderr, "recording_dump: no finished recording: %s\n",
                 count == 2 ? arguments[1] : "(no file named)");
    return 1;
  }
  const Header& h = header();
  std::putchar('{');
  print_text("executable", h.executable, sizeof(h.executable));
  print_memory();
  print_mappings();
  print_calls();
  print_kernel();
  print_cpu();
  print_threads();
  print_invocations();
  print_death("death_by_exit", h.deaths[kDeathByExit]);
  print_death("death_by_signal", h.deaths[kDeathBySignal]);
  print_targets();
  print_stacks();
  print_functions();
  print_number("modules_used", h.modules_used);
  print_number("modules_refused", h.modules_refused);
  print_number("generation", h.generation);
  print_number("stacks_used", h.stacks_used);
  print_number("stacks_refused", h.stacks_refused);
  print_number("samples", h.samples);
  print_number("samples_unplaced", h.samples_unplaced);
  print_number("sample_now", h.sample_now);
  print_number("peak_round", h.peak_round);
  print_signed("sampled_live", h.sampled_live);
  print_number("no_stack_samples", h.no_stack.samples);
  print_signed("peak_sampled", h.peak_sampled);
  print_signed("pid", h.pid);
  print_number("flags", h.flags);
  print_number("role", static_cast<std::uint64_t>(h.role));
  print_number("threads_without_slot", h.threads_without_slot);
  print_number("rows_refused", h.rows_refused);
  print_number("traffic_dropped", h.traffic_dropped);
  print_number("started", h.started);
  print_number("ended", h.ended);
  std::printf("\"init_ended\":%s}\n", h.init_end.ticks != 0 ? "true" : "false");
  return 0;
}
