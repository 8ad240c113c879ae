"""Variants of Lambda: response streaming, SnapStart, provisioned concurrency, Managed Instances."""

import datetime
import itertools
import os
import signal
import subprocess
import sys
import time

import managed_api
import pytest
import record_schema

RAW = [sys.executable, "raw_runtime.py"]
PYTHON = [sys.executable, "-m", "awslambdaric", "app.handler"]


def kind(name):
    return {"AWS_LAMBDA_INITIALIZATION_TYPE": name}


def test_a_stream_lasts_until_the_next_request(local_lambda):
    with local_lambda.serve(*RAW, "stream") as serving:
        answers = [serving.invoke({"sleep": seconds})[0] for seconds in (0, 0.2, 0)]
        log = serving.stop()
    assert answers == ["first and last"] * 3
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok"] * 3
    quick, slow, last = log.invokes
    assert slow["duration_ms"] >= 200 > last["duration_ms"]
    assert slow["response_ms"] < 100, "the response began long before it ended"


def test_a_snapshot_belongs_to_nobody(local_lambda):
    """Between init and restore: an hour on Lambda, half a second here."""
    with local_lambda.serve(*RAW, "snapshot", env=kind("snap-start")) as serving:
        time.sleep(1.5)
        for _ in range(3):
            serving.invoke({"sleep": 0.01})
        log = serving.stop()
    assert [r["type"] for r in log.records] == ["init", "invoke", "invoke", "invoke", "shutdown"]
    (init,) = log.of_type("init")
    assert init["init"]["total_ms"] < 1000, "the snapshot is no part of init"
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    for record in log.invokes:
        assert 10 <= record["duration_ms"] < 500
        assert record["calls"]["time_ms"] < 500, "time in the snapshot is no call's"


def test_provisioned_concurrency_is_an_early_init(local_lambda):
    with local_lambda.serve(*PYTHON, env=kind("provisioned-concurrency")) as serving:
        time.sleep(1.0)
        serving.invoke({})
        log = serving.stop()
    assert [r["type"] for r in log.records] == ["init", "invoke", "shutdown"]
    assert log.of_type("init")[0]["init"]["total_ms"] < 1000
    assert log.invokes[0]["duration_ms"] < 500


MANAGED = {**kind("lambda-managed-instances"), "AWS_LAMBDA_MAX_CONCURRENCY": "2"}


@pytest.fixture
def managed(local_lambda):
    with local_lambda.serve(*RAW, "workers", env=MANAGED) as serving:
        yield serving


def test_workers_have_recordings_of_their_own(managed):
    """Extensions hear nothing but SHUTDOWN there; no line is missing, and none is doubled."""
    pids = {managed.invoke({"sleep": 0.005})[0]["pid"] for _ in range(20)}
    log = managed.stop()
    assert sorted(r["request_id"] for r in log.invokes) == sorted(log.started_ids)
    assert [r["status"] for r in log.invokes] == ["ok"] * 20
    assert len(log.of_type("shutdown")) == 2, "one for each worker"
    assert any("Events: [SHUTDOWN]" in line for line in log.lines)
    assert len(pids) == 2, "both worked"


def test_lines_come_while_the_environment_lives(managed):
    """There is no INVOKE event to print them at: the companion looks once a second."""
    managed.invoke({"sleep": 0})
    for _ in range(100):
        if any('"type":"invoke"' in line for line in managed.log().lines):
            return
        time.sleep(0.1)
    raise AssertionError("no line within ten seconds")


@pytest.mark.parametrize("mode", ["workers", "threads"])
def test_invocations_at_the_same_time(build, private_tmp, local_lambda, mode):
    """In processes of their own, or in threads of one process: each has its line and its time."""
    api = managed_api.ManagedApi()
    script = f"""{build}/extensions/lamprey &
        LD_PRELOAD={build}/lib/liblamprey.so {sys.executable} raw_runtime.py {mode} >/dev/null 2>&1 & wait %1"""
    process = subprocess.Popen(
        private_tmp(["sh", "-c", script]), cwd=local_lambda.folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **MANAGED, "AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": "h"},
    )  # fmt: skip
    try:
        ids = [i for _ in range(3) for i in api.invoke_at_once([{"sleep": 0.5}, {"sleep": 0.3}])]
        api.over.set()
        lines = process.communicate(timeout=30)[0].splitlines()
    finally:
        for pid in {answer["pid"] for answer in api.answered.values()}:
            os.kill(pid, signal.SIGKILL)
        process.kill()
        api.shutdown()
    records = [record_schema.check(line) for line in lines if line.startswith('{"lamprey"')]
    invokes = [r for r in records if r["type"] == "invoke"]
    assert api.registered == [["SHUTDOWN"]]
    assert sorted(r["request_id"] for r in invokes) == sorted(ids)
    took = {r["request_id"]: r["duration_ms"] for r in invokes}
    for first, second in zip(ids[::2], ids[1::2], strict=True):
        assert 500 <= took[first] and 300 <= took[second] < 480, took
    begun = sorted(datetime.datetime.fromisoformat(r["started"]) for r in invokes)
    near = sum((b - a).total_seconds() < 0.2 for a, b in itertools.pairwise(begun))
    assert near >= 3, "they began together"
    assert len({a["pid"] for a in api.answered.values()}) == (2 if mode == "workers" else 1)
