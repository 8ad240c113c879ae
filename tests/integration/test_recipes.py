"""The install recipes, as far as they can be tested without an account: checked by the tools that
know their format, deployed against a local stand-in of AWS (moto), and what came out looked at.
"""

import ast
import json
import os
import pathlib
import re
import shutil
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

    def layer(self, arn):
        name, version = arn.split(":")[-2:]
        return self(
            "lambda", "get-layer-version", "--layer-name", name, "--version-number", version
        )

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
        return {r.get("LogicalResourceId"): r.get("PhysicalResourceId") for r in found["StackResources"]}


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
        version = cloud.layer(arn)
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
    arn = publish(cloud, checkout, "--name", "for-stack", "x86_64").stdout.split()[1]
    made = cloud.deploy(
        "recipe", RECIPES / "cloudformation" / "template.yaml", LampreyLayerArn=arn
    )
    function = cloud(
        "lambda", "get-function-configuration", "--function-name", "lamprey-example"
    )
    assert function["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    check_layers_of_the_function(cloud, checkout, arn)
    assert cloud.layer(arn)["CompatibleArchitectures"] == ["x86_64"] == function["Architectures"]
    given = {"FunctionName": "lamprey-example", "LogGroup": made["LogGroup"]}
    template = ROOT / "layer" / "views" / "cloudformation.json"
    views = cloud.deploy("views", template, **given)
    check_dashboard(cloud, views["Dashboard"], made["LogGroup"])
    make_the_rest(cloud, json.loads(template.read_text()), given)
    check_queries(json.loads(template.read_text()), given)
    check_alarms(cloud, made["LogGroup"])


def load_yaml(path):
    """A template as plain JSON; `!Ref x` is {"Ref": "x"}."""
    program = (
        "import json, sys, yaml\n"
        "class Loader(yaml.SafeLoader): pass\n"
        "Loader.add_multi_constructor('!', lambda l, tag, node: {tag: node.value})\n"
        "print(json.dumps(yaml.load(open(sys.argv[1]), Loader)))"
    )
    ran = subprocess.run([tool("python"), "-c", program, path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def check_layers_of_the_function(cloud, checkout, arn):
    """The stand-in's stacks forget a function's layers: made from the same properties by the API."""
    template = load_yaml(RECIPES / "cloudformation" / "template.yaml")
    properties = template["Resources"]["Function"]["Properties"]
    role = cloud("iam", "list-roles")["Roles"][0]["Arn"]
    del properties["Code"]
    properties = resolve(
        {**properties, "Role": role}, {"FunctionName": "by-api", "LampreyLayerArn": arn}
    )
    made = cloud(
        "lambda", "create-function", "--cli-input-json", json.dumps(properties),
        "--zip-file", f"fileb://{checkout}/dist/lamprey-x86_64.zip",
    )  # fmt: skip
    assert [layer["Arn"] for layer in made["Layers"]] == [arn]


def resolve(value, given):
    """A template's value with its Ref and Fn::Sub replaced; what has another function is absent."""
    if isinstance(value, list):
        return [resolve(item, given) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return given[value["Ref"]]
    if set(value) == {"Fn::Sub"}:
        return re.sub(r"\$\{(\w+)\}", lambda found: given[found[1]], value["Fn::Sub"])
    return {
        name: resolve(inner, given)
        for name, inner in value.items()
        if not (isinstance(inner, dict) and "Fn::If" in inner)
    }


def make_the_rest(cloud, template, given):
    """What the stand-in does not make from a stack: through its services' own API."""
    defaults = {k: p["Default"] for k, p in template["Parameters"].items() if "Default" in p}
    for resource in template["Resources"].values():
        if resource["Type"] in ("AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition"):
            continue
        properties = resolve(resource["Properties"], {**defaults, **given})
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            command = ["cloudwatch", "put-metric-alarm"]
            properties["AlarmName"] = properties["MetricName"]
        else:
            assert resource["Type"] == "AWS::Logs::MetricFilter"
            command = ["logs", "put-metric-filter"]
            properties = lower_camel(properties)
            properties["filterName"] = properties["metricTransformations"][0]["metricName"]
        cloud(*command, "--cli-input-json", json.dumps(properties))


def lower_camel(value):
    """Logs spells in its API as CloudFormation does, but with a small first letter."""
    if isinstance(value, list):
        return [lower_camel(item) for item in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: lower_camel(inner) for name, inner in value.items()}
    return value


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


def check_queries(template, given):
    """No stand-in knows saved queries: AWS's own model of the service judges them."""
    defaults = {k: p["Default"] for k, p in template["Parameters"].items() if "Default" in p}
    found = [
        lower_camel(resolve(resource["Properties"], {**defaults, **given}))
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::QueryDefinition"
    ]
    saved = {path.stem for path in (ROOT / "layer" / "queries").glob("*.logsinsights")}
    assert {q["name"] for q in found} == {f"Lamprey/{given['FunctionName']}/{n}" for n in saved}
    assert all(query["logGroupNames"] == [given["LogGroup"]] for query in found)
    program = (
        "import json, sys, botocore.session, botocore.validate\n"
        "model = botocore.session.get_session().get_service_model('logs')\n"
        "shape = model.operation_model('PutQueryDefinition').input_shape\n"
        "for query in json.load(sys.stdin):\n"
        "    report = botocore.validate.ParamValidator().validate(query, shape)\n"
        "    assert not report.has_errors(), report.generate_report()\n"
    )
    ran = subprocess.run(
        [tool("python"), "-c", program], input=json.dumps(found), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


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


@pytest.fixture(scope="module")
def terraform(cloud, checkout):
    """Runs it in the recipe's folder of a checkout, with AWS's own provider and the stand-in. The
    provider (700 MB) is taken from where the machine has it: tests fetch nothing."""
    program = shutil.which("terraform")
    config = os.environ.get("TF_CLI_CONFIG_FILE", "")
    if program is None or not pathlib.Path(config).is_file():
        pytest.skip("no terraform, or no TF_CLI_CONFIG_FILE that names a mirror with hashicorp/aws")
    for part in ("recipes", "views", "queries"):
        shutil.copytree(ROOT / "layer" / part, checkout / "layer" / part)
    environment = {**cloud.environment, "TF_CLI_CONFIG_FILE": config, "HOME": str(checkout)}

    def run(*words):
        return subprocess.run(
            [program, f"-chdir={checkout}/layer/recipes/terraform", *words, "-no-color"],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    ready = run("init", "-backend=false", "-input=false")
    if ready.returncode != 0:
        pytest.skip("terraform cannot install hashicorp/aws here: " + ready.stderr.strip()[-200:])
    return run


def test_terraform_gives_a_function_with_lamprey(terraform, cloud, checkout):
    assert "valid" in terraform("validate").stdout
    code = checkout / "function.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): pass\n")
    trust = '{"Version":"2012-10-17","Statement":[]}'
    role = cloud("iam", "create-role", "--role-name", "tf", "--assume-role-policy-document", trust)
    variables = [f"-var=role_arn={role['Role']['Arn']}", f"-var=code_zip={code}", "-var=function_name=tf"]
    plan = terraform("plan", "-input=false", *variables)
    saved = len(list((ROOT / "layer" / "queries").glob("*.logsinsights")))
    assert f"Plan: {4 + saved} to add, 0 to change, 0 to destroy." in plan.stdout, plan.stderr
    # The stand-in knows no saved queries.
    made = ["-target=aws_lambda_function.function", "-target=aws_cloudwatch_dashboard.lamprey"]
    applied = terraform("apply", "-auto-approve", "-input=false", *variables, *made)
    assert "Apply complete! Resources: 4 added" in applied.stdout, applied.stderr
    function = cloud("lambda", "get-function-configuration", "--function-name", "tf")
    assert function["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    (layer,) = function["Layers"]
    size = (checkout / "dist" / "lamprey-x86_64.zip").stat().st_size
    assert cloud.layer(layer["Arn"])["Content"]["CodeSize"] == size
    check_dashboard(cloud, "Lamprey-tf", "/aws/lambda/tf")


def test_sam_and_serverless_name_the_layer_and_the_wrapper():
    sam = load_yaml(RECIPES / "sam" / "template.yaml")
    shared = sam["Globals"]["Function"]
    assert shared["Layers"] == [{"Ref": "LampreyLayer"}]
    assert shared["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"}
    zip_name = sam["Resources"]["LampreyLayer"]["Properties"]["ContentUri"]
    assert (RECIPES / "sam" / zip_name).resolve() == ROOT / "dist" / "lamprey-x86_64.zip"
    serverless = load_yaml(RECIPES / "serverless" / "serverless.yml")
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
