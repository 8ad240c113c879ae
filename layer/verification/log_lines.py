"""A function's log, taken apart: the platform's lines, Lamprey's records, what the function said of itself.

Pure: text in, plain data out. What any of it should be stands in checks.py.
"""

import dataclasses
import json
import re

START = re.compile(r"^START RequestId: (\S+)")
REPORT = re.compile(r"^REPORT RequestId: (\S+)\s.*?(?<!Init )Duration: ([0-9.]+) ms")
TRUTH = re.compile(r"lamprey-verify (\{.*\})\s*$")
RECORD = '{"lamprey"'


@dataclasses.dataclass
class Log:
    started: list  # request ids, in order
    reported_ms: dict  # by request id, the platform's own figure
    truths: dict  # by the number of the invocation
    records: list  # (line, record); record is None where the line is no JSON
    complaints: list  # Lamprey's own lines that are no records

    def of_type(self, name):
        return [record for _, record in self.records if record and record.get("type") == name]


def take_apart(lines):
    log = Log([], {}, {}, [], [])
    for line in (line.rstrip("\r\n") for line in lines):
        if line.startswith(RECORD):
            log.records.append((line, _object(line)))
        elif started := START.match(line):
            log.started.append(started[1])
        elif reported := REPORT.match(line):
            log.reported_ms[reported[1]] = float(reported[2])
        elif line.startswith("lamprey: "):
            log.complaints.append(line)
        elif said := TRUTH.search(line):
            truth = _object(said[1]) or {}
            log.truths[truth.get("number")] = truth
    return log


def _object(text):
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_aws_emulator(lines):
    """AWS's own emulator signs its lines."""
    return any("(rapid)" in line for line in lines[:200])
