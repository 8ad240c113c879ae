"""What Lamprey adds to a trivial invocation, in CPU time of runtime and extension and in duration: on a
whole core, and with the CPU that Lambda gives small functions. Beside it the least that an extension
can be (next_only.c), which is the floor for all of them. One table; bench.py runs it.
"""

import contextlib
import http.client
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE, ROOT, Table, verdict

sys.path.insert(0, str(ROOT / "tests/bench"))
from companion import layer_directory  # noqa: E402

INVOCATIONS = 100  # in a round; as many before it
ROUNDS = 3
PERIOD_US = 20_000
# What Lambda gives so many MB, in each period.
QUOTAS = {"a whole core": None, "512 MB": 5760, "256 MB": 2880, "128 MB": 1440}
GROUPS = pathlib.Path("/sys/fs/cgroup/cpu")  # version 1
UNIFIED = pathlib.Path("/sys/fs/cgroup")  # version 2
REPORT = re.compile(r"^REPORT .*\tDuration: ([0-9.]+) ms", re.MULTILINE)
TRIVIAL = "def handler(event, context):\n    return 'ok'\n"


@contextlib.contextmanager
def quota_group(quota_us):
    """A control group with that much CPU in each period; None where none can be made."""
    if quota_us is None:
        yield None
        return
    one = (GROUPS / "cpu.cfs_quota_us").exists() or (GROUPS / "cpu.shares").exists()
    group = (GROUPS if one else UNIFIED) / f"lamprey-bench-{os.getpid()}"
    try:
        group.mkdir()
        if one:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        for _ in range(100):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def children_of(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found + [below for child in found for below in children_of(child)]


def cpu_us(pids):
    """CPU time of all their threads so far."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1000


class Function:
    """A trivial Python function behind `lamprey local --serve`, asked over one connection."""

    def __init__(self, work, layer, env):
        (work / "trivial.py").write_text(TRIVIAL)
        self.log = (work / "log").open("w+")
        options = ["--layer", layer, *(word for pair in env for word in ("--env", pair))]
        python = ROOT / "build/venv/bin/python"
        self.process = subprocess.Popen(
            [RELEASE / "bin/lamprey", "local", "--serve", "0", "--timeout", "60", "--cpu", "full", *options, "--",
             python, "-m", "awslambdaric", "trivial.handler"],
            cwd=work, stdout=self.log, stderr=subprocess.PIPE, text=True)
        port = re.search(r":(\d+)/", self.process.stderr.readline())[1]
        self.connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)

    def invoke(self, times):
        for _ in range(times):
            self.connection.request("POST", "/2015-03-31/functions/function/invocations", body="{}")
            self.connection.getresponse().read()

    def processes(self):
        named = {}
        for pid in children_of(self.process.pid):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
                named[pid] = "runtime" if "awslambdaric" in words else "extension"
        return named

    def durations(self):
        self.log.flush()
        return [float(ms) for ms in REPORT.findall(pathlib.Path(self.log.name).read_text())]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stderr.close()
        self.log.close()


def one_round(layer, quota_us, *env):
    """CPU of the runtime and of the extension and the durations, of INVOCATIONS; and whether the
    quota was there."""
    with (tempfile.TemporaryDirectory() as work, quota_group(quota_us) as group):
        function = Function(pathlib.Path(work), layer, env)
        try:
            function.invoke(INVOCATIONS)  # names of stacks, caches
            named = function.processes()
            if group is not None:
                for pid in named:
                    (group / "cgroup.procs").write_text(str(pid))
                function.invoke(10)
            time.sleep(0.1)
            runtime = [pid for pid, what in named.items() if what == "runtime"]
            extension = [pid for pid, what in named.items() if what == "extension"]
            before = cpu_us(runtime), cpu_us(extension)
            many = len(function.durations())
            function.invoke(INVOCATIONS)
            time.sleep(0.1)
            after = cpu_us(runtime), cpu_us(extension)
            durations = function.durations()[many:]
        finally:
            function.stop()
    return ((after[0] - before[0]) / INVOCATIONS, (after[1] - before[1]) / INVOCATIONS,
            sorted(durations), quota_us is None or group is not None)


def invocation():
    table = Table(f"a trivial invocation, Python ({ROUNDS} × {INVOCATIONS}, back to back)",
                  ["CPU", "extension", "runtime, µs", "extension, µs", "added, µs", "duration p50, ms",
                   "p99, ms", "mean / without", "budget", ""])
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        lamprey, which = layer_directory(work / "layer")
        floor = work / "floor"
        (floor / "extensions").mkdir(parents=True)
        (floor / "extensions/next_only").symlink_to(RELEASE / "tests/bench/next_only")
        (work / "none").mkdir()
        variants = {"none": (work / "none",), "next only, in C": (floor,),
                    f"Lamprey ({which})": (lamprey,),
                    f"Lamprey in batches ({which})": (lamprey, "LAMPREY_FLUSH=batch")}
        for cpu, quota in QUOTAS.items():
            rounds = {name: [] for name in variants}
            for _ in range(ROUNDS):
                for name, (layer, *env) in variants.items():
                    rounds[name].append(one_round(layer, quota, *env))
            add_rows(table, cpu, rounds)
    return table


def add_rows(table, cpu, rounds):
    bare = None
    for name, samples in rounds.items():
        runtime = statistics.median(sample[0] for sample in samples)
        extension = statistics.median(sample[1] for sample in samples)
        durations = sorted(ms for sample in samples for ms in sample[2])
        mean = statistics.fmean(durations)
        limited = all(sample[3] for sample in samples)
        bare = bare or (runtime, mean)
        added = runtime + extension - bare[0]
        ratio = mean / bare[1]
        budget, judged = "", ""
        if name.startswith("Lamprey") and cpu == "a whole core":
            most = 60 if "batches" in name else 120
            budget, judged = f"≤ {most} µs", verdict(added, most)
        elif name.startswith("Lamprey") and cpu == "128 MB":
            budget, judged = "≤ 1.3 times", verdict(ratio, 1.3)
        table.add(cpu if limited else f"{cpu}: no control group can be made", name, f"{runtime:.0f}",
                  f"{extension:.0f}", f"{added:+.0f}", f"{durations[len(durations) // 2]:.2f}",
                  f"{durations[int(len(durations) * 0.99)]:.2f}", f"{ratio:.2f}", budget, judged)
