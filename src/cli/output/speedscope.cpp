// speedscope's file format (https://www.speedscope.app/file-format-schema.json); see
// profile_files.h.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output/profile_files.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

struct View {
  const char* name;
  std::int64_t SiteSum::*bytes;
};
constexpr View kViews[] = {{"live bytes", &SiteSum::live_bytes},
                           {"allocated bytes", &SiteSum::allocated_bytes},
                           {"growth in bytes", &SiteSum::growth_bytes}};

}  // namespace

std::string speedscope_file(const std::map<Frames, SiteSum>& sites, const std::string& title) {
  std::map<std::string, std::size_t> numbers;
  Json frames = Json::array();
  Json profiles = Json::array();
  for (const View& view : kViews) {
    Json samples = Json::array();
    Json weights = Json::array();
    std::int64_t total = 0;
    for (const auto& [stack, sum] : sites) {
      const std::int64_t bytes = std::max<std::int64_t>(sum.*view.bytes, 0);
      if (bytes == 0) {
        continue;
      }
      Json sample = Json::array();
      for (const std::string& frame : stack) {
        const auto [entry, is_new] = numbers.emplace(frame, numbers.size());
        if (is_new) {
          frames.push_back({{"name", frame}});
        }
        sample.push_back(entry->second);
      }
      samples.push_back(std::move(sample));
      weights.push_back(bytes);
      total = bounded_sum(total, bytes);
    }
    profiles.push_back({{"type", "sampled"},
                        {"name", view.name},
                        {"unit", "bytes"},
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

}  // namespace lamprey::cli
