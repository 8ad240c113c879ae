"""The command line by itself: wrong use costs one line and status 2."""

import gzip
import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def lamprey(build, workspace, private_tmp):
    def run(*words, text="", **env):
        return subprocess.run(
            private_tmp([build / "bin" / "lamprey", *words]),
            cwd=workspace,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"], **env},
        )

    return run


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["COMMAND is missing", "run, local, report, show, diff, decode"]),
        (["bogus"], ["COMMAND bogus", "run, local, report, show, diff, decode"]),
        (["--bogus"], ["--bogus", "--version"]),
        (["run"], ["PROGRAM", "lamprey run --help"]),
        (["run", "--"], ["PROGRAM"]),
        (["run", "--bogus", "--", "true"], ["option --bogus", "--out, --quiet, --sample-bytes"]),
        (["run", "ls", "-l"], ["option -l", "after --"]),
        (["run", "echo", "--", "b"], ["argument b", "after --"]),
        (["run", "--out", "--", "true"], ["--out", "value is missing"]),
        (["run", "--out", "/does/not/exist/file", "--", "true"], ["/does/not/exist/file"]),
        (["run", "--sample-bytes", "64k", "--", "true"], ["--sample-bytes", '"64k"', "from 0 to"]),
        (["run", "--sample-bytes", "", "--", "true"], ["--sample-bytes", '""', "from 0 to"]),
        (["run", "--sample-bytes", "9" * 16, "--", "true"], ["9" * 16, "from 0 to 1099511627776"]),
        (["local", "--out", "--", "true"], ["--out", "value is missing"]),
        (["local", "python3", "-m", "x"], ["option -m", "after --"]),
        (["report"], ["FILE", "lamprey report --help"]),
        (["report", "--bogus", "x"], ["option --bogus", "--html, --flame"]),
        (["report", "/does/not/exist"], ["/does/not/exist"]),
        (["decode"], ["FILE"]),
        (["decode", "a", "b"], ["argument b"]),
        (["decode", "/does/not/exist"], ["/does/not/exist"]),
    ],
)
def test_wrong_use_is_one_line_that_names_it(lamprey, words, names):
    ran = lamprey(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1, ran.stderr
    for name in names:
        assert name in ran.stderr


def test_a_program_that_is_not_there(lamprey):
    for word, shown, status in (("/does/not", "/does/not", 127), ("", '""', 127), ("/", "/", 126)):
        ran = lamprey("run", "--", word)
        assert (ran.returncode, ran.stdout) == (status, "")
        assert ran.stderr.count("\n") == 1 and f"PROGRAM {shown} cannot" in ran.stderr


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("LAMPREY", "on, off"),
        ("LAMPREY_SAMPLE_BYTES", "0 to 1099511627776"),
        ("LAMPREY_LOG", "debug"),
    ],
)
def test_run_tells_of_a_setting_that_is_none(lamprey, workspace, name, accepted):
    ran = lamprey("run", "--quiet", "--out", "out", "--", "echo", "hello", **{name: "wrong"})
    assert (ran.returncode, ran.stdout) == (0, "hello\n")
    assert ran.stderr.count("\n") == 1 and name in ran.stderr
    assert '"wrong"' in ran.stderr and accepted in ran.stderr
    assert len((workspace / "out").read_text().splitlines()) == 1


def test_an_option_goes_before_the_setting(lamprey):
    words = ("run", "--quiet", "--sample-bytes", "0", "--", "true")
    assert lamprey(*words, LAMPREY_SAMPLE_BYTES="wrong").stderr == ""


def test_a_compressed_file_is_read(lamprey, workspace):
    record = json.dumps({"lamprey": "1", "type": "invoke", "status": "ok", "function_name": "packed"})
    (workspace / "lines.gz").write_bytes(gzip.compress(record.encode()) * 2)
    ran = lamprey("report", "lines.gz")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "function packed" in ran.stdout and "2 (2 ok)" in ran.stdout


def test_a_cut_compressed_file_counts_and_is_said(lamprey, workspace):
    record = json.dumps({"lamprey": "1", "type": "invoke", "status": "ok", "function_name": "packed"})
    whole = gzip.compress(record.encode() + b"\n") * 2
    (workspace / "lines.gz").write_bytes(whole[:-9])
    ran = lamprey("report", "lines.gz")
    assert ran.returncode == 1 and "function packed" in ran.stdout
    assert ran.stderr.count("\n") == 1 and "lines.gz" in ran.stderr and "cut" in ran.stderr


DECODE_TWICE = r"""
"$1/lamprey" "$2" -c 'print(flush=True); input()' <"$3/in" >"$3/out" &
exec 4>"$3/in"
read line <"$3/out"
"$1/bin/lamprey" decode /tmp/lamprey/$!.rec; echo "status $?"
kill -9 $!; wait $! 2>/dev/null
"$1/bin/lamprey" decode /tmp/lamprey/$!.rec; echo "status $?"
"""


def test_decode_tells_a_process_that_runs_from_one_that_died_in_init(build, workspace, private_tmp):
    for name in ("in", "out"):
        os.mkfifo(workspace / name)
    ran = subprocess.run(
        private_tmp(["bash", "-c", DECODE_TWICE, "-", build, sys.executable, workspace]),
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    first, record, last = ran.stdout.splitlines()
    assert (first, last) == ("status 0", "status 0")
    assert ran.stderr.count("\n") == 1 and "still runs" in ran.stderr
    record = json.loads(record)
    assert record["type"] == "init" and record["headline"].startswith("Init failed: killed")
