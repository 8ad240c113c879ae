"""Variants of Lambda: response streaming, SnapStart, provisioned concurrency, Managed Instances."""

import concurrent.futures
import datetime
import itertools
import json
import sys
import time

import pytest
from patience import a_few_tries

RAW = [sys.executable, "raw_runtime.py"]
PYTHON = [sys.executable, "-m", "awslambdaric", "app.handler"]


def kind(name):
    return {"AWS_LAMBDA_INITIALIZATION_TYPE": name}


@a_few_tries
def test_a_stream_lasts_until_the_next_request(local_lambda):
    with local_lambda.serve(*RAW, "stream") as serving:
        answers = [serving.invoke({"sleep": seconds})[0] for seconds in (0, 0.2, 0)]
        log = serving.stop()
    assert answers == ["first and last"] * 3
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok"] * 3
    quick, slow, last = log.invokes
    assert slow["duration_ms"] >= 200 and last["duration_ms"] < slow["duration_ms"] / 2
    assert slow["response_ms"] < slow["duration_ms"] / 2, "the response began long before it ended"


PAUSE_MS = 1500  # in which nothing is asked of the function


@a_few_tries
def test_a_snapshot_belongs_to_nobody(local_lambda):
    """Between init and restore: an hour on Lambda, a second here."""
    with local_lambda.serve(*RAW, "snapshot", env=kind("snap-start")) as serving:
        time.sleep(PAUSE_MS / 1000)
        for _ in range(3):
            serving.invoke({"sleep": 0.01})
        log = serving.stop()
    assert [r["type"] for r in log.records] == ["init", "invoke", "invoke", "invoke", "shutdown"]
    (init,) = log.of_type("init")
    assert init["init"]["total_ms"] < 2 / 3 * PAUSE_MS, "the snapshot is no part of init"
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    for record in log.invokes:
        assert 10 <= record["duration_ms"] < PAUSE_MS / 3
        assert record["calls"]["time_ms"] < PAUSE_MS / 3, "time in the snapshot is no call's"


@a_few_tries
def test_provisioned_concurrency_is_an_early_init(local_lambda):
    with local_lambda.serve(*PYTHON, env=kind("provisioned-concurrency")) as serving:
        time.sleep(PAUSE_MS / 1000)
        serving.invoke({})
        log = serving.stop()
    assert [r["type"] for r in log.records] == ["init", "invoke", "shutdown"]
    assert log.of_type("init")[0]["init"]["total_ms"] < 2 / 3 * PAUSE_MS
    assert log.invokes[0]["duration_ms"] < PAUSE_MS / 3


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
    assert [e["events"] for e in log.of_platform("extension")] == [["SHUTDOWN"]]
    assert len(pids) == 2, "both worked"


def test_lines_come_while_the_environment_lives(managed):
    """There is no INVOKE event to print them at: the companion looks once a second."""
    managed.invoke({"sleep": 0})
    for _ in range(100):
        if any('"type":"invoke"' in line for line in managed.log().lines):
            return
        time.sleep(0.1)
    raise AssertionError("no line within ten seconds")


def invoke_two_at_a_time(serving, times=3):
    """{"sleep": 0.5} and {"sleep": 0.3} together, again and again: all answers."""
    events = [{"sleep": 0.5}, {"sleep": 0.3}]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [one for _ in range(times) for one in pool.map(serving.invoke, events)]


def check_two_at_a_time(log, times=3):
    assert log.complaints == []
    assert len(log.started_ids) == 2 * times
    assert sorted(r["request_id"] for r in log.invokes) == sorted(log.started_ids)
    for record in log.invokes:
        assert record["status"] == "ok"
        took = log.durations_ms[record["request_id"]]
        assert 0.4 * took < record["duration_ms"] < 1.3 * took, "a thread may be late on either side"
    begun = sorted(datetime.datetime.fromisoformat(r["started"]) for r in log.invokes)
    together = 0.4 * min(record["duration_ms"] for record in log.invokes)
    near = sum((b - a).total_seconds() * 1000 < together for a, b in itertools.pairwise(begun))
    assert near >= times, "they began together"
    took = sorted(record["duration_ms"] for record in log.invokes)
    assert 300 <= took[0] and 500 <= took[times], took


@pytest.mark.parametrize("mode", ["workers", "threads"])
@a_few_tries
def test_invocations_at_the_same_time(local_lambda, mode):
    """In processes of their own, or in threads of one process: each has its line and its time."""
    with local_lambda.serve(*RAW, mode, env=MANAGED) as serving:
        answers = invoke_two_at_a_time(serving)
        log = serving.stop()
    check_two_at_a_time(log)
    assert len({answer["pid"] for answer, _ in answers}) == (2 if mode == "workers" else 1)
    for record in log.invokes:
        assert record["wall"]["sleep_ms"] > 0.95 * record["duration_ms"]
        beside = any("ran beside" in what for what in record["coverage"].get("unseen", []))
        assert beside == (mode == "threads"), "whose memory it was is said to be unknown"
    whole = log.of_type("shutdown")
    assert sum(r["memory"]["allocations"] for r in log.invokes) <= sum(
        r["memory"]["allocations"] for r in whole
    )


@a_few_tries
def test_awss_own_python_client_with_workers(local_lambda):
    """It forks AWS_LAMBDA_MAX_CONCURRENCY of them, and its first process serves nobody."""
    with local_lambda.serve(*PYTHON, env=MANAGED) as serving:
        invoke_two_at_a_time(serving)
        log = serving.stop()
    check_two_at_a_time(log)
    assert {r["status"] for r in log.records} == {"ok"}
    assert len(log.of_type("init")) == 2, "one for each worker"
    parents = [r for r in log.of_type("shutdown") if "process" not in r or r["process"]["role"] == "runtime"]
    assert len(log.of_type("shutdown")) == 3 and len(parents) == 1
    for record in log.invokes:
        assert record["wall"]["sleep_ms"] > 0.95 * record["duration_ms"]


def test_the_json_log_format(local_lambda):
    """The platform's lines are JSON there; ours are as they always are, and the client's too."""
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
    log = local_lambda.run(*PYTHON, invocations=3, env=env)
    for line in log.lines:
        assert isinstance(json.loads(line), dict), line
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["type"] for r in log.records] == ["init", *["invoke"] * 3, "shutdown"]
    assert {event["status"] for event in log.of_platform("report")} == {"success"}
    for record in log.invokes:
        assert record["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Lamprey"
        assert record["duration_ms"] <= log.durations_ms[record["request_id"]]


def test_a_timeout_in_the_json_log_format(local_lambda):
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
    with local_lambda.serve(*PYTHON, env=env, timeout=1) as serving:
        serving.invoke({"sleep": 30})
        log = serving.stop()
    (report,) = log.of_platform("report")
    assert report["status"] == "timeout"
    assert [r["status"] for r in log.invokes] == ["timeout"]
