"""`lamprey report --flame/--pprof/--speedscope/--html` on hand-made lines, opened by real readers."""

import gzip
import html
import json
import re
import shutil
import subprocess

import pytest

STACKS = {
    "load": "malloc (libc.so.6 +0x10); json_loads (_json.so +0x1a2b); py::load:/var/task/app.py; main (app +0x5)",
    "save": "realloc (libc.so.6 +0x20); save (libapp.so +0x30); main (app +0x9)",
}
FULL = 100_000
NODE_COUNT = 8  # all, main, py::load, json_loads, malloc, save, realloc, not listed


def record(number):
    sites = [
        {"live_bytes": 3000 * number, "live_delta_bytes": 3000, "allocated_bytes": 40_000, "allocations": 40, "stack": STACKS["load"]},
        {"live_bytes": 1000, "live_delta_bytes": -10, "allocated_bytes": 20_000, "allocations": 5, "stack": STACKS["save"]},
    ]  # fmt: skip
    return {
        "lamprey": "1", "type": "invoke", "status": "ok", "function_name": "orders", "invocation": number,
        "started": f"2026-11-21T10:00:{number:02}.000Z", "duration_ms": 10.5,
        "memory": {"allocations": 50, "allocated_bytes": FULL, "live_bytes": 3000 * number + 1500, "sites": sites},
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(build, tmp_path_factory):
    """The files that one report writes."""
    folder = tmp_path_factory.mktemp("profiles")
    lines = folder / "lines.log"
    lines.write_text("START\n" + "".join(json.dumps(record(n)) + "\n" for n in range(1, 11)))
    paths = {kind: folder / kind for kind in ("flame", "pprof", "speedscope", "html")}
    options = [word for kind, path in paths.items() for word in (f"--{kind}", path)]
    done = subprocess.run(
        [build / "bin/lamprey", "report", lines, *options], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 records, 1 other lines skipped" in done.stdout
    return paths


def test_speedscope(made):
    file = json.loads(made["speedscope"].read_text())
    frames = [frame["name"] for frame in file["shared"]["frames"]]
    live = file["profiles"][0]
    totals = {
        tuple(frames[i] for i in stack): weight
        for stack, weight in zip(live["samples"], live["weights"], strict=True)
    }
    load = ("main (app)", "py::load:/var/task/app.py", "json_loads (_json.so)", "malloc (libc.so.6)")
    assert totals[load] == 30_000
    assert totals[("(sites not listed)",)] == 500
    assert live["endValue"] == sum(live["weights"]) == 31_500


def test_pprof_opens_in_gos_own_tool(made):
    assert len(gzip.decompress(made["pprof"].read_bytes())) > FULL // 1000
    if shutil.which("go") is None:
        pytest.skip("no go here, so no `go tool pprof`")
    for index, flat in {"live_bytes": "29.30kB", "allocated_bytes": "390.62kB", "allocations": "400"}.items():
        shown = subprocess.run(
            # Newer versions of go compile it first.
            ["go", "tool", "pprof", "-top", "-unit=kb", f"-sample_index={index}", made["pprof"]],
            capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert re.search(rf"{re.escape(flat)}(?:kb)?\s+\S+\s+\S+\s+\S+\s+\S+\s+malloc$", shown.stdout, re.M), shown.stdout


# What a reader does with keys; each step notes the chosen frame, the zoomed one, how many frames are
# shown, what the search says, and the view.
DRIVE = """<script>
const log = [];
const press = (...keys) => keys.forEach(key => (document.activeElement || document.body).dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true})));
const note = () => log.push([chosen.name, zoomed.name, document.querySelectorAll(".frame").length,
  element("matched").textContent, views[view][0]]);
note();
press("ArrowDown"); note();
press("ArrowDown", "ArrowRight"); note();
press("ArrowLeft", "ArrowDown", "Enter"); note();
press("Escape"); note();
press("/"); log.push(document.activeElement.id);
element("search").value = "json"; element("search").dispatchEvent(new Event("input")); note();
press("Enter", "Escape", "Escape", "Escape", "3"); note();
document.querySelector(".frame:nth-child(3)").click(); note();
const result = document.createElement("pre");
result.id = "result"; result.textContent = JSON.stringify(log); document.body.append(result);
</script></body>"""


def test_flame_graph_by_keyboard_in_a_browser(made, tmp_path):
    browser = shutil.which("chromium")
    assert browser, "no Chromium here: layer/install tests"
    page = tmp_path / "page.html"
    page.write_text(made["flame"].read_text().replace("</body>", DRIVE))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               "--window-size=1280,600", "--dump-dom", page.as_uri()]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', shown, re.S)
    assert found, shown[-2000:]
    main, load = "main (app)", "py::load:/var/task/app.py"
    assert json.loads(html.unescape(found.group(1))) == [
        ["all", "all", NODE_COUNT, "", "live"],
        [main, "all", NODE_COUNT, "", "live"],
        ["save (libapp.so)", "all", NODE_COUNT, "", "live"],
        ["json_loads (_json.so)", "json_loads (_json.so)", 5, "", "live"],
        [load, load, 5, "", "live"],
        "search",
        [load, load, 5, "100.0 % matched (29.3 KB)", "live"],
        ["all", "all", 5, "", "growth"],  # what shrank has no width
        [load, load, 5, "", "growth"],
    ]


def test_pages_ask_nothing_of_the_network(made):
    for kind in ("flame", "html"):
        assert not re.search(r"https?:|src=|@import|url\(", made[kind].read_text()), kind


def test_what_cannot_be_written_is_one_line(build, made, tmp_path):
    lines = tmp_path / "lines.log"
    lines.write_text(json.dumps(record(1)) + "\n")
    done = subprocess.run(
        [build / "bin/lamprey", "report", lines, "--flame", tmp_path / "none" / "x.html"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"lamprey: --flame \S+/none/x.html cannot be written: No such file or directory\n", done.stderr)


def test_lines_without_sites_are_said(build, tmp_path):
    lines = tmp_path / "lines.log"
    bare = record(1)
    del bare["memory"]["sites"]
    lines.write_text(json.dumps(bare) + "\n")
    done = subprocess.run(
        [build / "bin/lamprey", "report", lines, "--pprof", tmp_path / "x"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "none of the records has memory.sites" in done.stderr
