"""The benchmarks: what Lamprey adds, as differences and ratios within one run, against the budgets.

Each benchmark alternates its variants and compares medians; counts (instructions, bytes) are exact.
Only counts fail the run: times on shared machines are reported, with the budget beside them.
Nothing but measuring may live here.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from attribution import attribution, exact_attribution
from companion import flush, line, register, storm
from cpu_peers import cpu_cost, cpu_peers
from invocation import invocation
from measuring import (
    LIBRARY, MONOTONIC, RELEASE, ROOT, Table, forget_recording, medians, output_of, plain, under, verdict,
    wall_ms,
)
from peers import call_peers, memory_peers
from soak import soak

# -- time --------------------------------------------------------------------------------------------


# The machine on which the budgets in nanoseconds were set: a bare pair of malloc(64) and free, and a
# bare getppid(), took so long there. What is added here is compared with a budget at that machine's
# speed; both figures are printed.
PAIR_THERE, CALL_THERE = 6.0, 105.0


def add_scaled(table, cells, added, scale, budget):
    table.add(*cells, f"{added:+.1f}", f"{added * scale:+.1f}", f"≤ +{budget}",
              verdict(added * scale, budget))


def pair_here(threads=1, pairs=5_000_000):
    return [str(RELEASE / "tests/bench/malloc_pair"), str(threads), str(pairs)]


def allocation():
    table = Table("malloc(64)+free pair, ns of CPU time",
                  ["threads", "without", "with Lamprey", "added", f"where bare is {PAIR_THERE:g}",
                   "budget", ""])
    for threads, pairs in ((1, 5_000_000), (8, 1_000_000)):
        command = pair_here(threads, pairs)
        result = medians({"without": plain(command), "with": under(LIBRARY, command)},
                         lambda c: float(output_of(c)))
        bare = result["without"]
        add_scaled(table, (threads, f"{bare:.2f}", f"{result['with']:.2f}"), result["with"] - bare,
                   PAIR_THERE / bare, 4)
    return table


def read():
    table = Table("read() of one byte, ns of CPU time",
                  ["variant", "per call", "added", f"where getppid() is {CALL_THERE:g}", "budget", ""])
    program = [str(RELEASE / "tests/bench/read_byte"), "1000000"]
    getppid = [str(RELEASE / "tests/bench/getppid"), "1000000"]
    variants = {"without": plain(program), "Lamprey, counter": under(LIBRARY, program),
                "Lamprey, vDSO clock": under(MONOTONIC, program), "getppid": plain(getppid)}
    result = medians(variants, lambda c: float(output_of(c)))
    for name, budget in (("Lamprey, counter", 30), ("Lamprey, vDSO clock", 50)):
        add_scaled(table, (name, f"{result[name]:.1f}"), result[name] - result["without"],
                   CALL_THERE / result["getppid"], budget)
    table.add("without", f"{result['without']:.1f}", "", "", "", "")
    table.add("getppid() without", f"{result['getppid']:.1f}", "", "", "", "")
    floor = medians({"floor": [str(RELEASE / "tests/bench/counter_pair"), "1000000"]},
                    lambda c: float(output_of(c)))["floor"]
    table.add("two counter readings alone", "", f"+{floor:.1f}", "", "", "")
    if shutil.which("strace"):
        few = [str(RELEASE / "tests/bench/read_byte"), "5000"]
        slow = medians({"strace -c": ["strace", "-f", "-c", "-o", "/dev/null", *few]},
                       wall_ms, 3)["strace -c"]
        per_call = slow * 1e6 / 5000
        table.add("strace -f -c (peer)", f"{per_call:.0f}", f"{per_call - result['without']:+.0f}",
                  "", "", "")
    return table


def exact():
    """Both in one run: the hooks are there with and without exact mode."""
    table = Table("exact mode (LAMPREY_EXACT=on)", ["what", "off", "on", "added"])
    program = [str(RELEASE / "tests/bench/getppid"), "1000000"]
    result = medians({"off": under(LIBRARY, program),
                      "on": under(LIBRARY, program, LAMPREY_EXACT="on")},
                     lambda c: float(output_of(c)))
    table.add("a system call (getppid), ns of CPU time", f"{result['off']:.1f}", f"{result['on']:.1f}",
              f"{result['on'] - result['off']:+.1f}")
    started = medians({"off": under(LIBRARY, ["/bin/true"]),
                       "on": under(LIBRARY, ["/bin/true"], LAMPREY_EXACT="on")}, wall_ms, 31)
    table.add("process start (true), ms", f"{started['off']:.2f}", f"{started['on']:.2f}",
              f"{started['on'] - started['off']:+.2f}")
    return table


def stacks():
    """A stack is taken where a call may block, and for a sampled allocation."""
    table = Table("taking a stack, ns of CPU time",
                  ["what", "frames", "without the stack", "with", "added",
                   f"where a bare pair is {PAIR_THERE:g}", "budget", ""])
    program = str(RELEASE / "tests/bench/deep_calls")
    bare = medians({"bare": plain(pair_here())}, lambda c: float(output_of(c)))["bare"]
    for frames, how in ((2, []), (20, []), (20, ["moving"])):
        command = [program, "300000", "poll", str(frames), *how]
        result = medians({"without": plain(command), "with": under(LIBRARY, command)},
                         lambda c: float(output_of(c)))
        what = "the whole hook of poll()" + (", always from elsewhere" if how else "")
        add_scaled(table, (what, frames, f"{result['without']:.0f}", f"{result['with']:.0f}"),
                   result["with"] - result["without"], PAIR_THERE / bare, 300)
    for how in ([], ["moving"]):
        command = [program, "300000", "malloc", "20", *how]
        result = medians({"never": under(LIBRARY, command, LAMPREY_SAMPLE_BYTES="0"),
                          "always": under(LIBRARY, command, LAMPREY_SAMPLE_BYTES="1")},
                         lambda c: float(output_of(c)))
        what = "malloc, free, each sampled" + (", always from elsewhere" if how else "")
        add_scaled(table, (what, 20, f"{result['never']:.0f}", f"{result['always']:.0f}"),
                   result["always"] - result["never"], PAIR_THERE / bare, 250)
    return table


def start():
    table = Table("process start, ms", ["program", "without", "with Lamprey", "added", "budget", ""])
    # The distribution's, and the one that the tests run in, where that is another: its site may load
    # packages, each of which is some files more.
    pythons = {os.path.realpath(f"{sys.base_prefix}/bin/python3"): ", the tests' own",
               os.path.realpath("/usr/bin/python3"): ""}
    programs = [("true", ["/bin/true"])]
    for python, which in pythons.items():
        for code in ("pass", "import json, ssl, logging, asyncio"):
            programs.append((f"python3 -c '{code}'{which}", [python, "-c", code]))
    for name, command in programs:
        result = medians({"without": plain(command), "with": under(LIBRARY, command)}, wall_ms, 31)
        added = result["with"] - result["without"]
        table.add(name, f"{result['without']:.2f}", f"{result['with']:.2f}", f"{added:+.2f}", "≤ +3",
                  verdict(added, 3))
    environment = dict(os.environ, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1", LAMPREY="on")
    direct, wrapped = ["/bin/true"], [str(RELEASE / "lamprey"), "/bin/true"]

    def timed(command):
        begin = time.perf_counter_ns()
        with subprocess.Popen(command, env=environment) as process:
            process.wait()
        took = (time.perf_counter_ns() - begin) / 1e6
        forget_recording(process.pid)
        return took

    result = medians({"without": direct, "with": wrapped}, timed, 31)
    added = result["with"] - result["without"]
    table.add("wrapper + attach, true", f"{result['without']:.2f}", f"{result['with']:.2f}",
              f"{added:+.2f}", "≤ +5", verdict(added, 5))
    return table


# -- counts: these fail the run ----------------------------------------------------------------------


ITERATIONS = "iterations"  # stands for their number in a benchmark's arguments


def slope(program, arguments, few, many, library):
    """Instructions per iteration, by callgrind, from two lengths of the same loop."""
    counts = []
    for iterations in (few, many):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                   str(RELEASE / "tests/bench" / program),
                   *(str(iterations) if a == ITERATIONS else a for a in arguments)]
        with subprocess.Popen(under(library, command) if library else command,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            errors = process.communicate()[1]
        forget_recording(process.pid)
        counts.append(int(re.search(r"Collected : (\d+)", errors)[1]))
    return (counts[1] - counts[0]) / (many - few)


def instructions():
    # The limits are what the loops took when they were last looked at, and a tenth: they catch drift.
    table = Table("instructions (callgrind), exact", ["loop", "without", "with", "added", "limit", ""])
    for name, program, arguments, limit in (
            ("malloc+free", "malloc_pair", ["1", ITERATIONS], 69),
            ("read", "read_byte", [ITERATIONS], 197),
            ("lstat, 30 bytes", "lstat_path", [ITERATIONS, "/usr/share/../share/../bin/env"], 350),
            ("poll, 20 frames deep", "deep_calls", [ITERATIONS, "poll", "20"], 480)):
        without = slope(program, arguments, 2000, 12000, None)
        with_lamprey = slope(program, arguments, 2000, 12000, LIBRARY)
        added = with_lamprey - without
        table.add(name, f"{without:.1f}", f"{with_lamprey:.1f}", f"{added:+.1f}", f"≤ {limit}",
                  verdict(added, limit))
        table.failed |= added > limit or added < 5  # below 5 the library was not there at all
    return table


RSS = "import re; print(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1])"


def sizes():
    table = Table("sizes", ["what", "bytes", "budget", ""])
    for architecture in ("x86_64", "arm64"):
        archive = ROOT / f"dist/lamprey-{architecture}.zip"
        if not archive.exists():
            table.add(f"layer {architecture}", "not built (layer/build)", "", "")
            continue
        import zipfile
        with zipfile.ZipFile(archive) as layer:
            companion = layer.getinfo("extensions/lamprey").file_size
            library = layer.getinfo("lib/liblamprey.so").file_size
        size = archive.stat().st_size
        table.add(f"layer {architecture}, zipped", size, "≤ 1,000,000", verdict(size, 1_000_000))
        table.add(f"companion {architecture}", companion, "≤ 800,000", verdict(companion, 800_000))
        table.add(f"library {architecture}", library, "", "")
        table.failed |= size > 1_000_000 or companion > 800_000
    python = os.path.realpath(sys.executable)
    result = medians({"without": plain([python, "-c", RSS]),
                      "with": under(LIBRARY, [python, "-c", RSS])}, lambda c: int(output_of(c)), 5)
    added = (result["with"] - result["without"]) * 1024
    table.add("RSS added to python3", int(added), "≤ 4,000,000", verdict(added, 4_000_000))
    table.failed |= added > 4_000_000
    return table


BENCHMARKS = {f.__name__: f for f in
              (allocation, read, stacks, start, register, flush, invocation, line, instructions, sizes,
               attribution, exact, exact_attribution, memory_peers, call_peers, cpu_cost, cpu_peers, storm, soak)}
LONG = {"cpu_peers", "storm", "soak"}  # ten minutes each: only when named, or for the page


PAGE = ROOT / "docs/benchmarks.md"
HEAD = """# Benchmarks

Made by `tests/bench/run --keep`. Figures are medians of alternating runs on a shared machine with 2 cores:
read the differences and ratios, not the absolute times. Instructions and sizes are exact, and fail the run when over. The
budgets in nanoseconds were set on a machine on which a bare pair of malloc and free takes 6.0 ns and a bare getppid()
105 ns; what is added here is also told at that machine's speed, and judged so.

"""


def page_with(tables, page):
    """The page with these tables in place of those of the same title; the others stay."""
    old = {part.split("\n", 1)[0]: "### " + part.rstrip() + "\n" for part in page.split("### ")[1:]}
    return HEAD + "\n".join((old | {table.title: table.text() for table in tables}).values())


def main(words):
    keep = "--keep" in words
    names = [word for word in words if word != "--keep"]
    names = names or [name for name in BENCHMARKS if keep or name not in LONG]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"tests/bench/run: unknown benchmark {unknown[0]}; accepted are {', '.join(BENCHMARKS)}",
              file=sys.stderr)
        return 2
    tables = []
    for name in names:
        tables.append(BENCHMARKS[name]())
        print(tables[-1].text(), flush=True)
    results = ROOT / "build/results"
    results.mkdir(parents=True, exist_ok=True)
    (results / "bench.json").write_text(json.dumps(
        [{"title": t.title, "columns": t.columns, "rows": t.rows} for t in tables], indent=1))
    if keep:
        PAGE.write_text(page_with(tables, PAGE.read_text() if PAGE.exists() else ""))
    return 1 if any(table.failed for table in tables) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
