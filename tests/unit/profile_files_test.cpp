// Memory profiles out of log lines: how lines are added up, and the files other tools read. pprof's
// file is decoded here by hand, field by field, as profile.proto has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <optional>
#include <string>

#include "cli/analysis/memory_profile.h"
#include "cli/output/fleet_page.h"
#include "cli/output/profile_files.h"
#include "cli/output/script_data.h"
#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json site(const std::string& stack, std::int64_t live, std::int64_t delta, std::int64_t allocated,
          std::int64_t allocations) {
  return {{"stack", stack},
          {"live_bytes", live},
          {"live_delta_bytes", delta},
          {"allocated_bytes", allocated},
          {"allocations", allocations}};
}

Json record(const std::string& function, int invocation, std::int64_t live, std::int64_t allocated,
            const std::vector<Json>& sites) {
  return {{"lamprey", "1"},
          {"type", "invoke"},
          {"status", "ok"},
          {"function_name", function},
          {"invocation", invocation},
          {"memory",
           {{"live_bytes", live},
            {"allocated_bytes", allocated},
            {"allocations", allocated / 10},
            {"sites", sites}}}};
}

const Frames kLoad = {"main (app)", "load (app)"};
const Frames kSave = {"main (app)", "save (libapp.so)"};
constexpr const char* kLoadText = "load (app +0x12); main (app +0x34)";
constexpr const char* kSaveText = "save (libapp.so +0x56); main (app +0x78)";

TEST(MemoryProfileTest, Frames) {
  EXPECT_THAT(frames_of(kLoadText), ElementsAre("main (app)", "load (app)"));
  EXPECT_THAT(
      frames_of("?? (node +0x12); py::load:/var/task/app.py; f(int (*)(char)) (a b +0x1)"),
      ElementsAre("f(int (*)(char)) (a b)", "py::load:/var/task/app.py", "?? (node +0x12)"));
  EXPECT_THAT(frames_of("load (app +0x12); ..."), ElementsAre("(outer frames cut)", "load (app)"));
  EXPECT_THAT(frames_of("put (/var/task/app.py:12); f (/a b.js:x); g ()"),
              ElementsAre("g ()", "f (/a b.js:x)", "put (/var/task/app.py)"));
  EXPECT_TRUE(frames_of("").empty());
  EXPECT_TRUE(frames_of("; ; ").empty());
  EXPECT_EQ(frames_of(std::string(100'000, ';') + "a; b").back(), std::string(100'000, ';') + "a");
}

TEST(MemoryProfileTest, LiveIsOfTheNewestAndTheRestAreSums) {
  MemoryProfile profile;
  profile.add(Read(record("f", 1, 500, 1000, {site(kLoadText, 300, 300, 400, 4)})));
  profile.add(Read(record("f", 2, 600, 1000, {site(kLoadText, 350, 50, 100, 1)})));
  profile.add(Read(record("f", 3, 900, 1000,
                          {site(kSaveText, 200, 200, 250, 2),
                           site("load (app +0x99); main (app +0x1)", 30, 30, 30, 3)})));
  const auto sites = profile.sites();
  // Invocation 3 listed load at another line of the same function: the newest word about it.
  EXPECT_EQ(sites.at(kLoad).live_bytes, 30);
  EXPECT_EQ(sites.at(kLoad).growth_bytes, 380);
  EXPECT_EQ(sites.at(kLoad).allocated_bytes, 530);
  EXPECT_EQ(sites.at(kLoad).allocations, 8);
  EXPECT_EQ(sites.at(kSave).live_bytes, 200);
  const SiteSum& rest = sites.at({MemoryProfile::kNotListed});
  EXPECT_EQ(rest.live_bytes, 900 - 230);
  EXPECT_EQ(rest.allocated_bytes, 3000 - 530 - 250);
  EXPECT_EQ(profile.records(), 3U);
}

TEST(MemoryProfileTest, MappedMemoryIsNoPartOfMallocs) {
  MemoryProfile profile;
  profile.add(
      Read(record("f", 1, 500, 1000,
                  {site(kLoadText, 300, 300, 400, 4),
                   site("mmap; arena (python +0x9); main (app +0x1)", 9000, 9000, 9000, 9)})));
  const auto sites = profile.sites();
  EXPECT_EQ(sites.at({"main (app)", "arena (python)", "mmap"}).live_bytes, 9000);
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).live_bytes, 200);
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).allocated_bytes, 600);
}

TEST(MemoryProfileTest, EnvironmentsAreToldApart) {
  MemoryProfile profile;
  profile.add(Read(record("f", 1, 100, 100, {site(kLoadText, 100, 100, 100, 1)})));
  profile.add(
      Read(record("f", 1, 70, 70, {site(kLoadText, 70, 70, 70, 1)})));     // another environment
  profile.add(Read(record("g", 2, 5, 5, {site(kLoadText, 5, 5, 5, 1)})));  // another function
  profile.add(Read(record("f", 2, 110, 10, {site(kLoadText, 110, 10, 10, 1)})));
  EXPECT_EQ(profile.sites().at(kLoad).live_bytes, 110 + 70 + 5);
}

TEST(MemoryProfileTest, AFullListSaysWhatIsGone) {
  MemoryProfile profile;
  profile.add(Read(record("f", 1, 100, 100, {site(kLoadText, 100, 100, 100, 1)})));
  std::vector<Json> full;
  for (const char* name : {"a (m)", "b (m)", "c (m)", "d (m)"}) {
    full.push_back(site(name, 1, 1, 1, 1));
  }
  profile.add(Read(record("f", 2, 50, 10, full)));
  EXPECT_EQ(profile.sites().at(kLoad).live_bytes, 0);
  EXPECT_EQ(profile.sites().at(kLoad).allocated_bytes, 100);
}

TEST(MemoryProfileTest, SumsStopAtWhatTheyCanHold) {
  constexpr std::int64_t kHuge = 4'600'000'000'000'000'000;
  MemoryProfile profile;
  for (const char* function : {"f", "g", "h"}) {
    profile.add(
        Read(record(function, 1, kHuge, kHuge, {site(kSaveText, 0, kHuge, -kHuge, -kHuge)})));
  }
  const auto sites = profile.sites();
  EXPECT_EQ(sites.at(kSave).growth_bytes, INT64_MAX);
  EXPECT_EQ(sites.at(kSave).allocated_bytes, -INT64_MAX);
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).live_bytes, INT64_MAX);
  EXPECT_EQ(sites.at({MemoryProfile::kNotListed}).allocated_bytes, INT64_MAX);
  std::map<Frames, SiteSum> two;
  two[kLoad].live_bytes = two[kSave].live_bytes = INT64_MAX;
  const Json file = Json::parse(speedscope_file(two, "title"));
  EXPECT_EQ(file["profiles"][0]["endValue"], INT64_MAX);
}

TEST(MemoryProfileTest, OddRecords) {
  MemoryProfile profile;
  for (const char* text :
       {"{}", R"({"memory":5})", R"({"memory":{"sites":7}})",
        R"({"memory":{"sites":[1,"a",null,{}]}})",
        R"({"memory":{"live_bytes":"x","sites":[{"stack":5,"live_bytes":[]}]}})",
        R"({"memory":{"live_bytes":1e300,"sites":[{"stack":"a","live_bytes":1e300}]}})"}) {
    profile.add(Read(Json::parse(text)));
  }
  EXPECT_EQ(profile.sites().at({"a"}).live_bytes, 0);
  Json shutdown = record("f", 9, 100, 100, {site(kLoadText, 100, 100, 100, 1)});
  shutdown["type"] = "shutdown";
  profile.add(Read(shutdown));
  EXPECT_FALSE(profile.sites().contains(kLoad));
}

std::map<Frames, SiteSum> two_sites() {
  return {{kLoad, {300, -5, 4000, 40}}, {kSave, {1 << 20, 77, 1 << 21, 2}}};
}

// A protobuf message as (field, bytes or number).
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;
  std::string bytes;
};

std::uint64_t varint(const std::string& text, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(text.at(at++));
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
}

std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::uint64_t key = varint(message, at);
    Field field{key >> 3U, 0, ""};
    field.value = varint(message, at);
    if ((key & 7U) == 2) {
      field.bytes = message.substr(at, field.value);
      EXPECT_EQ(field.bytes.size(), field.value);
      at += field.value;
    }
    fields.push_back(field);
  }
  return fields;
}

std::vector<std::uint64_t> numbers_of(const std::string& packed) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = 0; at < packed.size();) {
    numbers.push_back(varint(packed, at));
  }
  return numbers;
}

// What is in a gzip file; nothing when its end is missing or its sums are wrong.
std::optional<std::string> unpacked(std::string gzip) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::vector<char> content(10'000'000);
  stream.next_in = reinterpret_cast<Bytef*>(gzip.data());
  stream.avail_in = static_cast<uInt>(gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(content.data());
  stream.avail_out = static_cast<uInt>(content.size());
  const bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
  const auto size = static_cast<std::size_t>(stream.total_out);
  inflateEnd(&stream);
  return whole ? std::optional(std::string(content.data(), size)) : std::nullopt;
}

TEST(PprofTest, EveryFieldOfASmallProfile) {
  const std::string gzip = pprof_file(two_sites(), 1'700'000'000'000'000'000);
  EXPECT_EQ(gzip.substr(0, 3), "\x1F\x8B\x08");
  std::vector<std::string> strings;
  std::vector<std::vector<std::uint64_t>> values;
  std::size_t locations = 0;
  std::size_t mappings = 0;
  std::uint64_t time = 0;
  for (const Field& field : fields_of(unpacked(gzip).value_or(""))) {
    if (field.number == 6) {
      strings.push_back(field.bytes);
    } else if (field.number == 2) {
      const auto sample = fields_of(field.bytes);
      ASSERT_EQ(sample.size(), 2U);
      EXPECT_EQ(numbers_of(sample[0].bytes).size(), 2U);
      values.push_back(numbers_of(sample[1].bytes));
    }
    locations += field.number == 4 ? 1 : 0;
    mappings += field.number == 3 ? 1 : 0;
    time = field.number == 9 ? field.value : time;
  }
  EXPECT_EQ(strings.at(0), "");
  EXPECT_THAT(strings,
              ::testing::IsSupersetOf({"live_bytes", "allocated_bytes", "allocations", "bytes",
                                       "count", "main", "load", "save", "app", "libapp.so"}));
  EXPECT_THAT(values, ElementsAre(ElementsAre(300, 4000, 40), ElementsAre(1 << 20, 1 << 21, 2)));
  EXPECT_EQ(locations, 3U);
  EXPECT_EQ(mappings, 2U);
  EXPECT_EQ(time, 1'700'000'000'000'000'000U);
}

TEST(PprofTest, CpuTimeIsAsGosOwnProfilesHaveIt) {
  const CpuSites sites = {{kLoad, {{3'000'000, 2}, {1'000'000, 1}}}, {kSave, {{500, 0.4}, {}}}};
  std::vector<std::string> strings;
  std::vector<std::vector<std::uint64_t>> types;
  std::vector<std::vector<std::uint64_t>> values;
  std::uint64_t period = 0;
  std::uint64_t shown = 0;
  for (const Field& field : fields_of(unpacked(pprof_file(sites, 97, 0)).value_or(""))) {
    const auto inner = [&field] { return fields_of(field.bytes); };
    if (field.number == 1) {
      types.push_back({inner().at(0).value, inner().at(1).value});
    } else if (field.number == 2) {
      values.push_back(numbers_of(inner().at(1).bytes));
    } else if (field.number == 6) {
      strings.push_back(field.bytes);
    }
    period = field.number == 12 ? field.value : period;
    shown = field.number == 14 ? field.value : shown;
  }
  ASSERT_EQ(types.size(), 2U);
  EXPECT_EQ(strings.at(types[0][0]), "samples");
  EXPECT_EQ(strings.at(types[0][1]), "count");
  EXPECT_EQ(strings.at(types[1][0]), "cpu");
  EXPECT_EQ(strings.at(types[1][1]), "nanoseconds");
  EXPECT_EQ(strings.at(shown), "cpu");
  EXPECT_EQ(period, 10'309'278U);
  EXPECT_THAT(values, ElementsAre(ElementsAre(2, 3'000'000), ElementsAre(1, 1'000'000),
                                  ElementsAre(0, 500)));
}

TEST(PprofTest, GzipOfAnySize) {
  std::string text;
  for (int i = 0; text.size() < 200'000; ++i) {
    text += std::to_string(i * 7919) + ";";
  }
  for (const std::size_t size : {0U, 1U, 65'535U, 65'536U, 65'537U, 131'072U, 200'000U}) {
    const std::string content = text.substr(0, size);
    EXPECT_EQ(unpacked(gzipped(content)), content) << size;
  }
  EXPECT_FALSE(unpacked(gzipped(text).substr(0, 50'000)));
}

TEST(PprofTest, GzipIsSmallAndAlwaysTheSame) {
  const std::string text(200'000, 'x');
  EXPECT_LT(gzipped(text).size(), text.size() / 100);
  EXPECT_EQ(gzipped(text), gzipped(text));
  EXPECT_EQ(gzipped(text).substr(4, 4), std::string(4, '\0'));  // the time
}

TEST(SpeedscopeTest, WhatTheSchemaRequires) {
  const Json file = Json::parse(speedscope_file(two_sites(), "two \xFF sites"));
  EXPECT_EQ(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
  ASSERT_EQ(file["profiles"].size(), 3U);
  for (const Json& profile : file["profiles"]) {
    EXPECT_EQ(profile["type"], "sampled");
    EXPECT_EQ(profile["unit"], "bytes");
    EXPECT_EQ(profile["samples"].size(), profile["weights"].size());
    std::int64_t sum = 0;
    for (const Json& weight : profile["weights"]) {
      EXPECT_GT(weight.get<std::int64_t>(), 0);
      sum += weight.get<std::int64_t>();
    }
    EXPECT_EQ(profile["startValue"], 0);
    EXPECT_EQ(profile["endValue"], sum);
    for (const Json& sample : profile["samples"]) {
      for (const Json& frame : sample) {
        EXPECT_LT(frame.get<std::size_t>(), file["shared"]["frames"].size());
      }
    }
  }
  EXPECT_EQ(file["profiles"][2]["weights"].size(), 1U);  // what shrank is no growth
}

// The data of a page as a browser would read it.
Json data_of(const std::string& page) {
  const std::string open = "id=\"data\">";
  const std::size_t start = page.find(open) + open.size();
  return Json::parse(page.substr(start, page.find("</script>", start) - start));
}

TEST(FlamePageTest, HoldsTheDataAndLoadsNothing) {
  auto sites = two_sites();
  sites[{"</script><script>alert(1)</script><!-- \xFF"}] = {1, 2, 3, 4};
  const std::string page = flame_page(sites, "a <b> & c");
  const Json data = data_of(page);
  EXPECT_EQ(data["title"], "a <b> & c");
  EXPECT_EQ(data["sites"].size(), 3U);
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
}

TEST(FleetPageTest, EscapesAndShowsTrends) {
  FunctionSum sum;
  for (int i = 1; i <= 1000; ++i) {
    Json line = record("f", i, std::int64_t{1000} * i, 10, {});
    line["duration_ms"] = i == 500 ? 900.0 : 10.0;
    line["findings"] = {{{"code", "memory.leak"}, {"severity", "warning"}, {"text", "<grows>"}}};
    add_record(sum, Read(line));
  }
  const std::string page = fleet_page({{"<f>", sum}}, "all", "<sizes>");
  EXPECT_THAT(page, HasSubstr("<h2 id=\"f1\">&lt;f&gt;</h2>"));
  EXPECT_THAT(page, HasSubstr("&lt;grows&gt;"));
  EXPECT_THAT(page, HasSubstr("<pre>&lt;sizes&gt;</pre>"));
  EXPECT_THAT(page, HasSubstr("<td>1,000</td>"));
  EXPECT_THAT(page, HasSubstr("900 ms"));
  EXPECT_THAT(page, HasSubstr("<path d=\"M0 "));
  EXPECT_LT(page.size(), 100'000U);
  for (const char* elsewhere : {"http:", "https:", "src=", "url("}) {
    EXPECT_EQ(page.find(elsewhere), std::string::npos);
  }
}

}  // namespace
}  // namespace lamprey::cli
