"""What a build asks of `lamprey`: is this deployment worse than the last, and is a budget broken?"""

import json
import random
import subprocess

import pytest


def records(count=200, slower=1.0, fatter=1.0, seed=1, findings=0):
    """Invocations with the noise of a shared machine."""
    noise = random.Random(seed)
    for number in range(1, count + 1):
        duration = 100 * slower * (1 + abs(noise.gauss(0, 0.08)))
        record = {
            "lamprey": "1", "type": "invoke", "status": "ok", "function_name": "orders",
            "invocation": number, "cold_start": number == 1, "duration_ms": round(duration, 3),
            "cpu_ms": round(duration * 0.2, 3),
            "memory": {"allocated_bytes": int(1e6 * fatter * (1 + noise.gauss(0, 0.005)))},
        }  # fmt: skip
        if number <= findings:
            record["findings"] = [{"code": "network.reconnect", "severity": "warning", "text": "x"}]
        yield record


@pytest.fixture
def lamprey(build, tmp_path):
    def run(*words, **files):
        for name, lines in files.items():
            text = lines if isinstance(lines, str) else "".join(json.dumps(line) + "\n" for line in lines)
            (tmp_path / name).write_text(text)
        return subprocess.run(
            [build / "bin" / "lamprey", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.mark.spread
def test_a_planted_regression_is_found_and_fails_the_build(lamprey):
    ran = lamprey("diff", "before", "after", "--fail-on-worse", "3", before=records(), after=records(fatter=1.05, seed=2))
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1 and "orders: allocated is worse" in ran.stderr
    worse = [line for line in ran.stdout.splitlines() if line.endswith("worse")]
    assert len(worse) == 1 and worse[0].startswith("allocated ") and "+5." in worse[0]
    ran = lamprey("diff", "before", "after", after=records(slower=1.1, seed=3))
    assert ran.returncode == 0  # nobody asked to fail
    assert [line.split()[0] for line in ran.stdout.splitlines() if line.endswith("worse")] == ["duration", "CPU"]


@pytest.mark.spread
def test_equal_runs_are_left_alone(lamprey):
    for seed in range(20):
        ran = lamprey(
            "diff", "before", "after", "--fail-on-worse", "0",
            before=records(seed=100 + seed), after=records(seed=200 + seed),
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
        assert "Nothing changed that these lines can show." in ran.stdout


@pytest.mark.spread
def test_few_lines_are_no_answer(lamprey):
    ran = lamprey("diff", "before", "after", before=records(12), after=records(12, fatter=3))
    assert ran.returncode == 0 and "cannot tell from 11 and 11 lines" in ran.stdout


@pytest.mark.spread
def test_findings_that_came_and_went(lamprey):
    ran = lamprey("diff", "before", "after", before=records(), after=records(seed=2, findings=30))
    line = next(line for line in ran.stdout.splitlines() if line.startswith("network.reconnect"))
    assert line.split("  ")[1:] and "0 of 200" in line and "30 of 200" in line and line.endswith("new")


@pytest.mark.spread
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["diff", "one"], "AFTER"),
        (["diff", "one", "two", "three"], "argument three"),
        (["diff", "one", "two", "--fail-on-worse", "much"], "--fail-on-worse"),
        (["diff", "/does/not/exist", "one"], "/does/not/exist"),
        (["report", "one", "--fail-on", "severe"], "info, warning, critical"),
        (["local", "--fail-on", "severe", "--", "true"], "info, warning, critical"),
    ],
)
def test_wrong_use_is_one_line(lamprey, words, says):
    ran = lamprey(*words, one=records(3), two=records(3))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1 and says in ran.stderr


@pytest.mark.spread
def test_budgets_of_a_report(lamprey):
    budgets = (
        "# what this service may cost\n"
        "duration_ms p50 <= 150 ms\n"
        "orders: allocated_bytes p50 <= 500 KB\n"
        "network.reconnect never\n"
        "network.reconnect <= 5 %\n"
    )
    ran = lamprey("report", "lines", "--fail-on", "budgets", lines=records(findings=3), budgets=budgets)
    assert ran.returncode == 1 and "function orders" in ran.stdout
    first, second = ran.stderr.splitlines()
    assert first.startswith("lamprey: budgets line 3: orders: allocated_bytes p50 is 97")
    assert first.endswith("KB in 200 records; the budget is <= 500 KB")
    assert "line 4: orders: network.reconnect is 3 times in 200 records; the budget is never" in second
    ran = lamprey("report", "lines", "--fail-on", "budgets", budgets="duration_ms p50 <= 1 s\n")
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.spread
def test_severities_of_a_report(lamprey):
    ran = lamprey("report", "lines", "--fail-on", "warning", lines=records(findings=3))
    assert ran.returncode == 1
    assert ran.stderr == "lamprey: orders: network.reconnect (warning) in 3 records: --fail-on warning\n"
    assert lamprey("report", "lines", "--fail-on", "critical").returncode == 0


HANDLER = "def handler(event, context):\n    return len(bytearray(3 << 20))\n"


def test_local_fails_when_a_budget_is_broken(build, root, workspace, private_tmp):
    (workspace / "app.py").write_text(HANDLER)
    (workspace / "budgets").write_text("allocated_bytes p50 <= 1 MB\nduration_ms max <= 1 s\n")
    words = ["--", root / "build/venv/bin/python3", "-m", "awslambdaric", "app.handler"]

    def local(*options):
        return subprocess.run(
            private_tmp([build / "bin" / "lamprey", "local", "--invocations", "3", *options, *words]),
            cwd=workspace, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    ran = local("--fail-on", "budgets")
    assert ran.returncode == 1, ran.stderr
    complaints = [line for line in ran.stderr.splitlines() if "budgets line" in line]
    assert len(complaints) == 1 and "allocated_bytes p50 is 3." in complaints[0]
    assert ran.stdout.count('{"lamprey":"1"') >= 4  # in a pipe the lines stay as they are
    (workspace / "budgets").write_text("allocated_bytes p50 <= 9 MB\n")
    assert local("--fail-on", "budgets").returncode == 0
