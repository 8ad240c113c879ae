"""Where the time of an invocation went: handlers whose truth is known, against `wall`, `network`,
`files` and `blocked`.

On a busy machine no account is that of the handler's plan. So an invocation is tried until one was
undisturbed; a wrong account never is true.
"""

import contextlib
import functools
import os
import shutil
import socketserver
import subprocess
import threading
import time

import pytest
from patience import tried
from resolvers import with_resolver
from test_python_runtime import VERSIONS, interpreter

PARTS = ("cpu", "runnable", "stolen", "network", "dns", "file", "lock", "sleep", "child", "other")
ANSWER_MS, SLEEP_MS, LOCK_MS, CHILD_MS, CPU_MS, DNS_MS = 150, 200, 100, 30, 60, 88

pytestmark = pytest.mark.alone


class Slow(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        time.sleep(ANSWER_MS / 1000)
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture(scope="module")
def port():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


@pytest.fixture(scope="module")
def python(root):
    for version in VERSIONS:
        program, obstacle = interpreter(root, version)
        if not obstacle:
            return program
    return pytest.skip("no Python here can have awslambdaric")


def each_once(port):
    return {
        "sleep": SLEEP_MS / 1000,
        "network": port,
        "lock": LOCK_MS / 1000,
        "child": CHILD_MS / 1000,
        "cpu": CPU_MS / 1000,
    }


def check_sum(record):
    wall = record["wall"]
    assert wall["total_ms"] == record["duration_ms"]
    total = sum(wall.get(f"{part}_ms", 0) for part in PARTS)
    assert abs(total - wall["total_ms"]) <= wall["total_ms"] / 100, wall


def near(seen, known):
    return abs(seen - known) <= max(5, known * 0.05)


def account(serving, event):
    """One invocation: what the handler answered, and its record."""
    before = len(serving.log().invokes)
    answer, failed = serving.invoke(event)
    assert not failed, answer
    for _ in range(500):
        records = serving.log().invokes
        if len(records) > before:
            break
        time.sleep(0.02)
    assert len(records) == before + 1, "one line for each invocation"
    check_sum(records[-1])
    return answer, records[-1]


@pytest.fixture(scope="module")
def timed(local_lambda, python):
    command = [python, "-m", "awslambdaric", "timed.handler"]
    with local_lambda.serve(*command, env={"LAMPREY_DETAIL": "full"}, timeout=20) as serving:
        yield functools.partial(account, serving)
        with contextlib.suppress(AssertionError):
            serving.stop()


def test_python_one_after_the_other(timed, port):
    """All of it in one invocation: every part is what the handler's own clock says."""
    event = each_once(port)

    def entry_of_host(record):
        hosts = {entry["host"]: entry for entry in record["network"]}
        assert not [name for name in hosts if name.endswith(":9001")]  # the Runtime API is no host
        return hosts[f"127.0.0.1:{port}"]

    def is_true(result):
        took, record = result
        wall = record["wall"]
        return (
            near(wall["sleep_ms"], SLEEP_MS)
            and near(wall["network_ms"], took["network"])
            and near(wall["lock_ms"], took["lock"])
            and CHILD_MS <= wall["child_ms"] <= took["child"]
            and near(wall["cpu_ms"], took["thread_cpu"])  # the plan, and the calls that each part makes
            and near(entry_of_host(record)["first_byte_ms"], ANSWER_MS)
        )

    took, record = tried(lambda: timed(event), is_true)
    host = entry_of_host(record)
    assert (host["connects"], host["errors"], host["sent_bytes"]) == (1, 0, 18)
    assert " sleep" in record["headline"] and " locks" in record["headline"]
    assert timed({})[1]["wall"]["sleep_ms"] < SLEEP_MS / 40  # and nothing of it in the next


def test_node_all_at_once(local_lambda, port):
    """One thread waits for everything: each span is charged to what ended it."""
    if shutil.which("node") is None:
        pytest.skip("no node here")
    event = {"sleep": SLEEP_MS / 1000, "network": port, "child": CHILD_MS / 1000}
    options = {"env": {"LAMPREY_DETAIL": "full"}, "memory": 512, "timeout": 20}

    def is_true(result):
        answer, record = result
        wall = record["wall"]
        assert answer["took"] >= SLEEP_MS - 2  # its timers count whole ms
        # Node may compute before it asks, while it waits, and after: the waits are that uncertain.
        slack = 5 + wall["cpu_ms"] + wall["runnable_ms"]
        waited = wall["network_ms"] + wall["child_ms"] + wall["other_ms"]
        return (
            slack <= ANSWER_MS / 5
            and abs(waited - ANSWER_MS) <= slack
            and abs(wall["sleep_ms"] - (SLEEP_MS - ANSWER_MS)) <= slack
            and near(wall["child_ms"], CHILD_MS)
        )

    with local_lambda.serve("node", "node_client.mjs", **options) as serving:
        tried(lambda: account(serving, {"timed": event}), is_true)
        serving.stop()


@pytest.fixture(scope="module")
def java(root):
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("no Java compiler here")
    classes = root / "build/test-programs/java"  # /tmp is another one for the function
    source = root / "tests/integration/handlers/TimedClient.java"
    subprocess.run(["javac", "-d", classes, source], check=True)
    # Twice the work needs no better compiler; its threads would compete for two cores.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "TimedClient"]


def test_java_one_after_the_other(local_lambda, java, port):
    """The thread that handles the request; the JVM's sleeps and locks are waits on conditions."""
    event = each_once(port)

    def is_true(result):
        took, record = result
        wall = record["wall"]
        return (
            near(wall["sleep_ms"], SLEEP_MS)
            and near(wall["network_ms"], took["network"])
            and near(wall["lock_ms"] + wall["child_ms"], took["lock"] + took["child"])
            and near(wall["lock_ms"], LOCK_MS)
            and CHILD_MS <= wall["child_ms"] <= took["child"]  # by the JVM's thread for it
            and near(wall["cpu_ms"], CPU_MS + took["lock"] + took["child"] - LOCK_MS - CHILD_MS)
        )

    with local_lambda.serve(*java, memory=512, timeout=20) as serving:
        tried(lambda: account(serving, event), is_true)
        serving.stop()


@pytest.fixture
def slow_names(local_lambda, workspace):
    return with_resolver(local_lambda, workspace, DNS_MS / 1000)


@pytest.mark.parametrize("runtime", ["python", "node", "java"])
def test_a_slow_resolver_and_a_large_file(slow_names, workspace, request, runtime):
    large = workspace / "large"
    large.write_bytes(bytes(50 << 20))
    os.sync()
    fd = os.open(large, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # the first invocation reads it cold
    os.close(fd)
    event = {"dns": "db.internal.example", "read": str(large)}
    if runtime == "python":
        command = [request.getfixturevalue("python"), "-m", "awslambdaric", "timed.handler"]
    elif runtime == "java":
        command = request.getfixturevalue("java")
    else:
        command, event = ["node", "node_client.mjs"], {"timed": event}

    def run():
        log = slow_names.run(
            *command, event=event, invocations=3, memory=512, timeout=20,
            env={"LAMPREY_DETAIL": "full"},
        )
        assert len(log.invokes) == 3
        for record in log.invokes:
            check_sum(record)
            (file,) = [f for f in record["files"] if f["path"] == str(large)]
            assert (file["opens"], file["bytes"], file["errors"]) == (1, 50 << 20, 0)
        named = [record for record in log.invokes if "network" in record]
        assert len(named) == (1 if runtime == "java" else 3)  # the JVM keeps what it has heard
        return named

    def is_true(record):
        """One after the other: both in the wall. On the event loop both at once, on the pool's threads:
        what the loop waited for is shared between them."""
        wall = record["wall"]
        (host,) = record["network"]
        (file,) = [f for f in record["files"] if f["path"] == str(large)]
        assert host["host"] == "db.internal.example" and host["connects"] == 0
        if runtime == "node":
            waited = wall["dns_ms"] + wall["file_ms"]
            uncertain = wall["cpu_ms"] + wall["runnable_ms"]
            return near(host["dns_ms"], DNS_MS) and waited + uncertain >= 0.9 * DNS_MS
        asked = 1 if runtime == "python" else 2  # Java asks for both families of addresses
        return near(wall["dns_ms"] / asked, DNS_MS) and near(wall["file_ms"], file["time_ms"])

    tried(run, lambda named: any(map(is_true, named)))


def test_a_resolver_of_ones_own_is_dns_too(slow_names):
    """Node's dns.resolve asks on sockets of its own (c-ares): the event loop waits for port 53."""
    if shutil.which("node") is None:
        pytest.skip("no node here")
    event = {"timed": {"resolve": "db.internal.example"}}

    def run():
        log = slow_names.run(
            "node", "node_client.mjs", event=event, invocations=2, memory=512, timeout=20,
            env={"LAMPREY_DETAIL": "full"},
        )  # fmt: skip
        return log.invokes

    def is_true(record):
        check_sum(record)
        (host,) = record["network"]
        assert host.get("peer", host["host"]).endswith(":53") and host["received_bytes"] > 0
        return near(record["wall"]["dns_ms"], DNS_MS) and record["wall"]["network_ms"] < DNS_MS / 16

    tried(run, lambda records: all(map(is_true, records)))


@pytest.mark.parametrize(
    ("event", "call"), [({"sleep": 30}, "clock_nanosleep"), ({"child": 30}, "wait4")]
)
def test_a_timeout_says_what_the_thread_waited_for(local_lambda, python, event, call):
    log = local_lambda.run(python, "-m", "awslambdaric", "timed.handler", event=event, timeout=2)
    (record,) = log.invokes
    assert record["status"] == "timeout"
    names = {"wait4": {"waitpid", "waitid"}}.get(call, {call})
    assert record["blocked"][0]["call"] in names, record["blocked"]
    check_sum(record)
    part = "sleep_ms" if "sleep" in event else "child_ms"
    assert record["wall"][part] > 1500
