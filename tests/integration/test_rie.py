"""A Python function under AWS's own local emulator, aws-lambda-rie, with the layer, where that program
is to be had. It looks for extensions in /opt/extensions only and does not know the exec wrapper, so
the layer is mounted there in a namespace of its own and the wrapper is started by hand.
"""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time

import pytest
import record_schema

# $1: the layer. What follows is started with it in /opt, with a /tmp of its own.
_WITH_LAYER = """
mount --bind "$1" /opt && mount -t tmpfs tmpfs /tmp && shift && exec "$@"
"""


@pytest.fixture
def rie():
    program = shutil.which("aws-lambda-rie")
    if program is None:
        pytest.skip("no aws-lambda-rie on PATH: AWS's emulator is not to be had here")
    probe = ["unshare", "--mount", "sh", "-c", "mkdir -p /opt && mount -t tmpfs tmpfs /opt"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no mount namespace is allowed here, so no layer in /opt")
    return program


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, event, patience=20):
    """The function's answer; the emulator may still be starting."""
    end = time.monotonic() + patience
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        with contextlib.closing(connection):
            try:
                connection.request(
                    "POST", "/2015-03-31/functions/function/invocations", body=json.dumps(event)
                )
                return json.loads(connection.getresponse().read())
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
        time.sleep(0.1)


def test_a_python_function_has_its_lines_under_awss_emulator(rie, root, build):
    port = free_port()
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _WITH_LAYER, "sh", build,
         rie, "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
         "/opt/lamprey", sys.executable, "-m", "awslambdaric", "fleet.healthy"],
        cwd=root / "tests/integration/handlers",
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        answers = [ask(port, {}) for _ in range(3)]
    finally:
        process.terminate()
        try:
            text = process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            text = process.communicate()[0]
    assert all(answer == {"n": list(range(100))} for answer in answers), answers
    records = [record_schema.check(line) for line in text.splitlines()
               if line.startswith('{"lamprey"')]  # fmt: skip
    invokes = [record for record in records if record["type"] == "invoke"]
    assert [record["type"] for record in records][0] == "init"
    assert [record["invocation"] for record in invokes] == [1, 2, 3]
    assert len({record["request_id"] for record in invokes}) == 3
    assert all(record["memory"]["allocations"] > 0 for record in invokes)
