"""Build ids of what a process is made of, and whether a runtime's tables for readers are in it."""

import os
import re

WANTED = re.compile(r"/(libc[.-][^/]*|libpthread[.-][^/]*|ld-[^/]*|libpython[^/]*|python[\d.]*|node|libnode[^/]*|"
                    r"libjvm\.so|libruby[^/]*|ruby)$")  # fmt: skip
TABLES = {"node": b"v8dbg_", "libnode": b"v8dbg_", "libjvm": b"gHotSpotVMStructs", "libruby": b"ruby_current_ec",
          "python": b"_PyRuntime", "libpython": b"_PyRuntime"}  # fmt: skip
NOTE = re.compile(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", re.DOTALL)
PIECE = 1 << 20


def look(path):
    """A file's build id; for a runtime's, whether its table is there."""
    name = os.path.basename(path)
    word = next((word for start, word in TABLES.items() if name.startswith(start)), None)
    found, build_id, tail = False, None, b""
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            here = tail + piece
            note = NOTE.search(here[:65536]) if build_id is None and not tail else None
            build_id = note[1].hex() if note else build_id
            found = found or (word is not None and word in here)
            if word is None or (found and build_id):
                break
            tail = here[-32:]
    return {"build_id": build_id, **({word.decode(): found} if word else {})}


def binaries():
    """Of this process; by file name, so that no path of a function is told."""
    with open("/proc/self/maps") as maps:
        paths = {words[5].strip() for words in (line.split(None, 5) for line in maps) if len(words) == 6}
    paths.add(os.path.realpath("/proc/self/exe"))
    return {os.path.basename(path): look(path) for path in sorted(paths) if WANTED.search(path)}
