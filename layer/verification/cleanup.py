"""Finds what runs have made in an account, and removes it.

A thing is ours if its name begins with plan.MARK and its tag plan.MARK (a layer: its description) says of
which run it is. Nothing else is touched, whatever its name.
"""

import dataclasses
import re

from . import plan

DESCRIPTION = re.compile(rf"^{plan.MARK} ([0-9a-f]+)$")
PREFIX = f"{plan.MARK}-"
TRIES = 3  # something that was being made may appear a moment later


GONE = {"ResourceNotFoundException", "NoSuchEntity", "NoSuchEntityException"}


def is_gone(error):
    return getattr(error, "response", {}).get("Error", {}).get("Code") in GONE


@dataclasses.dataclass
class LeftOver:
    kind: str
    name: str
    run: str
    remove: object  # a call without arguments


class Finder:
    def __init__(self, clients, run=None):
        self._lambda = clients.functions
        self._iam = clients.iam
        self._logs = clients.logs
        self._run = run  # None: of any run

    def _may_be_ours(self, name):
        return name.startswith(f"{PREFIX}{self._run}-" if self._run else PREFIX)

    def _is_ours(self, name, run):
        return run is not None and name.startswith(f"{PREFIX}{run}-") and self._run in (None, run)

    def _run_of(self, ask):
        """What the tag says; None too where the thing is gone by now, by another run's hand."""
        try:
            return ask().get(plan.MARK)
        except self._lambda.exceptions.ClientError as error:
            if is_gone(error):
                return None
            raise

    def functions(self):
        for page in self._lambda.get_paginator("list_functions").paginate():
            for found in page["Functions"]:
                name, arn = found["FunctionName"], found["FunctionArn"]
                if self._may_be_ours(name):
                    run = self._run_of(lambda arn=arn: self._lambda.list_tags(Resource=arn).get("Tags", {}))
                    if self._is_ours(name, run):
                        yield LeftOver("function", name, run,
                                       lambda name=name: self._lambda.delete_function(FunctionName=name))  # fmt: skip

    def layers(self):
        for page in self._lambda.get_paginator("list_layers").paginate():
            for layer in page["Layers"]:
                if self._may_be_ours(layer["LayerName"]):
                    yield from self._versions(layer["LayerName"])

    def _versions(self, name):
        for page in self._lambda.get_paginator("list_layer_versions").paginate(LayerName=name):
            for version in page["LayerVersions"]:
                described = DESCRIPTION.match(version.get("Description", ""))
                if self._is_ours(name, described and described[1]):
                    number = version["Version"]
                    yield LeftOver("layer", f"{name}:{number}", described[1],
                                   lambda number=number: self._lambda.delete_layer_version(
                                       LayerName=name, VersionNumber=number))  # fmt: skip

    def roles(self):
        for page in self._iam.get_paginator("list_roles").paginate(PathPrefix=f"/{plan.MARK}/"):
            for role in page["Roles"]:
                name = role["RoleName"]
                run = self._run_of(lambda name=name: self._tags_of(name)) if self._may_be_ours(name) else None
                if self._is_ours(name, run):
                    yield LeftOver("role", name, run, lambda name=name: self._remove_role(name))

    def _tags_of(self, role):
        return {tag["Key"]: tag["Value"] for tag in self._iam.list_role_tags(RoleName=role)["Tags"]}

    def _remove_role(self, name):
        try:
            self._iam.delete_role_policy(RoleName=name, PolicyName="logs")
        except self._iam.exceptions.NoSuchEntityException:
            pass  # it was interrupted before it had one
        self._iam.delete_role(RoleName=name)

    def log_groups(self):
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/{PREFIX}")
        for page in pages:
            for group in page["logGroups"]:
                name = group["logGroupName"]
                arn = group["arn"].removesuffix(":*")
                last = name.removeprefix("/aws/lambda/")
                run = self._may_be_ours(last) and self._run_of(
                    lambda arn=arn: self._logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
                )
                if self._is_ours(last, run or None):
                    yield LeftOver("log group", name, run,
                                   lambda name=name: self._logs.delete_log_group(logGroupName=name))  # fmt: skip

    def everything(self, refused):
        """Functions first: they use the rest. What cannot be asked for goes into `refused`."""
        kinds = {"functions": self.functions, "layers": self.layers, "roles": self.roles, "log groups": self.log_groups}
        for kind, find in kinds.items():
            try:
                yield from find()
            except Exception as error:  # noqa: BLE001: the other kinds must go
                refused.append((kind, str(error)))


def remove_all(finder, say):
    """(how many were removed, [(what, why it may still be there)])."""
    removed, failed = 0, []
    for _ in range(TRIES):
        failed = []
        found = list(finder.everything(failed))
        for thing in found:
            try:
                thing.remove()
                removed += 1
            except Exception as error:  # noqa: BLE001: whatever it is, the others must go
                if not is_gone(error):
                    failed.append((f"{thing.kind} {thing.name}", str(error)))
        if not found:
            break
    for what, why in failed:
        say(f"may still be there: {what}: {why}")
    return removed, failed
