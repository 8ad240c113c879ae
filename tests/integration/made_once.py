"""What several test processes want made, and one makes: programs, environments, the shipped zips.

A folder or file that stands in build/ is the same for all; whoever comes second waits, and finds it.
"""

import contextlib
import fcntl
import hashlib
import pathlib

LOCKS = pathlib.Path(__file__).resolve().parents[2] / "build" / "locks"


@contextlib.contextmanager
def only_here(name):
    """Nobody else is in here with that name, in any process of this checkout."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def state_of(words, sources):
    """Names a command and the files that it reads, for a stamp beside what it makes."""
    state = hashlib.sha256("\0".join(map(str, words)).encode())
    for path in sorted(sources):
        state.update(path.read_bytes())
    return state.hexdigest()
