"""What is shipped: the two zips that layer/build makes, looked at from outside.

Whether the binaries inside do their work is tested elsewhere; here it is whether they can start
where Lambda starts them.
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import zipfile

import pytest
from custom_runtime import custom_runtime
from made_once import only_here

pytestmark = pytest.mark.slow

ARCHITECTURES = ("x86_64", "arm64")
ENTRIES = {
    "LICENSE": 0o644,
    "NOTICE": 0o644,
    "extensions/lamprey": 0o755,
    "lamprey": 0o755,
    "lib/lamprey.compatibility": 0o644,
    "lib/liblamprey.so": 0o755,
}
MACHINES = {"x86_64": "X86-64", "arm64": "AArch64"}
HOST = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
GLIBC_CEILING = (2, 26)  # Amazon Linux 2
SYSTEM_LIBRARIES = re.compile(r"^(libc|libdl|libpthread|ld-linux.*)\.so\.\d+$")
COMPANION_BYTES = 820_000  # of the 850,000 that it may have; with names of functions: ELF, demangling of C++ and Rust
# VmRSS: its own memory, what was touched of its file, and one page each of recording and journal.
COMPANION_RSS_BYTES = 2_000_000
COMPANION_DRIFT_BYTES = 128 * 1024
ZIP_BYTES = 1_000_000


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def readelf(*arguments):
    ran = run("readelf", "--wide", *map(str, arguments))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def cross_compiler(root):
    with only_here("shipped"):
        installed = run(root / "layer" / "install", "zig")
    if installed.returncode != 0:
        pytest.skip(f"the cross compiler cannot be installed: {installed.stderr.strip()}")


@pytest.fixture(scope="session")
def zips(root, cross_compiler):
    with only_here("shipped"):
        built = run(root / "layer" / "build")
    assert built.returncode == 0, built.stderr[-4000:]
    return {name: root / "dist" / f"lamprey-{name}.zip" for name in ARCHITECTURES}


@pytest.fixture(scope="session", params=ARCHITECTURES)
def layer(request, zips, tmp_path_factory):
    """A zip unpacked as Lambda does it; .architecture says for which."""

    class Unpacked:
        architecture = request.param
        zip = zips[request.param]
        path = tmp_path_factory.mktemp(request.param)
        library = path / "lib" / "liblamprey.so"
        companion = path / "extensions" / "lamprey"

    with zipfile.ZipFile(Unpacked.zip) as archive:
        for entry in archive.infolist():
            (Unpacked.path / archive.extract(entry, Unpacked.path)).chmod(
                entry.external_attr >> 16 & 0o7777
            )
    return Unpacked


def dynamic_symbols(library, defined):
    symbols = []
    for line in readelf("--dyn-syms", library).splitlines():
        words = line.split()
        if len(words) >= 8 and words[0].rstrip(":").isdigit():
            if (words[6] != "UND") == defined:
                symbols.append(words[7])
    return symbols


def test_the_zip_holds_exactly_what_belongs_there(layer):
    with zipfile.ZipFile(layer.zip) as archive:
        entries = archive.infolist()
    assert [e.filename for e in entries] == sorted(ENTRIES)
    assert {e.filename: e.external_attr >> 16 & 0o7777 for e in entries} == ENTRIES
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_the_texts_are_the_repositorys(layer, root):
    for name, source in {
        "LICENSE": root / "LICENSE",
        "NOTICE": root / "layer" / "NOTICE",
        "lamprey": root / "wrapper" / "lamprey",
        "lib/lamprey.compatibility": root / "layer" / "compatibility",
    }.items():
        assert (layer.path / name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("linked", ["Boost", "CLI11", "{fmt}", "nlohmann", "musl", "libc++", "compiler-rt"])
def test_the_notice_names_what_is_linked_in(root, linked):
    assert linked in (root / "layer" / "NOTICE").read_text()


def test_sizes(layer):
    assert layer.companion.stat().st_size <= COMPANION_BYTES
    assert layer.zip.stat().st_size <= ZIP_BYTES


def test_both_binaries_are_for_the_architecture(layer):
    for binary in (layer.library, layer.companion):
        assert MACHINES[layer.architecture] in re.search(
            r"Machine:(.*)", readelf("-h", binary)
        ).group(1)


def test_the_library_needs_no_newer_glibc(layer):
    versions = {
        tuple(map(int, version.split(".")))
        for version in re.findall(r"@GLIBC_([0-9.]+)", readelf("--dyn-syms", layer.library))
    }
    assert versions and max(versions) <= GLIBC_CEILING
    assert not re.search(r"GLIBCXX|CXXABI|GCC_", readelf("--version-info", layer.library))


def test_the_library_needs_the_c_library_only(layer):
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("--dynamic", layer.library))
    assert needed and all(SYSTEM_LIBRARIES.match(name) for name in needed), needed
    assert "RUNPATH" not in readelf("--dynamic", layer.library)
    assert "RPATH" not in readelf("--dynamic", layer.library)


def test_the_library_exports_nothing_that_could_hijack_the_host(layer):
    exported = [name.split("@")[0] for name in dynamic_symbols(layer.library, defined=True)]
    assert {"malloc", "free", "read", "connect"} <= set(exported)
    strange = [n for n in exported if n.startswith(("_Z", "_Unwind", "__gxx", "unw_", "lamprey"))]
    assert strange == []


def test_the_library_needs_no_personality_and_no_dynamic_tls(layer):
    wanted = {name.split("@")[0] for name in dynamic_symbols(layer.library, defined=False)}
    assert not wanted & {"__tls_get_addr", "__gxx_personality_v0", "__gcc_personality_v0"}
    assert "TLSDESC" not in readelf("--relocs", layer.library)


def test_the_librarys_stack_is_not_executable(layer):
    stack = re.search(r"GNU_STACK.*", readelf("-l", layer.library))
    assert stack and "RWE" not in stack.group(0)


def test_the_companion_is_static(layer):
    assert "INTERP" not in readelf("-l", layer.companion)
    assert "(NEEDED)" not in readelf("--dynamic", layer.companion)


def test_no_path_of_the_building_machine_is_inside(layer, root):
    for binary in (layer.library, layer.companion):
        content = binary.read_bytes()
        for path in (str(root), "/usr/include", str(pathlib.Path.home()) + "/"):
            assert path.encode() not in content, f"{path} in {binary.name}"


def test_atomics_on_arm64_are_instructions(layer):
    """Calls of libgcc's __aarch64_* would be the alternative; x86_64 has none to make."""
    assert not [s for s in dynamic_symbols(layer.library, False) if "__aarch64_" in s]


# Of the other architecture under qemu: test_arm64.py.
here_only = pytest.mark.parametrize("layer", [HOST], indirect=True)


@here_only
def test_the_library_loads_into_a_program_here(layer, private_tmp, workspace):
    shutil.copytree(layer.path, workspace / "opt")
    command = [workspace / "opt" / "lamprey", "/bin/sh", "-c", "exec /bin/echo attached"]
    ran = subprocess.run(private_tmp(command), capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "attached\n", "")


@here_only
def test_the_companion_stays_small_in_memory(layer, local_lambda, workspace):
    """With 200 sites, 50 hosts and full lines, which is about as much as it ever holds. It keeps what it has learned of
    the last hundred invocations, and each hundredth line has the profile of all sites: from then on it stays as it is.
    """
    shutil.copytree(layer.path, workspace / "opt")
    log = local_lambda.run(
        custom_runtime("wide"), layer=workspace / "opt", env={"LAMPREY_DETAIL": "full"},
        memory=512, invocations=230,
    )  # fmt: skip
    sizes = [r["self"]["companion_rss_bytes"] for r in log.invokes]
    assert len(sizes) == 230 and max(sizes) <= COMPANION_RSS_BYTES, max(sizes)
    assert max(sizes) <= sizes[110] + COMPANION_DRIFT_BYTES, sizes[::15]


def test_building_elsewhere_gives_the_same_bytes(zips, root, workspace):
    """Another directory and other times: the path and the clock must not matter. The folders above are
    called as folders of ours are: a filter that looks at whole paths would leave sources out."""
    elsewhere = workspace / "main" / "tests"
    for part in ("layer", "preload", "src", "wrapper", "tests/requirements.txt"):
        target = elsewhere / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (root / part).is_dir() else shutil.copy)(root / part, target)
    for name in ("CMakeLists.txt", "CMakePresets.json", "LICENSE"):
        shutil.copy(root / name, elsewhere)
    (elsewhere / "build").mkdir()
    for shared in ("zig", "zig-cache"):  # the compiler, and what it has compiled of itself
        (elsewhere / "build" / shared).symlink_to(root / "build" / shared)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    built = run(elsewhere / "layer" / "build", "x86_64", env=environment)
    assert built.returncode == 0, built.stderr[-4000:]
    assert (elsewhere / "dist" / zips["x86_64"].name).read_bytes() == zips["x86_64"].read_bytes()


def test_an_unknown_architecture_is_one_line(root):
    ran = run(root / "layer" / "build", "x86_64", "riscv64")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "layer/build: unknown architecture riscv64; accepted are x86_64, arm64\n"
    )


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["tests/run", "unit", "everything"], "unknown kind everything"),
        (["layer/install", "everything"], "unknown part everything"),
        (["layer/try", "everything"], "unexpected argument everything"),
        (["tests/lint", "everything"], "unknown check everything"),
    ],
)
def test_wrong_words_end_before_any_work(root, command, says):
    ran = run(root / command[0], *command[1:])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert says in ran.stderr and ran.stderr.count("\n") == 1
