// What the scripts of the fleet's page draw from: one JSON text, in which each text stands once.
// HTML stands elsewhere (fleet_page.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/analysis/function_detail.h"
#include "cli/output/picture.h"

namespace lamprey::cli {

class FleetData {
 public:
  // Functions that get their share of the page's room.
  explicit FleetData(std::size_t functions) : functions_(functions == 0 ? 1 : functions) {}

  // Charts and flame graphs of a function that is to be drawn at data-function = the result.
  std::size_t add_function(const FunctionSum& sum, const FunctionDetail& detail);
  // Its waterfall and all else, at data-invocation = the result.
  std::size_t add_invocation(const ShownInvocation& shown);

  bool has_memory_flames(std::size_t function) const { return has_flames_[function].memory; }
  bool has_cpu_flames(std::size_t function) const { return has_flames_[function].cpu; }
  std::string script() const;
  std::size_t size() const { return size_; }  // of the script so far, but for some words

 private:
  using Json = nlohmann::ordered_json;
  // Entries of a list of the script, behind each other.
  struct Entries {
    std::string text;
    std::size_t count = 0;
  };
  struct Flames {
    bool memory;
    bool cpu;
  };
  std::size_t add(Entries& entries, const Json& entry);
  std::size_t number_of(const std::string& text);
  Json flames(const Picture& picture);
  Json waits(const std::vector<Wait>& waits);

  std::size_t functions_;
  std::map<std::string, std::size_t> numbers_;
  Entries texts_;
  Entries charts_;
  Entries invocations_;
  std::vector<Flames> has_flames_;
  std::size_t size_ = 0;
};

}  // namespace lamprey::cli
