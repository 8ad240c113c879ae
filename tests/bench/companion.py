"""Benchmarks of the companion: what comes after the end of an invocation, how long a line takes to
build, its start, and the storm of kills. Each gives one table; bench.py runs them.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE, ROOT, Table, verdict

sys.path.insert(0, str(ROOT / "tests/integration"))
from custom_runtime import custom_runtime  # noqa: E402

# Before whatever else runs on the machine, where that is allowed: a wait for a CPU that others have
# is none of ours.
ALONE = (["chrt", "--rr", "5"]
         if shutil.which("chrt") and subprocess.run(["chrt", "--rr", "5", "true"],
                                                    capture_output=True).returncode == 0 else [])
KILLS = 10_000


def layer_directory(where):
    """The shipped layer for this machine, unpacked; the development build if none was built."""
    archive = ROOT / f"dist/lamprey-{'arm64' if os.uname().machine == 'aarch64' else 'x86_64'}.zip"
    if not archive.exists():
        return RELEASE, "development build"
    shutil.unpack_archive(archive, where)
    for name in ("lamprey", "lib/liblamprey.so", "extensions/lamprey"):
        os.chmod(pathlib.Path(where) / name, 0o755)
    return pathlib.Path(where), "shipped layer"


APP = """
import time
def handler(event, context):
    block = [bytes(1000) for _ in range(1000)]
    time.sleep(0.001)
    return len(block)
"""


def lines_of(work, layer, command, *options):
    """The records of 300 invocations."""
    records = pathlib.Path(work) / "records"
    records.unlink(missing_ok=True)
    subprocess.run([*ALONE, RELEASE / "bin/lamprey", "local", "--layer", layer, "--invocations", "300",
                    "--out", records, *options, "--", *command],
                   cwd=work, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in records.read_text().splitlines()]


def add_flush(table, what, lines):
    flushes = sorted(line["self"]["flush_ms"] for line in lines if "flush_ms" in line.get("self", {}))
    p99 = flushes[int(len(flushes) * 0.99)]
    middle = statistics.median(flushes)
    table.add(f"END mark → next, ms ({what})", f"{middle:.3f}", f"{p99:.3f}", "≤ 1 / ≤ 2",
              verdict(max(middle, p99 / 2), 1))


# As long as a flush and as often, and no system call in it: what this machine alone does to a p99.
ARITHMETIC = """
import time
def work(rounds):
    begin = time.perf_counter_ns()
    for _ in range(rounds):
        pass
    return (time.perf_counter_ns() - begin) / 1e6
rounds = 1000
while min(work(rounds) for _ in range(5)) < 0.6:
    rounds += 1000
samples = []
for _ in range(300):
    time.sleep(0.005)
    samples.append(work(rounds))
print(*samples)
"""


def arithmetic():
    said = subprocess.run([*ALONE, sys.executable, "-c", ARITHMETIC], capture_output=True, text=True,
                          check=True).stdout
    return sorted(float(word) for word in said.split())


def flush():
    table = Table("companion (300 invocations each)", ["what", "median", "p99", "budget", ""])
    python = ROOT / "build/venv/bin/python"
    with tempfile.TemporaryDirectory() as work:
        layer, which = layer_directory(pathlib.Path(work) / "layer")
        (pathlib.Path(work) / "app.py").write_text(APP)
        lines = lines_of(work, layer, [python, "-m", "awslambdaric", "app.handler"])
        full = lines_of(work, layer, [custom_runtime("wide")], "--env", "LAMPREY_DETAIL=full",
                        "--memory", "512")
    add_flush(table, f"Python function, {which}", lines)
    add_flush(table, "200 sites, 50 hosts, full lines", full)
    samples = arithmetic()
    table.add("for comparison: arithmetic of 0.6 ms", f"{statistics.median(samples):.3f}",
              f"{samples[int(len(samples) * 0.99)]:.3f}", "", "")
    attach = [line["self"]["attach_ms"] for line in lines if "attach_ms" in line.get("self", {})]
    table.add("attach of the library, ms", f"{attach[0]:.3f}", "", "≤ 1", verdict(attach[0], 1))
    rss = max(line["self"]["companion_rss_bytes"] for line in lines
              if "companion_rss_bytes" in line.get("self", {})) / 1e6
    table.add("companion RSS, MB", f"{rss:.2f}", "", "≤ 2", verdict(rss, 2))
    return table


def register():
    """Start of the companion's process to its POST /register arriving, against a listener here."""
    import socket
    table = Table("companion: start → registered, ms", ["median", "p99", "budget", ""])
    with tempfile.TemporaryDirectory() as work, socket.create_server(("127.0.0.1", 0)) as server:
        layer, which = layer_directory(pathlib.Path(work) / "layer")
        environment = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.getsockname()[1]}",
                       "LAMPREY": "off", "PATH": os.environ["PATH"]}
        samples = []
        for _ in range(60):
            begin = time.perf_counter_ns()
            process = subprocess.Popen([layer / "extensions/lamprey"], env=environment)
            connection = server.accept()[0]
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            samples.append((time.perf_counter_ns() - begin) / 1e6)
            process.kill()
            process.wait()
            connection.close()
            if b"/register" not in request:
                raise RuntimeError(f"not a registration: {request[:80]!r}")
    samples.sort()
    middle = statistics.median(samples)
    table.add(f"{middle:.2f} ({which})", f"{samples[-1]:.2f}", "≤ 5", verdict(middle, 5))
    return table


def line():
    table = Table("building a full line", ["what", "µs", "budget", ""])
    said = subprocess.run([*ALONE, RELEASE / "tests/bench/line_building"], capture_output=True,
                          text=True).stdout
    size, middle = re.search(r"line of (\d+) bytes: median ([0-9.]+) us", said).groups()
    table.add(f"200 sites, all calls, 20 findings: {size} bytes", middle, "≤ 300",
              verdict(float(middle), 300))
    return table


def storm():
    """SIGKILLs of runtime, companion and both at random moments; nothing may be lost or said twice."""
    table = Table(f"storm of {KILLS:,} kills", ["what", "count", "must be", ""])
    folder = ROOT / "tests/integration"
    ran = subprocess.run([sys.executable, "-B", "storm.py", str(KILLS)], cwd=folder,
                         stdout=subprocess.PIPE, text=True)
    result = json.loads(ran.stdout)
    table.add("seconds", result["seconds"], "", "")
    for name, count in result["kills"].items():
        table.add(f"kills of {name}", count, "", "")
    for name in ("invocations", "answered", "records", "late"):
        table.add(name, result[name], "", "")
    for name in ("lost", "twice", "wrong_ids", "broken_lines", "crashes"):
        count = result[name] if isinstance(result[name], int) else len(result[name])
        table.add(name.replace("_", " "), count, "0", verdict(count, 0))
    table.failed = ran.returncode != 0
    return table
