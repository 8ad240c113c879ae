"""docs/coverage.md is what the tables say, and no row is without a function."""

import re
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from coverage_page import page  # noqa: E402


def test_the_page_is_current():
    assert (ROOT / "docs/coverage.md").read_text() == page(), "tests/coverage_page.py > docs/coverage.md"


def test_every_row_has_a_function():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", page(), re.M)
    assert len(rows) > 100
    assert [name for name, _, functions in rows if not functions] == ["futex"]  # by syscall() only
