"""Waits of every kind, one after the other; prints when each began, how long it took by its own clock, and how
much CPU it needed: steps [[name, ms since the first began, ms, ms of CPU], ...]."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

PORT, PIPE, LOCK_MS, CPU_MS = 18443, os.environ["PIPE"], 20, 30

_here = os.path.dirname(os.path.abspath(__file__))
_server = subprocess.Popen(
    [os.environ["PLAIN_PYTHON"], f"{_here}/waterfall_server.py", str(PORT), os.environ["CERTIFICATE"], PIPE],
    stdout=subprocess.PIPE,
)
_server.stdout.readline()
_context = ssl.create_default_context()
_context.check_hostname = False
_context.verify_mode = ssl.CERT_NONE


def read_pipe():
    fd = os.open(PIPE, os.O_RDONLY)
    os.read(fd, 16)
    os.close(fd)


def held_lock():
    """Released by another thread, LOCK_MS from now."""
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(LOCK_MS / 1000, lock.release).start()
    return lock


def compute():
    end = time.thread_time() + CPU_MS / 1000
    while time.thread_time() < end:
        pass


def query(stream):
    stream.sendall(b"q")
    stream.recv(1)


def handler(event, context):
    steps = []

    def timed(name, work):
        used, begin = time.process_time(), time.monotonic()
        result = work()
        took = time.monotonic() - begin
        steps.append([name, begin, took * 1000, (time.process_time() - used) * 1000])
        return result

    timed("dns", lambda: socket.getaddrinfo("db.internal.example", PORT, socket.AF_INET))
    connection = timed("connect", lambda: socket.create_connection(("127.0.0.1", PORT)))
    stream = timed("tls", lambda: _context.wrap_socket(connection))
    for _ in range(3):
        timed("query", lambda: query(stream))
    timed("pipe", read_pipe)
    timed("lock", held_lock().acquire)
    timed("cpu", compute)
    stream.close()
    print("steps", json.dumps([[name, (begin - steps[0][1]) * 1000, *rest] for name, begin, *rest in steps]))
