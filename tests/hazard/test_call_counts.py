"""Counts, errors and bytes of the wrapped calls against a program's own account and strace's."""

import json
import re
import shutil
import sys

import pytest
from conftest import difference, execute, program

# What strace calls them. Missing here: calls that libc makes of others (usleep, sleep, closefrom:
# nanosleep, close_range), and those that a program start has too many of to be told apart.
KERNEL_NAMES = {
    "open": ["open"], "openat": ["openat"], "creat": ["creat"], "close": ["close"],
    "read": ["read"], "write": ["write"], "readv": ["readv"], "writev": ["writev"],
    "pread": ["pread64"], "pwrite": ["pwrite64"], "preadv": ["preadv"], "pwritev": ["pwritev"],
    "preadv2": ["preadv2"], "pwritev2": ["pwritev2"], "fsync": ["fsync"],
    "fdatasync": ["fdatasync"], "close_range": ["close_range"], "dup2": ["dup2"],
    "dup3": ["dup3"], "socket": ["socket"], "connect": ["connect"], "accept": ["accept"],
    "accept4": ["accept4"], "send": [], "sendto": ["sendto"], "sendmsg": ["sendmsg"],
    "sendmmsg": ["sendmmsg"], "recv": [], "recvfrom": ["recvfrom"], "recvmsg": ["recvmsg"],
    "recvmmsg": ["recvmmsg"], "poll": ["poll"], "ppoll": ["ppoll"], "select": ["select"],
    "pselect": ["pselect6"], "epoll_create": ["epoll_create"],
    "epoll_create1": ["epoll_create1"], "epoll_ctl": ["epoll_ctl"],
    "epoll_wait": ["epoll_wait"], "epoll_pwait": ["epoll_pwait"],
    "epoll_pwait2": ["epoll_pwait2"],
}  # fmt: skip


def test_calls_errors_and_bytes_equal_the_programs_account(library, tmp_path):
    none = execute([program("calls"), 0, tmp_path / "f"], preload=library)
    some = execute([program("calls"), 7, tmp_path / "f"], preload=library)
    assert (some.status, some.stderr) == (0, "")
    recorded = difference(some.recording["calls"], none.recording["calls"])
    known = json.loads(some.stdout)
    assert {
        name: {key: recorded.get(name, {}).get(key, 0) for key in counts}
        for name, counts in known.items()
    } == known
    for counts in recorded.values():
        assert counts["in_histogram"] == counts["calls"]


def test_nothing_else_is_counted(library, tmp_path):
    """Of such a program nothing is seen but its one puts(): stdio writes through libc's inner write."""
    run = execute([program("calls"), 0, tmp_path / "f"], preload=library)
    assert run.recording["calls"] == {
        "fwrite": {"calls": 1, "errors": 0, "bytes": 0, "in_histogram": 1}
    }


# `strace -D` traces from aside, so that the program keeps the pid that is to be recorded.
STRACED = (
    'export LD_PRELOAD="" ; exec strace -D -f -c -o "$1" -E LD_PRELOAD="$0" '
    '-E _LAMPREY_TARGET=$$ -E _LAMPREY_ROLE=run -- "$2" "$3" "$4"'
)


def straced(library, rounds, folder):
    summary = folder / f"strace-{rounds}"
    run = execute(["sh", "-c", STRACED, library, summary, program("calls"), rounds, folder / "f"])
    assert run.status == 0, run.stderr
    for _ in range(100):  # strace writes it after the program has ended
        text = summary.read_text()
        if "total" in text:
            break
        execute(["sleep", "0.05"])
    calls = {}
    for line in text.splitlines():
        found = re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+)?\s*(\w+)", line)
        if found and found[3] != "total":
            calls[found[3]] = {"calls": int(found[1]), "errors": int(found[2] or 0)}
    return run.recording["calls"], calls


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_strace_counts_the_same(release_library, tmp_path):
    none, some = straced(release_library, 0, tmp_path), straced(release_library, 5, tmp_path)
    recorded, traced = difference(some[0], none[0]), difference(some[1], none[1])
    # What glibc makes of them: kernel name ← also these functions.
    merged = {"recvfrom": ["recv"], "sendto": ["send"], "close_range": ["closefrom"],
              "openat": ["open"], "pselect": ["select"]}  # fmt: skip
    for ours, kernels in KERNEL_NAMES.items():
        if not kernels or ours in ("open", "select", "epoll_create"):
            continue
        for key in ("calls", "errors"):
            mine = sum(recorded.get(n, {}).get(key, 0) for n in [ours, *merged.get(ours, [])])
            assert mine == traced.get(kernels[0], {}).get(key, 0), (ours, key)


def test_python_reads_what_strace_would_see(release_library, tmp_path):
    """Counts survive a runtime that makes its calls from several threads and through C modules."""
    source = tmp_path / "p.py"
    source.write_text(
        "import os, sys, threading\n"
        "def work():\n"
        "    fd = os.open('/dev/zero', os.O_RDONLY)\n"
        "    for _ in range(500): os.read(fd, 10)\n"
        "    os.close(fd)\n"
        "t = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]\n"
        "[x.start() for x in t]; [x.join() for x in t]\n"
    )
    none = execute([sys.executable, "-S", source, 0], preload=release_library)
    some = execute([sys.executable, "-S", source, 6], preload=release_library)
    assert some.status == 0, some.stderr
    recorded = difference(some.recording["calls"], none.recording["calls"])
    assert recorded["read"] == {
        "calls": 3000, "errors": 0, "bytes": 30000, "in_histogram": 3000
    }  # fmt: skip
    assert (recorded["open"]["calls"], recorded["close"]["calls"]) == (6, 6)
