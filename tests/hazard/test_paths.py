"""Questions about paths count for the directory that they are about, however it was named."""

import collections

import pytest
from conftest import execute, program


@pytest.fixture
def packages(tmp_path):
    """Below node_modules each directory is an entry of its own in the table."""
    folder = tmp_path / "node_modules"
    for name in "abc":
        (folder / name).mkdir(parents=True)
        (folder / name / "x").write_text("")
    return folder


@pytest.mark.parametrize("how", ["disturbed", "undisturbed"])
def test_the_same_words_for_another_directory(library, tripwire_library, packages, how):
    if library == tripwire_library and how == "disturbed":
        return  # the tripwire takes a handler's call, made while a hook runs, for the hook's own
    run = execute([program("same_names"), str(packages), how], preload=library)
    assert (run.status, run.stderr) == (0, "")
    probes = collections.Counter()
    for target in run.recording["targets"]:
        probes[target["name"]] += target["probes"]
    assert probes[str(packages / "a")] == 100 + 10 + 5 * 4 + 500 + 7 + 50000
    assert probes[str(packages / "b")] == 20 + 1000 + 2000 + 5 * 800 + 500 + 3 + 50000
    assert probes[str(packages / "c")] == int(run.stdout)
    assert (probes[str(packages / "c")] > 0) == (how == "disturbed")
