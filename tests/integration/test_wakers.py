"""Who ends a wait of the handler: the holder of a lock, a thread that is joined, the one that ended such
waits before. What that thread does is what the handler waited for."""

import re
import socket
import sys

import pytest
from patience import a_few_tries

COMMAND = [sys.executable, "-m", "awslambdaric", "wakers.handler"]


@pytest.fixture
def silent_hosts():
    """Two that take connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield {"SILENT": str(one.getsockname()[1]), "OTHER": str(other.getsockname()[1])}


def last(local_lambda, way, env=None, **options):
    env = {"LAMPREY_DETAIL": "full", **(env or {})}
    return local_lambda.run(*COMMAND, event={"way": way}, env=env, **options).invokes[-1]


def finding(record, code):
    codes = [found["code"] for found in record.get("findings", [])]
    assert codes.count(code) == 1, (code, codes, record["headline"])
    return record["findings"][codes.index(code)]


@a_few_tries
def test_a_future_whose_worker_sleeps_is_sleep(local_lambda):
    record = last(local_lambda, "future_of_a_sleeper", timeout=10)
    assert record["wall"]["sleep_ms"] > 250 and record["wall"]["lock_ms"] < 50, record["wall"]
    text = finding(record, "time.sleeping")["text"]
    assert "Another thread slept, and the handler waited for it. Here: sleeps (" in text, text
    assert any(entry["stack"].startswith("sleeps (") for entry in record["timeline"]), record["timeline"]


@a_few_tries
def test_a_lock_whose_holder_sleeps_is_a_lock(local_lambda):
    """The one who looks for it looks for the lock; healthy neighbour of the one above."""
    record = last(local_lambda, "lock_of_a_sleeper", timeout=10, invocations=3)
    assert record["wall"]["lock_ms"] > 200 and record["wall"]["sleep_ms"] < 100, record["wall"]
    assert " Here: handler (" in finding(record, "locks.contended")["text"]
    assert "time.sleeping" not in str(record["findings"])


@a_few_tries
@pytest.mark.parametrize("way", ["lock_for_ever", "joins_a_sleeper"])  # which joins by a lock, up to Python 3.12
def test_a_lock_whose_holder_sleeps_is_told_with_it(local_lambda, way):
    record = last(local_lambda, way, timeout=2)
    text = finding(record, "timeout.lock")["text"]
    assert re.search(r"A thread waited in sem_\w+ for 1\.\d+ s\. Thread \d+ holds the lock, in clock_nanosleep: "
                     r"sleeps \(.*\)\. Here: handler \(", text), text
    assert record["blocked"][0]["call"].startswith("sem_") and ", held by thread" in record["blocked"][0]["target"]


@a_few_tries
def test_a_locks_holder_comes_before_who_waits_for_longer(local_lambda, silent_hosts):
    record = last(local_lambda, "lock_of_one_that_asks", silent_hosts, timeout=2)
    found = finding(record, "timeout.answer")
    assert f"127.0.0.1:{silent_hosts['SILENT']} did not answer" in found["text"], found["text"]
    assert "asks_with_the_lock (" in found["text"]
    assert found["evidence"]["confidence_percent"] == 99


@a_few_tries
def test_who_ended_such_waits_before_comes_before_who_waits_for_longer(local_lambda, silent_hosts):
    record = last(local_lambda, "future_as_before", silent_hosts, timeout=2, invocations=4)
    assert record["status"] == "timeout"
    found = finding(record, "timeout.answer")
    assert f"127.0.0.1:{silent_hosts['SILENT']} did not answer" in found["text"], found["text"]
    assert found["evidence"]["confidence_percent"] == 95


@a_few_tries
def test_a_holders_thread_id_is_no_descriptor(local_lambda, silent_hosts):
    """On Lambda both are small numbers."""
    # Threads get numbers above those of the descriptors that are in use.
    counted = 'for i in $(seq 200); do /bin/true; done; exec "$@"'
    prelude = f"exec unshare --pid --fork --mount-proc sh -c '{counted}' counted \"$@\""
    record = last(local_lambda, "thread_ids_like_descriptors", silent_hosts, timeout=10, prelude=prelude)
    assert record["status"] == "ok", record["headline"]
    waits = [entry for entry in record["timeline"] if entry["call"] == "pthread_mutex_lock"]
    assert len(waits) == 1 and "target" not in waits[0], waits
