// Names for places, within a budget; see the header.
#include "symbols/symbolizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "symbols/demangle.h"
#include "symbols/hexadecimal.h"

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

// What tells modules apart: the build id, or the path of one that has none.
std::string_view module_key(const Place& place) {
  return place.build_id.empty() ? place.module : place.build_id;
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
  for (const ProcessMap& known : perf_maps_) {
    if (known.pid == pid) {
      return known.map.get();
    }
  }
  if (pid <= 0) {
    return nullptr;
  }
  if (perf_maps_.size() >= kMaxPerfMaps) {
    perf_maps_.pop_front();
  }
  auto map = std::make_unique<PerfMap>(fmt::format("{}/perf-{}.map", surroundings_.maps, pid));
  perf_maps_.push_back({pid, std::move(map)});
  return perf_maps_.back().map.get();
}

std::uint32_t Symbolizer::number_of(const Place& place) {
  const std::string_view key = module_key(place);
  const auto found = std::find(modules_.begin(), modules_.end(), key);
  const auto number = static_cast<std::uint32_t>(found - modules_.begin());
  if (found == modules_.end()) {
    modules_.emplace_back(key);
  }
  return number;
}

const Symbolizer::Answer* Symbolizer::find(const Key& key) {
  const auto found = answers_.find(key);
  if (found == answers_.end()) {
    return nullptr;
  }
  found->second.used = ++uses_;
  return &found->second;
}

void Symbolizer::keep(const Key& key, const std::string& symbol) {
  if (answers_.contains(key)) {
    return;
  }
  if (answers_.size() >= kMaxAnswers) {
    answers_.erase(std::min_element(
        answers_.begin(), answers_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  answers_[key] = {cut(plain(demangle(symbol)), kMaxFunction), ++uses_};
}

bool Symbolizer::is_wanted(const Key& key) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    return job.number == key.first &&
           std::find(job.offsets.begin(), job.offsets.end(), key.second) != job.offsets.end();
  });
}

void Symbolizer::want(const Place& place) {
  if (place.module.empty()) {
    if (PerfMap* map = perf_map(place.pid)) {
      map->want(place.address);
    }
    return;
  }
  if (modules_.size() >= kMaxModules && jobs_.empty()) {  // a process that loads ever new ones
    modules_.clear();
    answers_.clear();
  }
  const Key key{number_of(place), place.offset};
  if (find(key) != nullptr || wanted_ >= kMaxWanted || is_wanted(key)) {
    return;
  }
  // The first job is the one being searched: what comes now needs another pass.
  const auto first = std::next(jobs_.begin(), search_ ? 1 : 0);
  auto job = std::find_if(first, jobs_.end(), [&](const Job& candidate) {
    return candidate.number == key.first && candidate.offsets.size() < kMaxAtOnce;
  });
  if (job == jobs_.end()) {
    jobs_.push_back(
        {key.first, std::string(place.module), std::string(place.build_id), place.pid, {}});
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
    keep({jobs_.front().number, found.offset}, found.symbol);
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
  const Answer* answer = find({number_of(place), place.offset});
  const bool known = answer != nullptr && !answer->function.empty();
  const std::string module = cut(plain(base_name(place.module)), kMaxText - kMaxFunction - 22);
  std::string text = known ? answer->function : std::string("??");
  text.append(" (").append(module).append(" +0x");
  append_hexadecimal(text, place.offset);
  text.push_back(')');
  return text;
}

}  // namespace lamprey::symbols
