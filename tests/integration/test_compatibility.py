"""The list in the layer that keeps a part off on named builds (layer/compatibility): a row that names this
machine's runtime turns the part off, and the record says so; any other row changes nothing.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from verify_room import FUNCTIONS, HANDLERS, ROOT

PYTHON = [sys.executable, "-m", "awslambdaric", "fleet.leaks"]
FRAMES = "the layer's compatibility list names this build"
EXACT = "the layer's compatibility list names this platform"
MOST_BYTES = 4095  # what the library reads


def build_id(path):
    notes = subprocess.run(["readelf", "--notes", path], capture_output=True, text=True).stdout
    return re.search(r"Build ID: ([0-9a-f]{40})", notes)[1]


def mapped(program, pattern):
    """The file that a program maps; itself too."""
    text = subprocess.run([*program, "/proc/self/maps"], capture_output=True, text=True).stdout
    return re.search(rf"(/\S*{pattern}\S*)$", text, re.MULTILINE)[1]


def python_module():
    read = "import sys; print(open(sys.argv[1]).read())"
    maps = [sys.executable, "-c", read]
    try:
        return mapped(maps, r"libpython3[^/\n]*")
    except TypeError:  # it is linked in
        return os.path.realpath(sys.executable)


def layer_with(build, folder, *rows):
    """A copy of the build's layer, with a list of these rows."""
    for part in ("lamprey", "lib/liblamprey.so", "extensions/lamprey"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(build / part, folder / part)
    text = (ROOT / "layer" / "compatibility").read_text()
    (folder / "lib" / "lamprey.compatibility").write_text(text + "".join(f"{row}\n" for row in rows))
    return folder


def unseen(log, words):
    return [told for record in log.records for told in record.get("coverage", {}).get("unseen", []) if words in told]


def names_functions(log, pattern):
    stacks = [site["stack"] for record in log.records for site in record.get("memory", {}).get("sites", [])]
    assert stacks, "there are stacks at least"
    return any(re.search(pattern, stack) for stack in stacks)


def run(local_lambda, layer, command, **env):
    env = {"LAMPREY_DETAIL": "full", "AWS_EXECUTION_ENV": "AWS_Lambda_of_a_test", **env}
    log = local_lambda.run(*command, layer=layer, env=env, invocations=2, memory=1769, timeout=20)
    assert len(log.invokes) == 2, log.stderr
    return log


OTHER = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.spread
@pytest.mark.parametrize(
    ("row", "off"),
    [
        ("frames build-id {id} a test", True),
        ("frames build-id {id}", True),
        ("frames runtime AWS_Lambda_of_a_test a test", True),
        (f"frames build-id {OTHER} a test", False),
        ("exact build-id {id} a test", False),
        ("frames build-id {id}0 a test", False),
        ("frames runtime AWS_Lambda_of_a a test", False),
        ("# frames build-id {id} a test", False),
    ],
)
def test_pythons_frames(local_lambda, build, workspace, row, off):
    layer = layer_with(build, workspace, f"frames build-id {OTHER}", row.format(id=build_id(python_module())))
    log = run(local_lambda, layer, PYTHON)
    assert names_functions(log, r"\(\S+\.py:\d+\)") != off
    assert (unseen(log, FRAMES) != []) == off
    assert set(unseen(log, FRAMES)) <= {f"names of Python functions: {FRAMES}"}


@pytest.mark.spread
@pytest.mark.parametrize("off", [True, False])
def test_nodes_frames(local_lambda, build, workspace, off):
    script = "process.stdout.write(require('fs').readFileSync('/proc/self/maps'))"
    node = mapped(["node", "-e", script], r"/(?:lib)?node[^/\n]*")
    layer = layer_with(build, workspace, f"frames build-id {build_id(node)} a test" if off else "")
    log = run(local_lambda, layer, ["node", HANDLERS / "node_client.mjs"], FUNCTION=FUNCTIONS / "node" / "index.js")
    assert (f"names of JavaScript functions: {FRAMES}" in unseen(log, "JavaScript")) == off


@pytest.mark.spread
@pytest.mark.parametrize("off", [True, False])
def test_exact_mode(local_lambda, build, workspace, off):
    version = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    layer = layer_with(build, workspace, f"exact libc {version if off else '2.99'} a test")
    log = run(local_lambda, layer, PYTHON, LAMPREY_EXACT="on")
    assert (unseen(log, EXACT) != []) == off
    if off:
        assert all("kernel" not in record for record in log.records)


def test_the_list_that_is_shipped():
    """All of it is read, and each row has a part, a key, a value and a reason."""
    text = (ROOT / "layer" / "compatibility").read_text()
    assert len(text) <= MOST_BYTES and text.isascii() and text.endswith("\n")
    for row in (line for line in text.splitlines() if line and not line.startswith("#")):
        assert re.fullmatch(r"(frames|exact) (build-id [0-9a-f]{16,}|runtime \w[\w.]*|libc \d+\.\d+) \S.*", row), row
