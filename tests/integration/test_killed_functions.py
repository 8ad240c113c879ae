"""Functions that hang until their time is over, or die: the one line says in what, where and why.

Each way in Python, Node and C++ where the language can do it; handlers/hangs.* are the functions.
"""

import re
import socket
import sys
import time

import pytest
from custom_runtime import custom_runtime
from resolvers import with_resolver

TIMEOUT_S = 1
PYTHON = [sys.executable, "-m", "awslambdaric", "hangs.handler"]
NODE = ["node", "node_client.mjs"]
LOOP_WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}


def rows(root):
    """The calls that are counted in this tree."""
    text = (root / "src/recording/calls.def").read_text()
    return set(re.findall(r"^CALL\((\w+),", text, re.M))


@pytest.fixture(scope="module")
def bootstrap():
    """The custom runtime with the functions of hangs.cpp."""
    return [str(custom_runtime("hangs", "-fno-inline", "-rdynamic"))]


@pytest.fixture
def command(request, bootstrap):
    return {"python": PYTHON, "node": NODE, "c++": bootstrap}[request.param]


@pytest.fixture
def full_port():
    """A port on which nobody's connect is ever answered: the listener's queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        time.sleep(0.05)
        yield server.getsockname()[1]
        for filler in fillers:
            filler.close()


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


# ---- hanging ------------------------------------------------------------------------------------

HANGS = [
    ("python", "connect", {"connect"}, r"127\.0\.0\.1:\d+$", "timeout.connect"),
    ("python", "recv", {"recv", "recvfrom"}, r"127\.0\.0\.1:\d+$", "timeout.answer"),
    ("python", "mutex", {"sem_clockwait", "sem_wait", "sem_timedwait"}, "", "timeout.lock"),
    ("python", "waitpid", {"waitpid", "wait4"}, "", "timeout.child"),
    ("python", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("python", "sleep", {"clock_nanosleep", "select"}, "", "timeout.sleep"),
    ("node", "connect", LOOP_WAITS, r"127\.0\.0\.1:\d+ \(connecting\)", "timeout.connect"),
    ("node", "recv", LOOP_WAITS, r"127\.0\.0\.1:\d+", "timeout.answer"),
    ("node", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("node", "waitpid", LOOP_WAITS, "", None),  # spawnSync waits in a loop of its own
    ("node", "sleep", LOOP_WAITS, "", None),
    ("c++", "connect", {"connect"}, r"127\.0\.0\.1:\d+$", "timeout.connect"),
    ("c++", "recv", {"recv"}, r"127\.0\.0\.1:\d+$", "timeout.answer"),
    ("c++", "mutex", {"pthread_mutex_lock"}, "", "timeout.lock"),
    ("c++", "waitpid", {"waitpid", "wait4"}, "", "timeout.child"),
    ("c++", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("c++", "sleep", {"sleep", "nanosleep", "clock_nanosleep"}, "", "timeout.sleep"),
]


@pytest.mark.parametrize(
    ("command", "way", "calls", "target", "finding"),
    HANGS, indirect=["command"], ids=[f"{hang[0]}-{hang[1]}" for hang in HANGS],
)  # fmt: skip
def test_a_hang(local_lambda, root, full_port, command, way, calls, target, finding):
    if not calls & (rows(root) | {"on_cpu"}):
        pytest.xfail(f"none of {sorted(calls)} is counted in this tree yet")
    bad = one_bad(local_lambda, command, {"way": way, "port": full_port}, timeout=TIMEOUT_S)
    check_hang(bad, calls, target, finding)


def check_hang(bad, calls, target, finding):
    assert bad["status"] == "timeout"
    front = bad["blocked"][0]
    assert front["call"] in calls, bad["blocked"]
    assert re.search(target, front.get("target", ""))
    if front["call"] == "on_cpu":
        assert re.match(r"Timed out after (1\.\d+ s|99\d ms): main thread [0-9.]+ m?s on CPU", bad["headline"])
    else:
        assert 800 <= front["for_ms"] <= bad["duration_ms"]
        assert f" in {front['call']}" in bad["headline"].split(";")[0]
        assert "stack" in front, "where the call was entered"
    codes = [found["code"] for found in bad.get("findings", [])]
    assert [code for code in codes if code.startswith("timeout.")] == ([finding] if finding else [])


@pytest.mark.parametrize("command", ["python", "node", "c++"], indirect=True)
def test_a_name_that_nobody_resolves(local_lambda, workspace, command):
    alone = with_resolver(local_lambda, workspace, "never")
    log = alone.run(*command, event={"way": "dns"}, timeout=TIMEOUT_S)
    [bad] = log.invokes
    check_hang(bad, {"getaddrinfo"}, r"^db\.internal\.example$", "timeout.dns")


def test_who_answers_within_the_margin_is_not_late(local_lambda):
    """The deadline's margin is 50 ms here, and this answer comes within it."""
    log = local_lambda.run(
        sys.executable, "-m", "awslambdaric", "app.handler", event={"sleep": 0.97}, timeout=1
    )
    if any("Task timed out" in line for line in log.lines):
        pytest.skip("this machine was too slow to answer in the last 30 ms")
    [record] = log.invokes
    assert record["status"] == "ok" and "blocked" not in record
    assert not [f for f in record.get("findings", []) if f["code"].startswith("timeout")]


# ---- dying --------------------------------------------------------------------------------------

DEATHS = [
    ("python", "null", "crash", "SIGSEGV", "address not mapped", None),
    ("python", "abort", "crash", "SIGABRT", "abort()", None),
    ("python", "double-free", "crash", "SIGABRT", "double free detected", "crash.heap"),
    ("python", "bus", "crash", "SIGBUS", "beyond the end of a mapped file", None),
    ("python", "recursion", "crash", "SIGSEGV", "stack overflow", "crash.recursion"),
    ("python", "_exit", "exit", None, "_exit(3)", "exit.in_invocation"),
    ("python", "exit", "exit", None, "", "exit.in_invocation"),
    ("node", "exit", "exit", None, "exit(1)", "exit.in_invocation"),
    ("node", "abort", "crash", "SIGABRT", "abort()", None),
    ("node", "uncaught", "exit", None, "exit(1)", "exit.in_invocation"),
    ("node", "heap", "crash", "SIGABRT", "abort()", None),
    ("c++", "null", "crash", "SIGSEGV", "address not mapped", None),
    ("c++", "recursion", "crash", "SIGSEGV", "stack overflow", "crash.recursion"),
    ("c++", "bus", "crash", "SIGBUS", "beyond the end of a mapped file", None),
    ("c++", "double-free", "crash", "SIGABRT", "double free detected", "crash.heap"),
    ("c++", "abort", "crash", "SIGABRT", "abort()", None),
    ("c++", "throw", "crash", "SIGABRT", "uncaught C++ exception", None),
    ("c++", "_exit", "exit", None, "_exit(3)", "exit.in_invocation"),
]


@pytest.mark.parametrize(
    ("command", "way", "status", "signal", "reason", "finding"),
    DEATHS, indirect=["command"], ids=[f"{death[0]}-{death[1]}" for death in DEATHS],
)  # fmt: skip
def test_a_death(local_lambda, command, way, status, signal, reason, finding):
    env = {"NODE_OPTIONS": "--max-old-space-size=48"} if way == "heap" else {}
    bad = one_bad(local_lambda, command, {"way": way}, timeout=20, memory=512, env=env)
    assert bad["status"] == status, bad["death"]
    death = bad["death"]
    assert death.get("signal") == signal
    assert reason in death["reason"]
    assert reason in bad["headline"]
    assert ("exit_code" in death) == (status == "exit")
    assert "duration_ms" in bad and death["thread"]
    if death["reason"] != "the main function returned 4":
        assert death["stack"], "where it happened"
    if finding:
        assert finding in [found["code"] for found in bad["findings"]]


def test_a_python_memory_error_is_no_kill(local_lambda):
    bad = one_bad(local_lambda, PYTHON, {"way": "memory-error"}, timeout=5)
    assert bad["status"] == "error"
    assert "memory.refused" in [found["code"] for found in bad["findings"]]
    assert "death" not in bad


def test_init_that_never_finishes_is_recognised(local_lambda):
    """Each start of init sleeps longer than it may: after the second the record says loop."""
    answers = []
    with local_lambda.serve(
        sys.executable, "-m", "awslambdaric", "exits_at_once.handler", timeout=2
    ) as serving:
        for _ in range(3):
            answers.append(serving.invoke({})[1])
        log = serving.stop()
    assert answers == [True] * 3
    inits = log.of_type("init")
    assert len(inits) == len(log.records) >= 3
    assert {record["status"] for record in inits} <= {"exit", "error"}
    loops = [f for r in inits for f in r.get("findings", []) if f["code"] == "init.loop"]
    assert [loop["evidence"]["failed_inits"] for loop in loops] == list(range(2, len(inits) + 1))
