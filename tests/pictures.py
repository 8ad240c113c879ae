#!/usr/bin/env python3
"""Makes the pictures of the page in docs/ from lines: the fleet, and the waterfall of one invocation.

    tests/pictures.py fleet LINES docs/fleet.png            # the overview, trouble first
    tests/pictures.py waterfall LINES docs/waterfall.png    # the invocation with most waits; [--request ID] another
    [--dark] [--width 1280] [--build build/release]

LINES are what a function printed: `lamprey local ... --out LINES`, or a log. Nothing is tested here.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

from browser import a_browser  # noqa: E402

# The invocation that is wanted, open and alone; false where there is none.
CHOOSE = """(request => {
  const { invocations } = JSON.parse(document.getElementById("data").textContent);
  const all = [...document.querySelectorAll("details.invocation")];
  all.forEach(one => { one.open = false; });
  const waits = one => invocations[one.dataset.invocation].waits.length;
  const fit = all.filter(one => waits(one) > 0 && one.textContent.includes(request)).sort((a, b) => waits(b) - waits(a))[0];
  if (!fit) return false;
  fit.id = "chosen";
  fit.open = true;
  return true;
})(REQUEST)"""


def box_of(browser, selector, margin):
    box = browser.js(f"""(box => [box.x + scrollX, box.y + scrollY, box.width, box.height])(
        document.querySelector("{selector}").getBoundingClientRect())""")
    return [max(0, box[0] - margin), max(0, box[1] - margin), box[2] + 2 * margin, box[3] + 2 * margin]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fleet", "waterfall"))
    parser.add_argument("lines", type=pathlib.Path)
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--request", default="")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, a_browser(folder) as browser:
        page = pathlib.Path(folder) / "page.html"
        subprocess.run(
            [words.build / "bin/lamprey", "report", words.lines, "--html", page], check=True, stdout=subprocess.DEVNULL
        )
        browser.screen(words.width, dark=words.dark)
        browser.open(page)
        if words.what == "waterfall":
            if not browser.js(CHOOSE.replace("REQUEST", repr(words.request))):
                return "no line with a timeline is among the invocations that the page shows"
            browser.middle("#chosen")
            x, y, width, height = box_of(browser, "#chosen", 12)
        else:
            x, y, width, height = 0, 0, words.width, box_of(browser, "section.function", 0)[1] - 20
        browser.picture(words.picture, clip={"x": x, "y": y, "width": width, "height": height, "scale": 1})
    return 0


if __name__ == "__main__":
    sys.exit(main())
