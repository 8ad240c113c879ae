"""Functions with the layer under AWS's own local emulator, aws-lambda-rie, where that can run: are the
lines there, are they true, and does each hang's and each death's headline name the right thing?

What the emulator does otherwise than Lambda: docs/troubleshooting.md.
"""

import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile

import aws_emulator
import bad_ends
import pytest
from mounts import bound_over_tmp

HANDLERS = pathlib.Path(__file__).resolve().parent / "handlers"
HANG_TIMEOUT_S = 2  # the emulator counts init in
DEATH_TIMEOUT_S = 20
TRIES = 3
AT_ONCE = 4  # they mostly wait


def python(handler):
    return ["/opt/lamprey", sys.executable, "-m", "awslambdaric", handler]


@pytest.fixture(scope="module")
def rie(root, build, private_tmp):
    if os.geteuid() != 0:
        pytest.skip("a mount at /opt and a network of one's own need root")
    reason = aws_emulator.why_not()
    if reason:
        pytest.skip(reason)
    base = root / "build" / "test-workspaces"
    base.mkdir(parents=True, exist_ok=True)
    workspace = pathlib.Path(tempfile.mkdtemp(dir=base))
    yield aws_emulator.AwsEmulator(build, HANDLERS, private_tmp, workspace)
    shutil.rmtree(workspace, ignore_errors=True)


def kinds(log):
    return [(record["type"], record["status"]) for record in log.records]


def test_a_python_function_has_its_lines(rie):
    with rie.serve(*python("fleet.healthy"), memory=256) as serving:
        answers = [serving.invoke() for _ in range(3)]
        log = serving.stop()
    assert answers == [({"n": list(range(100))}, False)] * 3
    assert log.complaints == []
    assert sum("External agent lamprey" in line for line in log.lines) == 1
    assert any("registered, subscribed to [INVOKE SHUTDOWN]" in line for line in log.lines)
    assert kinds(log) == [("init", "ok"), *[("invoke", "ok")] * 3, ("shutdown", "ok")]
    assert [record["invocation"] for record in log.invokes] == [1, 2, 3]
    assert [record["cold_start"] for record in log.invokes] == [True, False, False]
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    for record in log.invokes:
        assert record["memory"]["allocations"] > 0 and "late" not in record
        assert record["duration_ms"] <= log.durations_ms[record["request_id"]]
        assert record["function_name"] == "test_function"
        assert record["memory"]["limit_bytes"] == 256 * 2**20


def test_an_image_without_a_command_has_its_lines(rie):
    """provided.* with LD_PRELOAD: the emulator itself carries it, and the runtime has no _HANDLER."""
    env = {"LD_PRELOAD": "/opt/lib/liblamprey.so"}
    with rie.serve(*bad_ends.commands()["c++"], env=env) as serving:
        serving.invoke({"way": "fine"})
        serving.invoke({"way": "_exit"})
        log = serving.stop()
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    assert kinds(log) == [("init", "ok"), ("invoke", "ok"), ("invoke", "exit"), ("shutdown", "exit")]


@pytest.mark.parametrize(
    ("handler", "status", "reason"),
    [
        ("absent.handler", "error", "the runtime reported that init failed"),
        ("exits_at_once.handler", "exit", "_exit(7)"),
    ],
)
def test_an_init_that_fails_is_told_so(rie, handler, status, reason):
    """To extensions the emulator says spindown the first time. The first request has no answer."""
    with rie.serve(*python(handler)) as serving:
        answers = [serving.invoke() for _ in range(2)]
        log = serving.stop()
    assert [failed for _, failed in answers] == [True, True]
    assert kinds(log) == [("init", status)] * 2
    for record in log.records:
        assert record["headline"].startswith("Init failed")
        assert record["death"]["reason"] == reason
        assert record["memory"]["allocations"] > 1000
        assert [found["code"] for found in record["findings"]] == ["init.failed"]


def test_the_companion_is_killed(rie):
    with rie.serve(*python("app.handler")) as serving:
        answers = [serving.invoke(event) for event in ({}, {"kill_companion": 0}, {})]
        log = serving.stop()
    assert [failed for _, failed in answers] == [False, True, False]
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    assert [record.get("late", False) for record in log.invokes] == [False, True, False]


def test_a_container_that_is_started_again_reports_what_its_former_life_left(rie, workspace):
    """`docker restart`: /tmp is as it was, and process ids begin anew."""
    command = python("app.handler")
    same_tmp = bound_over_tmp(workspace)
    with rie.serve(*command, prelude=same_tmp) as serving:
        serving.invoke()
        former = serving.kill()
    with rie.serve(*command, prelude=same_tmp) as serving:
        serving.invoke()
        log = serving.stop()
    assert kinds(former) == [("init", "ok"), ("invoke", "ok")]
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    late = [record["type"] for record in log.records if record.get("late")]
    assert late == ["shutdown"]
    assert kinds(log) == [("shutdown", "error"), ("init", "ok"), ("invoke", "ok"), ("shutdown", "ok")]


# ---- hanging and dying --------------------------------------------------------------------------

HANGS = bad_ends.HANGS + bad_ends.UNRESOLVED
# One of each kind that the platform could tell from the others.
DEATHS = [
    death for death in bad_ends.DEATHS
    if death[:2] in {("python", "null"), ("python", "_exit"), ("python", "exit"), ("node", "exit"),
                     ("node", "abort"), ("c++", "bus"), ("c++", "throw")}
]  # fmt: skip


def log_of(rie, command, end):
    """The log of an environment in which the first invocation is well and the second ends so."""
    timeout = HANG_TIMEOUT_S if end in HANGS else DEATH_TIMEOUT_S
    for _ in range(TRIES):
        with rie.serve("/opt/lamprey", *command, timeout=timeout, memory=512) as serving:
            if serving.invoke({"way": "fine"})[1]:
                continue  # this machine was too slow for init: the emulator counts it in
            _, failed = serving.invoke({"way": end[1], "port": aws_emulator.SILENT_PORT})
            assert failed
            return serving.stop()
    raise AssertionError(f"in none of {TRIES} tries the first invocation was done in {timeout} s")


@pytest.fixture(scope="module")
def logs(rie, request):
    """The logs that the selected tests want, made several at once."""
    wanted = [
        item.callspec.params["end"] for item in request.session.items
        if item.path == request.path and "end" in getattr(item, "fixturenames", [])
    ]  # fmt: skip
    started_by = bad_ends.commands()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            bad_ends.name_of(end): pool.submit(log_of, rie, started_by[end[0]], end)
            for end in wanted
        }


def one_bad(log, status):
    """The record of the second invocation, where the first was well."""
    assert log.complaints == []
    told = [record["request_id"] for record in log.invokes]
    assert told == log.started_ids, "\n".join(log.lines)
    expected = [("init", "ok"), ("invoke", "ok"), ("invoke", status), ("shutdown", status)]
    assert kinds(log) == expected, "\n".join(log.lines)
    return log.invokes[1]


@pytest.mark.parametrize("end", HANGS, ids=bad_ends.name_of)
def test_a_hang(logs, end):
    log = logs[bad_ends.name_of(end)].result()
    bad_ends.check_hang(one_bad(log, "timeout"), end, HANG_TIMEOUT_S)


@pytest.mark.parametrize("end", DEATHS, ids=bad_ends.name_of)
def test_a_death(logs, end):
    log = logs[bad_ends.name_of(end)].result()
    bad_ends.check_death(one_bad(log, end[2]), end)


def test_after_a_bad_end_a_new_environment_is_well(rie):
    with rie.serve(*python("hangs.handler"), timeout=DEATH_TIMEOUT_S) as serving:
        ways = ["fine", "null", "fine", "_exit", "fine"]
        answers = [serving.invoke({"way": way}) for way in ways]
        log = serving.stop()
    assert [failed for _, failed in answers] == [False, True, False, True, False]
    assert log.complaints == []
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    assert [record["invocation"] for record in log.invokes] == [1, 2, 1, 2, 1]
    assert kinds(log) == [
        ("init", "ok"), ("invoke", "ok"), ("invoke", "crash"), ("shutdown", "crash"),
        ("init", "ok"), ("invoke", "ok"), ("invoke", "exit"), ("shutdown", "exit"),
        ("init", "ok"), ("invoke", "ok"), ("shutdown", "ok"),
    ]  # fmt: skip
