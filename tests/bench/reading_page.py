#!/usr/bin/env python3
"""Renews the examples of docs/reading-a-record.md: runs the functions that they are about under
`lamprey local`, puts a line of each into the page, and the figures that the text below quotes from
it (`key` **figure**). The words around them are the writer's. Paths of this machine are replaced.

    build/venv/bin/python tests/bench/reading_page.py
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reading-a-record.md"


def with_finding(code):
    return lambda record: any(f["code"] == code for f in record.get("findings", []))


def invocation(number):
    return lambda record: record.get("invocation") == number and record["type"] == "invoke"


def ended(status):
    return lambda record: record["type"] == "invoke" and record["status"] == status


# Heading → function, how many invocations, which of its lines, further options of `lamprey local`.
EXAMPLES = {
    "A healthy invocation": ("healthy", 6, invocation(6), []),
    "A cold start": ("reads", 1, lambda record: record["type"] == "init", []),
    "Memory that grows": ("leaks", 75, with_finding("memory.leak"), []),
    "A connection made anew each time": ("reconnects", 6, with_finding("network.reconnect"), []),
    "Waiting for a lock": ("contends", 4, with_finding("locks.contended"), []),
    "A timeout": ("hangs", 3, ended("timeout"), ["--timeout", "1"]),
    "Out of memory": ("eats", 3, ended("out_of_memory"), ["--timeout", "20"]),
    "A crash": ("crashes", 3, ended("crash"), []),
    "An exit": ("exits", 3, ended("exit"), []),
    "A failed invocation": ("fails", 5, ended("error"), []),
}


def line_of(function, invocations, wanted, options):
    ran = subprocess.run(
        [ROOT / "build/release/bin/lamprey", "local", "--layer", ROOT / "build/release",
         "--invocations", str(invocations), "--env", f"AWS_LAMBDA_FUNCTION_NAME={function}",
         "--env", "LAMPREY_DETAIL=short", "--env", "LAMPREY_METRICS=off", *options,
         "--", sys.executable, "-m", "awslambdaric", f"fleet.{function}"],
        cwd=ROOT / "tests/integration/handlers", capture_output=True, text=True,
    )  # fmt: skip; its status tells of the functions that fail
    lines = [line for line in ran.stdout.splitlines() if line.startswith('{"lamprey"')]
    found = [line for line in lines if wanted(json.loads(line))]
    if not found:
        sys.exit(f"{function}: no such line; {ran.stderr[-300:]}")
    return as_in_an_image(found[-1])


def as_in_an_image(line):
    places = {ROOT: "/var/task", sys.base_prefix: "/var/lang", pathlib.Path.home(): "/var/lang"}
    for here, there in places.items():
        line = line.replace(f"{here}/", f"{there}/").replace(f'{here}"', f'{there}"')
    return line


def value_at(record, path):
    for part in path.split("."):
        record = record[int(part) if part.isdigit() else part]
    return str(record)


def renew(part):
    heading = part.split("\n", 1)[0]
    if heading not in EXAMPLES:
        return part
    line = line_of(*EXAMPLES[heading])
    record = json.loads(line)
    part = re.sub(r"^ {4}\{\"lamprey\".*$", lambda _: "    " + line, part, flags=re.MULTILINE)
    return re.sub(
        r"`([\w.]+)` \*\*[^*]+\*\*",
        lambda found: f"`{found[1]}` **{value_at(record, found[1])}**",
        part,
    )


def main():
    parts = re.split(r"(?<=\n)## ", PAGE.read_text())
    PAGE.write_text("## ".join(map(renew, parts)))


if __name__ == "__main__":
    main()
