"""An extension that answers the probe's questions about extensions: what its standard output is, what it sees of
the runtime's process and can do to it. It prints nothing, and goes on whatever happens.
"""

import ctypes
import http.client
import json
import mmap
import os
import signal
import time

import asking

MEETING = "/tmp/lamprey-probe"
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
ASK_S = 3
FUTEX_WAIT = 0
SI_QUEUE = -1


def ask_api(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, "/2020-01-01/extension" + path, body, headers)
    answer = connection.getresponse()
    return answer.headers, answer.read()


def put(name, value):
    os.makedirs(MEETING, mode=0o700, exist_ok=True)
    with open(f"{MEETING}/{name}.part", "w") as file:
        json.dump(value, file)
    os.replace(f"{MEETING}/{name}.part", f"{MEETING}/{name}.json")


def send_signal(ask):
    """A signal with a value for one thread of another process: the kernel looks at user and namespace."""
    info = ctypes.create_string_buffer(128)  # siginfo_t: signo, errno, code, pid, uid, value
    for offset, value in ((0, signal.SIGURG), (8, SI_QUEUE), (16, os.getpid()), (20, os.getuid())):
        ctypes.memmove(ctypes.addressof(info) + offset, int(value).to_bytes(4, "little", signed=True), 4)
    return asking.call("rt_tgsigqueueinfo", ask["pid"], ask["tid"], int(signal.SIGURG), info)


def wait_on_file():
    """Until the function wakes whoever waits on the file's first word."""
    with open(f"{MEETING}/futex", "r+b") as file, mmap.mmap(file.fileno(), 4096) as mapping:
        word = ctypes.c_uint32.from_buffer(mapping)
        try:
            return asking.call("futex", ctypes.byref(word), FUTEX_WAIT, 0, (ctypes.c_long * 2)(1, 0), None, 0)
        finally:
            del word


def judge(ask):
    pid = ask["pid"]
    names = ("status", "stat", "maps", "schedstat", "syscall", "smaps_rollup", "limits")
    return {
        "rt_tgsigqueueinfo": asking.answer(send_signal, ask),
        "futex_wait": asking.answer(wait_on_file),
        "process_vm_readv": asking.answer(asking.read_vm, pid, ask["address"]),
        "pidfd_open": asking.answer(asking.call, "pidfd_open", pid, 0),
        "kill_0": asking.answer(os.kill, pid, 0),
        "proc": {name: asking.answer(lambda name=name: len(asking.read(f"/proc/{pid}/{name}")) > 0) for name in names},
        "thread_syscall": asking.answer(lambda: asking.read(f"/proc/{pid}/task/{ask['tid']}/syscall").split()[0]),
    }


def serve_one():
    """The function asks a moment after the event; or never, if it is another function's."""
    end = time.monotonic() + ASK_S
    while time.monotonic() < end:
        if os.path.exists(f"{MEETING}/ask.json"):
            ask = json.loads(asking.read(f"{MEETING}/ask.json"))
            os.unlink(f"{MEETING}/ask.json")
            put("answer", judge(ask))
            return
        time.sleep(0.005)


def main():
    headers, _ = ask_api("POST", "/register", {"Lambda-Extension-Name": "lamprey-probe"},
                         json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))  # fmt: skip
    mine = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
    put("extension", {
        "pid": os.getpid(), "identity": asking.identity(), "standard_output": asking.answer(asking.standard_output),
        "limits": asking.limits(), "system_calls": asking.system_calls(),
        "reserved_variables_hidden": "_HANDLER" not in os.environ,
    })  # fmt: skip
    while True:
        _, body = ask_api("GET", "/event/next", mine)
        if json.loads(body)["eventType"] == "SHUTDOWN":
            return
        asking.answer(serve_one)


main()
