"""The probe: a function that answers what only Lambda can answer, as one JSON document with nothing private
in it (asking.py). Its extension answers beside it (extension/lamprey_probe.py), where that is there.
"""

import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time

import asking
import elf
import timing

EXTENSION = "/tmp/lamprey-probe"  # where the two meet
EXTENSION_S = 3
FUTEX_WAKE = 1

_init = {"cpu": timing.slices(0.3), "clocks": timing.clocks()}
_left = None  # clocks at the end of the invocation before
_heard = []


def _hears(number, frame):
    _heard.append(number)


signal.signal(signal.SIGURG, _hears)  # what the extension sends
# Whether a timer that was made before a snapshot still fires after it.
_timer = None
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    _timer = timing.Timer(time.CLOCK_PROCESS_CPUTIME_ID, 10, signal.SIGVTALRM)


def meet():
    """What the extension says of itself, and what it can do to this process."""
    end = time.monotonic() + EXTENSION_S
    os.makedirs(EXTENSION, mode=0o700, exist_ok=True)
    answers = f"{EXTENSION}/extension.json"
    if not os.path.exists(answers):
        return {"error": "no extension"}
    buffer = ctypes.create_string_buffer(b"sixteen byte text", 32)
    with open(f"{EXTENSION}/futex", "w+b") as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as mapping:
            ask = {"pid": os.getpid(), "tid": threading.get_native_id(), "address": ctypes.addressof(buffer)}
            with open(f"{EXTENSION}/ask.part", "w") as question:
                json.dump(ask, question)
            os.replace(f"{EXTENSION}/ask.part", f"{EXTENSION}/ask.json")
            woken = _wake(mapping, end)
    found = {"futex_woken": woken}
    while time.monotonic() < end and not os.path.exists(f"{EXTENSION}/answer.json"):
        time.sleep(0.01)
    for name in ("extension", "answer"):
        path = f"{EXTENSION}/{name}.json"
        found[name] = asking.answer(lambda path=path: json.loads(asking.read(path, 1 << 20)))
    found["signals_heard"] = len(_heard)
    for name in ("answer.json", "ask.json", "futex"):
        if os.path.exists(f"{EXTENSION}/{name}"):
            os.unlink(f"{EXTENSION}/{name}")
    return found


def _wake(mapping, end):
    """How many a wake on the shared file's word woke: 1 once the extension waits there."""
    word = ctypes.c_uint32.from_buffer(mapping)
    try:
        while time.monotonic() < end:
            woken = asking.answer(asking.call, "futex", ctypes.byref(word), FUTEX_WAKE, 1, None, None, 0)
            if woken != 0:
                return woken
            time.sleep(0.002)
        return 0
    finally:
        del word  # else the mapping cannot be closed


def other_process(found):
    """What of the extension this process can see in /proc."""
    pid = found.get("extension", {}).get("pid") if isinstance(found.get("extension"), dict) else None
    if pid is None:
        return {"error": "no extension"}
    names = ("status", "stat", "maps", "schedstat", "smaps_rollup", "limits", "syscall", "wchan", "environ", "io")
    seen = {name: asking.answer(lambda name=name: len(asking.read(f"/proc/{pid}/{name}")) > 0) for name in names}
    seen["is_there"] = os.path.exists(f"/proc/{pid}")
    seen["is_the_extension"] = asking.answer(lambda: "lamprey_probe" in asking.read(f"/proc/{pid}/cmdline"))
    return seen


def environment():
    """Of which kind this environment is; only words that Lambda itself sets."""
    return {
        "execution": os.environ.get("AWS_EXECUTION_ENV"),
        "initialization": os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"),
        "memory_mb": os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def long_line(size):
    """One line in one write, longer than any buffer: the log shows what becomes of it."""
    text = b"lamprey-probe-long " + b"x" * (size - 20) + b"\n"
    while text:
        text = text[os.write(1, text):]


def answer(event):
    thaw = timing.between(_left, timing.clocks()) if _left else None
    met = asking.answer(meet)
    return {
        "lamprey_probe": 1,
        "environment": environment(),
        "kernel": asking.kernel(),
        "identity": asking.identity(),
        "processor": asking.processor(),
        "system_calls": asking.system_calls(),
        "limits": asking.limits(),
        "clock": timing.clock_costs(),
        "scheduler": timing.scheduler(),
        "init": {"cpu": _init["cpu"], "until_invoked_ms": timing.between(_init["clocks"], timing.clocks())},
        "cpu": timing.slices(1.0),
        "sleep_ms_late": timing.sleep_error_ms(),
        "timers": timing.timers(),
        "fired_since_init": _timer.fired if _timer else None,
        "thaw": thaw,
        "tmp": asking.temporary_files(),
        "control_groups": asking.control_groups(),
        "standard_output": asking.standard_output(),
        "binaries": elf.binaries(),
        "extension": met,
        "other_process": other_process(met),
    }


def handler(event, context):
    global _left
    if event.get("long_line"):
        long_line(event["long_line"])
    try:
        return answer(event)
    finally:
        _left = timing.clocks()
