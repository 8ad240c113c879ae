"""Abnormal ends and a /tmp that is not as it should be: the function comes first, nothing that was
recorded is lost or said twice, and one line says what is missing.
"""

import collections
import os
import re
import struct
import subprocess
import sys

import pytest
from patience import a_few_tries

COMMAND = [sys.executable, "-m", "awslambdaric"]
SLOWER_THAN_THE_TIMEOUT = 30
OFFSET_OF_VERSION = 8


def invoke_all(local_lambda, events, handler="app.handler", **options):
    with local_lambda.serve(*COMMAND, handler, **options) as serving:
        answers = [serving.invoke(event) for event in events]
        return answers, serving.stop()


def check_ids(log, unrecorded=0):
    """Each invocation that reached the runtime has one record, and there are no others."""
    counts = collections.Counter(record["request_id"] for record in log.invokes)
    assert set(counts) <= set(log.started_ids)
    assert set(counts.values()) <= {1}, "a record that was printed twice"
    assert len(log.started_ids) - len(counts) == unrecorded


def check_recovery(local_lambda, bad_event, **options):
    """One good invocation, a bad one, two good ones in a new environment: the bad one's record."""
    answers, log = invoke_all(local_lambda, [{}, bad_event, {}, {}], **options)
    assert [failed for _, failed in answers] == [False, True, False, False]
    check_ids(log)
    by_id = {record["request_id"]: record for record in log.invokes}
    good, bad, again, last = [by_id[started] for started in log.started_ids]
    assert [r["status"] for r in (good, again, last)] == ["ok"] * 3
    assert [r["invocation"] for r in (good, bad, again, last)] == [1, 2, 1, 2]
    assert [r["cold_start"] for r in (good, bad, again, last)] == [True, False, True, False]
    assert len(log.of_type("init")) == 2
    assert bad["status"] != "ok" and bad["death"]["reason"]
    assert "response_ms" not in bad
    assert bad["memory"]["allocations"] > 0, "what was counted outlives the process"
    assert log.complaints == []
    return bad, log


@a_few_tries
def test_a_timeout_says_where_it_stood(local_lambda):
    bad, log = check_recovery(local_lambda, {"sleep": SLOWER_THAN_THE_TIMEOUT}, timeout=1)
    assert bad["status"] == "timeout"
    assert 900 <= bad["duration_ms"] <= log.durations_ms[bad["request_id"]]
    [blocked] = [b for b in bad["blocked"] if b["call"] in ("clock_nanosleep", "select")]
    assert 900 <= blocked["for_ms"] <= bad["duration_ms"]
    assert "late" not in bad
    ended = [r["status"] for r in log.of_type("shutdown")]
    assert ended == ["timeout", "ok"]


def test_exit_in_the_middle(local_lambda):
    bad, _ = check_recovery(local_lambda, {"exit": 3})
    assert bad["status"] == "exit"
    assert bad["death"]["exit_code"] == 3 and bad["death"]["reason"] == "_exit(3)"


def test_sys_exit_in_the_middle(local_lambda):
    bad, _ = check_recovery(local_lambda, {"leave": 0})
    assert bad["status"] == "exit"
    assert bad["death"]["exit_code"] == 0


@pytest.mark.parametrize("number", [9, 15, 6])
def test_killed_by_a_signal(local_lambda, number):
    bad, _ = check_recovery(local_lambda, {"kill": number})
    assert bad["status"] == "crash"
    assert bad["death"]["signal"] == f"SIG{ {9: 'KILL', 15: 'TERM', 6: 'ABRT'}[number] }"
    assert "itself" in bad["death"]["reason"] or number == 6


def test_a_segmentation_fault(local_lambda):
    bad, _ = check_recovery(local_lambda, {"crash": 0})
    assert bad["status"] == "crash"
    assert bad["death"]["signal"] == "SIGSEGV" and bad["death"]["address"] == "0x0"
    assert "SIGSEGV: address not mapped in" in bad["headline"]


def test_out_of_memory(local_lambda):
    limit_mb = 128
    answers, log = invoke_all(local_lambda, [{}, {"grow": 400}, {}], memory=limit_mb, timeout=20)
    if "not enforced" in log.stderr:
        pytest.skip("no control group for memory can be made here: " + log.stderr.strip())
    assert [failed for _, failed in answers] == [False, True, False]
    check_ids(log)
    bad = log.invokes[1]
    assert bad["status"] == "out_of_memory" and bad["death"]["signal"] == "SIGKILL"
    [finding] = [one for one in bad["findings"] if one["code"] == "memory.out_of_memory"]
    assert finding["evidence"]["confidence_percent"] >= 90
    assert finding["evidence"]["limit_bytes"] == limit_mb * 2**20
    # Resident are also pages of files that another control group was charged for, which read them
    # first: Python's own library, 8 MB of it.
    most = (limit_mb + 16) * 2**20
    assert 0.5 * limit_mb * 2**20 < finding["evidence"]["rss_bytes"] <= most
    # What it held when it was killed: nearly all that it may have.
    assert 0.8 * limit_mb * 2**20 < bad["memory"]["live_bytes"] <= limit_mb * 2**20
    assert bad["memory"]["limit_bytes"] == limit_mb * 2**20


def test_the_companion_is_killed(local_lambda):
    bad, log = check_recovery(local_lambda, {"kill_companion": 0})
    # Its successor found the recording.
    assert bad["late"] is True
    assert sum(line.endswith("Extension.Crash") and "EXTENSION" in line for line in log.lines) == 1


def test_a_failing_import(local_lambda):
    answers, log = invoke_all(local_lambda, [{}, {}], handler="absent.handler")
    assert all(failed for _, failed in answers)
    assert "ImportModuleError" in answers[0][0]["errorType"]
    assert log.invokes == []  # no invocation ever reached the runtime
    # Lambda tries once before the first invocation and once in each.
    assert [record["status"] for record in log.records] == ["error"] * 3
    assert all(record["memory"]["allocations"] > 1000 for record in log.records)


def test_an_exit_during_init(local_lambda):
    answers, log = invoke_all(local_lambda, [{}], handler="exits_at_once.handler")
    assert answers[0][1] and answers[0][0]["errorType"] == "Runtime.ExitError"
    assert log.invokes == []
    assert {record["status"] for record in log.records} <= {"exit", "crash", "error"}
    assert len(log.records) == 2


@pytest.mark.slow
def test_an_init_of_more_than_ten_seconds(local_lambda, private_tmp):
    log = local_lambda.run(*COMMAND, "slow_init.handler", invocations=2, timeout=10)
    assert log.status == 0
    assert any(line.startswith("INIT_REPORT") and "timeout" in line for line in log.lines)
    check_ids(log)
    assert [record["status"] for record in log.invokes] == ["ok", "ok"]
    first = log.records[0]  # the one that was stopped
    assert first["status"] == "timeout" and first["memory"]["allocations"] > 1000


def test_ctrl_c_ends_all_and_leaves_nothing_behind(local_lambda, private_tmp):
    with local_lambda.serve(*COMMAND, "app.handler") as serving:
        _, failed = serving.invoke({})
        listing, _ = serving.invoke({"child": ["ls", "/tmp/lamprey"]})
        assert not failed and listing["child"].count(".rec") == 1
        log = serving.stop()
    assert log.status == 0
    assert [r["type"] for r in log.records] == ["init", "invoke", "invoke", "shutdown"]


# ---- /tmp -------------------------------------------------------------------------------------


BAD_TMP = {
    "somebody's link": "mkdir /tmp/victim; ln -s /tmp/victim /tmp/lamprey",
    "somebody's directory": "mkdir /tmp/lamprey; chown 12345 /tmp/lamprey",
    "a file": "touch /tmp/lamprey",
    "read-only": "mount -o remount,ro /tmp",
    "full": "mount -o remount,size=64k /tmp; head -c 65536 /dev/zero >/tmp/full",
    "too small": "mkdir -m 700 /tmp/lamprey; mount -o remount,size=256k /tmp",
}


@pytest.mark.parametrize("name", BAD_TMP)
def test_a_tmp_that_cannot_be_used(local_lambda, private_tmp, name):
    if os.geteuid() != 0:
        pytest.skip("only root can make such a /tmp")
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=3, prelude=BAD_TMP[name])
    assert log.status == 0, "the function runs as if Lamprey were not there"
    assert len(log.started_ids) == 3
    # What its processes used is known without a recording.
    assert [line["coverage"]["mode"] for line in log.invokes] == ["process"] * 3
    # At most one line of each of the three parts; each names what it could not use.
    assert 1 <= len(log.complaints) <= 2
    assert all("/tmp" in line for line in log.complaints), log.complaints
    assert [record["type"] for record in log.records] == ["init", *["invoke"] * 3, "shutdown"]
    # What it says must be the reason, and no advice to do what was done.
    unseen = log.records[0]["coverage"]["unseen"][0]
    assert unseen.startswith("nothing recorded") and "/tmp" in unseen
    assert "memory" not in log.records[0]


def test_nothing_is_written_through_a_link(local_lambda, private_tmp, workspace):
    victim = workspace / "victim"
    victim.mkdir()
    log = local_lambda.run(*COMMAND, "plain.handler", prelude=f"ln -s {victim} /tmp/lamprey")
    assert log.status == 0
    assert list(victim.iterdir()) == []


@pytest.fixture(scope="module")
def leftover(root, build, private_tmp, tmp_path_factory):
    """A true recording of a process that ended, as bytes."""
    folder = root / "build" / "test-workspaces" / "leftover"
    folder.mkdir(parents=True, exist_ok=True)
    # The name of another environment: it must be reported by whoever finds it all the same.
    script = (
        "_LAMPREY_TARGET=$$ _LAMPREY_ENVIRONMENT=127.0.0.1:1 LD_PRELOAD=$1 exec "
        f"{sys.executable} -c 'import os; os.system(\"cp /tmp/lamprey/*.rec $2/recording\")' "
    ).replace("$2", str(folder))
    subprocess.run(
        private_tmp(["sh", "-c", script, "sh", build / "lib" / "liblamprey.so"]), check=True
    )
    return (folder / "recording").read_bytes()


def lay(workspace, files):
    """A prelude that lays these files into /tmp/lamprey."""
    for name, content in files.items():
        (workspace / name).write_bytes(content)
    return (
        f"mkdir -m 700 /tmp/lamprey; cp {workspace}/*.rec /tmp/lamprey; chmod 600 /tmp/lamprey/*; "
        "touch -d '1 hour ago' /tmp/lamprey/*; sleep 0.05"
    )


def test_a_leftover_recording_is_reported_once(local_lambda, workspace, private_tmp, leftover):
    prelude = lay(workspace, {"99999999.rec": leftover})
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=3, prelude=prelude)
    late = [record for record in log.records if record.get("late")]
    assert len(late) == 1 and late[0]["memory"]["allocations"] > 1000, log.records
    assert log.complaints == []
    assert [record["status"] for record in log.invokes if not record.get("late")] == ["ok"] * 3


def damaged(recording):
    whole = bytearray(recording)
    future = bytearray(recording)
    struct.pack_into("<I", future, OFFSET_OF_VERSION, 4711)
    noise = bytearray((i * 7919 >> 3) & 0xFF for i in range(len(recording)))
    noise[:64] = whole[:64]
    return {
        "future": (future, r"version 4711"),
        "cut": (whole[:5000], r""),
        "cut in the header": (whole[:300], r"cut to 300 bytes"),
        "empty": (b"", r"0 bytes"),
        "text": (b"hello\n" * 1000, r"does not begin as a recording"),
        "never finished": (bytes(len(recording)), r"never finished"),
        "noise": (noise, r""),
        "all ones": (whole[:64] + b"\xff" * (len(whole) - 64), r""),
    }


@pytest.mark.parametrize(
    "kind",
    ["future", "cut", "cut in the header", "empty", "text", "never finished", "noise", "all ones"],
)
def test_a_damaged_recording_costs_one_line(local_lambda, workspace, private_tmp, leftover, kind):
    content, says = damaged(leftover)[kind]
    prelude = lay(workspace, {"99999999.rec": bytes(content)})
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=3, prelude=prelude)
    assert log.status == 0
    assert [r["status"] for r in log.invokes if not r.get("late")] == ["ok"] * 3
    check_ids(log)
    about = [line for line in log.complaints if "99999999.rec" in line]
    reported = [record for record in log.records if record.get("late")]
    assert len(about) + len(reported) <= 1 and len(log.complaints) == len(about)
    if says:
        assert len(about) == 1 and re.search(says, about[0]), log.complaints


def test_things_that_are_no_files_cost_one_line_each(local_lambda, private_tmp):
    prelude = (
        "mkdir -m 700 /tmp/lamprey; cd /tmp/lamprey; ln -s /etc/passwd 1.rec; mkdir 2.rec;"
        "mkfifo 3.rec; echo note >note.txt; touch -d '1 hour ago' *; cd - >/dev/null"
    )
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=3, prelude=prelude)
    assert log.status == 0 and [r["status"] for r in log.invokes] == ["ok"] * 3
    named = [re.search(r"/tmp/lamprey/(\d)\.rec", line)[1] for line in log.complaints]
    assert sorted(named) == ["1", "2", "3"]
