"""LAMPREY_TELEMETRY: Lambda's own figures of the invocation before, and no price for them.

LAMPREY_DIMENSIONS: further dimensions of the metrics.
"""

import json
import re
import statistics
import sys

import record_schema

COMMAND = [sys.executable, "-m", "awslambdaric"]
BILLED = re.compile(r"^REPORT RequestId: (\S+)\t.*\tBilled Duration: (\d+) ms\t.*Max Memory Used: (\d+) MB")
ON = {"LAMPREY_TELEMETRY": "on"}
LONGER_THAN_ITS_BUFFERING = 0.06  # s; the Telemetry API holds events for 25 ms at least


def serve(local_lambda, env, invocations=8, sleep=LONGER_THAN_ITS_BUFFERING, **options):
    with local_lambda.serve(*COMMAND, "app.handler", env=env, **options) as serving:
        for _ in range(invocations):
            serving.invoke({"sleep": sleep})
        return serving.stop()


def test_the_next_line_says_what_lambda_billed(local_lambda):
    log = serve(local_lambda, ON)
    said = {m[1]: (int(m[2]), int(m[3])) for m in map(BILLED.match, log.lines) if m}
    told = {}
    for record in log.records:
        platform = record.get("platform")
        if platform:
            assert platform["request_id"] not in told, "each report is printed once"
            assert platform["request_id"] != record.get("request_id"), "never one's own"
            told[platform["request_id"]] = (platform["billed_ms"], platform["max_memory_mb"])
    assert len(told) >= len(said) - 2, "but for the last ones, whose report comes too late"
    assert told.items() <= said.items()
    assert log.complaints == []


def test_it_is_off_unless_asked_for(local_lambda):
    log = serve(local_lambda, {}, invocations=3)
    assert not any("platform" in record for record in log.records)
    assert not any("TELEMETRY" in line and "lamprey" in line for line in log.lines)


def test_a_platform_without_telemetry_costs_nothing_but_a_line(local_lambda):
    """Quick invocations are over before any report can come: nobody waits for one."""

    def median(env):
        log = serve(local_lambda, env, invocations=30, sleep=0)
        return statistics.median(r["self"]["flush_ms"] for r in log.invokes if "flush_ms" in r["self"])

    for _ in range(4):
        without, beside = median({}), median(ON)
        if beside < without + 0.5:
            return
    raise AssertionError(f"END to next: {without} ms without, {beside} ms with telemetry")


def test_dimensions_stand_beside_the_functions_name(local_lambda):
    env = {"LAMPREY_DIMENSIONS": "stage=prod,duration_ms=x,team=orders"}
    log = local_lambda.run(*COMMAND, "plain.handler", invocations=2, env=env)
    for record in log.invokes:
        directive = record["_aws"]["CloudWatchMetrics"][0]
        assert directive["Dimensions"] == [["function_name", "stage", "team"]]
        assert (record["stage"], record["team"]) == ("prod", "orders")
    assert len(log.complaints) == 1 and '"duration_ms=x"' in log.complaints[0]


def test_no_dimension_takes_the_place_of_a_key(root):
    schema = json.loads((root / "docs" / "record.schema.json").read_text())
    source = (root / "src" / "companion" / "dimensions.cpp").read_text()
    taken = set(re.findall(r'"(\w+)"', source[source.index("kTaken[] = {") : source.index("};")]))
    assert set(schema["properties"]) - {"_aws"} <= taken


def test_short_lines_are_short(local_lambda):
    """What a line costs is its bytes: docs/cost.md counts with these."""
    events = {"sleep": 0.001, "malloc": {"blocks": 100, "bytes": 1000}, "read": {"path": __file__, "piece": 4096}}
    sizes = {}
    for detail in ("short", "full"):
        env = {"LAMPREY_DETAIL": detail}
        with local_lambda.serve(*COMMAND, "app.handler", env=env) as serving:
            for _ in range(4):
                serving.invoke(events)
            log = serving.stop()
        assert len(log.invokes) == 4
        sizes[detail] = max(len(line) for line in log.record_lines if '"type":"invoke"' in line)
    assert sizes["short"] <= 3 * 1024 and sizes["full"] <= 16 * 1024
    assert sizes["short"] < sizes["full"]
    record_schema.check(log.record_lines[-1])
