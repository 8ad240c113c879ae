"""Runs functions under AWS's own local emulator, aws-lambda-rie, in what a container would give them:
a process tree, a network, a /tmp and an /opt of their own, the emulator being the first process.

The emulator looks for extensions in /opt/extensions only and does not know the exec wrapper (the
entry point of AWS's images does), so the layer is mounted there and tests start the wrapper.
In that network nobody answers on port SILENT_PORT, and no name is ever resolved.
No expectations live here: what a function's log should say stands in the tests.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from local_lambda import INVOKE_PATH, Log
from mounts import OVER, ROOT
from resolvers import PATIENT, RESOLVER

INSTALLED = ROOT / "build/rie/aws-lambda-rie"  # layer/install tests
SILENT_PORT = 5432
URL = "http://127.0.0.1:8080" + INVOKE_PATH
TIMED_OUT = re.compile(r"Task timed out after [0-9.]+ seconds")
CURL_CANNOT_CONNECT = 7

_APART = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
_NEIGHBOUR = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from bad_ends import full_listener
with full_listener(int(sys.argv[2])):
    threading.Event().wait()
"""
# $1: resolv.conf. $2: the layer. $3: Python. $4: the resolver. $5 $6 $7: who listens on the silent port.
# $8: this checkout.
_START = f"""{OVER}
ip link set lo up && mount --bind "$1" /etc/resolv.conf && over "$8" /opt --bind "$2" || exit 125
"$3" -c "$4" never & "$3" -c "$5" "$6" "$7" &
shift 8
exec "$@"
"""


def why_not():
    """What stands in the way of running it here, or None."""
    if program() is None:
        return "no aws-lambda-rie on PATH and none in build/rie (layer/install tests)"
    probe = [*_APART, "sh", "-c", "mkdir -p /opt && mount -t tmpfs tmpfs /opt && ip link set lo up"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        return "no namespaces are allowed here (unshare --mount --net --pid), so no layer in /opt"
    return None


def program():
    return shutil.which("aws-lambda-rie") or (str(INSTALLED) if INSTALLED.exists() else None)


class Emulator:
    """One running emulator: invoked as often as the test likes."""

    def __init__(self, process, output):
        self._process = process
        self._output = output
        self._first = self._first_process()

    def _first_process(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for _ in range(200):
            found = children.read_text().split()
            if found:
                return int(found[0])
            time.sleep(0.02)
        raise AssertionError("unshare started nothing: " + self._text())

    def _text(self):
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def invoke(self, event=None, timeout=60, patience=20):
        """The function's answer, and whether it failed. The emulator may still be starting."""
        words = self.in_its_network(["curl", "--silent", "--max-time", timeout])
        words += ["--write-out", "\n%{http_code}", "--data", json.dumps({} if event is None else event), URL]
        end = time.monotonic() + patience
        while True:
            asked = subprocess.run(words, capture_output=True, text=True)
            if asked.returncode != CURL_CANNOT_CONNECT or time.monotonic() > end:
                break
            time.sleep(0.05)
        assert asked.returncode == 0, f"curl ended with {asked.returncode}; log:\n{self._text()}"
        text, status = asked.stdout.rsplit("\n", 1)
        failed = status != "200" or TIMED_OUT.fullmatch(text) is not None
        with contextlib.suppress(ValueError):
            text = json.loads(text)
        failed = failed or (isinstance(text, dict) and "errorType" in text)
        return text, failed

    @property
    def output_name(self):
        """The file that gets all that is printed."""
        return self._output.name

    def in_its_network(self, command):
        """The words that run a command where the emulator listens."""
        return ["nsenter", "--target", str(self._first), "--net", *map(str, command)]

    def log(self):
        """What was printed so far: the emulator's lines, the function's and the extension's."""
        return Log(0, self._text().splitlines(), "")

    def kill(self):
        """Everything in there at once."""
        return self.stop(signal.SIGKILL)

    def stop(self, sent=signal.SIGTERM):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._first, sent)
        status = self._process.wait(30)
        return Log(status, self._text().splitlines(), "")


class AwsEmulator:
    """Starts it with a build's own layer.

    `private_tmp` turns a command into one that has a /tmp of its own; `workspace` is a directory
    that is seen in there too.
    """

    def __init__(self, build, folder, private_tmp, workspace):
        self._build = build
        self._folder = folder  # the function's working directory
        self._private_tmp = private_tmp
        self._resolv = workspace / "resolv.conf"
        self._resolv.write_text(PATIENT)

    def command(self, command, prelude=None):
        words = [program(), *command]
        if prelude:
            words = ["sh", "-c", prelude + '\nexec "$@"', "prelude", *words]
        start = [*_APART, "sh", "-c", _START, "sh", self._resolv, self._build, sys.executable]
        start += [RESOLVER, _NEIGHBOUR, ROOT / "tests/integration", SILENT_PORT, ROOT]
        return [*map(str, start), *self._private_tmp(words)]

    @contextlib.contextmanager
    def serve(self, *command, timeout=20, memory=None, env=None, prelude=None):
        """Like LocalLambda.serve; `memory` is what the function is told, and no limit."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
            **({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)} if memory else {}),
            **(env or {}),
        }
        # A file: nobody waits for a reader. Appended to: no writer takes another's place in it.
        with tempfile.NamedTemporaryFile("r+b") as output, open(output.name, "ab") as appended:
            process = subprocess.Popen(
                self.command(command, prelude),
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=appended,
                stderr=subprocess.STDOUT,
            )
            try:
                yield Emulator(process, output)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
