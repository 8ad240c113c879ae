"""LAMPREY_FLUSH=batch: the companion takes no part in invocations, and its lines say what those of
LAMPREY_FLUSH=end say; whatever ends the environment, none is missing.
"""

import collections
import shutil
import sys
import time

import pytest
from bad_ends import DEATHS, HANGS, PYTHON, check_death, check_hang, commands, name_of
from custom_runtime import client, custom_runtime
from patience import a_few_tries
from storm import MUST_BE_EMPTY, storm
from test_bad_days import check_ids, invoke_all
from test_cheap import traced_layer
from test_lines import counted, total

BATCH = {"LAMPREY_FLUSH": "batch"}
TRIVIAL = [sys.executable, "-m", "awslambdaric", "trivial.handler"]
MOST_CALLS = 8  # of the companion, for an invocation; LAMPREY_FLUSH=end makes 12
BEFORE = 5  # good invocations before the one that goes wrong
# What an invocation of client.c does is the same each time, from the second on.
STEADY = {
    "memory": ("allocations", "frees", "reallocations", "allocated_bytes", "freed_bytes", "failed"),
    "calls": ("total", "errors"),
}


def sums_of(records):
    """What invocations did, added up: memory, calls by name, bytes of hosts, files."""
    sums = collections.Counter()
    for record in records:
        for section, keys in STEADY.items():
            for key in keys:
                sums[section, key] += record[section][key]
        for call in record["calls"].get("top", []):
            for key in ("calls", "errors", "bytes"):
                sums[call["name"], key] += call.get(key, 0)
        for file in record.get("files", []):
            for key in ("opens", "reads", "bytes"):
                sums[file["path"], key] += file[key]
    return sums


@pytest.fixture(scope="module")
def both(local_lambda):
    """The same function with either setting, all lines full."""
    command = [sys.executable, "-m", "awslambdaric", "fleet.reads"]
    full = {"LAMPREY_DETAIL": "full"}
    return {
        flush: local_lambda.run(*command, invocations=200, env={"LAMPREY_FLUSH": flush, **full}, seconds=120)
        for flush in ("end", "batch")
    }


def test_it_registers_for_the_shutdown_only(both):
    events = {flush: [line for line in log.lines if line.startswith("EXTENSION")] for flush, log in both.items()}
    assert [line.split("Events: ")[1] for line in events["batch"]] == ["[SHUTDOWN]"]
    assert [line.split("Events: ")[1] for line in events["end"]] == ["[INVOKE,SHUTDOWN]"]


def test_every_invocation_has_its_line_in_order(both):
    log = both["batch"]
    assert log.status == 0 and log.complaints == []
    assert [r["invocation"] for r in log.invokes] == list(range(1, 201))
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["type"] for r in log.records][0] == "init" and [r["type"] for r in log.records][-1] == "shutdown"
    assert not any(r.get("late") for r in log.invokes)
    for record in log.invokes:
        assert record["duration_ms"] <= log.durations_ms[record["request_id"]] + 1
        assert "flush_ms" not in record["self"]


def test_sums_are_those_of_lines_at_the_end(both):
    """From the second invocation on the function does the same each time."""
    end, batch = (sums_of(both[flush].invokes[100:]) for flush in ("end", "batch"))
    noisy = {("memory", "allocated_bytes"), ("memory", "freed_bytes"), ("memory", "allocations"),
             ("memory", "frees"), ("memory", "reallocations")}  # fmt: skip
    for key in end.keys() | batch.keys():
        if key in noisy:
            assert batch[key] == pytest.approx(end[key], rel=0.02), key
        elif key[0] not in ("poll", "recv", "send", "calls"):  # the Runtime API's: how it is cut into pieces
            assert batch[key] == end[key], key


def test_lines_are_all_that_the_process_did(both):
    """Against the process's own totals, which know nothing of lines."""
    log = both["batch"]
    [init], [end] = log.of_type("init"), log.of_type("shutdown")
    for key in ("allocations", "frees", "allocated_bytes"):
        summed = init["memory"][key] + total(log, "memory", key)
        assert end["memory"][key] * 0.999 <= summed <= end["memory"][key], key
    assert log.invokes[-1]["memory"]["live_bytes"] == init["memory"]["live_bytes"] + total(
        log, "memory", "live_delta_bytes"
    )
    samples = sum(site["allocated_bytes"] for r in log.invokes for site in r["memory"].get("sites", []))
    assert samples > 0


def is_shared(record):
    return any("memory by site" in text for text in record["coverage"].get("unseen", []))


def test_what_only_the_present_tells_is_the_newest_lines(both):
    told = [r for r in both["batch"].invokes if "fd_use" in r["system"]]
    assert 1 <= len(told) < 150
    for record in both["batch"].invokes[:-1]:  # the process may be gone when the last is told of
        assert "cpu_total_time" in record["system"] and "used_memory_max" in record["system"]
        if "fd_use" not in record["system"]:
            assert "threads_max" not in record["system"]
        # What was sampled is this one's, which was looked at before and after, or says whose it is.
        if record["memory"].get("sites"):
            assert "runnable_ms" in record["wall"] or is_shared(record)
    shared = [record for record in told if is_shared(record)]
    assert shared
    for record in shared:
        assert "runnable_ms" not in record["wall"] and "rx_bytes" not in record["system"]


@pytest.mark.parametrize("lines", ["all", "notable"])
def test_invocations_that_leave_the_companion_no_cpu_are_not_lost(local_lambda, lines):
    """A fraction of a millisecond each, frozen in between. The recording has room for 128 of them."""
    with local_lambda.serve(custom_runtime("storm"), env={**BATCH, "LAMPREY_LINES": lines}) as serving:
        for _ in range(1000):
            serving.invoke(0)
        log = serving.stop()
    assert counted(log) == 1000
    assert not any(r["self"]["dropped"] or "lost" in r["coverage"] for r in log.invokes)


def test_numbers_are_exact_to_the_block(local_lambda):
    with local_lambda.serve(client(), env=BATCH) as serving:
        for _ in range(300):
            serving.invoke(7)
        log = serving.stop()
    assert [r["memory"]["allocations"] for r in log.invokes] == [7] * 300
    assert [r["memory"]["allocated_bytes"] for r in log.invokes] == [7000] * 300
    assert {r["calls"]["errors"] for r in log.invokes} == {0}
    assert not any(r["self"]["dropped"] or "lost" in r["coverage"] for r in log.invokes)


def test_lines_leave_while_later_invocations_run(local_lambda):
    with local_lambda.serve(*TRIVIAL, env=BATCH) as serving:
        for _ in range(12):
            serving.invoke({})
            time.sleep(0.2)
        before = serving.log()
        after = serving.stop()
    assert before.of_type("init") and len(before.invokes) >= 4
    assert len(after.invokes) == 12


@pytest.mark.skipif(not shutil.which("strace"), reason="system calls are counted with strace")
def test_the_companion_makes_few_system_calls(local_lambda, build, workspace):
    layer, trace = traced_layer(build, workspace)
    # Of 5 ms each: strace makes a companion slower than trivial invocations follow each other.
    sleeps = [sys.executable, "-m", "awslambdaric", "fleet.sleeps"]
    log = local_lambda.run(*sleeps, layer=layer, invocations=700, env=BATCH, seconds=120)
    assert len(log.invokes) == 700
    calls = [line for line in trace.read_text().splitlines() if not line.startswith("restart_syscall")]
    # By the 300th stacks have their names. The freezer of `lamprey local` interrupts waits.
    sent = [at for at, line in enumerate(calls) if line.startswith("sendfile(")]
    per_invocation = (sent[650] - sent[300]) / 350
    assert 3 <= per_invocation <= MOST_CALLS


def test_notable_lines_and_summaries_stand_for_all(local_lambda):
    env = {**BATCH, "LAMPREY_LINES": "notable"}
    log = local_lambda.run(client(), event=3, invocations=1500, env=env, seconds=120)
    assert counted(log) == 1500 and len(log.invokes) < 200
    assert total(log, "memory", "allocations") == 4500
    assert log.of_type("summary")[0]["summary"]["invocations"] <= 1000


# ---- bad ends -----------------------------------------------------------------------------------

# Not those of client.c: it sends its request line in pieces, so END is marked after the last of them has
# left, and nobody holds the environment until then (docs/limits.md).
BUSY = [hang for hang in HANGS if hang[:2] in (("python", "busy"), ("node", "busy"), ("python", "recv"))]
DYING = [death for death in DEATHS if death[:2] in
         (("python", "null"), ("python", "_exit"), ("python", "exit"), ("python", "abort"))]  # fmt: skip


def after_good_ones(local_lambda, command, event, **options):
    """The record of what goes wrong; all before it and the next one are told of, too."""
    with local_lambda.serve(*command, env=BATCH, **options) as serving:
        for _ in range(BEFORE):
            assert not serving.invoke({"way": "fine"})[1]
        assert serving.invoke(event)[1]
        serving.invoke({"way": "fine"})
        log = serving.stop()
    assert log.complaints == []
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes[:BEFORE]] == ["ok"] * BEFORE
    assert log.invokes[-1]["status"] == "ok" and log.invokes[-1]["invocation"] == 1
    assert len(log.of_type("init")) == 2
    return log.invokes[BEFORE]


@pytest.mark.parametrize("hang", BUSY, ids=name_of)
@a_few_tries
def test_a_timeout_is_told_as_ever(local_lambda, hang):
    language, way = hang[:2]
    bad = after_good_ones(local_lambda, commands()[language], {"way": way}, timeout=1)
    check_hang(bad, hang, 1)


@pytest.mark.parametrize("death", DYING, ids=name_of)
def test_a_death_is_told_as_ever(local_lambda, death):
    language, way = death[:2]
    bad = after_good_ones(local_lambda, commands()[language], {"way": way}, timeout=20, memory=512)
    check_death(bad, death)


def test_out_of_memory_is_told_as_ever(local_lambda):
    answers, log = invoke_all(local_lambda, [{}, {}, {"grow": 400}, {}], memory=128, timeout=20, env=BATCH)
    if "not enforced" in log.stderr:
        pytest.skip("no control group for memory can be made here: " + log.stderr.strip())
    assert [failed for _, failed in answers] == [False, False, True, False]
    check_ids(log)
    assert [r["status"] for r in log.invokes] == ["ok", "ok", "out_of_memory", "ok"]
    assert log.invokes[2]["death"]["signal"] == "SIGKILL"


def test_a_killed_companions_successor_goes_on(local_lambda):
    answers, log = invoke_all(local_lambda, [{}] * 4 + [{"kill_companion": 0}, {}, {}], env=BATCH)
    check_ids(log)
    assert len(log.invokes) == len(answers)
    assert len({r["request_id"] for r in log.invokes}) == len(answers)


@pytest.mark.slow
@pytest.mark.alone  # how many invocations are answered before the kill depends on the machine's load
def test_a_storm_of_kills_loses_and_repeats_nothing(local_lambda):
    result = storm(local_lambda, kills=100, seed=11, env=BATCH)
    assert sum(result["kills"].values()) == 100
    assert result["answered"] > 25
    assert not any(result[name] for name in MUST_BE_EMPTY), result
    assert result["records"] >= result["answered"]
