"""Adds up JUnit result files: prints "PASSED FAILED SKIPPED".

Usage: junit_totals.py FILE...

A file that is missing or cut off is a run that died: it counts as one failure.
"""

import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def main(files):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for file in files:
        try:
            for case in ElementTree.parse(file).iter("testcase"):
                totals[outcome(case)] += 1
        except (OSError, ElementTree.ParseError) as problem:
            print(f"junit_totals.py: {file}: {problem}", file=sys.stderr)
            totals["failed"] += 1
    print(*totals.values())


if __name__ == "__main__":
    main(sys.argv[1:])
