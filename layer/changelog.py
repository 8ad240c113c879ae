"""What CHANGELOG.md says of one version, for layer/release.

Usage: changelog.py VERSION date|notes
    date    the day in the version's heading, as in 2026-11-28
    notes   the text below the heading, up to the next version's

Only reading lives here; the page itself is written by hand (CONTRIBUTING.md).
"""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def section(text, version):
    """(date, notes) of a version; None where the page has no such heading with a date."""
    headings = list(HEADING.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None]):
        if heading["version"] == version and heading["date"]:
            notes = text[heading.end() : following.start() if following else len(text)]
            return heading["date"], notes.strip() + "\n"
    return None


def main(version, what):
    found = section(PAGE.read_text(), version)
    if found is None:
        sys.exit(
            f"layer/release: CHANGELOG.md has no heading for version {version} of CMakeLists.txt;"
            f' accepted is "## [{version}] - YYYY-MM-DD"'
        )
    print(found[0] if what == "date" else found[1], end="" if what == "notes" else "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
