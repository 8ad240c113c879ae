"""The recording cannot be made: the program runs as if we were not there, and one line on stderr
says why (design, promise 1; memray #117 for the full disk)."""

import os
import re
import resource
import shutil
import subprocess

import pytest
from conftest import RECORDINGS, execute, program, read_recording

ONE_LINE = re.compile(r"lamprey: not recording: [^\n]+ failed with errno (\d+)\n")


@pytest.fixture(scope="session")
def can_mount():
    probe = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip("needs to mount in a namespace of its own (root)")


@pytest.fixture
def staged(outside_tmp, library):
    """The library and a program where nothing that happens to /tmp can hide them."""
    outside_tmp.chmod(0o755)
    shutil.copy(library, outside_tmp)
    for name in ("descriptors", "recording_dump"):
        shutil.copy(program(name), outside_tmp)
    return outside_tmp


def under(staged, *setup, user=None):
    """Runs the program with a /tmp of its own that `setup` (shell) has prepared."""
    mounts = "mount -t tmpfs -o size=20m,mode=1777 none /tmp; " + "; ".join(setup)
    launcher = ["unshare", "-m", "sh", "-c", mounts + '; exec "$@"', "sh"]
    if user is not None:
        launcher += ["setpriv", f"--reuid={user}", "--clear-groups"]
    return execute(
        [staged / "descriptors", "numbers"],
        preload=staged / "liblamprey.so",
        launcher=launcher,
        cwd="/",
    )


def plain_output():
    return re.sub(r"socket:\[\d+\]", "s", execute([program("descriptors"), "numbers"]).stdout)


def check(run, errno):
    """As without us, and one line with this errno (None: no line)."""
    assert run.status == 0, run.stderr
    assert re.sub(r"socket:\[\d+\]", "s", run.stdout) == plain_output()
    if errno is None:
        assert run.stderr == ""
    else:
        found = ONE_LINE.fullmatch(run.stderr)
        assert found is not None, run.stderr
        assert int(found[1]) == errno


FULL = "dd if=/dev/zero of=/tmp/fill bs=64k status=none 2>/dev/null"

# Links lead only into the test's own /tmp: a faulty library changes the mode of what it follows.
HOSTILE = {
    "symlink": (["mkdir /tmp/there; ln -s /tmp/there /tmp/lamprey"], (20, 40)),  # ENOTDIR, ELOOP
    "file": (["echo mine >/tmp/lamprey"], (20,)),
    "read-only": (["mount -o remount,ro /tmp"], (30,)),
    "full": ([FULL], (28,)),
    "nearly-full": ([FULL, "truncate -s -300k /tmp/fill"], (28,)),
    "no-inodes": (["mount -o remount,nr_inodes=2 /tmp", "touch /tmp/a"], (28,)),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_no_place_for_a_recording(staged, can_mount, case):
    setup, errnos = HOSTILE[case]
    run = under(staged, *setup)
    assert ONE_LINE.fullmatch(run.stderr), run.stderr
    assert int(ONE_LINE.fullmatch(run.stderr)[1]) in errnos
    check(run, int(ONE_LINE.fullmatch(run.stderr)[1]))


def test_nothing_is_written_through_somebody_elses_symlink(staged, can_mount):
    target = staged / "target"
    target.mkdir()
    under(staged, f"ln -s {target} /tmp/lamprey")
    assert list(target.iterdir()) == []


def test_directory_of_another_user(staged, can_mount):
    check(under(staged, "mkdir -m 777 /tmp/lamprey", user=12345), 1)
    check(under(staged, "mkdir -m 700 /tmp/lamprey", user=12345), 13)
    run = under(staged, "mkdir -m 700 /tmp/lamprey; chown 4711 /tmp/lamprey")
    check(run, 1)


def test_a_directory_that_is_named(library, tmp_path):
    """`lamprey run` names one (_LAMPREY_DIRECTORY): no other is used, and nothing hostile in it."""
    named = tmp_path / "named"
    env = {"_LAMPREY_DIRECTORY": str(named)}
    run = execute([program("environment")], preload=library, env=env)
    assert (run.status, run.stderr) == (0, "") and "_LAMPREY" not in run.stdout
    assert [path.name for path in named.iterdir()] == [f"{run.pid}.rec"]
    assert not run.path.exists()
    env = {"_LAMPREY_DIRECTORY": str(tmp_path / "link")}
    (tmp_path / "link").symlink_to(named)
    run = execute([program("environment")], preload=library, env=env)
    assert ONE_LINE.fullmatch(run.stderr) and f"opening {tmp_path}/link failed" in run.stderr
    assert len(list(named.iterdir())) == 1


@pytest.mark.parametrize("name", ["", "relative", "/" + "x" * 127])
def test_a_name_that_is_none_is_not_used(library, name):
    run = execute([program("environment")], preload=library, env={"_LAMPREY_DIRECTORY": name})
    assert (run.status, run.stderr) == (0, "") and run.path.exists()


def test_missing_tmp(staged, can_mount):
    run = under(staged, "mkdir -p /tmp/new/proc /tmp/new/dev /tmp/new/var/tmp",
                "for d in bin lib lib64 usr dev proc; do [ -e /$d ] && mkdir -p /tmp/new/$d && "
                "mount --rbind /$d /tmp/new/$d; done", f"mkdir -p /tmp/new{staged}",
                f"mount --bind {staged} /tmp/new{staged}", 'exec chroot /tmp/new "$@"')  # fmt: skip
    check(run, 2)


def test_directory_is_private_and_file_too(staged, can_mount):
    run = under(staged, "mkdir -m 777 /tmp/lamprey", "umask 0",
                '"$@"; stat -c "%a %U" /tmp/lamprey /tmp/lamprey/*.rec; exit')  # fmt: skip
    assert run.status == 0 and run.stderr == ""
    assert run.stdout.endswith("700 root\n600 root\n")


def test_file_of_our_name_that_is_a_symlink(library, tmp_path):
    """The pid is known beforehand to nobody, but a former program's file may be anything."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    script = f'ln -s {victim} {RECORDINGS}/$$.rec; exec "$0" "$@"'
    for extra in (script, f'mkfifo {RECORDINGS}/$$.rec; exec "$0" "$@"'):
        run = execute(
            [program("descriptors"), "numbers"], preload=library, launcher=["sh", "-c", extra],
            limit_s=20,
        )  # fmt: skip
        assert run.status == 0
        assert victim.read_text() == "precious"
        (RECORDINGS / f"{run.pid}.rec").unlink(missing_ok=True)


@pytest.mark.parametrize("limit", [3, 4])
def test_no_descriptors_left(library, limit):
    """One is needed for the directory and one for the file, and none is kept."""
    run = execute(
        [program("environment")], preload=library, launcher=["prlimit", f"--nofile={limit + 1}"]
    )
    assert run.status == 0
    if limit == 3:
        assert ONE_LINE.fullmatch(run.stderr) and ONE_LINE.fullmatch(run.stderr)[1] == "24"
        assert not run.path.exists()
    else:
        assert run.stderr == "" and run.path.exists()


@pytest.mark.parametrize("size", [0, 4096, 1 << 20])
def test_file_size_limit_does_not_kill(library, size):
    """Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ, whose default is death."""
    run = execute(
        [program("descriptors"), "numbers"], preload=library, launcher=["prlimit", f"--fsize={size}"]
    )
    check(run, 27)
    assert not run.path.exists()


def test_address_space_limit(library):
    """From so little that ld.so cannot load us to plenty: somewhere between, we load and cannot
    record."""
    said = set()
    for megabytes in (*range(5, 24), 64):
        run = execute(
            [program("descriptors"), "numbers"], preload=library,
            launcher=["prlimit", f"--as={megabytes << 20}"],
        )  # fmt: skip
        if run.status == 127 and "error while loading shared libraries" in run.stderr:
            continue  # so little that ld.so cannot even load the program's own libraries
        assert run.status == 0, run.stderr
        if run.stderr.startswith("ERROR: ld.so: object") and "cannot be preloaded" in run.stderr:
            continue  # nor us
        assert run.stderr == "" or ONE_LINE.fullmatch(run.stderr)
        said.add(run.stderr == "")
    assert said == {True, False}


def test_memory_lock_and_core_limits(library):
    run = execute(
        [program("descriptors"), "numbers"],
        preload=library,
        launcher=["prlimit", "--memlock=0", "--core=0", "--stack=65536"],
    )
    check(run, None)


def test_closed_standard_descriptors(library):
    """Our files would be 0, 1, 2 for a moment; afterwards the program must find them closed."""
    script = 'exec 0<&- 1>&- 2>&-; exec "$0" "$@"'
    run = execute([program("environment")], preload=library, launcher=["sh", "-c", script])
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    assert run.recording["pid"] == run.pid


def test_line_about_failure_goes_to_stderr_only(library):
    run = execute(
        [program("descriptors"), "numbers"], preload=library, launcher=["prlimit", "--fsize=0"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.status == 0
    assert re.sub(r"socket:\[\d+\]", "s", run.stdout) == plain_output()


def test_recording_survives_sigkill(library):
    run = execute(
        ["python3", "-c", "import os; os.read(os.open('/dev/zero', 0), 77); os.kill(os.getpid(), 9)"],
        preload=library,
    )
    assert run.status == -9
    assert run.recording["calls"]["read"]["calls"] > 0
    assert run.recording["flags"] & 2 == 0  # kFlagExited: its exit handlers never ran


def test_full_size_is_on_the_disk(library):
    run = execute([program("environment")], preload=library)
    status = os.stat(run.path)
    assert status.st_blocks * 512 >= status.st_size > 0
    assert resource.getpagesize() == 4096 and status.st_mode & 0o777 == 0o600
    assert read_recording(run.path)["pid"] == run.pid
