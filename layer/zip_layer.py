"""Packs a layer: the same files give the same bytes, wherever and whenever.

Usage: zip_layer.py OUT NAME=FILE[:x]...    (":x" marks what Lambda must be able to execute)

Only the packing may live here: what goes in is decided by layer/build.
"""

import os
import sys
import zipfile

# The earliest time that a zip entry can express; any fixed one would do.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def pack(out, entries):
    """Entries are (name, content, executable), and are written in their order."""
    partial = f"{out}.partial"
    with zipfile.ZipFile(partial, "w") as archive:
        for name, content, executable in entries:
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.create_system = UNIX
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compresslevel=9)
    os.replace(partial, out)


def read_entry(word):
    name, path = word.split("=", 1)
    executable = path.endswith(":x")
    with open(path.removesuffix(":x"), "rb") as content:
        return name, content.read(), executable


if __name__ == "__main__":
    pack(sys.argv[1], map(read_entry, sorted(sys.argv[2:])))
