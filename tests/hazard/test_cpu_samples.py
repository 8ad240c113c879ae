"""CPU samples (LAMPREY_CPU): the program cannot tell, no call is cut short, nothing is left behind,
and what they stand for is the CPU time that was used."""

import json
import os
import re
import subprocess

import pytest
from conftest import RELEASE, execute, program

ALWAYS = {"LAMPREY_CPU": "1000"}
# The kernel hands CPU timers to task work from here on: no call that blocks is interrupted.
SAFE_FROM = {"x86_64": (5, 10), "aarch64": (5, 16)}


def sampled(library, *words, hz="1000"):
    return execute([program("cpu_signals"), *words], preload=library, env={"LAMPREY_CPU": hz})


# A busy machine gives a thread slices that end before a tick: then its last ones are missing.
TRIES = 4

WAYS = ["hidden", "own", "own-signal", "alone", "ignored", "profiled", "small", "fork", "sent"]


@pytest.mark.parametrize("way", WAYS)
def test_the_program_sees_what_it_sees_without(library, way):
    plain = execute([program("cpu_signals"), way])
    run = sampled(library, way)
    assert plain.status == 0 and run.outcome() == plain.outcome()


def test_dispositions_stay_as_they_are_while_samples_are_taken(library):
    plain = execute([program("dispositions")])
    run = execute([program("dispositions")], preload=library, env=ALWAYS)
    assert plain.status == 0 and run.outcome() == plain.outcome()


@pytest.mark.parametrize("kind", ["ppoll", "epoll", "select", "nanosleep", "recv", "futex"])
def test_no_blocking_call_is_interrupted(release_library, kind):
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    if release < SAFE_FROM.get(os.uname().machine, (99,)):
        pytest.skip(f"Linux {os.uname().release}: CPU timers interrupt calls there")
    run = sampled(release_library, "calls", kind, "1500" if kind == "recv" else "15000")
    assert run.status == 0 and run.stdout == "interrupted 0\n"


def test_no_timer_stays_of_threads_that_ended(release_library):
    run = sampled(release_library, "churn", "10000")
    assert run.status == 0
    left = int(run.stderr.split()[1])
    if left < 0:
        pytest.skip("/proc/self/timers is not there")
    assert left <= 2, "the main thread's, and one of a thread that is just ending"


def record(words, hz, tmp_path):
    """`lamprey run` of the words: its record, and what it printed."""
    out = tmp_path / "record"
    out.unlink(missing_ok=True)
    done = subprocess.run(
        [RELEASE / "bin/lamprey", "run", "--quiet", "--out", out, "--", *words],
        env={**os.environ, "LAMPREY_CPU": str(hz)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(out.read_text()), done.stdout


@pytest.mark.parametrize(("threads", "ms", "hz"), [(1, 1500, 97), (4, 400, 250), (16, 100, 1000)])
def test_samples_stand_for_the_cpu_time_that_was_used(tmp_path, threads, ms, hz):
    # The last interval of a thread is never full, and timers are looked at in ticks of 4 or 10 ms.
    missing = threads * max(1000 / hz, 4)
    for _ in range(TRIES):
        result, printed = record([program("cpu_signals"), "spin", str(threads), str(ms)], hz, tmp_path)
        used = int(printed)
        assert result["cpu"]["total_ms"] <= used * 1.03 + 1000 / hz
        if used * 0.97 - missing <= result["cpu"]["total_ms"]:
            break
    assert used * 0.97 - missing <= result["cpu"]["total_ms"]
    assert result["cpu"].get("unplaced_ms", 0) <= used * 0.03
    assert result["cpu"]["hz"] == hz
    assert "spin_for (" in result["cpu"]["sites"][0]["stack"]


# Chi-square of 49 degrees of freedom is above this once in 10,000 runs of a right sampler.
CHI_SQUARE_49 = 94.0


def test_functions_get_the_shares_that_they_used(release_library):
    hz = 250  # each tick of most kernels: no sample stands for several
    run = execute([program("cpu_shares"), "4000"], preload=release_library,
                  env={"LAMPREY_CPU": str(hz)})  # fmt: skip
    calls = {int(at): int(n) for at, n in (line.split() for line in run.stdout.splitlines())}
    taken = dict.fromkeys(calls, 0)
    elsewhere = 0
    for word, intervals in run.recording["cpu"]["sites"]:
        if word - 1 in taken:
            taken[word - 1] += intervals
        else:
            elsewhere += intervals
    whole, all_calls = sum(taken.values()), sum(calls.values())
    assert len(calls) == 50 and whole > 3 * hz and elsewhere < whole / 50
    expected = {at: whole * count / all_calls for at, count in calls.items()}
    chi_square = sum((taken[at] - expected[at]) ** 2 / expected[at] for at in calls)
    assert chi_square < CHI_SQUARE_49, (chi_square, taken, expected)


def test_a_program_with_its_own_use_for_the_signal_is_left_alone(tmp_path):
    result, _ = record([program("cpu_signals"), "own"], 1000, tmp_path)
    assert any("SIGURG" in text for text in result["coverage"]["unseen"])
    # None after it had set its handler, which it may have done before the first.
    assert result.get("cpu", {"total_ms": 0})["total_ms"] < 100
