"""Adds up JUnit result files: prints "PASSED FAILED SKIPPED", then a line for each that failed.

Usage: junit_totals.py FILE...

A file that is missing or cut off is a run that died: it counts as one failure.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def described(case):
    """Where it stands and the first words of why it failed."""
    (*_, why) = [case.find(tag) for tag in ("error", "failure") if case.find(tag) is not None]
    name = re.sub(r"@\w+$", "", case.get("name") or "")  # pytest-xdist names the group there
    names = filter(None, (case.get("classname"), name))
    return f"{'.'.join(names)}: {(why.get('message') or '').partition(chr(10))[0][:200]}"


def main(files):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for file in files:
        try:
            for case in ElementTree.parse(file).iter("testcase"):
                totals[outcome(case)] += 1
                if outcome(case) == "failed":
                    failures.append(described(case))
        except (OSError, ElementTree.ParseError) as problem:
            print(f"junit_totals.py: {file}: {problem}", file=sys.stderr)
            totals["failed"] += 1
            failures.append(f"{file}: {problem}")
    print(*totals.values())
    print(*failures, sep="\n", end="\n" if failures else "")


if __name__ == "__main__":
    main(sys.argv[1:])
