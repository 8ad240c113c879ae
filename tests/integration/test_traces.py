"""Traces for other tools, read back by readers that know nothing of Lamprey: OpenTelemetry's own protos,
and what the Trace Event Format demands of an event."""

import base64
import json
import subprocess

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

INIT = {
    "lamprey": "1", "type": "init", "status": "ok", "function_name": "orders", "function_version": "7",
    "cold_start": True, "started": "2026-11-28T23:11:39.000Z",
    "init": {"total_ms": 440.5, "runtime_start_ms": 240.25, "import_ms": 200.25},
}  # fmt: skip
COLD = {
    "lamprey": "1", "type": "invoke", "status": "ok", "function_name": "orders", "cold_start": True,
    "request_id": "r-1", "invocation": 1, "started": "2026-11-28T23:11:39.500Z", "duration_ms": 100.25,
    "cpu_ms": 7, "live_bytes": 1000, "headline": "Took 100 ms.",
    "trace_id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    "network": [{"host": "db.internal:5432", "peer": "10.0.3.17:5432", "connects": 1, "wait_ms": 60.5}],
    "findings": [{"code": "network.reconnect", "severity": "warning", "text": "t", "advice": "a"}],
    "timeline": [{"at_ms": 10.5, "for_ms": 60.5, "call": "recv", "target": "10.0.3.17:5432 (db.internal)",
                  "thread": "7", "stack": "get (/var/task/app.py:3)"}],
}  # fmt: skip
DEAD = {
    "lamprey": "1", "type": "invoke", "status": "timeout", "function_name": "orders", "request_id": "r-2",
    "invocation": 2, "started": "2026-11-28T23:11:40.000Z", "duration_ms": 6000, "headline": "Timed out.",
    "blocked": [{"thread": "7", "call": "recv", "target": "10.0.3.17:5432", "for_ms": 5998.5, "stack": "get"}],
}  # fmt: skip
OWN = "load_order (/var/task/app.py:16); handler (/var/task/app.py:30)"
WAITING = {
    "lamprey": "1", "type": "invoke", "status": "timeout", "function_name": "orders", "request_id": "r-4",
    "invocation": 3, "started": "2026-11-28T23:11:50.000Z", "duration_ms": 3000, "headline": "Timed out.",
    "timeline": [
        {"at_ms": 2, "for_ms": 24.5, "call": "getaddrinfo", "spent_on": "dns", "target": "db.internal", "thread": "main", "stack": OWN},
        {"at_ms": 27, "for_ms": 12, "call": "connect", "spent_on": "network", "target": "10.0.3.17:5432 (db.internal)", "thread": "main", "stack": OWN},
        {"at_ms": 30, "for_ms": 50, "call": "recv", "spent_on": "network", "target": "prices:443", "thread": "pool-1", "stack": "scan (_json.so +0x1a)"},
        {"at_ms": 40, "for_ms": 6.4, "call": "read", "spent_on": "file", "target": "/var/task/a:80", "thread": "main"},
        {"at_ms": 50, "for_ms": 20, "call": "pthread_mutex_lock", "spent_on": "lock", "target": "lock:12", "thread": "main", "stack": OWN},
        {"at_ms": 100, "for_ms": 2900.7, "call": "recv", "spent_on": "network", "target": "10.0.3.17:5432", "thread": "main", "open": True, "stack": OWN},
    ],
    "blocked": [
        {"thread": "4711", "call": "recv", "target": "10.0.3.17:5432 (db.internal)", "for_ms": 2900.1, "stack": OWN},
        {"thread": "4712", "call": "pthread_cond_wait", "for_ms": 2950.0, "stack": "worker (/var/task/app.py:3)"},
    ],
}  # fmt: skip
OTHERS = [
    {"lamprey": "1", "type": "init", "status": "crash", "function_name": "broken", "started":
     "2026-11-28T23:11:41.000Z", "init": {"total_ms": 10}},
    {"lamprey": "1", "type": "invoke", "status": "ok", "function_name": "</script>\x1b", "started": "nonsense"},
    {"lamprey": "1", "type": "invoke", "status": "ok", "function_name": "odd\ud800", "started":
     "2026-11-28T23:11:41.000Z", "duration_ms": 1e300, "cpu_ms": -5, "network": [7, {"host": "x:y"}],
     "timeline": [{}, {"at_ms": 1}]},
    {"lamprey": "1", "type": "shutdown", "status": "ok", "function_name": "orders", "started":
     "2026-11-28T23:11:39.000Z"},
]  # fmt: skip


@pytest.fixture
def report(build, tmp_path):
    def run(option, *records):
        lines = tmp_path / "lines"
        lines.write_text("".join(json.dumps(record) + "\n" for record in records))
        ran = subprocess.run(
            [build / "bin" / "lamprey", "report", lines, option, "-"], capture_output=True, text=True, timeout=60
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return json.loads(ran.stdout)

    return run


def in_base64(entry):
    """OTLP/JSON writes ids in hexadecimal digits, where protobuf's own JSON has base64."""
    if isinstance(entry, dict):
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else in_base64(value)
            for key, value in entry.items()
        }
    return [in_base64(one) for one in entry] if isinstance(entry, list) else entry


def spans_of(exported):
    """Read with the published protos: an unknown field or a wrong type fails here."""
    request = json_format.ParseDict(in_base64(exported), trace_service_pb2.ExportTraceServiceRequest())
    return [
        (resource.resource, span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(of):
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes
    }


@pytest.mark.spread
def test_otlp_is_what_opentelemetrys_protos_say(report):
    spans = spans_of(report("--otlp", INIT, COLD, DEAD))
    assert [span.name for _, span in spans] == [
        "orders", "init", "runtime start", "import", "recv 10.0.3.17:5432 (db.internal)",
        "orders", "recv 10.0.3.17:5432",
    ]  # fmt: skip
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for _, span in spans)
    assert len({span.span_id for _, span in spans}) == len(spans)
    (resource, root), (_, init), (_, start), (_, imports), (_, wait), (_, dead), (_, hang) = spans
    assert attributes(resource)["service.name"] == attributes(resource)["faas.name"] == "orders"
    assert attributes(resource)["cloud.platform"] == "aws_lambda"
    assert root.trace_id.hex() == "5759e988bd862e3fe1be46a994272793"  # X-Ray's, so that the two join
    assert root.parent_span_id.hex() == "53995c3f42cd8ad8"
    assert root.kind == root.SPAN_KIND_SERVER
    assert root.end_time_unix_nano - root.start_time_unix_nano == 100_250_000
    assert root.start_time_unix_nano == 1795907499_500_000_000
    of_root = attributes(root)
    assert of_root["faas.invocation_id"] == "r-1" and of_root["faas.coldstart"] is True
    assert of_root["lamprey.cpu_ms"] == 7 and of_root["lamprey.duration_ms"] == 100.25
    assert [event.name for event in root.events] == ["lamprey.finding", "lamprey.host"]
    assert attributes(root.events[1])["server.port"] == 5432
    assert init.parent_span_id == root.span_id and start.parent_span_id == init.span_id
    assert imports.end_time_unix_nano == init.end_time_unix_nano == init.start_time_unix_nano + 440_500_000
    assert start.end_time_unix_nano == imports.start_time_unix_nano
    assert wait.start_time_unix_nano == root.start_time_unix_nano + 10_500_000
    assert wait.end_time_unix_nano - wait.start_time_unix_nano == 60_500_000
    assert wait.kind == wait.SPAN_KIND_CLIENT and attributes(wait)["server.address"] == "db.internal"
    assert dead.status.code == 2 and dead.status.message == "Timed out."
    assert attributes(dead)["error.type"] == "timeout" and dead.trace_id != root.trace_id
    assert hang.end_time_unix_nano == dead.end_time_unix_nano
    assert hang.start_time_unix_nano == dead.start_time_unix_nano + 1_500_000


@pytest.mark.spread
def test_otlp_has_a_span_for_each_wait(report):
    exported = report("--otlp", WAITING)
    (_, root), *children = spans_of(exported)
    assert [span.name.split()[0] for _, span in children] == [
        "getaddrinfo", "connect", "recv", "read", "pthread_mutex_lock", "recv", "pthread_cond_wait",
    ], "the wait that had not ended is there once"  # fmt: skip
    assert all(span.parent_span_id == root.span_id for _, span in children)
    dns, connect, prices, file, lock, hang, idle = (span for _, span in children)
    assert [span.kind for span in (dns, connect, prices, hang)] == [dns.SPAN_KIND_CLIENT] * 4
    assert [span.kind for span in (file, lock, idle)] == [dns.SPAN_KIND_INTERNAL] * 3
    assert attributes(dns)["dns.question.name"] == "db.internal" and "server.port" not in attributes(dns)
    of_connect = attributes(connect)
    assert (of_connect["server.address"], of_connect["server.port"]) == ("db.internal", 5432)
    assert (of_connect["network.peer.address"], of_connect["network.peer.port"]) == ("10.0.3.17", 5432)
    assert (attributes(prices)["server.address"], attributes(prices)["server.port"]) == ("prices", 443)
    assert "network.peer.address" not in attributes(prices)
    assert attributes(file)["file.path"] == "/var/task/a:80" and "server.address" not in attributes(file)
    assert "server.address" not in attributes(lock)
    assert of_connect["code.function.name"] == "load_order" and of_connect["code.line.number"] == 16
    assert of_connect["code.file.path"] == "/var/task/app.py" and of_connect["code.stacktrace"] == OWN
    assert attributes(prices)["code.function.name"] == "scan" and "code.file.path" not in attributes(prices)
    assert attributes(prices)["thread.name"] == "pool-1" and attributes(prices)["lamprey.spent_on"] == "network"
    assert attributes(hang)["lamprey.open"] is True and "lamprey.open" not in of_connect
    assert connect.start_time_unix_nano == root.start_time_unix_nano + 27_000_000
    assert connect.end_time_unix_nano - connect.start_time_unix_nano == 12_000_000
    assert exported == report("--otlp", WAITING), "ids are those of the last time"


@pytest.mark.spread
def test_an_inits_waits_are_parts_of_it(report):
    timeline = [{"at_ms": 250.5, "for_ms": 100, "call": "read", "spent_on": "file", "target": "/var/task/big.json", "thread": "main"}]
    spans = spans_of(report("--otlp", INIT | {"timeline": timeline}, COLD))
    names = [span.name for _, span in spans]
    assert names[:5] == ["orders", "init", "runtime start", "import", "read /var/task/big.json"]
    assert spans[4][1].parent_span_id == spans[1][1].span_id
    assert spans[4][1].start_time_unix_nano == spans[1][1].start_time_unix_nano + 250_500_000


@pytest.mark.spread
def test_otlp_of_odd_records_is_still_otlp(report):
    spans = spans_of(report("--otlp", *OTHERS, COLD))
    names = [span.name for _, span in spans]
    assert "init" in names  # an init that no invocation followed
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for _, span in spans)


@pytest.mark.spread
def test_perfetto_is_trace_event_format(report):
    overlapping = {**COLD, "request_id": "r-3", "cold_start": False, "timeline": [],
                   "started": "2026-11-28T23:11:40.500Z"}
    trace = report("--perfetto", INIT, COLD, DEAD, overlapping, *OTHERS)
    events = trace["traceEvents"]
    for event in events:
        assert event["ph"] in ("X", "M", "i", "C") and isinstance(event["pid"], int) and event["name"]
        if event["ph"] == "X":
            assert event["dur"] >= 0 and event["ts"] > 0
    slices = {(event["name"], event["args"].get("request_id")): event for event in events if event["ph"] == "X"}
    first, dead, third = (slices["orders", name] for name in ("r-1", "r-2", "r-3"))
    assert first["dur"] == 100_250 and first["ts"] == 1795907499_500_000
    assert first["tid"] == dead["tid"] != third["tid"]  # one environment, and another beside it
    assert slices["init", None]["ts"] == 1795907499_000_000
    wait = slices["recv 10.0.3.17:5432 (db.internal)", None]
    assert first["ts"] < wait["ts"] and wait["ts"] + wait["dur"] < first["ts"] + first["dur"]
    assert [event["args"]["bytes"] for event in events if event["ph"] == "C"][0] == 1000
    assert {event["args"]["name"] for event in events if event["name"] == "process_name"} >= {"orders", "broken"}


@pytest.mark.spread
def test_perfetto_has_a_track_for_each_thread(report):
    events = report("--perfetto", WAITING, WAITING | {"started": "2026-11-28T23:12:50.000Z", "request_id": "r-5"})["traceEvents"]
    tracks = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert sorted(tracks.values()) == ["environment 1", "environment 1, thread 4712", "environment 1, thread pool-1"]
    slices = [event for event in events if event["ph"] == "X"]
    on = {}
    for event in slices:
        on.setdefault(tracks[event["tid"]], []).append(event)
    assert [event["name"].split()[0] for event in on["environment 1"]][:6] == [
        "orders", "getaddrinfo", "connect", "read", "pthread_mutex_lock", "recv"]  # fmt: skip
    assert len(on["environment 1, thread pool-1"]) == 2
    wait = on["environment 1, thread pool-1"][0]
    assert wait["cat"] == "wait,network" and wait["args"]["target"] == "prices:443" and wait["args"]["thread"] == "pool-1"
    assert wait["ts"] == pytest.approx(slices[0]["ts"] + 30_000, abs=1) and wait["dur"] == 50_000
    # What Perfetto shows of a track are slices inside each other: none may only overlap another.
    for track in on.values():
        ends = []
        for event in sorted(track, key=lambda one: (one["ts"], -one["dur"])):
            while ends and ends[-1] <= event["ts"]:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1] + 0.5  # what a double has of µs since 1970
            ends.append(event["ts"] + event["dur"])


@pytest.mark.spread
def test_what_cannot_be_written_is_said(build, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text(json.dumps(COLD) + "\n")
    for option in ("--otlp", "--perfetto"):
        ran = subprocess.run(
            [build / "bin" / "lamprey", "report", lines, option, "/does/not/exist"], capture_output=True, text=True
        )
        assert ran.returncode == 1 and ran.stderr.count("\n") == 1 and option in ran.stderr
