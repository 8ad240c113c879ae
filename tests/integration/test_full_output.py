"""Standard output may be a pipe that does not block, whose reader is slow: what the command and the
local Lambda print arrives whole all the same, and waiting for room takes no CPU."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import time

import pytest
from custom_runtime import client

PIPE = 4096
SLOW_S = 0.5


def read_slowly(command, **options):
    """What the command prints into a small pipe that nobody reads at first, and its share of CPU."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, **options)
    os.close(writing)
    begun = time.monotonic()
    time.sleep(SLOW_S)
    text = b""
    while piece := os.read(reading, PIPE):
        text += piece
    os.close(reading)
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return text.decode(), cpu / (time.monotonic() - begun)


def test_a_page_arrives_whole(build, workspace):
    record = {"lamprey": "1", "type": "invoke", "status": "ok"}
    lines = [json.dumps({**record, "function_name": f"function-{n}"}) for n in range(200)]
    (workspace / "lines").write_text("\n".join(lines) + "\n")
    command = [build / "bin/lamprey", "report", "--html", "-", workspace / "lines"]
    plain = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(plain) > 3 * PIPE
    text, cpu = read_slowly(command)
    assert text == plain
    assert cpu < 0.5


@pytest.fixture
def recording(build, private_tmp, workspace):
    """What a recording left behind holds, copied to where it can be decoded at leisure."""
    script = (
        "(_LAMPREY_ROLE=run; export _LAMPREY_ROLE; exec sh -c '_LAMPREY_TARGET=$$ LD_PRELOAD=$0 exec"
        f" {sys.executable} -c \"import json\"' $0); cp /tmp/lamprey/*.rec {workspace}/left.rec"
    )
    subprocess.run(private_tmp(["sh", "-c", script, build / "lib/liblamprey.so"]), check=True,
                   env={"PATH": os.environ["PATH"]})  # fmt: skip
    return workspace / "left.rec"


def test_a_decoded_line_arrives_whole(build, recording):
    text, cpu = read_slowly([build / "bin/lamprey", "decode", recording])
    assert len(text) > PIPE and json.loads(text)["type"] == "run"
    assert cpu < 0.5


def test_the_local_lambdas_lines_arrive_whole(local_lambda):
    command = local_lambda.command([client()], invocations=4, env={"LAMPREY_DETAIL": "full"})
    text, _ = read_slowly(
        command, cwd=local_lambda.folder, env={"PATH": os.environ["PATH"], "HOME": "/tmp"}
    )
    records = [json.loads(line) for line in text.splitlines() if line.startswith('{"lamprey"')]
    assert [record["type"] for record in records] == ["init", *["invoke"] * 4, "shutdown"]
