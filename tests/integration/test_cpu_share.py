"""The CPU that `lamprey local` gives a function: the share of its memory size, in slices, from the first
invocation on; as much as there is with --cpu full.
"""

import os
import re
import statistics
import subprocess
import sys

import pytest
from patience import a_few_tries

pytestmark = pytest.mark.alone  # others' work is a share of the CPU, too
ONE_CPU_MB = 1769
SLICE_MS = 20
# In the answer: which part of a second it was on a CPU, and how long it was held up at once, in ms.
BUSY = """
import time

_init = []
_began, _used = time.monotonic(), time.process_time()
while time.monotonic() - _began < 0.3:
    pass
_init.append((time.process_time() - _used) / (time.monotonic() - _began))


def handler(event, context):
    began, used, before, gaps = time.monotonic(), time.process_time(), time.monotonic(), []
    while before - began < 1:
        now = time.monotonic()
        if now - before > 0.004:
            gaps.append((now - before) * 1000)
        before = now
    return {"share": (time.process_time() - used) / (before - began), "gaps": gaps, "init": _init[0]}
"""
PYTHON = [sys.executable, "-m", "awslambdaric", "busy.handler"]


@pytest.fixture
def busy(local_lambda, workspace):
    (workspace / "busy.py").write_text(BUSY)

    def run(memory, cpu):
        env = {"PYTHONPATH": workspace}
        with local_lambda.serve(*PYTHON, memory=memory, cpu=cpu, timeout=10, env=env) as function:
            answers = [function.invoke()[0] for _ in range(2)]
            log = function.stop()
        if "no control group for the CPU" in log.stderr:
            assert os.geteuid() != 0 or cpu is None
            pytest.skip("no control group for the CPU can be made here")
        return answers, log

    return run


# These compare with the share itself, so a busy machine can only make them smaller.
@pytest.mark.parametrize("memory", [128, 512, 885])
def test_a_function_has_the_share_of_its_memory_size(busy, memory):
    answers, _ = busy(memory, None)
    share = statistics.median(answer["share"] for answer in answers)
    assert 0.5 * memory / ONE_CPU_MB <= share <= 1.15 * memory / ONE_CPU_MB, answers


def test_its_init_has_more(busy):
    answers, _ = busy(128, None)
    assert answers[0]["init"] > 3 * answers[0]["share"], answers


def test_it_is_held_up_for_the_rest_of_each_slice(busy):
    answers, _ = busy(128, None)
    gaps = [gap for answer in answers for gap in answer["gaps"]]
    assert len(gaps) >= 2 * 1000 / SLICE_MS / 8, gaps
    assert statistics.median(gaps) >= SLICE_MS / 2, gaps


def test_full_is_as_much_as_there_is(busy):
    answers, _ = busy(128, "full")
    assert max(answer["share"] for answer in answers) > 0.3, answers


def test_what_else_cpu_may_be_is_one_line(build, private_tmp):
    words = private_tmp([build / "bin" / "lamprey", "local", "--cpu", "half", "--", "true"])
    ran = subprocess.run(words, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "--cpu half: must be full" in ran.stderr


# ---- what the record says of it -------------------------------------------------------------------

COMPUTES = """
import time


def handler(event, context):
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < event["cpu_ms"] / 1000:
        pass
    time.sleep(event.get("sleep_s", 0))
    return (time.monotonic() - began) * 1000
"""


@pytest.fixture
def computes(local_lambda, workspace):
    (workspace / "computes.py").write_text(COMPUTES)

    def run(memory, cpu_ms, **event):
        log = local_lambda.run(
            sys.executable, "-m", "awslambdaric", "computes.handler", event={"cpu_ms": cpu_ms, **event}, timeout=20,
            memory=memory, cpu=None, invocations=2, env={"PYTHONPATH": workspace},
        )  # fmt: skip
        if "no control group for the CPU" in log.stderr:
            pytest.skip("no control group for the CPU can be made here")
        return log.invokes

    return run


def throttled(record):
    return [f for f in record.get("findings", []) if f["code"] == "time.cpu_throttled"]


@a_few_tries
def test_cpu_that_was_held_back_is_said_and_the_advice_is_right(computes):
    for record in computes(128, 150):
        wall = record["wall"]
        parts = sum(value for key, value in wall.items() if key != "total_ms")
        assert parts == pytest.approx(wall["total_ms"], rel=0.01)
        assert wall["stolen_ms"] > 0.75 * wall["total_ms"], wall
        [told] = throttled(record)
        assert told["text"].startswith("The CPU was held back for ") and "128 MB get 7 % of a vCPU" in told["text"]
        assert "time.cpu_starved" not in [f["code"] for f in record["findings"]]
    advised = re.search(r"about ([\d.]+) (m?s) with 256 MB, ([\d.]+) (m?s) with 512 MB", told["text"])
    for size, number, unit in ((256, advised[1], advised[2]), (512, advised[3], advised[4])):
        expected = float(number) * (1 if unit == "ms" else 1000)
        took = computes(size, 150)[-1]["duration_ms"]
        assert 0.6 * expected <= took <= 1.5 * expected, (size, expected, took)


def test_a_function_that_waits_was_not_held_back(computes):
    record = computes(128, 0.2, sleep_s=0.4)[-1]
    stolen_ms = record["wall"].get("stolen_ms", 0)  # a short line leaves it out where it is 0
    assert throttled(record) == [] and stolen_ms <= 60
