"""What the library itself calls, of the kernel and of libc, stands in docs/architecture.md; all of it
does. Three referees: the sources, the built library's symbols, and strace."""

import collections
import os
import re
import shutil
import subprocess

import pytest
from conftest import LAUNCH, LIMIT_S, ROOT, program
from fake_runtime_api import FakeRuntimeApi
from test_library_file import symbols

PAGE = ROOT / "docs/architecture.md"
RUNNING = "System calls while the program runs"
ENDS = "System calls at attach and at the end"
FUNCTIONS = "Functions of libc"
RUNTIMES = "What is looked up in runtimes"
SOURCES = [path for kind in ("cpp", "h") for path in (ROOT / "preload").rglob(f"*.{kind}")]


def table(heading):
    """The words in code type of the first column, of the rows under that heading."""
    section = re.search(rf"^### {heading}$(.*?)(?=^#|\Z)", PAGE.read_text(), re.M | re.S)[1]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def in_sources(pattern):
    return {name for path in SOURCES for name in re.findall(pattern, path.read_text())}


def test_the_system_calls_of_the_sources():
    handlers = {"rt_sigreturn"}  # the return of our own: no call of ours, but one of the kernel's
    made = in_sources(r"raw_syscall\(\s*SYS_(\w+)") | handlers
    assert table(RUNNING) | table(ENDS) == made


def test_the_functions_that_are_imported_or_looked_up(library):
    """What a debug build's tripwire looks up, it wraps."""
    looked_up = in_sources(r'find\([^;"]*"(\w+)"\)') | in_sources(r'dlsym\(RTLD_DEFAULT, "(\w+)"\)')
    looked_up -= table(RUNTIMES)
    imported = symbols(library, "--undefined-only")
    assert imported | looked_up <= table(FUNCTIONS)
    assert looked_up <= table(FUNCTIONS)


def test_what_is_looked_up_in_runtimes():
    """The readers of languages find names in a module's own tables; they call eight of them."""
    readers = [path for path in SOURCES if path.is_relative_to(ROOT / "preload/stack")]
    named = {name for path in readers for name in re.findall(r'find\("(\w+)"', path.read_text())}
    assert table(RUNTIMES) == named


def test_no_function_is_listed_that_no_build_has(tripwire_library, release_library):
    known = in_sources(r'"(\w+)"\)') | {"bcmp", "memmove", "memset"}  # compilers choose among these
    for library in (tripwire_library, release_library):
        known |= symbols(library, "--undefined-only")
    assert table(FUNCTIONS) <= known


def traced(command, preload, log, env):
    """How often each system call was made, by all threads and children."""
    # The shell is the same in both: it becomes the program, and only then is anything preloaded.
    launch = LAUNCH if preload else 'exec "$@"'
    subprocess.run(
        ["strace", "-f", "-qq", "-o", log, "sh", "-c", launch, str(preload), *map(str, command)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, env={**os.environ, **env},
        timeout=LIMIT_S,
    )  # fmt: skip
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.M))


def added(command, library, log, env):
    """`command` is asked for twice: a server's port is good for one run."""
    return traced(command(), library, log, env) - traced(command(), None, log, env)


# libc's malloc makes these for its first block, and one is made at attach; and a heap grows in one
# step or two. From one run to the next it differs who waits for whom (`threads` looks every so often).
LIBCS = {"brk", "getrandom", "restart_syscall", "clock_nanosleep"}
EVERY = {"LAMPREY_SAMPLE_BYTES": "1"}
EXACT = {"LAMPREY_EXACT": "on"}


def commands(what, tmp_path, compiled):
    modules = [compiled("libraries/allocates_a.c", "-shared", "-fPIC"),
               compiled("libraries/allocates_b.c", "-shared", "-fPIC", "-DFIRST=0")]  # fmt: skip
    return {
        "calls": ([program("calls"), 2, tmp_path / "f"], {}),
        "modules": ([program("modules_loop"), *modules, 3], EVERY),
        "crowd": ([program("threads"), "crowd", 300], {}),
        "vfork": ([program("vforks"), "vfork"], {}),
        "clone": ([program("vforks"), "clone"], {}),
        "mappings": ([program("mappings"), "all", 1, 50], EVERY),
        "closing": ([program("closing"), 3], {}),
        "runtime": (None, {}),
        "crash": ([program("deaths"), "null"], {}),
        "abort": ([program("deaths"), "abort"], {}),
        "kill": ([program("deaths"), "kill-self"], {}),
        "exit": ([program("deaths"), "exit"], {}),
        "exact": ([program("exact"), "children"], EXACT),
        "chdir": (["sh", "-c", "cd /; exec sh -c 'cd /tmp; exec true'"], {}),
    }[what]  # fmt: skip


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("what", [
    "calls", "modules", "crowd", "vfork", "clone", "mappings", "closing", "runtime", "crash", "abort",
    "kill", "exit", "exact", "chdir",
])  # fmt: skip
def test_the_system_calls_that_a_program_makes_more(library, tmp_path, compiled, what):
    words, env = commands(what, tmp_path, compiled)
    log = tmp_path / "strace"
    attach = added(lambda: ["true"], library, log, env)
    assert attach.keys() - LIBCS <= table(ENDS) | {"gettid"}
    servers = []

    def command():
        if words is not None:
            return words
        servers.append(FakeRuntimeApi(2))
        return [program("runtime_client"), servers[-1].port, 2]

    running = added(command, library, log, env) - attach
    for server in servers:
        server.close()
    assert running.keys() - LIBCS <= table(RUNNING) | table(ENDS)
