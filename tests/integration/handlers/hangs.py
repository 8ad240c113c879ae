"""A function that never answers, or dies, in the way that its event asks for."""

import ctypes
import faulthandler
import ctypes.util
import mmap
import os
import socket
import subprocess
import sys
import threading
import time

_KEPT = []
FOREVER = 600


def full_backlog():
    """The port of a listener that takes no more connections, and never will."""
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    _KEPT.append(server)
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(server.getsockname())
        _KEPT.append(filler)
    time.sleep(0.05)
    return server.getsockname()[1]


def connect():
    client = socket.socket()
    client.connect(("127.0.0.1", full_backlog()))


def recv():
    server = socket.create_server(("127.0.0.1", 0))
    _KEPT.append(server)
    client = socket.create_connection(server.getsockname())
    client.recv(1)


def dns():
    socket.getaddrinfo("db.internal.example", 5432)


def mutex():
    lock = threading.Lock()

    def hold():
        with lock:
            time.sleep(FOREVER)

    threading.Thread(target=hold, daemon=True).start()
    time.sleep(0.05)
    with lock:
        pass


def waitpid():
    child = subprocess.Popen(["sleep", str(FOREVER)])
    os.waitpid(child.pid, 0)


def busy():
    while True:
        pass


def sleep():
    time.sleep(FOREVER)


def truncated():
    path = f"/tmp/truncated-{os.getpid()}"
    with open(path, "w+b") as file:
        file.truncate(8192)
        mapping = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        return mapping[4096]


def double_free():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    block = libc.malloc(1000)  # of which libc's cache has none: in a full one it says it otherwise
    libc.free(block)
    libc.free(block)


def recursion():
    """Far down in C: each level of json's encoder is a few frames of the interpreter's own."""
    sys.setrecursionlimit(10**9)
    threading.stack_size(0)
    nested = []
    for _ in range(10**6):
        nested = [nested]
    import pickle

    pickle.dumps(nested)


def memory_error():
    return b"x" * (1 << 46)


WAYS = {
    "connect": connect,
    "recv": recv,
    "dns": dns,
    "mutex": mutex,
    "waitpid": waitpid,
    "busy": busy,
    "sleep": sleep,
    "null": lambda: ctypes.string_at(0),
    "null-handled": lambda: (faulthandler.enable(), ctypes.string_at(0)),
    "abort": os.abort,
    "double-free": double_free,
    "bus": truncated,
    "recursion": recursion,
    "_exit": lambda: os._exit(3),
    "exit": lambda: sys.exit(4),
    "memory-error": memory_error,
    "fine": lambda: None,
}


def handler(event, context):
    return WAYS[event["way"]]()
