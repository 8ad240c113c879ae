"""What people see: `lamprey show`, and `lamprey local` on a terminal. A terminal is a pty of our own."""

import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

RECORD = {
    "lamprey": "1", "type": "invoke", "status": "ok", "function_name": "orders", "invocation": 2,
    "request_id": "r-2", "headline": "Took 100 ms = 40.0 ms CPU + 60.0 ms network.",
    "duration_ms": 100.0, "wall": {"total_ms": 100.0, "cpu_ms": 40.0, "network_ms": 60.0},
    "findings": [{"code": "network.reconnect", "severity": "warning", "text": "A new connection.",
                  "advice": "Keep the client."}],
}  # fmt: skip
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(command, **env):
    """What the command writes to a terminal, and its status."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update({"TERM": "xterm", **env})
        os.execv(command[0], command)
    seen = b""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # EIO: the other side is gone
            break
        if not chunk:
            break
        seen += chunk
    _, status = os.waitpid(child, 0)
    return seen.decode().replace("\r\n", "\n"), os.waitstatus_to_exitcode(status)


def show(build, text, *words):
    return subprocess.run(
        [build / "bin" / "lamprey", "show", *words], input=text, capture_output=True, text=True, timeout=60
    )


@pytest.mark.spread
def test_records_in_a_tailed_log_are_shown_and_the_rest_passes(build):
    """As `aws logs tail --format short` and the default format print it."""
    line = json.dumps(RECORD)
    text = (
        "2026-11-28T23:11:39 START RequestId: r-2 Version: $LATEST\n"
        f"2026-11-28T23:11:40 {line}\n\n"
        f"2026-11-28T23:11:40.123000+00:00 2026/11/28/[$LATEST]abc {line}\n"
        "2026-11-28T23:11:41 REPORT RequestId: r-2\tDuration: 100 ms\n"
    )
    ran = show(build, text, "-")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "2026-11-28T23:11:39 START RequestId: r-2 Version: $LATEST"
    assert lines[1] == "orders invocation 2 ok: Took 100 ms = 40.0 ms CPU + 60.0 ms network."
    assert lines[3].endswith("CPU 40 %, network 60 %") and lines[3].count("c") == 16
    assert "  warning network.reconnect: A new connection." in lines
    assert "    Keep the client." in lines
    assert lines[-1] == "2026-11-28T23:11:41 REPORT RequestId: r-2\tDuration: 100 ms"
    assert ran.stdout.count("orders invocation 2") == 2 and '{"lamprey"' not in ran.stdout


@pytest.mark.spread
def test_a_line_is_shown_when_it_comes(build):
    """The pipe is still open: what was written must be there already."""
    process = subprocess.Popen(
        [build / "bin" / "lamprey", "show"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for number in (1, 2):
        process.stdin.write(json.dumps({**RECORD, "invocation": number}) + "\n")
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith("orders"):
            assert line
        assert f"invocation {number} " in line
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.mark.spread
def test_a_file_is_followed(build, tmp_path):
    path = tmp_path / "log"
    path.write_text(json.dumps(RECORD) + "\n")
    process = subprocess.Popen(
        [build / "bin" / "lamprey", "show", "--follow", path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline().startswith("orders invocation 2 ok")
        with path.open("a") as log:
            log.write(json.dumps({**RECORD, "function_name": "later"}) + "\n")
        while not (line := process.stdout.readline()).startswith("later"):
            assert line
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.spread
def test_hostile_text_steers_no_terminal(build, tmp_path):
    evil = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp.exe\x7f"
    record = {**RECORD, "headline": evil, "function_name": evil, "request_id": evil}
    record["findings"] = [{"code": evil, "severity": evil, "text": evil, "advice": evil}]
    record["timeline"] = [{"at_ms": 1, "for_ms": 9, **dict.fromkeys(("call", "target", "thread", "stack", "spent_on"), evil)},
                          {"at_ms": 11, "for_ms": 9, "call": "recv", "thread": "main"}]  # fmt: skip
    path = tmp_path / "log"
    path.write_text(json.dumps(record) + "\n" + evil + " plain \x1b[32mgreen\x1b[0m\n")
    command = [str(build / "bin" / "lamprey"), "show", str(path)]
    for seen in (on_terminal(command)[0], show(build, "", str(path)).stdout):
        rest = COLOUR.sub("", seen)
        assert rest.count("owned") >= 8 and "plain green" in rest
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202e]", rest)


@pytest.mark.spread
def test_the_longest_waits_are_bars_that_the_terminal_can_show(build, tmp_path):
    waits = [{"at_ms": 10.0 * n, "for_ms": 9.0 - n, "call": "recv", "target": f"db-{n}:5432", "spent_on": "network", "thread": "main",
              "stack": "load_order (/var/task/app.py:16)"} for n in range(8)]  # fmt: skip
    path = tmp_path / "log"
    path.write_text(json.dumps({**RECORD, "timeline": waits}) + "\n")
    command = [str(build / "bin" / "lamprey"), "show", str(path)]
    blocks, _ = on_terminal(command, LC_ALL="C.UTF-8")
    plain, _ = on_terminal(command, LC_ALL="C", NO_COLOR="1")
    assert "the 6 longest of 8 waits in 100 ms:" in blocks and "█" in blocks.split("waits in")[1]
    rows = plain.split("waits in")[1].splitlines()[1:7]
    assert [row.count("#") for row in rows] == [2, 2, 2, 1, 1, 1] and "db-0:5432" in rows[0] and rows[0].isascii()
    assert all(len(row) <= 80 for row in rows)


@pytest.mark.spread
def test_colour_is_for_terminals_that_want_it(build, tmp_path):
    path = tmp_path / "log"
    path.write_text(json.dumps(RECORD) + "\n")
    command = [str(build / "bin" / "lamprey"), "show", str(path)]
    assert "\x1b[" in on_terminal(command)[0]
    assert "\x1b[" not in on_terminal(command, NO_COLOR="1")[0]
    assert "\x1b[" not in on_terminal(command, TERM="dumb")[0]
    assert "\x1b[" not in show(build, path.read_text()).stdout


@pytest.mark.spread
def test_a_log_without_records_is_said(build, tmp_path):
    ran = show(build, "nothing of ours\n")
    assert (ran.returncode, ran.stdout) == (1, "nothing of ours\n")
    assert ran.stderr.count("\n") == 1 and "no records" in ran.stderr
    ran = show(build, "", "/does/not/exist")
    assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr.count("\n") == 1


HANDLER = """
import time
def handler(event, context):
    print("the function says", "\\x1b[2J")
    time.sleep(0.03)
    return {}
"""


def test_local_on_a_terminal_shows_people_what_happened(build, root, workspace, private_tmp):
    (workspace / "app.py").write_text(HANDLER)
    out = workspace / "out.jsonl"

    def local(*words):
        command = [str(build / "bin" / "lamprey"), "local", "--invocations", "2", "--out", str(out), *words,
                   "--", str(root / "build/venv/bin/python3"), "-m", "awslambdaric", "app.handler"]  # fmt: skip
        words = list(map(str, private_tmp(["sh", "-c", f'cd {workspace} && exec "$@"', "-", *command])))
        words[0] = "/usr/bin/" + words[0]
        return on_terminal(words, PYTHONDONTWRITEBYTECODE="1")

    seen, status = local()
    assert status == 0, seen
    plain = COLOUR.sub("", seen)
    assert "invocation 1 (cold start) ok: Took" in plain and "invocation 2 ok: Took" in plain
    assert "sleep" in plain and "█" in plain
    assert "function function\n" in re.sub(" +\n", "\n", plain) and "p50" in plain  # the report's tables
    assert "the function says" in plain and "\x1b[2J" not in seen
    assert '{"lamprey"' not in plain and "START RequestId" not in plain
    assert len(out.read_text().splitlines()) >= 3
    raw, status = local("--raw")
    assert status == 0
    assert raw.count('{"lamprey":"1"') >= 3 and "START RequestId" in raw and "p50 " not in raw
