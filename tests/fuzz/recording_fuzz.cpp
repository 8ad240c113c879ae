// Recordings that no process would write, through everything that reads, names and tells them:
// nothing may crash, hang or leave the limits.
//
// An input is not the 2 MB of a recording but how it differs from a whole one, so that a mutation
// meets what is read: a byte that says from which, then patches of 6 bytes and what they write:
//   section, bytes written, element (2 bytes), offset in the element (2 bytes)
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cloudwatch/line.h"
#include "report/ledger/at_rest.h"
#include "report/text/stack_names.h"
#include "symbols/elf_file.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/unit/recording_builder.h"

namespace {

using namespace lamprey::recording;
using lamprey::fuzzing::odd_number;
using lamprey::fuzzing::Random;
using lamprey::fuzzing::require;
using lamprey::report::Report;
using lamprey::testing::RecordingBuilder;

constexpr std::uint32_t kStacksFilled = 12;
constexpr std::uint32_t kModulesFilled = 4;

struct Part {
  std::size_t offset;
  std::size_t stride;
  std::size_t elements;  // that hold anything
};
constexpr Extras kBatches = {true, false, true};
constexpr std::size_t kTrailAt = trail_offset(kBatches);
constexpr Part kParts[] = {
    {0, sizeof(Header), 1},
    {kInvocationsOffset, sizeof(Invocation), 10},
    {kBoundariesOffset, sizeof(Boundary), kBoundaries},
    {kSlotsOffset, sizeof(ThreadSlot), 3},
    {kRowsOffset, sizeof(CallRow), kCallCount + 8},
    {kDescriptorsOffset, sizeof(Descriptor), 12},
    {kTargetsOffset, sizeof(Target), kTargets},
    {kModulesOffset, sizeof(Module), kModulesFilled + 2},
    {kSitesOffset, sizeof(Site), kStacksFilled + 2},
    {kStacksOffset, sizeof(Stack), kStacksFilled + 2},
    {kKernelOffset, sizeof(Kernel), 1},
    {0, 0, 0},  // the file ends at what is written
    // Only of a recording that is reported in batches.
    {kTrailAt, offsetof(Trail, index), 1},
    {kTrailAt + offsetof(Trail, index), sizeof(TrailEntry), 8},
    {kTrailAt + offsetof(Trail, bytes), 64, 40},
};
constexpr std::size_t kCut = 11;  // what follows it came later, and inputs that are kept name parts
constexpr std::size_t kMaxWritten = 32;

// ---- whole recordings
// -----------------------------------------------------------------------------

// A module that has names, in a place of its own: what a recording names is opened.
const std::string& module_path() {
  static const std::string path = [] {
    std::FILE* from = std::fopen("tests/fuzz/corpus/elf/names.so", "rbe");
    require(from != nullptr,
            "tests/fuzz/corpus/elf/names.so is there: run from the root of the sources");
    std::string bytes(1U << 16U, '\0');
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), from));
    std::fclose(from);
    static lamprey::fuzzing::InputFile module("m.so");
    module.set(bytes);
    return module.path();
  }();
  return path;
}

void fill_module(Module& module, std::uint32_t index) {
  const auto file = lamprey::symbols::ElfFile::open(module_path());
  require(file.has_value(), "the module can be read");
  const std::string id = file->build_id();
  module.start = 0x10000 * (index + 1);
  module.end = module.start + 0x8000;
  module.bias = module.start;
  module.born = index == 3 ? 1 : 0;
  module.died = index == 2 ? 1 : 0;
  module.build_id_bytes =
      static_cast<std::uint8_t>(std::min<std::size_t>(id.size() / 2, kMaxBuildId));
  for (std::size_t i = 0; i < module.build_id_bytes; ++i) {
    module.build_id[i] = static_cast<std::uint8_t>(std::stoul(id.substr(2 * i, 2), nullptr, 16));
  }
  std::strncpy(module.path, module_path().c_str(), sizeof(module.path) - 1);
  module.state = kModuleThere;
}

void fill_stacks(RecordingBuilder& builder) {
  for (std::uint32_t i = 0; i < kModulesFilled; ++i) {
    fill_module(builder.writer().module_at(i), i);
  }
  for (std::uint32_t i = 0; i < kStacksFilled; ++i) {
    Stack& stack = builder.stack(i, {});
    for (std::uint32_t frame = 0; frame <= i; ++frame) {
      builder.writer().frame_words()[stack.first + frame] =
          frame % 3 == 2 ? function_frame(frame, i) | (frame % 2 == 0 ? kAsyncFrame : 0)
                         : (0x10000 * (1 + (frame % 5))) + 0x1000 + (0x10 * i) + frame;
    }
    builder.header().frame_words_used += i + 1;
    stack.generation = static_cast<std::uint16_t>(i % 2);
    stack.flags = i % 4 == 0 ? kStackCut : std::uint16_t{0};
    stack.depth = i + 1;
    Site& site = builder.writer().site_at(i);
    site = {1000U * i, 256U * i, 900U * i, 100U * i,
            i,         50,       800U * i, i % 3 == 0 ? kSiteMapping : 0};
  }
  Header& header = builder.header();
  header.modules_used = kModulesFilled;
  header.stacks_used = kStacksFilled;
  header.generation = 1;
  header.sample_bytes = header.sample_now = 4096;
  header.samples = 50;
  header.peak_round = 6;
}

void fill_functions(RecordingBuilder& builder) {
  constexpr const char* kText = "handler/var/task/app.py";
  std::memcpy(builder.writer().function_text(), kText, std::strlen(kText));
  builder.writer().source_file_at(0) = {7, 16, kFunctionThere};
  for (std::uint32_t i = 0; i < 8; ++i) {
    builder.writer().function_at(i) = {0,
                                       i,
                                       static_cast<std::uint16_t>(i % 2),
                                       7,
                                       static_cast<Language>(i % kLanguages),
                                       kFunctionThere,
                                       0};
  }
}

void fill_targets(RecordingBuilder& builder) {
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto index =
          builder.writer().take_target(static_cast<TargetKind>(kind), kind + (8 * i) + 1);
      Target& target = builder.writer().target_at(index);
      std::strcpy(target.name, "/somewhere");
      target.address_kind = i == 0 ? kAddressIp4 : i == 1 ? kAddressIp6 : kAddressUnix;
      target.port = 443;
      target.totals.starts = 7;
      target.totals.ticks = 9000;
      builder.writer().show_target(index);
      Descriptor& descriptor = builder.writer().descriptor(static_cast<int>(3 + (3 * kind) + i));
      descriptor.kind = static_cast<DescriptorKind>(kind + i);
      descriptor.target = static_cast<std::uint16_t>(index + 1);
      descriptor.early = 1;
      descriptor.sent = i;
    }
  }
}

void fill_end(RecordingBuilder& builder) {
  Death& death = builder.header().deaths[kDeathBySignal];
  death.kind = DeathKind::kSignal;
  death.signal = 11;
  death.code = 1;
  death.stack = 3;
  death.at = RecordingBuilder::now();
  std::strcpy(death.module, "/somewhere.so");
  std::strcpy(death.message, "St13runtime_error");
  death.state = DeathState::kWritten;
}

// A runtime that was killed amid its sixth invocation; one that has more than one at a time and was
// restored from a snapshot; a program of `lamprey run`; a runtime that is reported in batches.
enum class Base : std::uint8_t { kRuntime, kConcurrent, kRun, kBatch };
constexpr std::size_t kBases = 4;

constexpr std::size_t bytes_of(Base base) {
  return base == Base::kBatch ? file_bytes(kBatches) : kExactFileBytes;
}

std::unique_ptr<RecordingBuilder> whole_recording(Base base) {
  const std::string path =
      lamprey::fuzzing::directory() + "/" + std::to_string(static_cast<int>(base)) + ".rec";
  auto builder = std::make_unique<RecordingBuilder>(path, "", true, false, base == Base::kBatch);
  Header& header = builder->header();
  header.role = base == Base::kRun ? Role::kRun : Role::kRuntime;
  header.flags |= base == Base::kConcurrent ? kFlagConcurrent : 0;
  fill_targets(*builder);
  builder->end_init();
  if (base == Base::kConcurrent) {
    header.restored = RecordingBuilder::now();
  }
  for (int i = 0; i < (base == Base::kRun ? 0 : 5); ++i) {
    builder->invoke("r" + std::to_string(i), 3);
  }
  fill_stacks(*builder);
  fill_functions(*builder);
  builder->start("open");
  if (base == Base::kConcurrent) {
    builder->start("beside");
  }
  builder->slot().in_flight = {
      static_cast<std::uint32_t>(Call::k_read) + 1, 4, monotonic_ns(), 0, 0, 2, 0};
  if (base == Base::kRuntime) {
    fill_end(*builder);
  }
  builder->orphan();
  return builder;
}

// ---- patches
// --------------------------------------------------------------------------------------

struct Patch {
  std::uint8_t part = 0;
  std::uint16_t element = 0;
  std::uint16_t offset = 0;
  std::vector<std::uint8_t> bytes;
};

struct Input {
  std::uint8_t base = 0;
  std::vector<Patch> patches;
};

Input read_input(const std::uint8_t* data, std::size_t size) {
  Input input;
  input.base = size > 0 ? data[0] % kBases : 0;
  for (std::size_t at = 1; at + 7 <= size;) {
    Patch patch;
    patch.part = data[at] % std::size(kParts);
    const std::size_t most = std::min(1 + (data[at + 1] % kMaxWritten), size - at - 6);
    std::memcpy(&patch.element, data + at + 2, 2);
    std::memcpy(&patch.offset, data + at + 4, 2);
    patch.bytes.assign(data + at + 6, data + at + 6 + most);
    input.patches.push_back(std::move(patch));
    at += 6 + most;
  }
  return input;
}

std::size_t write_input(const Input& input, std::uint8_t* data, std::size_t most) {
  std::size_t size = 0;
  data[size++] = input.base;
  for (const Patch& patch : input.patches) {
    if (size + 6 + patch.bytes.size() > most) {
      break;
    }
    data[size++] = patch.part;
    data[size++] = static_cast<std::uint8_t>(patch.bytes.size() - 1);
    std::memcpy(data + size, &patch.element, 2);
    std::memcpy(data + size + 2, &patch.offset, 2);
    std::copy(patch.bytes.begin(), patch.bytes.end(), data + size + 4);
    size += 4 + patch.bytes.size();
  }
  return size;
}

// A recording that is changed for one input, and whole again after it.
class Patched {
 public:
  explicit Patched(Base base)
      : whole_(whole_recording(base)), copy_(bytes_of(base)), end_(copy_.size()) {
    std::memcpy(copy_.data(), whole_->bytes(), copy_.size());
  }
  const std::string& path() const { return whole_->path(); }

  void apply(const std::vector<Patch>& patches) {
    for (const Patch& patch : patches) {
      if (patch.part == kCut) {
        std::uint32_t end = 0;
        std::memcpy(&end, patch.bytes.data(), std::min(sizeof(end), patch.bytes.size()));
        end_ = std::min<std::size_t>(end_, end % copy_.size());
        continue;
      }
      const Part& part = kParts[patch.part];
      const std::size_t at = part.offset + (patch.element % part.elements * part.stride) +
                             (patch.offset % part.stride);
      if (at >= copy_.size()) {
        continue;
      }
      const std::size_t bytes = std::min(patch.bytes.size(), copy_.size() - at);
      std::memcpy(whole_->bytes() + at, patch.bytes.data(), bytes);
      changed_.emplace_back(at, bytes);
    }
    if (end_ < copy_.size()) {
      require(truncate(path().c_str(), static_cast<off_t>(end_)) == 0, "a recording can be cut");
    }
  }

  void restore() {
    if (end_ < copy_.size()) {
      require(truncate(path().c_str(), static_cast<off_t>(copy_.size())) == 0, "and made whole");
      std::memcpy(whole_->bytes() + end_, copy_.data() + end_, copy_.size() - end_);
      end_ = copy_.size();
    }
    for (const auto& [at, bytes] : changed_) {
      std::memcpy(whole_->bytes() + at, copy_.data() + at, bytes);
    }
    changed_.clear();
  }

 private:
  std::unique_ptr<RecordingBuilder> whole_;
  std::vector<std::byte> copy_;
  std::size_t end_;
  std::vector<std::pair<std::size_t, std::size_t>> changed_;
};

// ---- what is read
// ---------------------------------------------------------------------------------

void check_line(const Report& report, lamprey::cloudwatch::Detail detail) {
  lamprey::cloudwatch::LineOptions options;
  options.detail = detail;
  const std::string line = lamprey::cloudwatch::to_line(report, options);
  require(line.size() <= lamprey::cloudwatch::kMaxBytes, "a line is no longer than kMaxBytes");
  require(line.find('\n') == std::string::npos && nlohmann::json::accept(line),
          "a line is one line of JSON in UTF-8");
}

void check_stack(const std::string& text) {
  require(text.size() <= lamprey::report::kMaxStackText && text.find('\n') == std::string::npos,
          "a stack is one line of at most kMaxStackText");
}

void tell(Report& report, lamprey::symbols::Symbolizer& symbolizer) {
  lamprey::report::name_stacks(report, symbolizer, UINT64_MAX);
  check_stack(report.death.stack_text);
  for (const auto& blocked : report.blocked) {
    check_stack(blocked.stack_text);
  }
  if (report.memory) {
    for (const auto& site : report.memory->sites) {
      check_stack(site.stack_text);
    }
  }
  check_line(report, lamprey::cloudwatch::Detail::kFull);
  check_line(report, lamprey::cloudwatch::Detail::kShort);
}

void read_everything(const std::string& path) {
  Failure failure;
  auto reader = Reader::open(path, failure);
  if (!reader) {
    require(!failure.text.empty() && failure.text.find('\n') == std::string::npos,
            "why a recording is refused is said in one line");
    return;
  }
  const std::string& directory = lamprey::fuzzing::directory();
  lamprey::symbols::Symbolizer symbolizer({directory, directory, directory, directory});
  std::size_t lines = 0;
  lamprey::report::Ledger ledger(std::move(*reader));
  lamprey::report::give_everything(ledger, [&](Report& report) {
    tell(report, symbolizer);
    ++lines;
  });
  require(lines <= kInvocations + 2, "no more is told than there is room for");
  ledger.refresh();
  ledger.report_ended([&](Report& report) { tell(report, symbolizer); });
  ledger.find("r3");
  for (const OpenCall& call : ledger.reader().open_calls()) {
    require(static_cast<std::size_t>(call.call) < kCallCount, "a call that is open exists");
    ledger.reader().stack(call.stack);
  }
  for (int descriptor = -1; descriptor < 16; ++descriptor) {
    ledger.reader().descriptor_text(descriptor);
  }
  require(ledger.reader().dropped().size() <= Reader::kMaxDropped, "complaints are few");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::array<Patched, kBases> bases{Patched(Base::kRuntime), Patched(Base::kConcurrent),
                                           Patched(Base::kRun), Patched(Base::kBatch)};
  const Input input = read_input(data, size);
  Patched& base = bases[input.base];
  base.apply(input.patches);
  read_everything(base.path());
  base.restore();
  return 0;
}

namespace {

// One field, or several, of one element; fields begin at multiples of their size.
Patch new_patch(Random& random) {
  Patch patch;
  // The end of the file is one of many things.
  patch.part = static_cast<std::uint8_t>(random() % 16 == 0 ? kCut : random() % kCut);
  patch.element = static_cast<std::uint16_t>(random());
  const std::size_t width = std::size_t{1} << (random() % 4);
  patch.offset = static_cast<std::uint16_t>(random() / width * width);
  // Small parts of large elements would hardly ever be met: counts stand at the front.
  patch.offset = random() % 3 == 0 ? patch.offset % 64 : patch.offset;
  const std::uint64_t value = odd_number(random);
  patch.bytes.resize(width);
  std::memcpy(patch.bytes.data(), &value, width);
  return patch;
}

void change(Patch& patch, Random& random) {
  switch (random() % 4) {
    case 0:
      patch.element = static_cast<std::uint16_t>(patch.element + (random() % 5) - 2);
      break;
    case 1:
      patch.offset = static_cast<std::uint16_t>(patch.offset + patch.bytes.size());
      break;
    case 2:
      patch.bytes.resize(kMaxWritten);
      patch.bytes.resize(std::max<std::size_t>(
          1, LLVMFuzzerMutate(patch.bytes.data(), 1 + (random() % 16), kMaxWritten)));
      break;
    default: {
      const std::uint64_t value = odd_number(random);
      std::memcpy(patch.bytes.data(), &value, std::min(sizeof(value), patch.bytes.size()));
    }
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Random random(seed);
  if (random() % 8 == 0) {
    return LLVMFuzzerMutate(data, size, most);
  }
  Input input = read_input(data, size);
  std::vector<Patch>& patches = input.patches;
  for (std::uint64_t i = 1 + (random() % 3); i > 0; --i) {
    const std::uint64_t what = patches.empty() ? 0 : random() % 8;
    if (what < 3) {
      patches.push_back(new_patch(random));
    } else if (what < 6) {
      change(patches[random() % patches.size()], random);
    } else if (what == 6) {
      patches.erase(patches.begin() + static_cast<std::ptrdiff_t>(random() % patches.size()));
    } else {
      input.base = static_cast<std::uint8_t>(random() % kBases);
    }
  }
  return write_input(input, data, most);
}
