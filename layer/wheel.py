"""Makes a wheel of the command and the layer of one architecture: the same files give the same bytes.

Usage: wheel.py VERSION ARCHITECTURE COMMAND LAYER_ZIP OUT_DIRECTORY    (prints the wheel's path)

There is no Python in it. Installed into PREFIX (a virtual environment, ~/.local, ...), it gives
PREFIX/bin/lamprey and the layer, unpacked, in PREFIX/share/lamprey, where the command looks for it
(src/cli/commands/own_layer.h). What is in the layer is decided by layer/build.
"""

import base64
import hashlib
import pathlib
import sys
import zipfile

from zip_layer import pack

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The library asks for glibc 2.26; the programs are static. musl's loader takes the library too.
PLATFORMS = {
    "x86_64": ("manylinux_2_26_x86_64", "musllinux_1_1_x86_64"),
    "arm64": ("manylinux_2_26_aarch64", "musllinux_1_1_aarch64"),
}
METADATA = """\
Metadata-Version: 2.1
Name: lamprey
Version: {version}
Summary: A flight recorder for AWS Lambda functions: the command, and the layer that it runs things under
License: Apache-2.0
License-File: LICENSE
License-File: NOTICE
Classifier: Environment :: Console
Classifier: License :: OSI Approved :: Apache Software License
Classifier: Operating System :: POSIX :: Linux
Classifier: Topic :: Software Development :: Debuggers
"""
WHEEL = """\
Wheel-Version: 1.0
Generator: lamprey ({version})
Root-Is-Purelib: false
"""


def layer_entries(layer_zip, folder):
    with zipfile.ZipFile(layer_zip) as archive:
        for info in archive.infolist():
            executable = bool(info.external_attr >> 16 & 0o111)
            yield f"{folder}/{info.filename}", archive.read(info), executable


def record(entries, name):
    """The list of all files with their digests; of itself it has the name only."""
    rows = []
    for path, content, _ in entries:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join(rows) + f"{name},,\n"


def main(version, architecture, command, layer_zip, out):
    platforms = PLATFORMS[architecture]
    data, info = f"lamprey-{version}.data", f"lamprey-{version}.dist-info"
    tags = "".join(f"Tag: py3-none-{platform}\n" for platform in platforms)
    entries = [
        (f"{data}/scripts/lamprey", pathlib.Path(command).read_bytes(), True),
        *layer_entries(layer_zip, f"{data}/data/share/lamprey"),
        (f"{info}/LICENSE", (ROOT / "LICENSE").read_bytes(), False),
        (f"{info}/NOTICE", (ROOT / "layer" / "NOTICE").read_bytes(), False),
        (f"{info}/METADATA", METADATA.format(version=version).encode(), False),
        (f"{info}/WHEEL", (WHEEL.format(version=version) + tags).encode(), False),
    ]
    own = f"{info}/RECORD"
    entries.append((own, record(entries, own).encode(), False))
    wheel = pathlib.Path(out) / f"lamprey-{version}-py3-none-{'.'.join(platforms)}.whl"
    pack(wheel, entries)
    print(wheel)


if __name__ == "__main__":
    main(*sys.argv[1:])
