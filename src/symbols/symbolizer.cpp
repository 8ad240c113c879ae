// Names for places, within a budget; see the header.
#include "symbols/symbolizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <string_view>

#include "symbols/demangle.h"

namespace lamprey::symbols {
namespace {

constexpr std::size_t kMaxAtOnce = 256;  // offsets in one pass over a module's tables
constexpr std::size_t kMaxFunction = 128;
constexpr std::size_t kMaxPerfMaps = 4;

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U) +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::string module_key(const Place& place) {
  return place.build_id.empty() ? std::string("path ").append(place.module)
                                : std::string(place.build_id);
}

// Some hundred of these are made at the end of every invocation: no format string is parsed.
void append_hexadecimal(std::string& text, std::uint64_t value) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  text.append(digits.data(), end);
}

std::string answer_key(std::string module, std::uint64_t offset) {
  module.push_back(' ');
  append_hexadecimal(module, offset);
  return module;
}

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// Not within a character of UTF-8.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) {
    return text;
  }
  std::size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return text.substr(0, end) + "...";
}

// One line, without the separator of frames.
std::string plain(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      c = '?';
    }
    c = c == ';' ? ',' : c;
  }
  return text;
}

}  // namespace

Symbolizer::Symbolizer(Surroundings surroundings)
    : surroundings_(std::move(surroundings)), unpacked_(surroundings_.scratch) {}
Symbolizer::~Symbolizer() = default;

PerfMap* Symbolizer::perf_map(std::int32_t pid) {
  const auto found = perf_maps_.find(pid);
  if (found != perf_maps_.end()) {
    return found->second.get();
  }
  if (pid <= 0) {
    return nullptr;
  }
  if (perf_maps_.size() >= kMaxPerfMaps) {
    perf_maps_.erase(perf_maps_.begin());
  }
  auto map = std::make_unique<PerfMap>(fmt::format("{}/perf-{}.map", surroundings_.maps, pid));
  return perf_maps_.emplace(pid, std::move(map)).first->second.get();
}

const Symbolizer::Answer* Symbolizer::find(const std::string& key) {
  const auto found = answers_.find(key);
  if (found == answers_.end()) {
    return nullptr;
  }
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return &found->second;
}

void Symbolizer::keep(const std::string& key, const std::string& symbol) {
  if (answers_.contains(key)) {
    return;
  }
  if (answers_.size() >= kMaxAnswers) {
    answers_.erase(uses_.back());
    uses_.pop_back();
  }
  uses_.push_front(key);
  answers_[key] = {cut(plain(demangle(symbol)), kMaxFunction), uses_.begin()};
}

bool Symbolizer::is_wanted(const std::string& key, std::uint64_t offset) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    return job.key == key &&
           std::find(job.offsets.begin(), job.offsets.end(), offset) != job.offsets.end();
  });
}

void Symbolizer::want(const Place& place) {
  if (place.module.empty()) {
    if (PerfMap* map = perf_map(place.pid)) {
      map->want(place.address);
    }
    return;
  }
  const std::string key = module_key(place);
  if (find(answer_key(key, place.offset)) != nullptr || wanted_ >= kMaxWanted ||
      is_wanted(key, place.offset)) {
    return;
  }
  // The first job is the one being searched: what comes now needs another pass.
  const auto first = std::next(jobs_.begin(), search_ ? 1 : 0);
  auto job = std::find_if(first, jobs_.end(), [&](const Job& candidate) {
    return candidate.key == key && candidate.offsets.size() < kMaxAtOnce;
  });
  if (job == jobs_.end()) {
    jobs_.push_back({key, std::string(place.module), std::string(place.build_id), place.pid, {}});
    job = std::prev(jobs_.end());
  }
  job->offsets.push_back(place.offset);
  ++wanted_;
}

void Symbolizer::begin_search() {
  const Job& job = jobs_.front();
  ModuleFiles files{{job.module}, job.build_id, surroundings_.debug};
  if (job.pid > 0) {  // its namespace of files may not be ours
    files.paths.push_back(fmt::format("{}/{}/root{}", surroundings_.proc, job.pid, job.module));
  }
  search_ = std::make_unique<SymbolSearch>(files, job.offsets, unpacked_);
}

void Symbolizer::end_search() {
  for (const SymbolSearch::Found& found : search_->take()) {
    keep(answer_key(jobs_.front().key, found.offset), found.symbol);
  }
  wanted_ -= jobs_.front().offsets.size();
  jobs_.pop_front();
  search_.reset();
}

bool Symbolizer::work(std::uint64_t until_ns) {
  while (!jobs_.empty()) {
    if (monotonic_ns() >= until_ns) {
      return false;
    }
    if (!search_) {
      begin_search();
    } else if (!search_->step()) {
      end_search();
    }
  }
  for (const auto& [pid, map] : perf_maps_) {
    do {
      if (monotonic_ns() >= until_ns) {
        return false;
      }
    } while (map->step());
  }
  return true;
}

std::string Symbolizer::name(const Place& place) {
  if (place.module.empty()) {
    const PerfMap* map = perf_map(place.pid);
    const std::string function = map == nullptr ? std::string() : map->name(place.address);
    return function.empty() ? fmt::format("?? (0x{:x})", place.address)
                            : cut(plain(function), kMaxText);
  }
  const Answer* answer = find(answer_key(module_key(place), place.offset));
  const bool known = answer != nullptr && !answer->function.empty();
  const std::string module = cut(plain(base_name(place.module)), kMaxText - kMaxFunction - 22);
  std::string text = known ? answer->function : std::string("??");
  text.append(" (").append(module).append(" +0x");
  append_hexadecimal(text, place.offset);
  text.push_back(')');
  return text;
}

}  // namespace lamprey::symbols
