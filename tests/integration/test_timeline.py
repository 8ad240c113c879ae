"""`timeline[]` against what the function itself logged: order, starts and lengths, in Python, Node and Java.

A step's time by the function's clock is its wait and the CPU that the step needs around it, which is ten times as
much on one machine as on another. So the function logs that, too, and the two may differ by it.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from patience import tried
from resolvers import with_resolver
from test_python_runtime import VERSIONS, interpreter

HOST, PORT, DNS_MS, TLS_MS = "db.internal.example", 18443, 88, 40
SLACK_MS = 1.0

pytestmark = pytest.mark.alone


@pytest.fixture
def certificate(workspace):
    """With its key; in the workspace, since the function has another /tmp."""
    key, public, both = (workspace / name for name in ("key.pem", "public.pem", "server.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", public],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(key.read_text() + public.read_text())
    return both


def command_of(root, runtime):
    if runtime == "python":
        for version in VERSIONS:
            program, obstacle = interpreter(root, version)
            if not obstacle:
                return [program, "-m", "awslambdaric", "waterfall.handler"]
        pytest.skip("no Python here can have awslambdaric")
    if shutil.which(runtime) is None:
        pytest.skip(f"no {runtime} here")
    if runtime == "node":
        return ["node", "node_client.mjs"]
    classes = root / "build/test-programs/java"
    source = root / "tests/integration/handlers/Waterfall.java"
    subprocess.run(["javac", "-d", classes, source], check=True)
    return ["java", "-Dsun.net.inetaddr.ttl=0", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Waterfall"]


ASKERS = {  # of the host, of the pipe
    "python": ("handler", "read_pipe (", "waterfall.py:"),
    # Node connects on a later turn of its loop, and looks up names and opens files on threads of its pool.
    "node": ("after ", "after ", "waterfall.mjs:"),
    "java": ("Waterfall.", "Waterfall.readPipe (", "Waterfall.java:"),
}


def askers_are_right(runtime, record, pipe):
    """The program's own functions that first asked for a host and a file; those that are named are the right ones."""
    host, opener, file = ASKERS[runtime]
    asked = [entry["from"] for entry in record["network"] if "from" in entry]
    assert all(text.startswith(host) and file in text for text in asked), record["network"]
    (opened,) = [entry for entry in record["files"] if entry["path"] == str(pipe)]
    assert "from" not in opened or (opened["from"].startswith(opener) and file in opened["from"]), opened
    # Node's pool is told of work only while one of its threads is idle, which they may be late for.
    named = bool(asked) and "from" in opened
    assert named or runtime == "node", record
    return named


def kinds_of(step):
    """What an entry of the timeline may be called that stands for this step."""
    return {
        "dns": ("dns",),
        "tls": ("network",),
        "query": ("network",),
        "pipe": ("file",),
        "lock": ("lock", "sleep"),  # Node has no lock to wait for; its timed wait is a sleep
    }[step]


def is_about(entry, step, pipe):
    target = entry.get("target", "")
    if step == "dns":
        return target.startswith(HOST)
    if step == "pipe":
        return target == str(pipe)
    if step in ("tls", "query"):
        return target.endswith(f":{PORT}") and (entry.get("phase") == "tls") == (step == "tls")
    return "target" not in entry


def misses(record, steps, pipe):
    """The steps for which no entry begins when they began and takes as long, within SLACK_MS and their own CPU. A
    handshake computes first, while the server waits already; where the clocks meet is told by the name's lookup."""
    timeline = record["timeline"]
    waits = [step for step in steps if step[0] not in ("connect", "cpu")]
    first, first_began, _, first_used = steps[0]
    anchor = next(e["at_ms"] for e in timeline if e["spent_on"] == first) - first_began
    missed = []
    for name, began, took, used in waits:
        about = [e for e in timeline if e["spent_on"] in kinds_of(name) and is_about(e, name, pipe)]
        slack = SLACK_MS + max(used, first_used)
        if not any(fits(name, began, took, slack, e["at_ms"] - anchor, e["for_ms"]) for e in about):
            missed.append((name, began, took, slack, [(e["at_ms"] - anchor, e["for_ms"]) for e in about]))
    return missed


def fits(name, began, took, slack, at, lasted):
    if name == "tls":
        return began <= at and at + lasted <= began + took + slack and lasted >= TLS_MS / 2
    return abs(at - began) <= slack and abs(lasted - took) <= slack


def in_order(record):
    begun = [entry["at_ms"] for entry in record["timeline"]]
    assert begun == sorted(begun)
    ended = max(entry["at_ms"] + entry["for_ms"] for entry in record["timeline"])
    assert ended <= record["duration_ms"] + 0.01


@pytest.mark.parametrize("runtime", ["python", "node", "java"])
def test_each_wait_is_where_the_function_says(local_lambda, workspace, root, certificate, runtime):
    pipe = workspace / "pipe"
    os.mkfifo(pipe)
    lambda_ = with_resolver(local_lambda, workspace, DNS_MS / 1000)
    environment = {
        "PIPE": str(pipe), "CERTIFICATE": str(certificate), "PLAIN_PYTHON": sys.executable,
        "LAMPREY_DETAIL": "full", "FUNCTION": "./waterfall.mjs",
    }  # fmt: skip

    def run():
        log = lambda_.run(
            *command_of(root, runtime), invocations=8, memory=1769, timeout=20, env=environment
        )
        steps = [json.loads(line[6:]) for line in log.lines if line.startswith("steps ")]
        assert len(steps) == len(log.invokes) == 8, log
        for record in log.invokes:
            in_order(record)
        named = askers_are_right(runtime, log.invokes[0], pipe)
        # The first compiles, and computes between its waits.
        pairs = list(zip(log.invokes, steps, strict=True))[1:]
        return named, [misses(record, steps, pipe) for record, steps in pairs]

    tried(run, lambda result: result[0] and [] in result[1])
