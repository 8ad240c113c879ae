"""Handlers that keep small Python objects from one invocation to the next, or do not. They live in the
interpreter's own heap, which is mapped: malloc sees next to nothing of them."""

import collections

PER_INVOCATION = 450  # dicts of 232 bytes: about 100 kB, with the text in each

kept = collections.deque()


def work(number):
    for _ in range(PER_INVOCATION):
        kept.append({"invocation": number, "text": f"entry {len(kept):20d}"})


calls = 0


def leaks(event, context):
    global calls
    calls += 1
    work(calls)
    return len(kept)


def clean(event, context):
    global calls
    calls += 1
    work(calls)
    kept.clear()
    return calls


def bounded(event, context):
    """A cache: full after twelve invocations."""
    global calls
    calls += 1
    work(calls)
    while len(kept) > 12 * PER_INVOCATION:
        kept.popleft()
    return calls
