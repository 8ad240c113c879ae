"""Holds a function's log against what was sent to it and what it said of itself.

Pure: no check reads a file, asks anybody or waits. Each yields what is wrong, in words; nothing: it holds.
"""

import dataclasses
import re

from .scenarios import EXACT_GROWTH, EXPECTED, FOUND_IN, LEAST_GROWTH, LITTLE_BESIDE, TAKEN_BESIDE, headline_of

MOST_BYTES = 60 * 1024
MS = {"µs": 0.001, "ms": 1, "s": 1000}
CLOCK_SLACK_MS = 2.0  # the platform rounds, and its clock is another


@dataclasses.dataclass
class Sent:
    """One invocation, as its caller knows it."""

    number: int
    scenario: str
    request_id: str | None  # None: the platform never told
    failed: bool
    payload_bytes: int = 0


def missing_or_twice(sent, log):
    """Each invocation has one line, and no line is of another's."""
    told = [record.get("request_id") for record in log.of_type("invoke")]
    for invocation in sent:
        times = told.count(invocation.request_id)
        if invocation.request_id is None:
            yield f"invocation {invocation.number} ({invocation.scenario}) was never started"
        elif times != 1 and EXPECTED[invocation.scenario].type == "invoke":
            yield f"{invocation.request_id} ({invocation.scenario}) has {times} lines, not 1"
    for strange in sorted(set(told) - {invocation.request_id for invocation in sent}, key=str):
        yield f"a line is of {strange}, which was not sent"


def contract(log, validator):
    """Each line keeps the schema and its size; `validator` has iter_errors."""
    for line, record in log.records:
        size = len(line.encode())
        if size > MOST_BYTES:
            yield f"a line has {size} bytes; accepted are {MOST_BYTES}"
        if record is None:
            yield f"a line is no JSON: {line[:80]}"
            continue
        for error in list(validator.iter_errors(record))[:3]:
            where = ".".join(map(str, error.absolute_path)) or "the line"
            yield f"{where}: {error.message[:200]}"
    yield from (f"the log has: {line[:200]}" for line in log.complaints)


# ---- one invocation -----------------------------------------------------------------------------


def _is(name, found, expected):
    if found != expected:
        yield f"{name} is {found}, not {expected}"


def _within(name, found, least, most):
    if not isinstance(found, (int, float)) or not least <= found <= most:
        yield f"{name} is {found}; accepted is {least:g} to {most:g}"


def end(invocation, record, truth):
    """Status, headline, and what the caller was told."""
    expected = EXPECTED[invocation.scenario]
    status, headline = record.get("status"), record.get("headline", "")
    if status not in expected.statuses:
        yield f"status is {status}, not {' or '.join(expected.statuses)}"
    pattern = headline_of(invocation.scenario, truth)
    found = pattern.search(headline)
    if not found:
        yield f"the headline is \"{headline[:160]}\"; accepted is {pattern.pattern}"
    elif "figure" in found.groupdict():
        told = float(found["figure"].replace(",", "")) * MS[found["unit"]]
        duration = record.get("duration_ms", 0)
        yield from _within("the headline's time in ms", told, 0.98 * duration - 0.01, 1.02 * duration + 0.01)
    yield from _is("the caller's word for failed", invocation.failed, expected.failed)
    # Clients say it in ways of their own: Ruby's Function<VerifyError>, Java's VerifyFunction$VerifyError.
    if "error_type" in (truth or {}) and truth["error_type"] not in str(record.get("error_type")):
        yield f"error_type is {record.get('error_type')}, not {truth['error_type']}"


def _is_cut(record, name):
    """A line says of which lists it shows only the top: at a cold start many files are read."""
    return name in record.get("coverage", {}).get("truncated", [])


def file_counts(record, truth):
    wanted = truth["file"]
    found = [entry for entry in record.get("files", []) if entry.get("path") == wanted["path"]]
    if not found and _is_cut(record, "files"):
        return
    if len(found) != 1:
        yield f"files[] has {wanted['path']} {len(found)} times, not once"
        return
    for name in ("writes", "bytes"):
        yield from _is(f"files[].{name} of {wanted['path']}", found[0].get(name), wanted[name])
    yield from _is(f"files[].opens of {wanted['path']}", found[0].get("opens"), 1)


def peer_counts(record, truth):
    wanted = truth["peer"]
    peer = f"127.0.0.1:{wanted['port']}"
    found = [entry for entry in record.get("network", []) if entry.get("peer") == peer]
    if not found and _is_cut(record, "network"):
        return
    if len(found) != 1:
        yield f"network[] has {peer} {len(found)} times, not once"
        return
    for key, name in (("sent_bytes", "sent"), ("received_bytes", "received")):
        yield from _is(f"network[].{key} of {peer}", found[0].get(key), wanted[name])
    yield from _is(f"network[].connects of {peer}", found[0].get("connects"), 1)


def times(record, truth, reported_ms):
    """No shorter than what the function slept, no longer than what the platform measured."""
    duration = record.get("duration_ms")
    most = reported_ms + CLOCK_SLACK_MS if reported_ms is not None else float("inf")
    yield from _within("duration_ms", duration, (truth or {}).get("slept_ms", 0), most)
    wall = record.get("wall")
    if wall and "total_ms" in wall:
        parts = sum(value for name, value in wall.items() if name.endswith("_ms") and name != "total_ms")
        total = wall["total_ms"]
        yield from _within("the sum of wall", parts, 0.99 * total - 0.1, 1.01 * total + 0.1)


def answer_size(invocation, record):
    if not invocation.failed:
        yield from _is("response_bytes", record.get("response_bytes"), invocation.payload_bytes)


def _one(invocation, log):
    """What is wrong with one invocation's line."""
    found = [r for r in log.of_type("invoke") if r.get("request_id") == invocation.request_id]
    truth = log.truths.get(invocation.number)
    if not found:
        yield f"invocation {invocation.number} has no line"
        return
    if truth is None:
        yield f"invocation {invocation.number}: the function said nothing of itself"
        return
    record = found[0]
    yield from end(invocation, record, truth)
    yield from answer_size(invocation, record)
    if not invocation.failed:  # of a killed one the platform counts the whole timeout
        yield from times(record, truth, log.reported_ms.get(invocation.request_id))
    if "file" in truth:
        yield from file_counts(record, truth)
    if "peer" in truth:
        yield from peer_counts(record, truth)
    if invocation.scenario == "stream" and record.get("response_ms", 0) > record.get("duration_ms", 0) - 50:
        yield f"response_ms is {record.get('response_ms')} of {record.get('duration_ms')}: not its first byte"


# ---- one scenario -------------------------------------------------------------------------------


def _lines_of(sent, log):
    ids = [invocation.request_id for invocation in sent]
    return [record for record in log.of_type("invoke") if record.get("request_id") in ids]


def growth(sent, log, language):
    """Live memory from the first invocation of the leak to the last, against what the function kept."""
    live = [record.get("memory", {}).get("live_bytes", 0) for record in _lines_of(sent, log)]
    kept = sum(log.truths.get(invocation.number, {}).get("kept_bytes", 0) for invocation in sent[1:])
    grown = live[-1] - live[0] if live else 0
    least = LEAST_GROWTH.get(language, EXACT_GROWTH)
    beside = TAKEN_BESIDE.get(language, LITTLE_BESIDE)
    yield from _within("the growth of live_bytes", grown, least * kept, 1.25 * kept + beside)
    codes = {found.get("code") for record in _lines_of(sent, log) for found in record.get("findings", [])}
    if language in FOUND_IN and "memory.leak" not in codes:
        yield "no line has the finding memory.leak"


def init(sent, log):
    """A failed init leaves a line of its own, whatever the invocations say."""
    expected = EXPECTED["init_failure"]
    found = log.of_type("init")
    if not found:
        yield "there is no line of type init"
    for record in found:
        if record.get("status") not in expected.statuses:
            yield f"status is {record.get('status')}, not {' or '.join(expected.statuses)}"
        if not re.search(expected.headline, record.get("headline", "")):
            yield f"the headline is \"{record.get('headline')}\"; accepted is {expected.headline}"
    yield from (f"invocation {i.number} did not fail" for i in sent if not i.failed)


def scenario(name, sent, log, language):
    """What is wrong with one scenario's lines, all invocations of it together."""
    mine = [invocation for invocation in sent if invocation.scenario == name]
    if EXPECTED[name].type == "init":
        yield from init(mine, log)
        return
    for invocation in mine:
        yield from (f"{invocation.request_id}: {words}" for words in _one(invocation, log))
    if name == "leak":
        yield from growth(mine, log, language)

