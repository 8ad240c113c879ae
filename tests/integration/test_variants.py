"""Variants of Lambda: response streaming, SnapStart, provisioned concurrency, Managed Instances."""

import sys
import time

import pytest

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


@pytest.fixture
def managed(local_lambda):
    env = {**kind("lambda-managed-instances"), "AWS_LAMBDA_MAX_CONCURRENCY": "2"}
    with local_lambda.serve(*RAW, "workers", env=env) as serving:
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
