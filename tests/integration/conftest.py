"""What the integration tests share: where things are, and a /tmp of one's own.

Fixtures that only one file needs belong into that file.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from local_lambda import LocalLambda
from mounts import PRIVATE_TMP

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import side_by_side  # noqa: E402
from side_by_side import pytest_collection_modifyitems  # noqa: E402, F401: a hook


@functools.cache
def _unshare():
    """The words that start a command with mounts of its own; None where that is forbidden."""
    for words in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        probe = [*words, "sh", "-c", PRIVATE_TMP, "mode=1777", str(ROOT), "true"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return words
    return None


def pytest_configure(config):
    side_by_side.add_marks(config)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def private_tmp():
    """Turns a command into one that sees an empty /tmp; mount options may be given. Lamprey's files have
    fixed places below it, so tests must not meet each other's there."""
    if _unshare() is None:
        pytest.skip("no mount namespace is allowed here (unshare --mount), so no private /tmp")
    return lambda command, options="mode=1777": [
        *_unshare(), "sh", "-c", PRIVATE_TMP, options, str(ROOT), *map(str, command)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def build(root):
    """The build under test; another one may be named, for instance one with sanitizers."""
    path = pathlib.Path(os.environ.get("LAMPREY_BUILD", root / "build" / "release"))
    program = path / "bin" / "lamprey"
    assert program.exists(), f"{program} is not built: cmake --build --preset release"
    return path


@pytest.fixture(scope="session")
def local_lambda(root, build):
    """A local Lambda for the functions in handlers/, where it is allowed with a /tmp of its own."""
    words = [*_unshare(), "sh", "-c", PRIVATE_TMP, "mode=1777", str(ROOT)] if _unshare() else []
    return LocalLambda(build, root / "tests" / "integration" / "handlers", lambda c: [*words, *c])


@pytest.fixture
def workspace():
    """A directory outside /tmp, so that it is seen beside a private /tmp."""
    base = ROOT / "build" / "test-workspaces"
    base.mkdir(parents=True, exist_ok=True)
    path = pathlib.Path(tempfile.mkdtemp(dir=base))
    yield path
    shutil.rmtree(path, ignore_errors=True)
