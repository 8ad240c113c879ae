"""`layer/verify` in an account, which is a stand-in (moto): it makes what it says, removes all of it whenever
it is interrupted, and touches nothing else. Functions do not run there: test_verify.py has those.
"""

import concurrent.futures
import os
import random
import re
import signal
import subprocess
import time
import zipfile

import pytest
from verify_room import ROOT, cloud, verify


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with cloud(tmp_path_factory.mktemp("cloud")) as here:
        yield here


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Zips: publishing needs no more than bytes."""
    place = tmp_path_factory.mktemp("dist")
    for architecture in ("x86_64", "arm64"):
        with zipfile.ZipFile(place / f"lamprey-{architecture}.zip", "w") as archive:
            archive.writestr("lamprey", f"#!/bin/bash\n# {architecture}\n")
    return place


@pytest.fixture(scope="module")
def bystanders(account):
    """What is not its own, however much it looks like it."""
    account.python("""
client, iam, logs = (boto3.client(name) for name in ("lambda", "iam", "logs"))
role = iam.create_role(RoleName="lamprey-verify-0badcafe-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
iam.create_role(RoleName="orders", Path="/lamprey-verify/", AssumeRolePolicyDocument="{}",
                Tags=[{"Key": "lamprey-verify", "Value": "0badcafe"}])
from verification import packages, plan
code = packages.package(plan.Function("python3.12", "x86_64", 128))
for name, tags in (("orders", {"lamprey-verify": "0badcafe"}), ("lamprey-verify-0badcafe-mine", {}),
                   ("lamprey-verify-0badcafe-other", {"lamprey-verify": "12345678"})):
    client.create_function(FunctionName=name, Runtime="python3.12", Handler="a.b", Role=role,
                           Code={"ZipFile": code}, Tags=tags)
client.publish_layer_version(LayerName="lamprey-verify-0badcafe-x86_64", Description="mine", Content={"ZipFile": code})
client.publish_layer_version(LayerName="lamprey", Description="lamprey-verify 0badcafe", Content={"ZipFile": code})
logs.create_log_group(logGroupName="/aws/lambda/lamprey-verify-0badcafe-mine")
logs.create_log_group(logGroupName="/aws/lambda/orders", tags={"lamprey-verify": "0badcafe"})
""")
    names = account.everything()
    assert len(names) == 9
    return names


def words_for(dist, results, *more):
    return ["--runtimes", "python3.12,nodejs22.x,dotnet8", "--architectures", "x86_64", "--memory", "128",
            "--patience", "0", "--scenarios", "healthy,init_failure,stream", "--dist", dist,
            "--results", results, *more]  # fmt: skip


def test_what_is_made_is_tagged_and_clean_removes_it_and_nothing_else(account, dist, bystanders, workspace):
    ran = verify(*words_for(dist, workspace, "--keep"), env=account.environment)
    assert ran.returncode == 1, "the stand-in runs no functions, so nothing can hold"
    run = re.search(r"run ([0-9a-f]{8}):", ran.stderr)[1]
    made = sorted(set(account.everything()) - set(bystanders))
    # Of three runtimes each the function and the one whose init fails, and Node's stream; a log group for each.
    assert len(made) == 7 + 7 + 1 + 1
    assert all(name.removeprefix("/aws/lambda/").startswith(f"lamprey-verify-{run}-") for name in made)
    assert "skipped function" not in ran.stdout
    settings = account.settings_of(f"lamprey-verify-{run}-python3_12-x8664-128")
    assert settings["Tags"] == {"lamprey-verify": run}
    about = settings["Configuration"]
    assert about["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey", "LAMPREY_DETAIL": "full"}
    assert about["Layers"][0]["Arn"].endswith(f":lamprey-verify-{run}-x86_64:1")
    cleaned = verify("--clean", env=account.environment)
    assert (cleaned.returncode, cleaned.stdout) == (0, f"{len(made)} removed, 0 still there\n")
    assert account.everything() == bystanders


def test_a_run_removes_what_it_made(account, dist, bystanders, workspace):
    ran = verify(*words_for(dist, workspace), env=account.environment)
    assert "everything made was removed" in ran.stderr
    assert account.everything() == bystanders
    assert (workspace / "table.txt").read_text() == ran.stdout


def interrupted(account, dist, folder, sent, many, after):
    """(how much there was of its own when the signal came, what it said, its id). The signal comes `after`
    seconds after there were so `many` things of its own, however slow the machine is."""
    process = subprocess.Popen(
        [ROOT / "layer" / "verify", *map(str, words_for(dist, folder, "--at-once", "2"))],
        env={**os.environ, **account.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    first = process.stderr.readline()  # from here on there is something to interrupt
    run = re.search(r"run ([0-9a-f]{8}): 7 functions in eu-central-1", first)[1]
    while sum(run in name for name in account.everything()) < many and process.poll() is None:
        time.sleep(0.05)
    time.sleep(after)
    made = sum(run in name for name in account.everything())
    process.send_signal(sent)
    _, told = process.communicate(timeout=100)
    return made, told, run


def test_interrupted_at_any_moment_it_leaves_nothing_behind(account, dist, bystanders, workspace):
    """At moments drawn anew each time, the seed tells which; several runs at once, whose things are the
    others' bystanders."""
    seed = int(time.time())
    draw = random.Random(seed)
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
    with concurrent.futures.ThreadPoolExecutor(len(signals)) as pool:
        running = [
            pool.submit(interrupted, account, dist, workspace / str(i), sent, draw.randint(0, 8), draw.random())
            for i, sent in enumerate(signals)
        ]
        ended = [run.result() for run in running]
    assert any(made for made, _, _ in ended), (seed, ended)
    for _, told, run in ended:
        assert "everything made was removed" in told, (seed, told)
        assert [name for name in account.everything() if run in name] == [], seed
    assert account.everything() == bystanders, seed


def test_without_zips_it_says_which_is_missing(account, bystanders, workspace):
    ran = verify(*words_for(workspace / "none", workspace), env=account.environment)
    assert ran.returncode == 1
    assert re.search(r"lamprey-x86_64\.zip is not there: run layer/build x86_64 first", ran.stderr)
    assert account.everything() == bystanders


def test_without_credentials_it_says_so(workspace, dist):
    """Once for the work, and what would be removed cannot be asked for."""
    env = {"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(workspace),
           "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}  # fmt: skip
    ran = verify(*words_for(dist, workspace), env=env)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "NoCredentialsError: Unable to locate credentials" in ran.stderr and "Traceback" not in ran.stderr
    assert ran.stderr.endswith("not all could be removed; try layer/verify --clean\n")


def test_a_log_is_read_in_order_and_whole(account):
    """Of two environments, line by line."""
    lines = account.python("""
import threading, time
from verification import account
logs = boto3.client("logs")
group = "/aws/lambda/lamprey-verify-of-a-test"
logs.create_log_group(logGroupName=group)
now = int(time.time() * 1000)
for stream in "ab":
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    start = now - 5000 + "ab".index(stream)
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
        {"timestamp": start + 2 * i, "message": f"{2 * i + 'ab'.index(stream)}\\n"} for i in range(100)])
here = account.Account(account.Clients(boto3.Session()), "12345678", threading.Event())
lines = here.events_of(group)
logs.delete_log_group(logGroupName=group)
print(json.dumps([len(lines), lines == [str(i) for i in range(200)]]))
""")
    assert lines == [200, True]


def test_what_a_region_does_not_offer_is_skipped(account):
    told = account.python("""
import threading
from botocore.exceptions import ClientError
from verification import account
here = account.Account(account.Clients(boto3.Session()), "12345678", threading.Event())
answers = ["The role defined for the function cannot be assumed by Lambda.",
           "Value python3.15 at 'runtime' failed to satisfy constraint", "You have reached a limit"]
asked = []
def refuse(**words):
    asked.append(words["FunctionName"])
    raise ClientError({"Error": {"Code": "InvalidParameterValueException", "Message": answers.pop(0)}}, "CreateFunction")
here._lambda.create_function = refuse
here._stop.wait = lambda seconds: None
told = []
for _ in range(2):
    try:
        here._create("f", b"", {})
    except Exception as error:
        told.append(type(error).__name__)
print(json.dumps([len(asked), told]))
""")
    assert told == [3, ["NotOffered", "ClientError"]]
