"""Invocations are recognised in the runtime's own traffic, however it is cut into pieces and however
badly the other side behaves; and the runtime never notices (lambda.md 5)."""

import pytest
from conftest import execute, program
from fake_runtime_api import FakeRuntimeApi

STARTED, RESPONDED, ENDED = 1, 2, 3


def converse(library, invocations, *options, **behaviour):
    """(recording, what the server saw): the same run without us must have printed the same."""
    outcomes = []
    for preload in (None, library):
        server = FakeRuntimeApi(invocations, **behaviour)
        run = execute([program("runtime_client"), server.port, invocations, *options],
                      preload=preload)  # fmt: skip
        server.close()
        outcomes.append(run.outcome())
        assert (run.status, run.stderr) == (0, "")
        assert len(server.ids) == invocations
    assert outcomes[0] == outcomes[1]
    return run.recording, server


def check(recording, ids, error=0):
    assert recording["init_ended"]
    assert recording["started"] == recording["ended"] == len(ids)
    assert [i["id"] for i in recording["invocations"]] == ids
    for number, invocation in enumerate(recording["invocations"], 1):
        assert invocation["sequence"] == number
        assert invocation["state"] == ENDED
        assert invocation["responded"] == 1
        assert invocation["error"] == error
        assert invocation["deadline_ms"] == 1893456000123
        assert invocation["trace"] == "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1"
        assert invocation["arn"] == "arn:aws:lambda:us-east-1:123:function:f"
    assert recording["traffic_dropped"] == 0


def test_a_hundred_invocations_on_one_connection(library):
    recording, server = converse(library, 100)
    check(recording, server.ids)
    assert recording["calls"]["connect"]["calls"] == 1


@pytest.mark.parametrize("send", ["send", "write", "writev", "sendmsg", "sendto"])
@pytest.mark.parametrize("piece", [1, 7, 30, 1000000])
def test_requests_in_pieces(library, send, piece):
    recording, server = converse(library, 4, f"send={send}", f"send-piece={piece}", "body=300")
    check(recording, server.ids)


@pytest.mark.parametrize("recv", ["recv", "read", "readv", "recvmsg", "recvfrom"])
@pytest.mark.parametrize("piece", [1, 7, 100, 1000000])
def test_responses_in_pieces(library, recv, piece):
    recording, server = converse(library, 4, f"recv={recv}", f"recv-piece={piece}")
    check(recording, server.ids)


@pytest.mark.parametrize(
    "behaviour", ["bytes", "chunked", "continue", "lower-case", "long-header"]
)
@pytest.mark.parametrize("piece", [1, 1000000])
def test_odd_but_valid_answers(library, behaviour, piece):
    recording, server = converse(
        library, 5, f"recv-piece={piece}", misbehave=lambda n: behaviour, event_bytes=700
    )
    check(recording, server.ids)


@pytest.mark.parametrize(
    "style", ["chunked", "expect", "pipelined", "peek", "nonblocking"]
)
@pytest.mark.parametrize("piece", [1, 1000000])
def test_styles_of_clients(library, style, piece):
    recording, server = converse(library, 5, f"style={style}", f"send-piece={piece}", "body=2500")
    check(recording, server.ids)
    if style == "pipelined":
        assert recording["calls"]["connect"]["calls"] == 1


def test_errors_are_told_from_responses(library):
    recording, server = converse(library, 3, "style=error")
    check(recording, server.ids, error=1)


def test_a_connection_for_each_call(library):
    recording, server = converse(library, 30, "connections=call", "body=100")
    check(recording, server.ids)
    assert recording["calls"]["connect"]["calls"] > 60


def test_a_large_response_full_of_requests(library):
    """5 MB whose every line looks like a request for work or another invocation's response."""
    for piece in (1 << 20, 65536, 4097):
        recording, server = converse(library, 2, "body=5000000", f"send-piece={piece}")
        check(recording, server.ids)
        assert len(server.posts) == 2


def test_a_large_event(library):
    recording, server = converse(library, 3, event_bytes=6_000_000)
    check(recording, server.ids)
    assert recording["calls"]["recv"]["bytes"] > 18_000_000


@pytest.mark.parametrize("fault", ["500", "204", "nonsense", "close", "close-mid-header"])
@pytest.mark.parametrize("piece", [1, 1000000])
def test_a_server_that_fails(library, fault, piece):
    """Every third request for work fails; what was handed out well is recorded all the same."""
    recording, server = converse(
        library, 6, f"recv-piece={piece}", misbehave=lambda n: fault if n % 3 == 0 else "good"
    )
    assert [i["id"] for i in recording["invocations"]] == server.ids
    assert recording["started"] == recording["ended"] == len(server.ids)
    assert all(i["state"] == ENDED and i["responded"] for i in recording["invocations"])


def test_the_ring_keeps_the_newest(release_library):
    recording, server = converse(release_library, 300)
    assert recording["started"] == recording["ended"] == 300
    assert [i["id"] for i in recording["invocations"]] == server.ids[-128:]


def test_other_traffic_is_none_of_our_business(library, tmp_path):
    """Files, pipes and other servers that carry the same text."""
    server = FakeRuntimeApi(3)
    script = (
        "import os, socket\n"
        "line = b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n'\n"
        f"fd = os.open({str(tmp_path / 'f')!r}, os.O_RDWR | os.O_CREAT)\n"
        "os.write(fd, line); os.lseek(fd, 0, 0); os.read(fd, 100)\n"
        "a, b = os.pipe(); os.write(b, line); os.read(a, 100)\n"
        f"s = socket.create_connection(('127.0.0.1', {server.port}))\n"
        "s.sendall(b'GET /2018-06-01/other/path HTTP/1.1\\r\\n\\r\\n'); s.recv(1000); s.close()\n"
    )
    run = execute(["python3", "-c", script], preload=library)
    server.close()
    assert (run.status, run.stderr) == (0, "")
    assert run.recording["started"] == 0 and not run.recording["init_ended"]


def test_a_closed_connections_number_is_forgotten(library):
    """The number is given out anew by a call that is not hooked, and carries the same text."""
    server = FakeRuntimeApi(1)
    script = (
        "import os, socket\n"
        "line = b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n'\n"
        f"s = socket.create_connection(('127.0.0.1', {server.port})); number = s.fileno()\n"
        "s.sendall(line); s.recv(10000); s.close()\n"
        "again = os.memfd_create('x'); assert again == number\n"
        "[os.write(again, line) for _ in range(2)]\n"
    )
    for close in ("s.close()", "os.close(s.detach())", "os.closerange(number, number + 1)"):
        server.ids.clear()
        run = execute(["python3", "-c", script.replace("s.close()", close)], preload=library)
        assert (run.status, run.stderr) == (0, ""), close
        assert [i["state"] for i in run.recording["invocations"]] == [STARTED], close
    server.close()


def test_many_connections_that_only_begin_like_it(library):
    """More of them than conversations can be followed (64), and none ends its first line: other
    protocols whose first bytes look alike. The Runtime API must be recognised beside them."""
    server = FakeRuntimeApi(3)
    script = (
        "import os, socket, sys\n"
        "keep = []\n"
        "quiet = socket.create_server(('127.0.0.1', 0), backlog=200)\n"
        "for i in range(150):\n"
        "    s = socket.create_connection(quiet.getsockname()); keep.append(s)\n"
        "    s.sendall([b'GET /', b'PING', b'GET /2018-06-01/x', b'P\\0\\0binary'][1 + i % 3])\n"
        "import http.client\n"
        f"c = http.client.HTTPConnection('127.0.0.1', {server.port})\n"
        "for i in range(3):\n"
        "    c.request('GET', '/2018-06-01/runtime/invocation/next'); r = c.getresponse(); r.read()\n"
        "    rid = r.headers['Lambda-Runtime-Aws-Request-Id']\n"
        "    c.request('POST', f'/2018-06-01/runtime/invocation/{rid}/response', b'ok')\n"
        "    c.getresponse().read()\n"
        "c.request('GET', '/2018-06-01/runtime/invocation/next')\n"
    )
    run = execute(["python3", "-c", script], preload=library)
    server.close()
    assert (run.status, run.stderr) == (0, "")
    assert [i["id"] for i in run.recording["invocations"]] == server.ids


def test_two_workers_in_one_process_keep_their_invocations_apart(library):
    """Managed Instances: each has a connection; one asks again while the other still works."""
    server = FakeRuntimeApi(4)
    script = (
        "import http.client\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def take(c):\n"
        "    c.request('GET', '/2018-06-01/runtime/invocation/next'); r = c.getresponse(); r.read()\n"
        "    return r.headers['Lambda-Runtime-Aws-Request-Id']\n"
        "def answer(c, rid):\n"
        "    c.request('POST', f'/2018-06-01/runtime/invocation/{rid}/response', b'ok')\n"
        "    c.getresponse().read()\n"
        f"a, b = (http.client.HTTPConnection('127.0.0.1', {server.port}) for _ in 'ab')\n"
        "x, y = ThreadPoolExecutor(1), ThreadPoolExecutor(1)\n"
        "first, second = x.submit(take, a).result(), y.submit(take, b).result()\n"
        "for i in range(2):\n"
        "    x.submit(answer, a, first).result(); first = x.submit(take, a).result()\n"
    )
    run = execute(["python3", "-c", script], preload=library)
    server.close()
    assert (run.status, run.stderr) == (0, "")
    assert [i["state"] for i in run.recording["invocations"]] == [ENDED, STARTED, ENDED, STARTED]


def test_connections_closed_while_a_request_is_looked_at_take_no_place(library):
    """There is room for 64. Work that is asked for after them is to be seen."""
    run = execute([program("closing"), 100], preload=library)
    assert (run.status, run.stderr) == (0, "")
    assert run.stdout == "100\n"
    assert run.recording["traffic_dropped"] == 0
    assert run.recording["started"] == 1
