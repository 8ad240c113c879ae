"""A real account: makes layers, a role, log groups and functions, invokes them, reads their logs.

Everything that is made has a name that begins with plan.MARK and the run's id, and the tag plan.MARK=id
(a layer, which has no tags: its description). cleanup.py finds it by these alone.
"""

import json
import time

from . import packages, plan
from .checks import Sent
from .driving import Stopped

ROLE_PATH = f"/{plan.MARK}/"
ASSUME = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
# No CreateLogGroup: else a late line would bring back a group that was removed.
LOGGING = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
     "Resource": f"arn:*:logs:*:*:log-group:/aws/lambda/{plan.MARK}-*"}]}  # fmt: skip
ROLE_KNOWN_S = 60  # until Lambda may assume a role that was just made
ACTIVE_S = 120
SNAPSHOT_S = 300
THROTTLED_S = 60
NOT_OFFERED = ("runtime", "architecture", "snapstart")  # what Lambda's complaint names then


class NotOffered(Exception):
    """This region has no such runtime or architecture; with Lambda's own words."""


def _code(error):
    return error.response.get("Error", {}).get("Code", "")


class Clients:
    """boto3's, of one region of one account."""

    def __init__(self, session):
        from botocore.config import Config

        patient = Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=50)
        # An invocation that is tried again would be a second one.
        once = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=50)
        self.functions = session.client("lambda", config=patient)
        self.invoking = session.client("lambda", config=once)
        self.iam = session.client("iam", config=patient)
        self.logs = session.client("logs", config=patient)


class Account:
    """What one run makes and uses."""

    def __init__(self, clients, run, stop):
        self.run = run
        self._stop = stop
        self._lambda = clients.functions
        self._invoking = clients.invoking
        self._iam = clients.iam
        self._logs = clients.logs
        self._client_error = self._lambda.exceptions.ClientError
        self._role = None
        self._layers = {}  # ARN by what it is

    def _go_on(self):
        if self._stop.is_set():
            raise Stopped

    def _name(self, what):
        return f"{plan.MARK}-{self.run}-{what}"

    # ---- what all functions share ----

    def prepare(self, architectures, dist, probe):
        """The role and the layers."""
        self._go_on()
        made = self._iam.create_role(
            Path=ROLE_PATH, RoleName=self._name("role"), AssumeRolePolicyDocument=json.dumps(ASSUME),
            Tags=[{"Key": plan.MARK, "Value": self.run}],
        )  # fmt: skip
        self._role = made["Role"]["Arn"]
        self._go_on()
        self._iam.put_role_policy(RoleName=self._name("role"), PolicyName="logs", PolicyDocument=json.dumps(LOGGING))
        for architecture in architectures:
            self._publish(architecture, packages.layer_zip(dist, architecture), [architecture])
        if probe:
            self._publish("probe", packages.probe_layer(), list(plan.ARCHITECTURES))

    def _publish(self, what, content, architectures):
        self._go_on()
        made = self._lambda.publish_layer_version(
            LayerName=self._name(what), Description=f"{plan.MARK} {self.run}", Content={"ZipFile": content},
            CompatibleArchitectures=architectures,
        )  # fmt: skip
        self._layers[what] = made["LayerVersionArn"]

    # ---- one function ----

    def _settings(self, function):
        probe = function.kind == plan.PROBE
        variables = {} if probe else {"LAMPREY_DETAIL": "full"}
        if not probe and function.language == "c":
            variables["LD_PRELOAD"] = "/opt/lib/liblamprey.so"
        elif not probe:
            variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/lamprey"
        if function.kind == "init_failure":
            variables["VERIFY_INIT"] = "fail"
        handler = plan.PROBE_HANDLER if probe else plan.HANDLER[function.language]
        settings = {
            "Runtime": function.runtime,
            "Handler": "index.stream" if function.kind == "stream" else handler,
            "Layers": [self._layers["probe" if probe else function.architecture]],
            "Environment": {"Variables": variables},
            "Architectures": [function.architecture],
            "MemorySize": function.memory,
            "Timeout": 60 if probe else function.timeout,
        }
        if function.snapstart:
            settings["SnapStart"] = {"ApplyOn": "PublishedVersions"}
        return settings

    def make(self, function):
        """Makes the function and its log group; returns the back end that invokes it."""
        code = packages.package(function)
        name = function.name(self.run)
        group = f"/aws/lambda/{name}"
        self._go_on()
        self._logs.create_log_group(logGroupName=group, tags={plan.MARK: self.run})
        self._logs.put_retention_policy(logGroupName=group, retentionInDays=1)
        self._create(name, code, self._settings(function))
        self._wait_until_active(name)
        qualifier = self._publish_version(name) if function.snapstart else None
        return Deployed(self, function, name, group, qualifier)

    def _create(self, name, code, settings):
        end = time.monotonic() + ROLE_KNOWN_S
        while True:
            self._go_on()
            try:
                self._lambda.create_function(
                    FunctionName=name, Role=self._role, Code={"ZipFile": code}, Tags={plan.MARK: self.run}, **settings
                )
                return
            except self._client_error as error:
                words = str(error)
                if "role" in words.lower() and time.monotonic() < end:
                    self._stop.wait(3)
                elif any(word in words.lower() for word in NOT_OFFERED) and _code(error) in (
                    "InvalidParameterValueException", "ValidationException"):  # fmt: skip
                    raise NotOffered(words.split(": ", 1)[-1][:160]) from error
                else:
                    raise

    def _wait_until_active(self, name, version=None, patience=ACTIVE_S):
        end = time.monotonic() + patience
        which = {"Qualifier": version} if version else {}
        while True:
            self._go_on()
            state = self._lambda.get_function(FunctionName=name, **which)["Configuration"].get("State", "Active")
            if state == "Active":
                return
            if state == "Failed" or time.monotonic() > end:
                raise TimeoutError(f"the function's state is {state} after {patience} s at most")
            self._stop.wait(1)

    def _publish_version(self, name):
        self._go_on()
        version = self._lambda.publish_version(FunctionName=name)["Version"]
        self._wait_until_active(name, version, SNAPSHOT_S)
        return version

    def remove(self, deployed):
        """A function that is done with; its log group and the rest are cleanup.py's."""
        self._lambda.delete_function(FunctionName=deployed.name)

    # ---- used by Deployed ----

    def call(self, words, streamed):
        """(request id, whether it failed, body). Waits while the account's concurrency is used up."""
        end = time.monotonic() + THROTTLED_S
        while True:
            self._go_on()
            try:
                return self._stream(words) if streamed else self._invoke(words)
            except self._client_error as error:
                if _code(error) != "TooManyRequestsException" or time.monotonic() > end:
                    raise
                self._stop.wait(1)

    def _invoke(self, words):
        answer = self._invoking.invoke(**words)
        return answer["ResponseMetadata"]["RequestId"], "FunctionError" in answer, answer["Payload"].read()

    def _stream(self, words):
        answer = self._invoking.invoke_with_response_stream(**words)
        body, failed = b"", False
        for event in answer["EventStream"]:
            body += event.get("PayloadChunk", {}).get("Payload", b"")
            failed = failed or bool(event.get("InvokeComplete", {}).get("ErrorCode"))
        return answer["ResponseMetadata"]["RequestId"], failed, body

    def events_of(self, group):
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        events = [event for page in pages for event in page["events"]]
        events.sort(key=lambda event: event["timestamp"])  # stable: a stream's own order stays
        return [line for event in events for line in event["message"].splitlines()]


class Deployed:
    """One function of an Account, as driving.py wants it."""

    def __init__(self, account, function, name, group, qualifier):
        self.name = name
        self._account = account
        self._streamed = function.kind == "stream"
        self._group = group
        self._qualifier = {"Qualifier": qualifier} if qualifier else {}

    def why_not(self, scenario):
        return None

    def invoke(self, number, scenario, event):
        words = {"FunctionName": self.name, "Payload": event.encode(), **self._qualifier}
        request_id, failed, body = self._account.call(words, self._streamed)
        return Sent(number, scenario, request_id, failed, len(body)), body

    def lines(self):
        return self._account.events_of(self._group)
