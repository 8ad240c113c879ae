// Mutated recordings through everything that reads them: nothing may crash, hang or leave the
// limits. Run as `recording_fuzz [ITERATIONS] [SEED]`; a seed gives the same bytes every time.
// With -DLAMPREY_LIBFUZZER the entry point is libFuzzer's.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cloudwatch/line.h"
#include "recording/reader.h"
#include "report/ledger/at_rest.h"
#include "tests/unit/recording_builder.h"

namespace {

using lamprey::recording::kExactFileBytes;
using lamprey::report::Report;

std::string g_path;

void write_file(const std::uint8_t* data, std::size_t size) {
  const int file = open(g_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t wrote = write(file, data + done, size - done);
    if (wrote <= 0) {
      std::abort();
    }
    done += static_cast<std::size_t>(wrote);
  }
  close(file);
}

void check_line(const Report& report) {
  lamprey::cloudwatch::LineOptions options;
  options.detail = lamprey::cloudwatch::Detail::kFull;
  const std::string line = lamprey::cloudwatch::to_line(report, options);
  if (line.size() > lamprey::cloudwatch::kMaxBytes || line.find('\n') != std::string::npos) {
    std::fprintf(stderr, "a line of %zu bytes\n", line.size());
    std::abort();
  }
}

// Returns whether the file opened at all.
bool read_everything() {
  lamprey::recording::Failure failure;
  auto reader = lamprey::recording::Reader::open(g_path, failure);
  if (!reader) {
    if (failure.text.empty() || failure.text.find('\n') != std::string::npos) {
      std::abort();
    }
    return false;
  }
  std::size_t lines = 0;
  lamprey::report::Ledger ledger(std::move(*reader));
  lamprey::report::give_everything(ledger, [&lines](Report& report) {
    check_line(report);
    ++lines;
  });
  ledger.refresh();
  ledger.give_ended(check_line);
  ledger.find("r3");
  ledger.reader().live(lamprey::recording::monotonic_ns());
  if (lines > lamprey::recording::kInvocations + 2) {
    std::abort();
  }
  return true;
}

std::vector<std::uint8_t> valid_recording() {
  lamprey::testing::RecordingBuilder builder(g_path, "", true);
  builder.end_init();
  for (int i = 0; i < 5; ++i) {
    builder.invoke("r" + std::to_string(i), 3);
  }
  builder.start("open");
  builder.slot().in_flight = {3, 4, lamprey::recording::monotonic_ns(), 0, 0, 0, 0};
  for (std::uint32_t kind = 0; kind < lamprey::recording::kTargetKinds; ++kind) {
    const auto index =
        builder.writer().take_target(static_cast<lamprey::recording::TargetKind>(kind), kind + 1);
    std::strcpy(builder.writer().target_at(index).name, "/somewhere");
    builder.writer().target_at(index).totals.starts = 7;
    builder.writer().show_target(index);
    builder.writer().descriptor(static_cast<int>(4 + kind)) = {
        lamprey::recording::DescriptorKind::kFile,
        1,
        static_cast<std::uint16_t>(index + 1),
        0,
        0,
        0,
        0,
        0,
        0};
  }
  lamprey::recording::Death& death = builder.header().deaths[1];
  death.kind = lamprey::recording::DeathKind::kSignal;
  death.signal = 11;
  death.code = 1;
  death.stack = 1;
  death.at = lamprey::testing::RecordingBuilder::now();
  death.state = lamprey::recording::DeathState::kWritten;
  builder.orphan();
  std::vector<std::uint8_t> bytes(kExactFileBytes);
  std::memcpy(bytes.data(), builder.bytes(), bytes.size());
  return bytes;
}

#ifndef LAMPREY_LIBFUZZER

// Interesting places get most of the hits: a random byte of 1.5 MB would hardly ever matter.
std::size_t place(std::mt19937_64& random) {
  using namespace lamprey::recording;
  const std::size_t starts[] = {0,
                                kInvocationsOffset,
                                kBoundariesOffset,
                                kSlotsOffset,
                                kRowsOffset,
                                kDescriptorsOffset,
                                kTargetsOffset,
                                kKernelOffset,
                                kKernelOffset + offsetof(Kernel, rows),
                                kKernelOffset + offsetof(Kernel, boundaries),
                                kRowsOffset + (kCallCount * sizeof(CallRow))};
  const std::size_t widths[] = {sizeof(Header),        sizeof(Invocation) * 8,
                                sizeof(Boundary) * 4,  sizeof(ThreadSlot) * 4,
                                sizeof(CallRow) * 8,   sizeof(Descriptor) * 8,
                                sizeof(Target) * 8,    64,
                                sizeof(KernelRow) * 8, sizeof(KernelBoundary) * 3,
                                sizeof(CallRow) * 8};
  const std::size_t which = random() % std::size(starts);
  return starts[which] + (random() % widths[which]);
}

constexpr std::uint64_t kOdd[] = {0,         1,          0x7F,       0xFF,
                                  0xFFFF,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                  INT64_MAX, 1ULL << 63, UINT64_MAX, 4096};

void mutate(std::vector<std::uint8_t>& bytes, std::mt19937_64& random) {
  const std::size_t hits = 1 + (random() % 8);
  for (std::size_t i = 0; i < hits; ++i) {
    std::size_t at = place(random);
    if (random() % 3 == 0) {
      bytes[at] = static_cast<std::uint8_t>(random());
      continue;
    }
    at &= ~std::size_t{random() % 2 == 0 ? 7U : 3U};
    const std::uint64_t value = random() % 4 == 0 ? random() : kOdd[random() % std::size(kOdd)];
    std::memcpy(bytes.data() + at, &value, random() % 2 == 0 ? 4 : 8);
  }
  if (random() % 8 == 0) {
    bytes.resize(random() % bytes.size());
  }
}

#endif

}  // namespace

#ifdef LAMPREY_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lamprey::testing::TemporaryDirectory directory;
  g_path = directory.path() + "/1.rec";
  write_file(data, size);
  read_everything();
  return 0;
}
#else
int main(int argc, char** argv) {
  const lamprey::testing::TemporaryDirectory directory;
  g_path = directory.path() + "/1.rec";
  const std::uint64_t iterations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::mt19937_64 random(seed);
  const std::vector<std::uint8_t> valid = valid_recording();
  std::uint64_t opened = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    std::vector<std::uint8_t> bytes = valid;
    mutate(bytes, random);
    write_file(bytes.data(), bytes.size());
    opened += read_everything() ? 1 : 0;
  }
  std::printf("%llu mutated recordings read, %llu of them past the header\n",
              static_cast<unsigned long long>(iterations), static_cast<unsigned long long>(opened));
  return opened * 10 > iterations ? 0 : 1;  // else it tested nothing but the header's refusal
}
#endif
