"""CPython's own tests give the same results with the library as without it.

The parts that are about system calls, processes, threads, signals and sockets. Each part runs twice
at the same time; a test that differs is tried again, in both, before it counts.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import xml.etree.ElementTree

import pytest
import record_schema
from test_python_runtime import VERSIONS

SECONDS = 280
TRIES = 3
LEFT_OUT = [
    # Pure Python and slow; the parts about sockets, pipes and child processes stay.
    *[f"test.test_asyncio.{name}.*" for name in ("test_tasks", "test_futures", "test_taskgroups")],
    *[f"test.test_asyncio.{name}.*" for name in ("test_ssl", "test_sslproto")],
    "*NoPoll*",  # test_subprocess once more, with another way of waiting
    # The pool's manager and the thread that feeds its queue wait for each other now and then, whoever
    # watches (python/cpython issue 125451, which names the first; the second was seen here).
    "*test_processes_terminate*",
    "*test_shutdown_deadlock_pickle*",
]
PARTS = [
    "test_os",
    "test_mmap",
    "test_fork1",
    "test_threading",
    "test_socket",
    "test_signal",
    "test_subprocess",
    "test_selectors",
    "test_select",
    "test_posix",
    "test_io",
]
# Minutes each: `tests/run long`.
LONG_PARTS = ["test_asyncio", "test_ssl", "test_concurrent_futures", "test_multiprocessing_spawn"]


def has_tests(python):
    code = "import test.regrtest, test.test_os, test.test_fork1"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def python():
    """The newest Python that brings its tests along."""
    for version in sorted(VERSIONS, key=lambda v: [int(n) for n in v.split(".")], reverse=True):
        if has_tests(VERSIONS[version]):
            return pathlib.Path(VERSIONS[version])
    pytest.skip("no Python here brings its own tests (the module `test`)")


def outcomes(path):
    """What became of each test, by its name."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[case.get("name")] = kinds.pop() if kinds else "ok"
    return found


# Whoever else runs these tests on this machine must not be met: loopback, fixed ports, names of abstract
# sockets and System V's identifiers are this run's own. Virtual sockets (to the machine's host, on one
# fixed port) have no namespace; without their device the tests leave them out.
ROOM = """
ip link set lo up && { [ ! -e /dev/vsock ] || mount --bind /dev/null /dev/vsock; } && exec "$@"
"""


class Both:
    """Runs a part of the tests without and with the library, side by side."""

    def __init__(self, python, build, workspace, room):
        self.workspace = workspace
        self.room = room
        self.record = workspace / "records.jsonl"
        under = [build / "bin" / "lamprey", "run", "--quiet", "--out", self.record, "--"]
        self.prefixes = {"plain": [python], "recorded": [*under, python]}

    def run(self, part, *options):
        running = {}
        for name, prefix in self.prefixes.items():
            folder = self.workspace / name
            folder.mkdir(exist_ok=True)
            (folder / "result.xml").unlink(missing_ok=True)
            words = ["-m", "test", "--junit-xml", "result.xml", *options, part]
            # Some wait for a SIGINT, which whoever is started in the background ignores.
            with_signals = ["env", "--default-signal=INT"]
            log = (folder / "log").open("wb")
            running[name] = subprocess.Popen(
                self.room(list(map(str, [*with_signals, *prefix, *words]))),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for name, process in running.items():
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                for other in running.values():  # and what they had started, which may spin
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(other.pid, signal.SIGKILL)
                pytest.fail(f"{part} ({name}) does not end within {SECONDS} s")
        return [outcomes(self.workspace / name / "result.xml") for name in running]


@pytest.fixture
def both(python, build, workspace, local_lambda):
    """Each run has a room of its own; where none can be had, a /tmp."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    enter = ["unshare", *user, "--mount", "--net", "--ipc", "sh", "-c", ROOM, "sh"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        enter = []
    return Both(python, build, workspace, lambda command: [*enter, *local_lambda.wrap(command)])


@pytest.mark.slow
@pytest.mark.spread
@pytest.mark.parametrize(
    "part", [*PARTS, *(pytest.param(part, marks=pytest.mark.long) for part in LONG_PARTS)]
)
def test_same_results_as_without(both, part):
    options = [word for pattern in LEFT_OUT for word in ("-i", pattern)]
    plain, recorded = both.run(part, *options)
    assert len(plain) > 1 and any(outcome == "ok" for outcome in plain.values())
    records = [record_schema.check(line) for line in both.record.read_text().splitlines()]
    assert [record["type"] for record in records].count("run") == 1, "it was recorded"
    differing = {name for name in plain | recorded if plain.get(name) != recorded.get(name)}
    for _ in range(TRIES):
        for name in sorted(differing):
            again = [result.get(name) for result in both.run(part, "-m", name)]
            if again[0] == again[1]:
                differing.discard(name)
    said = {name: (plain.get(name), recorded.get(name)) for name in differing}
    assert not said, "each test: what it gives without, what with the library"
