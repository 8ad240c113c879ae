"""`lamprey report --cpu` and `lamprey diff --flame` on hand-made lines, opened by real readers."""

import html
import json
import re
import shutil
import subprocess

import pytest

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


def page_after(page, script, tmp_path):
    """What a script leaves behind that runs at the end of the page in a real browser."""
    browser = shutil.which("chromium")
    assert browser, "no Chromium here: layer/install tests"
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("</body>", f"""<script>
const press = (...keys) => keys.forEach(key => document.body.dispatchEvent(
  new KeyboardEvent("keydown", {{key, bubbles: true, cancelable: true}})));
{script}
const result = document.createElement("pre");
result.id = "result"; result.textContent = JSON.stringify(log); document.body.append(result);
</script></body>"""))  # fmt: skip
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               "--window-size=1280,600", "--dump-dom", driven.as_uri()]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', shown, re.S)
    assert found, shown[-2000:]
    return json.loads(html.unescape(found.group(1)))


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
