"""Benchmark `soak`: very many invocations of a small C runtime in one environment, with the shipped
layer. Each must have its line, once; the companion's memory and descriptors are looked at on the way.

Resident memory is VmRSS: its own pages, those of its file that were touched, and one page each of the
recording and the journal. The figure of 10^3 is where it has settled; from there it must not grow.

Alone: tests/bench/soak.py [INVOCATIONS] [LAYER]   (100000, dist/lamprey-x86_64.zip unpacked)
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE, ROOT, Table, verdict

sys.path.insert(0, str(ROOT / "tests" / "integration"))
import record_schema  # noqa: E402

INVOCATIONS = 100_000
CHECKED_EVERY = 100  # lines held against the contract
MOST_RSS = 2_000_000
MOST_DRIFT = 64 * 1024



def companion_of(local):
    """The companion's folder in /proc; it is started by a thread of the local Lambda."""
    for thread in pathlib.Path(f"/proc/{local}/task").iterdir():
        for child in (thread / "children").read_text().split():
            process = pathlib.Path(f"/proc/{child}")
            if os.readlink(process / "exe").endswith("extensions/lamprey"):
                return process
    return None


def resident_and_descriptors(process):
    pages = int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(process / "fd"))


class Lines:
    """The lines that have come: how many of invocations, their numbers and ids, END to `next`."""

    def __init__(self, path):
        self.file, self.rest = open(path, "rb"), b""
        self.ids, self.wrong, self.flushes = set(), 0, []
        self.seen = 0

    def take(self):
        *whole, self.rest = (self.rest + self.file.read()).split(b"\n")
        for line in whole:
            record = json.loads(line)
            if self.seen % CHECKED_EVERY == 0:
                record_schema.check(line.decode())
            if record["type"] != "invoke":
                continue
            self.seen += 1
            self.wrong += record["invocation"] != self.seen or record["request_id"] in self.ids
            self.ids.add(record["request_id"])
            self.flushes += [record["self"]["flush_ms"]] if "flush_ms" in record["self"] else []


def run(layer, invocations, folder):
    """(lines, {invocations: (bytes resident, descriptors)})"""
    program, records = folder / "client", folder / "records"
    source = ROOT / "tests/integration/handlers/client.c"
    subprocess.run(["gcc", "-O1", source, "-o", program], check=True)
    records.touch()
    lines, looks, process = Lines(records), {}, None
    marks = [mark for mark in (1_000, 10_000, 100_000, 1_000_000) if mark < invocations]
    # The last look must come while it lives.
    marks.append(invocations * 99 // 100)
    command = [RELEASE / "bin/lamprey", "local", "--layer", layer, "--invocations", str(invocations),
               "--timeout", "60", "--event", "3", "--out", records, "--", program]
    with open(folder / "complaints", "wb") as complaints, subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=complaints) as local:
        while local.poll() is None:
            lines.take()
            try:
                process = process or companion_of(local.pid)
                if process and marks and lines.seen >= marks[0]:
                    looks[lines.seen] = resident_and_descriptors(process)
                    print(f"{lines.seen} invocations:", *looks[lines.seen], file=sys.stderr, flush=True)
                    marks.pop(0)
            except OSError:
                pass  # it is just starting, or gone
            time.sleep(0.05)
    lines.take()
    if local.returncode != 0:
        last = (folder / "complaints").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"lamprey local ended with {local.returncode} after {lines.seen}: {last}")
    return lines, looks


def soak(invocations=INVOCATIONS, layer=None):
    table = Table(f"soak of {invocations:,} invocations", ["what", "figure", "must be", ""])
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        folder = pathlib.Path(folder)
        if layer is None:
            machine = "arm64" if os.uname().machine == "aarch64" else "x86_64"
            archive = ROOT / f"dist/lamprey-{machine}.zip"
            if not archive.exists():
                raise SystemExit(f"soak: {archive} is not there: run layer/build first")
            subprocess.run(["unzip", "-q", archive, "-d", folder / "layer"], check=True)
            layer = folder / "layer"
        lines, looks = run(layer, invocations, folder)
    flushes = sorted(lines.flushes)
    table.add("lines", lines.seen, f"{invocations}", verdict(abs(lines.seen - invocations), 0))
    table.add("ids that came twice, numbers out of order", lines.wrong, "0", verdict(lines.wrong, 0))
    first = next(iter(looks.values()))
    for count, (resident, descriptors) in looks.items():
        table.add(f"companion RSS after {count:,}, MB", f"{resident / 1e6:.2f}", "≤ 2",
                  verdict(resident, MOST_RSS))
        table.add(f"descriptors after {count:,}", descriptors, f"{first[1]}",
                  verdict(abs(descriptors - first[1]), 0))
        table.failed |= (resident > MOST_RSS or descriptors != first[1] or
                         resident > first[0] + MOST_DRIFT)
    table.add("END mark → next, ms, median", f"{statistics.median(flushes):.3f}", "≤ 1",
              verdict(statistics.median(flushes), 1))
    table.add("END mark → next, ms, p99", f"{flushes[len(flushes) * 99 // 100]:.3f}", "≤ 2",
              verdict(flushes[len(flushes) * 99 // 100], 2))
    table.failed |= lines.seen != invocations or lines.wrong != 0
    return table


def main(words):
    layer = pathlib.Path(words[1]) if len(words) > 1 else None
    table = soak(int(words[0]) if words else INVOCATIONS, layer)
    print(table.text())
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
