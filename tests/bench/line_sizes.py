#!/usr/bin/env python3
"""How long the lines of small functions are, in each LAMPREY_DETAIL mode, with metrics and without:
the figures of docs/cost.md. Prints a table.

    build/venv/bin/python tests/bench/line_sizes.py
"""

import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# With nothing to find, and with a finding or an error now and then or always.
FUNCTIONS = {"ordinary": "healthy sleeps reads".split(), "in trouble": "leaks asks fails".split()}
INVOCATIONS = 101


def sizes(function, detail, metrics):
    ran = subprocess.run(
        [ROOT / "build/release/bin/lamprey", "local", "--layer", ROOT / "build/release",
         "--invocations", str(INVOCATIONS), "--env", f"AWS_LAMBDA_FUNCTION_NAME={function}",
         "--env", f"LAMPREY_DETAIL={detail}", "--env", f"LAMPREY_METRICS={metrics}",
         "--", sys.executable, "-m", "awslambdaric", f"fleet.{function}"],
        cwd=ROOT / "tests/integration/handlers", capture_output=True, text=True,
    )  # fmt: skip; its status tells of the function that fails
    found = [len(line.encode()) for line in ran.stdout.splitlines()
             if line.startswith('{"lamprey"') and '"type":"invoke"' in line]  # fmt: skip
    assert len(found) == INVOCATIONS
    return found


def main():
    print(f"{'':18} {'metrics on':>14} {'metrics off':>14}   bytes of a line, mean (largest)")
    for kind, functions in FUNCTIONS.items():
        for detail in ("short", "auto", "full"):
            cells = []
            for metrics in ("on", "off"):
                found = [size for name in functions for size in sizes(name, detail, metrics)]
                cells.append(f"{statistics.mean(found):.0f} ({max(found)})")
            print(f"{kind:11} {detail:6} {cells[0]:>14} {cells[1]:>14}")


if __name__ == "__main__":
    main()
