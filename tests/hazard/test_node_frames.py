"""Stacks of JavaScript, as the library records them, against what V8 says of them (Error.stack). On the Node.js
of this machine and on the official binaries of each line whose frames are read; where one cannot be had, that
version is skipped by name."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import HERE, RECORDINGS, ROOT, execute

pytestmark = pytest.mark.slow

SHAPES = str(HERE / "node_shapes.js")
VERSIONS = {"18": "18.20.8", "20": "20.20.2", "22": "22.23.5", "24": "24.22.3"}
JAVASCRIPT = 2  # Language::kJavaScript
ON, SWITCHED_OFF, UNKNOWN_VERSION, MISSING, NOT_PROVEN = 1, 2, 3, 4, 5
LONGEST_NAME = 127
# Every large block (4 MiB) is a sample: the chance that one is not is e^-16. At twice this distance it is
# e^-8, and of the 40 blocks of a run one was missing in every 75th. Hardly any small one is.
ENVIRONMENT = {"LAMPREY_SAMPLE_BYTES": str(1 << 18)}
COLLECTING = "(garbage collection)"
# What V8's names are where the function has none of its own in the source: theirs are made as it runs.
NAMED_AS_IT_RUNS = {"computed", "static block"}


def official(version):
    """Node's own binary of that version, as npm serves it; None where it cannot be had."""
    folder = ROOT / "build" / "node" / version
    sys.path.insert(0, str(ROOT / "tests/integration"))
    from made_once import only_here

    architecture = {"x86_64": "x64", "aarch64": "arm64"}[os.uname().machine]
    with only_here(f"node-{version}"):
        if not (folder / "node").exists():
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                package = f"node-linux-{architecture}@{version}"
                subprocess.run(["npm", "pack", "--silent", package], cwd=folder, capture_output=True, timeout=120, check=True)
                archive = next(folder.glob("*.tgz"))
                unpack = ["tar", "xzf", archive, "--strip-components=2", "package/bin/node"]
                subprocess.run(unpack, cwd=folder, capture_output=True, check=True)
                archive.unlink()
    return folder / "node" if (folder / "node").exists() else None


@pytest.fixture(params=VERSIONS, scope="module")
def node(request):
    program = official(VERSIONS[request.param])
    if program is None:
        pytest.skip(f"no Node.js {VERSIONS[request.param]} on this machine, and npm has none")
    return program


def text(escaped):
    """recording_dump writes each byte that is not ASCII as one character."""
    return escaped.encode("latin-1").decode()


def frames_of(stack, functions):
    """The functions of a stack as (file, line, name, awaited)."""
    frames = []
    for word in stack["addresses"]:
        if word >> 63:
            number = word >> 24 & 0xFFFFFF
            assert number, "a function without a name"
            function = functions[number - 1]
            assert function["language"] == JAVASCRIPT
            frames.append((text(function["file"]), word & 0xFFFFFF, text(function["name"]), bool(word >> 62 & 1)))
    return frames


def recorded(run):
    recording = run.recording
    assert recording["functions_refused"] == 0 and recording["stacks_refused"] == 0
    assert recording["frame_readers"][JAVASCRIPT] == ON
    return [frames_of(stack, recording["functions"]) for stack in recording["stacks"]]


def shape(node, library, tmp_path, wanted, *flags, env=None):
    result = tmp_path / "points.json"
    run = execute([node, *flags, SHAPES, result, wanted], preload=library, env={**ENVIRONMENT, **(env or {})}, limit_s=120)
    complaints = [line for line in run.stderr.splitlines() if "due to conflicting flags" not in line]
    assert (run.status, run.stdout, complaints) == (0, "", [])
    return run, [json.loads(line) for line in result.read_text().splitlines()] if result.exists() else []


def is_the_same(point, frames):
    """`frames`: as recorded, from the caller of point() on."""
    frames = [frame for frame in frames if not frame[0].startswith("wasm:")]
    told = [(file.removeprefix("file://"), line, awaited) for file, line, _, awaited in point["frames"]]
    if told != [(file, line, awaited) for file, line, _, awaited in frames]:
        return False
    for (file, _, name, _), (_, _, ours, _) in zip(point["frames"], frames, strict=True):
        own = name is not None and re.fullmatch(r"\w+", name) and not file.startswith("node:") and file != "(eval)"
        if own and point["tag"] not in NAMED_AS_IT_RUNS and ours.rpartition(".")[2] != name[:LONGEST_NAME]:
            return False
    return True


def compare(again, at_least):
    """`again` runs the program. While V8 collects, a stack says only that: a point at which it did is met
    again in another run. A stack that is read wrongly is so in each."""
    missing = {}
    for _ in range(4):
        run, points = again()
        assert len(points) >= at_least
        stacks = []
        for frames in recorded(run):
            names = [name for _, _, name, _ in frames]
            if "point" in names:
                stacks.append(frames[names.index("point") + 1:])
        unseen = {
            point["tag"]: (point, stacks) for point in points
            if not any(is_the_same(point, frames) for frames in stacks)
        }  # fmt: skip
        missing = {tag: what for tag, what in unseen.items() if tag in missing} if missing else unseen
        if not missing:
            return
    assert not missing, missing


SHAPES_AND_POINTS = {"ofClasses": 11, "ofFunctions": 22, "ofLater": 8, "ofTiers": 7, "ofAwaiting": 10, "ofWorkers": 5}


@pytest.mark.parametrize("wanted", SHAPES_AND_POINTS)
def test_every_stack_is_the_one_that_v8_has(node, release_library, tmp_path, wanted):
    compare(lambda: shape(node, release_library, tmp_path, wanted), SHAPES_AND_POINTS[wanted])


@pytest.mark.parametrize("flag", ["--jitless", "--always-sparkplug", "--interpreted-frames-native-stack", "--no-opt"])
@pytest.mark.parametrize("wanted", ["ofFunctions", "ofTiers", "ofAwaiting"])
def test_whatever_code_runs(node, release_library, tmp_path, wanted, flag):
    compare(lambda: shape(node, release_library, tmp_path, wanted, flag), SHAPES_AND_POINTS[wanted])


def test_what_stands_between_functions_is_gone(node, release_library, tmp_path):
    """Machine frames are left inside the innermost function and outside the outermost only."""
    run, _ = shape(node, release_library, tmp_path, "ofFunctions")
    seen = 0
    for stack in run.recording["stacks"]:
        functions = [i for i, word in enumerate(stack["addresses"]) if word >> 63]
        if functions:
            seen += 1
            assert functions == list(range(functions[0], functions[-1] + 1))
            assert functions[0] > 0
    assert seen > 20


def test_functions_of_equal_machine_frames_are_told_apart(node, library, tmp_path):
    """All interpreted functions return to the same address: a stack that is recalled by its machine frames
    alone would be named after the function before."""
    run, _ = shape(node, library, tmp_path, "ofAlike", "--no-opt", "--no-sparkplug")
    blocks = {"alpha": 0, "beta": 0}
    recording = run.recording
    for stack in recording["stacks"]:
        own = [name for file, _, name, _ in frames_of(stack, recording["functions"]) if file == SHAPES]
        if own and own[0] in blocks:
            blocks[own[0]] += stack["samples"]
    assert all(20 <= count < 24 for count in blocks.values()), blocks  # V8 itself allocates now and then


def test_nothing_is_read_while_objects_move(node, library, tmp_path):
    run, points = shape(node, library, tmp_path, "ofCollecting", "--expose-gc", env={"LAMPREY_SAMPLE_BYTES": "4096"})
    assert [point["tag"] for point in points if not point["frames"]] == ["done"] * 3
    recording = run.recording
    assert recording["frame_readers"][JAVASCRIPT] == ON
    collecting = 0
    for stack in recording["stacks"]:
        names = [name for _, _, name, _ in frames_of(stack, recording["functions"])]
        if COLLECTING in names:
            collecting += 1
            assert names == [COLLECTING]
    assert collecting > 0
    own = {text(f["name"]) for f in recording["functions"] if f["file"] == SHAPES}
    source = pathlib.Path(SHAPES).read_text()
    assert all(name[0] in "(<" or name.rpartition(".")[2] in source for name in own), own


def test_workers_of_one_kind_share_their_functions(node, release_library):
    code = """
const { Worker, isMainThread } = require('worker_threads');
const one = (left) => left && new Worker(FILE).on('exit', () => one(left - 1));
if (isMainThread) one(+process.argv[2]); else Buffer.allocUnsafeSlow(4 << 20);
"""
    counts = []
    for workers in (2, 12):
        path = RECORDINGS / "workers.js"
        path.write_text(code.replace("FILE", json.dumps(str(path))))
        run = execute([node, path, workers], preload=release_library, env=ENVIRONMENT, limit_s=120)
        assert (run.status, run.stdout, run.stderr) == (0, "", "")
        counts.append(sum(f["file"] == str(path) for f in run.recording["functions"]))
    assert counts[1] <= counts[0] + 1


def test_frames_on_request_only(node, release_library, tmp_path):
    run, _ = shape(node, release_library, tmp_path, "ofClasses", env={"LAMPREY_FRAMES": "off"})
    recording = run.recording
    assert recording["frame_readers"][JAVASCRIPT] == SWITCHED_OFF
    assert recording["functions"] == [] and recording["stacks_used"] > 0


def changed(node, tmp_path, symbol, value):
    """A copy of that binary in which one exported number has another value."""
    copy = tmp_path / "node"
    shutil.copy(node, copy)
    symbols = subprocess.run(["readelf", "--dyn-syms", "-W", node], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[1], 16) for line in symbols.splitlines() if line.endswith(" " + symbol))
    sections = subprocess.run(["readelf", "-SW", node], capture_output=True, text=True, check=True).stdout
    for line in re.findall(r"\]\s+\S+\s+PROGBITS\s+(\w+)\s+(\w+)\s+(\w+)", sections):
        start, offset, size = (int(number, 16) for number in line)
        if start and start <= address < start + size:
            with copy.open("r+b") as file:
                file.seek(offset + address - start)
                file.write(value.to_bytes(4, "little"))
            return copy
    raise AssertionError(f"{symbol} lies in no section of {node}")


def test_a_layout_that_is_another_is_left_alone(node, release_library, tmp_path):
    other = changed(node, tmp_path, "v8dbg_type_Script__SCRIPT_TYPE", 99)
    run, points = shape(other, release_library, tmp_path, "ofFunctions")
    recording = run.recording
    assert len(points) >= SHAPES_AND_POINTS["ofFunctions"]
    assert recording["frame_readers"][JAVASCRIPT] == NOT_PROVEN
    assert recording["functions"] == [] and recording["stacks_used"] > 0


@pytest.mark.parametrize(
    ("version", "reader"), [((11, 3, 243), UNKNOWN_VERSION), ((14, 6, 1), UNKNOWN_VERSION), ((11, 3, 244), MISSING)]
)
def test_a_version_that_is_not_known_is_left_alone(compiled, release_library, version, reader):
    numbers = [f"-D{name}={value}" for name, value in zip(("MAJOR", "MINOR", "BUILD"), version, strict=True)]
    run = execute([compiled("libraries/other_v8.c", "-rdynamic", *numbers)], preload=release_library, env=ENVIRONMENT)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    recording = run.recording
    assert recording["frame_readers"][JAVASCRIPT] == reader
    assert recording["functions"] == [] and recording["stacks_used"] > 0


def test_a_stripped_binary(node, release_library, tmp_path):
    stripped = tmp_path / "node"
    subprocess.run(["strip", "-o", stripped, node], check=True)
    compare(lambda: shape(stripped, release_library, tmp_path, "ofFunctions"), SHAPES_AND_POINTS["ofFunctions"])


def test_a_stack_that_overflows(node, library, tmp_path):
    code = "function deep(n) { Buffer.allocUnsafeSlow(16384); return 1 + deep(n + 1); } try { deep(0) } catch (e) { console.log(e.name) }"
    run = execute([node, "-e", code], preload=library, env=ENVIRONMENT, limit_s=120)
    assert (run.status, run.stdout, run.stderr) == (0, "RangeError\n", "")
    assert any("deep ([eval]:1)" in stack["frames"] for stack in run.recording["stacks"])


