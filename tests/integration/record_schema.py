"""The contract of a line: docs/record.schema.json, CloudWatch's metric format, sizes, depth.

Every line that an integration test prints goes through check(). No expectation about the content
of one test's lines lives here.
"""

import functools
import json
import pathlib

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_BYTES = 60 * 1024
MOST_FIELDS = 100  # that a line has without its lists
LISTS = ("findings", "blocked", "timeline", "network", "files")
MOST_VALUES = 100  # of one metric
INNER_LISTS = (
    ("memory", "sites"),
    ("calls", "top"),
    ("kernel", "top"),
    ("cpu", "sites"),
    ("init", "directories"),
)

# Written from the text of "Specification: Embedded metric format" in the CloudWatch user guide.
EMBEDDED_METRICS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},  # ms since 1970
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {
                                "type": "string",
                                "minLength": 1,
                                "maxLength": 1024,
                            },
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {
                                        "type": "string",
                                        "minLength": 1,
                                        "maxLength": 250,
                                        "pattern": "^[\\x20-\\x7e]+$",
                                    },
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {
                                            "type": "string",
                                            "minLength": 1,
                                            "maxLength": 1024,
                                        },
                                        "Unit": {
                                            "enum": [
                                                "Seconds", "Microseconds", "Milliseconds",
                                                "Bytes", "Kilobytes", "Megabytes", "Gigabytes",
                                                "Terabytes", "Bits", "Kilobits", "Megabits",
                                                "Gigabits", "Terabits", "Percent", "Count",
                                                "Bytes/Second", "Kilobytes/Second",
                                                "Megabytes/Second", "Gigabytes/Second",
                                                "Terabytes/Second", "Bits/Second",
                                                "Kilobits/Second", "Megabits/Second",
                                                "Gigabits/Second", "Terabits/Second",
                                                "Count/Second", "None",
                                            ]
                                        },
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}  # fmt: skip


@functools.cache
def _validator(extra):
    schema = json.loads((ROOT / "docs" / "record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in extra:
        schema["properties"][name] = {"type": "string", "minLength": 1, "maxLength": 1024}
    return jsonschema.Draft202012Validator(schema)


@functools.cache
def _embedded_metrics():
    jsonschema.Draft202012Validator.check_schema(EMBEDDED_METRICS)
    return jsonschema.Draft202012Validator(EMBEDDED_METRICS)


def _words(error):
    where = ".".join(map(str, error.absolute_path)) or "the line"
    return f"{where}: {error.message[:300]}"


def dimensions_of(record):
    """The names of the dimensions that a user added, as the line itself tells them."""
    directives = record.get("_aws", {}).get("CloudWatchMetrics", [])
    names = {name for d in directives for dimensions in d["Dimensions"] for name in dimensions}
    return tuple(sorted(names - {"function_name", "function_version"}))


def leaves(value, path=()):
    """What Logs Insights makes of an object: (path, value) pairs, in order, lists by index."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(inner, (dict, list)):
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


def stable_fields(record):
    """The fields that are there in any line of this kind: all but those in lists."""
    lists = {name for name, value in record.items() if is_distribution(value)}
    return [path for path, _ in leaves(record)
            if path[0] not in lists and not any(isinstance(p, int) for p in path[:-1])]


def _without_lists(record):
    kept = {name: value for name, value in record.items() if name not in (*LISTS, "_aws")}
    for section, inner in INNER_LISTS:
        if section in kept:
            kept[section] = {k: v for k, v in kept[section].items() if k != inner}
    # The metrics of a summary are two lists each.
    return {name: value for name, value in kept.items() if not is_distribution(value)}


def is_distribution(value):
    """A metric of a summary, as CloudWatch's agent and OpenTelemetry's exporter send them: values, and how
    often each was there."""
    return (
        isinstance(value, dict)
        and {"Values", "Counts"} <= value.keys()
        and 0 < len(value["Values"]) == len(value["Counts"]) <= MOST_VALUES
        and len(set(value["Values"])) == len(value["Values"])
        and all(isinstance(number, (int, float)) for number in value["Values"])
        and all(isinstance(count, int) and count > 0 for count in value["Counts"])
    )


def metric_errors(record):
    """What the schema of the format cannot say: the names must be members of the root."""
    for directive in record["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            value = record.get(metric["Name"])
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number and not is_distribution(value):
                yield f"the metric {metric['Name']} is {value!r} at the root"
        for name in (n for dimensions in directive["Dimensions"] for n in dimensions):
            value = record.get(name)
            if not isinstance(value, str) or not 0 < len(value) <= 1024:
                yield f"the dimension {name} is {value!r} at the root"


def errors(line):
    """Everything that is wrong with one line of the log, in words."""
    size = len(line.encode())
    if size > MOST_BYTES:
        yield f"{size} bytes"
    try:
        record = json.loads(line)
    except ValueError as error:
        yield f"no JSON: {error}"
        return
    yield from map(_words, _validator(dimensions_of(record)).iter_errors(record))
    if "_aws" in record:
        yield from map(_words, _embedded_metrics().iter_errors(record))
        yield from metric_errors(record)
    fields = sum(1 for _ in leaves(_without_lists(record)))
    if fields > MOST_FIELDS:
        yield f"{fields} fields without its lists"
    for path, _ in leaves(record):
        depth = sum(isinstance(part, str) for part in path)
        if depth > 3 and path[0] != "_aws":
            yield f"{'.'.join(map(str, path))} is {depth} levels deep"


def check(line):
    """The line's record, after it was seen to keep the contract."""
    found = list(errors(line))
    assert not found, f"a line breaks docs/record.schema.json: {found[:5]}\n{line[:2000]}"
    return json.loads(line)
