"""What layer/release makes, as its users take it: sums checked, the wheel installed and used, the programs
started where nothing else is. What is inside the zips is looked at in test_layer.py.

Compiling the command takes minutes for each architecture, so the default run has this machine's only;
what needs the other one is `long`.
"""

import base64
import csv
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest
import record_schema
from made_once import only_here
from test_layer import (  # noqa: F401: one is a fixture
    ARCHITECTURES,
    HOST,
    MACHINES,
    cross_compiler,
    readelf,
    run,
)

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.search(r"project\(lamprey VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
HANDLERS = ROOT / "tests" / "integration" / "handlers"
PLATFORMS = {  # machines: with the oldest C library that will do, with a new one, with the other one
    "x86_64": ("manylinux_2_26_x86_64", "manylinux_2_39_x86_64", "musllinux_1_2_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "musllinux_1_2_aarch64"),
}
BOTH = [pytest.param(name, marks=[] if name == HOST else [pytest.mark.long]) for name in ARCHITECTURES]
MUSL_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  for (int i = 0; i < 1000; ++i) free(malloc(100));
  puts("musl");
  return 7;
}
"""


@pytest.fixture(scope="session")
def made_for(request):
    """The architectures that the chosen tests ask for; of a release made elsewhere, all."""
    chosen = any(item.get_closest_marker("long") for item in request.session.items)
    return ARCHITECTURES if chosen or "LAMPREY_DIST" in os.environ else (HOST,)


@pytest.fixture(scope="session")
def dist(root, request, made_for):
    """The release; one that is there already may be named, for instance one that was downloaded."""
    if "LAMPREY_DIST" in os.environ:
        return pathlib.Path(os.environ["LAMPREY_DIST"]).resolve()
    request.getfixturevalue("cross_compiler")
    with only_here("shipped"):
        made = run(root / "layer" / "release", *made_for)
    assert made.returncode == 0, made.stderr[-4000:]
    return root / "dist"


def wheel_of(dist, architecture):
    (found,) = dist.glob(f"lamprey-{VERSION}-py3-none-*_{PLATFORMS[architecture][0][-6:]}.whl")
    return found


@pytest.fixture(scope="session")
def installed(dist, root):
    """The wheel of this machine's architecture in a virtual environment of its own, outside /tmp."""
    folder = root / "build" / "test-wheel"
    with only_here("test-wheel"):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        words = ["-m", "pip", "install", "--no-index", "--no-deps", wheel_of(dist, HOST)]
        done = run(folder / "bin" / "python", *words)
        assert done.returncode == 0, done.stderr
    return folder


def records(text):
    return [record_schema.check(line) for line in text.splitlines() if line.startswith('{"lamprey"')]


# ---- what is there --------------------------------------------------------------------------------


def test_the_sums_are_of_all_and_hold(dist, made_for):
    listed = [line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()]
    expected = ["LICENSE", "NOTICE", f"lamprey-{VERSION}.spdx.json", f"lamprey-{VERSION}-notes.md"]
    for architecture in made_for:
        expected += [f"lamprey-{architecture}.zip", f"lamprey-{architecture}"]
        expected.append(wheel_of(dist, architecture).name)
    assert sorted(listed) == sorted(expected)
    assert run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=dist).returncode == 0


def test_the_notes_are_the_changelogs(dist, root):
    notes = (dist / f"lamprey-{VERSION}-notes.md").read_text()
    assert f"## [{VERSION}]" not in notes and notes.strip() in (root / "CHANGELOG.md").read_text()


def test_a_version_without_notes_is_one_line(root, workspace):
    for name in ("layer", "CHANGELOG.md"):
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, workspace / name)
    (workspace / "CMakeLists.txt").write_text("project(lamprey VERSION 9.8.7 LANGUAGES C CXX)\n")
    made = run(workspace / "layer" / "release")
    assert (made.returncode, made.stdout, made.stderr.count("\n")) == (1, "", 1)
    assert "CHANGELOG.md has no heading for version 9.8.7" in made.stderr
    assert not (workspace / "build").exists()


def test_usage(root):
    shown = run(root / "layer" / "release", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "layer/release [x86_64] [arm64]" in shown.stdout and "set -" not in shown.stdout


def test_the_bill_of_materials(dist):
    bill = json.loads((dist / f"lamprey-{VERSION}.spdx.json").read_text())
    assert (bill["spdxVersion"], bill["name"]) == ("SPDX-2.3", f"lamprey-{VERSION}")
    for one in bill["files"]:
        content = (dist / one["fileName"]).read_bytes()
        for sum_ in one["checksums"]:
            assert hashlib.new(sum_["algorithm"].lower(), content).hexdigest() == sum_["checksumValue"]
    packages = {one["name"]: one for one in bill["packages"]}
    assert packages["lamprey"]["versionInfo"] == VERSION
    licences = {name: one["licenseConcluded"] for name, one in packages.items()}
    expected = {"lamprey": "Apache-2.0", "boost": "BSL-1.0", "fmt": "MIT", "nlohmann-json": "MIT",
                "cli11": "BSD-3-Clause", "zlib": "Zlib", "musl": "MIT", "libunwind": "MIT",
                "libcxx": "Apache-2.0 WITH LLVM-exception"}  # fmt: skip
    assert expected.items() <= licences.items()
    assert all(re.match(r"\d+\.\d+", one["versionInfo"]) for one in packages.values())
    identifiers = {one["SPDXID"] for one in [bill, *bill["packages"], *bill["files"]]}
    for relation in bill["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= identifiers


@pytest.mark.parametrize("architecture", BOTH)
def test_the_command_is_one_static_program(dist, architecture, root):
    command = dist / f"lamprey-{architecture}"
    assert MACHINES[architecture] in readelf("-h", command)
    assert "INTERP" not in readelf("-l", command) and "(NEEDED)" not in readelf("--dynamic", command)
    for path in (str(root), "/usr/include"):
        assert path.encode() not in command.read_bytes()


@pytest.mark.parametrize("architecture", BOTH)
def test_a_wheel_holds_command_and_layer(dist, architecture):
    with zipfile.ZipFile(wheel_of(dist, architecture)) as wheel:
        content = {info.filename: wheel.read(info) for info in wheel.infolist()}
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in wheel.infolist()}
    data, info = f"lamprey-{VERSION}.data", f"lamprey-{VERSION}.dist-info"
    assert content[f"{data}/scripts/lamprey"] == (dist / f"lamprey-{architecture}").read_bytes()
    with zipfile.ZipFile(dist / f"lamprey-{architecture}.zip") as layer:
        for entry in layer.infolist():
            name = f"{data}/data/share/lamprey/{entry.filename}"
            assert content[name] == layer.read(entry)
            assert modes[name] == entry.external_attr >> 16 & 0o777
    rows = {row[0]: row[1:] for row in csv.reader(content[f"{info}/RECORD"].decode().splitlines())}
    assert rows.keys() == content.keys() and rows.pop(f"{info}/RECORD") == ["", ""]
    for name, (digest, size) in rows.items():
        sha256 = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest()).rstrip(b"=")
        assert (digest, size) == (f"sha256={sha256.decode()}", str(len(content[name])))


def accepted_by(platform):
    """A machine takes the wheels of its own C library's version and of all before (PEP 600, PEP 656), but
    `--platform` takes none but the one that it names."""
    family, minor, machine = re.fullmatch(r"(\w+_\d+)_(\d+)_(x86_64|aarch64)", platform).groups()
    return [word for n in range(int(minor), -1, -1) for word in ("--platform", f"{family}_{n}_{machine}")]


@pytest.mark.parametrize(
    ("architecture", "platform"),
    [pytest.param(*one.values, p, marks=one.marks) for one in BOTH for p in PLATFORMS[one.values[0]]],
)
def test_pip_takes_the_wheel_on_glibc_and_musl(dist, workspace, architecture, platform):
    words = ["-m", "pip", "download", "--no-index", "--no-deps", "--find-links", dist, "--dest", workspace,
             "--only-binary", ":all:", *accepted_by(platform), f"lamprey=={VERSION}"]  # fmt: skip
    assert run(sys.executable, *words).returncode == 0
    assert [p.name for p in workspace.iterdir()] == [wheel_of(dist, architecture).name]


# ---- installed ------------------------------------------------------------------------------------


def test_the_installed_command_says_its_version(installed):
    assert run(installed / "bin" / "lamprey", "--version").stdout == f"lamprey {VERSION}\n"


def test_the_installed_command_runs_a_program(installed, private_tmp, workspace):
    link = workspace / "lamprey"  # as pipx puts one on PATH
    link.symlink_to(installed / "bin" / "lamprey")
    calls_much = "import os\nfor _ in range(100_000): os.stat('/')\nprint('hello')"  # else no call is worth a word
    words = [link, "run", "--out", workspace / "out", "--", "python3", "-c", calls_much]
    ran = run(*private_tmp(words), timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "hello\n") and "most time in stat" in ran.stderr
    (record,) = records((workspace / "out").read_text())
    assert record["type"] == "run" and record["memory"]["allocations"] > 1000
    assert record["self"]["version"] == VERSION


def test_the_installed_command_runs_a_function(installed, private_tmp):
    words = [installed / "bin" / "lamprey", "local", "--event", '{"n":1}', "--invocations", "2", "--",
             sys.executable, "-m", "awslambdaric", "plain.handler"]  # fmt: skip
    ran = run(*private_tmp(words), cwd=HANDLERS, timeout=60)
    assert ran.returncode == 0, ran.stderr
    told = records(ran.stdout)
    assert [one["type"] for one in told] == ["init", "invoke", "invoke", "shutdown"], ran.stdout
    assert all(one["memory"]["allocations"] > 0 for one in told[1:3])
    assert told[1]["coverage"]["mode"] == "api"


def test_uninstalling_leaves_nothing(dist, workspace):
    """In a virtual environment of its own: pip takes nothing away that is outside of the one it runs in."""
    target = workspace / "target"
    venv.create(target, with_pip=True)
    python = target / "bin" / "python"
    words = [python, "-B", "-m", "pip", "--disable-pip-version-check"]

    def files():
        return {path for path in target.rglob("*") if not path.is_dir() and "__pycache__" not in path.parts}

    before = files()
    done = run(*words, "install", "--no-index", "--no-deps", wheel_of(dist, HOST))
    assert done.returncode == 0 and (target / "share/lamprey/lib/liblamprey.so").exists(), done.stderr
    assert os.access(target / "share/lamprey/lamprey", os.X_OK)
    done = run(*words, "uninstall", "--yes", "lamprey")
    assert done.returncode == 0, done.stderr
    assert files() == before


# ---- by itself ------------------------------------------------------------------------------------


def test_the_command_alone_says_that_it_has_no_layer(dist, private_tmp, workspace):
    (workspace / "bin").mkdir()
    command = shutil.copy(dist / f"lamprey-{HOST}", workspace / "bin" / "lamprey")
    ran = run(*private_tmp([command, "run", "--", "echo", "hello"]))
    assert (ran.returncode, ran.stdout) == (0, "hello\n")
    assert ran.stderr.count("\n") == 1 and f"no layer in {workspace}/share/lamprey" in ran.stderr
    words = [command, "local", "--", sys.executable, "-m", "awslambdaric", "plain.handler"]
    ran = run(*private_tmp(words), cwd=HANDLERS, timeout=60)
    assert ran.returncode == 0 and "REPORT RequestId" in ran.stdout and records(ran.stdout) == []
    assert f"no layer in {workspace}/share/lamprey" in ran.stderr


@pytest.mark.long
def test_the_command_for_arm64_reports_as_that_of_this_machine(dist, build, private_tmp, workspace):
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.skip("no qemu-aarch64 here (Debian: qemu-user)")
    arm64 = [qemu, dist / "lamprey-arm64"]
    assert run(*arm64, "--version").stdout == f"lamprey {VERSION}\n"
    out = workspace / "out"
    ran = run(*private_tmp([build / "bin" / "lamprey", "run", "--quiet", "--out", out, "--", "ls", "/"]))
    assert ran.returncode == 0 and len(records(out.read_text())) == 1
    shown = run(*arm64, "report", out)
    assert shown.returncode == 0 and shown.stdout == run(dist / f"lamprey-{HOST}", "report", out).stdout
    assert shown.stdout == run(build / "bin" / "lamprey", "report", out).stdout != ""


@pytest.fixture
def musl_root(dist, workspace):
    """A root directory with musl, the wheel's files in /usr, one program, and nothing of glibc."""
    loader = pathlib.Path(f"/lib/ld-musl-{os.uname().machine}.so.1")
    if shutil.which("musl-gcc") is None or not loader.exists():
        pytest.skip("no musl here (Debian: musl-tools)")
    root = workspace / "root"
    for name in ("lib", "proc", "tmp", "usr/bin"):
        (root / name).mkdir(parents=True)
    shutil.copy(loader.resolve(), root / "lib" / loader.name)
    with zipfile.ZipFile(wheel_of(dist, HOST)) as wheel:
        for info in wheel.infolist():
            place = info.filename.partition(".data/")[2]
            for scheme, folder in (("scripts/", "usr/bin/"), ("data/", "usr/")):
                if place.startswith(scheme):
                    target = root / folder / place.removeprefix(scheme)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(wheel.read(info))
                    target.chmod(info.external_attr >> 16 & 0o777)
    (workspace / "program.c").write_text(MUSL_PROGRAM)
    words = ["musl-gcc", "-O1", "-fno-builtin", workspace / "program.c", "-o", root / "usr/bin/program"]
    assert run(*words).returncode == 0
    return root


def test_the_wheels_files_work_where_there_is_musl_only(musl_root):
    mount = 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"'
    words = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", mount]
    if run(*words, musl_root, "/usr/bin/lamprey", "--help").returncode != 0:
        pytest.skip("no mount namespace or no chroot is allowed here")
    said = run(*words, musl_root, "/usr/bin/lamprey", "--version")
    assert (said.returncode, said.stdout) == (0, f"lamprey {VERSION}\n")
    ran = run(*words, musl_root, "/usr/bin/lamprey", "run", "--out", "/out", "--", "/usr/bin/program")
    assert (ran.returncode, ran.stdout) == (7, "musl\n"), ran.stderr
    (record,) = records((musl_root / "out").read_text())
    assert record["memory"]["allocations"] >= 1000


# ---- made again -----------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.skipif("LAMPREY_DIST" in os.environ, reason="LAMPREY_DIST was made elsewhere")
def test_what_is_compiled_already_is_packed_to_the_same_bytes(dist, root):
    before = (dist / "SHA256SUMS").read_text()
    with only_here("shipped"):
        made = run(root / "layer" / "release", env={**os.environ, "TZ": "Asia/Tokyo"})
    assert made.returncode == 0, made.stderr
    assert (dist / "SHA256SUMS").read_text() == before


@pytest.mark.long
def test_a_release_made_elsewhere_has_the_same_bytes(dist, root, workspace):
    """Another directory, another time: both architectures, every file."""
    elsewhere = workspace / "elsewhere"
    tracked = run("git", "ls-files", cwd=root).stdout.splitlines()
    for name in tracked:
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, elsewhere / name)
    (elsewhere / "build").mkdir()
    for shared in ("zig", "zig-cache"):  # the compiler, and what it has compiled of itself
        (elsewhere / "build" / shared).symlink_to(root / "build" / shared)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    made = subprocess.run([elsewhere / "layer/release"], capture_output=True, text=True, env=environment)
    assert made.returncode == 0, made.stderr[-4000:]
    assert (elsewhere / "dist/SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()
