"""tests/run itself, in a folder where compilers and tests are stand-ins: what it counts, and that nothing
which failed or died is lost."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STANDINS = {
    "layer/install": "exit 0",
    "layer/build": "exit 0",
    "tests/lint": "echo passed words; echo 'something is wrong'; echo failed order; exit 1",
    "tests/fuzz/run": "[ $1 != --seconds ] || echo 'found it\nfailed elf'; echo passed log; exit 1",
    "tests/tidy.py": "import sys\nsys.exit(sys.argv[1:] != ['--paths', 'build/debug'])\n",
    "bin/cmake": "exit 0",
    "bin/ctest": """
while [ "$1" != --output-junit ]; do shift; done
echo '<testsuite><testcase name="a" classname="A" time="7.5"/><testcase name="b" classname="A" time="0"/></testsuite>' >"$2"
""",
    # --junitxml=..., and which of alone and long
    "build/venv/bin/python": """
for word in "$@"; do
  case $word in --junitxml=*) file=${word#*=} ;; tests/*) kind=${word#*/} ;; *alone*|long) chosen=$word ;; esac
done
[ ! -e "dies-$kind" ] || kill -9 $$
echo "$kind: $chosen" >>order
echo "<testsuite><testcase name='of $kind $chosen' classname='T' time='1'/></testsuite>" >"$file"
""",
}


@pytest.fixture
def checkout(tmp_path):
    """A folder in which tests/run finds a stand-in for everything that it starts."""
    for name, text in STANDINS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
    for name in ("run", "junit_totals.py", "slowest.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    return tmp_path


def run(checkout, *kinds):
    path = f"{checkout}/bin:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return subprocess.run(
        [checkout / "tests/run", *kinds], env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_everything_is_counted(checkout):
    ran = run(checkout)
    lines = ran.stdout.splitlines()
    assert lines[-1] == "10 passed, 2 failed, 0 skipped", ran.stdout
    assert ran.returncode == 1
    assert lines[-3:-1] == ["failed order", "failed elf"]
    assert "something is wrong" in lines and "found it" in lines
    titles = re.findall(r"^== (\w+)", ran.stdout, re.M)
    assert titles == ["unit", "hazard", "integration", "lint", "fuzz", "alone", "total"]


def test_the_slowest_stand_before_the_end(checkout):
    lines = run(checkout, "unit").stdout.splitlines()
    place = lines.index("The slowest ten:")
    assert set(lines[place + 1 : place + 3]) == {"     7.5 s  unit-asan: A.a", "     7.5 s  unit-tsan: A.a"}


def test_what_depends_on_the_clock_comes_last(checkout):
    assert run(checkout, "hazard", "integration").returncode == 0
    order = (checkout / "order").read_text().splitlines()
    beside, alone = "not alone and not long", "alone and not long"
    assert order == [
        f"hazard: {beside}", f"integration: {beside}", f"hazard: {alone}", f"integration: {alone}"
    ]  # fmt: skip


def test_long_suites_are_run_by_name_only(checkout):
    ran = run(checkout, "long")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "3 passed, 0 failed, 0 skipped")
    assert "passed tidy-paths" in ran.stdout
    assert (checkout / "order").read_text() == "integration: long\n"


def test_a_kind_that_dies_has_failed(checkout):
    (checkout / "dies-integration").touch()
    ran = run(checkout, "integration", "unit")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "4 passed, 2 failed, 0 skipped"


def test_a_kind_without_a_test_has_failed(checkout):
    (checkout / "tests/fuzz/run").write_text("#!/bin/sh\n")
    ran = run(checkout, "fuzz", "unit")
    assert ran.stdout.splitlines()[-2:] == ["failed fuzz: no test ran", "4 passed, 1 failed, 0 skipped"]


def test_what_does_not_build_ends_it(checkout):
    (checkout / "bin/cmake").write_text("#!/bin/sh\necho the error: no such thing; exit 1\n")
    ran = run(checkout, "unit")
    assert "the error: no such thing" in ran.stdout
    assert ran.stdout.splitlines()[-2:] == ["failed configure-debug", "0 passed, 1 failed, 0 skipped"]
