"""Stacks of Python programs, as the library records them, against what Python itself says of them. On every
Python of this machine whose frames are read; what a Python cannot be had for is skipped by name."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unicodedata

import pytest
from conftest import HERE, ROOT, execute

SHAPES = str(HERE / "python_shapes.py")
KNOWN = range(8, 15)
pytestmark = pytest.mark.spread
ON, ABSENT, SWITCHED_OFF = 1, 0, 2
PYTHON = 1  # Language::kPython
DEEPEST = 128
LONGEST_NAME, LONGEST_PATH = 127, 255
# Every large block is a sample, hardly any small one.
ENVIRONMENT = {"LAMPREY_SAMPLE_BYTES": str(1 << 20), "PYTHONDONTWRITEBYTECODE": "1"}


def pythons():
    """The program of each minor version that can be had, the system's own first."""
    candidates = [pathlib.Path("/usr/bin/python3"), pathlib.Path(sys.executable)]
    candidates += sorted(pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    candidates += sorted(pathlib.Path.home().glob(".local/share/uv/python/cpython-3.*/bin/python3"))
    found = {}
    for program in candidates:
        ran = subprocess.run([program, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True) \
            if program.exists() else None  # fmt: skip
        if ran and ran.returncode == 0:
            version = tuple(map(int, ran.stdout.split()))
            if version[1] in KNOWN and program.resolve() not in found.values():
                found.setdefault(".".join(map(str, version)), program.resolve())
    return found


PYTHONS = pythons()


@pytest.fixture(params=[f"3.{minor}" for minor in KNOWN], scope="module")
def python(request):
    """One of that minor version; the system's own where there are several."""
    for version, program in PYTHONS.items():
        if version.startswith(request.param + "."):
            return program
    pytest.skip(f"no Python {request.param} on this machine")


def greenlets_for(python):
    """A folder with greenlet for that Python; None where it cannot be had."""
    folder = ROOT / "build" / "greenlet" / python.name / re.sub(r"\W+", "-", str(python))
    sys.path.insert(0, str(ROOT / "tests/integration"))
    from made_once import only_here

    with only_here(f"greenlet-{folder.name}"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
                       "--target", folder, "greenlet"]  # fmt: skip
            with contextlib.suppress(OSError):
                if subprocess.run(command, capture_output=True).returncode == 0:
                    (folder / "complete").touch()
    return folder if (folder / "complete").exists() else None


def text(escaped):
    """recording_dump writes each byte that is not ASCII as one character."""
    return escaped.encode("latin-1").decode()


class Stack:
    """`python`: its frames of functions as (file, name, line). `machine`: the others, by position."""

    def __init__(self, recorded, functions):
        self.cut = bool(recorded["cut"])
        self.sampled = recorded["samples"] > 0
        self.python, self.machine = [], []
        for position, (word, shown) in enumerate(zip(recorded["addresses"], recorded["frames"], strict=True)):
            if word >> 63:
                number = word >> 24 & 0xFFFFFF
                assert number, "a function without a name"
                function = functions[number - 1]
                self.python.append((text(function["file"]), text(function["name"]), word & 0xFFFFFF))
                if len(self.python) == 1:
                    self.first = position
            else:
                self.machine.append((position, shown))


def stacks_of(run):
    recording = run.recording
    assert recording["functions_refused"] == 0 and recording["stacks_refused"] == 0
    assert all(function["language"] == PYTHON for function in recording["functions"])
    stacks = [Stack(stack, recording["functions"]) for stack in recording["stacks"]]
    return [stack for stack in stacks if stack.python]


def cut_at_end(name):
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def cut_at_start(path):
    raw = path.encode()
    return raw[max(0, len(raw) - LONGEST_PATH):].decode(errors="ignore")


def as_recorded(frame):
    """Half of a surrogate pair alone is no character."""
    file, name, line = frame
    file, name = ("".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in t) for t in (file, name))
    return cut_at_start(file), cut_at_end(name), line


def is_recorded(noted, stack):
    if stack.cut:
        return len(stack.python) > DEEPEST // 2 and noted[: len(stack.python)] == stack.python
    return noted == stack.python


def shapes(python, library, tmp_path, *wanted, env=None):
    result = tmp_path / "shapes.json"
    folder = greenlets_for(python)
    paths = {"PYTHONPATH": str(folder)} if folder else {}
    run = execute([python, SHAPES, result, *wanted], preload=library, env={**ENVIRONMENT, **paths, **(env or {})})
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    told = json.loads(result.read_text())
    noted = [(shape, kind, [as_recorded(tuple(frame)) for frame in frames])
             for shape, points in told["noted"].items() for kind, frames in points]  # fmt: skip
    return run, noted, told["absent"]


def compare(run, noted):
    stacks = stacks_of(run)
    assert len(noted) > 0
    for shape, kind, frames in noted:
        assert any(is_recorded(frames, stack) for stack in stacks if stack.sampled == (kind == "memory")), (shape, frames)
    every = [frames for _, _, frames in noted]
    innermost = {frames[0] for frames in every}  # elsewhere a thread waits for the interpreter's lock
    for stack in stacks:
        if stack.python[0] in innermost and not stack.sampled:
            assert any(is_recorded(frames, stack) for frames in every), stack.python
    return stacks


def test_every_stack_is_the_one_that_python_has(python, release_library, tmp_path):
    run, noted, absent = shapes(python, release_library, tmp_path)
    assert run.recording["frame_readers"][PYTHON] == ON
    stacks = compare(run, noted)
    for _, kind, frames in noted:
        if kind == "through _ctypes":
            assert any(
                stack.python == frames and any("_ctypes" in shown for position, shown in stack.machine if position > stack.first)
                for stack in stacks
            ), frames
    if "greenlets" in absent:
        pytest.skip(f"all but greenlets: {absent['greenlets']}")


def test_what_stands_for_the_interpreter_is_gone(python, release_library, tmp_path):
    """Behind a function no machine frame of the interpreter is left, nor those that begin a thread."""
    run, _, _ = shapes(python, release_library, tmp_path, "functions", "threads", "coroutines", "callbacks", "recursion")
    for stack in stacks_of(run):
        for position, shown in stack.machine:
            assert position < stack.first or not re.search(r"libpython3|bin/python3|libc\.so|ld-linux", shown), (shown, stack.python)


def test_functions_of_equal_machine_frames_are_told_apart(python, release_library, tmp_path):
    """A stack that is recalled by its machine frames alone would be named after the function before."""
    run, noted, _ = shapes(python, release_library, tmp_path, "alike")
    assert len({frames[0] for _, _, frames in noted}) == 4
    compare(run, noted)


def test_an_address_that_is_used_again_has_no_old_name(python, release_library, tmp_path):
    run, noted, _ = shapes(python, release_library, tmp_path, "dying")
    assert len(noted) == 400
    compare(run, noted)


def test_frames_on_request_only(python, release_library, tmp_path):
    run, _, _ = shapes(python, release_library, tmp_path, "functions", env={"LAMPREY_FRAMES": "off"})
    recording = run.recording
    assert recording["frame_readers"][PYTHON] == SWITCHED_OFF
    assert recording["functions"] == [] and recording["stacks_used"] > 0


def test_a_forked_child_has_its_own_names(python, release_library):
    code = """
import os, time
def parents(): time.sleep(1e-9)
def childs():
    time.sleep(1e-9)
    parents()
parents()
pid = os.fork()
if pid == 0:
    childs()
    os._exit(0)
os.waitpid(pid, 0)
print(pid)
"""
    from conftest import RECORDINGS, read_recording

    run = execute([python, "-c", code], preload=release_library, env={**ENVIRONMENT, "LAMPREY_FOLLOW_CHILDREN": "on"})
    assert (run.status, run.stderr) == (0, "")
    child = read_recording(RECORDINGS / f"{int(run.stdout)}.rec")
    shown = [[frame for frame in stack["frames"] if frame.endswith(")")] for stack in child["stacks"]]
    assert ["parents (<string>:3)", "childs (<string>:6)", "<module> (<string>:10)"] in shown, shown
    assert child["frame_readers"][PYTHON] == ON


ENDS = """
import threading, time
def waits():
    while True:
        time.sleep(1e-5)
        bytearray(3000)
for _ in range(8):
    threading.Thread(target=waits, daemon=True).start()
time.sleep(0.02)
"""


def test_an_interpreter_ends_while_threads_wait(python, library):
    for _ in range(5):
        run = execute([python, "-c", ENDS], preload=library, env={**ENVIRONMENT, "LAMPREY_SAMPLE_BYTES": "1"})
        assert (run.status, run.stdout, run.stderr) == (0, "", "")


SIGNALS = """
import os, signal, socket, time
a, b = socket.socketpair()
a.setblocking(False)
b.setblocking(False)
signal.set_wakeup_fd(b.fileno(), warn_on_full_buffer=False)
signal.signal(signal.SIGALRM, lambda *_: bytearray(100))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
class Dies:
    def __del__(self): pass
def leaf(x, *a, **k):
    d = Dies()
    return (lambda: (x, d))()
def numbers(n):
    if n: yield from numbers(n - 1)
    yield n
def deep(n):
    if n: return deep(n - 1) if n % 2 else (lambda: deep(n - 1))()
    return leaf(1, 2, k=3)
end = time.time() + 1.5
while time.time() < end:
    deep(12); list(numbers(8)); sorted([3, 1, 2], key=lambda q: leaf(q)[0])
    try:
        while a.recv(65536): pass
    except BlockingIOError: pass
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_signals_a_thousand_times_a_second(python, release_library, compiled):
    """Signals of Python's own, and a handler that waits: its stack is taken wherever it interrupts the
    interpreter, while that makes and drops frames. (The tripwire takes its wait for a hook's.)"""
    waits = compiled("libraries/waits_in_handler.c", "-shared", "-fPIC")
    env = {**ENVIRONMENT, "LAMPREY_SAMPLE_BYTES": "64", "PYTHONMALLOC": "malloc"}
    run = execute([python, "-c", SIGNALS], preload=f"{release_library}:{waits}", env=env)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    recording = run.recording
    assert recording["frame_readers"][PYTHON] == ON
    assert recording["calls"]["poll"]["calls"] > 20
    names = {text(f["name"]).rpartition(".")[2] for f in recording["functions"] if f["file"] == "<string>"}
    assert names <= {"<module>", "<lambda>", "Dies", "__del__", "leaf", "numbers", "deep"}
    assert names >= {"leaf", "deep", "numbers"}


EMBEDS = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char** words) {
  for (int round = 0; round < 3; ++round) {
    void* python = dlopen(words[1], RTLD_NOW | RTLD_GLOBAL);
    if (python == NULL) return puts(dlerror()), 1;
    ((void (*)(int))dlsym(python, "Py_InitializeEx"))(0);
    ((int (*)(const char*))dlsym(python, "PyRun_SimpleString"))(words[2]);
    ((int (*)(void))dlsym(python, "Py_FinalizeEx"))();
    dlclose(python);
    for (int i = 0; i < 100; ++i) free(malloc(100000 + i));
  }
  return 0;
}
"""


def test_a_python_that_comes_and_goes(python, tripwire_library, tmp_path):
    """libpython comes by dlopen and goes by dlclose, while every block is a sample."""
    shared = subprocess.run([python, "-c", "import sysconfig as s; print(s.get_config_var('LIBDIR') + '/' + "
                             "s.get_config_var('INSTSONAME')); print(s.get_config_var('prefix'))"],
                            capture_output=True, text=True).stdout.split()  # fmt: skip
    if not shared[0].endswith(".so.1.0") or not os.path.exists(shared[0]):
        pytest.skip(f"{python} has no shared library")
    source = tmp_path / "embeds.c"
    source.write_text(EMBEDS)
    subprocess.run(["cc", "-o", tmp_path / "embeds", source, "-ldl"], check=True)
    code = "import time\ndef mine(): time.sleep(1e-9)\nfor _ in range(3): mine()\n"
    env = {**ENVIRONMENT, "LAMPREY_SAMPLE_BYTES": "64", "PYTHONHOME": shared[1]}
    command = [tmp_path / "embeds", shared[0], code]
    plain = execute(command, env=env)
    run = execute(command, preload=tripwire_library, env=env)
    assert run.outcome() == plain.outcome()
    if run.status == 0:  # not every version can be begun a second time
        frames = [stack["frames"] for stack in run.recording["stacks"]]
        assert any("mine (<string>:2)" in stack for stack in frames)
