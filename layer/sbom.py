"""The bill of materials of a release, as SPDX 2.3 in JSON: what was made, and what is linked into it.

Usage: sbom.py VERSION DATE FILE...    (prints the document; FILEs are what the release consists of)

Versions are read from the headers that the build was given (build/shipped/include), from zlib's source
(build/sources) and from the cross compiler's own sources (build/zig), so they are those of the binaries. What each licence asks
for stands in layer/NOTICE. The same release gives the same document.
"""

import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "build" / "shipped" / "include"
ZLIB = ROOT / "build" / "sources" / "zlib"
LICENSE = "Apache-2.0"


def compiler_sources():
    return next((ROOT / "build" / "zig").glob("lib/python3*/site-packages/ziglang/lib"))


def defined(path, *names):
    """The values of macros, joined by dots."""
    text = path.read_text()
    found = [re.search(rf'^\s*#\s*define {name}\s+"?([\w.]+)', text, re.MULTILINE) for name in names]
    if None in found:
        sys.exit(f"layer/release: {path} does not define {', '.join(names)}")
    return ".".join(match[1] for match in found)


def first_file(*paths):
    return next((path for path in paths if path.exists()), paths[0])


def boost_version():
    return defined(INCLUDE / "boost/version.hpp", "BOOST_LIB_VERSION").replace("_", ".")


def fmt_version():
    header = first_file(INCLUDE / "fmt/base.h", INCLUDE / "fmt/core.h")
    number = int(defined(header, "FMT_VERSION"))
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def json_version():
    header = first_file(INCLUDE / "nlohmann/detail/abi_macros.hpp", INCLUDE / "nlohmann/json.hpp")
    return defined(header, *(f"NLOHMANN_JSON_VERSION_{part}" for part in ("MAJOR", "MINOR", "PATCH")))


def llvm_version():
    number = int(defined(compiler_sources() / "libcxx/include/__config", "_LIBCPP_VERSION"))
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def zig_version():
    stamp = (ROOT / "build" / "zig" / "lamprey-requirements").read_text()
    return stamp.partition("==")[2].strip()


def libunwind_version():
    text = (ROOT / "build/sources/libunwind/configure.ac").read_text()
    parts = [re.search(rf"^define\(pkg_{part}, *(\w+)\)", text, re.MULTILINE) for part in ("major", "minor", "extra")]
    return ".".join(part[1] for part in parts if part)


def components():
    """(name, version, licence, copyright, home page, what it is linked into)"""
    llvm = llvm_version()
    programs = "extensions/lamprey and the command"
    mit_llvm = "Apache-2.0 WITH LLVM-exception"
    musl = defined(compiler_sources() / "libc/musl/src/internal/version.h", "VERSION")
    return [
        ("boost", boost_version(), "BSL-1.0", "NOASSERTION", "https://www.boost.org/", programs),
        ("fmt", fmt_version(), "MIT", "Copyright (c) 2012 - present, Victor Zverovich and {fmt} contributors",
         "https://fmt.dev/", programs),
        ("nlohmann-json", json_version(), "MIT", "Copyright (c) 2013-2022 Niels Lohmann",
         "https://json.nlohmann.me/", programs),
        ("cli11", defined(INCLUDE / "CLI/Version.hpp", "CLI11_VERSION"), "BSD-3-Clause",
         "Copyright (c) 2017-2021, University of Cincinnati, developed by Henry Schreiner under NSF AWARD 1414736",
         "https://cliutils.github.io/CLI11/", "the command"),
        ("zlib", defined(ZLIB / "zlib.h", "ZLIB_VERSION"), "Zlib",
         "Copyright (c) 1995-2022 Jean-loup Gailly and Mark Adler", "https://zlib.net/", "the command"),
        ("musl", musl, "MIT", "Copyright (c) 2005-2020 Rich Felker, et al.", "https://musl.libc.org/",
         programs),
        ("libcxx", llvm, mit_llvm, "NOASSERTION", "https://libcxx.llvm.org/", programs),
        ("libcxxabi", llvm, mit_llvm, "NOASSERTION", "https://libcxxabi.llvm.org/", programs),
        ("llvm-libunwind", llvm, mit_llvm, "NOASSERTION", "https://llvm.org/", programs),
        ("libunwind", libunwind_version(), "MIT", "Copyright (c) 2002-2007 Hewlett-Packard Co and contributors",
         "https://github.com/libunwind/libunwind", "lib/liblamprey.so"),
        ("zig-compiler-rt", zig_version(), "MIT", "Copyright (c) Zig contributors", "https://ziglang.org/",
         f"{programs}, lib/liblamprey.so"),
    ]  # fmt: skip


def package(name, version, licence, copyright_text, home, **more):
    return {
        "SPDXID": f"SPDXRef-Package-{name}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "homepage": home,
        "filesAnalyzed": False,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": copyright_text,
        **more,
    }


def file_of(number, path):
    content = path.read_bytes()
    return {
        "SPDXID": f"SPDXRef-File-{number}",
        "fileName": f"./{path.name}",
        "checksums": [
            {"algorithm": name.upper(), "checksumValue": hashlib.new(name, content).hexdigest()}
            for name in ("sha1", "sha256")
        ],
        "licenseConcluded": LICENSE,
        "licenseInfoInFiles": [LICENSE],
        "copyrightText": "NOASSERTION",
    }


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def document(version, date, paths):
    own = package("lamprey", version, LICENSE, "NOASSERTION", "NOASSERTION",
                  primaryPackagePurpose="APPLICATION")  # fmt: skip
    del own["homepage"]
    linked = [package(*row[:5], comment=f"linked into {row[5]}") for row in components()]
    files = [file_of(number, path) for number, path in enumerate(paths, 1)]
    digest = hashlib.sha256(json.dumps([own, linked, files]).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"lamprey-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/lamprey-{version}-{digest}",
        "creationInfo": {"created": f"{date}T00:00:00Z", "creators": ["Tool: lamprey-layer-release"]},
        "packages": [own, *linked],
        "files": files,
        "relationships": [
            relation("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"]),
            *(relation(own["SPDXID"], "STATIC_LINK", one["SPDXID"]) for one in linked),
            *(relation(one["SPDXID"], "GENERATED_FROM", own["SPDXID"]) for one in files),
        ],
    }


if __name__ == "__main__":
    made = document(sys.argv[1], sys.argv[2], [pathlib.Path(word) for word in sys.argv[3:]])
    print(json.dumps(made, indent=2, ensure_ascii=False))
