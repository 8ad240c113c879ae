"""Opens a page in a real browser, as people do, and lets a script use it. No test may live here."""

import html
import json
import re
import shutil
import subprocess


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
