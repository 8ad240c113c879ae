// The flame graph's data, and the page around it; see profile_files.h and pages/flame.html.
#include "cli/output/page_texts.h"
#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "cli/output/script_data.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

// The frames of a page by their numbers, each text once.
class FrameTexts {
 public:
  explicit FrameTexts(Json& list) : list_(list) { list_ = Json::array(); }
  Json numbers_of(const Frames& frames) {
    Json stack = Json::array();
    for (const std::string& frame : frames) {
      const auto [entry, is_new] = numbers_.emplace(frame, numbers_.size());
      if (is_new) {
        list_.push_back(frame);
      }
      stack.push_back(entry->second);
    }
    return stack;
  }

 private:
  Json& list_;
  std::map<std::string, std::size_t> numbers_;
};

std::string page_of(const Json& data) {
  return kFlamePage.before_data + script_data(data) + kFlamePage.after_data;
}

}  // namespace

std::string flame_page(const Picture& picture, const std::string& title) {
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
  Json sites = Json::array();
  FrameTexts texts(data["frames"]);
  for (const PictureStack& stack : picture.stacks) {
    Json site;
    site["stack"] = texts.numbers_of(*stack.frames);
    for (std::size_t i = 0; i < picture.views.size(); ++i) {
      site[picture.views[i].key] = stack.values[i];
    }
    site["calls"] = stack.count;
    sites.push_back(std::move(site));
  }
  data["sites"] = std::move(sites);
  return page_of(data);
}

std::string flame_page(const std::vector<ComparedStack>& stacks, Compared what,
                       const std::string& title) {
  const bool cpu = what == Compared::kCpu;
  Json data;
  data["title"] = title;
  data["heading"] = cpu ? "change of CPU time" : "change of allocated bytes";
  data["about"] = std::string("lamprey ") + kVersion +
                  "; red: more, blue: less, grey: " + "no more than sampling explains";
  data["unit"] = cpu ? "change in ns" : "change in bytes";
  data["views"] = {{"after", "After", "after"}, {"before", "Before", "before"}};
  Json sites = Json::array();
  FrameTexts texts(data["frames"]);
  for (const ComparedStack& stack : stacks) {
    sites.push_back({{"stack", texts.numbers_of(stack.frames)},
                     {"after", stack.after},
                     {"before", stack.before},
                     {"spreadAfter", stack.spread_after},
                     {"spreadBefore", stack.spread_before},
                     {"calls", 0}});
  }
  data["sites"] = std::move(sites);
  return page_of(data);
}

std::string flame_page(const std::map<Frames, SiteSum>& sites, const std::string& title) {
  return flame_page(picture_of(sites), title);
}

}  // namespace lamprey::cli
