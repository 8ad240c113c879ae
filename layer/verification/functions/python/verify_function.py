"""The function that `layer/verify` invokes, in Python: does what the event's scenario says, and prints
one line that tells what it really did. The functions in other languages do the same.
"""

import ctypes
import json
import os
import re
import socket
import time

if os.environ.get("VERIFY_INIT") == "fail":
    raise RuntimeError("init fails on purpose")

WRITES, PIECE = 37, 100
SENT, RECEIVED = 1000, 2000
SLEEP_MS = 50
KEPT_BYTES = 100_000
_kept = []


class VerifyError(Exception):
    pass


def tell(event, **truth):
    """In one write, before anything else happens."""
    line = {"number": event.get("number"), "scenario": event["scenario"], **truth}
    os.write(1, f"lamprey-verify {json.dumps(line)}\n".encode())


def write_file(number):
    path = f"/tmp/verify-{number}"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    for _ in range(WRITES):
        os.write(file, b"." * PIECE)
    os.close(file)
    os.unlink(path)
    return {"path": path, "writes": WRITES, "bytes": WRITES * PIECE}


def receive(connection, size):
    got = 0
    while got < size:
        got += len(connection.recv(size - got))


def talk():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        answering, _ = server.accept()
        with client, answering:
            client.sendall(b"?" * SENT)
            receive(answering, SENT)
            answering.sendall(b"!" * RECEIVED)
            receive(client, RECEIVED)
        return {"port": server.getsockname()[1], "sent": SENT, "received": RECEIVED}


def healthy(event):
    truth = {"file": write_file(event.get("number")), "peer": talk()}
    time.sleep(SLEEP_MS / 1000)
    tell(event, slept_ms=SLEEP_MS, **truth)
    return {"well": True}


def error(event):
    tell(event, error_type="VerifyError")
    raise VerifyError("on purpose")


def large_response(event):
    tell(event)
    return "x" * event["bytes"]


def leak(event):
    _kept.append(bytearray(KEPT_BYTES))
    tell(event, kept_bytes=KEPT_BYTES)


def silent_host(event):
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    client.sendall(b"?")
    tell(event, port=server.getsockname()[1])
    client.recv(1)


def busy_loop(event):
    tell(event)
    while True:
        pass


def out_of_memory(event):
    tell(event)
    while True:
        _kept.append(b"x" * 1_000_000)


def exits(event):
    tell(event)
    os._exit(3)


def crash(event):
    tell(event)
    ctypes.string_at(0)


def build_id(path):
    with open(path, "rb") as file:
        start = file.read(1 << 16)
    note = re.search(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", start, re.DOTALL)
    return note[1].hex() if note else None


def binaries(event):
    """Of what this process is made: names and build ids, as the compatibility list takes them."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if line.rstrip().endswith((".so",)) or ".so." in line}
    paths.add(os.path.realpath("/proc/self/exe"))
    wanted = re.compile(r"/(libc[.-]|libpython|python)[^/]*$")
    found = {os.path.basename(path): build_id(path) for path in paths if wanted.search(path)}
    tell(event)
    return {name: {"build_id": value} for name, value in sorted(found.items())}


SCENARIOS = {scenario.__name__: scenario for scenario in (
    healthy, error, large_response, leak, silent_host, busy_loop, out_of_memory, crash, binaries)}  # fmt: skip
SCENARIOS["exit"] = exits


def handler(event, context):
    return SCENARIOS[event["scenario"]](event)
