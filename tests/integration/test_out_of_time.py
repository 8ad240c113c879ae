"""What the one line says of a function whose time ran out: what took the time, not its last instant; the
thread and the host that it was for; and of their healthy neighbours none of it.
"""

import contextlib
import re
import shutil
import socketserver
import sys
import threading
import time

import pytest
from patience import a_few_tries, tried, undisturbed_codes

PYTHON = [sys.executable, "-m", "awslambdaric", "out_of_time.handler"]
SLOW_S, QUICK_S = 0.6, 0.02


def answering(delay_s):
    class Answers(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline():
                time.sleep(delay_s)
                with contextlib.suppress(OSError):
                    self.wfile.write(b"!\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def ports():
    with contextlib.ExitStack() as kept:
        found = {}
        for name, delay_s in (("port", QUICK_S), ("slow", SLOW_S), ("silent", 600)):
            server = answering(delay_s)
            kept.callback(server.shutdown)
            found[name] = server.server_address[1]
        yield found


def codes(record):
    return [finding["code"] for finding in record.get("findings", [])]


def finding(record, code):
    [found] = [found for found in record["findings"] if found["code"] == code]
    return found


def ended(local_lambda, way, ports, command=PYTHON, **options):
    log = local_lambda.run(
        *command, event={"way": way, **ports}, timeout=2, env={"LAMPREY_DETAIL": "full"}, **options
    )
    [record] = log.invokes
    assert record["status"] == "timeout"
    wall = record["wall"]
    parts = sum(value for key, value in wall.items() if key.endswith("_ms") and key != "total_ms")
    assert parts <= 1.01 * wall["total_ms"], wall
    return record


@a_few_tries
def test_many_short_calls_are_told_together(local_lambda, ports):
    record = ended(local_lambda, "many", ports)
    told = re.search(
        rf"Timed out after [0-9.]+ s: (1\.\d+) s of [0-9.]+ s in (\d+) calls to localhost:{ports['port']}, "
        r"none over ([0-9.]+) ms",
        record["headline"],
    )
    assert told, record["headline"]
    [host] = record["network"]
    assert host["host"] == "localhost"
    assert 1.6 < float(told[1]) and 40 < int(told[2]) <= 2 / QUICK_S
    assert QUICK_S * 1000 <= float(told[3])
    assert finding(record, "timeout.calls")["severity"] == "critical"
    assert not {"timeout.answer", "locks.contended"} & set(codes(record))


@a_few_tries
def test_the_worker_that_waits_is_named(local_lambda, ports):
    record = ended(local_lambda, "worker", ports)
    front, second = record["blocked"][:2]
    silent = f"127.0.0.1:{ports['silent']}"
    assert front["target"] == silent and second["call"].startswith("sem_")
    told = finding(record, "timeout.answer")
    assert silent in told["text"] and "the handler waits for that thread" in told["text"]
    assert told["evidence"]["confidence_percent"] >= 60
    assert f"to {silent}, and the handler waits for it" in record["headline"]
    assert record["wall"]["network_ms"] > 1500 and record["wall"]["lock_ms"] < 300
    assert not {"timeout.lock", "locks.contended"} & set(codes(record))


@a_few_tries
def test_a_worker_that_computes_is_named(local_lambda, ports):
    record = ended(local_lambda, "busy_worker", ports)
    assert finding(record, "timeout.cpu")["text"].startswith("Thread ")
    assert "on CPU, and the handler waits for it: busy_worker." in record["headline"]
    assert record["wall"]["cpu_ms"] > 1000


def test_a_busy_handlers_time_is_cpu(local_lambda):
    [record] = local_lambda.run(
        sys.executable, "-m", "awslambdaric", "hangs.handler", event={"way": "busy"}, timeout=2
    ).invokes
    wall = record["wall"]
    assert wall["cpu_ms"] + wall.get("runnable_ms", 0) + wall.get("stolen_ms", 0) > 1000, wall


@a_few_tries
def test_a_silent_host_on_a_loop_that_ticks(local_lambda, ports):
    record = ended(local_lambda, "loop", {"port": ports["silent"]})
    assert f"127.0.0.1:{ports['silent']}" in finding(record, "timeout.answer")["text"]
    assert record["wall"]["network_ms"] > 1500 and record["wall"]["sleep_ms"] < 300


def node(local_lambda, ports, **event):
    if shutil.which("node") is None:
        pytest.skip("no node here")
    return local_lambda.run(
        "node", "empty_loop.mjs", event={**ports, **event}, timeout=2, memory=512,
        env={"LAMPREY_DETAIL": "full"},
    ).invokes  # fmt: skip


@a_few_tries
def test_an_idle_connection_keeps_the_loop_alive(local_lambda, ports):
    [record] = node(local_lambda, ports)
    assert record["status"] == "timeout"
    told = finding(record, "timeout.idle_loop")["text"]
    assert re.search(rf"the last answer \(localhost:{ports['port']}\) came after \d", told), told
    assert f"alive: 127.0.0.1:{ports['port']} (localhost)" in told
    assert "did not answer" not in record["headline"] + told
    assert "timeout.answer" not in codes(record)
    [healthy] = node(local_lambda, ports, closes=True)
    assert healthy["status"] == "ok" and not undisturbed_codes(healthy)
    [silent] = node(local_lambda, {"port": ports["silent"]})
    assert "timeout.answer" in codes(silent) and "timeout.idle_loop" not in codes(silent)


# -- of what ends well: waits are named by what ended them -----------------------------------------


def well(local_lambda, way, ports, **options):
    log = local_lambda.run(
        *PYTHON, event={"way": way, **ports}, timeout=20, env={"LAMPREY_DETAIL": "full"}, **options
    )
    assert all(record["status"] == "ok" for record in log.invokes)
    return log.invokes


def test_a_ticking_loop_that_waits_for_an_answer_does_not_sleep(local_lambda, ports):
    def is_true(records):
        [record] = records
        wall = record["wall"]
        return (
            wall["network_ms"] >= 0.9 * SLOW_S * 1000
            and wall["sleep_ms"] < 0.2 * SLOW_S * 1000
            and "time.sleeping" not in codes(record)
            and "network (localhost)" in record["headline"]
        )

    tried(lambda: well(local_lambda, "loop", {"port": ports["slow"]}), is_true)


@a_few_tries
def test_a_clients_limit_makes_a_wait_for_a_host_no_sleep(local_lambda, ports):
    log = local_lambda.run(*PYTHON, event={"way": "stops_halfway", **ports}, timeout=5)
    [record] = log.invokes
    wall = record["wall"]
    assert wall["network_ms"] > 0.8 * wall["total_ms"] and wall["sleep_ms"] < 0.1 * wall["total_ms"], wall
    assert "time.sleeping" not in codes(record)


@a_few_tries
def test_a_handshake_that_is_not_finished(local_lambda, ports):
    record = ended(local_lambda, "handshake", ports)
    assert f"to 127.0.0.1:{ports['silent']} (localhost) (TLS handshake)" in record["headline"]
    assert codes(record) == ["network.tls"]
    assert f"with 127.0.0.1:{ports['silent']} (localhost) was not finished" in record["findings"][0]["text"]


def test_work_that_goes_on_is_told_where_it_is_left_and_where_it_goes_on(local_lambda, ports):
    def is_true(records):
        first, *others = [codes(record) for record in records]
        told = [found for found in others if "work.from_before" in found]
        if "work.left" not in first or len(told) != 1 or any("work.left" in o for o in others):
            return False
        # A busy machine may leave it earlier: looking up the name.
        return f"waiting for localhost:{ports['port']}" in finding(records[0], "work.left")["text"]

    tried(lambda: well(local_lambda, "leaves_work", ports, invocations=4), is_true)


@pytest.mark.parametrize("way", ["pool_stays", "fan_out", "loop"])
def test_threads_that_rest_leave_no_work(local_lambda, ports, way):
    for record in well(local_lambda, way, ports, invocations=4):
        assert not {"work.left", "work.from_before"} & set(codes(record)), record["findings"]


def test_a_healthy_fan_out_waits_for_the_network(local_lambda, ports):
    def is_true(records):
        [record] = records
        wall = record["wall"]
        return (
            wall["network_ms"] >= 0.8 * SLOW_S * 1000
            and wall["lock_ms"] < 0.2 * SLOW_S * 1000
            and "locks.contended" not in codes(record)
        )

    tried(lambda: well(local_lambda, "fan_out", {"port": ports["slow"]}), is_true)
