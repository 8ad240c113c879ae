"""The variables that users set: what they do, and what a wrong value costs (one line)."""

import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "awslambdaric"]
SHORT_LIST = 3
OURS = ["LD_PRELOAD", "_LAMPREY_TARGET", "_LAMPREY_ENVIRONMENT", "_LAMPREY_ROLE",
        "_LAMPREY_DIRECTORY"]  # fmt: skip
SHOW = "import os, sys; print({name: os.environ.get(name) for name in sys.argv[1:]})"


def run(local_lambda, handler="plain.handler", invocations=3, **env):
    log = local_lambda.run(*COMMAND, handler, invocations=invocations, env=env)
    assert log.status == 0 and len(log.started_ids) == invocations
    return log


def invoke_all(local_lambda, events, **options):
    with local_lambda.serve(*COMMAND, "app.handler", **options) as serving:
        answers = [serving.invoke(event)[0] for event in events]
        return answers, serving.stop()


def test_off_is_as_if_lamprey_were_not_there(local_lambda):
    log = run(local_lambda, LAMPREY="off")
    assert log.records == [] and log.complaints == []
    assert any("Events: []" in line for line in log.lines), "an extension without events"
    answers, _ = invoke_all(local_lambda, [{"environment": OURS}], env={"LAMPREY": "off"})
    assert set(answers[0]["environment"].values()) == {None}




def calls_much(local_lambda, detail):
    events = [{"say": "x", "sleep": 0.001, "read": {"path": __file__, "piece": 4096}}] * 3
    env = {"LAMPREY_DETAIL": detail} if detail else {}
    _, log = invoke_all(local_lambda, events, env=env)
    return [len(record["calls"]["top"]) for record in log.invokes]


def test_detail_decides_how_long_the_lists_are(local_lambda):
    assert min(calls_much(local_lambda, "full")) > SHORT_LIST
    assert all(1 <= much <= SHORT_LIST for much in calls_much(local_lambda, "short"))
    first, *others = calls_much(local_lambda, None)  # auto: full at the cold start
    assert first > SHORT_LIST and all(1 <= much <= SHORT_LIST for much in others)


def test_totals_do_not_depend_on_the_detail(local_lambda):
    for detail in ("full", "short"):
        log = run(local_lambda, LAMPREY_DETAIL=detail)
        for record in log.invokes:
            assert record["calls"]["total"] >= sum(row["calls"] for row in record["calls"]["top"])
            assert record["calls"]["total"] > SHORT_LIST


def test_metrics_can_be_switched_off(local_lambda):
    assert all("_aws" in record for record in run(local_lambda).invokes)
    plain = run(local_lambda, LAMPREY_METRICS="off").invokes
    assert not any("_aws" in record or "syscalls" in record for record in plain)
    assert all("duration_ms" in record for record in plain)


def test_the_namespace_is_the_users(local_lambda):
    log = run(local_lambda, LAMPREY_NAMESPACE="My/Team")
    spaces = {record["_aws"]["CloudWatchMetrics"][0]["Namespace"] for record in log.invokes}
    assert spaces == {"My/Team"}


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("LAMPREY", "maybe", "on, off"),
        ("LAMPREY_DETAIL", "much", "auto, full, short"),
        ("LAMPREY_LINES", "few", "all, notable"),
        ("LAMPREY_FLUSH", "batches", "end, batch"),
        ("LAMPREY_METRICS", "1", "on, off"),
        ("LAMPREY_SAMPLE_BYTES", "-5", "a number of bytes"),
        ("LAMPREY_SAMPLE_BYTES", "64k", "a number of bytes"),
        ("LAMPREY_FOLLOW_CHILDREN", "yes", "off, on"),
        ("LAMPREY_TRACE_LANGUAGE", "ON", "off, on"),
        ("LAMPREY_EXACT", "yes", "off, on"),
        ("LAMPREY_FRAMES", "native", "on, off"),
        ("LAMPREY_CPU", "0", "off, on, a number from 1 to 1000"),
        ("LAMPREY_CPU", "99.5", "off, on, a number from 1 to 1000"),
        ("LAMPREY_LOG", "loud\nspoof", "error, info, debug"),
        ("LAMPREY_NAMESPACE", "a?", "letters, digits"),
    ],
)
def test_an_unknown_value_is_one_line_and_the_default(local_lambda, name, value, accepted):
    log = run(local_lambda, **{name: value})
    assert len(log.complaints) == 1
    [line] = log.complaints
    assert name in line and value.split("\n")[0] in line and accepted in line
    assert [record["status"] for record in log.invokes] == ["ok"] * 3
    assert "Lamprey" == log.invokes[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    assert "spoof" not in log.lines


def test_all_of_them_wrong_at_once(local_lambda):
    names = ["DETAIL", "METRICS", "SAMPLE_BYTES", "FOLLOW_CHILDREN", "TRACE_LANGUAGE", "EXACT", "FRAMES", "LOG"]
    log = run(local_lambda, **{f"LAMPREY_{name}": "?" for name in names})
    assert len(log.complaints) == len(names) and len(log.invokes) == 3


def test_nothing_else_is_read(local_lambda):
    log = run(local_lambda, LAMPREY_DETIAL="full", LAMPREYS="off")
    assert log.complaints == [] and len(log.invokes) == 3


def test_children_do_not_inherit_the_library(local_lambda):
    child = [sys.executable, "-c", SHOW, *OURS]
    answers, log = invoke_all(local_lambda, [{"child": child}, {"environment": OURS}, {}])
    assert answers[0]["child"] == f"{dict.fromkeys(OURS)}\n"
    assert answers[1]["environment"] == dict.fromkeys(OURS), "the function itself sees nothing"
    assert [record["type"] for record in log.records] == ["init", *["invoke"] * 3, "shutdown"]


def test_children_are_followed_when_asked(local_lambda):
    child = [sys.executable, "-c", SHOW, "LD_PRELOAD"]
    env = {"LAMPREY_FOLLOW_CHILDREN": "on"}
    answers, log = invoke_all(local_lambda, [{"child": child}, {}, {"child": child}], env=env)
    assert "liblamprey.so" in answers[0]["child"]
    assert [r["status"] for r in log.invokes] == ["ok"] * 3
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    # The children's own records, of the last one at SHUTDOWN, and the runtime's; one init.
    assert [r["memory"]["allocations"] > 500 for r in log.of_type("shutdown")] == [True] * 3
    assert [r.get("process", {}).get("role") for r in log.records].count("child") == 2
    assert len(log.of_type("init")) == 1
    assert log.complaints == []


def test_a_preload_of_somebody_else_is_kept(local_lambda, workspace):
    other = workspace / "libother.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", other],
        input=b"int other_layer;",
        check=True,
    )
    answers, log = invoke_all(
        local_lambda,
        [{"environment": ["LD_PRELOAD"], "child": ["grep", "-c", other.name, "/proc/self/maps"]}],
        env={"LD_PRELOAD": other},
    )
    assert answers[0]["environment"] == {"LD_PRELOAD": str(other)}, "only ours left the list"
    assert int(answers[0]["child"]) > 0, "and its children have it"
    assert [record["status"] for record in log.invokes] == ["ok"]


def test_env_reaches_the_function_untouched(local_lambda):
    odd = {"PLAIN": "value", "EQUALS": "a=b=c", "SPACES": " a b ", "EMPTY": "", "UTF": "é"}
    answers, _ = invoke_all(local_lambda, [{"environment": [*odd, "ABSENT"]}], env=odd)
    assert answers[0]["environment"] == {**odd, "ABSENT": None}


def test_callers_own_lambda_variables_do_not_leak(local_lambda):
    outside = {"AWS_LAMBDA_FUNCTION_NAME": "outside", "LD_PRELOAD": "", "MINE": "kept"}
    names = ["AWS_LAMBDA_FUNCTION_NAME", "MINE"]
    answers, _ = invoke_all(local_lambda, [{"environment": names}], environment=outside)
    assert answers[0]["environment"] == {"AWS_LAMBDA_FUNCTION_NAME": "function", "MINE": "kept"}


def test_function_name_appears_in_the_record(local_lambda):
    log = run(local_lambda, AWS_LAMBDA_FUNCTION_NAME="checkout", AWS_LAMBDA_FUNCTION_VERSION="7")
    assert {(r["function_name"], r["function_version"]) for r in log.records} == {("checkout", "7")}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--timeout", "0"], "--timeout 0"),
        (["--timeout", "3s"], "--timeout 3s"),
        (["--memory", "64"], "--memory 64"),
        (["--invocations", "-1"], "--invocations -1"),
        (["--env", "novalue"], "--env novalue"),
        (["--event", "{broken"], "--event {broken"),
        (["--layer", "/does/not/exist"], "--layer /does/not/exist"),
        (["--out", "/does/not/exist/file"], "--out /does/not/exist/file"),
        (["--serve", "70000"], "--serve 70000"),
        (["--unknown"], "--unknown"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(build, words, names):
    ran = subprocess.run(
        [build / "bin" / "lamprey", "local", *words, "--", "true"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1 and names in ran.stderr, ran.stderr


def test_a_command_that_is_not_there(build):
    for words in (["/does/not/exist"], ["no-such-program"], []):
        ran = subprocess.run(
            [build / "bin" / "lamprey", "local", "--", *words], capture_output=True, text=True
        )
        assert ran.returncode == 2 and ran.stderr.count("\n") == 1, ran.stderr
