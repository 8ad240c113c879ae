"""The check of the doors between rooms notices what it is for: each fault is planted once."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def check(tree):
    run = subprocess.run(
        ["python3", "-B", tree / "tests/arrows.py"], capture_output=True, text=True, check=False
    )
    return run.returncode, run.stdout


@pytest.fixture
def tree(tmp_path):
    for folder in ("preload", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("tests/arrows.py", "docs/architecture.md"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    assert check(tmp_path)[0] == 0
    return tmp_path


@pytest.mark.parametrize(
    "file, added, said",
    [
        ("preload/io/paths.h", '#include "preload/hooks/policies.h"', "preload/io may include"),
        ("src/report/model/order.h", '#include "cli/output/tables.h"', "report/model may include"),
        ("src/symbols/new_room/x.h", "#pragma once", "symbols/new_room is not a room"),
        (
            "preload/io/files.cpp",
            'extern "C" __attribute__((visibility("default"))) int x() { return 0; }',
            "hooks live in preload/hooks/",
        ),
        ("src/cli/output/tables.cpp", "\n" * 500, "a file has 500 at most"),
    ],
)
def test_a_planted_fault_is_named(tree, file, added, said):
    path = tree / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as source:
        source.write(added + "\n")
    status, printed = check(tree)
    assert status == 1
    assert said in printed and file.removeprefix("src/") in printed


def test_an_unused_door_and_a_stale_picture_are_named(tree):
    table = tree / "tests/arrows.py"
    table.write_text(
        table.read_text().replace('"cli/main": (', '"cli/main": ("cli/output", ')
    )
    assert "is used by nobody" in check(tree)[1]
    page = tree / "docs/architecture.md"
    page.write_text(page.read_text().replace('cli_main["cli/main"] --> ', 'cli_main["cli/main"] --- '))
    assert "are not those of the includes" in check(tree)[1]
