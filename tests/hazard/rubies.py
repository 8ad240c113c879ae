"""The Rubies that this machine can have: its own, and those of other releases of its distribution, unpacked
into build/rubies with the C library that they were built for. What cannot be had is None, with the reason."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/integration"))
from made_once import only_here  # noqa: E402

MINORS = range(1, 5)
# Where a release of that distribution has it; the later ones for what it needs.
SUITES = {
    ("debian", 3): ["trixie"],
    ("debian", 4): ["experimental", "sid"],
    ("ubuntu", 2): ["noble"],
    ("ubuntu", 3): ["questing"],
}
NEEDED = ["libc6", "libgmp10", "zlib1g", "libcrypt1", "libssl3t64", "libffi8", "libyaml-0-2", "libgcc-s1"]


class Ruby:
    """`command`: what runs it; `environment`: what it needs there."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment


def minor_of(command, environment):
    ran = subprocess.run([*command, "-e", "print RUBY_VERSION"], env={**os.environ, **environment}, capture_output=True, text=True)
    parts = ran.stdout.split(".")
    return int(parts[1]) if ran.returncode == 0 and parts[0] == "3" else None


def distribution():
    with open("/etc/os-release") as file:
        words = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return words.get("ID", "").strip('"')


def mirror():
    """Where this machine gets its packages from."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)"], capture_output=True, text=True)
    for line in told.stdout.splitlines():
        uri, _, label = line.partition(" ")
        if "security" not in label.lower() and "security" not in uri:
            return uri
    return None


def unpack(minor, suites, folder):
    """The packages of that Ruby and of its C library."""
    uri = mirror()
    if uri is None:
        return "no package mirror is known"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (folder / name).mkdir(parents=True)
    keyring = next(iter(sorted(pathlib.Path("/usr/share/keyrings").glob(f"{distribution()}-archive-keyring.gpg"))), None)
    signed = f"[signed-by={keyring}] " if keyring else ""
    (folder / "sources.list").write_text("".join(f"deb {signed}{uri} {suite} main\n" for suite in suites))
    options = [f"Dir::Etc::SourceList={folder}/sources.list", "Dir::Etc::SourceParts=/dev/null",
               f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "Acquire::Languages=none"]  # fmt: skip
    apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    wanted = [f"libruby3.{minor}", f"ruby3.{minor}", *NEEDED]
    for words in (["update"], ["download", *wanted]):
        ran = subprocess.run([*apt, *words], cwd=folder / "packages", capture_output=True, text=True)
        if ran.returncode != 0:
            return f"{' '.join(suites)} does not have it: {(ran.stderr.strip().splitlines() or ['?'])[-1]}"
    for package in sorted((folder / "packages").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    for name in ("lists", "cache", "packages"):
        shutil.rmtree(folder / name)
    return None


def other_release(minor):
    """The Ruby, or why there is none."""
    suites = SUITES.get((distribution(), minor))
    if suites is None or platform.machine() != "x86_64":
        return f"no release of this distribution is known to have Ruby 3.{minor}"
    folder = ROOT / "build" / "rubies" / f"3.{minor}"
    with only_here(f"ruby-3.{minor}"):
        if not (folder / "complete").exists():
            why = unpack(minor, suites, folder)
            if why:
                return why
            (folder / "complete").touch()
    root = folder / "root/usr"
    libraries = root / "lib/x86_64-linux-gnu"
    ours = [libraries / "ruby", root / "lib/ruby"]
    return Ruby(
        [root / "lib64/ld-linux-x86-64.so.2", "--library-path", libraries, root / f"bin/ruby3.{minor}", "--disable-gems"],
        {"RUBYLIB": ":".join(str(path / f"3.{minor}.0") for path in ours)},
    )


def find(minor):
    """That Ruby, or why there is none."""
    for name in ("ruby", f"ruby3.{minor}"):
        program = shutil.which(name)
        if program and minor_of([program], {}) == minor:
            return Ruby([program, "--disable-gems"], {})
    return other_release(minor)
