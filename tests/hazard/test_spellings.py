"""Every member of a family counts in the family's row, whether it is called by its name or through
syscall(2) by its number; and the program is not changed."""

import pytest
from conftest import execute, program

# Scene → calls and errors of each row.
EXPECTED = {
    "names": {
        "stat": (9, 3), "chmod": (7, 2), "access": (2, 1), "flock": (2, 0), "fsync": (3, 1),
        "realpath": (3, 1),
    },
    "templates": {"open": (5, 1), "write": (4, 0), "mkdir": (1, 0)},
    "streams": {"fwrite": (3, 1)},
    "sockets": {
        "setsockopt": (2, 0), "getsockopt": (2, 1), "read": (2, 1), "write": (1, 0),
        "timerfd": (2, 0), "eventfd": (2, 0),
    },
    "numbers": {
        "openat": (1, 0), "write": (1, 0), "pread": (1, 0), "stat": (1, 1), "fsync": (1, 0),
        "fdatasync": (1, 1), "access": (1, 0), "dup": (1, 0), "dup3": (1, 0), "socket": (2, 0),
        "connect": (1, 0), "accept4": (1, 0), "sendto": (1, 0), "recvfrom": (1, 0),
        "sendmsg": (1, 0), "recvmsg": (1, 0), "ppoll": (1, 0), "epoll_pwait": (1, 0),
        "nanosleep": (1, 0), "clock_nanosleep": (2, 1), "waitpid": (1, 1), "waitid": (1, 1),
        "syscall": (1, 0),
    },
}  # fmt: skip


@pytest.mark.parametrize("scene", EXPECTED)
def test_every_spelling_counts_in_its_row(library, scene, tmp_path):
    plain = execute([program("spellings"), scene, tmp_path])
    assert (plain.status, plain.stdout) == (0, ""), "the scene itself is wrong"
    run = execute([program("spellings"), scene, tmp_path], preload=library)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    rows = {name: (row["calls"], row["errors"]) for name, row in run.recording["calls"].items()}
    assert {name: rows.get(name) for name in EXPECTED[scene]} == EXPECTED[scene]
