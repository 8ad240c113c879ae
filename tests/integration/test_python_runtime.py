"""AWS's Python runtime client under the local Lambda: are the records there, and are they true?

Abnormal ends are in test_bad_days.py, other languages in test_other_runtimes.py.
"""

import collections
import contextlib
import functools
import pathlib
import re
import shutil
import socketserver
import subprocess
import sys
import threading
import time

import pytest
from made_once import only_here

CLIENT = "awslambdaric<=4.2.2"  # the newest that the Python at hand can have
OLDEST = (3, 9)
BLOCKS, BLOCK_BYTES = 1000, 1000  # malloc_usable_size of 1000 is 1000 in glibc
FILE_BYTES, PIECE = 1_000_000, 4096
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWER_DELAY_MS = 150
SLEEP_MS = 200
LONGEST_LINE = 60 * 1024
EVENT_CHARACTERS = 400


def versions():
    """The Pythons of this machine that Lambda has or had: path of the program by version."""
    candidates = [pathlib.Path(shutil.which("python3") or sys.executable)]
    candidates += sorted(pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    found = {}
    for program in candidates:
        ran = subprocess.run(
            [program, "-c", "import sys, venv; print('%d.%d.%d' % sys.version_info[:3])"],
            capture_output=True,
            text=True,
        )
        version = ran.stdout.strip()
        if ran.returncode == 0 and tuple(map(int, version.split(".")[:2])) >= OLDEST:
            found.setdefault(version, program)
    return found


VERSIONS = versions()


@functools.cache
def interpreter(root, version):
    """A Python with the client installed; what stands in the way as text where there is none."""
    folder = root / "build" / "venvs" / version
    python = folder / "bin" / "python"
    with only_here(f"venv-{version}"):
        if (folder / "complete").exists():
            return python, None
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            [VERSIONS[version], "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT],
        ):
            ran = subprocess.run(command, capture_output=True, text=True)
            if ran.returncode != 0:
                return None, (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1]
        (folder / "complete").touch()
    return python, None


class Answerer(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        time.sleep(ANSWER_DELAY_MS / 1000)
        self.wfile.write(ANSWER)


@pytest.fixture(scope="module")
def server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answerer) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/"
        listening.shutdown()


def event(**work):
    """An event in which everything happens, mostly zero times; always equally long."""
    nothing = {
        "malloc": {"blocks": 0, "bytes": BLOCK_BYTES},
        "free": 0,
        "read": {"path": "", "piece": PIECE},
        "get": "",
        "sleep": 0,
        "raise": "",
        "pad": "",
    }
    whole = {**nothing, **work}
    whole["pad"] = "." * (EVENT_CHARACTERS - len(str(whole)))
    return whole


def events(server, file):
    blocks = {"blocks": BLOCKS, "bytes": BLOCK_BYTES}
    return {
        "first": event(),
        "warm": event(malloc=blocks, read={"path": file, "piece": PIECE}, get=server),
        "idle": event(),
        "allocating": event(malloc=blocks),
        "keeping": event(malloc={**blocks, "keep": 1}),
        "freeing": event(free=BLOCKS),
        "reading": event(read={"path": file, "piece": PIECE}),
        "asking": event(get=server),
        "sleeping": event(sleep=SLEEP_MS / 1000),
        "sleeping again": event(sleep=SLEEP_MS / 1000),
        "idle again": event(),
        "failing": event(**{"raise": "on purpose"}),
    }


Session = collections.namedtuple("Session", "version log answers records")


@pytest.fixture(scope="module", params=VERSIONS)
def session(request, root, local_lambda, server, tmp_path_factory):
    """One environment, invoked once with each event; .records by the event's name."""
    python, obstacle = interpreter(root, request.param)
    if obstacle:
        pytest.skip(f"Python {request.param} cannot have {CLIENT}: {obstacle}")
    file = root / "build" / "test-workspaces" / "known-size"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"." * FILE_BYTES)
    planned = events(server, str(file))
    command = [python, "-m", "awslambdaric", "app.handler"]
    with local_lambda.serve(*command, env={"LAMPREY_DETAIL": "full"}) as serving:
        answers = {name: serving.invoke(what) for name, what in planned.items()}
        log = serving.stop()
    return Session(request.param, log, answers, dict(zip(planned, log.invokes)))


def call(record, name):
    """The row of one call; zeros if it was not made."""
    rows = [row for row in record["calls"]["top"] if row["name"] == name]
    return collections.Counter(rows[0] if rows else {})


def added(session, name, group, key):
    return session.records[name][group][key] - session.records["idle"][group][key]


def test_one_line_for_the_start_and_one_for_each_invocation(session):
    types = [record["type"] for record in session.log.records]
    assert types == ["init", *["invoke"] * len(session.answers), "shutdown"]
    assert session.log.complaints == []
    assert session.log.status == 0
    assert all(len(line.encode()) < LONGEST_LINE for line in session.log.record_lines)


def test_records_say_whose_they_are(session):
    records = list(session.records.values())
    assert [record["request_id"] for record in records] == session.log.started_ids
    assert [record["invocation"] for record in records] == list(range(1, len(records) + 1))
    assert [record["cold_start"] for record in records] == [True] + [False] * (len(records) - 1)
    assert {record["function_name"] for record in records} == {"function"}
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert all(moment.fullmatch(record["started"]) for record in records)
    assert all(record["trace_id"].startswith("Root=1-") for record in records)
    assert all(record["headline"] for record in session.log.records)


def test_only_the_failing_one_is_an_error(session):
    said = {name: record["status"] for name, record in session.records.items()}
    assert said == {name: "error" if name == "failing" else "ok" for name in said}
    assert {name for name, (_, failed) in session.answers.items() if failed} == {"failing"}


def test_allocations_are_exact(session):
    assert added(session, "idle again", "memory", "allocations") == 0  # nothing blurs what follows
    assert added(session, "idle again", "memory", "allocated_bytes") == 0
    for name in ("allocating", "keeping"):
        assert added(session, name, "memory", "allocations") == BLOCKS
        assert added(session, name, "memory", "allocated_bytes") == BLOCKS * BLOCK_BYTES
    assert added(session, "allocating", "memory", "frees") == BLOCKS
    assert added(session, "keeping", "memory", "frees") == 0
    assert added(session, "freeing", "memory", "frees") == BLOCKS
    assert added(session, "freeing", "memory", "allocations") == 0
    assert added(session, "allocating", "memory", "reallocations") == 0


def test_live_bytes_follow_what_is_kept(session):
    def is_near(name, expected):
        # Live bytes go by usable size, and malloc leaves up to 24 bytes of a chunk unsplit.
        slack = abs(expected) * 24 // BLOCK_BYTES + 1024
        return abs(added(session, name, "memory", "live_delta_bytes") - expected) <= slack

    assert is_near("allocating", 0)
    assert is_near("keeping", BLOCKS * BLOCK_BYTES)
    assert is_near("freeing", -BLOCKS * BLOCK_BYTES)
    during = session.records["allocating"]["memory"]
    assert during["peak_live_bytes"] - during["live_bytes"] > 0.95 * BLOCKS * BLOCK_BYTES
    idle = session.records["idle"]["memory"]
    assert 0 <= idle["peak_live_bytes"] - idle["live_bytes"] < 0.5 * BLOCKS * BLOCK_BYTES


def test_live_bytes_add_up_from_record_to_record(session):
    live = None
    for record in session.log.of_type("init") + session.log.invokes:
        memory = record["memory"]
        if live is not None:
            assert memory["live_bytes"] - live == memory["live_delta_bytes"]
        live = memory["live_bytes"]


def test_file_reads_are_exact(session):
    before = call(session.records["idle"], "read")
    row = call(session.records["reading"], "read")
    pieces = -(-FILE_BYTES // PIECE) + 1  # the last one finds the end
    assert row["calls"] - before["calls"] == pieces
    assert row["bytes"] - before["bytes"] == FILE_BYTES
    assert session.answers["reading"][0]["read"] == f"{FILE_BYTES:012d}"
    opened = sum(call(session.records["reading"], name)["calls"] for name in ("open", "openat"))
    assert opened == 1 and call(session.records["reading"], "close")["calls"] == 1


def test_an_http_request_is_seen_with_its_wait(session):
    before, record = session.records["idle"], session.records["asking"]
    assert call(record, "connect")["calls"] - call(before, "connect")["calls"] == 1
    sends = [call(r, "send")["bytes"] for r in (before, record)]
    # The Runtime API's own traffic is the same in both, but for the answer's id.
    assert sends[1] - sends[0] == len(REQUEST)
    reads = call(record, "recv")
    assert reads["bytes"] - call(before, "recv")["bytes"] == len(ANSWER)
    assert reads["max_us"] >= ANSWER_DELAY_MS * 1000
    assert ANSWER_DELAY_MS <= reads["total_ms"] < record["duration_ms"]
    assert session.answers["asking"][0]["get"] == f"{len(ANSWER):012d}"


def test_a_sleep_takes_as_long_as_it_took(session):
    """Twice: between call and clock the handler may have lost its processor."""
    shares = []
    for name in ("sleeping", "sleeping again"):
        record = session.records[name]
        # CPython sleeps in clock_nanosleep since 3.11, in select before.
        row = call(record, "clock_nanosleep") or call(record, "select")
        measured_ms = int(session.answers[name][0]["sleep"]) / 1e6
        assert row["calls"] == 1
        assert SLEEP_MS <= row["total_ms"] <= measured_ms
        shares.append(row["total_ms"] / measured_ms)
    assert max(shares) >= 0.95


def test_durations_agree_with_the_platforms(session):
    platform = session.log.durations_ms
    for record in session.records.values():
        assert 0 < record["response_ms"] <= record["duration_ms"]
        assert record["duration_ms"] <= platform[record["request_id"]]
    assert session.records["sleeping"]["duration_ms"] >= SLEEP_MS
    assert session.records["asking"]["duration_ms"] >= ANSWER_DELAY_MS
    idle = min(session.records[name]["duration_ms"] for name in ("idle", "idle again"))
    assert idle < session.records["sleeping"]["duration_ms"] / 2


def test_the_init_line_counts_what_starting_took(session):
    init = session.log.of_type("init")[0]
    assert init["status"] == "ok" and init["cold_start"] is True
    assert init["init"]["total_ms"] > 0
    assert init["init"]["files_opened"] >= 20
    assert init["memory"]["allocations"] > 1000
    assert init["memory"]["live_bytes"] == init["memory"]["live_delta_bytes"] > 0


def test_shutdown_totals_cover_all_invocations(session):
    whole = session.log.of_type("shutdown")[0]["memory"]
    parts = [r["memory"] for r in session.log.of_type("init") + session.log.invokes]
    for key in ("allocations", "allocated_bytes", "frees"):
        assert whole[key] >= sum(part[key] for part in parts)


def test_metrics_stand_at_the_root(session):
    record = session.records["allocating"]
    directive = record["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "Lamprey"
    assert directive["Dimensions"] == [["function_name"]]
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert {"duration_ms", "allocated_bytes", "live_bytes"} <= set(names)
    assert all(isinstance(record[name], (int, float)) for name in names)
    assert record["allocated_bytes"] == record["memory"]["allocated_bytes"]


# ---- one Python is enough for what follows ------------------------------------------------------


COMMAND = [sys.executable, "-m", "awslambdaric"]


def test_a_single_invocation(local_lambda):
    log = local_lambda.run(*COMMAND, "app.handler", event={})
    assert [record["type"] for record in log.records] == ["init", "invoke", "shutdown"]
    assert log.status == 0 and log.invokes[0]["request_id"] == log.started_ids[0]


def test_five_megabytes_of_response(local_lambda):
    size = 5_000_000
    with local_lambda.serve(*COMMAND, "app.handler") as serving:
        answer, failed = serving.invoke({"big": size})
        assert len(answer["big"]) == size and not failed
        serving.invoke({})
        log = serving.stop()
    big, small = log.invokes
    assert (big["status"], small["status"]) == ("ok", "ok")
    assert big["response_ms"] <= big["duration_ms"]
    assert big["memory"]["allocated_bytes"] >= 2 * size
    assert [big["request_id"], small["request_id"]] == log.started_ids


def test_a_large_event(local_lambda):
    text = "e" * 3_000_000
    with local_lambda.serve(*COMMAND, "app.echo") as serving:
        assert serving.invoke({"text": text}) == ({"text": text}, False)
        assert serving.invoke({}) == ({}, False)
        log = serving.stop()
    assert [r["status"] for r in log.invokes] == ["ok", "ok"]
    assert [r["request_id"] for r in log.invokes] == log.started_ids


def test_a_thousand_invocations_in_a_row(local_lambda):
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=1000, seconds=120)
    ids = [record["request_id"] for record in log.invokes]
    assert log.status == 0 and len(ids) == 1000
    assert ids == log.started_ids and len(set(ids)) == 1000
    assert [record["invocation"] for record in log.invokes] == list(range(1, 1001))
    assert max(len(line.encode()) for line in log.record_lines) < LONGEST_LINE
    assert not any("late" in record or "lost" in record["coverage"] for record in log.invokes)
    live = [record["memory"]["live_bytes"] for record in log.invokes]
    # awslambdaric 4.2.2 itself loses 128 bytes in each invocation, with and without us.
    assert 0 <= live[-1] - live[100] < 256 * 900, "a clean handler's live bytes do not drift"


def test_growth_is_what_the_allocator_says_too(local_lambda):
    """The referee is mallinfo2, asked inside the function; it counts 8 bytes a block more."""
    with local_lambda.serve(*COMMAND, "app.used_bytes") as serving:
        used = [serving.invoke()[0] for _ in range(200)]
        log = serving.stop()
    if used[0] is None:
        pytest.skip("mallinfo2 came with glibc 2.33: no referee")
    live = [record["memory"]["live_bytes"] for record in log.invokes]
    grown, referee = live[-1] - live[50], used[-1] - used[50]
    # mallinfo2 counts 8 bytes a block more, and is asked within an invocation, where blocks are alive
    # that are gone at its end: a page of those, not a share of the growth.
    blocks = sum(r["memory"]["allocations"] - r["memory"]["frees"] for r in log.invokes[51:])
    assert grown <= referee <= grown + 8 * blocks + 4096
    # Within an invocation some blocks are alive that are gone at its end, when we look.
    assert abs(used[-1] - live[-1]) < 0.1 * used[-1]


def test_every_invocation_failing(local_lambda):
    log = local_lambda.run(*COMMAND, "app.handler", invocations=20, event={"raise": "again"})
    assert [record["status"] for record in log.invokes] == ["error"] * 20
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    assert log.status == 1  # the command's own: some invocation failed


def test_several_environments_at_once(local_lambda):
    log = local_lambda.run(
        *COMMAND, "app.handler", invocations=30, concurrency=3, event={"sleep": 0.02}
    )
    by_id = collections.Counter(record["request_id"] for record in log.invokes)
    assert by_id == collections.Counter(log.started_ids) and len(by_id) == 30
    assert len(log.of_type("init")) == len(log.of_type("shutdown")) == 3
    for number in (1, 2):
        assert sum(record["invocation"] == number for record in log.invokes) == 3


def test_out_holds_the_same_records(local_lambda, workspace):
    out = workspace / "records.jsonl"
    log = local_lambda.run(*COMMAND, "app.handler", invocations=3, event={}, out=out)
    assert out.read_text().splitlines() == log.record_lines


def test_what_the_function_prints_is_untouched(local_lambda):
    log = local_lambda.run(*COMMAND, "app.handler", event={"say": '{"mine": 1} é'})
    assert log.lines.count('{"mine": 1} é') == 1
    with contextlib.suppress(StopIteration):
        foreign = next(line for line in log.lines if "liblamprey" in line)
        pytest.fail(f"the log speaks of the library: {foreign}")
