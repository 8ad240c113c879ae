"""CPU samples: what they cost a program; and beside other profilers, what each costs and whether all name the same
functions.

The programs stand in cpu_programs.py. All variants of one program take turns in one run; a cost is that of a
round, compared with the two runs without a tool in the same round. A tool that is not installed, or that cannot
run here, has a row that says so.
"""

import bisect
import collections
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

from cpu_programs import NAME, SHARES, written
from measuring import RELEASE, ROOT, Table, verdict
from peers import find_library

ROUNDS = 15
RATES = (97, 1000)  # samples per second of CPU time
BUDGET = {97: 1, 1000: 3}  # per cent
PY_SPY = ROOT / "build/py-spy/bin/py-spy"
FIRST = 10


class Tool:
    """How a command is started under it, and whom its file names: {part: weight}, by the innermost function."""

    def __init__(self, name, rate, start, read, **environment):
        self.name, self.rate, self.start, self.read, self.environment = name, rate, start, read, environment


def by_name(pairs):
    found = collections.Counter()
    for text, weight in pairs:
        if match := re.search(NAME, text):
            found[match[1]] += weight
    return found


def folded(path):
    """Lines `outermost;...;innermost count`."""
    lines = (line.rpartition(" ") for line in path.read_text().splitlines())
    return by_name((stack.rpartition(";")[2], int(count)) for stack, _, count in lines)


def of_record(path):
    sites = json.loads(path.read_text())["cpu"]["sites"]
    return by_name((site["stack"].partition(";")[0], site["cpu_ms"]) for site in sites)


def of_cpuprofile(path):
    profile = json.loads(path.read_text())
    names = {node["id"]: node["callFrame"]["functionName"] for node in profile["nodes"]}
    return by_name((names[node], us) for node, us in zip(profile["samples"], profile["timeDeltas"]))


def of_perf(path):
    lines = subprocess.run(["perf", "script", "-i", path, "-G", "-F", "ip,sym"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    return by_name((line, 1) for line in lines)


def of_libprofiler(path, program):
    """Its own format: words; a head, then count, depth and addresses of each stack until one of count 0."""
    symbols = sorted((int(address, 16), name) for address, _, name in
                     (line.split(maxsplit=2) for line in subprocess.run(
                         ["nm", "--defined-only", program], capture_output=True, text=True,
                         check=True).stdout.splitlines()))
    content = path.read_bytes()
    words = struct.unpack(f"@{len(content) // 8}L", content[:len(content) // 8 * 8])
    at, pairs = 2 + words[1], []
    while words[at]:
        count, depth, address = words[at:at + 3]
        where = bisect.bisect_right(symbols, (address, "\x7f")) - 1
        pairs.append((symbols[where][1] if where >= 0 else "", count))
        at += 2 + depth
    return by_name(pairs)


def lamprey(rate, out):
    return Tool("Lamprey" if rate else "Lamprey, no samples", rate,
                lambda c: [str(RELEASE / "bin/lamprey"), "run", "--quiet", "--out", str(out), "--", *c],
                of_record if rate else None, LAMPREY_CPU=str(rate or "off"))


def async_profiler():
    machine = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(platform.machine(), "")
    path = ROOT / "build/async-profiler" / machine / "libasyncProfiler.so"
    return path if path.is_file() else None


def peers(language, rate, out):
    """[(name, Tool or why there is none)] of the other profilers of that language."""
    us = round(1e6 / rate)
    if language == "Python":
        return [("py-spy record", Tool("py-spy record", rate, lambda c: [
            str(PY_SPY), "record", "-r", str(rate), "-f", "raw", "-o", str(out), "--", *c], folded)
            if PY_SPY.exists() else "not installed")]
    if language == "Node":
        return [("node --cpu-prof", Tool("node --cpu-prof", rate, lambda c: [
            c[0], "--cpu-prof", "--cpu-prof-interval", str(us), "--cpu-prof-dir", str(out.parent),
            "--cpu-prof-name", out.name, *c[1:]], of_cpuprofile))]
    if language == "Java":
        agent = async_profiler()
        return [("async-profiler", Tool("async-profiler", rate, lambda c: [
            c[0], f"-agentpath:{agent}=start,event=cpu,interval={us}us,collapsed,file={out}", *c[1:]], folded)
            if agent else "not installed")]
    library, perf = find_library("libprofiler.so.0"), shutil.which("perf")
    return [("gperftools", Tool("gperftools", rate, lambda c: c, None, LD_PRELOAD=library, CPUPROFILE=str(out),
                                CPUPROFILE_FREQUENCY=str(rate)) if library else "not installed"),
            ("perf record -g", Tool("perf record -g", rate, lambda c: [
                perf, "record", "-q", "-g", "-e", "cpu-clock", "-F", str(rate), "-o", str(out), "--", *c], of_perf)
                if perf else "not installed")]


def run(command, environment):
    """CPU time of the program by its own account, and of all that was started, in seconds."""
    before = os.times()
    done = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    after = os.times()
    said = re.search(r"^cpu_ns (\d+)", done.stdout, re.M)
    if done.returncode != 0 or not said:
        raise RuntimeError((done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1])
    return int(said[1]) / 1e9, (after.children_user + after.children_system - before.children_user
                                - before.children_system)


class Runs:
    """All rounds of one program: what each variant used, and whom each tool named."""

    def __init__(self, command, tools, out):
        self.command, self.out = command, out
        self.tools = {"without": None, **tools, "without, again": None}
        self.used = {name: [] for name in self.tools}
        self.named = collections.defaultdict(collections.Counter)
        self.failed = {}

    def once(self, name):
        tool = self.tools[name]
        self.out.unlink(missing_ok=True)
        used = run(tool.start(self.command) if tool else self.command, tool.environment if tool else {})
        if tool and tool.read:
            self.named[name].update(tool.read(self.out))
        return used

    def rounds(self, count):
        for name in list(self.tools):  # warm, and who cannot run here
            try:
                self.once(name)
            except (RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                self.failed[name] = str(error)
                del self.tools[name], self.used[name]
        names = list(self.tools)
        for turn in range(count):  # whoever comes first in one round comes later in the next
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                self.used[name].append(self.once(name))

    def excesses(self, name, which):
        """Per cent, smallest first: in each round, over the round's runs without."""
        return sorted((own[which] / statistics.mean((one[0], two[0])) - 1) * 100 for own, one, two in
                      zip(self.used[name], self.used["without"], self.used["without, again"]))

    def added(self, name, which):
        return statistics.median(self.excesses(name, which))

    def noise(self):
        """The same of a run without any tool, compared with the other."""
        return statistics.median((two[0] / one[0] - 1) * 100 for one, two in
                                 zip(self.used["without"], self.used["without, again"]))


def shares(named):
    whole = sum(named.values())
    return {part: named[part] / whole for part in SHARES} if whole else None


def first(of):
    return set(sorted(of, key=of.get, reverse=True)[:FIRST])


def furthest(one, other):
    return max(abs(one[part] - other[part]) for part in SHARES) * 100


def add_row(table, language, name, rate, tool, runs):
    found, ours = shares(runs.named[name]), shares(runs.named[f"Lamprey {rate}"])
    agreement = ["no samples", "", ""]
    if found:
        agreement = [f"{len(first(found) & first(SHARES))} of {FIRST}", f"{furthest(found, SHARES):.1f}",
                     f"{furthest(found, ours):.1f}" if ours and tool.name != "Lamprey" else ""]
    if tool.name == "Lamprey":  # no matter of time: what it names after all rounds is right or wrong
        table.failed |= not found or first(found) != first(SHARES)
    table.add(language, tool.name, rate or "", f"{runs.added(name, 0):+.1f} %", f"{runs.added(name, 1):+.1f} %", *agreement)


def cpu_peers():
    table = Table("CPU samples: a program with 20 functions of known shares, under each profiler",
                  ["program", "profiler", "a second", "CPU time of the program", "with the profiler's own",
                   "its first ten", "furthest from the known share, points", "from Lamprey's, points"])
    tried = ran = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = pathlib.Path(scratch), pathlib.Path(scratch) / "profile"
        for language, command in written(folder, os.path.realpath(sys.executable)).items():
            tools, absent = {"Lamprey 0": lamprey(0, out)}, []
            for rate in RATES:
                tools[f"Lamprey {rate}"] = lamprey(rate, out)
                for name, tool in peers(language, rate, out):
                    tried += 1
                    if isinstance(tool, str):
                        absent.append((name, rate, tool))
                        continue
                    if name == "gperftools":
                        tool.read = lambda path, program=command[0]: of_libprofiler(path, program)
                    tools[f"{name} {rate}"] = tool
            runs = Runs(command, tools, out)
            runs.rounds(ROUNDS)
            table.add(language, "none, twice", "", f"{runs.noise():+.1f} %", "", "", "", "")
            for name, tool in tools.items():
                if name in runs.failed:
                    absent.append((tool.name, tool.rate, "cannot run here"))
                    continue
                ran += not tool.name.startswith("Lamprey")
                add_row(table, language, name, tool.rate, tool, runs)
            for name, rate, why in absent:
                table.add(language, name, rate, why, "", "", "", "")
    table.add("all", "peers that ran", "", f"{ran} of {tried}", "", "", "", "")
    return table


COST_ROUNDS = 21


def interval(ordered):
    """Where the median lies, 19 times in 20: from the order alone, whatever the distribution."""
    outside = int(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5)
    return ordered[outside], ordered[-1 - outside]


def cpu_cost():
    """Lamprey alone, with more rounds than its peers need: a budget of one per cent is below one round's noise."""
    table = Table("CPU samples: what they add to a program's CPU time",
                  ["program", "a second", "added", "19 times in 20 it lies between", "budget", ""])
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "profile"
        for language, command in written(scratch, os.path.realpath(sys.executable)).items():
            runs = Runs(command, {f"Lamprey {rate}": lamprey(rate, out) for rate in RATES}, out)
            runs.rounds(COST_ROUNDS)
            for rate in RATES:
                added, (low, high) = runs.added(f"Lamprey {rate}", 0), interval(runs.excesses(f"Lamprey {rate}", 0))
                told = verdict(added, BUDGET[rate]) if high <= BUDGET[rate] or low > BUDGET[rate] else "not decided"
                table.add(language, rate, f"{added:+.1f} %", f"{low:+.1f} and {high:+.1f} %",
                          f"≤ +{BUDGET[rate]} %", told)
    return table
