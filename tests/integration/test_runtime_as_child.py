"""Whoever asks the Runtime API for work is the runtime, also where a wrapper starts it as a child and waits,
as AWS's own sample wrapper in Python does. What the wrapper and its helpers left is in no record.
"""


import pytest
from test_neighbours import COMMAND, EVENTS, SHOW, check, wrapper

WRAPPERS = {
    # As AWS's sample: an option more, and os.system.
    "system": """\
        #!/usr/bin/env python3
        import os, shlex, sys
        words = [sys.argv[1], "-X", "utf8", *sys.argv[2:]]
        sys.exit(os.waitstatus_to_exitcode(os.system(" ".join(map(shlex.quote, words)))))
        """,
    "subprocess": """\
        #!/usr/bin/env python3
        import os, subprocess, sys
        subprocess.run(["uname"], stdout=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-c", "pass"])
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "MORE": "1"}).returncode)
        """,
    "shell": """\
        #!/bin/bash
        ls / >/dev/null
        "$@"
        """,
    "shell-in-shell": """\
        #!/usr/bin/env python3
        import subprocess, sys
        sys.exit(subprocess.call(["sh", "-c", 'true; "$0" "$@"', *sys.argv[1:]]))
        """,
    "fork": """\
        #!/usr/bin/env python3
        import os, sys
        child = os.fork()
        if child == 0:
            os.execvp(sys.argv[1], sys.argv[1:])
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
}


@pytest.fixture
def waits(workspace):
    return lambda name: wrapper(workspace, name, WRAPPERS[name])


def served(local_lambda, command, events, **options):
    with local_lambda.serve(*command, **options) as serving:
        answers = [serving.invoke(event) for event in events]
        return answers, serving.stop()


@pytest.mark.parametrize("name", WRAPPERS)
def test_behind_ours(local_lambda, waits, name):
    events = [*EVENTS, SHOW]
    answers, log = served(local_lambda, COMMAND, events, env={"LAMPREY_EXEC_WRAPPER": waits(name)})
    check(log, answers, len(events))
    assert log.complaints == []
    assert answers[-1][0]["environment"]["LD_PRELOAD"] is None, "the runtime's children start without us"
    [init] = log.of_type("init")
    assert "unseen" not in init["coverage"] and init["status"] == "ok"


@pytest.mark.parametrize("name", WRAPPERS)
def test_as_the_command_itself(local_lambda, waits, name):
    answers, log = served(local_lambda, [waits(name), *COMMAND], EVENTS)
    check(log, answers, len(EVENTS))
    assert log.complaints == []


@pytest.mark.parametrize("flush", ["end", "batch"])
def test_a_timeout_and_the_environment_after_it(local_lambda, waits, flush):
    env = {"LAMPREY_EXEC_WRAPPER": waits("system"), "LAMPREY_FLUSH": flush}
    answers, log = served(local_lambda, COMMAND, [{}, {"sleep": 5}, {}], env=env, timeout=1)
    assert [failed for _, failed in answers] == [False, True, False]
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok", "timeout", "ok"]
    assert len(log.of_type("init")) == 2
    assert not any("init.loop" in str(record.get("findings")) for record in log.records)


def test_a_crash_is_the_runtimes_though_the_wrapper_ends_with_a_number(local_lambda, waits):
    env = {"LAMPREY_EXEC_WRAPPER": waits("system")}
    answers, log = served(local_lambda, COMMAND, [{}, {"crash": 0}, {}], env=env)
    assert [failed for _, failed in answers] == [False, True, False]
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok", "crash", "ok"]
    assert log.invokes[1]["death"]["signal"] == "SIGSEGV"


def test_children_that_are_followed_are_told_beside_it(local_lambda, waits):
    """One that the handler starts is a child, also where it runs the runtime's own program."""
    env = {"LAMPREY_EXEC_WRAPPER": waits("subprocess"), "LAMPREY_FOLLOW_CHILDREN": "on"}
    events = [*EVENTS, {"child": [COMMAND[0], "-c", "bytearray(3_000_000)"]}]
    answers, log = served(local_lambda, COMMAND, events, env=env)
    assert [failed for _, failed in answers] == [False] * len(events)
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok"] * len(events)
    children = [r for r in log.records if r.get("process", {}).get("role") == "child"]
    assert any(r["memory"]["allocated_bytes"] > 3_000_000 for r in children)


def test_a_runtime_that_cannot_start_is_told_by_its_own_words(local_lambda, waits):
    command = [*COMMAND[:-1], "no_such_module.handler"]
    answers, log = served(local_lambda, command, [{}], env={"LAMPREY_EXEC_WRAPPER": waits("system")})
    assert answers[0][1]
    [init, *_] = log.of_type("init")
    assert init["error_type"] == "Runtime.ImportModuleError"


def test_helpers_that_never_ask_leave_nothing(local_lambda, workspace):
    """One that runs the runtime's program and is killed, one that outlives the first invocations."""
    path = wrapper(workspace, "helpers", """\
        #!/usr/bin/env python3
        import subprocess, sys
        python = sys.argv[1]
        killed = subprocess.Popen([python, "-c", "import time; time.sleep(60)"])
        waiting = subprocess.Popen([python, "-c", "import time; time.sleep(60)"])
        import time
        time.sleep(0.3)
        killed.kill()
        killed.wait()
        code = subprocess.call(sys.argv[1:])
        waiting.kill()
        sys.exit(code)
        """)  # fmt: skip
    answers, log = served(local_lambda, COMMAND, EVENTS, env={"LAMPREY_EXEC_WRAPPER": path})
    check(log, answers, len(EVENTS))
    assert log.complaints == []
