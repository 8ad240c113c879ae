// What CloudWatch is said to have given, through `lamprey report`: records are found, summed up and
// written as tables, pages and profiles. The names in them are anybody's.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/analysis/compared_stacks.h"
#include "cli/analysis/cpu_profile.h"
#include "cli/analysis/fleet_overview.h"
#include "cli/analysis/function_detail.h"
#include "cli/analysis/function_sums.h"
#include "cli/analysis/memory_profile.h"
#include "cli/input/json_values.h"
#include "cli/input/log_lines.h"
#include "cli/output/cpu_table.h"
#include "cli/output/fleet_page.h"
#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "cli/output/record_view.h"
#include "cli/output/sizing.h"
#include "cli/output/tables.h"
#include "tests/fuzz/fuzzing.h"

namespace {

namespace cli = lamprey::cli;
using Json = nlohmann::json;
using lamprey::fuzzing::odd_number;
using lamprey::fuzzing::Random;
using lamprey::fuzzing::require;

std::size_t count(const std::string& text, const char* what) {
  std::size_t times = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++times;
  }
  return times;
}

void check_table(const std::string& text) {
  require(std::none_of(text.begin(), text.end(),
                       [](char c) {
                         const auto byte = static_cast<unsigned char>(c);
                         return (byte < ' ' && c != '\n') || byte == 0x7F;
                       }),
          "a table holds nothing that steers a terminal");
}

// A name must not end the page's own script, nor begin one.
void check_page(const std::string& page, const std::string& empty) {
  require(count(page, "<script") == count(empty, "<script") &&
              count(page, "</script") == count(empty, "</script") &&
              count(page, "<!--") == count(empty, "<!--"),
          "a page has the scripts of the empty page");
}

void write_everything(const std::map<std::string, cli::FunctionSum>& functions,
                      const cli::FunctionDetails& details, const cli::MemoryProfile& profile,
                      const cli::Sizing& sizing) {
  check_table(cli::table(cli::overview_rows(cli::by_trouble(functions)), 7));
  for (const auto& [name, sum] : functions) {
    check_table(cli::table(cli::finding_rows(sum), 3) + cli::table(cli::bad_end_rows(sum), 1) +
                cli::table(cli::host_rows(sum, 5)) + cli::table(cli::call_rows(sum, 10)) +
                cli::table(cli::kernel_rows(sum, 10)) + cli::table(cli::cpu_rows(sum.cpu, 10)));
    for (const auto* values : {&sum.durations_ns, &sum.inits_ns, &sum.allocated, &sum.live}) {
      const auto middle = values->percentile(50);
      const auto most = values->percentile(100);
      require(middle.has_value() == !values->empty() && middle <= most, "percentiles are in order");
    }
  }
  const std::string sizes = sizing.table(0.0000166667);
  check_table(sizes);
  const std::string title = functions.empty() ? "" : functions.begin()->first;
  static const std::string empty_fleet = cli::fleet_page({}, "", "");
  static const std::string empty_flames =
      cli::flame_page(std::map<cli::Frames, cli::SiteSum>(), "");
  check_page(cli::fleet_page(functions, title, sizes), empty_fleet);
  check_page(cli::fleet_page(functions, title, sizes, details), empty_fleet);
  const auto sites = profile.sites();
  check_page(cli::flame_page(sites, title), empty_flames);
  require(cli::pprof_file(sites, 1).starts_with("\x1f\x8b"), "a profile is gzip");
  require(Json::accept(cli::speedscope_file(sites, title)), "speedscope gets JSON");
}

void write_cpu(const cli::CpuProfile& profile, const cli::StackWeights& weights) {
  static const std::string empty_flames = cli::flame_page(cli::picture_of(cli::CpuSites()), "");
  static const std::string empty_change = cli::flame_page({}, cli::Compared::kCpu, "");
  const cli::CpuSites sites = profile.sites();
  const cli::Picture picture = cli::picture_of(sites);
  check_page(cli::flame_page(picture, ""), empty_flames);
  require(Json::accept(cli::speedscope_file(picture, "")), "speedscope gets JSON");
  require(cli::pprof_file(sites, profile.hz(), 1).starts_with("\x1f\x8b"), "a profile is gzip");
  for (const cli::PictureStack& stack : picture.stacks) {
    require(*std::min_element(stack.values.begin(), stack.values.end()) >= 0 && stack.count >= 0,
            "nobody used less CPU than none");
  }
  const auto compared = cli::compare_stacks(weights, weights);
  for (const cli::ComparedStack& stack : compared) {
    require(stack.before == stack.after && stack.before >= 0, "a side is like itself");
  }
  check_page(cli::flame_page(compared, cli::Compared::kCpu, ""), empty_change);
}

// A value somewhere below `json`, at random; itself where it holds nothing.
Json& somewhere(Json& json, Random& random) {
  Json* at = &json;
  while (at->is_structured() && !at->empty() && (at == &json || random() % 4 != 0)) {
    auto next = at->begin();
    std::advance(next, random() % at->size());
    at = &*next;
  }
  return *at;
}

Json odd_value(Random& random) {
  static const char* const kWords[] = {
      "</script><script>", "<!--", "\x1b[2J", "", "a; b; c", "ok", "2026-01-02T03:04:05.006Z"};
  switch (random() % 6) {
    case 0:
      return odd_number(random);
    case 1:
      return static_cast<std::int64_t>(odd_number(random));
    case 2:
      return static_cast<double>(odd_number(random)) * 1e12;
    case 3:
      return nullptr;
    case 4:
      return Json::array();
    default:
      return kWords[random() % std::size(kWords)];
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  cli::LineCounts counts;
  std::map<std::string, cli::FunctionSum> functions;
  cli::FunctionDetails details;
  cli::MemoryProfile profile;
  cli::Sizing sizing;
  cli::CpuProfile cpu;
  cli::StackWeights weights(cli::Compared::kCpu);
  std::uint64_t taken = 0;
  cli::find_records(text, counts, [&](const cli::Value& record) {
    ++taken;
    require(cli::text(record, "lamprey") == "1", "a record is of the schema that is known");
    cli::add_record(functions[cli::text(record, "function_name")], record);
    cli::add_record(details[cli::text(record, "function_name")], record);
    profile.add(record);
    cpu.add(record);
    weights.add(record);
    check_table(cli::record_view(record, {}) + cli::cpu_table(record));
    // Where one is enough nothing is advised: fifty are needed.
    for (std::uint64_t i = 0; i < cli::Sizing::kFewestInvocations; ++i) {
      sizing.add(record);
    }
  });
  require(taken == counts.records, "every record is counted");
  require(counts.records + counts.skipped + counts.newer <= size, "no more is found than is there");
  if (taken != 0) {
    write_everything(functions, details, profile, sizing);
    write_cpu(cpu, weights);
  }
  return 0;
}

// Changes values within a record, so that most of what comes out is still one; else bytes.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Random random(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t begin = text.find("{\"");
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  Json json = random() % 4 == 0 || begin == std::string::npos
                  ? Json(Json::value_t::discarded)
                  : Json::parse(text.substr(begin, end - begin), nullptr, false);
  if (json.is_discarded()) {
    return LLVMFuzzerMutate(data, size, most);
  }
  for (std::uint64_t i = 1 + (random() % 3); i > 0; --i) {
    Json value = random() % 2 == 0 ? odd_value(random) : Json(somewhere(json, random));
    somewhere(json, random) = std::move(value);
  }
  std::string changed = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (random() % 4 == 0) {
    changed += "\n" + text.substr(begin, end - begin);
  }
  text.replace(begin, end - begin, changed);
  if (text.size() > most) {
    return LLVMFuzzerMutate(data, size, most);
  }
  std::copy(text.begin(), text.end(), data);
  return text.size();
}
