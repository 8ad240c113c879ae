"""A small fleet: functions that differ in what they spend, so that queries have something to tell
apart. Each makes one kind of work, and little of it.
"""

import ctypes
import hashlib
import http.client
import http.server
import json
import os
import socket
import threading
import time

_KEPT = []
_CACHE = {}
_PORT = None
# Once: each instance makes classes, which are garbage in cycles and stay until a collection.
_LIBC = ctypes.CDLL(None)
_LIBC.malloc.restype = ctypes.c_void_p
_LIBC.free.argtypes = [ctypes.c_void_p]


def healthy(event, context):
    return json.loads(json.dumps({"n": list(range(100))}))


def leaks(event, context):
    _KEPT.append(bytearray(20_000))


def caches(event, context):
    _CACHE[len(_KEPT) % 16] = bytearray(20_000)
    _KEPT.append(None)


def sleeps(event, context):
    time.sleep(0.005)


def computes(event, context):
    return hashlib.sha256(b"x" * 1_000_000).hexdigest()


def reads(event, context):
    for path in (__file__, os.__file__, json.__file__):
        with open(path, "rb") as file:
            file.read()
    return os.path.exists("/nowhere")


def churns(event, context):
    for _ in range(500):
        _LIBC.free(_LIBC.malloc(1000))


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.002)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        pass


def asks(event, context):
    """One request on a connection of its own, to a server in this very process."""
    global _PORT
    if _PORT is None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _PORT = server.server_port
    connection = http.client.HTTPConnection("localhost", _PORT)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()


def reconnects(event, context):
    """So often that the connections cost what is worth a word."""
    for _ in range(30):
        asks(event, context)


def fails(event, context):
    _KEPT.append(None)
    if len(_KEPT) % 5 == 0:
        raise ValueError("every fifth")


def hangs(event, context):
    _KEPT.append(None)
    if len(_KEPT) == 3:
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname()).recv(1)  # nobody sends


def crashes(event, context):
    _KEPT.append(None)
    if len(_KEPT) == 3:
        ctypes.string_at(0)


def exits(event, context):
    _KEPT.append(None)
    if len(_KEPT) == 3:
        os._exit(3)


def eats(event, context):
    """More than any limit: the kernel ends it."""
    _KEPT.append(None)
    while len(_KEPT) >= 3:
        _KEPT.append(b"x" * 1_000_000)


_LOCK = threading.Lock()


def _holds(seconds):
    with _LOCK:
        time.sleep(seconds)


def contends(event, context):
    """Waits for a lock that another thread holds."""
    holder = threading.Thread(target=_holds, args=[0.08])
    holder.start()
    time.sleep(0.01)
    with _LOCK:
        pass
    holder.join()
