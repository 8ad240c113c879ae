"""How much of what strace sees in a run stands in Lamprey's record of the same run: calls, and time in
calls that block. Programs: attributed/. Differences that docs/coverage.md explains (the loader's own
calls, those that libc makes inside of others) are shown beside, not hidden.
"""

import collections
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from measuring import RELEASE, ROOT, LIBRARY, Table, forget_recording

PROGRAMS = pathlib.Path(__file__).resolve().parent / "attributed"
ANSWER_S = 0.15

# Kernel's names → the rows that lead to such a call. One fopen or opendir opens, asks and closes once;
# how often one fgets reads is stdio's affair: at most once.
CALLS = {
    ("open", "openat", "creat"): ("open", "openat", "creat", "fopen", "opendir", "scandir"),
    ("close",): ("close", "fclose", "closedir", "scandir"),
    ("read",): ("read", "fread", "fgets", "getline"), ("write",): ("write",), ("readv",): ("readv",), ("writev",): ("writev",),
    ("pread64",): ("pread",), ("pwrite64",): ("pwrite",), ("lseek",): ("lseek",),
    ("stat", "lstat", "fstat", "newfstatat"): ("stat", "lstat", "fstat", "opendir", "scandir", "fopen"),
    ("statx",): ("statx",), ("access", "faccessat", "faccessat2"): ("access",),
    ("unlink", "unlinkat", "rmdir"): ("unlink", "unlinkat", "rmdir"),
    ("mkdir", "mkdirat"): ("mkdir",), ("fdatasync",): ("fdatasync",), ("fsync",): ("fsync",),
    ("fcntl",): ("fcntl",), ("socket",): ("socket",), ("connect",): ("connect",),
    ("sendto",): ("send", "sendto"), ("recvfrom",): ("recv", "recvfrom"),
    ("sendmsg",): ("sendmsg",), ("recvmsg",): ("recvmsg",), ("sendmmsg",): ("sendmmsg",),
    ("poll",): ("poll",), ("epoll_wait",): ("epoll_wait",), ("epoll_pwait",): ("epoll_pwait",),
    ("epoll_ctl",): ("epoll_ctl",), ("shutdown",): ("shutdown",), ("socketpair",): ("socketpair",),
    ("pipe", "pipe2"): ("pipe",), ("wait4", "waitid"): ("waitpid", "waitid"),
    ("clock_nanosleep", "nanosleep"): ("clock_nanosleep", "nanosleep"),
    ("setsockopt",): ("setsockopt",), ("getsockopt",): ("getsockopt",),
}  # fmt: skip
BLOCKING = {"futex", "clock_nanosleep", "nanosleep", "recvfrom", "recvmsg", "poll", "ppoll", "select",
            "pselect6", "epoll_wait", "epoll_pwait", "wait4", "waitid", "connect", "accept",
            "accept4", "fsync", "fdatasync"}  # fmt: skip
BLOCKING_ROWS = {"sem_wait", "pthread_cond_wait", "pthread_mutex_lock", "pthread_join", "futex",
                 "pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "clock_nanosleep", "nanosleep",
                 "recv", "recvfrom", "recvmsg", "poll", "ppoll", "select", "pselect", "epoll_wait",
                 "epoll_pwait", "waitpid", "waitid", "connect", "accept", "accept4", "fsync",
                 "fdatasync", "syscall"}  # fmt: skip
LINE = re.compile(r"([\d.]+) (\w+)\((.*?)(?:\)\s+= (\S+).*?(?:<([\d.]+)>)?|<unfinished \.\.\.>)$")


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(ANSWER_S)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


# What exact mode leaves where it is on purpose (src/recording/kernel_calls.def).
UNTOUCHED = {"clone", "clone3", "fork", "vfork", "rt_sigreturn", "rt_sigprocmask", "set_robust_list",
             "rseq", "exit", "exit_group", "arch_prctl", "set_tid_address", "execve", "execveat",
             "restart_syscall"}  # fmt: skip


def trace(command, folder, exact="off"):
    """(what strace saw after attach, {thread: [(when, call, arguments, seconds)]}, the record)."""
    script = (
        'export P=$$; exec strace -D -ff -T -ttt -o "$0" -E LD_PRELOAD="$1" -E _LAMPREY_TARGET=$$ '
        '-E _LAMPREY_ROLE=run -E LAMPREY_DETAIL=full -E LAMPREY_EXACT="$2" -- "${@:3}"'
    )
    with subprocess.Popen(
        ["bash", "-c", script, folder / "trace", LIBRARY, exact, *command], stdout=subprocess.DEVNULL
    ) as process:
        process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} under strace ended with {process.returncode}")
    recording = f"/tmp/lamprey/{process.pid}.rec"
    outputs = [
        json.loads(subprocess.run([program, *words], capture_output=True, check=True, text=True).stdout)
        for program, *words in (
            [RELEASE / "bin/lamprey", "decode", recording],
            [RELEASE / "tests/hazard/recording_dump", recording],
        )
    ]
    forget_recording(process.pid)
    return process.pid, outputs[0], outputs[1]


def lines_of(folder, pid):
    """The process's threads, from attach on; its children are other programs."""
    todo, seen = [str(pid)], {}
    while todo:
        thread = todo.pop()
        path = folder / f"trace.{thread}"
        if thread in seen or not path.exists():
            continue
        found, attached, own = [], thread != str(pid), None
        for line in path.read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if match is None:
                continue
            when, call, arguments, result, took = match.groups()
            if call == "openat" and f"{pid}.rec" in arguments:
                attached, own = True, result  # what is written to it at attach is ours
            elif attached and not (own is not None and arguments.split(",")[0] == own):
                found.append((float(when), call, arguments, took and float(took)))
            own = None if call == "close" and arguments == own else own
            if call in ("clone", "clone3") and "CLONE_THREAD" in arguments:
                todo.append(result or "")
        seen[thread] = found
    return seen


def figures(threads):
    end = max(when + (took or 0) for lines in threads.values() for when, _, _, took in lines)
    calls, loaders, blocked = collections.Counter(), 0, 0.0
    for lines in threads.values():
        for when, call, arguments, took in lines:
            calls[call] += 1
            # For each library: openat, read of its header, fstat, close.
            loaders += 4 if call == "openat" and re.search(r'\.so[.\d]*", O_RDONLY\|O_CLOEXEC', arguments) else 0
            if call in BLOCKING and not (call == "futex" and "WAKE" in arguments):
                blocked += took if took is not None else end - when
    return calls, loaders, blocked * 1e3


def row(name, command):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        pid, record, dump = trace(command, folder)
        calls, loaders, blocked_ms = figures(lines_of(folder, pid))
    seen, there = 0, 0
    for kernel, rows in CALLS.items():
        real = sum(calls[call] for call in kernel)
        there += real
        seen += min(real, sum(dump["calls"].get(r, {}).get("calls", 0) for r in rows))
    ours_ms = sum(r["total_ms"] for r in record["calls"]["top"] if r["name"] in BLOCKING_ROWS)
    return [name, there, loaders, seen, f"{100 * seen / max(there - loaders, 1):.1f} %",
            f"{blocked_ms:.0f}", f"{ours_ms:.0f}", f"{100 * ours_ms / blocked_ms:.1f} %"]  # fmt: skip


def exact_row(name, command):
    """The same with exact mode: call by call, in the kernel's names."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        pid, _, dump = trace(command, folder, "on")
        calls, loaders, _ = figures(lines_of(folder, pid))
    untouched = sum(calls.pop(call, 0) for call in UNTOUCHED)
    there = sum(calls.values())
    seen = sum(min(n, dump["kernel"]["calls"].get(call, {}).get("calls", 0))
               for call, n in calls.items())  # fmt: skip
    return [name, there + untouched, untouched, loaders, seen,
            f"{100 * seen / max(there - loaders, 1):.1f} %"]  # fmt: skip


def each_program(make_row, table):
    classes = ROOT / "build/test-programs/java"
    programs = {"Python": [os.path.realpath(sys.executable), PROGRAMS / "work.py"]}
    if shutil.which("node"):
        programs["Node"] = ["node", PROGRAMS / "work.mjs"]
    if shutil.which("javac"):
        subprocess.run(["javac", "-d", classes, PROGRAMS / "Work.java"], check=True)
        programs["Java"] = ["java", "-cp", classes, "Work"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, command in programs.items():
            table.add(*make_row(name, [*command, str(server.server_address[1])]))
        server.shutdown()
    return table


def attribution():
    return each_program(row, Table(
        "attribution beside strace -f of the same run",
        ["program", "calls (strace)", "of the loader", "in the record", "of the rest",
         "blocked, ms (strace)", "in the record, ms", "ratio"]))  # fmt: skip


def exact_attribution():
    return each_program(exact_row, Table(
        "exact mode beside strace -f of the same run",
        ["program", "calls (strace)", "left alone on purpose", "of the loader", "in `kernel`",
         "of the rest"]))  # fmt: skip
