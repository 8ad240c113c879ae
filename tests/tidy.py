"""clang-tidy over everything that a build directory compiles, on all processors.

Usage: tidy.py [--paths] BUILD_DIRECTORY

Much of the time goes into the headers of libraries, the same for every file. So files are looked at together
where they can be (src/together.py), as one generated file; if they do not compile together, each half is
tried. There are two ways to make that file:

  * It has their text. This is how preload/ is looked at, and with --paths everything.
  * It includes them. Then clang's static analyzer looks into none of their functions, for it follows paths
    only in the main file. This is how src/ and the unit tests are looked at without --paths: their analysis
    takes three times as long as all the rest, and is for `tests/run long`.

A file that was clean and has not changed since, nor any header it includes, is not looked at
again: build/tidy-cache holds an empty file for each clean state seen. Which checks are on stands in
.clang-tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
import together  # noqa: E402: from there

CACHE = ROOT / "build" / "tidy-cache"
TOGETHER = ROOT / "build" / "tidy-together"
FOLDERS = ("src", "preload", "tests")
LARGEST_GROUP = 24
# The included files are no headers, but only here are they included.
INCLUDED_OPTIONS = (
    "--header-filter=(src|preload|tests)/.*\\.(h|cpp)$",
    "--checks=-bugprone-suspicious-include",
)
# Hooks end in `using namespace` for all that is theirs; programs of tests have a main() each.
ALONE = ("preload/hooks", "tests/bench", "tests/fuzz", "tests/hazard", "tests/integration")


def ours(path):
    path = pathlib.Path(path)
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in FOLDERS


def headers_by_object(build):
    """What ninja learned from the compiler; an object not yet built is not in it."""
    listing = subprocess.run(
        ["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=False
    ).stdout
    result, current = {}, None
    for line in listing.splitlines():
        if line.startswith("    "):
            current.append((build / line.strip()).resolve())
        elif ": #deps" in line:
            current = result.setdefault(line.split(": #deps")[0], [])
    return result


class Fingerprints:
    """Names the state of a source file, its headers and the checks with one hash."""

    def __init__(self, build, paths):
        version = subprocess.run(
            ["clang-tidy", "--version"], capture_output=True, check=True
        ).stdout
        self.common = version + (ROOT / ".clang-tidy").read_bytes() + (b"paths" if paths else b"")
        self.headers = headers_by_object(build)
        self.all_headers = [
            h for f in FOLDERS for p in ("*.h", "*.def") for h in (ROOT / f).rglob(p)
        ]

    def stamp(self, entry):
        state = hashlib.sha256(self.common)
        state.update(entry["command"].encode())
        headers = self.headers.get(entry.get("output"), self.all_headers)
        for path in sorted({pathlib.Path(entry["file"]), *filter(ours, headers)}):
            content = path.read_bytes() if path.exists() else b""
            state.update(str(path).encode() + b"\0" + content)
        return CACHE / state.hexdigest()


def flags(entry):
    return entry["command"].split(" -o ")[0]


def is_below(folder, file):
    return pathlib.Path(file).is_relative_to(ROOT / folder)


def kind(entry):
    """Only files of one kind can be looked at together."""
    alone = any(is_below(folder, entry["file"]) for folder in ALONE)
    return entry["file"] if alone else flags(entry)


def in_groups(entries):
    # The long ones first, so that no processor waits for one at the end.
    groups = together.grouped(entries, LARGEST_GROUP, lambda entry: entry["file"], kind)
    return sorted(groups, key=len, reverse=True)


def place_for(number, entry):
    """A database with that one command: a file that several programs are made of has one for each, and
    clang-tidy would look at it as often."""
    place = TOGETHER / str(number)
    place.mkdir()
    (place / "compile_commands.json").write_text(json.dumps([entry]))
    return place


def tidy(place, file, *options):
    run = subprocess.run(
        ["clang-tidy", "--quiet", *options, "-p", place, file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    # stderr counts warnings that were suppressed; it matters only when nothing else was said.
    return run.returncode == 0, run.stdout.strip() or run.stderr.strip()


def as_one_text(entries, file):
    """Writes it; returns where each of its lines came from."""
    places = []
    with file.open("w") as whole:
        for entry in entries:
            lines = pathlib.Path(entry["file"]).read_text().splitlines()
            places += [f"{entry['file']}:{line}" for line in range(1, len(lines) + 1)]
            whole.writelines(line + "\n" for line in lines)
    return places


def tidy_together(entries, number, paths):
    file = TOGETHER / f"{number}.cpp"
    first = dict(entries[0])
    first["command"] = first["command"].replace(first["file"], str(file))
    if paths or is_below("preload", first["file"]):
        places, options = as_one_text(entries, file), ()
    else:
        places, options = (), INCLUDED_OPTIONS
        file.write_text("".join(f'#include "{entry["file"]}"\n' for entry in entries))
    first["file"] = str(file)
    clean, said = tidy(place_for(number, first), file, *options)
    if places:
        said = re.sub(rf"{re.escape(str(file))}:(\d+)", lambda found: places[int(found[1]) - 1], said)
    return clean, said


def look_at(entries, number, stamps, paths):
    """True if all are clean; says what is not."""
    if len(entries) > 1:
        clean, said = tidy_together(entries, number, paths)
        if not clean and "clang-diagnostic-error" in said:
            half = len(entries) // 2
            parts = ((entries[:half], f"{number}a"), (entries[half:], f"{number}b"))
            return all([look_at(part, name, stamps, paths) for part, name in parts])
    else:
        clean, said = tidy(place_for(number, entries[0]), entries[0]["file"])
    if clean:
        for entry in entries:
            stamps[entry["file"]].touch()
    else:
        print(said, flush=True)
    return clean


def main(build, paths):
    build = pathlib.Path(build).resolve()
    database = build / "compile_commands.json"
    if not database.exists():
        print(f"tidy.py: {database} is missing; accepted is a configured build directory")
        return 2
    entries = {}
    for entry in json.loads(database.read_text()):
        if ours(entry["file"]):
            entries.setdefault(entry["file"], entry)
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(TOGETHER, ignore_errors=True)
    TOGETHER.mkdir(parents=True)
    fingerprints = Fingerprints(build, paths)
    stamps = {file: fingerprints.stamp(entry) for file, entry in entries.items()}
    changed = [entry for file, entry in entries.items() if not stamps[file].exists()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(
            pool.map(
                lambda numbered: look_at(numbered[1], numbered[0], stamps, paths),
                enumerate(in_groups(changed)),
            )
        )
    print(f"tidy.py: {len(entries)} files, {len(changed)} of them looked at")
    return 0 if entries and all(clean) else 1


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(*[word for word in words if word != "--paths"] or ["build/debug"], "--paths" in words))
