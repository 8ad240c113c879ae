"""`lamprey report --cpu` and `lamprey diff --flame` on hand-made lines, opened by real readers."""

import json
import re
import shutil
import subprocess

import pytest
from browser import page_after

CLIENT = "handle_event_request (/var/runtime/bootstrap.py:149)"
STACKS = {
    "parse": f"scan (_json.so +0x1a); parse_orders (/var/task/app.py:88); handler (/var/task/app.py:12); {CLIENT}",
    "price": f"price (/var/task/prices.py:7); handler (/var/task/app.py:15); {CLIENT}",
    "save": f"save (/var/task/app.py:40); handler (/var/task/app.py:18); {CLIENT}",
}


def record(number, cpu_ms, total_ms, function="orders"):
    sites = [{"cpu_ms": ms, "stack": STACKS[name]} for name, ms in cpu_ms.items()]
    return {
        "lamprey": "1", "type": "invoke", "status": "ok", "function_name": function, "invocation": number,
        "started": f"2026-11-21T10:00:{number % 60:02}.000Z", "duration_ms": 80.5, "cold_start": number == 1,
        "cpu": {"hz": 100, "samples": round(total_ms / 10), "total_ms": total_ms, "sites": sites},
    }  # fmt: skip


@pytest.fixture
def lamprey(build, tmp_path):
    """Runs the command beside files of the given lines."""

    def run(*words, **files):
        for name, lines in files.items():
            (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return subprocess.run(
            [build / "bin/lamprey", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return run


def ten():
    return [record(n, {"parse": 40.0, "price": 20.0}, 70.0) for n in range(1, 11)]


@pytest.mark.spread
def test_a_flame_graph_of_cpu_time(lamprey, tmp_path):
    ran = lamprey("report", "lines", "--cpu", "--flame", "flame.html", lines=ten())
    assert (ran.returncode, ran.stderr) == (0, "")
    page = tmp_path / "flame.html"
    assert not re.search(r"https?:|src=|@import|url\(", page.read_text())
    assert page_after(page, """
const log = [document.title, element("says").textContent];
log.push(tree.list.map(node => [node.name, node.value, node.calls]));
press("ArrowDown", "ArrowDown", "ArrowDown");
log.push([chosen.name, element("tip").textContent]);
press("3");
log.push(element("says").textContent);
""", tmp_path) == [
        "Lamprey: CPU time by function",
        "700 ms of CPU",
        [["handle_event_request (/var/runtime/bootstrap.py)", 600e6, 60], ["(not in the top sites)", 100e6, 10]],
        [
            "parse_orders (/var/task/app.py)",
            "parse_orders (/var/task/app.py)400 ms of CPU: 57.1 % of all, 66.7 % of its caller's; 40 samples",
        ],
        'Nothing in the view "Init" of these records.',
    ]  # fmt: skip


@pytest.mark.spread
def test_cpu_time_for_speedscope_and_pprof(lamprey, tmp_path):
    ran = lamprey("report", "lines", "--cpu", "--speedscope", "s.json", "--pprof", "p.gz", lines=ten())
    assert (ran.returncode, ran.stderr) == (0, "")
    profile = json.loads((tmp_path / "s.json").read_text())["profiles"][0]
    assert (profile["unit"], profile["endValue"]) == ("microseconds", 700_000)
    assert sorted(profile["weights"]) == [100_000, 200_000, 400_000]
    if shutil.which("go") is None:
        pytest.skip("no go here, so no `go tool pprof`")
    for index, flat in {"cpu": "400ms", "samples": "40"}.items():
        shown = subprocess.run(
            ["go", "tool", "pprof", "-top", f"-sample_index={index}", tmp_path / "p.gz"],
            capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert re.search(rf"^\s*{flat}\s.*\sscan$", shown.stdout, re.M), shown.stdout


@pytest.mark.spread
def test_without_cpu_they_stay_of_memory(lamprey, tmp_path):
    lines = ten()
    for line in lines:
        site = {"live_bytes": 5, "allocated_bytes": 7, "allocations": 1, "stack": STACKS["save"]}
        line["memory"] = {"live_bytes": 5, "allocated_bytes": 7, "sites": [site]}
    ran = lamprey("report", "lines", "--speedscope", "s.json", lines=lines)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {p["unit"] for p in json.loads((tmp_path / "s.json").read_text())["profiles"]} == {"bytes"}


@pytest.mark.spread
@pytest.mark.parametrize("words", [[], ["--html", "page.html"]])
def test_cpu_without_a_picture_is_wrong_use(lamprey, words):
    ran = lamprey("report", "lines", "--cpu", *words, lines=ten())
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1 and "--cpu" in ran.stderr and "--flame, --pprof and --speedscope" in ran.stderr


@pytest.mark.spread
def test_lines_without_cpu_make_no_picture(lamprey, tmp_path):
    lines = ten()
    for line in lines:
        del line["cpu"]
    ran = lamprey("report", "lines", "--cpu", "--flame", "f.html", "--pprof", "p.gz", lines=lines)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1 and "LAMPREY_CPU=on was not set" in ran.stderr
    assert not (tmp_path / "f.html").exists() and not (tmp_path / "p.gz").exists()


def compared(parse, price, save, count=91):
    """Invocations whose samples vary; the first is a cold start and would spoil any mean."""
    lines = [record(1, {"parse": 90_000.0}, 90_000.0)]
    for number in range(2, count + 1):
        cpu_ms = {"parse": parse, "price": price + 10 * (number % 3 - 1), "save": save}
        cpu_ms = {name: ms for name, ms in cpu_ms.items() if ms}
        lines.append(record(number, cpu_ms, sum(cpu_ms.values()) + 10.0))
    return lines


@pytest.mark.spread
def test_a_flame_graph_of_what_changed_in_an_invocation(lamprey, tmp_path):
    ran = lamprey(
        "diff", "before", "after", "--cpu", "--flame", "flame.html",
        before=compared(40.0, 20.0, 20.0, 181), after=compared(80.0, 20.5, 0),
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    page = tmp_path / "flame.html"
    assert not re.search(r"https?:|src=|@import|url\(", page.read_text())
    assert page_after(page, """
const find = (node, name) => node.name.startsWith(name) ? node : node.list.map(n => find(n, name)).find(n => n);
const tell = name => { const node = find(tree, name); return node ? [changed(node), colour(node).slice(0, 6)] : "none"; };
const log = [document.title, element("title").textContent, element("says").textContent];
log.push(tell("parse_orders"), tell("price"), tell("save"));
press("2");
log.push(tell("save"), element("says").textContent.split("; ")[1]);
""", tmp_path) == [
        "Lamprey: change of CPU time",
        "180 invocations before, 90 after",
        "An invocation had 90.0 ms before, 111 ms after: +20.5 ms (+22.8 %); widths are those after",
        ["40.0 ms before, 80.0 ms after: +40.0 ms (+100.0 %)", "hsl(8 "],
        ["20.0 ms before, 20.5 ms after: no change for sure", "hsl(40"],
        "none",
        ["20.0 ms before, 0 ns after: -20.0 ms (-100.0 %)", "hsl(21"],
        "widths are those before",
    ]  # fmt: skip


@pytest.mark.spread
def test_the_tables_name_the_functions_that_changed(lamprey):
    ran = lamprey("diff", "before", "after", before=compared(40.0, 20.0, 20.0), after=compared(80.0, 20.5, 0))
    assert (ran.returncode, ran.stderr) == (0, "")
    told = [line.split(None, 5) for line in ran.stdout.splitlines() if "(/var/task/" in line]
    assert told == [
        ["40.0", "ms", "80.0", "ms", "worse", "parse_orders (/var/task/app.py)"],
        ["20.0", "ms", "0", "ns", "better", "save (/var/task/app.py)"],
    ]


@pytest.mark.spread
def test_equal_runs_are_left_alone(lamprey, tmp_path):
    ran = lamprey("diff", "before", "after", before=compared(40.0, 20.0, 20.0), after=compared(40.0, 20.0, 20.0))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "(/var/task/" not in ran.stdout


@pytest.mark.spread
@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--cpu"], 2, "accepted with it is --flame"),
        (["--cpu", "--flame", "flame.html"], 1, "AFTER after: --cpu: none of the records has cpu"),
        (["--flame", "flame.html"], 1, "BEFORE before: --flame: none of the records has memory.sites"),
    ],
)
def test_a_difference_of_nothing_is_one_line(lamprey, tmp_path, words, status, says):
    bare = [{name: value for name, value in line.items() if name != "cpu"} for line in ten()]
    ran = lamprey("diff", "before", "after", *words, before=ten(), after=bare)
    assert ran.returncode == status
    assert ran.stderr.count("\n") == 1 and says in ran.stderr
    assert not (tmp_path / "flame.html").exists()


@pytest.mark.spread
def test_a_difference_of_memory(lamprey, tmp_path):
    def lines(allocated):
        for line in ten():
            site = {"live_bytes": 5, "allocated_bytes": allocated, "allocations": 1, "stack": STACKS["save"]}
            yield line | {
                "memory": {"live_bytes": 5, "allocated_bytes": 2**20, "sites": [site]},
                "coverage": {"mode": "api", "sampled": 1024},
            }

    ran = lamprey("diff", "before", "after", "--flame", "flame.html", before=lines(2**18), after=lines(2**19))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert page_after(tmp_path / "flame.html", """
const log = [document.title, element("says").textContent, tree.list.map(node => [node.name, changed(node)])];
""", tmp_path) == [
        "Lamprey: change of allocated bytes",
        "An invocation had 1.00 MB before, 1.00 MB after: no change for sure; widths are those after",
        [
            ["(sites not listed)", "768 KB before, 512 KB after: -256 KB (-33.3 %)"],
            ["handle_event_request (/var/runtime/bootstrap.py)", "256 KB before, 512 KB after: +256 KB (+100.0 %)"],
        ],
    ]  # fmt: skip
