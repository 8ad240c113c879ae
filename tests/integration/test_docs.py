"""The pages: no dead link, no command or option that does not exist, no variable that nobody reads,
no example of a record that breaks its contract, no line too long to read, and no document that is
not in the repository.
"""

import functools
import os
import re
import shlex
import subprocess

import pytest
import record_schema

ROOT = record_schema.ROOT
PAGES = [*sorted(ROOT.glob("*.md")),
         *(page for folder in ("docs", "layer", "preload", "src", "tests", "wrapper")
           for page in sorted((ROOT / folder).rglob("*.md")))]  # fmt: skip
LONGEST_LINE = 200  # characters; tables and examples may be longer
OURS = re.compile(r"^(?:\$ )?((?:layer|tests|docs)/[\w./-]+)")


def ids(path):
    return str(path.relative_to(ROOT))


def anchors(page):
    """The names that headings give, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def code_lines(page):
    """Commands: the lines of indented and fenced blocks, joined where a backslash ends one."""
    text = page.read_text().replace("\\\n", " ")
    return [line.strip() for line in re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_paths_in_backticks_exist(page):
    for path in re.findall(r"`((?:layer|docs|tests|src|preload|wrapper)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def prose_lines(page):
    """(number, line) of what people read as text: not tables, not indented or fenced blocks."""
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("|", "    ")):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_lines_are_short_enough_to_read(page):
    assert [number for number, line in prose_lines(page) if len(line) > LONGEST_LINE] == []


def test_the_first_page_is_short():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) < 150
    assert [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_only_documents_of_this_repository_are_named(page):
    """A page of this project (`name.md`, a path, "issue 7") is in the repository, or is not named."""
    text = page.read_text()
    for name in re.findall(r"(?<![\w./<>-])((?:[\w.-]+/)*[\w-]+\.md)\b", text):
        assert any((folder / name).exists() for folder in (page.parent, ROOT, ROOT / "docs")), name
    assert re.findall(r"\bissues? (?:\d+|\"|about)|\bfacts/|\bshared/|\bpromise \d", text) == []


@functools.cache
def help_of(build, command):
    words = [build / "bin" / "lamprey", *([command] if command else []), "--help"]
    return subprocess.run(words, capture_output=True, text=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_are_there(build, page):
    for line in code_lines(page):
        found = OURS.match(line)
        if found and " → " not in line:
            path = ROOT / found[1]
            assert path.exists(), f"{page.name}: {line}"
            assert os.access(path, os.X_OK) or path.is_dir() or path.suffix == ".py"
        if line.startswith("lamprey "):
            words = shlex.split(line.split("#")[0])
            command = words[1] if not words[1].startswith("-") else ""
            own = words[: words.index("--")] if "--" in words else words
            accepted = help_of(build, command)
            assert accepted.startswith(("Run", "Turn", "Show", "Compare", "Lamprey", "Print", "The")), line
            for option in (word for word in own if word.startswith("--")):
                assert re.search(rf"{re.escape(option)}\b", accepted), f"{page.name}: {line}"


@functools.cache
def variables_that_are_read():
    sources = [ROOT / "wrapper" / "lamprey", *(ROOT / "preload").rglob("*.cpp"),
               *(ROOT / "src").rglob("*.cpp")]  # fmt: skip
    return set(re.findall(r"LAMPREY(?:_[A-Z_]+)?\b", " ".join(p.read_text() for p in sources)))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_variables_are_read_by_something(page):
    for name in re.findall(r"`(LAMPREY(?:_[A-Z_]+)?)[`=]", page.read_text()):
        assert name in variables_that_are_read() | {"LAMPREY_BUILD"}, f"{page.name} names {name}"


def test_configuration_has_every_variable():
    page = (ROOT / "docs" / "configuration.md").read_text()
    source = (ROOT / "src" / "companion" / "config.cpp").read_text()
    for name in set(re.findall(r'"(LAMPREY(?:_[A-Z_]+)?)"', source)):
        assert f"`{name}`" in page, name


def test_every_finding_is_explained():
    page = (ROOT / "docs" / "findings.md").read_text()
    code = re.compile(r'"((?:children|crash|exit|fds|files|init|locks|memory|network|threads|time|timeout)\.[a-z_]+)"')
    told = {name for part in ("report", "companion") for path in (ROOT / "src" / part).rglob("*.cpp")
            for name in code.findall(path.read_text())}  # fmt: skip
    assert len(told) > 30
    assert [name for name in sorted(told) if f"`{name}`" not in page] == []


def examples():
    """The complete records that stand in the pages, one on a line."""
    for page in PAGES:
        for line in code_lines(page):
            if line.startswith('{"lamprey"') and line.endswith("}") and "…" not in line:
                yield page.name, line


def test_examples_of_records_keep_the_contract():
    found = list(examples())
    assert len(found) >= 5
    for page, line in found:
        assert list(record_schema.errors(line)) == [], page


def test_what_the_reading_page_quotes_is_in_its_example():
    """Under each example the text quotes figures: `key` 12.3; they must be the example's."""
    page = (ROOT / "docs" / "reading-a-record.md").read_text()
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    checked = 0
    for part in parts:
        record = re.search(r"^ {4}(\{\"lamprey\".*\})$", part, re.MULTILINE)
        if not record:
            continue
        flat = {
            ".".join(map(str, path)): value
            for path, value in record_schema.leaves(__import__("json").loads(record[1]))
        }
        for key, value in re.findall(r"`([\w.]+)` \*\*([^*]+)\*\*", part):
            assert str(flat.get(key)) == value, f"{key}: {flat.get(key)} is quoted as {value}"
            checked += 1
    assert checked >= 10
