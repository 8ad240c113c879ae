// The data of the fleet's page; see the header.
#include "cli/output/fleet_data.h"

#include <algorithm>

#include "cli/output/flame_nodes.h"
#include "cli/output/printable.h"
#include "cli/output/script_data.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

// All flame graphs of a page together, and one of them at least and at most.
constexpr std::size_t kMostNodes = 16'000;
constexpr std::size_t kLeastNodesEach = 60;
constexpr std::size_t kMostNodesEach = 1'500;
// A text that is longer says no more.
constexpr std::size_t kMostText = 400;

std::uint64_t us(std::uint64_t ns) { return (ns + 500) / 1000; }

Json head_of(const Trend& trend, Json points) {
  return {{"stride", trend.stride()}, {"count", trend.count()}, {"points", std::move(points)}};
}

// [least, most] in µs, and where one is among them the slowest cold start and bad end.
Json durations_of(const Trend& trend) {
  Json points = Json::array();
  for (const Trend::Point& point : trend.points()) {
    Json json = {us(point.least), us(point.most)};
    if (point.cold_most != 0 || point.bad_most != 0) {
      json.push_back(us(point.cold_most));
      json.push_back(us(point.bad_most));
    }
    points.push_back(std::move(json));
  }
  return head_of(trend, std::move(points));
}

// The most, in KB.
Json memory_of(const Trend& trend) {
  Json points = Json::array();
  for (const Trend::Point& point : trend.points()) {
    points.push_back((point.most + 512) / 1024);
  }
  return head_of(trend, std::move(points));
}

}  // namespace

std::size_t FleetData::number_of(const std::string& text) {
  const std::string shown = shortened(printable(text), kMostText);
  const auto [entry, is_new] = numbers_.emplace(shown, numbers_.size());
  if (is_new) {
    add(texts_, shown);
  }
  return entry->second;
}

std::size_t FleetData::add(Entries& entries, const Json& entry) {
  const std::string text = script_data(entry);
  entries.text += (entries.count == 0 ? "" : ",") + text;
  size_ += text.size() + 1;
  return entries.count++;
}

// [depth, frame, a value a view] of each node.
Json FleetData::flames(const Picture& picture) {
  const std::size_t most = std::clamp(kMostNodes / 2 / functions_, kLeastNodesEach, kMostNodesEach);
  Json nodes = Json::array();
  for (const FlameNode& node : flame_nodes(picture, most)) {
    Json json = {node.depth, number_of(node.frame)};
    for (const std::int64_t value : node.values) {
      json.push_back(value);
    }
    nodes.push_back(std::move(json));
  }
  if (nodes.empty()) {
    return nullptr;
  }
  Json views = Json::array();
  for (const PictureView& view : picture.views) {
    views.push_back({view.label, view.says});
  }
  return {{"heading", picture.heading},
          {"about", picture.about},
          {"unit", picture.unit == PictureUnit::kBytes ? "bytes" : "ns"},
          {"views", std::move(views)},
          {"nodes", std::move(nodes)}};
}

std::size_t FleetData::add_function(const FunctionSum& sum, const FunctionDetail& detail) {
  Json json = {{"durations", durations_of(detail.durations_ns)},
               {"resident", memory_of(detail.peak_rss)},
               {"live", memory_of(detail.live)}};
  if (const auto middle = sum.durations_ns.percentile(50)) {
    json["p50"] = us(*middle);
    json["p99"] = us(*sum.durations_ns.percentile(99));
  }
  if (sum.limit_bytes) {
    json["limit"] = *sum.limit_bytes;
  }
  const auto memory = detail.memory.sites();
  const CpuSites cpu = detail.cpu.sites();
  json["memory"] = flames(picture_of(memory));
  json["cpu"] = flames(picture_of(cpu));
  has_flames_.push_back({!json["memory"].is_null(), !json["cpu"].is_null()});
  return add(charts_, json);
}

// [at, for, call, spent on, target, thread, stack, is it open, is it on the path]: times in µs,
// texts by number.
Json FleetData::waits(const std::vector<Wait>& waits) {
  Json all = Json::array();
  for (const Wait& wait : waits) {
    all.push_back({us(wait.at_ns), us(wait.for_ns), number_of(wait.call), number_of(wait.spent_on),
                   number_of(wait.target), number_of(wait.thread), number_of(wait.stack),
                   wait.open ? 1 : 0, static_cast<int>(wait.path)});
  }
  return all;
}

std::size_t FleetData::add_invocation(const ShownInvocation& shown) {
  Json json = {{"us", us(shown.duration_ns)}, {"init", shown.type == "init"}};
  if (shown.response_ns != 0) {
    json["response"] = us(shown.response_ns);
  }
  if (!shown.ended_well()) {
    json["bad"] = number_of(shown.status);
  }
  json["wall"] = Json::array();
  for (const auto& [key, ns] : shown.wall) {
    json["wall"].push_back({number_of(key), us(ns)});
  }
  json["findings"] = Json::array();
  for (const ShownFinding& finding : shown.findings) {
    json["findings"].push_back({number_of(finding.severity), number_of(finding.code),
                                number_of(finding.text), number_of(finding.advice)});
  }
  json["waits"] = waits(shown.waits);
  json["handler"] = number_of(shown.handler);
  json["blocked"] = Json::array();
  for (const Blocked& thread : shown.blocked) {
    json["blocked"].push_back({number_of(thread.thread), number_of(thread.call),
                               number_of(thread.target), us(thread.for_ns),
                               number_of(thread.stack)});
  }
  return add(invocations_, json);
}

std::string FleetData::script() const {
  Json parts = Json::array();
  for (const WallPart& part : kWallParts) {
    parts.push_back({part.key, part.words});
  }
  return "{\"parts\":" + script_data(parts) + ",\n\"texts\":[" + texts_.text +
         "],\n\"functions\":[" + charts_.text + "],\n\"invocations\":[" + invocations_.text + "]}";
}

}  // namespace lamprey::cli
