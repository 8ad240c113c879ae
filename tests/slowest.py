"""Prints what took longest in a run of tests/run: slowest.py N DIRECTORY

Reads the JUnit files (*.xml) and the lists of other steps (*.times, `SECONDS NAME` a line) in there.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def steps(folder):
    for path in folder.glob("*.times"):
        for line in path.read_text().splitlines():
            seconds, _, name = line.partition(" ")
            yield float(seconds), name
    for path in folder.glob("*.xml"):
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except ElementTree.ParseError:  # junit_totals.py has said so
            continue
        for case in cases:
            name = re.sub(r"@\w+$", "", case.get("name") or "")  # pytest-xdist's group
            yield float(case.get("time") or 0), f"{path.stem}: {case.get('classname', '')}.{name}"


def main(most, folder):
    for seconds, name in sorted(steps(pathlib.Path(folder)), reverse=True)[: int(most)]:
        print(f"{seconds:8.1f} s  {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
