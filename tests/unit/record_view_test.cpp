// Records for people: what stands there, how it is laid out, and that no name steers a terminal.
#include "cli/output/record_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/output/printable.h"
#include "tests/unit/record_reading.h"

namespace lamprey::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

Json invocation() {
  return {{"type", "invoke"},
          {"status", "ok"},
          {"function_name", "orders"},
          {"invocation", 3},
          {"request_id", "r-1"},
          {"headline", "Took 100 ms = 30.0 ms CPU + 61.0 ms network."},
          {"wall", {{"total_ms", 100.0}, {"cpu_ms", 30.0}, {"network_ms", 61.0}, {"dns_ms", 9.0}}}};
}

TEST(RecordViewTest, HeadlineAndBar) {
  EXPECT_EQ(record_view(Read(invocation()), {}),
            "orders invocation 3 ok: Took 100 ms = 30.0 ms CPU + 61.0 ms network.\n"
            "  |ccccccccccccnnnnnnnnnnnnnnnnnnnnnnnndddd|  CPU 30 %, network 61 %, DNS 9 %\n");
}

TEST(RecordViewTest, TroubleSaysWhichRequestAndWhatToDo) {
  Json record = invocation();
  record["status"] = "timeout";
  record["findings"] = {{{"code", "timeout.answer"},
                         {"severity", "critical"},
                         {"text", "db did not answer."},
                         {"advice", "Give the client a timeout."}}};
  record["blocked"] = {{{"thread", "7"},
                        {"call", "recv"},
                        {"target", "db:5432"},
                        {"for_ms", 5998.0},
                        {"stack", "get (/var/task/app.py:3)"}}};
  const std::string view = record_view(Read(record), {});
  EXPECT_THAT(view, StartsWith("orders invocation 3 timeout: "));
  EXPECT_THAT(view, HasSubstr("\n  request r-1\n"));
  EXPECT_THAT(view, HasSubstr("  critical timeout.answer: db did not answer.\n"
                              "    Give the client a timeout.\n"));
  EXPECT_THAT(view,
              HasSubstr("  thread 7 in recv of db:5432 for 5.99 s: get (/var/task/app.py:3)\n"));
}

TEST(RecordViewTest, NoNameSteersATerminal) {
  const std::string hostile =
      "\x1B[2J\x9B"
      "2J\u009B"
      "31m\u202Eevil\r\n\a\x7F";
  Json record = invocation();
  for (const char* key : {"status", "function_name", "headline", "request_id", "type", "started"}) {
    record[key] = hostile;
  }
  record["findings"] = {
      {{"code", hostile}, {"severity", hostile}, {"text", hostile}, {"advice", hostile}}};
  record["blocked"] = {
      {{"thread", hostile}, {"call", hostile}, {"target", hostile}, {"stack", hostile}}};
  Document document;
  const std::string text = record.dump(-1, ' ', false, Json::error_handler_t::ignore);
  ASSERT_TRUE(document.read_whole(text));
  const std::string view = record_view(document.root(), {});
  for (const char* bad : {"\x1B", "\u009B", "\u202E", "\r", "\a", "\x7F"}) {
    EXPECT_THAT(view, Not(HasSubstr(bad)));
  }
  EXPECT_THAT(view, HasSubstr("evil"));
}

TEST(RecordViewTest, TheFunctionThatUsedMostCpu) {
  Json record = invocation();
  record["cpu_ms"] = 61.0;
  record["cpu"] = {{"hz", 97},
                   {"samples", 12},
                   {"total_ms", 120.0},
                   {"sites",
                    {{{"cpu_ms", 48.0}, {"stack", "scan (_json.so +0x1); parse (/app.py:88)"}},
                     {{"cpu_ms", 12.0}, {"stack", "save (/app.py:4)"}},
                     {{"cpu_ms", 50.0}, {"stack", "parse (/app.py:91); handler (/app.py:1)"}}}}};
  EXPECT_THAT(record_view(Read(record), {}),
              EndsWith("\n  CPU 61.0 ms: 49.8 ms in parse (/app.py:91)\n"));
  record["cpu"]["samples"] = 1;
  record.erase("cpu_ms");
  EXPECT_THAT(record_view(Read(record), {}),
              EndsWith("\n  CPU 120 ms: 98.0 ms in parse (/app.py:91) (1 sample)\n"));
  // Of a shutdown the samples are those of what was killed, the system's figures of the whole life.
  record["type"] = "shutdown";
  record["system"] = {{"cpu_total_time", 5000.0}};
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("  CPU 120 ms: "));
  record["type"] = "run";
  EXPECT_THAT(record_view(Read(record), {}), HasSubstr("  CPU 5.00 s: "));
  record["cpu"]["sites"] = Json::array();
  EXPECT_THAT(record_view(Read(record), {}), Not(HasSubstr("  CPU 5")));
}

TEST(RecordViewTest, OddRecordsAreShownToo) {
  for (const char* text : {"{}", R"({"wall":7,"findings":[1,{}],"blocked":["x"]})",
                           R"({"cpu":{"total_ms":1e300,"sites":[{"cpu_ms":1e300,"stack":"a"}]}})",
                           R"({"wall":{"cpu_ms":1e300,"network_ms":-5,"dns_ms":9e12}})"}) {
    const Read record(Json::parse(text));
    EXPECT_THAT(record_view(record, {}), EndsWith("\n"));
    EXPECT_THAT(record_view(record, {true, 30}), EndsWith("\n"));
  }
}

TEST(RecordViewTest, LinesFitTheTerminal) {
  Json record = invocation();
  record["headline"] = "Took " + std::string(40, 'x') + " and many words more than fit one line.";
  record["findings"] = {
      {{"code", "a.b"}, {"severity", "info"}, {"text", std::string("ä é ") + "words and words"}}};
  const std::string view = record_view(Read(record), {false, 60});
  std::size_t from = 0;
  for (std::size_t to = view.find('\n'); to != std::string::npos; to = view.find('\n', from)) {
    EXPECT_LE(width_of(view.substr(from, to - from)), 60U) << view;
    from = to + 1;
  }
}

TEST(RecordViewTest, TheBarIsAlwaysFull) {
  for (const auto& wall : {Json{{"cpu_ms", 1}, {"network_ms", 1}, {"dns_ms", 1}},
                           Json{{"cpu_ms", 0.001}, {"sleep_ms", 5000}}, Json{{"lock_ms", 7}}}) {
    EXPECT_EQ(wall_bar(Read(wall), 20, false).find(' '), std::string::npos);
    EXPECT_EQ(wall_bar(Read(wall), 20, false).size(), 20U);
  }
  EXPECT_EQ(wall_bar(Read(Json::object()), 3, false), "   ");
}

TEST(PrintableTest, WholeCharactersStay) {
  EXPECT_EQ(printable("größe 😀 a\tb"), "größe 😀 a?b");
  EXPECT_EQ(printable("a\tb", true), "a\tb");
  EXPECT_EQ(printable("\xC3"), "?");
  EXPECT_EQ(printable("\xED\xA0\x80\xF5\xC0\x80"), "??????");
  EXPECT_EQ(shortened("größenwahn", 8), "größe...");
}

TEST(PrintableTest, ALogKeepsItsColoursAndNothingElse) {
  EXPECT_EQ(printable_log("\x1B[31mred\x1B[0m\tx"), "\x1B[31mred\x1B[0m\tx\x1B[0m");
  EXPECT_EQ(printable_log("\x1B[2J\x1B]0;title\a"), "?[2J?]0;title?");
  EXPECT_EQ(printable_log("plain"), "plain");
}

}  // namespace
}  // namespace lamprey::cli
