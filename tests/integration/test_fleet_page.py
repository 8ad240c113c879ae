"""The page of `lamprey report --html`, sorted and filtered. How its pictures are used: test_page_in_use.py."""

import json
import subprocess

import pytest
from browser import page_after

FUNCTIONS = {  # name → duration in ms, allocated bytes, finding
    "orders": (1200.0, 5_000, "memory.leak"),
    "<b>bill</b>": (9.5, 2_000_000, None),
    "mail": (80.25, 300_000, "network.refused"),
}
COLUMN = """
const column = (table, n) => [...table.rows].slice(1).filter(r => !r.hidden).map(r => r.cells[n].textContent);
const overview = document.querySelector("#overview table");
const header = name => [...overview.rows[0].cells].find(cell => cell.textContent === name);
const click = name => header(name).querySelector("button").click();
"""


def record(name, number):
    took, allocated, code = FUNCTIONS[name]
    findings = [{"code": code, "severity": "warning", "text": f"{code}!", "advice": "Do.", "evidence": {"n": 1}}]
    return {
        "lamprey": "1", "type": "invoke", "status": "ok", "function_name": name, "invocation": number,
        "started": f"2026-11-21T10:00:{number:02}.000Z", "duration_ms": took, "cold_start": number == 1,
        "memory": {"allocations": 1, "allocated_bytes": allocated, "limit_bytes": 134217728},
        "findings": findings if code else [],
    }  # fmt: skip


@pytest.fixture
def page(build, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(json.dumps(record(name, n)) + "\n" for name in FUNCTIONS for n in range(1, 9)))
    made = subprocess.run([build / "bin/lamprey", "report", lines, "--html", tmp_path / "p.html"], capture_output=True)
    assert (made.returncode, made.stderr) == (0, b"")
    return tmp_path / "p.html"


def test_columns_are_sorted_by_what_they_count(page, tmp_path):
    names, sorts, by_time, again, by_name = page_after(page, COLUMN + """
const log = [[...overview.rows[0].cells].map(cell => cell.textContent)];
const time = log[0].find(name => name.startsWith("p50"));
click(time); log.push(header(time).getAttribute("aria-sort")); log.push(column(overview, 0));
click(time); log.push(column(overview, 0));
click(log[0][0]); log.push(column(overview, 0));
""", tmp_path)  # fmt: skip
    assert any(name.startswith("p50") for name in names) and sorts == "descending"
    assert by_time == ["orders", "mail", "<b>bill</b>"], "1.20 s before 80.2 ms before 9.50 ms"
    assert again == by_time[::-1]
    assert by_name == ["<b>bill</b>", "mail", "orders"]


def test_a_word_leaves_the_functions_that_have_it(page, tmp_path):
    focused, shown, said, parts, after = page_after(page, COLUMN + """
const parts = () => [...document.querySelectorAll("section")].filter(part => !part.hidden).length;
press("/");
const log = [document.activeElement.id];
document.activeElement.value = "REFUSED";
document.activeElement.dispatchEvent(new Event("input"));
log.push(column(overview, 0), document.getElementById("shown").textContent, parts());
press("Escape");
log.push([column(overview, 0).length, parts(), document.getElementById("shown").textContent]);
""", tmp_path)  # fmt: skip
    assert (focused, shown, said, parts) == ("filter", ["mail"], "1 of 3 functions", 1)
    assert after == [3, 3, ""]
