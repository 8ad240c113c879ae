#!/usr/bin/env python3
"""Prints docs/coverage.md from the tables that the library is built from: which functions are hooked,
and in which row each is counted. `tests/coverage_page.py > docs/coverage.md`; a test compares."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEAD = """# What is seen, and what is not

Made by `tests/coverage_page.py` from `src/recording/calls.def` and the tables `preload/libc/*.def`;
do not edit.

The library sees the calls that the program and its libraries make to libc. It does not see

* **what libc calls internally**: the `openat` inside `fopen`, the sockets inside `getaddrinfo`, the `futex` inside
  `pthread_mutex_lock`. The call that the program made is counted, with its whole time. [Exact mode](exact-mode.md) sees these
  calls too;
* **static programs**: nothing of them, and an `init` line says so;
* **system calls without libc**: code with its own `syscall` (x86_64) or `svc` (arm64) instructions, such as Go's and liburing's.
  The companion looks for such code in the first 4 MiB of every file that the runtime has mapped as executable, except libc and
  the loader, while there is time (4 ms of CPU at the `init` line, 50 ms at the `shutdown` line of a process that is alive).
  `coverage.unseen` of these two lines names the files that have it. It is recognised by the two code sequences that compilers
  generate for it (`src/symbols/direct_syscalls.h`); another sequence would be missed. Among 1,500 libraries of a distribution, those
  found were the C libraries, the sanitizers, liburing and a profiler, with no false alarm. CPython, Node, the JVM and Ruby have
  none;
* **io_uring**: the record says that it was set up;
* **the dynamic loader** before it has loaded us, and its own `openat` and `mmap` for every library after that;
* **what libc maps for itself**: malloc's heaps and its blocks of 128 KiB and more (they are malloc's bytes), stacks of threads.
  `mmap`, `mmap64`, `munmap`, `mprotect`, `mremap`, `madvise`, `brk` and `sbrk` of the program and its libraries are counted as
  memory (`memory.maps`, `memory.sites`), not as rows;
* **blocks that pass malloc by**: `operator new` of a linked or preloaded jemalloc, tcmalloc or mimalloc, and jemalloc's own functions
  (`mallocx` and its kin). `coverage.unseen` names the allocator. `operator new` of libstdc++ and libc++ calls `malloc` and is
  counted. It is not hooked: a program whose libstdc++ came by `dlopen` would find our function and not the real one behind it;
* **sizes of blocks**, where the allocator has no `malloc_usable_size`: live and freed bytes are absent, and `coverage.unseen` says so;
* **vDSO calls** (`clock_gettime`) and page faults;
* **`vfork`** and `clone`: they are hooked, but only to know that a child may share the process's memory; the wait for the child
  is seen;
* the character functions of stdio (`getc`, `putc`) and `printf`, which rarely reach the kernel, and `fseek`, `ftell`, `rewind`.

These functions could be hooked, and are left out on purpose:

| functions | why |
| --- | --- |
| `pthread_create` | a wrapper would stay at the bottom of the new thread's stack; `threads_max` has the number of threads |
| `dlopen`, `dlmopen` | the caller's identity decides which directories are searched; what it opens is the loader's |
| `pthread_mutex_unlock`, `pthread_tryjoin_np`, `pthread_spin_lock`, `inotify_add_watch`, `fanotify_mark` | they do not wait |
| `sched_yield`, `prctl`, `sysinfo`, `getrusage`, `sched_getaffinity`, `mlock`, `mincore`, `memfd_create` | short, and not about files, hosts or waits |
| `sync` | returns nothing, so errors cannot be counted |
| `posix_fadvise`, `readahead` | advice; the reading is seen |
| C11's `mtx_lock`, `cnd_wait`, `thrd_join`; System V's `semop`, `msgrcv`; POSIX's `mq_receive`, `aio_suspend` | no Lambda runtime waits with them |
| `io_getevents` | belongs to libaio, which makes its own system calls |
| `getpwuid`, `getservbyname`, `getaddrinfo_a`, `res_nsend`, `ftw`, `glob`, `scandirat`, `readdir_r`, `mknod`, `tmpfile` | rare; their callers' other calls are seen |

`pthread_cond_signal`, `pthread_cond_broadcast`, `sem_post` and `sem_trywait` are hooked to know who ended a wait, `vfork` and `clone` to know whose
descriptors are opened and closed. They are not counted.

Where `strace -f -c` counts something else:

| row | difference |
| --- | --- |
| locks (`pthread_mutex_lock`, `pthread_rwlock_*`) | only calls that had to wait; strace has a `futex` for each sleep and each wake |
| `sem_wait`, `pthread_cond_wait`, `pthread_join` | calls; strace has 0 or more `futex` for one |
| `fopen`, `fread`, `fgets`, ..., `opendir`, `readdir`, `scandir`, `realpath` | calls of the library; strace has one `read` for many |
| `system`, `popen`, `posix_spawn`, `fork` | calls; strace has `clone`, `vfork`, `wait4` inside |
| `stat` | strace has `newfstatat`; `lstat`, `fstat`, `statfs`, `getxattr`, `listxattr` apart. `chmod` has `chown`, `utimensat`, `setxattr`; `realpath` has `getcwd`; `fsync` has `syncfs`, `sync_file_range`, `msync` |
| `getsockopt`, `setsockopt` | strace has `getsockname`, `getpeername`; `bind`, `listen` apart |
| `open` | also `mkstemp` and its kin, for which strace has `openat` |
| `eventfd` | also `inotify_init`, `fanotify_init` |
| calls by `syscall(2)` | in the row of the call that the number means; `syscall` has only those without a row |
| `usleep`, `sleep` | strace has `clock_nanosleep` |
| `send`, `recv` | strace has `sendto`, `recvfrom` |

With [exact mode](exact-mode.md) what libc calls internally is seen too, in a separate table (`kernel`).

## Test suites of other projects

Each suite ran without and with the library, side by side, in its own network, process and mount namespaces (x86_64, Debian 12).
The results were compared test by test. No test gave another result with the library than without. Tests that fail in both have
the reason in the last column.

| suite | tests, by name | recorded processes | fail in both |
| --- | --- | --- | --- |
| Redis 7.0.15: 84 units and 36 of modules, without TLS | 2,867 (17 left out by their tags) | over 850, with 79.8 million calls | 4: fixes, or tests of fixes, that the distribution brought over from later versions |
| libuv 1.44.2: `uv_run_tests` | 410 (11 skip themselves) | 410, with 0.67 million calls | `fs_copyfile`: run as root |
| Node 18.20.4: `test/parallel/test-*`, run by Node 20.20: `net`, `child-process`, `dgram`, `process`, `fs`, `worker`, `http-[a-m]` | 928 | 928 | 52: tests of another version, or root |

Two loops of Redis' `psync2` repeat a random number of times; for them the outcome is compared, not the count. A part of Redis'
suite and all of libuv's run in `tests/integration/test_suites.py`, CPython's in `tests/integration/test_cpython.py`.

## Rows and functions

| row | class | functions |
| --- | --- | --- |
"""


def page():
    functions = {}
    order = []
    for line in (ROOT / "src/recording/calls.def").read_text().splitlines():
        found = re.match(r"CALL\((\w+), (\w+)\)", line)
        if found:
            order.append((found[1], found[2].lower()))
    for table in sorted((ROOT / "preload/libc").glob("*.def")):
        for line in table.read_text().splitlines():
            hook = re.match(r"HOOK\((\w+), [\w* ]+, (\w+),", line)
            if hook:
                functions.setdefault(hook[1], []).append(hook[2])
            irregular = re.match(r"IRREGULAR\([\w* ]+, (\w+),", line)
            if irregular:
                name = irregular[1]
                row = re.sub(r"64$|_(timed|clock)", lambda m: "_" if m[0] != "64" else "", name)
                functions.setdefault(row, []).append(name)
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{f}`' for f in functions.get(name, []))} |"
        for name, kind in order
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
