"""Counters of the malloc family against what a program knows it did, and against a counting shim,
to the digit."""

import json
import shutil
import struct
import sys

import pytest
from conftest import difference, execute, program

COUNTERS = (
    "allocations",
    "frees",
    "reallocations",
    "allocated_bytes",
    "freed_bytes",
    "failed",
    "live_bytes",
    "peak_live_bytes",
)


def counted(preload, *arguments, binary=None, env=None):
    """What a run with these rounds adds to a run of none: (recorded, known by the program)."""
    binary = binary or program("allocations")
    threads, rounds, *rest = arguments
    return between([binary, threads, 0, *rest], [binary, threads, rounds, *rest], preload, env)


def between(fewer, more, preload, env=None):
    """What the second command adds to the first: (recorded, known by the program, its run)."""
    none = execute(fewer, preload=preload, env=env)
    some = execute(more, preload=preload, env=env)
    assert (none.status, none.stderr) == (0, "") and (some.status, some.stderr) == (0, "")
    recorded = difference(some.recording["memory"], none.recording["memory"])
    return recorded, json.loads(some.stdout), some


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("handover", [[], ["handover"]])
def test_every_entry_point_is_counted_exactly(library, threads, handover):
    recorded, known, _ = counted(library, threads, 200, *handover)
    assert {k: recorded[k] for k in known} == known
    assert known["allocations"] == threads * 200 * 12
    assert recorded["live_bytes"] == 0


def test_more_threads_than_processors_and_long(release_library):
    recorded, known, _ = counted(release_library, 32, 1500)
    assert {k: recorded[k] for k in known} == known


def test_static_program_is_left_alone(release_library, compiled):
    static = compiled("allocations.c", "-static", "-pthread")
    plain = execute([static, 1, 50])
    under = execute([static, 1, 50], preload=release_library)
    assert under.outcome() == plain.outcome() and plain.status == 0
    assert not under.path.exists()


@pytest.mark.skipif(not shutil.which("musl-gcc"), reason="musl-tools is not installed")
def test_musl_program(library, compiled):
    musl = compiled("allocations.c", "-pthread", compiler="musl-gcc")
    recorded, known, run = counted(library, 4, 100, binary=musl)
    assert "allocations" in run.recording["executable"]
    assert {k: recorded[k] for k in known} == known


def shim_counts(folder, pid):
    *counts, _ = struct.unpack("<9q", (folder / str(pid)).read_bytes())
    return dict(zip(COUNTERS, counts, strict=True))


def highest_peak(folder):
    """Of the only process in it; no counter behind the shim may show more, and none less than its own."""
    (file,) = folder.iterdir()
    return struct.unpack("<9q", file.read_bytes())[-1]


def against_shim(library, shim, folder, command, env=None, **options):
    """The shim stands first: it sees what the program asks for, and nothing of ours."""
    run = execute(
        command,
        preload=f"{shim}:{library}",
        env={"SHIM_DIRECTORY": str(folder), **(env or {})},
        **options,
    )
    assert run.status == 0, run.stderr
    return run.recording["memory"], shim_counts(folder, run.pid)


def without_peak(counts):
    return {k: v for k, v in counts.items() if k != "peak_live_bytes"}


def test_peak_of_one_thread_is_that_of_a_replay(library, shim, tmp_path):
    recorded, refereed = against_shim(library, shim, tmp_path, [program("allocations"), 1, 300])
    assert recorded == refereed


def test_peak_of_eight_threads_is_within_its_bound(library, shim, tmp_path):
    recorded, refereed = against_shim(library, shim, tmp_path, [program("allocations"), 8, 300])
    assert without_peak(recorded) == without_peak(refereed)
    unpublished = 8 * 2 * 8192  # kPublishStep (8 KiB) in each thread, either way
    lowest, highest = refereed["peak_live_bytes"], highest_peak(tmp_path)
    assert lowest - unpublished < recorded["peak_live_bytes"] < highest + unpublished


PYTHON_PROGRAM = """
import json, threading, zlib
def work():
    data = json.dumps({str(i): 'x' * i for i in range(400)})
    for _ in range(20):
        zlib.decompress(zlib.compress(json.dumps(json.loads(data)).encode()))
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def real_programs(tmp_path):
    rows = "".join(f"insert into t values({i},'{i * i}');" for i in range(300))
    sql = f"begin; create table t(a,b); {rows} create index i on t(b); commit;"
    sql += "select count(*), sum(a) from t where b > '5';"
    return {
        "sqlite3": (["sqlite3", str(tmp_path / "db"), sql], None),
        "python3": ([sys.executable, "-c", PYTHON_PROGRAM], None),
        "python3-malloc": ([sys.executable, "-c", PYTHON_PROGRAM], {"PYTHONMALLOC": "malloc"}),
        "git": (["git", "-c", "core.pager=cat", "grep", "--no-index", "-c", "include", "."], None),
        "ls": (["ls", "-lR", "/etc"], None),
        "bash": (["bash", "-c", "for i in {1..2000}; do a[i]=$i; done; echo ${#a[@]}"], None),
    }


@pytest.mark.parametrize("name", ["sqlite3", "python3", "python3-malloc", "git", "ls", "bash"])
def test_totals_of_a_real_program_equal_the_shims(release_library, shim, tmp_path, name):
    command, env = real_programs(tmp_path)[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    folder = tmp_path / "counts"
    folder.mkdir()
    recorded, refereed = against_shim(
        release_library, shim, folder, command, env, cwd="/usr/include" if name == "git" else None
    )
    assert without_peak(recorded) == without_peak(refereed)
    assert refereed["allocations"] > 100
