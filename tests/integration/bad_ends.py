"""Functions that hang until their time is over, or die, in Python, Node and C++ (handlers/hangs.*), and
what their one line must then say, under whatever emulator. No test and no running may live here.
"""

import contextlib
import re
import socket
import sys
import time

from custom_runtime import custom_runtime

PYTHON = [sys.executable, "-m", "awslambdaric", "hangs.handler"]
NODE = ["node", "node_client.mjs"]
LOOP_WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
LOOPBACK = r"^127\.0\.0\.1:\d+"

# Language, way; the calls of which one may be named, the target as a pattern, the one finding.
HANGS = [
    ("python", "connect", {"connect"}, LOOPBACK + "$", "timeout.connect"),
    ("python", "recv", {"recv", "recvfrom"}, LOOPBACK + "$", "timeout.answer"),
    ("python", "mutex", {"sem_clockwait", "sem_wait", "sem_timedwait"}, "", "timeout.lock"),
    ("python", "waitpid", {"waitpid", "wait4"}, "", "timeout.child"),
    ("python", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("python", "sleep", {"clock_nanosleep", "select"}, "", "timeout.sleep"),
    ("node", "connect", LOOP_WAITS, LOOPBACK + r" \(connecting\)", "timeout.connect"),
    ("node", "recv", LOOP_WAITS, LOOPBACK, "timeout.answer"),
    ("node", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("node", "waitpid", LOOP_WAITS, "", "timeout.child"),  # spawnSync waits in a loop of its own
    ("node", "sleep", LOOP_WAITS, "", "timeout.sleep"),
    ("c++", "connect", {"connect"}, LOOPBACK + "$", "timeout.connect"),
    ("c++", "recv", {"recv"}, LOOPBACK + "$", "timeout.answer"),
    ("c++", "mutex", {"pthread_mutex_lock"}, "", "timeout.lock"),
    ("c++", "waitpid", {"waitpid", "wait4"}, "", "timeout.child"),
    ("c++", "busy", {"on_cpu"}, "", "timeout.cpu"),
    ("c++", "sleep", {"sleep", "nanosleep", "clock_nanosleep"}, "", "timeout.sleep"),
]
# Where names are asked of a resolver that never answers.
UNRESOLVED = [
    (language, "dns", {"getaddrinfo"}, r"^db\.internal\.example$", "timeout.dns")
    for language in ("python", "node", "c++")
]

# Language, way; status, signal, part of the reason, finding.
DEATHS = [
    ("python", "null", "crash", "SIGSEGV", "address not mapped", None),
    ("python", "null-handled", "crash", "SIGSEGV", "address not mapped", None),  # by faulthandler
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


def name_of(end):
    return f"{end[0]}-{end[1]}"


def commands():
    """The start command by language; builds the custom runtime."""
    bootstrap = custom_runtime("hangs", "-fno-inline", "-rdynamic")
    return {"python": PYTHON, "node": NODE, "c++": [str(bootstrap)]}


@contextlib.contextmanager
def full_listener(port=0):
    """A port on which nobody's connect is ever answered: the listener's queue is full."""
    with contextlib.ExitStack() as kept:
        server = kept.enter_context(socket.create_server(("127.0.0.1", port), backlog=0))
        for _ in range(4):
            filler = kept.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        time.sleep(0.05)
        yield server.getsockname()[1]


def check_hang(bad, hang, timeout_s):
    _, _, calls, target, finding = hang
    assert bad["status"] == "timeout"
    front = bad["blocked"][0]
    assert front["call"] in calls, bad["blocked"]
    assert re.search(target, front.get("target", ""))
    # The request came a little after the platform began to count.
    timed_out = re.match(r"Timed out after ([0-9.]+) (m?s): ", bad["headline"])
    assert timed_out, bad["headline"]
    seconds = float(timed_out[1]) / (1000 if timed_out[2] == "ms" else 1)
    assert 0.9 * timeout_s <= seconds < 2 * timeout_s
    if front["call"] == "on_cpu":
        busy = r"(\(anonymous namespace\)::hang_)?busy\b"
        assert re.search(rf": main thread [0-9.]+ m?s on CPU in {busy}", bad["headline"])
        assert re.match(busy, front["stack"]), "asked shortly before the end"
    else:
        assert 0.8 * 1000 * timeout_s <= front["for_ms"] <= bad["duration_ms"]
        assert f" in {front['call']}" in bad["headline"].split(";")[0]
        assert "stack" in front, "where the call was entered"
    codes = [found["code"] for found in bad.get("findings", [])]
    assert [code for code in codes if code.startswith("timeout.")] == ([finding] if finding else [])


def check_death(bad, expected):
    _, _, status, signal, reason, finding = expected
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
