"""One function that already runs behind an invocation URL (`lamprey local --serve`, AWS's emulator), and a
folder of files that get what it prints. Makes nothing and removes nothing.
"""

import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

from . import log_lines
from .checks import Sent

PATH = "/2015-03-31/functions/function/invocations"
STARTING_S = 20  # until it listens
LONGEST_S = 120  # of one invocation
TIMED_OUT = b"Task timed out after"  # AWS's emulator says it with status 200

WHY_NOT = {"stream": "the emulators answer a stream as one body"}
WHY_NOT_AWS = {"out_of_memory": "AWS's emulator enforces no memory limit"}


def _is_error(body):
    try:
        answer = json.loads(body) if len(body) < 100_000 else None
    except ValueError:
        return False
    return isinstance(answer, dict) and "errorType" in answer


class Endpoint:
    def __init__(self, url, logs, stop):
        self._url = url if urllib.parse.urlsplit(url).path.strip("/") else url.rstrip("/") + PATH
        self._logs = pathlib.Path(logs)
        self._stop = stop
        self._tried = 0

    def why_not(self, scenario):
        more = WHY_NOT_AWS if log_lines.is_aws_emulator(self.lines()) else {}
        return {**WHY_NOT, **more}.get(scenario)

    def lines(self):
        """All files, in the order of their names."""
        texts = [path.read_text(errors="replace") for path in sorted(self._logs.iterdir()) if path.is_file()]
        # The last line may still be being written.
        return [line for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]

    def _ask(self, event):
        request = urllib.request.Request(self._url, data=event.encode(), method="POST")
        end = time.monotonic() + STARTING_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=LONGEST_S) as answer:
                    return answer.read(), answer.headers.get("X-Amz-Function-Error") is not None
            except urllib.error.HTTPError as answer:
                return answer.read(), True
            except urllib.error.URLError as problem:
                refused = isinstance(problem.reason, ConnectionRefusedError)
                if not refused or self._tried > 0 or time.monotonic() > end:
                    return b"", True  # it went away without an answer, as after an init that failed
                time.sleep(0.05)
            except OSError:
                return b"", True

    def _started(self, before, patience=2.0):
        """The id of the invocation that was just sent; None: none was started."""
        end = time.monotonic() + patience
        while True:
            started = log_lines.take_apart(self.lines()).started
            if len(started) > before:
                return started[-1]
            if time.monotonic() > end or self._stop.is_set():
                return None
            time.sleep(0.02)

    def invoke(self, number, scenario, event):
        before = len(log_lines.take_apart(self.lines()).started)
        body, failed = self._ask(event)
        self._tried += 1
        failed = failed or body.startswith(TIMED_OUT) or _is_error(body)
        return Sent(number, scenario, self._started(before), failed, len(body)), body
