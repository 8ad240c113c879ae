#!/usr/bin/env python3
"""Very many invocations of a small C runtime in one environment, with the shipped layer: time from
END to `next`, and the companion's memory, along the way. Prints a table; status 1 when the companion
has more than 2 MB resident.

    tests/bench/soak.py [INVOCATIONS] [LAYER]     (default 100000, dist/lamprey-x86_64.zip unpacked)
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_RSS = 2 * 1024 * 1024


def layer_of(words, folder):
    if len(words) > 1:
        return pathlib.Path(words[1])
    archive = ROOT / "dist" / "lamprey-x86_64.zip"
    if not archive.exists():
        raise SystemExit(f"soak.py: {archive} is not there: run layer/build x86_64 first")
    subprocess.run(["unzip", "-q", archive, "-d", folder], check=True)
    return folder


def main(words):
    invocations = int(words[0]) if words else 100_000
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        folder = pathlib.Path(folder)
        program = folder / "client"
        subprocess.run(
            ["gcc", "-O1", ROOT / "tests/integration/handlers/client.c", "-o", program], check=True
        )
        command = [
            ROOT / "build/release/bin/lamprey", "local", "--layer", layer_of(words, folder / "layer"),
            "--invocations", invocations, "--event", "3", "--out", folder / "records", "--", program,
        ]  # fmt: skip
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        seen, flushes, sizes = 0, [], []
        with open(folder / "records", encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                if record["type"] != "invoke":
                    continue
                seen += 1
                assert record["invocation"] == seen, f"invocation {seen} is missing"
                own = record["self"]
                flushes += [own["flush_ms"]] if "flush_ms" in own else []
                sizes += [own["companion_rss_bytes"]] if "companion_rss_bytes" in own else []
    flushes.sort()
    print(f"invocations {seen} of {invocations}, each with its line")
    print(f"END to next: median {statistics.median(flushes):.3f} ms, "
          f"p99 {flushes[len(flushes) * 99 // 100]:.3f} ms, most {flushes[-1]:.3f} ms")  # fmt: skip
    print(f"companion: {sizes[0]} bytes resident at first, {sizes[-1]} at the end, budget {MOST_RSS}")
    return int(seen != invocations or max(sizes) > MOST_RSS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
