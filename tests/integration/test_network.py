"""What `network` says of a peer, for each way in which a function talks to one."""

import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

import pytest
from patience import a_few_tries, tried, undisturbed_codes
from test_python_runtime import VERSIONS, interpreter

ANSWER_MS = 40  # how long the servers take over it
SECRET_ANSWER_MS, HANDSHAKE_MS = 300, 200  # each alone is far from both together, on a busy machine too


class Answers(socketserver.StreamRequestHandler):
    """HTTP/1.1, one answer for each request until the peer goes."""

    def handle(self):
        while self.rfile.readline().strip():
            while self.rfile.readline().strip():
                pass
            time.sleep(ANSWER_MS / 1000)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class AnswersOnce(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nok")


class Echoes(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())


class Resets(socketserver.StreamRequestHandler):
    """Half an answer, and then a reset (SO_LINGER of 0)."""

    def handle(self):
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self.wfile.flush()
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


class AnswersAndGoes(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1000)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Goes(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1000)


class Says(socketserver.BaseRequestHandler):
    """Nothing, for longer than anybody waits."""

    def handle(self):
        time.sleep(5)


def serve_tls(listening, context):
    """Slow to shake hands, and then to answer."""
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        time.sleep(HANDSHAKE_MS / 1000)
        try:
            with context.wrap_socket(accepted, server_side=True) as connection:
                connection.recv(4096)
                time.sleep(SECRET_ANSWER_MS / 1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")
        except OSError:
            pass


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    """The servers: way → port. One that nobody listens on, too."""
    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers) as stays,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), AnswersOnce) as goes,
        socketserver.ThreadingUDPServer(("127.0.0.1", 0), Echoes) as echoes,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Resets) as resets,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), AnswersAndGoes) as leaves,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Goes) as hangs_up,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as silent,
        socket.create_server(("127.0.0.1", 0)) as secret,
        socket.socket() as nobody,
    ):
        stays.daemon_threads = silent.daemon_threads = True
        for server in (stays, goes, echoes, resets, leaves, hangs_up, silent):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        found = {"keeps": stays, "connects": stays, "loops": goes, "handed over": goes}
        found |= dict.fromkeys(("datagrams", "messages", "many messages"), echoes)
        found |= {"reset": resets, "stale": leaves, "broken tls": hangs_up, "gives up": silent}
        found = {way: server.server_address[1] for way, server in found.items()}
        nobody.bind(("127.0.0.1", 0))  # bound, so that nobody else is given it; not listening
        found |= {"refused": nobody.getsockname()[1], "six": 0}
        found |= {"options": 0, "unknown name": 0}
        if shutil.which("openssl"):
            folder = tmp_path_factory.mktemp("certificate")
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                       "/CN=localhost", "-keyout", folder / "key", "-out", folder / "certificate"]  # fmt: skip
            subprocess.run(command, check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "certificate", folder / "key")
            threading.Thread(target=serve_tls, args=(secret, context), daemon=True).start()
            found |= dict.fromkeys(("tls1.2", "tls1.3"), secret.getsockname()[1])
        yield found
        for server in (stays, goes, echoes, resets, leaves, hangs_up, silent):
            server.shutdown()


@pytest.fixture(scope="module")
def talk(root, local_lambda, ports):
    """talk(way) → the function's answer, and what its record says of the peer."""
    program, obstacle = interpreter(root, next(iter(VERSIONS)))
    if obstacle:
        pytest.skip(obstacle)
    command = [program, "-m", "awslambdaric", "talks.handler"]
    with local_lambda.serve(*command, env={"LAMPREY_DETAIL": "full"}, timeout=20) as serving:

        def once(way):
            if way not in ports:
                pytest.skip("no openssl here to make a certificate with")
            before = len(serving.log().invokes)
            answer, failed = serving.invoke({"way": way, "port": ports[way]})
            assert not failed, answer
            for _ in range(500):
                records = serving.log().invokes
                if len(records) > before:
                    break
                time.sleep(0.02)
            record = records[before]
            peer = f"127.0.0.1:{ports[way]}"
            return answer, [entry for entry in record["network"] if entry.get("peer") == peer], record

        yield once
        serving.stop()


def test_a_kept_connection_is_reused(talk):
    _, (first,), _ = talk("keeps")
    # A thread that loses its CPU on the way out of send() has less left to wait.
    _, (second,), record = tried(lambda: talk("keeps"), lambda got: got[1][0]["first_byte_ms"] >= ANSWER_MS)
    assert (first["connects"], first["reused"]) == (1, 0)
    assert (second["connects"], second["reused"], second["errors"]) == (0, 1, 0)
    assert "connect_ms" not in second and "tls_ms" not in second
    assert second["first_byte_ms"] >= ANSWER_MS and second["wait_ms"] >= ANSWER_MS
    assert undisturbed_codes(record) == []


def test_a_host_has_its_place_in_a_short_line(root, local_lambda, ports):
    program, obstacle = interpreter(root, next(iter(VERSIONS)))
    if obstacle:
        pytest.skip(obstacle)
    event = {"way": "keeps", "port": ports["keeps"], "a name that makes the line longer": "n" * 60}
    env = {"AWS_LAMBDA_FUNCTION_NAME": "f" * 64, "LAMPREY_DETAIL": "short"}
    log = local_lambda.run(
        program, "-m", "awslambdaric", "talks.handler", event=event, invocations=3, timeout=20, env=env
    )
    assert [len(record["network"]) for record in log.invokes] == [1, 1, 1]


@a_few_tries  # on a busy machine connecting may take its millisecond
def test_a_new_connection_each_time_is_found(talk):
    codes = {}
    for way in ("connects", "tls1.3"):
        for _ in range(3):
            _, (peer,), record = talk(way)
            assert (peer["connects"], peer["reused"]) == (1, 0)
            codes[way] = [code for code in codes_of(record) if code != "network.slow_host"]
    assert codes == {"connects": [], "tls1.3": ["network.reconnect"]}, "0.1 ms is not worth a line"


@a_few_tries
def test_a_connect_that_does_not_block_has_its_time(talk):
    _, (peer,), _ = talk("loops")
    assert (peer["connects"], peer["errors"]) == (1, 0)
    assert 0 < peer["connect_ms"] < 1.1 * peer["wait_ms"]
    assert peer["sent_bytes"] == len("GET / HTTP/1.0\r\n\r\n")


def test_a_refused_connection_is_an_error_and_a_finding(talk):
    answer, (peer,), record = talk("refused")
    assert answer == "refused"
    assert (peer["connects"], peer["errors"], peer["received_bytes"]) == (1, 1, 0)
    assert [finding["code"] for finding in record["findings"]] == ["network.refused"]


def codes_of(record):
    return [finding["code"] for finding in record.get("findings", [])]


def test_what_tells_nothing_of_the_other_side_is_no_error(talk):
    answer, _, record = talk("options")
    assert answer == "?"
    assert [entry["errors"] for entry in record["network"]] == [0]
    assert undisturbed_codes(record) == []
    assert record["calls"]["errors"] >= 2, "they did fail"


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("reset", "network.reset"),
        ("gives up", "network.timed_out"),
        ("broken tls", "network.tls"),
        ("unknown name", "network.unknown_name"),
    ],
)
def test_each_way_of_failing_has_its_own_finding(talk, way, code):
    _, _, record = talk(way)
    found = [found for found in codes_of(record) if found.startswith("network.")]
    assert [found for found in found if found != "network.slow_host"] == [code]
    assert record["network"][0]["errors"] == 1


def test_two_names_of_one_address_are_two_hosts(root, local_lambda, ports):
    """As two services behind one load balancer: the thread's own lookups tell them apart."""
    program, obstacle = interpreter(root, next(iter(VERSIONS)))
    if obstacle:
        pytest.skip(obstacle)
    prelude = """echo "127.0.0.1 localhost orders.internal payments.internal" >/tmp/hosts &&
        mount --bind /tmp/hosts /etc/hosts || exit 77"""
    event = {"way": "two names", "port": ports["connects"]}
    log = local_lambda.run(
        program, "-m", "awslambdaric", "talks.handler", event=event, prelude=prelude, timeout=20,
        env={"LAMPREY_DETAIL": "full"},
    )  # fmt: skip
    if log.status == 77:
        pytest.skip("/etc/hosts cannot be another file here")
    (record,) = log.invokes
    connects = {entry["host"]: entry["connects"] for entry in record["network"]}
    assert connects == {"orders.internal": 2, "payments.internal": 1, f"127.0.0.1:{event['port']}": 1}


def test_a_connection_that_was_closed_while_it_was_kept(talk):
    codes = []
    for _ in range(3):
        answer, _, record = talk("stale")
        assert answer > 0
        codes.append(codes_of(record))
    assert codes == [[], ["network.stale_connection"], ["network.stale_connection"]]


@pytest.mark.parametrize("way", ["tls1.2", "tls1.3"])
@a_few_tries
def test_the_handshake_is_no_answer(talk, way):
    version, (peer,), _ = talk(way)
    assert version == way.replace("tls", "TLSv")
    both_ms = HANDSHAKE_MS + SECRET_ANSWER_MS
    assert HANDSHAKE_MS <= peer["tls_ms"] < both_ms
    if way == "tls1.2":  # with 1.3 session tickets come before the answer
        assert SECRET_ANSWER_MS <= peer["first_byte_ms"] < both_ms


@pytest.mark.parametrize("way", ["datagrams", "messages", "many messages"])
def test_a_datagrams_peer_is_known_without_a_connection(talk, way):
    echoed, (peer,), _ = talk(way)
    assert (echoed, peer["connects"]) == (100, 0)
    assert (peer["sent_bytes"], peer["received_bytes"], peer["errors"]) == (100, 100, 0)


def test_a_socket_that_was_handed_over_leads_to_its_peer(talk):
    _, (peer,), _ = talk("handed over")
    assert (peer["connects"], peer["sent_bytes"]) == (1, len("GET / HTTP/1.0\r\n\r\n"))
    assert peer["received_bytes"] > 0 and peer["first_byte_ms"] > 0


def test_ip_version_6(talk):
    _, _, record = talk("six")
    (peer,) = [entry for entry in record["network"] if entry.get("peer", entry["host"]).startswith("[::1]:")]
    assert (peer["connects"], peer["sent_bytes"], peer["errors"]) == (1, 30, 0)
