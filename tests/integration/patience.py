"""For tests that a busy machine can disturb: a sleep, or a thread that was due, comes late. They are tried
until one was undisturbed; what is wrong is wrong each time.
"""

import functools
import time

import pytest

PATIENCE_S = 40
TRIES = 3


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
