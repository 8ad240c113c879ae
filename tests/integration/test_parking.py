"""Executors whose threads park (Rust's tokio): a parked thread is no wait for a lock. The wait is what the thread
that ends it has waited for: the loop's timer, an answer, a blocking call.
"""

import re

import pytest
from custom_runtime import custom_runtime
from patience import tried

DONE = {  # what is waited for 0.2 s: the part of `wall`
    "timer": "sleep_ms",
    "blocks": "sleep_ms",
    "answer": "network_ms",
}


@pytest.fixture(scope="module")
def parks():
    return str(custom_runtime("parks"))


def test_a_parked_handlers_time_is_what_its_waker_waited_for(local_lambda, parks):
    ways = [*DONE] * 4

    def run():
        with local_lambda.serve(parks, timeout=10) as serving:
            assert not serving.invoke({"way": "fine"})[1]
            for way in ways:
                assert not serving.invoke({"way": way})[1]
            log = serving.stop()
        for way, record in zip(ways, log.invokes[1:], strict=True):
            assert record["wall"][DONE[way]] >= 160, (way, record["wall"])
            assert "locks.contended" not in str(record.get("findings")), (way, record["headline"])
        return [(way, record["wall"]) for way, record in zip(ways, log.invokes[1:], strict=True)]

    # Where others have the CPU, the thread that was due comes late.
    def on_time(walls):
        return all(wall[DONE[way]] <= 240 and wall["total_ms"] < 300 for way, wall in walls)

    tried(run, on_time)


def test_a_thread_that_only_computes_hands_nothing_on(local_lambda, parks):
    """Not what it had waited for its work, nor what the handler did in the invocations before."""
    with local_lambda.serve(parks, timeout=10) as serving:
        for way in ("timer", "answer", "computes", "blocks", "computes"):
            assert not serving.invoke({"way": way})[1]
        log = serving.stop()
    for record in (log.invokes[2], log.invokes[4]):
        wall = record["wall"]
        assert wall["sleep_ms"] + wall["network_ms"] + wall["child_ms"] < 20, wall
        # On a busy machine the thread that computes waits for a CPU, too.
        held = wall.get("runnable_ms", 0) + wall.get("stolen_ms", 0)
        assert wall["lock_ms"] + wall["cpu_ms"] + held > 150, wall


def hang(local_lambda, parks, way):
    with local_lambda.serve(parks, timeout=1) as serving:
        assert not serving.invoke({"way": "fine"})[1]
        assert serving.invoke({"way": way})[1]
        log = serving.stop()
    bad = log.invokes[1]
    assert bad["status"] == "timeout"
    [finding] = [found for found in bad["findings"] if found["code"].startswith("timeout.")]
    return bad, finding


def test_a_host_that_does_not_answer_is_named_though_a_copy_of_the_epoll_watches_it(local_lambda, parks):
    bad, finding = hang(local_lambda, parks, "silent")
    assert finding["code"] == "timeout.answer" and finding["text"].startswith("127.0.0.1:")
    assert "the handler waits for that thread" in finding["text"]
    assert bad["wall"]["network_ms"] > 800 and bad["wall"]["lock_ms"] < 50
    assert bad["network"][0]["wait_ms"] > 800


def test_a_timer_is_told_as_one(local_lambda, parks):
    bad, finding = hang(local_lambda, parks, "timer_long")
    assert finding["code"] == "timeout.sleep"
    assert re.search(r"to be woken after (10\.0|9\.9\d) s at the latest", finding["text"])
    assert re.search(r"for a timer \((10\.0|9\.9\d) s at most\), and the handler waits for it", bad["headline"])
    assert bad["wall"]["sleep_ms"] > 800 and bad["wall"]["lock_ms"] < 50
