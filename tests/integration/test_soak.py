"""Thousands of invocations in one environment: no line is missing, and the companion does not grow.

A hundred times as many, on the shipped companion: tests/bench/soak.py.
"""

import shutil
import subprocess

import pytest

INVOCATIONS = 5000
MOST_GROWTH = 128 * 1024  # bytes; what one page for each ten invocations would be is 2 MB


@pytest.mark.slow
@pytest.mark.parametrize("flush", ["end", "batch"])
def test_five_thousand_invocations(local_lambda, root, workspace, flush):
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    program = workspace / "client"
    source = root / "tests" / "integration" / "handlers" / "client.c"
    subprocess.run(["gcc", "-O1", source, "-o", program], check=True)
    env = {"LAMPREY_FLUSH": flush}
    log = local_lambda.run(program, event=3, invocations=INVOCATIONS, seconds=240, env=env)
    assert [r["invocation"] for r in log.invokes] == list(range(1, INVOCATIONS + 1))
    assert {r["memory"]["allocations"] for r in log.invokes} == {3}
    sizes = [r["self"]["companion_rss_bytes"] for r in log.invokes
             if "companion_rss_bytes" in r["self"]]  # fmt: skip
    assert len(sizes) >= INVOCATIONS // 100, "every hundredth line is full"
    settled = sizes[len(sizes) // 10]
    assert sizes[-1] <= settled + MOST_GROWTH, (settled, sizes[-1])
