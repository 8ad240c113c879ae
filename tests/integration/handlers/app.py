"""A Lambda function that makes a known amount of work: the event says how much of what.

{"malloc": {"blocks": 1000, "bytes": 1000}, "sleep": 0.2} does these two, in this order, and answers
with what it measured itself. Amounts of nothing take the same path as amounts of something, so that
two invocations differ by the work alone; "pad" makes two events equally long, and answers of one
kind are equally long too.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import time
import urllib.parse

gc.disable()  # a collection at a moment of its own would make two invocations differ

_LIBC = ctypes.CDLL(None)
_LIBC.malloc.restype = ctypes.c_void_p
_LIBC.malloc.argtypes = [ctypes.c_size_t]
_LIBC.free.argtypes = [ctypes.c_void_p]
_BLOCKS = (ctypes.c_void_p * 4096)()
_KEPT = []
_BUFFER = bytearray(1 << 16)


def allocate(amount):
    """Takes `blocks` of `bytes` from malloc and gives them back, unless they are to be kept."""
    for i in range(amount["blocks"]):
        _BLOCKS[i] = _LIBC.malloc(amount["bytes"])
    if not amount.get("keep"):
        free(amount["blocks"])
    return None


def free(blocks):
    for i in range(blocks):
        _LIBC.free(_BLOCKS[i])


def read(amount):
    """Reads a file in pieces until its end; an empty path reads nothing."""
    total = 0
    if amount["path"]:
        file = os.open(amount["path"], os.O_RDONLY)
        while got := len(os.read(file, amount["piece"])):
            total += got
        os.close(file)
    return f"{total:012d}"


def get(address):
    """One HTTP request on a connection of its own; an empty address asks nobody."""
    received = 0
    if address:
        url = urllib.parse.urlsplit(address)
        connection = socket.socket()
        connection.connect((url.hostname, url.port))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while got := connection.recv_into(_BUFFER):
            received += got
        connection.close()
    return f"{received:012d}"


def sleep(seconds):
    start = time.perf_counter_ns()
    if seconds:
        time.sleep(seconds)
    return f"{time.perf_counter_ns() - start:012d}"


def grow(mb):
    """Touches memory until there is that much more."""
    for _ in range(mb):
        _KEPT.append(b"\x01" * (1 << 20))


def say(text):
    print(text, flush=True)


def fail(text):
    if text:
        raise RuntimeError(text)


def big(size):
    return "x" * size


def crash(_):
    ctypes.string_at(0)


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(5)


def kill_companion(_):
    """Kills the extension of this very environment, known by the address of its API."""
    mine = b"\0AWS_LAMBDA_RUNTIME_API=" + os.environb[b"AWS_LAMBDA_RUNTIME_API"] + b"\0"
    killed = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                environment = b"\0" + file.read() + b"\0"
            command = os.readlink(f"/proc/{entry}/exe")
        except OSError:
            continue
        if mine in environment and "/extensions/" in command:
            os.kill(int(entry), signal.SIGKILL)
            killed += 1
    time.sleep(1)
    return killed


def child(command):
    """Runs a program and answers with its output."""
    import subprocess

    return subprocess.run(command, capture_output=True, text=True).stdout


def environment(names):
    return {name: os.environ.get(name) for name in names}


ACTIONS = {
    "pad": lambda _: None,
    "malloc": allocate,
    "free": free,
    "read": read,
    "get": get,
    "sleep": sleep,
    "grow": grow,
    "say": say,
    "raise": fail,
    "big": big,
    "exit": os._exit,
    "leave": sys.exit,
    "crash": crash,
    "kill": kill_self,
    "kill_companion": kill_companion,
    "child": child,
    "environment": environment,
}


def handler(event, context):
    return {name: ACTIONS[name](amount) for name, amount in event.items()}


def echo(event, context):
    return event


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
        )
    ]


def used_bytes(event, context):
    """What glibc itself says is in use."""
    if not hasattr(_LIBC, "mallinfo2"):  # before glibc 2.33
        return None
    _LIBC.mallinfo2.restype = _Mallinfo2
    now = _LIBC.mallinfo2()
    return now.uordblks + now.hblkhd
