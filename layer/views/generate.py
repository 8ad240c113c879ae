#!/usr/bin/env python3
"""Writes the ready-made views from layer/queries: dashboard.json, and cloudformation.json with the
dashboard, the saved queries, the metric filters and the alarms. `generate.py --check` only compares.

The dashboard has three variables, written as CloudFormation and Terraform both understand them:
${Region}, ${LogGroup}, ${Namespace}.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
QUERIES = HERE.parent / "queries"
SHOWN = (  # the queries on the dashboard, in this order
    ("abnormal-ends", "Ends that were not good"),
    ("timeouts-by-blocked-call", "What killed functions were doing"),
    ("findings", "Findings"),
    ("error-types", "Errors by type"),
    ("where-time-goes", "Where time goes (ms)"),
    ("cpu-held-back", "CPU that was held back"),
    ("cpu-by-function", "CPU time by function"),
    ("silent-hosts", "Hosts that did not answer"),
    ("summaries", "Invocations without a line of their own"),
    ("slowest-hosts", "Slowest hosts"),
    ("leaks-by-site", "Growth by call site"),
    ("leaks-by-environment", "Growth by environment"),
    ("cold-starts", "Cold starts by phase (ms)"),
    ("memory-headroom", "Memory against its limit"),
    ("right-size", "Memory size: what the lines support"),
    ("cost-of-lamprey", "What Lamprey itself costs"),
    ("coverage-gaps", "What was not seen"),
)
GRAPHS = (  # title, metric, statistics
    ("Duration", "duration_ms", ("p50", "p99")),
    ("CPU time", "cpu_ms", ("p50", "p99")),
    ("Waiting for the network", "network_ms", ("p50", "p99")),
    ("Live bytes at the end", "live_bytes", ("Average", "Maximum")),
    ("Peak of resident memory", "peak_rss_bytes", ("Maximum",)),
    ("Warnings", "warnings", ("Sum",)),
)
WIDTH = 24
# A filter names one place of a list. Findings stand most severe first, so others may stand before it.
LEAK_ANYWHERE = " || ".join(f'$.findings[{n}].code = "memory.leak"' for n in range(5))


def query(name):
    """A saved query without its comment, and the comment."""
    lines = (QUERIES / f"{name}.logsinsights").read_text().splitlines()
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    return "\n".join(line for line in lines if not line.startswith("#")), " ".join(comments)


def graph(title, metric, statistics, x, y):
    found = [
        {
            "expression": "SEARCH('{${Namespace},function_name} MetricName=\"%s\"', '%s', 300)"
            % (metric, statistic),
            "id": f"{metric}_{number}",
            "label": statistic,
        }
        for number, statistic in enumerate(statistics)
    ]
    return {
        "type": "metric",
        "x": x,
        "y": y,
        "width": 8,
        "height": 6,
        "properties": {
            "title": title,
            "region": "${Region}",
            "view": "timeSeries",
            "period": 300,
            "metrics": [[entry] for entry in found],
        },
    }


def table(name, title, x, y):
    text, _ = query(name)
    return {
        "type": "log",
        "x": x,
        "y": y,
        "width": 12,
        "height": 6,
        "properties": {
            "title": title,
            "region": "${Region}",
            "view": "table",
            "query": f"SOURCE '${{LogGroup}}' | {text}",
        },
    }


def dashboard():
    widgets = [
        {
            "type": "text",
            "x": 0,
            "y": 0,
            "width": WIDTH,
            "height": 2,
            "properties": {
                "markdown": "# Lamprey\nGraphs: every function with metrics in `${Namespace}`. "
                "Tables: the log group `${LogGroup}`; each refresh scans it."
            },
        }
    ]
    y = 2
    for number, (title, metric, statistics) in enumerate(GRAPHS):
        widgets.append(graph(title, metric, statistics, number % 3 * 8, y + number // 3 * 6))
    y += (len(GRAPHS) + 2) // 3 * 6
    for number, (name, title) in enumerate(SHOWN):
        widgets.append(table(name, title, number % 2 * 12, y + number // 2 * 6))
    return {"widgets": widgets}


def metric_filter(pattern, metric):
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "LogGroupName": {"Ref": "LogGroup"},
            "FilterPattern": pattern,
            "MetricTransformations": [
                {
                    "MetricNamespace": {"Ref": "Namespace"},
                    "MetricName": {"Fn::Sub": f"{metric}_${{FunctionName}}"},
                    "MetricValue": "1",
                    "DefaultValue": 0,
                }
            ],
        },
    }


def alarm(text, metric, statistic, threshold, dimensions):
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": text,
            "Namespace": {"Ref": "Namespace"},
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": statistic,
            "Period": 300,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": threshold,
            "TreatMissingData": "notBreaching",
            "AlarmActions": {
                "Fn::If": ["HasTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
            },
        },
    }


def alarms():
    own = [{"Name": "function_name", "Value": {"Ref": "FunctionName"}}]

    def counted(metric):
        return {"Fn::Sub": f"{metric}_${{FunctionName}}"}

    return {
        "LeakFilter": metric_filter(
            f'{{ $.lamprey = "1" && ({LEAK_ANYWHERE}) }}', "leaks"
        ),
        "TimeoutFilter": metric_filter(
            '{ $.lamprey = "1" && $.type != "shutdown" && $.status = "timeout" }', "timeouts"
        ),
        "LeakAlarm": alarm(
            "Memory grows from invocation to invocation", counted("leaks"), "Sum", 0, []
        ),
        "TimeoutAlarm": alarm(
            "Invocations timed out; their lines say in which call", counted("timeouts"), "Sum", 0, []
        ),
        "OutOfMemoryRiskAlarm": alarm(
            "Resident memory is near the function's memory size",
            "peak_rss_bytes",
            "Maximum",
            {"Ref": "PeakRssAlarmBytes"},
            own,
        ),
    }  # fmt: skip


def camel(name):
    return "".join(part.capitalize() for part in name.split("-"))


def saved_queries():
    resources = {}
    for path in sorted(QUERIES.glob("*.logsinsights")):
        resources[f"Query{camel(path.stem)}"] = {
            "Type": "AWS::Logs::QueryDefinition",
            "Properties": {
                "Name": {"Fn::Sub": f"Lamprey/${{FunctionName}}/{path.stem}"},
                "LogGroupNames": [{"Ref": "LogGroup"}],
                "QueryString": query(path.stem)[0],
            },
        }
    return resources


def stack():
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Lamprey's dashboard, saved queries and example alarms for one function",
        "Parameters": {
            "FunctionName": {"Type": "String", "Description": "The function's name"},
            "LogGroup": {
                "Type": "String",
                "Description": "Its log group, which must exist: /aws/lambda/NAME unless changed",
            },
            "Namespace": {
                "Type": "String",
                "Default": "Lamprey",
                "Description": "As in LAMPREY_NAMESPACE",
            },
            "PeakRssAlarmBytes": {
                "Type": "Number",
                "Default": 120795955,
                "Description": "90 % of the memory size, in bytes; the default is for 128 MB",
            },
            "AlarmTopic": {
                "Type": "String",
                "Default": "",
                "Description": "ARN of an SNS topic that alarms go to; empty for none",
            },
        },
        "Conditions": {"HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopic"}, ""]}]}},
        "Resources": {
            "Dashboard": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {
                    "DashboardName": {"Fn::Sub": "Lamprey-${FunctionName}"},
                    "DashboardBody": {
                        "Fn::Sub": [
                            json.dumps(dashboard(), separators=(",", ":")),
                            {"Region": {"Ref": "AWS::Region"}},
                        ]
                    },
                },
            },
            **saved_queries(),
            **alarms(),
        },
    }


def main(words):
    if words not in ([], ["--check"]):
        print("use: generate.py [--check]", file=sys.stderr)
        return 2
    stale = []
    for name, content in (("dashboard.json", dashboard()), ("cloudformation.json", stack())):
        text = json.dumps(content, indent=1) + "\n"
        path = HERE / name
        if not words:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    for name in stale:
        print(f"{name} is not what generate.py makes: run layer/views/generate.py", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
