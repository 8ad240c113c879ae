// speedscope's file format (https://www.speedscope.app/file-format-schema.json); see
// profile_files.h.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

// Times are in µs, as records have them.
std::int64_t weight_of(std::int64_t value, PictureUnit unit) {
  const std::int64_t positive = std::max<std::int64_t>(value, 0);
  return unit == PictureUnit::kBytes ? positive : positive / 1000;
}

}  // namespace

std::string speedscope_file(const Picture& picture, const std::string& title) {
  std::map<std::string, std::size_t> numbers;
  Json frames = Json::array();
  Json profiles = Json::array();
  for (std::size_t view = 0; view < picture.views.size(); ++view) {
    Json samples = Json::array();
    Json weights = Json::array();
    std::int64_t total = 0;
    for (const PictureStack& stack : picture.stacks) {
      const std::int64_t weight = weight_of(stack.values[view], picture.unit);
      if (weight == 0) {
        continue;
      }
      Json sample = Json::array();
      for (const std::string& frame : *stack.frames) {
        const auto [entry, is_new] = numbers.emplace(frame, numbers.size());
        if (is_new) {
          frames.push_back({{"name", frame}});
        }
        sample.push_back(entry->second);
      }
      samples.push_back(std::move(sample));
      weights.push_back(weight);
      total = bounded_sum(total, weight);
    }
    profiles.push_back({{"type", "sampled"},
                        {"name", picture.views[view].name},
                        {"unit", picture.unit == PictureUnit::kBytes ? "bytes" : "microseconds"},
                        {"startValue", 0},
                        {"endValue", total},
                        {"samples", std::move(samples)},
                        {"weights", std::move(weights)}});
  }
  const Json file = {{"$schema", "https://www.speedscope.app/file-format-schema.json"},
                     {"exporter", std::string("lamprey ") + kVersion},
                     {"name", title},
                     {"activeProfileIndex", 0},
                     {"shared", {{"frames", std::move(frames)}}},
                     {"profiles", std::move(profiles)}};
  return file.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string speedscope_file(const std::map<Frames, SiteSum>& sites, const std::string& title) {
  return speedscope_file(picture_of(sites), title);
}

}  // namespace lamprey::cli
