"""What is to be tried: functions, the scenarios that each is sent through, and what that may cost.

Only data and choosing live here: nothing is made, invoked or judged.
"""

import dataclasses

MARK = "lamprey-verify"  # names of all that is made begin with it, and its tag is called so
SMALL, LARGE = 128, 1769  # MB; the second is the size at which Lambda gives a whole CPU
ARCHITECTURES = ("x86_64", "arm64")
RUNTIMES = {
    "python": ("python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"),
    "node": ("nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x"),
    "java": ("java8.al2", "java11", "java17", "java21", "java25"),
    "ruby": ("ruby3.2", "ruby3.3", "ruby3.4"),
    "dotnet": ("dotnet8", "dotnet10"),
    "c": ("provided.al2", "provided.al2023"),
}
LANGUAGE = {runtime: language for language, all_of in RUNTIMES.items() for runtime in all_of}
HANDLER = {
    "python": "verify_function.handler",
    "node": "index.handler",
    "java": "VerifyFunction::handle",
    "ruby": "verify_function.handler",
    "dotnet": "VerifyFunction::VerifyFunction::Handle",
    "c": "bootstrap",
}
PROBE_HANDLER = "probe.handler"
PROBE_MEMORY = (128, 512, 1024, 1769, 3538)
LEAKS = 60
ROOMY = 512  # MB
LARGE_RESPONSE = 6_000_000  # bytes; Lambda allows 6 MB of 2^20 with all that is around it
SECONDS = {"java": 15}  # the function's timeout, where it is not TIMEOUT_SECONDS
TIMEOUT_SECONDS = 8

# In this order: an end that takes the environment with it makes the next invocation a cold one.
SCENARIOS = {
    "healthy": 3,
    "error": 1,
    "leak": LEAKS,
    "large_response": 1,
    "silent_host": 1,
    "busy_loop": 1,
    "out_of_memory": 1,
    "exit": 1,
    "crash": 1,
}
ENDS = ("silent_host", "busy_loop", "out_of_memory", "exit", "crash")  # after these the environment is another
APART = {"init_failure": 1, "stream": 1}  # each needs a function of its own
PROBE = "probe"

# What a language's function cannot do, and why; the same wherever it runs.
CANNOT = {
    ("c", "error"): "the C bootstrap reports no errors",
    ("c", "large_response"): "the C bootstrap answers with its event",
    ("java", "out_of_memory"): "the JVM's own limit comes first, and its error is an answer",
}


@dataclasses.dataclass(frozen=True)
class Function:
    """One function to make. `kind` is "main", a word of APART, or PROBE."""

    runtime: str
    architecture: str
    memory: int
    kind: str = "main"
    snapstart: bool = False

    @property
    def language(self):
        return LANGUAGE[self.runtime]

    @property
    def timeout(self):
        return SECONDS.get(self.language, TIMEOUT_SECONDS)

    @property
    def label(self):
        """A row of the table, and the last part of its name in the account."""
        words = [self.runtime, self.architecture, str(self.memory)]
        words += [] if self.kind == "main" else [self.kind]
        return " ".join([*words, *(["snapstart"] if self.snapstart else [])])

    def name(self, run):
        return f"{MARK}-{run}-" + self.label.replace(" ", "-").replace(".", "_").replace("_64", "64")

    @property
    def scenarios(self):
        """How often each is invoked, in order."""
        if self.kind in APART:
            return {self.kind: APART[self.kind]}
        if self.kind == PROBE:
            return {PROBE: 2}
        return {name: times for name, times in SCENARIOS.items() if self.why_not(name) is None}

    def why_not(self, scenario):
        if (self.language, scenario) == ("java", "large_response") and self.memory < ROOMY:
            return f"the JVM needs more than {self.memory} MB to write such an answer"
        return CANNOT.get((self.language, scenario))


def functions(runtimes, architectures, memories, probe=True, snapstart=False):
    """All functions for these, those that settle most first."""
    plan = []
    for memory in memories:
        plan += [Function(r, a, memory) for r in runtimes for a in architectures]
    plan += [Function(r, a, memories[0], "init_failure") for r in runtimes for a in architectures]
    plan += [Function(r, a, memories[0], "stream") for r in runtimes for a in architectures
             if LANGUAGE[r] == "node"]  # fmt: skip
    newest = [r for r in runtimes if LANGUAGE[r] == "python"][-1:]
    if probe:
        plan += [Function(r, a, m, PROBE) for m in PROBE_MEMORY for r in newest for a in architectures]
    if snapstart:
        plan += [Function(r, a, LARGE, PROBE, True) for r in newest for a in architectures]
    return plan


# ---- cost ---------------------------------------------------------------------------------------

# US dollars in most regions for x86_64; arm64 is cheaper, the free tier is not counted.
PER_GB_SECOND = 0.0000166667
PER_REQUEST = 0.0000002
PER_LOG_GB = 0.50
LINE_BYTES = 8_000  # verify's lines are full ones


def seconds_of(function, scenario):
    """How long one invocation is billed, about; a cold start that it brings along included."""
    whole = function.timeout
    return {"healthy": 0.6, "error": 0.1, "large_response": 0.5, "leak": 0.03, "silent_host": whole,
            "busy_loop": whole, "out_of_memory": 4, "exit": 1.5, "crash": 1.5, "init_failure": 2,
            "stream": 1, PROBE: 6}[scenario]  # fmt: skip


def estimate(plan):
    """(invocations, GB-seconds, US dollars, seconds of waiting if done one by one)."""
    invocations = gb_seconds = waiting = 0
    for function in plan:
        for scenario, times in function.scenarios.items():
            seconds = times * seconds_of(function, scenario)
            invocations += times
            waiting += seconds
            gb_seconds += seconds * function.memory / 1024
    dollars = gb_seconds * PER_GB_SECOND + invocations * (PER_REQUEST + 2 * LINE_BYTES / 1e9 * PER_LOG_GB)
    return invocations, gb_seconds, dollars, waiting


# ---- rights -------------------------------------------------------------------------------------

ACTIONS = (
    "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:ListRoles",
    "iam:ListRoleTags", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole",
    "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:DeleteLayerVersion",
    "lambda:GetFunction", "lambda:GetLayerVersion", "lambda:InvokeFunction",
    "lambda:ListFunctions", "lambda:ListLayerVersions", "lambda:ListLayers", "lambda:ListTags",
    "lambda:PublishLayerVersion", "lambda:PublishVersion", "lambda:TagResource",
    "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DescribeLogGroups", "logs:FilterLogEvents",
    "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource",
)  # fmt: skip
