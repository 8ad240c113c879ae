// Drives the emulator library in a test: a directory with a runtime and extensions written in
// Python, and runs of a fleet whose log lines and answers are kept. No assertions live here.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/base/identifiers.h"
#include "emulator/front/fleet.h"
#include "emulator/options/options.h"
#include "emulator/output/console.h"

namespace lamprey::emulator::testing {

// A runtime that does what the event says ("do": ...).
inline constexpr const char* kRuntime = R"py(
import http.client, json, os, signal, subprocess, sys, threading, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01" + path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read(), answer.headers
def say(*words): print(*words, flush=True)
def tick():
    count = 0
    while True:
        count += 1
        with open("ticks.new", "w") as file: file.write(str(count))
        os.replace("ticks.new", "ticks")
        time.sleep(0.005)
init = os.environ.get("INIT", "")
say("RUNTIME started", os.getpid())
if init == "exit": sys.exit(7)
if init == "error":
    call("POST", "/runtime/init/error", '{"errorMessage":"no module","errorType":"Runtime.ImportModuleError"}')
    sys.exit(1)
if init == "slow once" and not os.path.exists("slow"):
    open("slow", "w").close()
    time.sleep(60)
if init == "slow": time.sleep(60)
if init == "trap": signal.signal(signal.SIGTERM, lambda *_: (say("RUNTIME got SIGTERM"), os._exit(0)))
if init == "ignore": signal.signal(signal.SIGTERM, lambda *_: say("RUNTIME ignored SIGTERM"))
if init == "internal":
    signal.signal(signal.SIGTERM, lambda *_: say("RUNTIME ignored SIGTERM"))
    inner = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    inner.request("POST", "/2020-01-01/extension/register", '{"events":[]}', {"Lambda-Extension-Name": "inner"})
    answer = inner.getresponse(); answer.read()
    inner.request("GET", "/2020-01-01/extension/event/next", headers={"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]})
if init == "workers": os.fork()
if init == "tick": threading.Thread(target=tick, daemon=True).start()
while True:
    status, body, headers = call("GET", "/runtime/invocation/next")
    event = json.loads(body)
    what = event.get("do", "")
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    result = {"pid": os.getpid(), "headers": dict(headers.items()), "argv": sys.orig_argv if hasattr(sys, "orig_argv") else []}
    if what == "sleep": time.sleep(event["seconds"])
    if what == "exit": os._exit(event["status"])
    if what == "env": result["env"] = dict(os.environ)
    if what == "list": result["opt"] = sorted(os.listdir("/opt"))
    if what == "daemon": result["daemon"] = subprocess.Popen(["sleep", "300"], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
    if what == "eat":
        block = bytearray(event["mb"] << 20)
    if what == "long":
        def long_line(c): os.write(1, (c * 400000 + "\n").encode())
        writers = [threading.Thread(target=long_line, args=(c,)) for c in "a"]
        [w.start() for w in writers]; os.write(2, b"b" * 400000 + b"\n"); [w.join() for w in writers]
    if what == "error":
        call("POST", f"/runtime/invocation/{id}/error", '{"errorMessage":"bad","errorType":"ValueError"}', {"Lambda-Runtime-Function-Error-Type": "ValueError"})
        continue
    if what == "stream":
        api.request("POST", f"/2018-06-01/runtime/invocation/{id}/response", iter([b"one,", b"two"]), {"Lambda-Runtime-Function-Response-Mode": "streaming", "Content-Type": "text/plain"}, encode_chunked=True)
        api.getresponse().read()
        continue
    call("POST", f"/runtime/invocation/{id}/response", json.dumps(result))
    if what == "respond then exit": os._exit(9)
)py";

// An extension that does what the variable EXT (a JSON object) says.
inline constexpr const char* kExtension = R"py(#!/usr/bin/env python3
import http.client, json, os, signal, sys, time
plan = json.loads(os.environ.get("EXT", "{}"))
name = os.path.basename(sys.argv[0])
def say(*words): print("EXT", *words, flush=True)
if plan.get("env"): say("env", json.dumps(dict(os.environ)))
if plan.get("exit_early"): sys.exit(plan["exit_early"])
time.sleep(plan.get("register_delay", 0))
signal.signal(signal.SIGTERM, lambda *_: say("got SIGTERM"))
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read(), answer.headers
status, body, headers = call("POST", "/2020-01-01/extension/register", json.dumps({"events": plan.get("events", ["INVOKE", "SHUTDOWN"])}), {"Lambda-Extension-Name": name})
mine = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
say("registered", status)
if plan.get("init_error"):
    call("POST", "/2020-01-01/extension/init/error", "{}", dict(mine, **{"Lambda-Extension-Function-Error-Type": "Extension.NoConfig"}))
    sys.exit(1)
time.sleep(plan.get("first_next_delay", 0))
while True:
    status, body, headers = call("GET", "/2020-01-01/extension/event/next", headers=mine)
    event = json.loads(body)
    say("event", json.dumps(event))
    if event["eventType"] == "SHUTDOWN":
        if plan.get("ignore_shutdown"): time.sleep(60)
        print(json.dumps({"lamprey": "1", "type": "shutdown", "left": event["deadlineMs"] - int(time.time() * 1000)}), flush=True)
        sys.exit(0)
    if plan.get("crash") is not None: os._exit(plan["crash"])
    time.sleep(plan.get("next_delay", 0))
)py";

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class EmulatorTest : public ::testing::Test {
 protected:
  using Milliseconds = std::chrono::milliseconds;

  struct Result {
    Answer answer;
    bool succeeded = false;
    Milliseconds answered_after{0};
    Milliseconds finished_after{0};

    nlohmann::json json() const { return nlohmann::json::parse(answer.body, nullptr, false); }
  };

  EmulatorTest() {
    std::string name = (std::filesystem::temp_directory_path() / "lamprey-emulator-XXXXXX");
    folder_ = mkdtemp(name.data());
    former_folder_ = std::filesystem::current_path();
    std::filesystem::current_path(folder_);
    std::filesystem::create_directories(folder_ / "layer/extensions");
    std::ofstream(folder_ / "runtime.py") << kRuntime;
    RawOptions raw;
    raw.command = {"python3", "runtime.py"};
    raw.layer = (folder_ / "layer").string();
    EXPECT_EQ("", check_options(raw, options_));
    options_.limit_memory = false;
    options_.timeout = std::chrono::seconds(20);
  }

  ~EmulatorTest() override {
    std::filesystem::current_path(former_folder_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void add_extension(const std::string& name, const std::string& text = kExtension) {
    const auto path = folder_ / "layer/extensions" / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), 0755);
  }

  // One invocation for each event, one after the other, then SHUTDOWN(spindown). `between` runs
  // after each invocation; it may take its time, the io_context runs meanwhile.
  void run(const std::vector<nlohmann::json>& events, Milliseconds pause = Milliseconds(0),
           const std::function<void(std::size_t)>& between = {}) {
    Console console("", [this](std::string_view line) { lines_.emplace_back(line); });
    boost::asio::io_context io(1);
    Fleet fleet(io, options_, console);
    boost::asio::steady_timer timer(io);
    std::chrono::steady_clock::time_point closing;
    std::function<void(std::size_t)> next = [&](std::size_t index) {
      if (index == events.size()) {
        closing = std::chrono::steady_clock::now();
        fleet.shutdown([&io] { io.stop(); });
        return;
      }
      results_.emplace_back();
      invoke(fleet, events[index], index, [&, index] {
        timer.expires_after(pause);
        timer.async_wait([&, index](boost::system::error_code) {
          if (between) {
            between(index);
          }
          next(index + 1);
        });
      });
    };
    boost::asio::post(io, [&next] { next(0); });
    io.run();
    shutdown_took_ = since(closing);
  }

  // All of them at the same time, as far as the environment takes them; then SHUTDOWN(spindown).
  void run_at_once(const std::vector<nlohmann::json>& events) {
    Console console("", [this](std::string_view line) { lines_.emplace_back(line); });
    boost::asio::io_context io(1);
    Fleet fleet(io, options_, console);
    results_.resize(events.size());
    std::size_t left = events.size();
    boost::asio::post(io, [&] {
      for (std::size_t i = 0; i < events.size(); ++i) {
        invoke(fleet, events[i], i, [&] {
          if (--left == 0) {
            boost::asio::post(io, [&] { fleet.shutdown([&io] { io.stop(); }); });
          }
        });
      }
    });
    io.run();
  }

  void invoke(Fleet& fleet, const nlohmann::json& event, std::size_t index,
              std::function<void()> finished) {
    Invocation invocation;
    invocation.request_id = random_uuid();
    invocation.trace_id = random_trace_id();
    invocation.event = event.dump();
    const auto start = std::chrono::steady_clock::now();
    invocation.answered = [this, index, start](const Answer& answer) {
      results_[index].answer = answer;
      results_[index].answered_after = since(start);
    };
    invocation.finished = [this, index, start,
                           finished = std::move(finished)](const Outcome& outcome) {
      results_[index].succeeded = outcome.succeeded;
      results_[index].finished_after = since(start);
      finished();
    };
    fleet.submit(std::move(invocation));
  }

  static Milliseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - start);
  }

  // Position of the first line from `from` on that contains `text`; npos when there is none.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t find_line(const std::string& text, std::size_t from = 0) const {
    for (std::size_t i = from; i < lines_.size(); ++i) {
      if (lines_[i].find(text) != std::string::npos) {
        return i;
      }
    }
    return kNone;
  }
  bool has_line(const std::string& text) const { return find_line(text) != kNone; }
  std::size_t count_lines(const std::string& text) const {
    std::size_t count = 0;
    for (const std::string& line : lines_) {
      count += line.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  std::string log() const {
    std::string text;
    for (const std::string& line : lines_) {
      text += line.substr(0, 500) + "\n";
    }
    return text;
  }

  std::filesystem::path folder_;
  std::filesystem::path former_folder_;
  Options options_;
  std::vector<std::string> lines_;
  std::vector<Result> results_;
  Milliseconds shutdown_took_{0};
};

}  // namespace lamprey::emulator::testing
