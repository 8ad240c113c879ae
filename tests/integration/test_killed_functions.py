"""Functions that hang until their time is over, or die: the one line says in what, where and why.

Each way in Python, Node and C++ where the language can do it; handlers/hangs.* are the functions.
"""

import re
import sys

import pytest
from bad_ends import (
    DEATHS,
    HANGS,
    PYTHON,
    UNRESOLVED,
    check_death,
    check_hang,
    commands,
    full_listener,
    name_of,
)
from patience import a_few_tries, tried
from resolvers import with_resolver

TIMEOUT_S = 1


def rows(root):
    """The calls that are counted in this tree."""
    text = (root / "src/recording/calls.def").read_text()
    return set(re.findall(r"^CALL\((\w+),", text, re.M))


@pytest.fixture(scope="module")
def started_by():
    return commands()


@pytest.fixture
def full_port():
    with full_listener() as port:
        yield port


def one_bad(local_lambda, command, event, **options):
    """The record of one invocation that goes wrong, after which a new environment is well."""
    with local_lambda.serve(*command, **options) as serving:
        _, failed = serving.invoke(event)
        assert failed
        log = serving.stop()
    assert log.complaints == []
    [bad] = log.invokes
    assert [bad["request_id"]] == log.started_ids
    return bad


def was_looked_at(bad):
    return not any("nobody looked" in text for text in bad["coverage"].get("unseen", []))


# ---- hanging ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hang", HANGS, ids=name_of)
@a_few_tries
def test_a_hang(local_lambda, root, full_port, started_by, hang):
    language, way, calls = hang[:3]
    if not calls & (rows(root) | {"on_cpu"}):
        pytest.xfail(f"none of {sorted(calls)} is counted in this tree yet")
    event = {"way": way, "port": full_port}

    def run():
        return one_bad(local_lambda, started_by[language], event, timeout=TIMEOUT_S)

    # Who computes is seen in the last 50 ms, if the machine lets the companion look.
    check_hang(tried(run, was_looked_at), hang, TIMEOUT_S)


@pytest.mark.parametrize("hang", UNRESOLVED, ids=name_of)
def test_a_name_that_nobody_resolves(local_lambda, workspace, started_by, hang):
    language, way = hang[:2]
    alone = with_resolver(local_lambda, workspace, "never")
    log = alone.run(*started_by[language], event={"way": way}, timeout=TIMEOUT_S)
    [bad] = log.invokes
    check_hang(bad, hang, TIMEOUT_S)


@pytest.mark.alone
def test_who_answers_within_the_margin_is_not_late(local_lambda):
    """The deadline's margin is 50 ms here, and this answer comes within it, if the machine lets it."""

    def run():
        return local_lambda.run(
            sys.executable, "-m", "awslambdaric", "app.handler", event={"sleep": 0.97}, timeout=1
        )

    log = tried(run, lambda log: not any("Task timed out" in line for line in log.lines))
    [record] = log.invokes
    assert record["status"] == "ok" and "blocked" not in record
    assert not [f for f in record.get("findings", []) if f["code"].startswith("timeout")]


# ---- dying --------------------------------------------------------------------------------------

@pytest.mark.parametrize("death", DEATHS, ids=name_of)
def test_a_death(local_lambda, started_by, death):
    language, way = death[:2]
    env = {"NODE_OPTIONS": "--max-old-space-size=48"} if way == "heap" else {}
    command = started_by[language]
    bad = one_bad(local_lambda, command, {"way": way}, timeout=20, memory=512, env=env)
    check_death(bad, death)


def test_a_python_memory_error_is_no_kill(local_lambda):
    bad = one_bad(local_lambda, PYTHON, {"way": "memory-error"}, timeout=5)
    assert bad["status"] == "error"
    assert "memory.refused" in [found["code"] for found in bad["findings"]]
    assert "death" not in bad


def inits_of(local_lambda, handler, invocations):
    """What each init of a function that never gets through it is said to be, by code."""
    answers = []
    with local_lambda.serve(sys.executable, "-m", "awslambdaric", handler, timeout=2) as serving:
        for _ in range(invocations):
            answers.append(serving.invoke({})[1])
        log = serving.stop()
    assert answers == [True] * invocations
    inits = log.of_type("init")
    assert len(inits) == len(log.records) >= invocations
    return inits, [[f["code"] for f in record.get("findings", [])] for record in inits]


def test_init_that_never_finishes_is_recognised(local_lambda):
    """Each start of init sleeps longer than it may: after the second the record says loop."""
    inits, codes = inits_of(local_lambda, "never_ready.handler", 2)
    assert {record["status"] for record in inits} == {"timeout"}
    assert [("init.loop" in found) for found in codes] == [False] + [True] * (len(inits) - 1)
    loops = [f for r in inits for f in r.get("findings", []) if f["code"] == "init.loop"]
    assert [loop["evidence"]["failed_inits"] for loop in loops] == list(range(2, len(inits) + 1))


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [
        ("exits_at_once.handler", None),
        ("absent.handler", "Runtime.ImportModuleError"),
        ("plain.absent", "Runtime.HandlerNotFound"),
    ],
)
def test_an_init_that_fails_by_itself_is_no_slow_one(local_lambda, handler, error_type):
    inits, codes = inits_of(local_lambda, handler, 2)
    assert {record["status"] for record in inits} <= {"exit", "error"}
    assert codes == [["init.failed"]] * len(inits)
    assert {record.get("error_type") for record in inits} == {error_type}
    for record in inits:
        assert record["headline"].startswith(f"Init failed{' with ' + error_type if error_type else ''}")
