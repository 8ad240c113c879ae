"""What a test mounts over a directory does not hide a checkout below it (mounts.py)."""

import os
import subprocess

import pytest
from mounts import OVER


@pytest.fixture
def place(workspace, private_tmp):
    """A directory that others use, with a clone in it; private_tmp: mounts are allowed here."""
    (workspace / "place" / "clone" / "deep").mkdir(parents=True)
    (workspace / "place" / "clone" / "deep" / "file").write_text("mine\n")
    (workspace / "place" / "others").touch()
    (workspace / "other").mkdir()
    (workspace / "other" / "there").touch()
    return workspace / "place"


def seen(place, script, **options):
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *user, "--mount", "sh", "-ec", OVER + script, "sh", place, place.parent / "other"]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_the_checkout_stays_and_the_rest_is_gone(place):
    script = 'over "$1/clone" "$1" -t tmpfs tmpfs; ls "$1"; cat "$1/clone/deep/file"'
    assert seen(place, script) == ["clone", "mine"]


def test_it_stays_under_one_mount_over_another(place):
    """As a test with a /tmp of its own does that lays a second one over it."""
    script = """
over "$1/clone" "$1" -t tmpfs tmpfs; over "$1/clone" "$1" --bind "$2"
ls "$1"; cat "$1/clone/deep/file"
"""
    assert seen(place, script) == ["clone", "there", "mine"]


def test_whoever_stands_in_it_still_does(place):
    script = 'over "$1/clone" "$1" -t tmpfs tmpfs; cat file "$PWD/file"'
    assert seen(place, script, cwd=place / "clone" / "deep") == ["mine", "mine"]


def test_a_checkout_elsewhere_is_left_alone(place):
    script = 'over "$2" "$1" -t tmpfs tmpfs; ls "$1"; ls "$2"'
    assert seen(place, script) == ["there"]
