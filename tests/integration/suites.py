"""Runs the test suite of a program twice, without the library and with it, and compares.

Both run at the same time, each in a room of its own (network, processes, /tmp), so that they want
the same ports and leave nothing running. What the suites are stands in test_suites.py.
"""

import collections
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
ROOM = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
# The suite works on a copy: $1 is its folder, the rest the command.
ENTER = """
ip link set lo up && mkdir -m 1777 /tmp/lamprey && cp -r "$1" /tmp/suite && cd /tmp/suite &&
shift && exec "$@"
"""


@dataclasses.dataclass
class Ran:
    output: str
    records: list  # one for each process that was recorded


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


def source(package):
    """The folder of a program's sources, which layer/install fetches."""
    path = ROOT / "build" / "sources" / package
    if not path.is_dir():
        pytest.skip(f"no sources of {package} here: layer/install tests could not fetch them")
    return path


def run_tool(*words, **options):
    """A step of the preparation: what it printed is shown when it fails."""
    ran = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=280, **options
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]


class Suite:
    """A folder, which is /tmp/suite for what runs in it."""

    def __init__(self, build, workspace, private_tmp):
        self.folder = workspace / "suite"
        self._workspace = workspace
        self._private_tmp = private_tmp
        self._library = build / "lib" / "liblamprey.so"
        self._dump = build / "tests" / "hazard" / "recording_dump"
        self._unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *ROOM]
        if subprocess.run([*self._unshare, "ip", "link"], capture_output=True).returncode != 0:
            pytest.skip("no namespaces for network and processes are allowed here (unshare)")
        if not self._dump.exists():
            pytest.fail(f"{self._dump} is not built: cmake --build --preset release")

    def _start(self, name, command, env):
        records = self._workspace / f"{name}.records"
        inside = ["sh", "-c", ENTER, "sh", self.folder, sys.executable, "-B"]
        inside += [FOLDER / "suite_room.py", self._dump, records, *command]
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return subprocess.Popen(
            [*map(str, self._unshare), *self._private_tmp(inside)],
            env={**kept, "LC_ALL": "C.UTF-8", **env},
            stdin=subprocess.DEVNULL,
            stdout=(self._workspace / f"{name}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )

    def run(self, command, env, seconds):
        """The plain run and the one where SUITE_LIBRARY names the library."""
        with_it = {**env, "SUITE_LIBRARY": str(self._library)}
        running = {
            "plain": self._start("plain", command, env),
            "recorded": self._start("recorded", command, with_it),
        }
        end = time.monotonic() + seconds
        try:
            for process in running.values():
                process.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            pytest.fail(f"{command} has not ended within {seconds} s")
        finally:
            for process in running.values():
                process.kill()  # and with it all that is in its room
                process.wait()
        return [self._result(name) for name in running]

    def _result(self, name):
        output = (self._workspace / f"{name}.log").read_text(errors="replace")
        lines = (self._workspace / f"{name}.records").read_text().splitlines()
        return Ran(output, [json.loads(line) for line in lines])  # suite_room.py's: no records


def outcomes(output, pattern):
    """What became of each test, by its name: a list, as names come more than once."""
    found = collections.defaultdict(list)
    for how, name in pattern.findall(output):
        found[name].append(how)
    return {name: sorted(all_of) for name, all_of in found.items()}


def differing(plain, recorded):
    return {
        name: (plain.get(name), recorded.get(name))
        for name in plain | recorded
        if plain.get(name) != recorded.get(name)
    }


def check_recorded(plain, recorded, programs, least):
    """A library that stays inert proves nothing: there were recordings, with calls in them."""
    assert plain.records == []
    # A process that is killed while the library attaches leaves a recording that was not finished.
    unreadable = [record for record in recorded.records if "unreadable" in record]
    assert len(unreadable) <= 1 + len(recorded.records) // 50, unreadable
    ours = [r for r in recorded.records if pathlib.Path(r.get("executable", "")).name in programs]
    assert sum(r["calls"] > 0 for r in ours) >= least, f"{len(ours)} were recorded"


def copy(path, to, *leave_out):
    shutil.copytree(path, to, symlinks=True, ignore=shutil.ignore_patterns(*leave_out))
