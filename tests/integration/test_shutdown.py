"""What the companion does at SHUTDOWN, with the largest recording there can be and a tenth of a CPU:
Lambda gives all extensions together 2,000 ms, and 300 of them are ours.
"""

import contextlib
import os
import pathlib
import threading
import time

import pytest
from custom_runtime import custom_runtime, library

MOST_MS = 300
PERIOD_US = 100_000
TENTH_US = PERIOD_US // 10
INVOCATIONS = 140  # more than the ring has room for
DEBUG = {"LAMPREY_LOG": "debug"}

pytestmark = pytest.mark.alone


@pytest.fixture(scope="session")
def full():
    """The program, and a library that it can load often."""
    through = library("full-module", "int through(void (*back)(void)) { back(); return 1; }")
    return custom_runtime("full"), through


class SlowCpu:
    """A control group whose processes get a tenth of a CPU; version 2 or 1."""

    def __init__(self):
        name = f"lamprey-test-{os.getpid()}"
        root = pathlib.Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():
            self.path = root / name
            self.path.mkdir()
            (self.path / "cpu.max").write_text(f"{TENTH_US} {PERIOD_US}")
        else:
            self.path = root / "cpu" / name
            self.path.mkdir()
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.path / "cpu.cfs_quota_us").write_text(str(TENTH_US))

    def take(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self):
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.05)


@pytest.fixture
def slow_cpu():
    try:
        group = SlowCpu()
    except OSError as error:
        pytest.skip(f"no control group with a quota of CPU can be made here: {error}")
    yield group
    group.remove()


def children(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from children(int(child))


def companion_of(serving):
    for pid in children(serving._process.pid):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe").endswith("/extensions/lamprey"):
                return pid
    return None


def when(seen, what, seconds=20):
    """The moment at which `seen` first finds something, looked at every ms, and what."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := seen():
            return time.monotonic(), found
        time.sleep(0.001)
    raise AssertionError(f"not within {seconds} s: {what}")


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False



def shutdown_of(local_lambda, slow_cpu, full, way):
    """How long the companion took from hearing of SHUTDOWN to its end, in ms, and its last record."""
    program, through = full
    env = {**DEBUG, "FULL_LIBRARY": str(through)}
    with local_lambda.serve(program, env=env, timeout=3, memory=2048) as serving:
        for _ in range(0 if way.endswith("first") else INVOCATIONS):
            assert not serving.invoke({})[1]
        asking = threading.Thread(target=serving.invoke, args=[{"way": "hang"}])
        if way.startswith("timeout"):
            asking.start()
        companion = when(lambda: companion_of(serving), "the companion")[1]
        slow_cpu.take(companion)
        if way == "spindown":
            began = time.monotonic()  # the runtime's own end is in it
            serving._process.terminate()
        else:
            began = when(lambda: any("lamprey: SHUTDOWN" in x for x in serving.log().lines), way)[0]
        ended = when(lambda: not runs(companion), "the companion's end")[0]
        if way.startswith("timeout"):
            asking.join()
        [whole] = serving.stop().of_type("shutdown")
    return (ended - began) * 1000, whole


@pytest.mark.slow
@pytest.mark.parametrize("way", ["spindown", "timeout", "timeout of the first"])
def test_a_full_recording_is_told_within_300_ms_on_a_tenth_of_a_cpu(
    local_lambda, slow_cpu, full, way
):
    """`timeout of the first`: no name was looked up before, and there is no line after this one. Of
    three tries one must do: the machine has others to serve."""
    for _ in range(3):
        took_ms, whole = shutdown_of(local_lambda, slow_cpu, full, way)
        lost = whole["coverage"]["lost"]
        print(f"{way}: {took_ms:.0f} ms; lost {lost}")
        # The tables are full: each refused something.
        assert {"stacks", "modules", "threads_without_slot", "targets_refused"} <= set(lost), lost
        if took_ms <= MOST_MS:
            return
    pytest.fail(f"{took_ms:.0f} ms, allowed are {MOST_MS}")
