"""LAMPREY_LINES=notable with real functions: what has a line, what the summaries say, and that
nothing is lost between the two.
"""

import collections
import json
import pathlib
import statistics
import subprocess
import sys

import pytest
from storm import under_fire

PYTHON = [sys.executable, "-m", "awslambdaric"]
NOTABLE = {"LAMPREY_LINES": "notable"}
MOST_BYTES = 20  # for an invocation of a healthy function: 20 MB for a million
MOST_SLOW = 7  # lines between two summaries
LIBRARY_FILES = 3  # that fleet.reads reads


def run(local_lambda, handler, invocations, **env):
    log = local_lambda.run(*PYTHON, handler, invocations=invocations, env={**NOTABLE, **env}, seconds=120)
    assert counted(log) == invocations, log.stderr
    return log


def counted(log):
    """How many invocations the lines stand for."""
    return len(log.invokes) + sum(r["summary"]["invocations"] for r in log.of_type("summary"))


def total(log, section, key):
    return sum(record[section][key] for record in log.invokes + log.of_type("summary"))


def listed(summaries, lists, names, key):
    """The sum of a figure over the entries of these names."""
    entries = [entry for record in summaries for entry in lists(record)]
    return sum(entry[key] for entry in entries if entry.get("name", entry.get("path")) in names)


@pytest.fixture(scope="module")
def healthy(local_lambda):
    return run(local_lambda, "fleet.healthy", 2100)


def test_a_healthy_function_has_hardly_any_lines(healthy):
    first, *others = healthy.invokes
    assert first["cold_start"] is True
    assert len(others) <= 3 * MOST_SLOW
    summaries = healthy.of_type("summary")
    assert [r["summary"]["invocations"] for r in summaries][:2] == [1000, 1000]
    typical = statistics.median(len(line) for line in healthy.record_lines if '"summary"' in line)
    assert typical <= 6000
    first_lines = 2  # init, and the first invocation
    last = max(n for n, line in enumerate(healthy.record_lines) if '"summary":{"invocations":1000' in line)
    # A busy machine gives cause for findings, which are told in full lines, as is each hundredth.
    written = [line for line in healthy.record_lines[first_lines : last + 1]
               if '"summary":{' in line or not ('"findings":[' in line or '"system":{' in line)]
    assert sum(len(line) + 1 for line in written) <= MOST_BYTES * 2000


def test_its_metrics_have_each_value_once(healthy):
    for record in healthy.of_type("summary"):
        count = record["summary"]["invocations"]
        names = {m["Name"] for m in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        assert len(names) == 9
        for name in names:
            assert sum(record[name]["Counts"]) == count, name
            assert record[name]["Values"] == sorted(record[name]["Values"]), name
        values, counts = record["duration_ms"]["Values"], record["duration_ms"]["Counts"]
        summed = sum(value * times for value, times in zip(values, counts, strict=True))
        assert summed == pytest.approx(record["summary"]["duration_ms"], abs=0.001 * count)
        assert values[0] == record["summary"]["duration_min_ms"]
        assert values[-1] == record["summary"]["duration_max_ms"]
        parts = [v for k, v in record["wall"].items() if k != "total_ms"]
        assert sum(parts) == pytest.approx(record["wall"]["total_ms"], abs=0.02)
        assert record["wall"]["total_ms"] == pytest.approx(record["summary"]["duration_ms"], rel=0.01)


def test_lines_and_summaries_are_all_that_the_process_did(healthy):
    """Against the process's own totals, which know nothing of lines."""
    (init,) = healthy.of_type("init")
    (end,) = healthy.of_type("shutdown")
    for key in ("allocations", "frees", "allocated_bytes"):
        summed = init["memory"][key] + total(healthy, "memory", key)
        assert end["memory"][key] * 0.999 <= summed <= end["memory"][key], key
    assert init["memory"]["live_bytes"] + total(healthy, "memory", "live_delta_bytes") == (
        healthy.of_type("summary")[-1]["memory"]["live_bytes"]
    )


def test_files_and_calls_are_summed(local_lambda):
    log = run(local_lambda, "fleet.reads", 250, LAMPREY_METRICS="off")
    sums = log.of_type("summary")
    many = sum(record["summary"]["invocations"] for record in sums)
    assert many > 200
    files = lambda record: record["files"]  # noqa: E731
    assert listed(sums, files, {json.__file__}, "opens") == many
    size = pathlib.Path(json.__file__).stat().st_size
    assert listed(sums, files, {json.__file__}, "bytes") == many * size
    calls = lambda record: record["calls"]["top"]  # noqa: E731
    assert listed(sums, calls, {"open", "open64", "openat"}, "calls") == many * LIBRARY_FILES
    assert not any("_aws" in record for record in log.records)
    assert all("duration_ms" in record for record in log.of_type("summary"))


def test_what_fails_has_its_line(local_lambda):
    log = run(local_lambda, "fleet.fails", 60)  # every fifth
    statuses = collections.Counter(record["status"] for record in log.invokes)
    assert statuses["error"] == 12 and len(log.invokes) < 40
    assert all(record["status"] == "ok" for record in log.of_type("summary"))


def test_the_command_counts_summaries_as_their_invocations(build, healthy, workspace):
    lines = workspace / "lines"
    lines.write_text("\n".join(healthy.lines))
    told = subprocess.run([build / "bin/lamprey", "report", lines], capture_output=True, text=True)
    assert told.returncode == 0 and "2,100 (2,100 ok)" in told.stdout, told.stdout
    shown = subprocess.run([build / "bin/lamprey", "show", lines], capture_output=True, text=True)
    assert "function summary ok: 1,000 invocations in " in shown.stdout
    budgets = workspace / "budgets"
    budgets.write_text("duration_ms p50 > 60 s\nnot_ok <= 0 %\nwall.network_ms max <= 60 s\n")
    held = subprocess.run(
        [build / "bin/lamprey", "report", lines, "--fail-on", budgets], capture_output=True, text=True
    )
    assert held.returncode == 1 and "in 2,100 records; the budget is > 60 s" in held.stderr, held.stderr


@pytest.mark.slow
@pytest.mark.alone  # how many invocations are answered before the kill depends on the machine's load
@pytest.mark.parametrize("flush", ["end", "batch"])
def test_a_storm_of_kills_loses_and_repeats_nothing(local_lambda, flush):
    answers, log, _ = under_fire(local_lambda, 40, 3, {**NOTABLE, "LAMPREY_FLUSH": flush}, pause=0.2)
    summed = sum(record["summary"]["invocations"] for record in log.of_type("summary"))
    assert summed > 10 and any(record.get("late") for record in log.of_type("summary"))
    # An invocation is in one line or in one sum: a second place would be one too many.
    assert sum(answers) <= counted(log) <= len(log.started_ids)
    told = [record["request_id"] for record in log.invokes]
    assert len(told) == len(set(told)) and set(told) <= set(log.started_ids)
