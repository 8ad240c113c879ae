"""The zips of the functions: sources as they are, Java, C and C# compiled. What cannot be made here says why."""

import functools
import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FUNCTIONS = HERE / "functions"
CLIENT = ROOT / "tests" / "integration" / "handlers" / "client.c"
TARGETS = {"x86_64": "x86_64-linux-gnu.2.26", "arm64": "aarch64-linux-gnu.2.26"}
ASSEMBLY = "VerifyFunction"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class CannotBeMade(Exception):
    """With the reason, for the table."""


def zip_of(entries):
    """Of (name, content, executable)."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, executable in entries:
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.create_system = 3  # Unix: Lambda needs its modes
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return whole.getvalue()


def _run(words, what):
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if ran.returncode != 0:
        lines = (ran.stderr.strip() or f"{words[0]} ended with {ran.returncode}").splitlines()
        raise CannotBeMade(f"{what}: {lines[-1][:200]}")


@functools.cache
def compiled_java():
    """(name, content) of the classes, for Java 8 and newer."""
    if shutil.which("javac") is None:
        raise CannotBeMade("there is no javac here to compile its function")
    with tempfile.TemporaryDirectory() as folder:
        source = FUNCTIONS / "java" / "VerifyFunction.java"
        _run(["javac", "--release", "8", "-nowarn", "-Xlint:-options", "-d", folder, source], "javac failed")
        return [(path.name, path.read_bytes()) for path in sorted(pathlib.Path(folder).glob("*.class"))]


@functools.cache
def compiled_dotnet():
    """The assembly: one for any .NET, since it names only assemblies that each of them forwards."""
    if shutil.which("mcs") is None:
        raise CannotBeMade("there is no mcs here to compile its function (mono-mcs)")
    with tempfile.TemporaryDirectory() as folder:
        assembly = pathlib.Path(folder) / f"{ASSEMBLY}.dll"
        _run(["mcs", "-target:library", f"-out:{assembly}", FUNCTIONS / "dotnet" / f"{ASSEMBLY}.cs"], "mcs failed")
        return assembly.read_bytes()


def dotnet_entries(runtime):
    """(name, content, executable). Lambda's bootstrap wants both files, and takes the framework from the first."""
    version = f"{runtime.removeprefix('dotnet')}.0"
    target, library = f".NETCoreApp,Version=v{version}", f"{ASSEMBLY}/1.0.0"
    config = {"runtimeOptions": {"tfm": f"net{version}", "framework": {"name": "Microsoft.NETCore.App",
                                                                       "version": f"{version}.0"}}}  # fmt: skip
    dependencies = {
        "runtimeTarget": {"name": target},
        "targets": {target: {library: {"runtime": {f"{ASSEMBLY}.dll": {}}}}},
        "libraries": {library: {"type": "project", "serviceable": False, "sha512": ""}},
    }
    return [
        (f"{ASSEMBLY}.dll", compiled_dotnet(), False),
        (f"{ASSEMBLY}.runtimeconfig.json", json.dumps(config).encode(), False),
        (f"{ASSEMBLY}.deps.json", json.dumps(dependencies).encode(), False),
    ]


@functools.cache
def compiled_c(architecture):
    """The bootstrap for provided.*, for glibc 2.26 and newer."""
    if not (ROOT / "build" / "zig" / "bin" / "python").exists():
        raise CannotBeMade("there is no cross compiler here (layer/install zig)")
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "bootstrap"
        compile_c([ROOT / "layer" / "toolchain" / "cc", "-target", TARGETS[architecture]], program)
        return program.read_bytes()


def compile_c(compiler, program):
    """With any compiler's words."""
    _run([*compiler, "-O1", "-o", program, CLIENT, FUNCTIONS / "c" / "scenarios.c"], "the C bootstrap does not build")


def _source(*parts):
    path = FUNCTIONS.joinpath(*parts)
    return (path.name, path.read_bytes(), False)


def package(function):
    """The bytes of a function's zip."""
    if function.kind == "probe":
        return zip_of([_source("probe", name) for name in ("probe.py", "asking.py", "elf.py", "timing.py")])
    if function.language == "python":
        return zip_of([_source("python", "verify_function.py")])
    if function.language == "node":
        return zip_of([_source("node", "index.js")])
    if function.language == "ruby":
        return zip_of([_source("ruby", "verify_function.rb")])
    if function.language == "java":
        return zip_of([(name, content, False) for name, content in compiled_java()])
    if function.language == "c":
        return zip_of([("bootstrap", compiled_c(function.architecture), True)])
    if function.language == "dotnet":
        return zip_of(dotnet_entries(function.runtime))
    raise CannotBeMade(f"nothing is known of {function.language}")


def probe_layer():
    """The probe's own extension, which Lambda starts with the image's Python."""
    extension = FUNCTIONS / "probe" / "extension"
    entries = [("extensions/lamprey-probe", (extension / "lamprey-probe").read_bytes(), True)]
    entries += [("probe/lamprey_probe.py", (extension / "lamprey_probe.py").read_bytes(), False)]
    entries += [(f"probe/{name}", _source("probe", name)[1], False) for name in ("asking.py", "elf.py")]
    return zip_of(entries)


def layer_zip(dist, architecture):
    path = pathlib.Path(dist) / f"lamprey-{architecture}.zip"
    if not path.exists():
        raise CannotBeMade(f"{os.path.relpath(path)} is not there: run layer/build {architecture} first")
    return path.read_bytes()
