"""Code that asks the kernel without libc is named, where it is; a runtime without such code is not."""

import json
import os
import shutil
import subprocess

import pytest
from test_python_runtime import VERSIONS, interpreter

ASKS = {  # a getpid of one's own
    "x86_64": 'long asks(void) { long r; __asm__ volatile("mov $39,%%eax\\n\\tsyscall" : "=a"(r) :: "rcx", "r11"); return r; }',
    "aarch64": 'long asks(void) { register long n __asm__("x8") = 172; register long r __asm__("x0");'
    ' __asm__ volatile("svc #0" : "=r"(r) : "r"(n)); return r; }',
}
SAID = "system calls that do not go through libc: "


def machine():
    return os.uname().machine


def named_in(record):
    return [
        text.removeprefix(SAID)
        for text in record["coverage"].get("unseen", [])
        if text.startswith(SAID)
    ]


@pytest.mark.parametrize("raw", [True, False])
def test_a_module_with_direct_syscalls_is_named(root, local_lambda, workspace, raw):
    program, obstacle = interpreter(root, next(iter(VERSIONS)))
    if obstacle or not shutil.which("cc"):
        pytest.skip(obstacle or "no C compiler here")
    library = workspace / "libasks.so"
    source = ASKS[machine()] if raw else "#include <unistd.h>\nlong asks(void) { return getpid(); }"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=source, text=True, check=True
    )
    (workspace / "asking.py").write_text(
        f"import ctypes\nlibrary = ctypes.CDLL({str(library)!r})\n"
        "def handler(event, context):\n    return library.asks()\n"
    )
    log = local_lambda.run(
        program, "-m", "awslambdaric", "asking.handler", env={"PYTHONPATH": workspace}
    )
    lines = [*log.of_type("init"), *log.of_type("shutdown")]
    assert len(lines) == 2
    assert named_in(lines[-1]) == ([str(library)] if raw else [])


@pytest.mark.parametrize("raw", [True, False])
def test_a_program_that_is_over_is_judged_by_its_recording(root, workspace, raw):
    if not shutil.which("cc"):
        pytest.skip("no C compiler here")
    source = "int main(void) { return asks() < 0; }"
    asks = ASKS[machine()] if raw else "#include <unistd.h>\nlong asks(void) { return getpid(); }"
    program, out = workspace / "asker", workspace / "record"
    subprocess.run(
        ["cc", "-x", "c", "-o", program, "-"], input=f"{asks}\n{source}", text=True, check=True
    )
    subprocess.run(
        [root / "build/release/bin/lamprey", "run", "--quiet", "--out", out, "--", program], check=True
    )
    assert named_in(json.loads(out.read_text())) == ([str(program)] if raw else [])
