"""The install recipes, as far as they can be tested without an account: checked by the tools that
know their format, deployed against a local stand-in of AWS (moto), and what came out looked at.
"""

import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ROOT / "layer" / "recipes"
TOOLS = ROOT / "build" / "venv-aws" / "bin"
TEMPLATES = [*sorted(RECIPES.glob("*/template.yaml")), ROOT / "layer/views/cloudformation.json"]


def tool(name):
    path = TOOLS / name
    assert path.exists(), f"{path} is not there: layer/install tests"
    return path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_templates_are_clean(path):
    ran = subprocess.run([tool("cfn-lint"), path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


class Cloud:
    """The aws command, talking to a stand-in on loopback."""

    def __init__(self, url):
        self.environment = {
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_PAGER": "",
        }

    def run(self, *words, **options):
        return subprocess.run(
            [tool("aws"), *map(str, words)],
            env=self.environment, capture_output=True, text=True, timeout=60, **options,
        )  # fmt: skip

    def __call__(self, *words):
        ran = self.run(*words, "--output", "json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    def deploy(self, name, template, **parameters):
        """Creates a stack; its resources by logical id."""
        given = [f"ParameterKey={k},ParameterValue={v}" for k, v in parameters.items()]
        self(
            "cloudformation", "create-stack", "--stack-name", name,
            "--template-body", f"file://{template}", "--capabilities", "CAPABILITY_IAM",
            *(["--parameters", *given] if given else []),
        )  # fmt: skip
        stack = self("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        found = self("cloudformation", "describe-stack-resources", "--stack-name", name)
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found["StackResources"]}


@pytest.fixture(scope="module")
def cloud():
    server = subprocess.Popen(
        [tool("moto_server"), "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        url = None
        for line in server.stderr:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                url = found[0]
                break
        assert url, "the stand-in did not start"
        for _ in range(50):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield Cloud(url)
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout of the layer's scripts with zips in dist/: publishing needs no more than bytes."""
    place = tmp_path_factory.mktemp("checkout")
    (place / "layer").mkdir()
    (place / "layer" / "publish").write_bytes((ROOT / "layer" / "publish").read_bytes())
    (place / "layer" / "publish").chmod(0o755)
    (place / "dist").mkdir()
    for architecture in ("x86_64", "arm64"):
        with zipfile.ZipFile(place / "dist" / f"lamprey-{architecture}.zip", "w") as archive:
            archive.writestr("lamprey", f"#!/bin/bash\n# {architecture}\n")
    return place


def publish(cloud, checkout, *words):
    return subprocess.run(
        [checkout / "layer" / "publish", *words],
        env=cloud.environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_publish_prints_an_arn_for_each_architecture(cloud, checkout):
    ran = publish(cloud, checkout, "--name", "mine", "--public")
    assert (ran.returncode, ran.stderr) == (0, "")
    arns = dict(line.split() for line in ran.stdout.splitlines())
    assert list(arns) == ["x86_64", "arm64"]
    for architecture, arn in arns.items():
        version = cloud("lambda", "get-layer-version-by-arn", "--arn", arn)
        assert version["LayerVersionArn"] == arn and arn.endswith(f":layer:mine-{architecture}:1")
        assert version["CompatibleArchitectures"] == [architecture]
        assert "python3.13" in version["CompatibleRuntimes"]
        size = (checkout / "dist" / f"lamprey-{architecture}.zip").stat().st_size
        assert version["Content"]["CodeSize"] == size
    again = publish(cloud, checkout, "--name", "mine", "arm64")
    assert again.stdout.split()[1].endswith(":layer:mine-arm64:2")


@pytest.mark.parametrize(
    "words, status, said",
    [
        (["sparc"], 2, "sparc is not understood"),
        (["--name", "a b"], 2, '--name is "a b": accepted are'),
        (["--name"], 2, "--name is"),
    ],
)
def test_publish_refuses_in_one_line(cloud, checkout, words, status, said):
    ran = publish(cloud, checkout, *words)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert said in ran.stderr and ran.stderr.count("\n") == 1


def test_publish_without_a_zip_says_what_to_run(cloud, checkout):
    zip_file = checkout / "dist" / "lamprey-arm64.zip"
    kept = zip_file.read_bytes()
    zip_file.unlink()
    ran = publish(cloud, checkout)
    zip_file.write_bytes(kept)
    assert ran.returncode == 1 and "run layer/build arm64 first" in ran.stderr
    assert ran.stdout == "", "nothing is published by halves"


def test_cloudformation_gives_a_function_with_lamprey(cloud, checkout):
    cloud("s3api", "create-bucket", "--bucket", "artifacts", "--create-bucket-configuration",
          "LocationConstraint=eu-west-1")  # fmt: skip
    cloud("s3api", "put-object", "--bucket", "artifacts", "--key", "lamprey-x86_64.zip",
          "--body", checkout / "dist" / "lamprey-x86_64.zip")  # fmt: skip
    made = cloud.deploy(
        "recipe", RECIPES / "cloudformation" / "template.yaml", ArtifactBucket="artifacts"
    )
    function = cloud(
        "lambda", "get-function-configuration", "--function-name", "lamprey-example"
    )
    assert function["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    assert [layer["Arn"] for layer in function["Layers"]] == [made["LampreyLayer"]]
    layer = cloud("lambda", "get-layer-version-by-arn", "--arn", made["LampreyLayer"])
    assert layer["CompatibleArchitectures"] == ["x86_64"] == function["Architectures"]
    views = cloud.deploy(
        "views", ROOT / "layer/views/cloudformation.json",
        FunctionName="lamprey-example", LogGroup=made["LogGroup"],
    )  # fmt: skip
    check_dashboard(cloud, views["Dashboard"], made["LogGroup"])
    check_queries(cloud, made["LogGroup"])
    check_alarms(cloud, made["LogGroup"])


def check_dashboard(cloud, name, log_group):
    body = cloud("cloudwatch", "get-dashboard", "--dashboard-name", name)["DashboardBody"]
    assert "${" not in body
    widgets = json.loads(body)["widgets"]
    queries = [w["properties"]["query"] for w in widgets if w["type"] == "log"]
    assert len(queries) >= 10
    assert all(query.startswith(f"SOURCE '{log_group}' | filter ") for query in queries)
    assert {w["properties"]["region"] for w in widgets if w["type"] != "text"} == {"eu-west-1"}
    assert "SEARCH('{Lamprey,function_name} MetricName=\"duration_ms\"'" in json.dumps(
        [w["properties"].get("metrics") for w in widgets]
    ).replace('\\"', '"')


def check_queries(cloud, log_group):
    found = cloud("logs", "describe-query-definitions")["queryDefinitions"]
    names = {query["name"] for query in found}
    saved = {path.stem for path in (ROOT / "layer" / "queries").glob("*.logsinsights")}
    assert names == {f"Lamprey/lamprey-example/{name}" for name in saved}
    assert all(query["logGroupNames"] == [log_group] for query in found)


def check_alarms(cloud, log_group):
    alarms = cloud("cloudwatch", "describe-alarms")["MetricAlarms"]
    filters = cloud("logs", "describe-metric-filters", "--log-group-name", log_group)
    counted = {
        change["metricName"]
        for entry in filters["metricFilters"]
        for change in entry["metricTransformations"]
    }
    named = {alarm["MetricName"] for alarm in alarms}
    assert len(alarms) == 3 and counted == named - {"peak_rss_bytes"}


def test_terraform_says_what_cloudformation_says():
    program = (
        "import hcl2, json, sys\n"
        "with open(sys.argv[1]) as file: print(json.dumps(hcl2.load(file), default=str))"
    )
    path = RECIPES / "terraform" / "main.tf"
    ran = subprocess.run([tool("python"), "-c", program, path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    text = ran.stdout.replace('\\"', "")
    parsed = json.loads(ran.stdout)
    kinds = {kind.strip('"') for block in parsed["resource"] for kind in block if kind[0] != "_"}
    assert kinds >= {
        "aws_lambda_layer_version", "aws_lambda_function", "aws_cloudwatch_dashboard",
        "aws_cloudwatch_query_definition",
    }  # fmt: skip
    assert "/opt/lamprey" in text and "aws_lambda_layer_version.lamprey.arn" in text
    source = path.read_text()
    variables = set(re.findall(r"\$\{(\w+)\}", (ROOT / "layer/views/dashboard.json").read_text()))
    given = re.search(r"dashboard\.json\", \{(.*?)\}", source, re.DOTALL)[1]
    assert set(re.findall(r"(\w+)\s*=", given)) == variables
    for name in re.findall(r"\$\{var\.lamprey\}/([\w./-]+)", source):
        assert name.startswith("dist/") or (ROOT / name.rstrip("/")).exists(), name


def test_sam_and_serverless_name_the_layer_and_the_wrapper():
    program = (
        "import json, sys, yaml\n"
        "class Loader(yaml.SafeLoader): pass\n"
        "Loader.add_multi_constructor('!', lambda l, tag, node: {tag: node.value})\n"
        "print(json.dumps(yaml.load(open(sys.argv[1]), Loader)))"
    )

    def load(path):
        ran = subprocess.run([tool("python"), "-c", program, path], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    sam = load(RECIPES / "sam" / "template.yaml")
    shared = sam["Globals"]["Function"]
    assert shared["Layers"] == [{"Ref": "LampreyLayer"}]
    assert shared["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    zip_name = sam["Resources"]["LampreyLayer"]["Properties"]["ContentUri"]
    assert (RECIPES / "sam" / zip_name).resolve() == ROOT / "dist" / "lamprey-x86_64.zip"
    serverless = load(RECIPES / "serverless" / "serverless.yml")
    assert serverless["provider"]["layers"] == [{"Ref": "LampreyLambdaLayer"}]
    assert serverless["provider"]["environment"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    artifact = serverless["layers"]["lamprey"]["package"]["artifact"]
    assert (RECIPES / "serverless" / artifact).resolve() == ROOT / "dist" / "lamprey-x86_64.zip"


def test_the_cdk_stack_is_python_and_names_what_exists():
    source = (RECIPES / "cdk" / "stack.py").read_text()
    ast.parse(source)
    assert '"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"' in source
    assert (RECIPES / "cdk" / "stack.py").parents[3] == ROOT


def test_an_image_of_ones_own_starts_through_the_wrapper(root):
    """The entry point is a list, so no shell stands before the wrapper, and /opt is complete."""
    text = (RECIPES / "container" / "own-base.Dockerfile").read_text()
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])
    assert entry[0] == "/opt/lamprey"
    for name in ("Dockerfile", "own-base.Dockerfile"):
        assert "COPY --from=lamprey /opt/ /opt/" in (RECIPES / "container" / name).read_text()
    ran = subprocess.run(
        [root / "wrapper" / "lamprey", sys.executable, "-c", "print('started')"],
        capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LAMPREY": "off"},
    )  # fmt: skip
    assert ran.stdout == "started\n"
