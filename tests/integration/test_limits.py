"""Limits, children and errors: each is told by its finding, and healthy neighbours are not."""

import sys

import pytest

COMMAND = [sys.executable, "-m", "awslambdaric", "limits.handler"]


def one(local_lambda, way, **options):
    """The record of one invocation that goes this way."""
    options = {"timeout": 20, "env": {"LAMPREY_DETAIL": "full"}, **options}
    log = local_lambda.run(*COMMAND, event={"way": way}, invocations=1, **options)
    return log.invokes[0]


def codes(record):
    return [finding["code"] for finding in record.get("findings", [])]


def finding(record, code):
    (found,) = [found for found in record["findings"] if found["code"] == code]
    return found


def test_descriptors_that_ran_out(local_lambda):
    record = one(local_lambda, "descriptors")
    found = finding(record, "fds.limit")
    assert found["severity"] == "critical"
    assert found["evidence"]["fd_use"] == found["evidence"]["fd_max"] == 64
    assert found["evidence"]["refused"] >= 40
    assert "connections to 127.0.0.1:" in found["text"]


def test_a_full_tmp(local_lambda, private_tmp, build):
    record = one(local_lambda, "space", prelude="mount -t tmpfs -o size=8m tmpfs /tmp")
    found = finding(record, "files.tmp_full")
    assert "/tmp/grown" in found["text"]
    assert "files.tmp_filling" not in codes(record)


@pytest.mark.parametrize("way", ["child_succeeds", "child_fails", "child_is_ended"])
def test_children_that_are_no_trouble(local_lambda, way):
    record = one(local_lambda, way)
    assert not [code for code in codes(record) if code.startswith(("children.killed", "timeout", "memory"))]


def test_a_child_that_was_killed(local_lambda):
    found = finding(one(local_lambda, "child_is_killed"), "children.killed")
    assert found["severity"] == "warning"
    assert "The child sh (pid " in found["text"] or "/sh (pid " in found["text"]
    assert "2 arguments) was killed by SIGKILL" in found["text"]


def test_a_slow_child_is_named(local_lambda):
    text = finding(one(local_lambda, "child_is_slow"), "children.slow")["text"]
    assert "sleep (pid " in text and "1 argument) ended with exit code 0 after" in text
    assert " Here: _child_is_slow (" in text


@pytest.mark.parametrize(
    ("way", "code", "function"), [("contends", "locks.contended", "_charge"), ("sleeps", "time.sleeping", "_sleeps")]
)
def test_where_it_waited_is_named(local_lambda, way, code, function):
    record = one(local_lambda, way)
    text = finding(record, code)["text"]
    assert f" Here: {function} (" in text and "limits.py:" in text, text
    # A line with such a finding says when, too.
    assert any(entry.get("stack", "").startswith(function) for entry in record["timeline"]), record["timeline"]


def test_a_child_that_hangs(local_lambda):
    record = one(local_lambda, "child_hangs", timeout=2)
    assert record["status"] == "timeout"
    assert codes(record) == ["timeout.child"]
    assert "sh (pid " in finding(record, "timeout.child")["text"]


def test_a_child_that_takes_all_memory(local_lambda):
    record = one(local_lambda, "child_eats", memory=192)
    found = finding(record, "children.killed")
    assert found["severity"] == "critical"
    assert "the kernel counted a kill for want of memory" in found["text"]
    assert record["memory"]["all_peak_rss_bytes"] > 150 << 20
    assert "memory.tight" in codes(record)


def test_children_that_pile_up(local_lambda):
    log = local_lambda.run(*COMMAND, event={"way": "children_pile_up"}, invocations=7, timeout=20)
    told = [("children.leak" in codes(record)) for record in log.invokes]
    assert told == [False] * 5 + [True] * 2


def test_an_error_has_its_name(local_lambda):
    record = one(local_lambda, "raises")
    assert record["error_type"] == "KeyError"
    assert record["headline"].startswith("Failed with KeyError after ")
    assert "response_bytes" not in record


def test_an_answer_has_its_size(local_lambda):
    record = one(local_lambda, "child_succeeds")
    assert record["response_bytes"] == len("0")
    assert "response_status" not in record and "error_type" not in record


def test_an_answer_that_is_too_large(local_lambda):
    record = one(local_lambda, "large")
    assert finding(record, "response.too_large")["evidence"]["response_bytes"] == 7 * 1024 * 1024 + 2
    assert (record["status"], record["response_status"]) != ("ok", 202)
    assert record["error_type"] == "Function.ResponseSizeTooLarge"
