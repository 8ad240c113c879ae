"""How the functions in clients/ are started: with AWS's own client of the Runtime API for Python, Node.js, Java and
Rust, with clients of our own for Ruby and .NET. What is missing is built once, into build/; what cannot be built here
skips the test and says why.
"""

import dataclasses
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import pytest
from made_once import only_here, state_of
from test_other_runtimes import awss_node_command, need

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "tests/integration/clients"
BUILD = ROOT / "build/clients"
OLDEST_RUST = (1, 84)  # of lambda_runtime 0.13
BUILD_SECONDS = 600


@dataclasses.dataclass
class Command:
    words: list
    memory: int
    env: dict = dataclasses.field(default_factory=dict)


def make(name, sources, *commands):
    """The folder that the commands fill; again only when they or the sources change."""
    folder = BUILD / name
    state = state_of([word for words in commands for word in words], sources)
    with only_here(f"client-{name}"):
        stamp = folder / "made-from"
        if stamp.exists() and stamp.read_text() == state:
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        for words in commands:
            try:
                ran = subprocess.run(list(map(str, words)), cwd=FUNCTIONS, capture_output=True, text=True,
                                     timeout=BUILD_SECONDS)  # fmt: skip
            except subprocess.TimeoutExpired:
                pytest.skip(f"{words[0]} did not end within {BUILD_SECONDS} s")
            if ran.returncode != 0:
                pytest.skip(f"{words[0]} failed: {(ran.stderr or ran.stdout).strip().splitlines()[-1:]}")
        stamp.write_text(state)
    return folder


def python(root):
    return Command([sys.executable, "-m", "awslambdaric", "troubles.handler"], 256)


def node(root):
    return Command([*awss_node_command(root), "troubles.handler"], 256, {"LAMBDA_TASK_ROOT": FUNCTIONS})


def awss_java_client(source):
    """A class of that file, behind AWS's client."""
    need("java", "javac", "mvn")
    name = source.stem
    jars = BUILD / "java-client"
    make("java-client", [FUNCTIONS / "pom.xml"],
         ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"])  # fmt: skip
    classes = BUILD / f"java-{name}"
    make(f"java-{name}", [source], ["javac", "-nowarn", "-cp", f"{jars}/*", "-d", classes, source])
    options = ["-Xmx100m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:ErrorFile=/tmp/hs_err.log"]
    client = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"
    words = ["java", *options, "-cp", f"{classes}:{jars}/*", client, f"{name}::handle"]
    return Command(words, 512, {"LAMBDA_TASK_ROOT": classes})


def java(root):
    return awss_java_client(FUNCTIONS / "Troubles.java")


def ruby(root):
    need("ruby")
    client = ROOT / "tests/integration/handlers/ruby_client.rb"
    return Command(["ruby", client], 256, {"FUNCTION": FUNCTIONS / "troubles.rb"})


def rust(root):
    need("cargo")
    found = re.search(r"(\d+)\.(\d+)", subprocess.run(["cargo", "--version"], capture_output=True, text=True).stdout)
    if tuple(map(int, found.groups())) < OLDEST_RUST:
        pytest.skip(f"cargo {found[0]} is too old for lambda_runtime")
    # A copy: cargo writes beside the manifest which versions it has chosen.
    copied = BUILD / "rust/package"
    folder = make(
        "rust",
        [FUNCTIONS / "rust/Cargo.toml", FUNCTIONS / "rust/src/main.rs"],
        ["mkdir", "-p", copied],
        ["cp", "-r", f"{FUNCTIONS}/rust/.", copied],
        ["cargo", "build", "--release", "--manifest-path", copied / "Cargo.toml", "--target-dir", BUILD / "rust"],
    )
    return Command([folder / "release/troubles"], 256)


def dotnet_program(source):
    """The words that run a program of that one file, under the .NET among the Python packages."""
    need("mcs")
    runtimes = sorted((ROOT / "build/venv-dotnet").glob("lib/python*/site-packages/dotnetcore2/bin"))
    if not runtimes:
        pytest.skip(f"no .NET for {platform.machine()} among the Python packages")
    framework = next((runtimes[0] / "shared/Microsoft.NETCore.App").iterdir())
    references = [f"-r:{path}" for path in sorted(framework.glob("System*.dll"))]
    name = source.stem
    folder = make(
        f"dotnet-{name}", [source],
        ["mcs", "-nostdlib", "-noconfig", "-sdk:none", f"-out:{BUILD}/dotnet-{name}/{name}.dll", *references,
         f"-r:{framework}/netstandard.dll", source],
    )  # fmt: skip
    shutil.copy(FUNCTIONS / "runtimeconfig.json", folder / f"{name}.runtimeconfig.json")
    program = runtimes[0] / "dotnet"
    program.chmod(0o755)
    return [program, folder / f"{name}.dll"]


def dotnet(root):
    return Command(dotnet_program(FUNCTIONS / "Troubles.cs"), 512)


COMMANDS = {"Python": python, "Node.js": node, "Java": java, "Ruby": ruby, "Rust": rust, ".NET": dotnet}
