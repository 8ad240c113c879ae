// Telemetry from end to end: a real extension that subscribes, and when it gets what.
#include <gmock/gmock.h>

#include "tests/unit/emulator_harness.h"

namespace lamprey::emulator::testing {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kSubscriber = R"py(#!/usr/bin/env python3
import http.client, http.server, json, os, sys, threading, time
mounted = os.path.exists("/opt/extensions/" + os.path.basename(sys.argv[0]))
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            print("TELEMETRY-IN", json.dumps(event), flush=True)
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
sink = http.server.ThreadingHTTPServer(("sandbox.localdomain" if mounted else "127.0.0.1", 0), Sink)
threading.Thread(target=sink.serve_forever, daemon=True).start()
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read(), answer.headers
def subscribe():
    return call("PUT", "/2022-07-01/telemetry", json.dumps({"schemaVersion": "2022-12-13", "types": ["platform"], "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25}, "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{sink.server_port}"}}), mine)[0]
status, body, headers = call("POST", "/2020-01-01/extension/register", '{"events":["INVOKE","SHUTDOWN"]}', {"Lambda-Extension-Name": os.path.basename(sys.argv[0])})
mine = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
print("EXT subscribe", subscribe(), flush=True)
while True:
    event = json.loads(call("GET", "/2020-01-01/extension/event/next", headers=mine)[1])
    if event["eventType"] == "SHUTDOWN":
        time.sleep(0.2)
        sys.exit(0)
    print("EXT late subscribe", subscribe(), flush=True)
    time.sleep(0.2)
)py";

using EmulatorTelemetry = EmulatorTest;

TEST_F(EmulatorTelemetry, PlatformEventsArriveAndTheReportComesDuringTheNextInvocation) {
  add_extension("sub.py", kSubscriber);
  run({json::object(), json::object()}, std::chrono::milliseconds(150));
  ASSERT_TRUE(results_[1].succeeded) << log();
  EXPECT_TRUE(has_line("EXT subscribe 200")) << log();
  EXPECT_TRUE(has_line("EXT late subscribe 403"));
  EXPECT_THAT(lines_, Contains(HasSubstr("TELEMETRY\tName: sub.py\tState: Subscribed")));
  for (const char* type :
       {"platform.initStart", "platform.telemetrySubscription", "platform.initRuntimeDone",
        "platform.initReport", "platform.extension", "platform.start", "platform.runtimeDone"}) {
    EXPECT_NE(kNone, find_line(std::string("\"type\": \"") + type + "\"")) << type << log();
  }
  const std::size_t second = find_line("START RequestId", find_line("REPORT RequestId"));
  EXPECT_LT(find_line("\"platform.runtimeDone\""), second);
  const std::size_t report = find_line("\"platform.report\"");
  EXPECT_GT(report, second) << log();
  EXPECT_NE(kNone, report);
  const json event = json::parse(lines_[report].substr(13));
  const json& metrics = event["record"]["metrics"];
  EXPECT_GT(metrics["durationMs"], 0);
  // Init is billed too, and every begun millisecond (to what the other two are rounded to).
  const double took = metrics["durationMs"].get<double>() + metrics["initDurationMs"].get<double>();
  EXPECT_GE(metrics["billedDurationMs"].get<double>(), took - 0.02);
  EXPECT_LE(metrics["billedDurationMs"].get<double>(), took + 1.02);
  EXPECT_EQ("success", event["record"]["status"]);
}

}  // namespace
}  // namespace lamprey::emulator::testing
