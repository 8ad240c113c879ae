"""Stacks that a signal interrupted: crashes where a stack is hard to walk, and both walkers at every
instruction of some work. How they compare is told in docs/decisions/stack-walkers.md."""

import bisect
import os
import signal
import subprocess

import pytest
from conftest import ARCHITECTURE, execute, program

UP_TO_MAIN = ["middle", "outer", "main"]
# The program's own functions that must be on the stack, innermost first; None: no function of its.
# "...": what follows is not to be known, and nothing may be made up.
CRASHES = {
    "leaf": ["leaf", *UP_TO_MAIN],
    "null_call": [None, "calls_null", *UP_TO_MAIN],
    "null_call_with_frame_pointer": [None, "calls_null_with_frame_pointer", *UP_TO_MAIN],
    "wild_call": [None, "calls_wild", *UP_TO_MAIN],
    "data_call": [None, "calls_data", *UP_TO_MAIN],
    "handler": ["leaf", "on_signal", None, None, None, "raises", *UP_TO_MAIN],
    "callback": ["leaf", "compare", None, None, None, "calls_back", *UP_TO_MAIN],
    "stub": [None, "through_a_stub", *UP_TO_MAIN],
    "prologue": ["in_prologue", *UP_TO_MAIN],
    "epilogue": ["in_epilogue", *UP_TO_MAIN],
}
X86_64 = {
    "odd_frame": ["with_odd_frame", *UP_TO_MAIN],
    "no_stack": ["without_stack", "..."],
    "ruined_frame_pointer": ["with_ruined_frame_pointer", "..."],
    "smashed": ["smashed", None, "..."],
    "made_code": [None, "runs_made_code", *UP_TO_MAIN],
    "looping_code": [None, "runs_looping_code", *UP_TO_MAIN],
}
if ARCHITECTURE == "x86_64":
    CRASHES |= X86_64


@pytest.fixture(scope="module")
def functions():
    """Where the functions of the program begin, as far as it has them: (offset, name), ascending."""
    table = subprocess.run(
        ["nm", "-n", "-S", program("crashes")], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in table.stdout.splitlines()]
    code = [row for row in rows if len(row) == 4 and row[2] in "tT"]
    return [(int(begin, 16), int(size, 16), name) for begin, size, _, name in code]


def name_of(frame, functions):
    path, _, offset = frame.partition("+")
    if os.path.basename(path) != "crashes":
        return None
    at = int(offset, 0) - 1  # of a return address: the call
    begin, size, name = functions[bisect.bisect_right(functions, (at, 1 << 62, "")) - 1]
    return name.split(".")[0] if begin <= at < begin + size and name.islower() else None


@pytest.mark.parametrize("way", CRASHES)
def test_a_crash_where_a_stack_is_hard_to_walk(library, functions, way):
    run = execute([program("crashes"), way], preload=library, limit_s=20)
    assert run.status == -signal.SIGSEGV
    death = run.recording["death_by_signal"]
    assert death["stack"] != 0
    stack = run.recording["stacks"][death["stack"] - 1]
    names = [name_of(frame, functions) for frame in stack["frames"]]
    expected = CRASHES[way]
    if expected[-1] == "...":
        assert names == expected[:-1]
        return
    seen = names[: names.index("main") + 1]
    # How many frames libc has between is its own affair.
    assert [n for n in seen if n] == [n for n in expected if n]
    assert (seen[0] is None) == (expected[0] is None)


def test_an_overflow_shows_the_functions_that_recur(library, functions):
    run = execute([program("crashes"), "overflow"], preload=library, limit_s=20)
    death = run.recording["death_by_signal"]
    stack = run.recording["stacks"][death["stack"] - 1]
    assert stack["cut"] and len(stack["frames"]) == 128
    assert {name_of(frame, functions) for frame in stack["frames"]} == {"endless"}


def walks_of(library, *words):
    run = execute([program("signal_walks"), *words], preload=library, limit_s=200)
    assert (run.status, run.stderr) == (0, "")
    for line in run.stdout.splitlines():
        name, instants, whole, libunwind, ours, libgcc, *_ = line.split()
        assert whole == "whole"
        counts = {"libunwind": int(libunwind), "ours": int(ours), "libgcc": int(libgcc)}
        yield name, int(instants), counts


@pytest.mark.skipif(ARCHITECTURE != "x86_64", reason="only x86_64 can stop at every instruction")
def test_at_every_instruction_the_walk_reaches_the_bottom(tripwire_library):
    """libgcc's walker is the referee; ours, which is for calls, is told for the decision's figures."""
    works = list(walks_of(tripwire_library))
    assert {"deep", "callback", "library_calls", "exception", "odd_frame"} <= {w[0] for w in works}
    total = sum(instants for _, instants, _ in works)
    whole = {who: sum(counts[who] for *_, counts in works) for who in ("libunwind", "ours", "libgcc")}
    print(f"{total} instants; whole walks: {whole}")
    assert total > 10_000
    for name, instants, counts in works:
        assert instants > 0, name
        # What both miss are a handful of instructions of the C++ runtime without a table.
        assert counts["libunwind"] >= counts["libgcc"] >= 0.999 * instants, name
    assert whole["ours"] < whole["libunwind"]  # else one walker would do
