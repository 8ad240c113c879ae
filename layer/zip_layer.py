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


def add_entry(archive, name, path, executable):
    info = zipfile.ZipInfo(name, FIXED_TIME)
    info.create_system = UNIX
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with open(path, "rb") as content:
        archive.writestr(info, content.read(), compresslevel=9)


def main(out, *entries):
    partial = out + ".partial"
    with zipfile.ZipFile(partial, "w") as archive:
        for entry in sorted(entries):
            name, path = entry.split("=", 1)
            executable = path.endswith(":x")
            add_entry(archive, name, path[:-2] if executable else path, executable)
    os.replace(partial, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
