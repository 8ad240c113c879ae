"""What an invocation of a small function costs, in counts: times say nothing on a shared machine."""

import shutil
import statistics
import sys
import time

import pytest

INVOCATIONS = 1200
SETTLED = 1000  # by then stacks have their names, and the directory is not looked at any more
MOST_CALLS = 12
PYTHON = [sys.executable, "-m", "awslambdaric", "trivial.handler"]
NEXT = "/extension/ev"  # of GET /2020-01-01/extension/event/next, as strace cuts it


def traced_layer(build, workspace):
    """The build's layer; the companion's system calls go to a file."""
    trace = workspace / "trace"
    layer = workspace / "layer"
    for name in ("lamprey", "lib/liblamprey.so"):
        (layer / name).parent.mkdir(parents=True, exist_ok=True)
        (layer / name).symlink_to(build / name)
    extension = layer / "extensions" / "lamprey"
    extension.parent.mkdir()
    extension.write_text(f"#!/bin/sh\nexec strace -D -o {trace} {build}/extensions/lamprey\n")
    extension.chmod(0o755)
    return layer, trace


def calls_by_invocation(trace):
    """How many system calls lie between two requests for the next event."""
    # A call that the freeze stopped is restarted by the kernel, and stands there twice.
    lines = [line for line in trace.read_text().splitlines() if "(To be restarted" not in line]
    asked = [at for at, line in enumerate(lines) if line.startswith("sendto(") and NEXT in line]
    return [later - earlier for earlier, later in zip(asked, asked[1:], strict=False)]


@pytest.mark.skipif(not shutil.which("strace"), reason="system calls are counted with strace")
def test_the_end_of_a_trivial_invocation_takes_a_dozen_system_calls(
    local_lambda, build, workspace
):
    layer, trace = traced_layer(build, workspace)
    with local_lambda.serve(*PYTHON, layer=layer) as serving:
        for number in range(INVOCATIONS):
            if number == SETTLED - 100:
                time.sleep(2.5)  # a quick machine comes so far before the directory has been left alone for 2 s
            serving.invoke({})
        log = serving.stop()
    assert len(log.invokes) == INVOCATIONS
    counts = calls_by_invocation(trace)
    assert len(counts) >= INVOCATIONS
    assert statistics.median(counts[SETTLED:INVOCATIONS]) <= MOST_CALLS, counts
    assert min(counts) >= 5, counts  # else they were not counted


def test_short_lines_have_the_same_figures_as_full_ones(local_lambda):
    """What a short line shows is exact, although less is looked at for it."""
    full = local_lambda.run(*PYTHON, invocations=40, env={"LAMPREY_DETAIL": "full"}).invokes
    short = local_lambda.run(*PYTHON, invocations=40).invokes
    for name, most in (("peak_rss_bytes", 1.2), ("syscalls", 1.2), ("live_bytes", 1.2)):
        a, b = (statistics.median(line[name] for line in lines[20:]) for lines in (full, short))
        assert a / most <= b <= a * most, name
    assert all("fd_use" in line["system"] and "rx_bytes" in line["system"] for line in full[1:])
    assert "system" in short[0] and "fd_use" in short[0]["system"]


def test_a_full_line_in_the_middle_says_what_came_in_since_the_one_before(local_lambda):
    lines = local_lambda.run(*PYTHON, invocations=101, seconds=120).invokes
    hundredth = lines[99]["system"]
    assert {"fd_use", "fd_max", "threads_max", "rx_bytes", "tx_bytes"} <= hundredth.keys()
    assert hundredth["rx_bytes"] < 1 << 30  # of one invocation, not of the machine's life
