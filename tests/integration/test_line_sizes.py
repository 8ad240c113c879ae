"""How long the lines of real functions are: short ones at most 2 KiB, full ones at most 16 KiB, each
with what is needed first. The bound of 60 KiB is checked wherever a line is read (record_schema.py).
"""

import json
import shutil
import sys

import pytest
from custom_runtime import custom_runtime

SHORT_BYTES = 2048
FULL_BYTES = 16 * 1024
INVOCATIONS = 5


@pytest.fixture(scope="session")
def wide():
    """200 sites, 50 hosts and 100 files an invocation."""
    return custom_runtime("wide")


def lines_of(local_lambda, command, **options):
    """The lines of warm invocations."""
    log = local_lambda.run(*command, invocations=INVOCATIONS, **options)
    assert log.status == 0, log.stderr
    assert len(log.invokes) == INVOCATIONS
    return [line for line in log.record_lines if '"type":"invoke"' in line][1:]


def python(function):
    return [sys.executable, "-m", "awslambdaric", f"fleet.{function}"]


def command_of(name, wide):
    if name == "node" and shutil.which("node") is None:
        pytest.skip("no node here")
    named = {"node": ["node", "node_client.mjs"], "wide": [wide]}
    return named.get(name) or python(name)


def written(value):
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def bytes_of_findings(record):
    """They come on top of what a short line may be, and so do the hosts that they are about."""
    found = record.get("findings", [])
    hosts = record.get("network", [])
    told = [i for i, host in enumerate(hosts) if any(host["host"] in f["text"] for f in found)]
    vital = hosts[: told[-1] + 1] if told else []
    return (written(found) if found else 0) + (written(vital) if vital else 0)


@pytest.mark.parametrize("name", ["healthy", "asks", "reads", "leaks", "sleeps", "node", "wide"])
def test_a_short_line_is_at_most_2_kib(local_lambda, wide, name):
    env = {"LAMPREY_DETAIL": "short", "AWS_LAMBDA_FUNCTION_NAME": "checkout-payment-webhook-prod"}
    lines = lines_of(local_lambda, command_of(name, wide), env=env, timeout=20, memory=512)
    records = [json.loads(line) for line in lines]
    sizes = [len(line.encode()) - bytes_of_findings(record) for line, record in zip(lines, records)]
    assert max(sizes) <= SHORT_BYTES
    assert all(record["calls"]["top"] for record in records)
    if name == "asks":
        assert all("network" in record for record in records if "findings" in record)


@pytest.mark.parametrize("name", ["healthy", "asks", "node", "wide"])
def test_a_full_line_is_at_most_16_kib(local_lambda, wide, name):
    env = {"LAMPREY_DETAIL": "full"}
    lines = lines_of(local_lambda, command_of(name, wide), env=env, timeout=20, memory=512)
    assert max(len(line.encode()) for line in lines) <= FULL_BYTES
    assert min(len(line.encode()) for line in lines) > SHORT_BYTES


def test_totals_are_the_same_in_both(local_lambda, wide):
    """Of a function with more of everything than a line has room for."""
    totals = []
    for detail in ("short", "full"):
        lines = lines_of(local_lambda, [wide], env={"LAMPREY_DETAIL": detail}, timeout=20, memory=512)
        records = [json.loads(line) for line in lines]
        totals.append([(r["memory"]["allocations"], r["memory"]["allocated_bytes"]) for r in records])
        assert all(r["calls"]["total"] > sum(c["calls"] for c in r["calls"].get("top", []))
                   for r in records if detail == "short")  # fmt: skip
    assert totals[0] == totals[1]
