"""How benchmarks run, take turns and are written down. What is measured stands in bench.py and
peers.py; no benchmark may live here.
"""

import pathlib
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build/release"
LIBRARY = RELEASE / "lib/liblamprey.so"
MONOTONIC = RELEASE / "tests/bench/liblamprey_monotonic.so"
ROUNDS = 9


def under(library, command, **settings):
    """The command as `lamprey run` would start it, without the report afterwards."""
    if library is None:
        return command
    assignments = "".join(f" {name}={value}" for name, value in settings.items())
    script = f'export LD_PRELOAD="$0" _LAMPREY_TARGET=$$ _LAMPREY_ROLE=run{assignments}; exec "$@"'
    return ["bash", "-c", script, str(library), *command]


def plain(command):
    """The same number of process starts as under()."""
    return ["bash", "-c", 'exec "$@"', "bash", *command]


def forget_recording(pid):
    pathlib.Path(f"/tmp/lamprey/{pid}.rec").unlink(missing_ok=True)


def output_and_ms(command):
    """What it printed, and how long it took from its start to its end. (Removing the recording is
    the companion's work, not the program's: its time is none of it.)"""
    begin = time.perf_counter_ns()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        text = process.communicate()[0]
    took = (time.perf_counter_ns() - begin) / 1e6
    forget_recording(process.pid)
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return text, took


def output_of(command):
    return output_and_ms(command)[0]


def wall_ms(command):
    return output_and_ms(command)[1]


def medians(variants, measure, rounds=ROUNDS):
    """{name: median} of measure(variant), the variants taking turns."""
    samples = {name: [] for name in variants}
    for name, variant in variants.items():
        measure(variant)  # warm
    for _ in range(rounds):
        for name, variant in variants.items():
            samples[name].append(measure(variant))
    return {name: statistics.median(values) for name, values in samples.items()}


class Table:
    def __init__(self, title, columns):
        self.title, self.columns, self.rows, self.failed = title, columns, [], False

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def text(self):
        widths = [max(len(row[i]) for row in [self.columns, *self.rows])
                  for i in range(len(self.columns))]
        lines = [f"### {self.title}", ""]
        for row in [self.columns, ["-" * w for w in widths], *self.rows]:
            lines.append("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |")
        return "\n".join(lines) + "\n"


def verdict(value, budget):
    return "within" if value <= budget else "OVER"
