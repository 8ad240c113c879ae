"""Living with others: wrappers of other layers behind ours, other preloads, other extensions.

The wrappers are written anew from what their makers document that they do.
"""

import pathlib
import shutil
import sys
import textwrap

import pytest

COMMAND = [sys.executable, "-m", "awslambdaric", "app.handler"]
EVENTS = [{"sleep": 0.01}, {"malloc": {"blocks": 1000, "bytes": 1000}}, {"sleep": 0.01}]
SHOW = {"environment": ["PYTHONPATH", "DD_LAMBDA_HANDLER", "LD_PRELOAD", "NODE_OPTIONS"]}

WRAPPERS = {
    # OpenTelemetry: variables for the language's agent, then the runtime.
    "opentelemetry": """\
        #!/bin/bash
        export PYTHONPATH="/opt/python:$PYTHONPATH"
        export OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=
        if [ -z "$OTEL_SERVICE_NAME" ]; then
          export OTEL_SERVICE_NAME=$AWS_LAMBDA_FUNCTION_NAME
        fi
        exec "$@"
        """,
    # Its Python form starts a launcher, which replaces itself by the interpreter.
    "opentelemetry-launcher": """\
        #!/bin/bash
        exec python3 -c 'import os, sys; os.environ["OTEL"] = "1"; os.execvp(sys.argv[1], sys.argv[1:])' "$@"
        """,
    # Datadog: the handler is moved to a variable of its own, its arguments are kept in an array.
    "datadog": """\
        #!/bin/bash
        args=("$@")
        export DD_LAMBDA_HANDLER="$_HANDLER"
        export NODE_OPTIONS="--require dd $NODE_OPTIONS"
        exec "${args[@]}"
        """,
    # AWS's documented example: an option before the last argument.
    "aws-option": """\
        #!/bin/bash
        args=("$@")
        extra_args=("-X" "importtime")
        exec "${args[0]}" "${extra_args[@]}" "${args[@]:1}" 2>/dev/null
        """,
    # Another link of the chain that starts helpers of its own first.
    "helpers": """\
        #!/bin/sh
        name=$(uname -s) && ls / >/dev/null && (true; true)
        exec env OTHER="$name" "$@"
        """,
}


def wrapper(folder, name, text):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)
    return path


def check(log, answers, invocations):
    assert log.status == 0
    assert [failed for _, failed in answers] == [False] * invocations
    assert [r["type"] for r in log.records] == ["init", *["invoke"] * invocations, "shutdown"]
    assert [r["request_id"] for r in log.invokes] == log.started_ids
    assert [r["status"] for r in log.invokes] == ["ok"] * invocations
    assert log.invokes[1]["memory"]["allocations"] >= 1000
    assert log.invokes[0]["duration_ms"] >= 10


def invoke_all(local_lambda, events=None, **options):
    with local_lambda.serve(*COMMAND, **options) as serving:
        answers = [serving.invoke(event) for event in events or EVENTS]
        return answers, serving.stop()


@pytest.mark.parametrize("name", WRAPPERS)
def test_another_layers_wrapper_runs_after_ours(local_lambda, workspace, name):
    path = wrapper(workspace, name, WRAPPERS[name])
    events = [*EVENTS, SHOW]
    answers, log = invoke_all(local_lambda, events, env={"LAMPREY_EXEC_WRAPPER": path})
    check(log, answers, len(events))
    assert log.complaints == []
    seen = answers[-1][0]["environment"]
    assert seen["LD_PRELOAD"] is None, "the runtime's children start without us"
    if name == "opentelemetry":
        assert seen["PYTHONPATH"].startswith("/opt/python:")
    if name == "datadog":
        assert seen["DD_LAMBDA_HANDLER"] == "app.handler"


def test_a_wrapper_that_keeps_the_runtime_as_its_child(local_lambda, workspace):
    """As AWS's Python sample does (os.system): the function runs, and a line says what is missing."""
    path = wrapper(
        workspace,
        "system",
        """\
        #!/usr/bin/env python3
        import os, shlex, sys
        sys.exit(os.waitstatus_to_exitcode(os.system(" ".join(map(shlex.quote, sys.argv[1:])))))
        """,
    )
    answers, log = invoke_all(local_lambda, env={"LAMPREY_EXEC_WRAPPER": path})
    assert [failed for _, failed in answers] == [False] * len(EVENTS)
    recorded = [r["request_id"] for r in log.invokes] == log.started_ids
    said = [text for r in log.records for text in r["coverage"].get("unseen", [])]
    assert recorded or said


def test_another_preload_stays(local_lambda, workspace):
    """A tool that is preloaded by a variable of the function, or by a wrapper behind ours."""
    library = next(
        (p for p in pathlib.Path("/usr/lib").glob("*/libjemalloc.so.2")),
        None,
    )
    if library is None:
        pytest.skip("no libjemalloc.so.2 here")
    path = wrapper(
        workspace,
        "preloads",
        f"""\
        #!/bin/bash
        export LD_PRELOAD="${{LD_PRELOAD:+$LD_PRELOAD:}}{library}"
        exec "$@"
        """,
    )
    for env in ({"LD_PRELOAD": library}, {"LAMPREY_EXEC_WRAPPER": path}):
        answers, log = invoke_all(local_lambda, env=env)
        check(log, answers, len(EVENTS))


EXTENSION = """\
#!{python}
# An extension that takes part in every invocation{purpose}.
import http.client, json, os, sys

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("POST", "/2020-01-01/extension/register", json.dumps({{"events": ["INVOKE", "SHUTDOWN"]}}),
            {{"Lambda-Extension-Name": os.path.basename(sys.argv[0])}})
answer = api.getresponse()
answer.read()
identifier = answer.headers["Lambda-Extension-Identifier"]
{before}
while True:
    api.request("GET", "/2020-01-01/extension/event/next",
                headers={{"Lambda-Extension-Identifier": identifier}})
    event = json.loads(api.getresponse().read())
    if event["eventType"] == "SHUTDOWN":
        os._exit(0)
"""


def layer_with(build, workspace, extensions):
    """Our layer and other extensions in one /opt, as Lambda merges layers."""
    layer = workspace / "layer"
    (layer / "extensions").mkdir(parents=True)
    (layer / "lib").mkdir()
    shutil.copy(build / "lamprey", layer / "lamprey")
    shutil.copy(build / "lib" / "liblamprey.so", layer / "lib" / "liblamprey.so")
    shutil.copy(build / "extensions" / "lamprey", layer / "extensions" / "lamprey")
    for name, (purpose, before) in extensions.items():
        path = layer / "extensions" / name
        path.write_text(EXTENSION.format(python=sys.executable, purpose=purpose, before=before))
        path.chmod(0o755)
    return layer


def test_ten_extensions(local_lambda, build, workspace):
    layer = layer_with(build, workspace, {f"other-{n}": ("", "") for n in range(9)})
    answers, log = invoke_all(local_lambda, layer=layer)
    check(log, answers, len(EVENTS))
    assert log.complaints == []


def test_an_extension_that_stands_before_the_runtime_api(local_lambda, build, workspace):
    """As security layers do: a proxy in an extension, and a wrapper that points the runtime at it."""
    proxy = (
        "import threading, socket\n"
        f"sys.path.insert(0, {str(local_lambda.folder)!r})\n"
        "import proxy\n"
        "sys.argv = ['proxy', os.environ['AWS_LAMBDA_RUNTIME_API']]\n"
        "threading.Thread(target=proxy.main, daemon=True).start()\n"
    )
    # Its address: what it prints goes to a file that the wrapper reads.
    proxy = f"sys.stdout = open({str(workspace / 'address')!r}, 'w')\n" + proxy
    layer = layer_with(build, workspace, {"proxy": (" and proxies the Runtime API", proxy)})
    path = wrapper(
        workspace,
        "points-at-it",
        f"""\
        #!/bin/bash
        until [ -s {workspace}/address ]; do sleep 0.01; done
        AWS_LAMBDA_RUNTIME_API=$(cat {workspace}/address) exec "$@"
        """,
    )
    answers, log = invoke_all(local_lambda, layer=layer, env={"LAMPREY_EXEC_WRAPPER": path})
    check(log, answers, len(EVENTS))
