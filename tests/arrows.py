"""Which room may include which: the doors between the folders of preload/ and src/.

Usage: arrows.py [--picture]

A room is a folder. The table below names, for each room, the rooms that it may include. The rooms
stand lowest first, and a door leads down only, so the table cannot hold a cycle. Checked are:

  * every #include of ours against the table, and every door of the table against the includes, so
    that it never promises more than is used;
  * that no symbol for the host process is defined outside preload/hooks/;
  * that no source file has over 500 lines, and that every room has a README.md.

--picture prints the arrows as they are drawn in docs/architecture.md, from the includes
themselves. The check compares that page too. No other rule may live here.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- arrows: begin (tests/arrows.py --picture) -->", "<!-- arrows: end -->"
LARGEST_FILE = 500
SOURCES = (".h", ".cpp", ".def")
# What makes a symbol visible to the host (preload/hooks/hook.h has the macro).
EXPORTED = re.compile(r'visibility\("default"\)|\bLAMPREY_HOOK\(')
# The debug build's tripwire stands in front of two functions that nobody else hooks.
EXPORTS_ELSEWHERE = {"preload/base/tripwire.cpp"}

DOORS = {
    "descriptors": (),
    "recording": (),
    "symbols": (),
    "lambda": ("descriptors",),
    "preload/base": ("recording",),
    "preload/libc": ("recording", "preload/base"),
    "preload/process": ("recording", "preload/base", "preload/libc"),
    "preload/stack/reading": ("recording", "preload/base", "preload/process"),
    "preload/stack/python": (
        "recording", "preload/base", "preload/process", "preload/stack/reading",
    ),
    "preload/stack/v8": (
        "recording", "preload/base", "preload/process", "preload/stack/reading",
    ),
    "preload/stack/hotspot": ("recording", "preload/base", "preload/stack/reading"),
    "preload/stack/ruby": ("recording", "preload/process", "preload/stack/reading"),
    "preload/stack": (
        "recording", "preload/base", "preload/libc", "preload/process", "preload/stack/reading",
        "preload/stack/python", "preload/stack/v8", "preload/stack/hotspot", "preload/stack/ruby",
    ),
    "preload/memory": (
        "recording", "preload/base", "preload/libc", "preload/process", "preload/stack",
    ),
    "preload/io": ("recording", "preload/base", "preload/process"),
    "preload/lambda": ("preload/base", "preload/process", "preload/io"),
    "preload/ending": (
        "recording", "preload/base", "preload/libc", "preload/process", "preload/stack",
    ),
    "preload/cpu": ("recording", "preload/base", "preload/libc", "preload/process", "preload/stack"),
    "preload/exact": ("recording", "preload/base", "preload/libc", "preload/process"),
    "preload/hooks": (
        "preload/base", "preload/libc", "preload/process", "preload/stack", "preload/memory",
        "preload/io", "preload/lambda", "preload/ending", "preload/cpu",
    ),
    # preload/attach.cpp puts everything together.
    "preload": (
        "recording", "preload/base", "preload/libc", "preload/process", "preload/stack", "preload/memory",
        "preload/io", "preload/lambda", "preload/ending", "preload/cpu", "preload/exact", "preload/hooks",
    ),
    "report/model": ("recording",),
    "report/procfs": ("recording", "report/model"),
    "report/text": ("recording", "symbols", "report/model"),
    "report/delta": ("recording", "report/model"),
    "report/summary": ("recording", "report/model", "report/text"),
    "report/findings": ("report/model", "report/procfs", "report/text"),
    "report/ledger": (
        "recording", "symbols", "report/model", "report/procfs", "report/text", "report/delta",
        "report/findings",
    ),
    "cloudwatch": ("descriptors", "report/model", "report/text", "report/findings"),
    "companion": (
        "descriptors", "recording", "symbols", "lambda", "report/model", "report/procfs", "report/text",
        "report/summary", "report/findings", "report/ledger", "cloudwatch",
    ),
    "companion/main": ("recording", "companion"),
    "emulator/base": (),
    "emulator/options": ("recording", "emulator/base"),
    "emulator/sandbox": ("emulator/base", "emulator/options"),
    "emulator/apis": ("emulator/base", "emulator/options"),
    "emulator/output": ("descriptors", "emulator/base", "emulator/options", "emulator/apis"),
    "emulator/environment": (
        "recording", "emulator/base", "emulator/options", "emulator/sandbox", "emulator/apis",
        "emulator/output",
    ),
    "emulator/front": (
        "emulator/base", "emulator/options", "emulator/sandbox", "emulator/apis",
        "emulator/output", "emulator/environment",
    ),
    "cli/input": (),
    "cli/analysis": ("report/text", "cli/input"),
    "cli/output": ("descriptors", "report/model", "report/text", "cli/input", "cli/analysis"),
    "cli/commands": (
        "descriptors", "recording", "report/text", "report/ledger", "cloudwatch", "companion",
        "emulator/options", "emulator/front", "cli/input", "cli/analysis", "cli/output",
    ),
    "cli/main": ("cli/commands",),
}  # fmt: skip


def folder_of(name):
    """The room of a path as an #include writes it."""
    return name.rpartition("/")[0]


def sources():
    """Each source file with its name as an #include would write it."""
    for top, base in (("preload", ROOT), ("src", ROOT / "src")):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in SOURCES:
                yield path, path.relative_to(base).as_posix()


def includes(text):
    return re.findall(r'^#include "([^"]+/[^"]+)"', text, re.MULTILINE)


def arrows_and_faults():
    arrows, faults = {}, []
    for path, name in sources():
        text, room = path.read_text(), folder_of(name)
        allowed = DOORS.get(room)
        if allowed is None:
            faults.append(f"{name}: {room} is not a room; accepted are the rooms of tests/arrows.py")
            continue
        for included in includes(text):
            other = folder_of(included)
            if other == room:
                continue
            arrows.setdefault(room, set()).add(other)
            if other not in allowed:
                faults.append(f"{name} includes {included}; {room} may include {', '.join(allowed)}")
        if EXPORTED.search(text) and name.startswith("preload/"):
            if room != "preload/hooks" and name not in EXPORTS_ELSEWHERE:
                faults.append(f"{name} defines a hook; hooks live in preload/hooks/")
        if (lines := text.count("\n")) > LARGEST_FILE:
            faults.append(f"{name} has {lines} lines; a file has {LARGEST_FILE} at most")
    return arrows, faults


def faults_of_the_table(arrows):
    seen = []
    for room, doors in DOORS.items():
        for door in doors:
            if door not in seen:
                yield f"the door {room} -> {door} leads up; a room includes only rooms above it in the table"
            if door not in arrows.get(room, ()):
                yield f"the door {room} -> {door} is used by nobody; take it out of tests/arrows.py"
        seen.append(room)
        folder = ROOT / room if room.startswith("preload") else ROOT / "src" / room
        if room.startswith("preload/") and not (folder / "README.md").exists():
            yield f"{room} has no README.md"


def picture(arrows):
    """A Mermaid graph without the arrows that others imply: a -> c where a -> b -> c stands."""

    def reached(room, without):
        found, open_rooms = set(), [r for r in arrows.get(room, ()) if r != without]
        while open_rooms:
            current = open_rooms.pop()
            if current not in found:
                found.add(current)
                open_rooms += arrows.get(current, ())
        return found

    lines = ["```mermaid", "graph TD"]
    for room in DOORS:
        for other in sorted(arrows.get(room, ())):
            if other not in reached(room, other):
                lines.append(f'  {room.replace("/", "_")}["{room}"] --> {other.replace("/", "_")}["{other}"]')
    return "\n".join([*lines, "```"])


def main(arguments):
    arrows, faults = arrows_and_faults()
    drawn = picture(arrows)
    if arguments == ["--picture"]:
        print(drawn)
        return 0
    faults += faults_of_the_table(arrows)
    if f"{BEGIN}\n{drawn}\n{END}" not in PAGE.read_text():
        faults.append("the arrows in docs/architecture.md are not those of the includes")
    for fault in faults:
        print(f"arrows: {fault}")
    print(f"arrows: {sum(map(len, arrows.values()))} arrows between {len(DOORS)} rooms")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
