"""Leaks in real functions under the local Lambda: found, and at the right place; and no word about
functions that do not leak. The rate of false alarms is tests/unit/leaks_test.cpp's."""

import re

import pytest
from custom_runtime import custom_runtime
from patience import a_few_tries
from test_python_runtime import VERSIONS, interpreter
from test_same_results import need

INVOCATIONS = 60


def leaks_in(log):
    assert log.status == 0 and len(log.invokes) == INVOCATIONS, log.stderr
    return [f for r in log.invokes for f in r.get("findings", []) if f["code"] == "memory.leak"]


@pytest.fixture(scope="module")
def python(root):
    """The newest that has the client."""
    for version in sorted(VERSIONS, key=lambda v: [int(n) for n in v.split(".")], reverse=True):
        python, why = interpreter(root, version)
        if python is not None:
            return python
    pytest.skip(f"awslambdaric cannot be installed: {why}")


def run_python(local_lambda, python, handler):
    return local_lambda.run(
        python, "-m", "awslambdaric", f"keeps.{handler}", invocations=INVOCATIONS, memory=512,
        env={"LAMPREY_DETAIL": "full"},  # short lines leave out sites at which nothing happened
    )  # fmt: skip


def test_small_objects_that_python_keeps(local_lambda, python):
    """malloc's live bytes hardly move: CPython maps arenas for them."""
    log = run_python(local_lambda, python, "leaks")
    found = leaks_in(log)
    assert found, [(r["memory"]["rss_bytes"], r["memory"]["live_bytes"]) for r in log.invokes]
    finding = found[-1]
    assert 60_000 < finding["evidence"]["bytes_per_invocation"] < 200_000, finding
    assert re.search(r" Here: [^;]+ \(\S+/keeps\.py:14\); leaks \(\S+/keeps\.py:23\)", finding["text"]), finding
    line = log.invokes[-1]["memory"]
    sites = [s for s in line["sites"] if s["stack"].startswith("mmap; ")]
    assert sites and line["map_bytes"] >= 0
    mapped = sum(r["memory"]["map_bytes"] for r in log.invokes)
    assert 0.5 * INVOCATIONS * 100_000 < mapped < 3 * INVOCATIONS * 100_000


def test_who_needs_the_interpreters_heap_is_not_accused(local_lambda, python):
    """CPython's arenas run out in `parse`, which keeps nothing. The list that keeps the objects tells
    who made them; where no block of it was sampled, the text says what the place is worth."""
    found = leaks_in(run_python(local_lambda, python, "beside_a_busy_neighbour"))
    assert found
    text = found[-1]["text"]
    assert " Here: " in text, found
    assert "keep_in_a_list (" in text or "may be another function's" in text, found


@pytest.mark.parametrize("handler", ["clean", "bounded"])
def test_small_objects_that_python_lets_go(local_lambda, python, handler):
    assert leaks_in(run_python(local_lambda, python, handler)) == []


@a_few_tries  # where the companion gets no CPU, several invocations end before it has read who allocated
def test_a_c_plus_plus_function_that_keeps_all_it_sees(local_lambda):
    program = custom_runtime("keeps", "-fno-inline")
    log = local_lambda.run(program, invocations=INVOCATIONS, memory=512, event=0)
    found = leaks_in(log)
    assert found, [r["memory"]["live_bytes"] for r in log.invokes]
    finding = found[-1]
    # A line: 530 bytes of text, 400 of prices, 56 in the deque.
    assert finding["evidence"]["bytes_per_invocation"] == pytest.approx(100 * 1000, rel=0.1)
    assert "shop::Ledger::remember" in finding["text"], finding


def test_a_c_plus_plus_function_that_forgets_the_oldest(local_lambda):
    program = custom_runtime("keeps", "-fno-inline", "-DBOUNDED", name="forgets")
    assert leaks_in(local_lambda.run(program, invocations=INVOCATIONS, memory=512, event=0)) == []


# ---- Ruby: a collector gives malloc's blocks back, and seldom ----------------------------------------


def run_ruby(local_lambda, keeps, invocations):
    need("ruby")
    log = local_lambda.run("ruby", "ruby_client.rb", invocations=invocations, memory=1769,
                           env={"FUNCTION": "./keeps.rb", "KEEPS": keeps})  # fmt: skip
    assert log.status == 0 and len(log.invokes) == invocations, log.stderr
    return log, [f for r in log.invokes for f in r.get("findings", []) if f["code"] == "memory.leak"]


def test_what_ruby_keeps(local_lambda):
    log, found = run_ruby(local_lambda, "customers", 500)
    assert found, [r["memory"]["live_bytes"] for r in log.invokes[::10]]
    assert 90_000 < found[0]["evidence"]["bytes_per_invocation"] < 250_000, found[0]
    assert re.search(r" Here: remember_customer \(\S+/keeps\.rb:13\); block in handler \(\S+/keeps\.rb:17\)", found[0]["text"]), found


def test_what_ruby_has_not_collected_yet_is_no_leak(local_lambda):
    """Live bytes rise by 90 KB in each invocation until the first collection, some 170 invocations later."""
    log, found = run_ruby(local_lambda, "catalogue", 400)
    levels = [r["memory"]["live_bytes"] for r in log.invokes]
    assert levels[100] - levels[20] > 3_000_000, "this Ruby collects sooner: the test tests nothing"
    assert not found, (found, levels[::10])
