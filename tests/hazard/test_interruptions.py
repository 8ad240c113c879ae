"""Cancellation, exceptions, longjmp and signal handlers: every way into and out of a hook that is no
call and no return (syscalls.md 3, "cancellation points", "async-signal-safety")."""

import json
import os

import pytest
from conftest import execute, program


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_cancelled_threads_clean_up(library, fifo):
    plain = execute([program("cancellation"), fifo])
    under = execute([program("cancellation"), fifo], preload=library)
    assert plain.status == 0, plain.stderr
    assert under.outcome() == plain.outcome()
    assert under.stdout.count("cancelled, 2 cleaned up") == 28
    recording = under.recording
    # The slots of cancelled threads were given back, and no call of theirs stands there for ever.
    assert recording["slots_in_use"] == 1 and recording["in_flight"] == []
    assert recording["slots_used"] <= 4


def test_exceptions_and_jumps_pass_through(library):
    plain = execute([program("unwinding")])
    under = execute([program("unwinding")], preload=library)
    assert plain.status == 0, plain.stderr
    assert under.outcome() == plain.outcome()
    assert under.stdout.count("thrown by the handler") == under.stdout.count("jumped out") == 5
    recording = under.recording
    # 50 of /dev/zero and one in the callback; the four that were left never returned.
    assert recording["calls"]["read"]["calls"] == 51
    assert recording["in_flight"] == []


@pytest.mark.parametrize("threads", [1, 4])
def test_handlers_that_interrupt_hooks_lose_no_count(release_library, threads):
    """Only with the release library: the tripwire fires on purpose when a handler calls in."""
    run = execute([program("signals"), 600, threads], preload=release_library)
    assert (run.status, run.stderr) == (0, "")
    known = json.loads(run.stdout)
    calls = run.recording["calls"]
    assert known["ticks"] > 300, "the timer hardly fired: this proves nothing"
    assert calls["read"]["calls"] == calls["read"]["in_histogram"] == known["reads"]
    assert calls["read"]["bytes"] == known["read_bytes"]
    assert calls["write"]["calls"] == known["writes"]
    assert calls["write"]["bytes"] == 3 * known["writes"]
    assert calls["close"]["calls"] == calls["close"]["errors"] == known["closes"]
    assert run.recording["memory"]["allocations"] >= known["allocations"]
