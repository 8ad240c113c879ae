"""The page of `lamprey report --html` as people use it: real keys, mouse and wheel, three widths, light and dark, names
that somebody hostile chose, and 100,000 records."""

import json
import re
import subprocess

import pytest
from browser import a_browser
from fleet_lines import NAMES, TIMELINE, line, lines, write_lines

WIDTHS = (360, 1280, 3840)
OPENS_IN = 2.0  # seconds; of the page's own CPU, since others use this machine as well
# What a reader of the page sees of the first waterfall that is open.
FALL = """(() => {
  const fall = [...document.querySelectorAll("details.invocation")].find(one => one.open && one.waterfall).waterfall;
  return {view: fall.view, whole: fall.whole, says: fall.says.textContent,
    lanes: fall.lanes.map(lane => lane.thread), chosen: fall.chosen};
})()"""
TIP = "(tip => getComputedStyle(tip).display === 'none' ? '' : tip.innerText)(document.getElementById('tip'))"


@pytest.fixture(scope="module")
def pages(build, tmp_path_factory):
    """Makes a page of lines, or of so many of the usual ones."""
    folder = tmp_path_factory.mktemp("pages")

    def make(name, records):
        page = folder / f"{name}.html"
        if isinstance(records, int):
            write_lines(folder / name, records)
        else:
            with (folder / name).open("w") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
        ran = subprocess.run([build / "bin/lamprey", "report", folder / name, "--html", page], capture_output=True)
        assert (ran.returncode, ran.stderr) == (0, b"")
        (folder / name).unlink()
        return page

    return make


@pytest.fixture(scope="module")
def usual(pages):
    return pages("usual", 2000)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with a_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def waterfall(browser, usual):
    """The page on a usual screen, with the waterfall of TIMELINE alone open."""
    browser.screen(1280)
    browser.open(usual)
    browser.js("document.querySelectorAll('details.invocation').forEach(one => { one.open = false; })")
    number = browser.js("""[...document.querySelectorAll("details.invocation")]
        .find(one => JSON.parse(document.getElementById("data").textContent).invocations[one.dataset.invocation].waits.length === 11).id""")
    browser.click(f"#{number} summary")
    yield f"#{number}"
    assert browser.faults() == []


def test_a_waterfall_shows_when_what_was_waited_for(browser, waterfall):
    lanes, bars, path, probably, text = browser.js(f"""(all => [
      [...all(".lane .name")].map(one => one.textContent),
      [...all(".bar")].map(bar => [bar.textContent, parseFloat(bar.style.left), parseFloat(bar.style.width), bar.className]),
      all(".track .onpath:not(.probably)").length, all(".track .onpath.probably").length,
      document.querySelector("{waterfall}").innerText])(what => document.querySelectorAll("{waterfall} " + what))""")
    assert lanes == ["main", "pool-1", "pool-2"], "the handler's first"
    assert len(bars) == len(TIMELINE)
    for wait in TIMELINE:
        label = f"{wait['call']} {wait['target']}" if "target" in wait else wait["call"]
        [place] = [bar for bar in bars if bar[0] == label and abs(bar[1] - wait["at_ms"] / 4.0125) < 0.01]
        assert place[2] == pytest.approx(wait["for_ms"] / 4.0125, abs=0.01)
        assert place[3].split() == ["bar", f"c-{wait['spent_on']}"]
    assert (path, probably) == (9, 1)
    assert "of 401 ms, main waited 330 ms in 9 listed waits" in text and "probably pool-1" in text


def test_what_is_pointed_at_is_said(browser, waterfall):
    browser.point(f"{waterfall} .bar.c-file")
    said = browser.js(TIP)
    for part in ("read /var/task/templates/order.html", "began at 231 ms, took 6.40 ms", "spent on files; thread main",
                 "on the critical path", "render (/var/task/app.py:25)"):  # fmt: skip
        assert part in said
    browser.js(f"""[...document.querySelectorAll("{waterfall} .gap")].find(
        gap => parseFloat(gap.style.width) > 5).id = 'widest'""")
    browser.point("#widest")
    assert "not in a listed wait" in browser.js(TIP)
    browser.point(f"{waterfall} summary")
    assert browser.js(TIP) == ""


def test_keys_choose_and_zoom(browser, waterfall):
    browser.js(f"document.querySelector('{waterfall} .bar').focus()")
    browser.press("ArrowRight", "ArrowRight")
    assert browser.js("document.activeElement.textContent") == "recv orders-db:5432"
    assert "load_order (/var/task/app.py:16)" in browser.js(TIP)
    browser.press("+", "+")
    fall = browser.js(FALL)
    assert fall["view"][1] - fall["view"][0] == pytest.approx(fall["whole"] / 4)
    assert " of 401 ms" in fall["says"]
    browser.press("End")
    assert browser.js("document.activeElement.textContent") == "waitpid convert (pid 4711)"
    assert browser.js(FALL)["view"][1] == pytest.approx(401_250), "what is chosen is brought into view"
    browser.press("-")
    assert 100_000 < browser.js(FALL)["view"][0] <= 401_250 / 2
    browser.press("0")
    assert browser.js(FALL)["view"] == [0, 401_250]
    browser.press("Home", "ArrowDown")
    assert browser.js("document.activeElement.textContent") == "recv prices.example.com:443"
    assert "probably on the critical path" in browser.js(TIP)


def test_the_wheel_zooms_where_it_is_meant(browser, waterfall):
    track = f"{waterfall} .track"
    browser.wheel(track, -120)
    assert browser.js(FALL)["view"] == [0, 401_250], "it scrolls the page"
    browser.wheel(track, -120, ctrl=True)
    [begin, end] = browser.js(FALL)["view"]
    assert end - begin == pytest.approx(401_250 * 0.8) and begin > 0
    browser.click(f"{waterfall} button[aria-label='Zoom in']")
    browser.wheel(track, 120)
    [begin, end] = browser.js(FALL)["view"]
    assert end - begin == pytest.approx(401_250 * 0.8 * 0.5 * 1.25), "the waterfall has the focus"
    browser.click(f"{waterfall} button[aria-label='Show all']")
    assert browser.js(FALL)["view"] == [0, 401_250]


def test_waits_are_a_table_too(browser, waterfall):
    browser.click(f"{waterfall} .body details summary")
    cells = browser.js(f"""[...document.querySelectorAll("{waterfall} .body details tr")].map(
        row => [...row.cells].map(cell => cell.textContent))""")
    assert len(cells) == 12
    assert cells[1][:6] == ["2.10 ms", "24.4 ms", "DNS", "getaddrinfo", "orders-db.internal", "main"]
    browser.js(f"""document.querySelectorAll("{waterfall} .body details th button")[1].click()""")
    assert browser.js(f"""document.querySelector("{waterfall} .body details tr:nth-child(2)").cells[1].textContent""") == "230 ms"


def test_a_bad_end_is_open_and_says_what_each_thread_was_in(browser, usual):
    browser.screen(1280)
    browser.open(usual)
    first = "document.querySelector('details.invocation')"
    assert browser.js(f"{first}.open && {first}.classList.contains('bad')")
    text = browser.js(f"{first}.innerText")
    assert "What each thread was in at the end" in text
    assert "load_order (/var/task/app.py:16)\nhandler (/var/task/app.py:30)" in text
    assert browser.js(f"{first}.querySelectorAll('.bar.open').length") == 2


def test_a_link_opens_its_invocation(browser, usual):
    browser.screen(1280)
    browser.open(usual)
    number = browser.js("[...document.querySelectorAll('details.invocation')].findLast(one => !one.open).id")
    assert browser.js(f"""new Promise(done => {{ location.hash = "#{number}"; setTimeout(() => done(
        document.querySelector("#{number}").open), 100); }})""")


def test_charts_tell_cold_starts_and_bad_ends_apart(browser, usual):
    browser.screen(1280)
    browser.open(usual)
    browser.point(".durations svg")
    assert re.search(r"line \d+\n[\d.]+ m?s", browser.js(TIP))
    cold, bad, levels = browser.js("""[".cold", ".worse", ".level"].map(
        kind => document.querySelectorAll(".durations .chart " + kind).length)""")
    assert cold >= 1 and bad >= 1 and levels >= 2
    assert "ended badly" in browser.js("document.querySelector('.durations').innerText")
    browser.point(".memory svg")
    assert "resident at most" in browser.js(TIP) and "live" in browser.js(TIP)


def test_flame_graphs_zoom_and_search(browser, usual):
    browser.screen(1280)
    browser.open(usual)
    browser.middle(".flames-memory")
    graph = "document.querySelector('.flames-memory').graph"
    browser.js(f"""[...document.querySelectorAll(".flames-memory .flames button")].find(
        one => one.textContent.startsWith("load_lines")).setAttribute("id", "aim")""")
    browser.click("#aim")
    assert browser.js(f"{graph}.zoomed.name") == "load_lines (/var/task/app.py)"
    browser.press("ArrowDown")
    assert browser.js("document.activeElement.textContent") == "parse (/var/task/app.py)"
    browser.press("Escape")
    assert browser.js(f"{graph}.zoomed.name") == "handler (/var/task/app.py)"
    browser.click(".flames-memory input")
    browser.press(*"json")
    assert "matched" in browser.js(f"{graph}.says.textContent")
    assert browser.js("document.querySelectorAll('.flames-memory .hit').length") == 2
    browser.click(".flames-memory .flame-tools button:nth-child(2)")
    assert "in all calls" in browser.js(f"{graph}.says.textContent")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_screen_fits(browser, usual, width, dark):
    browser.screen(width, dark=dark)
    browser.open(usual)
    for place in (".durations", ".flames-cpu", "details.invocation .waterfall", "footer"):
        browser.middle(place)
    wide, out = browser.js("""[document.documentElement.scrollWidth,
        [...document.querySelectorAll("main *")].filter(one => !one.closest(".wide, .track, .ticks, .flames, pre, svg") &&
          one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))]""")
    assert (wide, out) == (width, [])
    # Labels of a chart keep clear of each other.
    assert browser.js("""[...document.querySelectorAll(".chart")].flatMap(chart => {
        const boxes = [...chart.querySelectorAll("text")].map(one => one.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.width && b.width &&
          Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1 && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 3));
      }).length""") == 0  # fmt: skip
    back = browser.js("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 384) == dark
    browser.click("#theme")
    assert browser.js("getComputedStyle(document.body).backgroundColor") != back
    assert browser.faults() == []


def test_a_screen_that_is_turned(browser, usual):
    browser.screen(1280)
    browser.open(usual)
    seen = """[document.querySelector(".durations svg").viewBox.baseVal.width, document.querySelector(".durations").clientWidth,
        document.querySelector(".track").clientWidth, document.documentElement.scrollWidth]"""
    for width in (1280, 360, 3840, 800):
        browser.screen(width)
        browser.settle()
        browser.middle(".durations")
        drawn, wide, track, whole = browser.js(seen)
        assert (drawn, whole) == (wide, width) and width / 5 < track < width


EVIL = "</script><script>owned=1</script><img src=x onerror=owned=2><!-- \"'`${owned=3} \x1b[2J\x07\u202egnp.exe\u2066\x00"


def hostile():
    record = line("orders", 7, __import__("random").Random(1)) | {"status": EVIL, "headline": EVIL, "request_id": EVIL, "started": EVIL}
    record["function_name"] = EVIL
    record["findings"] = [{"code": EVIL, "severity": EVIL, "text": EVIL, "advice": EVIL}]
    record["timeline"] = [{"at_ms": 1.0, "for_ms": 5.0, **dict.fromkeys(("call", "spent_on", "target", "thread", "stack"), EVIL)},
                          {"at_ms": 7.0, "for_ms": 5.0, "spent_on": "constructor", "thread": "__proto__"}]  # fmt: skip
    record["blocked"] = [{"for_ms": 5.0, **dict.fromkeys(("call", "target", "thread", "stack"), EVIL)}]
    record["memory"]["sites"] = [{"live_bytes": 10, "allocated_bytes": 10, "allocations": 1, "stack": EVIL}]
    record["cpu"] = {"hz": 97, "samples": 1, "total_ms": 10.0, "sites": [{"cpu_ms": 10.0, "stack": EVIL}]}
    record["network"] = [{"host": EVIL}]
    record["files"] = [{"path": EVIL}]
    record["calls"] = {"top": [{"name": EVIL, "calls": 1}]}
    return [record, record | {"function_name": "__proto__"}, record | {"function_name": "#f1 \"'><a id=f1>"}]


def test_hostile_names_are_only_text(browser, pages):
    browser.screen(1280)
    page = pages("hostile", hostile())
    browser.open(page)
    browser.js("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    browser.settle()
    browser.js("document.querySelectorAll('.body details').forEach(one => { one.open = true; })")
    for place in (".durations", ".flames-cpu", ".flames-memory", ".bar"):
        browser.middle(place)
        browser.point(place)
    assert browser.faults() == []
    owned, scripts, images, text = browser.js("""[typeof owned, document.scripts.length,
        document.images.length, document.body.innerText]""")
    assert (owned, scripts, images) == ("undefined", 2, 0)
    assert text.count("owned=1") > 20 and "gnp.exe" in text
    assert "function Object" not in text and "[object" not in text, "a name is no member of anything"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    browser.press("/", *"__proto__")
    assert browser.js("document.querySelectorAll('section.function:not([hidden])').length") >= 1


@pytest.mark.parametrize(
    ("records", "functions"), [(2, len(NAMES)), (2000, len(NAMES)), (100_000, len(NAMES)), (20_000, 1_500)]
)
def test_a_page_of_any_number_of_records_opens_at_once(browser, pages, records, functions):
    names = NAMES + [f"function-{number}" for number in range(functions - len(NAMES))]
    page = pages(f"many-{records}-{functions}", lines(records, names))
    shown = page.read_text().count('data-invocation="')
    assert page.stat().st_size <= 1_500_000 + 1024 * shown
    browser.screen(1280)
    before = browser.seconds()
    browser.open(page)
    assert browser.seconds() - before <= OPENS_IN
    # Sums are of all records, details of some.
    tiles = browser.js("document.querySelector('.tiles').innerText")
    assert f"{records:,}\ninvocations" in tiles
    assert 1 <= shown <= 10 * functions and shown <= 300
    if functions == len(NAMES) and records == 100_000:
        assert re.search(r"[\d,]+ more with trouble or a timeline are left out", page.read_text())
        bad = sum(record["status"] != "ok" for record in lines(records))
        assert f"{bad}\nnot ok" in tiles
    assert browser.faults() == []
