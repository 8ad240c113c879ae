"""The arm64 layer through whole invocations, under qemu-user: the shipped companion, the shipped
library, and a C program as the runtime. What only a kernel of that architecture can show is not here.
"""

import pathlib
import shutil
import subprocess

import pytest
from test_layer import cross_compiler, zips  # noqa: F401: fixtures

pytestmark = pytest.mark.slow

SYSROOT = pathlib.Path("/usr/aarch64-linux-gnu")
EVENTS = [0, 700, 0, 5]


@pytest.fixture
def qemu():
    found = shutil.which("qemu-aarch64")
    if found is None:
        pytest.skip("no qemu-aarch64 here (Debian: qemu-user)")
    if not (SYSROOT / "lib" / "ld-linux-aarch64.so.1").exists():
        pytest.skip("no C library for arm64 here (Debian: libc6-arm64-cross)")
    return found


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def emulated_layer(zip_file, folder, qemu):
    """The layer with its companion behind a word that starts it under qemu, by its own name."""
    subprocess.run(["unzip", "-q", zip_file, "-d", folder], check=True)
    companion = folder / "extensions" / "lamprey"
    companion.rename(folder / "companion")
    script(companion, f'#!/bin/sh\nexec {qemu} -0 "$0" {folder}/companion\n')
    return folder


def cross_compile(root, program):
    subprocess.run(
        [root / "build" / "zig" / "bin" / "python", "-m", "ziglang", "cc", "-target",
         "aarch64-linux-gnu.2.26", "-O1", root / "tests/integration/handlers/client.c", "-o", program],
        check=True, capture_output=True,
    )  # fmt: skip


def run_it(local_lambda, qemu, layer, program):
    command = [
        qemu, "-L", SYSROOT, "-E", f"LD_PRELOAD={layer}/lib/liblamprey.so", program,
    ]  # fmt: skip
    env = {"AWS_LAMBDA_EXEC_WRAPPER": "", "LAMPREY_DETAIL": "full"}
    options = {"layer": layer, "env": env, "timeout": 20, "memory": 512}
    with local_lambda.serve(*command, **options) as serving:
        answers = [serving.invoke(event)[0] for event in EVENTS]
        return answers, serving.stop()


def test_a_whole_invocation_on_arm64(local_lambda, root, workspace, qemu, request):
    layer = emulated_layer(
        request.getfixturevalue("zips")["arm64"], workspace / "layer", qemu
    )
    program = workspace / "client"
    cross_compile(root, program)
    answers, log = run_it(local_lambda, qemu, layer, program)
    check(answers, log)


def check(answers, log):
    assert answers == EVENTS and log.complaints == []
    types = [record["type"] for record in log.records]
    assert types == ["init", *["invoke"] * len(EVENTS), "shutdown"]
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["memory"]["allocations"] for r in log.invokes] == EVENTS
    assert [r["memory"]["allocated_bytes"] for r in log.invokes] == [1000 * n for n in EVENTS]
    for record in log.invokes:
        assert 0 < record["duration_ms"] <= log.durations_ms[record["request_id"]]
        assert {row["name"] for row in record["calls"]["top"]} >= {"recv"} or record["calls"]["top"]


WORDS = ["registers", "jumps", "interrupted", "looked_through", "children", "threads", "plain_calls"]


def test_exact_mode_on_arm64(root, workspace, qemu, request):
    """libc's changed code, as tests/hazard/test_exact.py has it. But for cancellation: the unwinder
    that this compiler links in and that of the C library do not go together, with us or without."""
    layer = emulated_layer(request.getfixturevalue("zips")["arm64"], workspace / "layer", qemu)
    program = workspace / "exact"
    subprocess.run(
        [root / "build" / "zig" / "bin" / "python", "-m", "ziglang", "c++", "-target",
         "aarch64-linux-gnu.2.26", "-std=c++20", "-O1", f"-I{root}", root / "tests/hazard/exact.cpp",
         "-o", program],
        check=True, capture_output=True,
    )  # fmt: skip
    start = f"exec {qemu} -L {SYSROOT} "
    preload = f"-E LD_PRELOAD={layer}/lib/liblamprey.so -E _LAMPREY_TARGET=$$ -E _LAMPREY_ROLE=run "

    def run(words, word):
        command = ["sh", "-c", f"{start}{words}{program} {word}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run(preload, "changed") == (0, "as in the file\n", "")
    on = f"{preload}-E LAMPREY_EXACT=on "
    assert run(on, "changed") == (0, "changed\n", "")
    for word in WORDS:
        plain = run("", word)
        assert plain[0] == 0 and run(on, word) == plain, word
