"""LAMPREY_EXACT=on under whole runtimes: nothing they do turns out otherwise, and `kernel` of each
record has the calls of its own span. What may break is in tests/hazard/test_exact.py.
"""

import pathlib
import subprocess
import sys

import pytest
from test_same_results import JAVA, NODE, PERL, RUBY, need, pair  # noqa: F401: a fixture

ON = {"LAMPREY_EXACT": "on"}
FULL = {**ON, "LAMPREY_DETAIL": "full"}


PYTHON = """
import asyncio, concurrent.futures, os, signal, socket, subprocess, sys, threading
a, b = socket.socketpair()
threading.Thread(target=lambda: a.sendall(b.recv(10))).start()
b_sent = threading.Thread(target=lambda: a.sendall(b"hello")); b_sent.start(); b_sent.join()
print(subprocess.run(["sh", "-c", "cat; exit 3"], input=b"in", capture_output=True))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: len(os.listdir("/")) * 0 + n, range(500))))
async def main():
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    print(await process.stdout.read(), await process.wait())
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(20)))
asyncio.run(main())
pid = os.fork()
if pid == 0: os._exit(4)
print(os.waitpid(pid, 0)[1])
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.02)
signal.pause()
sys.exit(6)
"""


def kernel_row(record, name):
    return next((row for row in record["kernel"]["top"] if row["name"] == name), None)


@pytest.mark.parametrize(
    ("program", "script"),
    [("node", NODE), ("ruby", RUBY), ("perl", PERL), (sys.executable, PYTHON)],
    ids=["node", "ruby", "perl", "python"],
)
def test_programs_of_every_runtime(pair, program, script):  # noqa: F811
    """Children, threads, sockets, signals: output and status as without the library."""
    switch = "-c" if program == sys.executable else "-e"
    _, record = pair.check(need(program), switch, script, env=ON)
    check_kernel(record)


def test_java(pair, workspace):  # noqa: F811
    java, javac = pathlib.Path(need("java")).resolve(), need("javac")
    (workspace / "Main.java").write_text(JAVA)
    subprocess.run([javac, "-d", workspace, workspace / "Main.java"], check=True)
    _, record = pair.check(java, "-cp", workspace, "Main", env=ON)
    check_kernel(record)


def check_kernel(record):
    kernel = record["kernel"]
    assert kernel["places"] > 400 and kernel["total"] > 300
    unseen = record["coverage"].get("unseen", [])
    assert not any("exact mode is not on" in text for text in unseen)
    # What libc calls of itself: nobody's hooks see these.
    names = {row["name"] for row in kernel["top"]}
    assert names & {"mmap", "brk", "munmap", "futex", "getdents64"}, names


COUNTED = """
import json, os, socket, sys, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as answer:
        identity = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(answer)
    for _ in range(event["ask"]): os.getppid()
    for _ in range(event["look_up"]): socket.getaddrinfo("localhost", 80)
    urllib.request.urlopen(base + identity + "/response", data=b"{}").close()
"""


def test_each_invocation_has_its_own_calls(local_lambda, workspace):
    """Also those of a look-up that is all libc's: it reads /etc/hosts each time."""
    program = workspace / "counted.py"
    program.write_text(COUNTED)
    events = [{"ask": 5000, "look_up": 0}, {"ask": 0, "look_up": 50}, {"ask": 3000, "look_up": 0}]
    with local_lambda.serve(sys.executable, program, env=FULL) as serving:
        for event in events:
            assert not serving.invoke(event)[1]
        log = serving.stop()
    assert log.complaints == [] and [r["status"] for r in log.invokes] == ["ok"] * 3
    asked = [kernel_row(record, "getppid") for record in log.invokes]
    assert [row and row["calls"] for row in asked] == [5000, None, 3000]
    looked_up = log.invokes[1]
    (calls,) = [r["calls"] for r in looked_up["calls"]["top"] if r["name"] == "getaddrinfo"]
    assert calls >= 50  # the runtime's own connections look a name up, too
    assert kernel_row(looked_up, "openat")["calls"] >= 50
    assert all(r["name"] != "openat" for r in looked_up["calls"]["top"])
    (shutdown,) = log.of_type("shutdown")
    assert kernel_row(shutdown, "getppid")["calls"] == 8000
    totals = [r["kernel"]["total"] for r in (*log.of_type("init"), *log.invokes)]
    assert sum(totals) <= shutdown["kernel"]["total"] <= sum(totals) + 300
