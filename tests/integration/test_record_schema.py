"""docs/record.schema.json and docs/record.md: strict where they should be, and about the same keys."""

import copy
import json
import re

import pytest
import record_schema

RECORD = {
    "lamprey": "1",
    "type": "invoke",
    "status": "ok",
    "headline": "Took 1 ms.",
    "request_id": "r",
    "function_name": "f",
    "function_version": "1",
    "cold_start": False,
    "invocation": 2,
    "started": "2026-01-02T03:04:05.678Z",
    "duration_ms": 1.234,
    "response_ms": 1.0,
    "warnings": 1,
    "_aws": {
        "Timestamp": 1700000000000,
        "CloudWatchMetrics": [
            {
                "Namespace": "Lamprey",
                "Dimensions": [["function_name"]],
                "Metrics": [
                    {"Name": "duration_ms", "Unit": "Milliseconds"},
                    {"Name": "warnings", "Unit": "Count"},
                ],
            }
        ],
    },
    "wall": {"total_ms": 1.234, "cpu_ms": 1.0, "other_ms": 0.234},
    "self": {"flush_ms": 0.2, "dropped": 0, "version": "0.1.0"},
    "coverage": {"mode": "api", "lost": {"rows_refused": 3}},
    "memory": {
        "live_bytes": 5,
        "live_delta_bytes": -5,
        "sites": [{"live_bytes": 5, "stack": "a (b +0x1); c (d +0x2)"}],
    },
    "findings": [
        {"code": "memory.leak", "severity": "warning", "text": "t", "evidence": {"bytes": 3}}
    ],
    "calls": {
        "total": 1,
        "errors": 0,
        "time_ms": 0.5,
        "top": [{"name": "read", "calls": 1, "errors": 0, "total_ms": 0.5}],
    },
    "network": [{"host": "h", "peer": "10.0.0.1:443", "connects": 1}],
    "files": [{"path": "/tmp/x", "opens": 1}],
}


def altered(path, value):
    record = copy.deepcopy(RECORD)
    place = record
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(record)


def test_a_good_line_is_good():
    assert list(record_schema.errors(json.dumps(RECORD))) == []


@pytest.mark.parametrize(
    "path, value, complaint",
    [
        (["surprise"], 1, "surprise"),
        (["memory", "surprise"], 1, "surprise"),
        (["calls", "top", 0, "surprise"], 1, "surprise"),
        (["network", 0, "query"], "x=1", "query"),
        (["coverage", "lost", "rows_refused"], "many", "rows_refused"),
        (["status"], "fine", "status"),
        (["headline"], None, "headline"),
        (["self"], None, "self"),
        (["duration_ms"], -1, "duration_ms"),
        (["invocation"], 0, "invocation"),
        (["started"], "yesterday", "started"),
        (["findings"], [], "findings"),
        (["init"], {"total_ms": 1}, "total_ms"),
        (["memory", "sites", 0, "stack"], "s" * 3000, "stack"),
        (["warnings"], None, "metric warnings"),
        (["function_name"], None, "function_name"),
        (["_aws", "Timestamp"], "now", "Timestamp"),
        (["_aws", "CloudWatchMetrics", 0, "Namespace"], "", "Namespace"),
        (["_aws", "CloudWatchMetrics", 0, "Metrics", 0, "Unit"], "ms", "Unit"),
        (["_aws", "CloudWatchMetrics", 0, "Dimensions"], [["stage"]], "stage"),
        (["findings", 0, "evidence"], {"deep": {"er": 1}}, "evidence"),
    ],
)
def test_a_broken_line_is_told(path, value, complaint):
    found = list(record_schema.errors(altered(path, value)))
    assert any(complaint in text for text in found), found


def test_too_long_a_line_is_told():
    assert any("bytes" in e for e in record_schema.errors(altered(["headline"], "x" * 70000)))


def _keys(schema, path=()):
    if schema is False or not isinstance(schema, dict):
        return
    if schema.get("type") == "array":
        schema = schema["items"]
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _keys(inner, (*path, name))


def test_every_key_is_described(root):
    """Each key of the schema stands in docs/record.md, as `key` or `section.key`."""
    schema = json.loads((root / "docs" / "record.schema.json").read_text())
    schema["properties"].pop("_aws")
    page = (root / "docs" / "record.md").read_text()
    words = set(re.findall(r"[A-Za-z_][\w]*", " ".join(re.findall(r"`([^`]+)`", page))))
    missing = [".".join(path) for path in _keys(schema) if path[-1] not in words]
    assert missing == []
