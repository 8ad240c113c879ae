"""Runs `lamprey local` as a user would, and takes apart what it prints.

No expectations live here: what a function's log should say stands in the tests. Only the contract
of a line is checked, wherever one is read.
"""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

import record_schema

START = re.compile(r"^START RequestId: (\S+) Version: \S+$")
PLATFORM = '"type":"platform.'  # in the lines of the JSON log format
# AWS's emulator says the duration of init first, Lambda last.
REPORT = re.compile(
    r"^REPORT RequestId: (\S+)\t(?:Init Duration: [0-9.]+ ms\t)?Duration: ([0-9.]+) ms\t"
)
SERVING = re.compile(r"serving on http://127\.0\.0\.1:(\d+)/")
INVOKE_PATH = "/2015-03-31/functions/function/invocations"


@dataclasses.dataclass
class Log:
    """One run's output: lines is what CloudWatch would get, stderr is the emulator's own."""

    status: int
    lines: list
    stderr: str

    @property
    def record_lines(self):
        return [line for line in self.lines if line.startswith('{"lamprey"')]

    @property
    def records(self):
        return [record_schema.check(line) for line in self.record_lines]

    def of_type(self, name):
        return [record for record in self.records if record["type"] == name]

    @property
    def invokes(self):
        return self.of_type("invoke")

    def of_platform(self, kind):
        """The platform's own lines of the JSON log format: what they say of start, report, ..."""
        events = [json.loads(line) for line in self.lines if PLATFORM + kind in line]
        return [event["record"] for event in events if event["type"] == "platform." + kind]

    @property
    def started_ids(self):
        ids = [found[1] for found in map(START.match, self.lines) if found]
        return ids or [event["requestId"] for event in self.of_platform("start")]

    @property
    def durations_ms(self):
        """The platform's own figure for each request id."""
        took = {found[1]: float(found[2]) for found in map(REPORT.match, self.lines) if found}
        return took or {
            event["requestId"]: event["metrics"]["durationMs"]
            for event in self.of_platform("report")
        }

    @property
    def complaints(self):
        """Lamprey's own lines that are no records."""
        return [line for line in self.lines if line.startswith("lamprey: ")]


class Serving:
    """A local Lambda behind --serve: invoked as often as the test likes."""

    def __init__(self, process):
        self._process = process
        self._lines = []
        self._stderr = []
        self._serving = threading.Event()
        self._invoked = 0
        self._port = None
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._serving.wait(30)
        assert self._port, f"no port within 30 s; stderr: {self._stderr}"

    def _read_stdout(self):
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))

    def _read_stderr(self):
        for line in self._process.stderr:
            self._stderr.append(line)
            found = SERVING.search(line)
            if found:
                self._port = int(found[1])
                self._serving.set()
        self._serving.set()

    def invoke(self, event=None, timeout=60):
        """The function's answer, and whether it failed."""
        self._invoked += 1
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("POST", INVOKE_PATH, body=json.dumps({} if event is None else event))
            answer = connection.getresponse()
            text = answer.read().decode()
        with contextlib.suppress(ValueError):
            text = json.loads(text)
        return text, answer.headers.get("X-Amz-Function-Error") is not None

    def log(self):
        """What was printed so far."""
        return Log(0, list(self._lines), "")

    def _wait_for_reports(self):
        """The answer comes before the extensions are done: stopping then would cut the last one."""
        for _ in range(200):
            log = Log(0, list(self._lines), "")
            if self._invoked <= len(log.started_ids) == len(log.durations_ms):
                return  # what was printed may not all have been read yet
            time.sleep(0.02)

    def stop(self, sent=signal.SIGTERM):
        if self._process.poll() is None:
            self._wait_for_reports()
            self._process.send_signal(sent)
        try:
            status = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        for reader in self._readers:
            reader.join(10)
        return Log(status, list(self._lines), "".join(self._stderr))


class LocalLambda:
    """Starts `lamprey local` with a build's own layer.

    `wrap` turns a command into one that has a /tmp of its own.
    """

    def __init__(self, build, folder, wrap):
        self.build = build
        self.folder = folder  # the function's working directory
        self.wrap = wrap

    def command(self, command, env=None, prelude=None, layer=None, cpu="full", **options):
        """`prelude`: shell text that runs first, in the same /tmp. `cpu`: None for the share that Lambda gives;
        most tests are about something else, and would take ten times as long with it."""
        words = [self.build / "bin" / "lamprey", "local", "--layer", layer or self.build]
        if cpu:
            options["cpu"] = cpu
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", value]
        # As on Lambda, so that a prelude can prepare it.
        for name, value in {"_LAMPREY_DIRECTORY": "/tmp/lamprey", **(env or {})}.items():
            words += ["--env", f"{name}={value}"]
        words += ["--", *command]
        if prelude:
            words = ["sh", "-c", prelude + '\nexec "$@"', "prelude", *words]
        return self.wrap(list(map(str, words)))

    def _environment(self, extra):
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**inherited, "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}

    def run(self, *command, seconds=60, environment=None, **options):
        if "event" in options:
            options["event"] = json.dumps(options["event"])
        ran = subprocess.run(
            self.command(command, **options),
            cwd=self.folder,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
        return Log(ran.returncode, ran.stdout.splitlines(), ran.stderr)

    @contextlib.contextmanager
    def serve(self, *command, environment=None, **options):
        process = subprocess.Popen(
            self.command(command, serve=0, **options),
            cwd=self.folder,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            yield Serving(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
