"""The packages that init imports, in its `timeline[]`, against what the function itself logged."""

import json
import shutil
import sys

import pytest
from patience import tried

FILES, FILE_MS, BODY_MS = 8, 6, 60
HANDLERS = "tests/integration/handlers"


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


PYTHON = """import json, time
steps, before = [], time.monotonic()
def done(name):
    global before
    now = time.monotonic()
    steps.append([name, (now - before) * 1000])
    before = now
import orders
done("orders")
import slowdep
done("slowdep")
print("steps", json.dumps(steps), flush=True)
def handler(event, context):
    import late
    return {}
"""
NODE = """const steps = []; let before = performance.now();
const done = (name) => { const now = performance.now(); steps.push([name, now - before]); before = now; };
require("./orders");
done("orders");
require("slowdep");
done("slowdep");
console.log("steps", JSON.stringify(steps));
exports.handler = async () => { require("./late"); return {}; };
"""
RUBY = """require "json"
$steps, $before = [], Process.clock_gettime(Process::CLOCK_MONOTONIC)
def done(name)
  now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  $steps << [name, (now - $before) * 1000]
  $before = now
end
require_relative "orders/orders"
done "orders"
require_relative "slowdep/slowdep"
done "slowdep"
puts "steps #{JSON.generate($steps)}"
$stdout.flush
def handler(event:, context:)
  require_relative "late/late"
end
"""
WAIT = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, {});"


def python(root, here):
    nap = "import time\ntime.sleep({})\n"
    files = {
        "cold.py": PYTHON,
        "orders/__init__.py": "".join(f"from . import part{i}\n" for i in range(FILES)),
        "site-packages/slowdep/__init__.py": nap.format(BODY_MS / 1000),
        "late/__init__.py": nap.format(FILE_MS / 1000),
    }
    files |= {f"orders/part{i}.py": nap.format(FILE_MS / 1000) for i in range(FILES)}
    write(here, files)
    return [sys.executable, "-m", "awslambdaric", "cold.handler"], "site-packages/slowdep", "<module> (", "cold.py:8"


def node(root, here):
    files = {
        "cold.cjs": NODE,
        "orders/index.js": "".join(f'require("./part{i}");\n' for i in range(FILES)),
        "node_modules/slowdep/index.js": WAIT.format(BODY_MS),
        "late/index.js": WAIT.format(FILE_MS),
    }
    files |= {f"orders/part{i}.js": WAIT.format(FILE_MS) for i in range(FILES)}
    write(here, files)
    # V8 reads a module before it runs: whoever requires the first one is on the stack.
    return ["node", root / HANDLERS / "node_client.mjs"], "node_modules/slowdep", "", "cold.cjs:3"


def ruby(root, here):
    files = {
        "cold.rb": RUBY,
        "orders/orders.rb": "".join(f'require_relative "part{i}"\n' for i in range(FILES)),
        "slowdep/slowdep.rb": f"sleep {BODY_MS / 1000}\n",
        "late/late.rb": f"sleep {FILE_MS / 1000}\n",
    }
    files |= {f"orders/part{i}.rb": f"sleep {FILE_MS / 1000}\n" for i in range(FILES)}
    write(here, files)
    return ["ruby", root / HANDLERS / "ruby_client.rb"], "slowdep", "", "cold.rb:8"


LANGUAGES = {"python": (python, "cold.py"), "node": (node, "cold.cjs"), "ruby": (ruby, "cold.rb")}


def imports_of(record):
    return [entry for entry in record.get("timeline", []) if entry.get("phase") == "import"]


def took(record, call, package):
    """How long, and from where; entries of one package are added up."""
    found = [e for e in imports_of(record) if e["call"] == call and e["target"] == str(package)]
    return sum(entry["for_ms"] for entry in found), [entry.get("stack", "") for entry in found]


def check_headline(init, here):
    """It names the package that took most, where that is a fifth of init."""
    entries, sums = imports_of(init), {}
    for entry in entries:
        if entry["target"] == str(here):
            continue  # the function itself
        sums[entry["target"]] = sums.get(entry["target"], 0) + entry["for_ms"]
    first, second = (sorted(sums, key=sums.get, reverse=True) + [None])[:2]
    share = sums[first] - init["init"]["total_ms"] / 5
    if abs(share) > 1 and sums[first] - sums.get(second, 0) > 1:
        assert (f" in the import of {first}" in init["headline"]) == (share > 0), (sums, init)


def is_right(record, steps, here, dependency, asker):
    orders, stacks = took(record, "import", here / "orders")
    body, _ = took(record, "after import", here / dependency)
    truth = dict(steps)
    # The next package is known by its first file: what lies between the two is counted for the one before.
    return (
        abs(orders - truth["orders"]) <= 0.15 * truth["orders"] + FILE_MS
        and truth["slowdep"] - 5 <= body <= truth["slowdep"] + 25
        and all(asker in stack for stack in stacks)
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_init_is_told_by_packages(local_lambda, workspace, root, language):
    make, function = LANGUAGES[language]
    command, dependency, first, asker = make(root, workspace)
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"no {language} here")
    env = {
        "PYTHONPATH": f"{workspace}:{workspace}/site-packages", "LAMBDA_TASK_ROOT": workspace,
        "FUNCTION": workspace / function, "LAMPREY_DETAIL": "full",
    }  # fmt: skip

    def run():
        log = local_lambda.run(*command, timeout=20, memory=1769, invocations=2, env=env)
        assert log.status == 0 and len(log.invokes) == 2, log
        # Only of init: what an invocation loads is that invocation's wait for files.
        assert [imports_of(record) for record in log.invokes] == [[], []]
        (init,) = [record for record in log.records if record["type"] == "init"]
        entries = imports_of(init)
        for before, after in zip(entries, entries[1:], strict=False):
            assert after["at_ms"] >= before["at_ms"] + before["for_ms"] - 0.01, entries
        assert all("spent_on" not in entry and "open" not in entry for entry in entries), entries
        check_headline(init, workspace)
        assert sum(entry["for_ms"] for entry in entries) <= init["init"]["import_ms"] + 1, init
        assert all(entry.get("stack", "").startswith(first) for entry in entries[1:]), entries
        (steps,) = [json.loads(line[6:]) for line in log.lines if line.startswith("steps ")]
        return init, steps

    tried(run, lambda result: is_right(*result, workspace, dependency, asker))
