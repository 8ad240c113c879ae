"""`layer/verify`: its checks hold on functions under `lamprey local` and AWS's emulator, a fault in the lines
turns its table red, and the probe answers everything and nothing private. In an account:
test_verify_account.py.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import aws_emulator
import pytest
import record_schema
from client_commands import awss_java_client, dotnet_program
from custom_runtime import compile_all
from verify_room import FUNCTIONS, HANDLERS, PROBE, PYTHON, ROOT, serving, verify

sys.path.insert(0, str(ROOT / "layer"))
from verification import checks, driving, log_lines, packages, plan  # noqa: E402
from verification.table import Table  # noqa: E402

PROGRAMS = ROOT / "build" / "test-programs"


def cells(ran):
    """Of the table's only row, by column."""
    head, row = (re.split(r" {2,}", line.strip()) for line in ran.stdout.splitlines()[:2])
    return dict(zip(head[1:], row[1:]))


# ---- on functions that run here -----------------------------------------------------------------


@pytest.mark.slow
def test_every_check_holds_under_the_local_lambda(local_lambda, workspace):
    # A seventh of a CPU fills 256 MB in a second where nothing else runs.
    options = {"timeout": 4, "memory": 256, "env": {"LAMPREY_DETAIL": "full"}}
    with serving(local_lambda, workspace, PYTHON, **options) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", workspace / "results")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = cells(ran)
    apart = {"init_failure": "-", "stream": "-"}
    assert {name: state for name, state in found.items() if state != "ok"} == apart
    assert len(found) == 13 and ran.stdout.endswith("11 checks held, 0 failed, 2 skipped\n")
    answers = json.loads((workspace / "results" / "answers.json").read_text())
    assert re.fullmatch("[0-9a-f]{40}", list(list(answers["binaries"].values())[0].values())[0]["build_id"])


def bootstrap():
    program = PROGRAMS / "verify-bootstrap"
    compile_all(program, ["cc", "-O1", "-Wall", "-Wextra", "-o", program, HANDLERS / "client.c",
                          FUNCTIONS / "c" / "scenarios.c"])  # fmt: skip
    return program


def dotnet(folder):
    """What an account gets, behind a client of our own: the runtime's file is of a newer .NET than there is here."""
    for name, content, _ in packages.dotnet_entries("dotnet8"):
        (folder / name).write_bytes(content)
    return dotnet_program(HANDLERS / "DotnetClient.cs"), {"FUNCTION": folder / "VerifyFunction.dll"}


def java(folder):
    command = awss_java_client(FUNCTIONS / "java" / "VerifyFunction.java")
    return command.words, command.env


OTHERS = {
    "node": ("nodejs20.x", "healthy,error,large_response,exit,crash"),
    "ruby": ("ruby3.3", "healthy,error,large_response,exit,crash"),
    "java": ("java17", "healthy,error,leak,large_response,silent_host,busy_loop,exit,crash"),
    "dotnet": ("dotnet8", "healthy,error,leak,large_response,silent_host,busy_loop,out_of_memory,exit,crash"),
    "c": ("provided.al2023", "healthy,leak,silent_host,exit,crash"),
}
MEMORY = {"dotnet": 512}  # MB that its unmanaged blocks fill within its timeout
# After an end the next init counts within the invocation; on a busy machine a JVM takes two seconds to start.
TIMEOUT_S = {"dotnet": 4, "java": 6}


@pytest.mark.spread
@pytest.mark.parametrize("language", OTHERS)
def test_every_check_holds_in_other_languages(local_lambda, workspace, language):
    runtime, scenarios = OTHERS[language]
    command, env = {
        "node": lambda: (["node", HANDLERS / "node_client.mjs"], {"FUNCTION": FUNCTIONS / "node" / "index.js"}),
        "ruby": lambda: (["ruby", HANDLERS / "ruby_client.rb"], {"FUNCTION": FUNCTIONS / "ruby" / "verify_function.rb"}),
        "java": lambda: java(workspace),
        "dotnet": lambda: dotnet(workspace),
        "c": lambda: ([bootstrap()], {"LD_PRELOAD": "/opt/lib/liblamprey.so"}),
    }[language]()  # fmt: skip
    memory = MEMORY.get(language, plan.LARGE)
    options = {"timeout": TIMEOUT_S.get(language, 2), "memory": memory, "env": {**env, "LAMPREY_DETAIL": "full"}}
    with serving(local_lambda, workspace, command, **options) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", workspace / "results",
                     "--runtimes", runtime, "--memory", memory, "--scenarios", scenarios)  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [name for name, state in cells(ran).items() if state == "ok"] == ["lines", "schema", *scenarios.split(",")]


@pytest.mark.spread
def test_an_init_that_fails_on_purpose(local_lambda, workspace):
    with serving(local_lambda, workspace, PYTHON, env={"VERIFY_INIT": "fail"}) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", workspace, "--scenarios", "init_failure")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cells(ran) == {"schema": "ok", "init_failure": "ok"}


@pytest.mark.slow
def test_under_awss_emulator(root, build, private_tmp, workspace):
    """All that can hold there: it knows no memory limit."""
    reason = "it needs root" if os.geteuid() else aws_emulator.why_not()
    if reason:
        pytest.skip(reason)
    logs = workspace / "logs"
    logs.mkdir()
    rie = aws_emulator.AwsEmulator(build, FUNCTIONS / "python", private_tmp, workspace)
    with rie.serve("/opt/lamprey", *PYTHON, timeout=2, memory=256, env={"LAMPREY_DETAIL": "full"}) as emulator:
        (logs / "log").symlink_to(emulator.output_name)
        words = [ROOT / "layer" / "verify", "--endpoint", aws_emulator.URL, "--logs", logs, "--results", workspace]
        ran = subprocess.run(emulator.in_its_network(words), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = cells(ran)
    skipped = {"out_of_memory": "-", "init_failure": "-", "stream": "-"}
    assert {name: state for name, state in found.items() if state != "ok"} == skipped
    assert "skipped out_of_memory (1): AWS's emulator enforces no memory limit" in ran.stdout


# One kind in each of the three invocations: lost, a wrong count, a wrong headline.
PLANTED = r"""sed -u -e '/"type":"invoke".*"invocation":1,/d' -e '/"invocation":2,/s/"writes":37/"writes":36/' """
PLANTED += r"""-e '/"invocation":3,/s/"headline":"Took/"headline":"Timed out after/'"""


@pytest.mark.spread
def test_planted_faults_turn_the_table_red(local_lambda, workspace):
    with serving(local_lambda, workspace, PYTHON, PLANTED, env={"LAMPREY_DETAIL": "full"}) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", workspace / "results",
                     "--scenarios", "healthy", "--patience", "1")  # fmt: skip
    assert ran.returncode == 1, ran.stdout
    assert cells(ran) == {"lines": "FAILED", "schema": "ok", "healthy": "FAILED"}
    for words in (r"lines: \S+ \(healthy\) has 0 lines, not 1", r"files\[\]\.writes of /tmp/verify-2 is 36, not 37",
                  r'the headline is "Timed out after '):  # fmt: skip
        assert len(re.findall(words, ran.stdout)) == 1, ran.stdout
    assert (workspace / "results" / "table.txt").read_text() == ran.stdout
    assert list((workspace / "results").glob("*.log")), "the lines of what failed are kept"


FAULTS = {
    "none": (lambda lines: lines, set()),
    "an invocation is lost": (lambda lines: without(lines, '"invocation":2,'), {"lines", "healthy"}),
    "a line comes twice": (lambda lines: lines + [line for line in lines if '"invocation":2,' in line], {"lines"}),
    "a line is another's": (lambda lines: replaced(lines, '"request_id":"', '"request_id":"x'), {"lines", "healthy"}),
    "a wrong count": (lambda lines: replaced(lines, '"writes":37', '"writes":38'), {"healthy"}),
    "wrong bytes": (lambda lines: replaced(lines, '"sent_bytes":1000,', '"sent_bytes":1001,'), {"healthy"}),
    "a host is missing": (lambda lines: replaced(lines, '"peer":"127', '"peer":"128'), {"healthy"}),
    "a wrong status": (lambda lines: replaced(lines, '"status":"ok"', '"status":"error"'), {"healthy"}),
    "a wrong headline": (lambda lines: replaced(lines, '"headline":"Took', '"headline":"Failed'), {"healthy"}),
    "a wrong time in it": (lambda lines: replaced(lines, r'Took [0-9.]+ ms', 'Took 7.77 ms'), {"healthy"}),
    "a wrong duration": (lambda lines: replaced(lines, r'"duration_ms":\d', '"duration_ms":9'), {"healthy"}),
    "a wrong account": (lambda lines: replaced(lines, r'"sleep_ms":\d', '"sleep_ms":9'), {"healthy"}),
    "a wrong size": (lambda lines: replaced(lines, '"response_bytes":14', '"response_bytes":15'), {"healthy"}),
    "a figure is a text": (lambda lines: replaced(lines, '"errors":0', '"errors":"0"'), {"schema"}),
    "Lamprey complains": (lambda lines: ["lamprey: not recording", *lines], {"schema"}),
}


def without(lines, words):
    return [line for line in lines if words not in line]


def replaced(lines, pattern, by):
    return [re.sub(pattern, by, line, count=1) if '"type":"invoke"' in line else line for line in lines]


@pytest.fixture(scope="module")
def healthy_log(local_lambda, tmp_path_factory):
    """The lines of three invocations that were well."""
    folder = ROOT / "build" / "test-workspaces" / tmp_path_factory.mktemp("healthy").name
    folder = folder.with_name(f"{folder.name}-{os.getpid()}")
    with serving(local_lambda, folder, PYTHON, env={"LAMPREY_DETAIL": "full"}) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", folder, "--scenarios", "healthy")
    assert ran.returncode == 0, ran.stdout
    lines = (logs / "function.log").read_text().splitlines()
    reports = [number for number, line in enumerate(lines) if line.startswith("REPORT")]
    yield lines[: reports[2] + 1]  # behind them it was asked for its build ids
    shutil.rmtree(folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_which_cell_a_fault_turns_red(healthy_log, fault):
    plant, red = FAULTS[fault]
    ids = log_lines.take_apart(healthy_log).started
    sent = [checks.Sent(number, "healthy", id, False, 14) for number, id in enumerate(ids, 1)]
    table = Table(driving.COLUMNS)
    function = plan.Function("python3.12", "x86_64", 128)
    driving.judge(function, sent, log_lines.take_apart(plant(healthy_log)), table, driving.validator(), ["healthy"])
    assert {column for _, column, _ in table.failures()} == red, str(table)


@pytest.mark.spread
def test_javas_function_does_what_it_says(build, private_tmp, workspace):
    """Its counts under the library, without Lambda's client."""
    source = FUNCTIONS / "java" / "VerifyFunction.java"
    main = workspace / "Main.java"
    main.write_text("""public class Main {
  public static void main(String[] words) throws Exception {
    java.util.Map<String, Object> event = new java.util.HashMap<>();
    event.put("number", 7);
    for (String scenario : new String[] {"binaries", "healthy"}) {
      event.put("scenario", scenario);
      System.out.println(new VerifyFunction().handle(event));
    }
  }
}
""")
    built = subprocess.run(["javac", "--release", "8", "-Xlint:-options", "-d", workspace, source, main],
                           capture_output=True, text=True)  # fmt: skip
    assert built.returncode == 0, built.stderr
    words = [build / "bin" / "lamprey", "run", "--quiet", "--out", workspace / "record", "--",
             "java", "-Xshare:auto", "-cp", workspace, "Main"]  # fmt: skip
    ran = subprocess.run(private_tmp(words), capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"libjvm\.so=\{build_id=[0-9a-f]{40}, gHotSpotVMStructs=true\}", ran.stdout)
    said = json.loads(re.search(r'lamprey-verify (\{.*"healthy".*\})', ran.stdout)[1])
    record = record_schema.check((workspace / "record").read_text().strip())
    assert (said["file"]["writes"], said["peer"]["sent"]) == (37, 1000)
    assert [*checks.file_counts(record, said), *checks.peer_counts(record, said)] == []


# ---- the probe ----------------------------------------------------------------------------------

ANSWERS = {
    "lamprey_probe", "environment", "kernel", "identity", "processor", "system_calls", "limits", "clock",
    "scheduler", "init", "cpu", "warm", "sleep_ms_late", "timers", "fired_since_init", "thaw", "tmp",
    "control_groups", "standard_output", "binaries", "extension", "other_process", "log", "function",
}  # fmt: skip
SECRETS = {"DATABASE_PASSWORD": "hunter2-is-not-told", "AWS_SESSION_TOKEN": "token-is-not-told",
           "AWS_LAMBDA_FUNCTION_NAME": "name-is-not-told"}  # fmt: skip


def probe_layer(folder):
    made = subprocess.run(
        [ROOT / "build" / "venv-aws" / "bin" / "python", "-B", "-c",
         "import sys; from verification import packages; sys.stdout.buffer.write(packages.probe_layer())"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "layer")}, capture_output=True, check=True,
    )  # fmt: skip
    (folder / "layer.zip").write_bytes(made.stdout)
    with zipfile.ZipFile(folder / "layer.zip") as archive:
        for entry in archive.infolist():
            os.chmod(archive.extract(entry, folder / "opt"), entry.external_attr >> 16 & 0o7777)
    return folder / "opt"


@pytest.mark.slow
@pytest.mark.spread
def test_the_probe_answers_everything_and_nothing_private(local_lambda, workspace):
    options = {"timeout": 60, "memory": 1769, "layer": probe_layer(workspace), "env": SECRETS}
    with serving(local_lambda, workspace, PROBE, here=FUNCTIONS / "probe", **options) as (url, logs):
        ran = verify("--endpoint", url, "--logs", logs, "--results", workspace / "results", "--scenarios", "probe")
        log = (logs / "function.log").read_text()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    text = (workspace / "results" / "answers.json").read_text()
    answers = json.loads(text)["probe"][0]
    assert set(answers) == ANSWERS
    # What can be asked here was answered; the extension was met and could do what it tried.
    errors = [key for key in ANSWERS if isinstance(answers[key], dict) and "error" in answers[key]]
    assert errors == []
    extension = answers["extension"]
    assert (extension["futex_woken"], extension["signals_heard"]) == (1, 1)
    assert extension["answer"]["rt_tgsigqueueinfo"] == extension["answer"]["futex_wait"] == 0
    assert extension["extension"]["standard_output"]["sendfile"] == 1
    assert answers["system_calls"]["mprotect_libc_text"] == "ok"
    assert answers["tmp"]["fallocate_16_mb"] is answers["tmp"]["shared_mapping"] is True
    assert answers["timers"]["process_cpu"]["came"] > 0
    assert answers["thaw"]["monotonic"] > 1900
    assert sum(answers["log"]["pieces"]) >= 190_000
    private = [*SECRETS.values(), os.uname().nodename, str(workspace), *re.findall(r"RequestId: (\S+)", log)]
    assert len(private) > 6 and [w for w in private if re.search(rf"\b{re.escape(w)}\b", text)] == []
    assert not re.search(r"\barn:|\b\d{12}\b.*account|127\.0\.0\.1", text)


# ---- what goes into an account --------------------------------------------------------------------


def test_a_package_for_dotnet_has_what_lambda_looks_for():
    """As AWS's bootstrap.sh reads it: both files beside the assembly, and the framework of the runtime that was asked for."""
    with zipfile.ZipFile(io.BytesIO(packages.package(plan.Function("dotnet10", "arm64", 128)))) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert set(found) == {f"VerifyFunction.{end}" for end in ("dll", "runtimeconfig.json", "deps.json")}
    framework = json.loads(found["VerifyFunction.runtimeconfig.json"])["runtimeOptions"]["framework"]
    assert framework == {"name": "Microsoft.NETCore.App", "version": "10.0.0"}
    assert ".NETCoreApp,Version=v10.0" in json.loads(found["VerifyFunction.deps.json"])["targets"]
    assembly, kind, method = plan.HANDLER["dotnet"].split("::")
    assert all(name.encode() in found[f"{assembly}.dll"] for name in (kind, method))


@pytest.mark.parametrize("language, compiler", [("dotnet8", "mcs"), ("java21", "javac")])
def test_without_a_compiler_a_function_is_skipped_and_the_reason_names_it(monkeypatch, language, compiler):
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    for made in (packages.compiled_dotnet, packages.compiled_java):
        made.cache_clear()
    with pytest.raises(packages.CannotBeMade, match=rf"there is no {compiler} here"):
        packages.package(plan.Function(language, "x86_64", 128))


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.spread
def test_the_plan_tells_rights_and_cost_and_makes_nothing():
    ran = verify("--dry-run", "--runtimes", "python3.13,java21", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert ran.returncode == 0, ran.stderr
    assert "iam:CreateRole" in ran.stdout and "lambda:PublishLayerVersion" in ran.stdout
    assert re.search(r"\d+ invocations, \d+ GB-seconds: about \d\.\d\d US dollars", ran.stdout)
    assert re.search(r"^  java21 arm64 1769 +healthy x3, .*crash$", ran.stdout, re.MULTILINE)
    names = [function.name("0badcafe") for runtime in plan.LANGUAGE for function in
             plan.functions([runtime], plan.ARCHITECTURES, [128, 10240], snapstart=True)]  # fmt: skip
    assert max(map(len, names)) <= 64, "Lambda's limit"
    assert len(set(names)) == len(names)
    assert "out_of_memory" not in re.search(r"^  java21 arm64 128 .*$", ran.stdout, re.MULTILINE)[0]


@pytest.mark.spread
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--runtimes", "cobol"], '--runtimes is "cobol": accepted are python3.9, '),
        (["--memory", "64"], '--memory is "64": accepted are 128 to 10240 (MB)'),
        (["--at-once", "0"], "--at-once is 0: accepted is 1 or more"),
        (["--endpoint", "http://127.0.0.1:1"], "--endpoint needs the folder"),
    ],
)
def test_wrong_words_are_one_line(words, says):
    ran = verify(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert says in ran.stderr and ran.stderr.count("\n") == 1
