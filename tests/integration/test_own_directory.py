"""`lamprey run` and `lamprey local` share a machine: with other users, and with what others left.
Each run has a directory of recordings of its own, and a companion that shares one pays nothing for
the files of others."""

import os
import re
import shutil
import stat
import subprocess
import time

import pytest
from custom_runtime import client

OTHER_USER = 12345
FOREIGN = 300


@pytest.fixture
def in_tmp(private_tmp, build, workspace):
    """Runs a script of sh with a /tmp of its own, $1 being the command."""

    def run(script, options="mode=1777", **env):
        return subprocess.run(
            private_tmp(["sh", "-c", script, "-", build / "bin" / "lamprey"], options),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=workspace,
            env={"PATH": os.environ["PATH"], **env},
        )

    return run


@pytest.fixture(scope="module")
def function():
    return client()


@pytest.fixture
def as_other_user():
    """The words that make a command another user's."""
    words = ["setpriv", f"--reuid={OTHER_USER}", "--clear-groups"]
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("becoming another user needs root and setpriv")
    return " ".join(words)


def test_run_records_whoever_ran_it_before(in_tmp, as_other_user):
    ran = in_tmp(
        'mkdir -m 700 /tmp/lamprey; "$1" run --quiet --out /tmp/roots -- true; '
        f'{as_other_user} "$1" run --quiet --out /tmp/others -- true; cat /tmp/others; ls -A /tmp'
    )
    assert ran.stderr == ""
    record, *left = ran.stdout.splitlines()
    assert '"type":"run"' in record
    assert left == ["lamprey", "others", "roots"]


def test_local_records_whoever_ran_it_before(in_tmp, as_other_user, build, function):
    ran = in_tmp(
        f'cd /; mkdir -m 700 /tmp/lamprey; {as_other_user} "$1" local --layer {build} -- {function}; '
        "ls -A /tmp"
    )
    assert ran.stdout.count('"type":"invoke"') == 1, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == "lamprey"


def test_the_directory_is_private_and_goes_whatever_the_program_did(in_tmp):
    ran = in_tmp('"$1" run --quiet -- sh -c \'exec stat -c "%A %u %n" /tmp/*\'; "$1" run --quiet -- '
                 "sh -c 'kill -9 $$'; ls -A /tmp")  # fmt: skip
    mode, user, name = ran.stdout.split()
    assert (mode, int(user)) == (stat.filemode(stat.S_IFDIR | 0o700), os.geteuid())
    assert re.fullmatch(rf"/tmp/lamprey-{os.geteuid()}-\w{{6}}", name)


def test_the_program_and_its_children_know_nothing_of_it(in_tmp):
    ran = in_tmp('"$1" run --quiet -- sh -c "env; exec env" | grep LAMPREY')
    assert ran.stdout == ""


def test_what_cannot_be_recorded_is_one_line(in_tmp):
    ran = in_tmp('mount -o remount,ro /tmp; "$1" run -- echo ran')
    assert ran.stdout == "ran\n"
    assert ran.stderr.count("\n") == 1 and "nothing is recorded" in ran.stderr, ran.stderr
    assert "/tmp: Read-only file system" in ran.stderr
    full = in_tmp('"$1" run -- echo ran', options="size=1m")
    assert full.stdout == "ran\n"
    lines = full.stderr.splitlines()
    assert [line for line in lines if line.startswith("lamprey: no recording: ")], full.stderr


def test_what_killed_runs_left_goes_after_a_day(in_tmp):
    me = os.geteuid()
    ran = in_tmp(
        f"cd /tmp; mkdir -m 700 lamprey-{me}-old lamprey-{me}-new lamprey-{me}-held victim; "
        f"touch lamprey-{me}-old/1.rec victim/precious; ln -s victim lamprey-{me}-link; "
        f"touch -h -d '2 days ago' *; touch lamprey-{me}-new; "
        f'exec 9<lamprey-{me}-held; flock 9; "$1" run --quiet -- true; ls -A . victim'
    )
    assert ran.stderr == ""
    kept = {f"lamprey-{me}-{name}" for name in ("new", "held", "link")} | {"victim", "precious"}
    assert kept == {line for line in ran.stdout.split() if not line.endswith(":") and line != "."}


# Leaves a recording of `lamprey run` in /tmp/lamprey, as former versions did, and copies of it.
FOREIGN_FILES = """
mkdir -m 700 /tmp/lamprey
(export _LAMPREY_TARGET=$(sh -c 'echo $PPID') _LAMPREY_ROLE=run; exec sh -c '
  _LAMPREY_TARGET=$$ LD_PRELOAD={library} exec true')
for n in $(seq {many}); do head -c 32768 /tmp/lamprey/[0-9]*.rec >/tmp/lamprey/x$n.rec; done
touch -d '1 hour ago' /tmp/lamprey/*; for n in $(seq 59); do : >/tmp/lamprey/journal-127.0.0.1-$n; done
"""


def test_runs_of_others_are_not_told_as_anybodys_init(local_lambda, build, function):
    prelude = FOREIGN_FILES.format(library=build / "lib" / "liblamprey.so", many=3)
    log = local_lambda.run(function, invocations=2, prelude=prelude)
    assert [record["type"] for record in log.records] == ["init", "invoke", "invoke", "shutdown"]
    assert log.complaints == []


def test_journals_that_nobody_needs_go(local_lambda, build, function):
    prelude = FOREIGN_FILES.format(library=build / "lib" / "liblamprey.so", many=1)
    prelude += 'set -- sh -c \'"$@"; echo left; ls /tmp/lamprey\' - "$@"'
    log = local_lambda.run(function, invocations=2, prelude=prelude)
    left = log.lines[log.lines.index("left") + 1 :]
    assert len(log.invokes) == 2
    assert left and not [name for name in left if name.startswith("journal")], left


@pytest.mark.skipif(not shutil.which("strace"), reason="system calls are counted with strace")
def test_files_of_others_cost_the_end_of_an_invocation_nothing(
    local_lambda, build, workspace, function
):
    trace = workspace / "trace"
    layer = workspace / "layer"
    for name in ("lamprey", "lib/liblamprey.so"):
        (layer / name).parent.mkdir(parents=True, exist_ok=True)
        (layer / name).symlink_to(build / name)
    extension = layer / "extensions" / "lamprey"
    extension.parent.mkdir()
    extension.write_text(
        f"#!/bin/sh\nexec strace -D -ttt -o {trace} -e trace=%file {build}/extensions/lamprey\n"
    )
    extension.chmod(0o755)
    prelude = FOREIGN_FILES.format(library=build / "lib" / "liblamprey.so", many=FOREIGN)
    with local_lambda.serve(function, layer=layer, prelude=prelude) as serving:
        serving.invoke()
        time.sleep(2.2)  # until then a file might have come without moving the directory's time
        serving.invoke()
        time.sleep(0.5)  # the companion may be behind
        begun = time.time()
        for _ in range(10):
            serving.invoke()
        time.sleep(0.5)
        over = time.time()
        log = serving.stop()
    assert len(log.invokes) == 12
    calls = [(float(line.split()[0]), line) for line in trace.read_text().splitlines()]
    first = [call for at, call in calls if at < begun]
    later = [call for at, call in calls if begun < at < over]
    assert sum(".rec" in call for call in first) >= FOREIGN  # each was looked at
    about = [call for call in later if "/tmp/lamprey" in call]
    assert not [call for call in about if not re.search(r'stat\w*\(.*"/tmp/lamprey"', call)], about
    assert len(about) <= 2 * 10, about
