"""The peers: other tools on the same programs, in the same run as Lamprey, as ratios.

A tool that is not installed, or that cannot run here, has a row that says so. Tools that make a
program many times slower get fewer rounds: their figure needs no third digit.
"""

import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import LIBRARY, RELEASE, ROOT, Table, forget_recording, medians, plain, under

MEMRAY = ROOT / "build/memray/bin/python"
SLOW = {"heaptrack", "gperftools HEAPPROFILE", "valgrind massif", "strace -f -c",
        "strace --seccomp-bpf -f -c -e trace=network", "perf trace -s"}


def preload(library, **variables):
    """A tool that is a preloaded library and its environment."""
    settings = [f"{name}={value}" for name, value in variables.items()]

    def start(command):
        return ["env", *settings, f"LD_PRELOAD={library}", *command]

    return start


def find_library(name):
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib"):
        if (pathlib.Path(folder) / name).exists():
            return str(pathlib.Path(folder) / name)
    return None


def memory_tools(scratch):
    """{name: (how to start a command under it, or None; tells live bytes by stack; exactness)}."""
    tcmalloc, jemalloc = find_library("libtcmalloc.so.4"), find_library("libjemalloc.so.2")
    memusage = find_library("libmemusage.so")
    massif = ["valgrind", "--tool=massif", f"--massif-out-file={scratch}/massif"]
    return {
        "Lamprey": (lambda c: under(LIBRARY, c), "yes", "totals exact, stacks sampled 64 KiB"),
        "jemalloc prof": (jemalloc and preload(jemalloc, MALLOC_CONF="prof:true,lg_prof_sample:19"),
                          "yes, another allocator", "sampled 512 KiB"),
        "gperftools sampling": (tcmalloc and preload(tcmalloc, TCMALLOC_SAMPLE_PARAMETER="524288"),
                                "yes, another allocator", "sampled 512 KiB"),
        "gperftools HEAPPROFILE": (tcmalloc and preload(tcmalloc, HEAPPROFILE=f"{scratch}/heap"),
                                   "yes, another allocator", "exact"),
        "libmemusage": (memusage and preload(memusage), "no", "exact totals"),
        "heaptrack": (shutil.which("heaptrack") and
                      (lambda c: ["heaptrack", "-o", f"{scratch}/heaptrack", *c]), "yes", "exact"),
        "valgrind massif": (shutil.which("valgrind") and (lambda c: [*massif, *c]), "yes", "exact"),
    }


# Servers and runtimes that AWS's customers run are what a handler's cost is made of.
HANDLER = """
import json
def handler(event):
    rows = [{"id": i, "name": "n%d" % i, "tags": ["a", "b", str(i)]} for i in range(2000)]
    return len(json.dumps(json.loads(json.dumps(rows))))
import time
handler(None)
begin = time.process_time_ns()
for _ in range(40):
    handler(None)
print((time.process_time_ns() - begin) / 40)
"""
NODE = """
function handler() {
  const rows = Array.from({length: 2000}, (_, i) => ({id: i, name: 'n' + i, data: Buffer.alloc(200)}));
  return JSON.stringify(JSON.parse(JSON.stringify(rows))).length;
}
handler();
const begin = process.cpuUsage();
for (let i = 0; i < 5; ++i) handler();
const used = process.cpuUsage(begin);
console.log((used.user + used.system) * 1000 / 5);
"""
INSERTS = ("create table t(a integer primary key, b text);"
           "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) "
           "insert into t select i, 'row number ' || i from n; select count(*) from t;")


def last_number(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          stdin=subprocess.DEVNULL) as process:
        text = process.communicate()[0]
    forget_recording(process.pid)
    numbers = re.findall(r"^\d+(?:\.\d+)?$", text, re.M)
    if not numbers:
        raise RuntimeError(f"{command[:3]} printed no number")
    return float(numbers[0])


def child_cpu_ms(command):
    """CPU time of the whole command: on a shared machine steadier than the wall's clock."""
    before = os.times()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as process:
        process.wait()
    forget_recording(process.pid)
    after = os.times()
    return (after.children_user + after.children_system
            - before.children_user - before.children_system) * 1e3


def wall_seconds(command):
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as process:
        process.wait()
    forget_recording(process.pid)
    return time.perf_counter() - begin


def redis_requests(start, requests):
    """Requests a second of a redis-server started by `start`, from redis-benchmark without pipelining."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = start(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                         "--appendonly", "no", "--dir", folder])
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL) as server:
            try:
                wait_for_port(int(port), server)
                text = subprocess.run(
                    ["redis-benchmark", "-p", port, "-P", "1", "-c", "20", "-t", "set", "-d", "200",
                     "-r", "10000", "-n", str(requests), "--csv"],
                    capture_output=True, text=True, check=True).stdout
            finally:
                subprocess.run(["redis-cli", "-p", port, "shutdown", "nosave"], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                server.wait(timeout=120)
        forget_recording(server.pid)
    return float(re.search(r'"SET","([0-9.]+)"', text)[1])


HTTP_SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        body = json.dumps([{"id": i, "path": self.path} for i in range(50)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def http_requests(start, requests):
    """Requests a second of a server in Python's standard library, over one connection."""
    command = start([os.path.realpath(sys.executable), "-c", HTTP_SERVER])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            client = http.client.HTTPConnection("127.0.0.1", int(server.stdout.readline()))
            for i in range(requests + 100):
                if i == 100:
                    begin = time.perf_counter()
                client.request("GET", "/a")
                client.getresponse().read()
            took = time.perf_counter() - begin
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    forget_recording(server.pid)
    return requests / took


def wait_for_port(port, server):
    for _ in range(1200):
        if server.poll() is not None:
            raise RuntimeError(f"redis-server ended with {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("redis-server did not listen within 60 s")


def compare(tools, command, measure, rounds=5):
    """{tool: measure / measure without any tool}; None where the tool cannot run it."""
    result = {}
    fast = {"": plain(command)}
    for name, start in tools.items():
        if start is not None and name not in SLOW:
            fast[name] = start(command)
    found = medians_of_those_that_run(fast, measure, rounds)
    for name, start in tools.items():
        if name in SLOW and start is not None:
            found.update(medians_of_those_that_run({name: start(command)}, measure, 1))
    for name in tools:
        result[name] = found[name] / found[""] if name in found else None
    return result, found[""]


def medians_of_those_that_run(variants, measure, rounds):
    runs = {}
    for name, variant in variants.items():
        try:
            measure(variant)
            runs[name] = variant
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
    samples = {name: [] for name in runs}
    for _ in range(rounds):
        for name, variant in runs.items():
            samples[name].append(measure(variant))
    return {name: statistics.median(values) for name, values in samples.items()}


def ratio(value):
    return "cannot run it" if value is None else f"{value:.2f}×"


def compare_servers(tools, per_second, requests, rounds=3):
    starts = {"": lambda c: c, **{n: s for n, s in tools.items() if s is not None}}
    fast = {n: s for n, s in starts.items() if n not in SLOW}
    found = medians_of_those_that_run(fast, lambda s: per_second(s, requests), rounds)
    for name in starts.keys() & SLOW:
        found.update(medians_of_those_that_run(
            {name: starts[name]}, lambda s: per_second(s, max(requests // 20, 500)), 1))
    return {name: found[""] / found[name] if name in found else None for name in tools}


def memory_peers():
    table = Table("memory: time under each tool as a multiple of without (smaller is better)",
                  ["tool", "malloc+free pair", "Python handler", "Node script", "sqlite3, 100,000 rows",
                   "redis SET", "live bytes by stack", "accuracy"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "handler.py").write_text(HANDLER)
        (folder / "handler.js").write_text(NODE)
        tools = memory_tools(scratch)
        starts = {name: start for name, (start, _, _) in tools.items()}
        python = os.path.realpath(sys.executable)
        columns = [
            compare(starts, [str(RELEASE / "tests/bench/malloc_pair"), "1", "1000000"], last_number)[0],
            compare(starts, [python, str(folder / "handler.py")], last_number)[0],
            compare(starts, ["node", str(folder / "handler.js")], last_number)[0],
            compare(starts, ["sqlite3", ":memory:", INSERTS.format(rows=100000)], child_cpu_ms)[0],
            compare_servers(starts, redis_requests, 40000),
        ]
        memray = memray_ratio(folder / "handler.py", scratch)
    for name, (start, by_stack, accuracy) in tools.items():
        if not start:
            table.add(name, "not installed", "", "", "", "", by_stack, accuracy)
            continue
        table.add(name, *[ratio(column[name]) for column in columns], by_stack, accuracy)
    table.add("memray", "Python only", memray, "Python only", "Python only", "Python only",
              "yes", "exact")
    return table


def memray_ratio(script, scratch):
    if not MEMRAY.exists():
        return "not installed"
    output = pathlib.Path(scratch) / "memray.bin"

    def measure(command):
        output.unlink(missing_ok=True)
        return last_number(command)

    result = medians({"without": [str(MEMRAY), str(script)],
                      "memray": [str(MEMRAY), "-m", "memray", "run", "-q", "--native", "-o",
                                 str(output), str(script)]}, measure, 3)
    return ratio(result["memray"] / result["without"])


def call_tools():
    perf = shutil.which("perf")
    return {
        "Lamprey": lambda c: under(LIBRARY, c),
        "strace -f -c": lambda c: ["strace", "-f", "-c", "-o", "/dev/null", *c],
        "strace --seccomp-bpf -f -c -e trace=network":
            lambda c: ["strace", "--seccomp-bpf", "-f", "-c", "-e", "trace=network", "-o", "/dev/null", *c],
        "perf trace -s": perf and perf_runs() and
            (lambda c: [perf, "trace", "-s", "-o", "/dev/null", "--", *c]),
    }


def perf_runs():
    return subprocess.run(["perf", "trace", "-s", "-o", "/dev/null", "--", "/bin/true"],
                          capture_output=True, check=False).returncode == 0


def tree_of_files(folder, files):
    """A git work tree large enough that `git status` is all stat calls."""
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    for i in range(files):
        place = folder / f"d{i % 800}"
        place.mkdir(exist_ok=True)
        (place / f"f{i}.txt").write_text(str(i))
    subprocess.run(["git", "init", "-q"], **quiet)
    subprocess.run(["git", "add", "."], **quiet)


def call_peers():
    table = Table("system calls: time under each tool as a multiple of without (smaller is better)",
                  ["tool", "read of one byte", "sqlite3, 1,000,000 rows into a file",
                   "git status, 80,000 files", "redis SET, no pipelining", "Python HTTP server"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        tree = folder / "tree"
        tree.mkdir()
        tree_of_files(tree, 80000)
        tools = call_tools()
        database = ["bash", "-c", 'rm -f "$0"; exec sqlite3 "$0" "$1"', str(folder / "rows.db"),
                    INSERTS.format(rows=1000000)]
        loop = [str(RELEASE / "tests/bench/read_byte")]
        columns = [
            compare(tools, [*loop, "100000"], last_number)[0],
            compare(tools, database, wall_seconds)[0],
            compare(tools, ["git", "-C", str(tree), "status", "--porcelain"], wall_seconds, 9)[0],
            compare_servers(tools, redis_requests, 40000),
            compare_servers(tools, http_requests, 4000, 5),
        ]
    for name, start in tools.items():
        if not start:
            table.add(name, "cannot run here", "", "", "", "")
            continue
        table.add(name, *[ratio(column[name]) for column in columns])
    if shutil.which("ltrace"):  # a few thousand times slower: the other programs would take hours
        bare = last_number([*loop, "100000"])
        traced = last_number(["ltrace", "-c", "-o", "/dev/null", *loop, "5000"])
        table.add("ltrace -c", ratio(traced / bare), *["not tried"] * 4)
    return table
