// The flame graph's data, and the page around it; see profile_files.h and pages/flame.html.
#include "cli/output/page_texts.h"
#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "cli/output/script_data.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string flame_page(const Picture& picture, const std::string& title) {
  std::map<std::string, std::size_t> numbers;
  Json data;
  data["title"] = title;
  data["heading"] = picture.heading;
  data["about"] = std::string("lamprey ") + kVersion + "; " + picture.about;
  data["unit"] = picture.unit == PictureUnit::kBytes ? "bytes" : "ns";
  data["counted"] = picture.counted;
  data["views"] = Json::array();
  for (const PictureView& view : picture.views) {
    data["views"].push_back({view.key, view.label, view.says});
  }
  data["frames"] = Json::array();
  data["sites"] = Json::array();
  for (const PictureStack& stack : picture.stacks) {
    Json site;
    site["stack"] = Json::array();
    for (const std::string& frame : *stack.frames) {
      const auto [entry, is_new] = numbers.emplace(frame, numbers.size());
      if (is_new) {
        data["frames"].push_back(frame);
      }
      site["stack"].push_back(entry->second);
    }
    for (std::size_t i = 0; i < picture.views.size(); ++i) {
      site[picture.views[i].key] = stack.values[i];
    }
    site["calls"] = stack.count;
    data["sites"].push_back(std::move(site));
  }
  return kFlamePage.before_data + script_data(data) + kFlamePage.after_data;
}

std::string flame_page(const std::map<Frames, SiteSum>& sites, const std::string& title) {
  return flame_page(picture_of(sites), title);
}

}  // namespace lamprey::cli
