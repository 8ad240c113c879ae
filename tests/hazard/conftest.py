"""How the hazard tests find the library and run a program with and without it.

LAMPREY_BUILD names the build whose programs and library are used (default build/release),
LAMPREY_DEBUG_BUILD the one whose library has the tripwire (default build/debug), LAMPREY_SHIPPED the
library that layer/build made for this machine: another compiler's, and what users get. As root the whole
run gets a /tmp/lamprey of its own in a private mount namespace, so that nobody else's companion
reports our recordings away; without root the shared directory is used.
"""

import ctypes
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests"))
import side_by_side  # noqa: E402
from side_by_side import pytest_collection_modifyitems  # noqa: E402, F401: a hook

RELEASE = pathlib.Path(os.environ.get("LAMPREY_BUILD", ROOT / "build/release")).resolve()
DEBUG = pathlib.Path(os.environ.get("LAMPREY_DEBUG_BUILD", ROOT / "build/debug")).resolve()
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(os.uname().machine, "unknown")
SHIPPED = pathlib.Path(
    os.environ.get(
        "LAMPREY_SHIPPED", ROOT / f"build/shipped/{ARCHITECTURE}-preload/lib/liblamprey.so"
    )
).resolve()
RECORDINGS = pathlib.Path("/tmp/lamprey")
LIMIT_S = int(os.environ.get("HAZARD_LIMIT_S", "60"))

# The process that is to be recorded is known by its pid, which only exec in place keeps.
LAUNCH = 'export LD_PRELOAD="$0" _LAMPREY_TARGET=$$ _LAMPREY_ROLE=run; exec "$@"'
if os.environ.get("HAZARD_EXACT"):
    LAUNCH = "export LAMPREY_EXACT=${LAMPREY_EXACT-on}; " + LAUNCH


def pytest_configure(config):
    side_by_side.add_marks(config)
    if side_by_side.only_hands_out(config):
        return  # the processes that run tests read the same variables, so they must find them
    # Variables of this shell must not decide what is recorded.
    for name in [n for n in os.environ if n.startswith(("LAMPREY", "_LAMPREY", "AWS_LAMBDA"))]:
        del os.environ[name]
    os.environ.pop("LD_PRELOAD", None)
    # python3 is the interpreter, not a version manager's shell script that finds it: a shell's
    # handler of SIGCHLD waits, wherever it interrupts, and the tripwire cannot tell that from a hook
    # that waits (tripwire.cpp).
    os.environ["PATH"] = f"{sys.base_prefix}/bin:{os.environ['PATH']}"
    # Programs that are meant to crash leave no core in the working directory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    clone_newns, ms_rec, ms_private, ms_bind = 0x20000, 0x4000, 0x40000, 0x1000
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(clone_newns) != 0:
        return
    libc.mount(b"none", b"/", None, ms_rec | ms_private, None)
    RECORDINGS.mkdir(mode=0o700, exist_ok=True)
    config.lamprey_private = tempfile.mkdtemp(prefix="lamprey-hazard-", dir="/var/tmp")
    os.chmod(config.lamprey_private, 0o700)
    libc.mount(config.lamprey_private.encode(), bytes(RECORDINGS), None, ms_bind, None)


def pytest_unconfigure(config):
    private = getattr(config, "lamprey_private", None)
    if private is not None:
        shutil.rmtree(private, ignore_errors=True)


def program(name):
    path = RELEASE / "tests/hazard" / name
    if not path.exists():
        pytest.fail(f"{path} is not built: cmake --build --preset release")
    return str(path)


class Run:
    """A finished run: status, stdout, stderr and, when there is one, its recording."""

    def __init__(self, process, stdout, stderr):
        self.pid = process.pid
        self.status = process.returncode
        self.stdout = stdout
        self.stderr = stderr
        self.path = RECORDINGS / f"{process.pid}.rec"

    @property
    def recording(self):
        return read_recording(self.path)

    def outcome(self):
        return self.status, self.stdout, self.stderr


def read_recording(path):
    dump = subprocess.run(
        [program("recording_dump"), str(path)], capture_output=True, text=True, check=False
    )
    assert dump.returncode == 0, dump.stderr
    return json.loads(dump.stdout)


def start(command, *, preload=None, env=None, launcher=(), **options):
    """Starts `command` under `preload` (a colon list), or plainly. `launcher` is put in front of
    the shell that sets the variables (unshare, prlimit, ...)."""
    command = [str(word) for word in command]
    if preload is not None:
        command = ["/bin/sh", "-c", LAUNCH, str(preload), *command]
    return subprocess.Popen(
        [*launcher, *command],
        env={**os.environ, **(env or {})},
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process, limit_s=LIMIT_S):
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"hung for {limit_s} s: {process.args}\n{stdout}\n{stderr}") from None
    return Run(process, stdout, stderr)


def execute(command, **options):
    limit_s = options.pop("limit_s", LIMIT_S)
    return finish(start(command, **options), limit_s)


def difference(more, less):
    """Counter by counter, of two recordings (or parts of one)."""
    result = {}
    for key in more.keys() | less.keys():
        a, b = more.get(key, 0), less.get(key, 0)
        if isinstance(a, dict) or isinstance(b, dict):
            result[key] = difference(a or {}, b or {})
        elif isinstance(a, int) and isinstance(b, int):
            result[key] = a - b
    return result


def library_of(build):
    path = build if build == SHIPPED else build / "lib/liblamprey.so"
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@pytest.fixture(scope="session")
def release_library():
    return library_of(RELEASE)


@pytest.fixture(scope="session")
def tripwire_library():
    return library_of(DEBUG)


@pytest.fixture(params=["tripwire", "release", "shipped"])
def library(request):
    return library_of({"tripwire": DEBUG, "release": RELEASE, "shipped": SHIPPED}[request.param])


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled("libraries/x.c", "-shared", ...) → path; built once a session."""
    folder = tmp_path_factory.mktemp("compiled")
    made = {}

    def build(source, *flags, compiler="cc"):
        key = (source, flags, compiler)
        if key not in made:
            made[key] = folder / f"{pathlib.Path(source).stem}-{len(made)}.so"
            command = [compiler, "-O1", "-w", "-o", made[key], HERE / source, *flags]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return made[key]

    return build


@pytest.fixture(scope="session")
def shim(compiled):
    return compiled("libraries/counting_shim.c", "-shared", "-fPIC", "-ldl")


@pytest.fixture
def outside_tmp():
    """A directory that stays visible when a test puts something else over /tmp."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="lamprey-hazard-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
