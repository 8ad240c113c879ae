"""A function that meets a limit, or has a child, in the way that the event names."""

import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
import threading
import time

_kept = []


def _descriptors(event):
    """Connections to a port of one's own until there are no more descriptors."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    server = socket.create_server(("127.0.0.1", 0))
    _kept.append(server)
    failed = 0
    for _ in range(100):
        try:
            _kept.append(socket.create_connection(server.getsockname()))
        except OSError as error:
            failed += error.errno == errno.EMFILE
    return failed


def _space(event):
    """/tmp of the environment is small: what is written does not fit."""
    with contextlib.suppress(OSError):
        with open("/tmp/grown", "wb") as file:
            while True:
                file.write(b"." * 65536)
                file.flush()
    return "full"


def _threads(event):
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))  # of users other than root
    try:
        threading.Thread(target=lambda: None).start()
    except RuntimeError:
        return "refused"
    return "started"


def _child_succeeds(event):
    return subprocess.run([sys.executable, "-c", "pass"]).returncode


def _child_fails(event):
    return subprocess.run(["sh", "-c", "exit 3"]).returncode


def _child_is_ended(event):
    """By its parent, on purpose."""
    child = subprocess.Popen(["sleep", "60"])
    child.kill()
    return child.wait()


def _child_is_killed(event):
    return subprocess.run(["sh", "-c", "kill -9 $$"]).returncode


def _child_is_slow(event):
    return subprocess.run(["sleep", "0.4"]).returncode


def _child_hangs(event):
    return subprocess.run(["sh", "-c", "sleep 60"], capture_output=True).returncode


def _child_eats(event):
    program = "b = []\nwhile True: b.append(b'x' * 1000000)"
    return subprocess.run([sys.executable, "-c", program]).returncode


def _contends(event):
    """For a lock that another thread holds while it sleeps."""
    lock = threading.Lock()

    def hold():
        with lock:
            time.sleep(0.2)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.02)
    _charge(lock)
    holder.join()


def _charge(lock):
    with lock:
        pass


def _sleeps(event):
    time.sleep(0.2)


def _children_pile_up(event):
    _kept.append(subprocess.Popen(["sleep", "60"]))
    return len(_kept)


def _raises(event):
    return {}["k"]


def _large(event):
    return "." * (7 * 1024 * 1024)


def _exits(event):
    os._exit(0)


WAYS = {name[1:]: way for name, way in list(globals().items()) if name.startswith("_") and callable(way)}


def handler(event, context):
    return WAYS[event["way"]](event)
