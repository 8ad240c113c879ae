"""Exact mode: libc's changed code behaves as it did, counts as the kernel does, and is left alone
whenever something is not as expected."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from conftest import RELEASE, difference, execute, program

ON = {"LAMPREY_EXACT": "on"}
# ExactState of src/recording/kernel_section.h
STATES = {"off": 0, "on": 1, "not glibc": 2, "new glibc": 3, "no counter": 4, "threads": 5,
          "refused": 6, "no places": 7}  # fmt: skip


@pytest.mark.skipif("HAZARD_EXACT" in os.environ, reason="HAZARD_EXACT asks for it in every test")
def test_nothing_is_changed_unless_asked(library):
    run = execute([program("exact"), "changed"], preload=library)
    assert run.stdout == "as in the file\n"
    assert run.recording["exact"] == STATES["off"] and run.recording["kernel"] is None


@pytest.mark.parametrize("value", ["off", "ON", "1", ""])
def test_only_on_is_on(release_library, value):
    run = execute([program("exact"), "changed"], preload=release_library,
                  env={"LAMPREY_EXACT": value})  # fmt: skip
    assert run.stdout == "as in the file\n"


def test_most_places_are_led_to_us(library):
    run = execute([program("exact"), "changed"], preload=library, env=ON)
    assert run.stdout == "changed\n"
    assert run.recording["exact"] == STATES["on"]
    kernel = run.recording["kernel"]
    assert kernel["places"] > 400 and kernel["places_left"] < kernel["places"] / 10
    assert kernel["uncounted"] == 0


@pytest.mark.parametrize(
    "word", ["registers", "cancelled", "jumps", "interrupted", "looked_through", "children"]
)
def test_the_program_notices_nothing(library, word):
    """Registers and red zone, forced unwinding, longjmp out of a call, EINTR and SA_RESTART, a
    profiler's look through the gate, children made in six ways."""
    plain = execute([program("exact"), word])
    ours = execute([program("exact"), word], preload=library, env=ON)
    assert plain.status == 0 and plain.stdout
    assert ours.outcome() == plain.outcome()
    assert ours.recording["exact"] == STATES["on"]


def test_threads_together_are_counted_exactly(library):
    run = execute([program("exact"), "threads"], preload=library, env=ON)
    counted = run.recording["kernel"]["calls"]["getppid"]
    assert (counted["calls"], counted["in_histogram"]) == (80_000, 80_000)


def test_a_child_is_not_counted(library):
    """20 forked children make 100 calls each."""
    run = execute([program("exact"), "children"], preload=library, env=ON)
    assert "getppid" not in run.recording["kernel"]["calls"]


def test_a_followed_child_counts_for_itself(library):
    env = {**ON, "LAMPREY_FOLLOW_CHILDREN": "on"}
    before = set(pathlib.Path("/tmp/lamprey").glob("*.rec"))
    run = execute([program("exact"), "children"], preload=library, env=env)
    assert "getppid" not in run.recording["kernel"]["calls"]
    counts = []
    for path in set(pathlib.Path("/tmp/lamprey").glob("*.rec")) - before:
        dump = subprocess.run([program("recording_dump"), path], capture_output=True, check=True)
        kernel = json.loads(dump.stdout)["kernel"]
        counts.append(kernel["calls"].get("getppid", {}).get("calls", 0))
    assert counts.count(100) == 20, counts


# `strace -D` traces from aside, so that the program keeps the pid that is to be recorded.
STRACED = (
    'export LD_PRELOAD="" ; exec strace -D -f -c -o "$1" -E LD_PRELOAD="$0" -E LAMPREY_EXACT=on '
    '-E _LAMPREY_TARGET=$$ -E _LAMPREY_ROLE=run -- "$2" plain_calls "$3"'
)


def straced(library, rounds, folder):
    """What the kernel was asked for in so many rounds: by strace, and by the recording."""
    summary = folder / f"strace-{rounds}"
    run = execute(["/bin/sh", "-c", STRACED, library, summary, program("exact"), rounds])
    assert (run.status, run.stderr) == (0, "")
    for _ in range(100):  # strace writes it after the program has ended
        if summary.exists() and "total" in summary.read_text():
            break
        time.sleep(0.05)
    rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d+)? *(\w+)$", summary.read_text(), re.M)
    strace = {name: {"calls": int(n), "errors": int(e or 0)} for n, e, name in rows}
    strace.pop("total", None)
    kernel = {
        name: {"calls": c["calls"], "errors": c["errors"]}
        for name, c in run.recording["kernel"]["calls"].items()
    }
    return strace, kernel


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_strace_counts_the_same(release_library, tmp_path):
    none, some = straced(release_library, 1, tmp_path), straced(release_library, 51, tmp_path)
    by_strace, by_us = difference(some[0], none[0]), difference(some[1], none[1])
    # Our own: the walker asks whether a page of the stack can be read (page_probe.h). These always fail,
    # and the program makes none that does.
    probes = by_strace.get("rt_sigprocmask", {"calls": 0, "errors": 0})
    probes["calls"], probes["errors"] = probes["calls"] - probes["errors"], 0
    nonzero = {name: c for name, c in by_strace.items() if any(c.values())}
    assert {name: c for name, c in by_us.items() if any(c.values())} == nonzero
    # What the program calls, and what libc calls of itself: fopen's file, its properties, its text.
    assert nonzero["access"] == {"calls": 50, "errors": 50}
    assert nonzero["openat"]["calls"] == 100 and nonzero["newfstatat"]["calls"] == 50


def test_bytes_are_those_moved(library):
    one = execute([program("exact"), "plain_calls", 1], preload=library, env=ON)
    more = execute([program("exact"), "plain_calls", 51], preload=library, env=ON)
    calls = difference(more.recording["kernel"]["calls"], one.recording["kernel"]["calls"])
    assert calls["write"]["bytes"] == 5000
    assert calls["read"]["bytes"] == 5000 + 50 * len("exact\n")
    assert all(c["in_histogram"] == c["calls"] for c in calls.values())


def left_alone(run, state):
    assert run.stdout == "as in the file\n", run.stderr
    assert run.recording["exact"] == STATES[state]


def test_a_thread_that_runs_already(library, compiled):
    """Its code must not change under it. What is named last is initialised first."""
    early = compiled("libraries/early_thread.c", "-shared", "-fPIC", "-pthread")
    left_alone(execute([program("exact"), "changed"], preload=f"{library}:{early}", env=ON), "threads")


def test_code_that_may_not_be_changed(library, compiled):
    forbids = compiled("libraries/forbids_code.c", "-shared", "-fPIC")
    run = execute([program("exact"), "changed"], preload=f"{library}:{forbids}", env=ON)
    left_alone(run, "refused")


READ, WRITE, EXECUTE = 1, 2, 4


def test_code_that_may_not_be_made_writable(library, compiled):
    """The trial on one page was allowed, and then the change itself is not."""
    forbids = compiled("libraries/forbids_code.c", "-shared", "-fPIC",
                       f"-DPROTECTION={READ | WRITE | EXECUTE}")  # fmt: skip
    run = execute([program("exact"), "changed"], preload=f"{library}:{forbids}", env=ON)
    left_alone(run, "refused")


def test_code_that_may_not_be_made_as_it_was_is_executable(library, compiled):
    """The last step is refused, when the code has been changed: the process goes on all the same."""
    forbids = compiled("libraries/forbids_code.c", "-shared", "-fPIC",
                       f"-DPROTECTION={READ | EXECUTE}")  # fmt: skip
    for word in ("changed", "children", "threads"):
        plain = execute([program("exact"), word])
        run = execute([program("exact"), word], preload=f"{library}:{forbids}", env=ON)
        assert (run.status, run.stderr) == (0, ""), word
        assert run.stdout == ("changed\n" if word == "changed" else plain.stdout)
        assert run.recording["exact"] == STATES["on"]


def test_a_clock_that_is_a_call_itself():
    slow = RELEASE / "tests/bench/liblamprey_monotonic.so"
    left_alone(execute([program("exact"), "changed"], preload=slow, env=ON), "no counter")


@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed")
def test_instructions_begin_where_a_disassembler_says(tmp_path):
    """All of libc's, by the decoder that reads functions at attach."""
    libc = subprocess.run(["cc", "-print-file-name=libc.so.6"], capture_output=True, text=True,
                          check=True).stdout.strip()  # fmt: skip
    listing = subprocess.run(["objdump", "-d", "-w", "--insn-width=20", libc], capture_output=True,
                             text=True, check=True).stdout  # fmt: skip
    found = re.findall(r"^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+)", listing, re.M)
    assert len(found) > 100_000
    given = "".join(line.replace(" ", "") + "\n" for line in found)
    run = subprocess.run([program("instructions")], input=given, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert run.stdout == f"{len(found)} instructions, 0 wrong\n"
