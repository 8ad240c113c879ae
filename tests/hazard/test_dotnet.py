""".NET under the library: what it does with signals, stacks and memory comes out the same, whichever collector it
has, with every malloc walked, and where CPU samples are asked for, which end as soon as .NET is there."""

import platform
import shutil
import subprocess

import pytest
from conftest import DEBUG, HERE, ROOT, SHIPPED, execute, library_of

DOTNET = 5  # CpuState::kDotNet
COLLECTORS = {
    "workstation": {},
    "server": {"COMPlus_gcServer": "1", "COMPlus_GCHeapCount": "2"},
    "not in the background": {"COMPlus_gcConcurrent": "0"},
}
WAYS = {
    "as it is": {},
    "every malloc": {"LAMPREY_SAMPLE_BYTES": "1"},
    "97 a second": {"LAMPREY_CPU": "97"},
    "1000 a second": {"LAMPREY_CPU": "1000"},
    "all": {"LAMPREY_SAMPLE_BYTES": "1", "LAMPREY_CPU": "1000"},
}
# The runtime has versions of code that it improves later; so one run compiles at once, too.
TIERS = {"all": {"COMPlus_TieredCompilation": "0"}}


@pytest.fixture(scope="module")
def stress(tmp_path_factory):
    """The words that run it."""
    runtimes = sorted((ROOT / "build/venv-dotnet").glob("lib/python*/site-packages/dotnetcore2/bin/dotnet"))
    if not runtimes or shutil.which("mcs") is None:
        pytest.skip(f"no .NET for {platform.machine()} among the Python packages, or no mcs")
    folder = tmp_path_factory.mktemp("dotnet")
    subprocess.run(["mcs", f"-out:{folder}/Stress.dll", HERE / "dotnet/Stress.cs"], check=True)
    shutil.copy(ROOT / "tests/integration/clients/runtimeconfig.json", folder / "Stress.runtimeconfig.json")
    runtimes[0].chmod(0o755)
    return [runtimes[0], folder / "Stress.dll"]


def words_for(build):
    """In the tripwire's build a handler of the program that writes within our code would be taken for ours."""
    return ["20", "without-children"] if build == "tripwire" else ["20"]


@pytest.fixture(scope="module")
def plain(stress):
    """What it prints without us, by build."""
    runs = {build: execute([*stress, *words_for(build)]) for build in ("tripwire", "shipped")}
    for run, lines in zip(runs.values(), (13, 15)):
        assert run.status == 0 and len(run.stdout.splitlines()) == lines, run.stderr
    return runs


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("build", ["tripwire", "shipped"])
def test_it_counts_the_same(build, stress, plain, collector, way):
    env = {**COLLECTORS[collector], **WAYS[way], **TIERS.get(way, {})}
    library = library_of({"tripwire": DEBUG, "shipped": SHIPPED}[build])
    run = execute([*stress, *words_for(build)], preload=library, env=env)
    assert run.outcome() == plain[build].outcome()
    recording = run.recording
    assert recording["memory"]["allocations"] > 1000
    if "LAMPREY_CPU" in env:
        assert recording["cpu"]["state"] == DOTNET
