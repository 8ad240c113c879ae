"""The test suites of Redis and libuv give the same results with the library as without it.

Redis: the machine's programs, under the tests in the sources of the same distribution. libuv: its
own test program, built here; the process that runs a test is recorded, its helpers are not. A test
that differs is tried again, in both, before it counts. These parts take seconds; what whole runs
gave stands in docs/coverage.md. CPython's own tests are in test_cpython.py.
"""

import os
import pathlib
import re
import shutil

import pytest
import suites

SECONDS = 170
TRIES = 3

# ---- Redis --------------------------------------------------------------------------------------

UNITS = {
    "redis": [
        "unit/auth",
        "unit/keyspace",
        "unit/info",
        "unit/quit",
        "unit/slowlog",
        "unit/networking",
        "unit/violations",
        "integration/logging",  # crashes, with the handlers of Redis
        "integration/shutdown",
    ],
    "modules": [
        "unit/moduleapi/basics",
        "unit/moduleapi/fork",
        "unit/moduleapi/blockedclient",
        "unit/moduleapi/blockonbackground",
        "unit/moduleapi/eventloop",
        "unit/moduleapi/timer",
    ],
}
PROGRAMS = ["server", "cli", "benchmark", "check-aof", "check-rdb"]
# "[ok]: name (3 ms)", "[err]: name in tests/unit/auth.tcl"; numbers are N, since names have sizes
# and times that were drawn.
REDIS_RESULT = re.compile(
    r"^\[(ok|err|skip|ignore|exception)\]: (.*?)(?: \(N ms\)| in tests/\S+)?$", re.M
)


def redis_outcomes(ran):
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", ran.output)
    return suites.outcomes(re.sub(r"\d+", "N", without_colours), REDIS_RESULT)


@pytest.fixture
def suite(build, workspace, private_tmp):
    return suites.Suite(build, workspace, private_tmp)


@pytest.fixture
def redis(suite):
    """Redis' tests; what they start in src/ becomes the machine's program of that name."""
    suites.need("tclsh", "make", "gcc", "redis-check-rdb")
    suites.copy(suites.source("redis"), suite.folder, "deps", "debian")
    programs = suite.folder / "programs"
    programs.mkdir()
    start = suites.FOLDER / "handlers" / "start_recorded.c"
    for name in PROGRAMS:
        suites.run_tool("gcc", "-O1", start, "-o", suite.folder / "src" / f"redis-{name}")
        # redis-check-rdb is the server as well, by the name that it is started with.
        found = shutil.which(f"redis-{name}") or shutil.which("redis-check-rdb")
        (programs / f"redis-{name}").symlink_to(pathlib.Path(found).resolve())
    return suite


@pytest.mark.slow
@pytest.mark.spread
@pytest.mark.parametrize("part", UNITS)
def test_redis(redis, part):
    if part == "modules":
        targets = [unit.rpartition("/")[2] + ".so" for unit in UNITS[part]]
        suites.run_tool("make", "-C", redis.folder / "tests" / "modules", "-j2", *targets)
    command = ["tclsh", "tests/test_helper.tcl", "--durable", "--clients", "2"]
    command += [word for unit in UNITS[part] for word in ("--single", unit)]
    always = None
    for _ in range(TRIES):
        runs = redis.run(command, {"SUITE_PROGRAMS": "/tmp/suite/programs"}, SECONDS)
        assert all("The End" in ran.output for ran in runs), runs[1].output[-2000:]
        # A server for each unit, at the least.
        suites.check_recorded(*runs, {"redis-check-rdb", "redis-server"}, len(UNITS[part]))
        plain, recorded = map(redis_outcomes, runs)
        assert sum("ok" in outcome for outcome in plain.values()) > 20
        now = suites.differing(plain, recorded)
        always = now if always is None else {name: now[name] for name in now if name in always}
        if not always:
            return
    assert not always, "each test: what it gives without, what with the library"


# ---- libuv --------------------------------------------------------------------------------------

# Its own way to put something in front of the process that runs a test is valgrind; this takes
# valgrind's place.
VALGRIND = """#!/bin/sh
while case $1 in -*) true ;; *) false ;; esac; do shift; done
if [ -n "$SUITE_LIBRARY" ]; then
  export LD_PRELOAD="$SUITE_LIBRARY" _LAMPREY_TARGET=$$ _LAMPREY_ROLE=run
fi
exec "$@"
"""
LIBUV_ENV = {
    "UV_RUN_AS_ROOT": "1",
    "UV_USE_VALGRIND": "1",
    "LD_LIBRARY_PATH": "/tmp/suite",
    "PATH": f"/tmp/suite:{os.environ['PATH']}",
}
# "ok 7 - name", "not ok 8 - name", "ok 9 - name # SKIP why"
LIBUV_RESULT = re.compile(r"^(ok|not ok) \d+ - (\S+)", re.M)


@pytest.fixture
def libuv(suite, workspace):
    suites.need("cmake", "ninja", "gcc")
    sources = suites.source("libuv1")
    built = workspace / "built"
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    suites.run_tool("cmake", "-G", "Ninja", *launcher, "-S", sources, "-B", built)
    suites.run_tool("cmake", "--build", built, "--target", "uv_run_tests")
    suites.copy(sources / "test", suite.folder / "test", "*.c", "*.h")
    for file in [built / "uv_run_tests", *built.glob("libuv.so.*")]:
        shutil.copy(file, suite.folder)
    valgrind = suite.folder / "valgrind"
    valgrind.write_text(VALGRIND)
    valgrind.chmod(0o755)
    return suite


@pytest.mark.slow
@pytest.mark.spread
def test_libuv(libuv):
    def run(*names):
        runs = libuv.run(["/tmp/suite/uv_run_tests", *names], LIBUV_ENV, SECONDS)
        suites.check_recorded(*runs, {"uv_run_tests"}, 1 if names else 250)
        return [suites.outcomes(ran.output, LIBUV_RESULT) for ran in runs]

    plain, recorded = run()
    assert sum(outcome == ["ok"] for outcome in plain.values()) > 250
    differing = suites.differing(plain, recorded)
    for _ in range(TRIES):
        for name in list(differing):
            again = suites.differing(*run(name))
            if not again:
                del differing[name]
    assert not differing, "each test: what it gives without, what with the library"
