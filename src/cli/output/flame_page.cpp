// The flame graph's data, and the page around it; see profile_files.h and pages/flame.html.
#include "cli/output/page_texts.h"
#include "cli/output/profile_files.h"
#include "cli/output/script_data.h"
#include "version.h"

namespace lamprey::cli {

std::string flame_page(const std::map<Frames, SiteSum>& sites, const std::string& title) {
  std::map<std::string, std::size_t> numbers;
  nlohmann::ordered_json data;
  data["title"] = title;
  data["about"] =
      std::string("lamprey ") + kVersion + "; stacks are sampled, their bytes estimates";
  data["frames"] = nlohmann::ordered_json::array();
  data["sites"] = nlohmann::ordered_json::array();
  for (const auto& [frames, sum] : sites) {
    nlohmann::ordered_json stack = nlohmann::ordered_json::array();
    for (const std::string& frame : frames) {
      const auto [entry, is_new] = numbers.emplace(frame, numbers.size());
      if (is_new) {
        data["frames"].push_back(frame);
      }
      stack.push_back(entry->second);
    }
    data["sites"].push_back({{"stack", std::move(stack)},
                             {"live", sum.live_bytes},
                             {"allocated", sum.allocated_bytes},
                             {"growth", sum.growth_bytes},
                             {"calls", sum.allocations}});
  }
  return kFlamePage.before_data + script_data(data) + kFlamePage.after_data;
}

}  // namespace lamprey::cli
