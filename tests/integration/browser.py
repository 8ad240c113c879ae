"""Opens a page in a real browser, as people do, and uses it: by a script, or by real keys, mouse and wheel, with
screens of any width. No test may live here."""

import base64
import contextlib
import html
import json
import os
import re
import shutil
import subprocess
import time

KEYS = {  # what DevTools wants to know of a key: its code, and what it types
    "Enter": (13, "\r"), "Escape": (27, None), "Tab": (9, None), "Home": (36, None), "End": (35, None),
    "ArrowLeft": (37, None), "ArrowUp": (38, None), "ArrowRight": (39, None), "ArrowDown": (40, None),
}  # fmt: skip
CTRL = 2


class Browser:
    """A headless Chromium, driven over its DevTools pipe: no port is opened, no package needed."""

    def __init__(self, folder):
        browser = shutil.which("chromium")
        assert browser, "no Chromium here: layer/install tests"
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()

        def become():
            # Both to numbers above 4 first: one may be where the other belongs.
            there, here = os.dup2(theirs_in, 100), os.dup2(theirs_out, 101)
            os.dup2(there, 3)
            os.dup2(here, 4)

        self.process = subprocess.Popen(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={folder}/driven-profile", "about:blank"],
            close_fds=False, preexec_fn=become, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.pending, self.number, self.session, self.events = b"", 0, None, []
        pages = [one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self.session = self.ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.ask(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.back)

    def message(self):
        while b"\0" not in self.pending:
            piece = os.read(self.back, 1 << 20)
            assert piece, "the browser has ended"
            self.pending += piece
        one, self.pending = self.pending.split(b"\0", 1)
        return json.loads(one)

    def ask(self, method, **parameters):
        self.number += 1
        question = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            question["sessionId"] = self.session
        os.write(self.to, json.dumps(question).encode() + b"\0")
        while (answer := self.message()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def js(self, expression):
        """What an expression, or an awaited promise, is."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screen(self, width, height=900, dark=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page):
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        end = time.monotonic() + 120
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < end, "the page did not load"
            self.events.append(self.message())
        self.settle()

    def settle(self):
        """Two frames later: what was to be drawn is drawn."""
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def faults(self):
        """What a page complained of, and what it wanted from elsewhere."""
        faults = []
        for event in self.events:
            method, about = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Log.entryAdded"):
                faults.append(json.dumps(about))
            elif method == "Network.requestWillBeSent" and not about["request"]["url"].startswith("file:"):
                faults.append(about["request"]["url"])
            elif method == "Page.javascriptDialogOpening":
                faults.append("dialog: " + about["message"])
        return faults

    def press(self, *keys, ctrl=False):
        for key in keys:
            code, types = KEYS.get(key, (ord(key.upper()) if len(key) == 1 else 0, key))
            for kind in ("keyDown", "keyUp"):
                text = {"text": types} if types and kind == "keyDown" and not ctrl else {}
                self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                         modifiers=CTRL if ctrl else 0, **text)  # fmt: skip
        self.settle()

    def middle(self, selector):
        """Where an element is on the screen, after it was scrolled there."""
        self.js(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        self.settle()
        box = self.js(f"""(box => [box.x + box.width / 2, box.y + box.height / 2])(
            document.querySelector({json.dumps(selector)}).getBoundingClientRect())""")
        return {"x": box[0], "y": box[1]}

    def mouse(self, kind, at, **more):
        self.ask("Input.dispatchMouseEvent", type=kind, **at, **more)

    def point(self, selector):
        self.mouse("mouseMoved", self.middle(selector))
        self.settle()

    def click(self, selector):
        at = self.middle(selector)
        self.mouse("mouseMoved", at)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, at, button="left", clickCount=1)
        self.settle()

    def wheel(self, selector, by, ctrl=False):
        self.mouse("mouseWheel", self.middle(selector), deltaX=0, deltaY=by, modifiers=CTRL if ctrl else 0)
        self.settle()

    def picture(self, path, clip=None):
        """What is on the screen, or a part of the page, also beyond it."""
        part = {"clip": clip, "captureBeyondViewport": True} if clip else {}
        picture = self.ask("Page.captureScreenshot", **part)
        path.write_bytes(base64.b64decode(picture["data"]))

    def seconds(self):
        """CPU that the page's main thread has used."""
        metrics = {one["name"]: one["value"] for one in self.ask("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"]


@contextlib.contextmanager
def a_browser(folder):
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()


def page_after(page, script, tmp_path, width=1280):
    """What a script leaves in `log` that runs at the end of the page."""
    browser = shutil.which("chromium")
    assert browser, "no Chromium here: layer/install tests"
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("</body>", f"""<script>
const press = (...keys) => keys.forEach(key => (document.activeElement || document.body).dispatchEvent(
  new KeyboardEvent("keydown", {{key, bubbles: true, cancelable: true}})));
{script}
const result = document.createElement("pre");
result.id = "result"; result.textContent = JSON.stringify(log); document.body.append(result);
</script></body>"""))  # fmt: skip
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               f"--window-size={width},800", "--dump-dom", driven.as_uri()]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', shown, re.S)
    assert found, shown[-2000:]
    return json.loads(html.unescape(found[1]))
