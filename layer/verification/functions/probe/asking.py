"""Questions that one process can answer of itself, for the probe and its extension: the kernel, what it
allows, limits, files. Every answer is plain data; what could not be asked says which error it was.

Nothing private may be answered: no variable's value, no name, address or number of an account, a function,
a machine or a request, no command line.
"""

import ctypes
import errno
import mmap
import os
import platform
import re
import resource
import signal
import stat

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ARM = platform.machine() == "aarch64"
# By name: number on x86_64, on arm64.
NUMBERS = {
    "ptrace": (101, 117), "memfd_create": (319, 279), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "process_vm_readv": (310, 270), "userfaultfd": (323, 282),
    "pidfd_open": (434, 434), "prctl": (157, 167), "timer_create": (222, 107), "timer_settime": (223, 110),
    "timer_delete": (226, 111), "rt_tgsigqueueinfo": (297, 240), "futex": (202, 98),
    "membarrier": (324, 283), "renameat2": (316, 276), "bpf": (321, 280),
    "fallocate": (285, 47), "landlock_create_ruleset": (444, 444),
}  # fmt: skip


def call(name, *arguments):
    """The system call's result; raises OSError."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(NUMBERS[name][ARM]), *words)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def word_of(error):
    return errno.errorcode.get(error.errno, str(error.errno)) if isinstance(error, OSError) else type(error).__name__


def answer(question, *arguments):
    """What the question returns, or the error's word."""
    try:
        return question(*arguments)
    except Exception as error:  # noqa: BLE001: an answer too
        return {"error": word_of(error)}


def read(path, most=65536):
    with open(path, errors="replace") as file:
        return file.read(most).strip()


def in_child(question):
    """"ok", the error's word, or by which signal the child was killed: so nothing is left changed here."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            question()
        except OSError as error:
            code = error.errno if 0 < error.errno < 250 else 251
        except BaseException:  # noqa: BLE001
            code = 252
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    code = os.WEXITSTATUS(status)
    return "ok" if code == 0 else errno.errorcode.get(code, f"error {code}")


# ---- what the kernel allows ---------------------------------------------------------------------


def read_vm(pid, address):
    """16 bytes of a process, this one too."""
    into = ctypes.create_string_buffer(16)
    pairs = (ctypes.c_size_t * 4)(ctypes.addressof(into), 16, address, 16)
    here = ctypes.addressof(pairs)
    return call("process_vm_readv", pid, ctypes.c_void_p(here), 1, ctypes.c_void_p(here + 16), 1, 0)


def _perf():
    attributes = ctypes.create_string_buffer(120)
    # type SOFTWARE, size, config CPU_CLOCK, period; bits: disabled, exclude_kernel, exclude_hv
    ctypes.memmove(attributes, (1).to_bytes(4, "little") + (120).to_bytes(4, "little"), 8)
    ctypes.memmove(ctypes.addressof(attributes) + 16, (10**6).to_bytes(8, "little"), 8)
    attributes[40] = 0b1100001
    os.close(call("perf_event_open", attributes, 0, -1, -1, 0))


def _libc_is_writable():
    """Whether libc's code may be changed in memory, as exact mode does."""
    page = ctypes.cast(LIBC.getpid, ctypes.c_void_p).value & ~4095
    if LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(4096), 7) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    if LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(4096), 5) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")


def _shared_memory():
    path = f"/dev/shm/lamprey-probe-{os.getpid()}"
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    os.unlink(path)


def system_calls():
    """What each does here when it is asked for something harmless."""
    buffer = ctypes.create_string_buffer(256)
    questions = {
        "ptrace": lambda: call("ptrace", 0, 0, 0, 0),  # PTRACE_TRACEME, in a child that ends at once
        "memfd_create": lambda: call("memfd_create", ctypes.c_char_p(b"probe"), 1),
        "perf_event_open": _perf,
        "io_uring_setup": lambda: call("io_uring_setup", 4, buffer),
        "process_vm_readv_own": lambda: read_vm(os.getpid(), ctypes.addressof(buffer)),
        "userfaultfd": lambda: call("userfaultfd", 0),
        "userfaultfd_user_only": lambda: call("userfaultfd", 1),
        "pidfd_open": lambda: call("pidfd_open", os.getpid(), 0),
        "prctl_set_name": lambda: call("prctl", 15, ctypes.c_char_p(b"probe"), 0, 0, 0),
        "membarrier": lambda: call("membarrier", 0, 0, 0),
        "bpf": lambda: call("bpf", 5, buffer, 48),
        "landlock": lambda: call("landlock_create_ruleset", 0, 0, 1),
        "mprotect_libc_text": _libc_is_writable,
        "shm_open": _shared_memory,
    }
    return {name: in_child(question) for name, question in questions.items()}


def kernel():
    name = os.uname()
    status = dict(re.findall(r"^(\w+):\s*(.*)$", read("/proc/self/status"), re.MULTILINE))
    wanted = ("Seccomp", "Seccomp_filters", "NoNewPrivs", "Umask", "CapEff", "Speculation_Store_Bypass")
    return {
        "release": name.release, "version": name.version, "machine": name.machine,
        "libc": " ".join(platform.libc_ver()),
        "status": {key: status[key] for key in wanted if key in status},
        "ptrace_scope": answer(read, "/proc/sys/kernel/yama/ptrace_scope"),
        "perf_event_paranoid": answer(read, "/proc/sys/kernel/perf_event_paranoid"),
        "core_pattern_is_pipe": answer(lambda: read("/proc/sys/kernel/core_pattern").startswith("|")),
        "overcommit_memory": answer(read, "/proc/sys/vm/overcommit_memory"),
        "transparent_hugepage": answer(read, "/sys/kernel/mm/transparent_hugepage/enabled"),
        "randomize_va_space": answer(read, "/proc/sys/kernel/randomize_va_space"),
    }  # fmt: skip


def identity():
    """Ids of user and group are the sandbox's own, not the account's."""
    return {"uid": os.getuid(), "gid": os.getgid(), "own_pid_is_1": os.getpid() == 1,
            "processes_seen": len([entry for entry in os.listdir("/proc") if entry.isdigit()])}  # fmt: skip


def limits():
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    shown = {name: answer(resource.getrlimit, getattr(resource, name)) for name in names}
    shown["SIGPENDING"] = answer(_sigpending)
    return shown


def _sigpending():
    return re.search(r"^Max pending signals\s+(\S+)\s+(\S+)", read("/proc/self/limits"), re.MULTILINE).groups()


# ---- files --------------------------------------------------------------------------------------


def standard_output(descriptor=1):
    """What it is, and whether sendfile(2) takes it: an empty line is sent."""
    kinds = {stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket", stat.S_ISREG: "file", stat.S_ISCHR: "device"}
    mode = os.fstat(descriptor).st_mode
    kind = next((word for judge, word in kinds.items() if judge(mode)), "other")
    import fcntl

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    return {"kind": kind, "nonblocking": bool(flags & os.O_NONBLOCK), "append": bool(flags & os.O_APPEND),
            "pipe_bytes": answer(fcntl.fcntl, descriptor, 1032), "sendfile": answer(_send_line, descriptor)}  # fmt: skip


def _send_line(descriptor):
    path = f"/tmp/lamprey-probe-line-{os.getpid()}"
    with open(path, "w+b") as file:
        os.unlink(path)
        file.write(b"\n")
        file.flush()
        return os.sendfile(descriptor, file.fileno(), 0, 1)


def temporary_files():
    """/tmp: its file system, and what it can do."""
    mounts = [line.split(" - ") for line in read("/proc/self/mountinfo").splitlines()]
    points = {left.split()[4]: (left.split()[5], right.split()[0]) for left, right in mounts}
    point = "/tmp" if "/tmp" in points else "/"
    size = os.statvfs("/tmp")
    about = os.stat("/tmp")
    return {
        "is_mount": point == "/tmp", "options": points[point][0], "file_system": points[point][1],
        "bytes": size.f_blocks * size.f_frsize, "free_bytes": size.f_bavail * size.f_frsize,
        "mode": oct(about.st_mode & 0o7777), "is_ours": about.st_uid == os.getuid(),
        "fallocate_16_mb": answer(_fallocate), "shared_mapping": answer(_map_shared),
        "rename_noreplace": answer(_rename),
    }  # fmt: skip


def _with_file(use):
    path = f"/tmp/lamprey-probe-{os.getpid()}"
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    try:
        return use(file, path)
    finally:
        os.close(file)
        os.unlink(path)


def _fallocate():
    return _with_file(lambda file, _: call("fallocate", file, 0, 0, 16 << 20) == 0)


def _map_shared():
    def use(file, _):
        os.ftruncate(file, 4096)
        with mmap.mmap(file, 4096) as mapping:
            mapping[0:2] = b"ok"
            return os.pread(file, 2, 0) == b"ok"

    return _with_file(use)


def _rename():
    def use(_, path):
        try:
            here = ctypes.c_char_p(path.encode())
            call("renameat2", -100, here, -100, here, 1)
        except OSError as error:
            return word_of(error) == "EEXIST"  # as it must be of itself
        return False

    return _with_file(use)


def control_groups():
    """Which files there are, and what the limits say; no names of groups."""
    kept = ("memory.max", "memory.high", "memory.events", "memory.oom.group", "cpu.max", "cpu.stat", "cgroup.controllers")
    root = "/sys/fs/cgroup"
    return {
        "hierarchies": answer(lambda: len(read("/proc/self/cgroup").splitlines())),
        "is_version_2": os.path.exists(f"{root}/cgroup.controllers"),
        "files": answer(lambda: sorted(os.listdir(root))[:80]),
        **{name: answer(read, f"{root}/{name}", 500) for name in kept if os.path.exists(f"{root}/{name}")},
        "version_1_memory": answer(read, f"{root}/memory/memory.limit_in_bytes"),
    }


def processor():
    text = read("/proc/cpuinfo")
    model = re.search(r"^(?:model name|CPU part)\s*:\s*(.*)$", text, re.MULTILINE)
    flags = set((re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE) or ["", ""])[1].split())
    LIBC.getauxval.restype = ctypes.c_ulong
    wanted = {"constant_tsc", "nonstop_tsc", "tsc_known_freq", "rdtscp", "invpcid", "fsgsbase", "avx2", "avx512f",
              "shstk", "user_shstk", "ibt", "atomics", "paca", "pacg", "bti", "mte", "sve", "hypervisor"}  # fmt: skip
    return {"model": model[1] if model else None, "count": os.cpu_count(), "may_use": len(os.sched_getaffinity(0)),
            "features": sorted(flags & wanted),
            "hwcap": hex(LIBC.getauxval(ctypes.c_ulong(16))), "hwcap2": hex(LIBC.getauxval(ctypes.c_ulong(26))),
            "page_bytes": LIBC.getauxval(ctypes.c_ulong(6))}  # fmt: skip
