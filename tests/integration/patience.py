"""For tests that a busy machine can disturb: a sleep, or a thread that was due, comes late. They are tried
until one was undisturbed; what is wrong is wrong each time.
"""

import functools
import time

import pytest

PATIENCE_S = 40
TRIES = 3


def undisturbed_codes(record):
    """The codes of its findings. That others had the CPU is true on a busy machine, and none of the function's:
    it does not count where the record's own account says so too."""
    wall = record.get("wall", {})
    starved = wall.get("runnable_ms", 0) >= 0.2 * wall.get("total_ms", 0) and wall.get("runnable_ms", 0) >= 50
    codes = [finding["code"] for finding in record.get("findings", [])]
    return [code for code in codes if not (starved and code == "time.cpu_starved")]


def tried(run, is_true):
    """What `run` gave, once `is_true` of it; an honest failure shows the last."""
    deadline = time.monotonic() + PATIENCE_S
    tries = 0
    while True:
        result = run()
        tries += 1
        if is_true(result):
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"in none of {tries} tries: {result}")


def a_few_tries(test):
    """A test of which one try must pass."""

    @functools.wraps(test)
    def trying(*words, **named):
        for number in range(1, TRIES + 1):
            try:
                return test(*words, **named)
            except AssertionError as failure:
                if number == TRIES:
                    raise
                print(f"try {number}: {failure}")

    return trying
