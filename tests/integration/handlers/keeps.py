"""Handlers that keep small Python objects from one invocation to the next, or do not. They live in the
interpreter's own heap, which is mapped: malloc sees next to nothing of them."""

import collections
import json

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


def parse():
    """Needs more objects at once than `work` keeps, and keeps none."""
    text = json.dumps([{"id": number, "name": f"n{number}"} for number in range(300)])
    return len(json.loads(text))


def beside_a_busy_neighbour(event, context):
    global calls
    calls += 1
    parse()
    keep_in_a_list(calls)
    return parse()


def keep_in_a_list(number):
    kept.append([{"invocation": number, "text": str(at)} for at in range(PER_INVOCATION)])
