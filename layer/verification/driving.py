"""Sends one function through its scenarios, waits for its log, and has it judged.

How a function comes to be is not known here: a back end has invoke(), lines() and why_not().
"""

import contextlib
import json
import pathlib
import time

from . import checks, log_lines, plan
from .scenarios import EXPECTED
from .table import held_or_not, skipped

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["function", "lines", "schema", *plan.SCENARIOS, *plan.APART, plan.PROBE]
POLL_S = 0.25
THAW_S = 2  # between the probe's two invocations, so that the environment is frozen
LONG_LINE = 200_000  # bytes, of which the log keeps what it keeps


class Stopped(Exception):
    """Somebody asked for the end."""


def validator():
    """Of docs/record.schema.json."""
    import jsonschema  # what the launcher installs

    schema = json.loads((ROOT / "docs" / "record.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def _settled(sent, log):
    """Whether nothing more is to be expected of the log."""
    ids = {i.request_id for i in sent if EXPECTED[i.scenario].type == "invoke"}
    told = {record.get("request_id") for record in log.of_type("invoke")}
    inits = all(log.of_type("init") for i in sent if EXPECTED[i.scenario].type == "init")
    # Of killed invocations AWS's emulator gives no report.
    well = {i.request_id for i in sent if not i.failed}
    return inits and ids <= told and well <= set(log.reported_ms)


def read_log(back, sent, patience, stop):
    """The lines, once all are there or patience is over."""
    end = time.monotonic() + patience
    while True:
        lines = back.lines()
        log = log_lines.take_apart(lines)
        if _settled(sent, log) or stop.is_set() or time.monotonic() > end:
            return lines, log
        time.sleep(POLL_S)


def judge(function, sent, log, table, schema, wanted):
    """Fills the function's row: `wanted` are those of its scenarios that were sent."""
    if any(EXPECTED[name].type == "invoke" for name in wanted):
        table.put(function.label, "lines", held_or_not(checks.missing_or_twice(sent, log)))
    table.put(function.label, "schema", held_or_not(checks.contract(log, schema)))
    for name in wanted:
        table.put(function.label, name, held_or_not(checks.scenario(name, sent, log, function.language)))


def drive(function, back, table, schema, patience, stop, only=None):
    """Invokes, waits, judges. Returns the log's lines."""
    sent, wanted = [], []

    def send(name):
        if stop.is_set():
            raise Stopped
        number = len(sent) + 1
        event = json.dumps({"scenario": name, "number": number, "bytes": plan.LARGE_RESPONSE})
        sent.append(back.invoke(number, name, event)[0])

    for name in plan.SCENARIOS if function.kind == "main" else function.scenarios:
        if only and name not in only:
            continue
        reason = function.why_not(name) or back.why_not(name)
        if reason:
            table.put(function.label, name, skipped(reason))
            continue
        wanted.append(name)
        for _ in range(function.scenarios[name]):
            send(name)
    # What an environment could not tell before its end, the next one's companion tells (docs/endings.md).
    if wanted and wanted[-1] in plan.ENDS:
        send("healthy")
    lines, log = read_log(back, sent, patience, stop)
    if stop.is_set():
        raise Stopped
    judge(function, sent, log, table, schema, wanted)
    return lines


# ---- questions ----------------------------------------------------------------------------------


def ask_probe(function, back, table, stop):
    """The probe's one document: the second of two answers, with what the log did to a long line."""
    document = None
    for number in (1, 2):
        if number == 2 and stop.wait(THAW_S):
            raise Stopped
        event = {"scenario": plan.PROBE, "number": number, "long_line": LONG_LINE if number == 1 else 0}
        sent, body = back.invoke(number, plan.PROBE, json.dumps(event))
        if sent.failed:
            table.put(function.label, plan.PROBE, held_or_not([f"it failed: {body[:200].decode(errors='replace')}"]))
            return None
        answer = json.loads(body)
        # The first answer's init and cold figures are what the second no longer can tell.
        document = answer if document is None else {**document, "thaw": answer["thaw"], "warm": answer["cpu"]}
    pieces = [len(line) for line in back.lines() if "lamprey-probe-long" in line or line.startswith("x" * 100)]
    document["log"] = {"long_line_sent": LONG_LINE, "pieces": pieces}
    document["function"] = {"runtime": function.runtime, "architecture": function.architecture,
                            "memory_mb": function.memory, "snapstart": function.snapstart}  # fmt: skip
    table.put(function.label, plan.PROBE, held_or_not([]))
    return document


def ask_binaries(back):
    """Build ids of what the function's process consists of; None: it did not answer."""
    sent, body = back.invoke(0, "binaries", json.dumps({"scenario": "binaries", "number": 0}))
    with contextlib.suppress(ValueError):
        return None if sent.failed else json.loads(body)
    return None
