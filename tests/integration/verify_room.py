"""What `layer/verify` is tried on here: a function under `lamprey local` whose log goes into a folder, and a
local stand-in of AWS (moto) to which nobody else has access. No test may live here.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "venv-aws" / "bin"
FUNCTIONS = ROOT / "layer" / "verification" / "functions"
PYTHON = [sys.executable, "-m", "awslambdaric", "verify_function.handler"]
PROBE = [sys.executable, "-m", "awslambdaric", "probe.handler"]
HANDLERS = ROOT / "tests" / "integration" / "handlers"
SERVING = re.compile(r"serving on (http://127\.0\.0\.1:\d+/)")


def verify(*words, env=None, seconds=120):
    return subprocess.run(
        [ROOT / "layer" / "verify", *map(str, words)], env={**os.environ, **(env or {})},
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip


@contextlib.contextmanager
def serving(local_lambda, folder, command, change="cat", here=FUNCTIONS / "python", **options):
    """(URL, folder of the log) of a function; `change` is a command that the log goes through."""
    logs = folder / "logs"
    logs.mkdir(parents=True)
    words = local_lambda.command(command, serve=0, **options)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with open(logs / "function.log", "wb") as log, open(folder / "stderr", "wb") as told:
        filtered = subprocess.Popen(["sh", "-c", change], stdin=subprocess.PIPE, stdout=log)
        process = subprocess.Popen(words, cwd=here, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=filtered.stdin, stderr=told)  # fmt: skip
        filtered.stdin.close()
        try:
            yield _address(folder / "stderr"), logs
        finally:
            process.terminate()
            process.wait(30)
            filtered.wait(30)


def _address(told, pattern=SERVING, patience=30):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := pattern.search(told.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"it does not serve: {told.read_text()}")


class Cloud:
    """A stand-in of AWS at an address of its own."""

    def __init__(self, url):
        self.environment = {
            "AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        self.url = url

    def settings_of(self, function):
        return json.loads(self._ask("lambda", f"/2015-03-31/functions/{function}"))

    def python(self, text):
        """A program with boto3, for what would be many aws commands; what it prints, as JSON."""
        program = f"import boto3, json\n{text}"
        env = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT / "layer")}
        env["AWS_DEFAULT_REGION"] = env["AWS_REGION"]  # boto3 does not read the other
        ran = subprocess.run([TOOLS / "python", "-B", "-c", program], capture_output=True, text=True, timeout=60, env=env)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    def _ask(self, service, path="/", body=None, **headers):
        """A request as bare as it can be: a start of boto3 takes a second, and this is asked often."""
        signed = f"AWS4-HMAC-SHA256 Credential=testing/20260101/eu-central-1/{service}/aws4_request"
        request = urllib.request.Request(self.url + path, body, {"Authorization": signed, **headers})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def everything(self):
        """The names of all that there is."""
        functions = json.loads(self._ask("lambda", "/2015-03-31/functions/"))["Functions"]
        found = [function["FunctionName"] for function in functions]
        for layer in json.loads(self._ask("lambda", "/2018-10-31/layers"))["Layers"]:
            versions = self._ask("lambda", f"/2018-10-31/layers/{layer['LayerName']}/versions")
            found += [f"{layer['LayerName']}:{of['Version']}" for of in json.loads(versions)["LayerVersions"]]
        roles = self._ask("iam", body=b"Action=ListRoles&Version=2010-05-08",
                          **{"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        found += re.findall("<RoleName>(.*?)</RoleName>", roles)
        groups = self._ask("logs", body=b"{}", **{"X-Amz-Target": "Logs_20140328.DescribeLogGroups",
                                                  "Content-Type": "application/x-amz-json-1.1"})  # fmt: skip
        return sorted(found + [group["logGroupName"] for group in json.loads(groups)["logGroups"]])


@contextlib.contextmanager
def cloud(folder):
    with open(folder / "moto", "wb") as told:  # a pipe that nobody reads would stop it
        server = subprocess.Popen([TOOLS / "moto_server", "-H", "127.0.0.1", "-p", "0"], stderr=told)
    try:
        url = _address(folder / "moto", re.compile(r"(http://127\.0\.0\.1:\d+)"))
        # No containers: an invocation is answered with a fixed text.
        settings = json.dumps({"lambda": {"use_docker": False}}).encode()
        for left in range(50, -1, -1):
            try:
                urllib.request.urlopen(f"{url}/moto-api/config", data=settings, timeout=5)
                break
            except OSError:
                assert left, "the stand-in does not answer"
                time.sleep(0.1)
        yield Cloud(url)
    finally:
        server.kill()
        server.wait()
