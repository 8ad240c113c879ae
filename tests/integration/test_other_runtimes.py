"""Runtimes that are not Python: other clients of the Runtime API, no glibc, no wrapper, a proxy.

Each one's own client stands in handlers/, because AWS's are not to be had for all of them.
"""

import concurrent.futures
import functools
import shutil
import subprocess
import sys

import pytest
from made_once import only_here
from patience import a_few_tries

pytestmark = pytest.mark.slow

RIC = "aws-lambda-ric@4.0.2"
NODE = "node@22"  # what that client asks for
NPM_SECONDS = 240
SLEEP_MS = 100
BYTES = 8_000_000


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


def invoke_all(local_lambda, command, events, **options):
    with local_lambda.serve(*command, **options) as serving:
        answers = [serving.invoke(event) for event in events]
        return answers, serving.stop()


def row(record, name):
    return next((row for row in record["calls"]["top"] if row["name"] == name), None)


def check_everything_is_recorded(log, statuses):
    assert log.status == 0 and log.complaints == []
    types = [record["type"] for record in log.records]
    assert types == ["init", *["invoke"] * len(statuses), "shutdown"]
    assert [record["request_id"] for record in log.invokes] == log.started_ids
    assert [record["invocation"] for record in log.invokes] == list(range(1, len(statuses) + 1))
    assert [record["status"] for record in log.invokes] == statuses
    for record in log.invokes:
        assert 0 < record["response_ms"] <= record["duration_ms"]
        assert record["duration_ms"] <= log.durations_ms[record["request_id"]]


@a_few_tries
def check_work_is_seen(local_lambda, command, **options):
    """For functions that take {"sleep": s, "bytes": n, "fail": text}."""
    events = [{}, {"sleep": SLEEP_MS / 1000}, {"bytes": BYTES}, {"fail": "on purpose"}, {}]
    answers, log = invoke_all(local_lambda, command, events, **options)
    assert [failed for _, failed in answers] == [False, False, False, True, False]
    assert answers[2][0]["allocated"] == BYTES
    check_everything_is_recorded(log, ["ok", "ok", "ok", "error", "ok"])
    first, sleeping, allocating, _, last = log.invokes
    assert sleeping["duration_ms"] >= SLEEP_MS and last["duration_ms"] < sleeping["duration_ms"]
    assert sleeping["wall"]["sleep_ms"] > 0.9 * SLEEP_MS
    assert allocating["memory"]["allocated_bytes"] >= BYTES
    assert last["memory"]["allocated_bytes"] < BYTES / 2
    return log


# ---- Node ---------------------------------------------------------------------------------------


def test_node_with_its_own_http(local_lambda):
    need("node")
    check_work_is_seen(local_lambda, ["node", "node_client.mjs"], memory=512)


@functools.cache
def node_client(root):
    """Folder with AWS's Node client and a Node for it, or why there is none."""
    folder = root / "build" / "node-client"
    with only_here("node-client"):
        if (folder / "complete").exists():
            return folder, None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = ["npm", "install", "--no-fund", "--no-audit", "--prefix", folder, NODE, RIC]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=NPM_SECONDS)
        except subprocess.TimeoutExpired:
            return None, f"npm install did not end within {NPM_SECONDS} s"
        native = folder / "node_modules" / "aws-lambda-ric" / "rapid-client.node"
        if ran.returncode != 0 or not native.exists():
            return None, (ran.stderr.strip().splitlines() or ["its native part was not built"])[-1]
        (folder / "complete").touch()
    return folder, None


def awss_node_command(root):
    need("node", "npm", "autoreconf", "libtoolize", "cmake", "make")
    folder, obstacle = node_client(root)
    if obstacle:
        pytest.skip(f"{RIC} cannot be installed: {obstacle}")
    modules = folder / "node_modules"
    return [modules / ".bin" / "node", modules / "aws-lambda-ric" / "index.mjs"]


def test_awss_own_node_client(local_lambda, root):
    env = {"LAMBDA_TASK_ROOT": local_lambda.folder}
    command = [*awss_node_command(root), "node_function.handler"]
    check_work_is_seen(local_lambda, command, env=env, memory=512, timeout=10)


@a_few_tries
def test_awss_own_node_client_on_managed_instances(local_lambda, root):
    """It asks for more work before it has answered: an invocation ends with its answer there."""
    env = {
        "LAMBDA_TASK_ROOT": local_lambda.folder,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
        "AWS_LAMBDA_MAX_CONCURRENCY": "3",
    }
    command = [*awss_node_command(root), "node_function.handler"]
    seconds = [0.5, 0.3, 0.1]
    with local_lambda.serve(*command, env=env, memory=512, timeout=10) as serving:
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for _ in range(3):
                list(pool.map(lambda s: serving.invoke({"sleep": s}), seconds))
        log = serving.stop()
    assert log.complaints == []
    assert sorted(r["request_id"] for r in log.invokes) == sorted(log.started_ids)
    took = sorted(record["duration_ms"] for record in log.invokes)
    for index, shortest in enumerate(sorted(seconds * 3)):
        assert shortest * 1000 <= took[index], took
    for record in log.invokes:
        platform = log.durations_ms[record["request_id"]]
        assert 0.4 * platform < record["duration_ms"] < 1.3 * platform, "either side may be late"
        assert record["status"] == "ok" and "wall" not in record
        assert any(what.startswith("wall: another thread") for what in record["coverage"]["unseen"])


# ---- Ruby ---------------------------------------------------------------------------------------


def test_ruby_with_a_connection_for_each_call(local_lambda):
    need("ruby")
    log = check_work_is_seen(
        local_lambda, ["ruby", "ruby_client.rb"], env={"LAMPREY_DETAIL": "full"}
    )
    # The next invocation's connection is made before its request: it belongs to none.
    assert row(log.invokes[-1], "connect")["calls"] >= 1


# ---- runtimes that cannot be recorded say so, and work ------------------------------------------


def check_inert(answers, log, expected, says):
    assert answers == [(answer, False) for answer in expected]
    assert log.status == 0
    first = log.records[0]
    assert first["type"] == "init"
    assert any(says in text for text in first["coverage"]["unseen"]), first["coverage"]
    assert "memory" not in first or "allocations" not in first["memory"]
    assert "calls" not in first
    # Each invocation has a line of what its processes used together, one event late.
    assert [record["type"] for record in log.records] == ["init", *["invoke"] * len(answers), "shutdown"]
    for number, record in enumerate(log.invokes, 1):
        assert (record["coverage"]["mode"], record["invocation"]) == ("process", number)
        assert record["status"] == "ok" and record["request_id"]
        assert "duration_ms" not in record and "wall" not in record
        assert record["headline"].startswith("Ran, but was not recorded")
        assert record["system"]["total_memory"] > 0
        if number < len(answers):  # of the last one the processes may have ended
            assert record["system"]["cpu_total_time"] >= 0 and record["memory"]["rss_bytes"] > 0
            assert " CPU in all processes, " in record["headline"]


def test_a_shell_runtime_is_left_alone(local_lambda):
    need("bash", "curl", "awk")
    events = [{"n": number} for number in range(3)]
    answers, log = invoke_all(local_lambda, ["bash", "bootstrap.sh"], events)
    check_inert(answers, log, [{"echo": event} for event in events], "nothing recorded")
    assert log.complaints == []


@pytest.fixture(scope="module")
def compiled(root, tmp_path_factory):
    """Compiles handlers/client.c; the program lies where a private /tmp does not hide it."""
    folder = root / "build" / "test-workspaces" / "clients"
    folder.mkdir(parents=True, exist_ok=True)

    def compile_with(compiler, *flags):
        need(compiler)
        program = folder / f"client-{compiler}"
        source = root / "tests" / "integration" / "handlers" / "client.c"
        subprocess.run([compiler, "-O1", *flags, source, "-o", program], check=True)
        return program

    yield compile_with
    shutil.rmtree(folder, ignore_errors=True)


def test_a_static_program_is_left_alone(local_lambda, compiled):
    program = compiled("musl-gcc", "-static")
    answers, log = invoke_all(local_lambda, [program], [5, 6])
    check_inert(answers, log, [5, 6], "static program")


def test_a_musl_program_runs_and_what_is_said_of_it_is_true(local_lambda, compiled):
    """musl's loader takes the library or leaves it, by how that was built."""
    answers, log = invoke_all(local_lambda, [compiled("musl-gcc")], [5, 6])
    if log.invokes:
        check_everything_is_recorded(log, ["ok", "ok"])
        assert [record["memory"]["allocations"] for record in log.invokes] == [5, 6]
    else:
        check_inert(answers, log, [5, 6], "not linked to glibc")
    assert answers == [(5, False), (6, False)]


# ---- without the wrapper ------------------------------------------------------------------------


def test_provided_runtime_with_the_preload_as_a_function_variable(local_lambda, compiled):
    program = compiled("gcc")
    env = {
        "AWS_LAMBDA_EXEC_WRAPPER": "",
        "LD_PRELOAD": "/opt/lib/liblamprey.so",
        "LAMPREY_DETAIL": "full",
    }
    answers, log = invoke_all(local_lambda, [program], [0, 700, 0, 5], env=env)
    assert [answer for answer, _ in answers] == [0, 700, 0, 5]
    check_everything_is_recorded(log, ["ok"] * 4)
    # C has no noise: these are all that there are.
    assert [r["memory"]["allocations"] for r in log.invokes] == [0, 700, 0, 5]
    assert [r["memory"]["frees"] for r in log.invokes] == [0, 700, 0, 5]
    assert [r["memory"]["allocated_bytes"] for r in log.invokes] == [0, 700_000, 0, 5000]
    assert [r["memory"]["live_delta_bytes"] for r in log.invokes] == [0] * 4


def test_same_program_with_the_wrapper(local_lambda, compiled):
    _, log = invoke_all(local_lambda, [compiled("gcc")], [0, 700])
    check_everything_is_recorded(log, ["ok", "ok"])
    assert [r["memory"]["allocations"] for r in log.invokes] == [0, 700]


def test_neither_wrapper_nor_preload_says_what_to_set(local_lambda, compiled):
    answers, log = invoke_all(
        local_lambda, [compiled("gcc")], [1, 2], env={"AWS_LAMBDA_EXEC_WRAPPER": ""}
    )
    check_inert(answers, log, [1, 2], "AWS_LAMBDA_EXEC_WRAPPER=/opt/lamprey")


# ---- a proxy in front of the Runtime API --------------------------------------------------------


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_behind_a_proxy_of_another_layer(local_lambda, runtime):
    need("python3", *(["node"] if runtime == "node" else []))
    command = {
        "python": [sys.executable, "-m", "awslambdaric", "plain.handler"],
        "node": ["node", "node_client.mjs"],
    }[runtime]
    wrapper = local_lambda.folder / "proxy_wrapper"
    answers, log = invoke_all(
        local_lambda, command, [{}, {}, {}], env={"LAMPREY_EXEC_WRAPPER": wrapper}, memory=512
    )
    assert not any(failed for _, failed in answers)
    check_everything_is_recorded(log, ["ok"] * 3)
