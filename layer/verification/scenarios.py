"""What each scenario must leave in the log: status, headline, finding.

Only expectations live here; checks.py holds lines against them.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Expected:
    statuses: tuple
    headline: str  # a pattern
    failed: bool  # whether the caller is told of an error
    type: str = "invoke"


TOOK = r"^Took (?P<figure>[0-9.,]+) (?P<unit>µs|ms|s)\b"
TIMED_OUT = r"^Timed out after (?P<figure>[0-9.,]+) (?P<unit>µs|ms|s)\b"
EXPECTED = {
    "healthy": Expected(("ok",), TOOK, False),
    "error": Expected(("error",), r"^Failed with .*VerifyError", True),
    "large_response": Expected(("ok",), TOOK, False),
    "leak": Expected(("ok",), r"", False),
    "stream": Expected(("ok",), TOOK, False),
    "silent_host": Expected(("timeout",), TIMED_OUT + r": .*\b127\.0\.0\.1:{port}\b", True),
    "busy_loop": Expected(("timeout",), TIMED_OUT + r": .* on CPU", True),
    "out_of_memory": Expected(("out_of_memory",), r"^Ran out of memory", True),
    "exit": Expected(("exit",), r"^The process exited while it ran: .*\(3\)", True),
    "crash": Expected(("crash",), r"^The process died while it ran: (SIG(SEGV|ABRT|BUS|ILL|TRAP)|abort\(\))", True),
    "init_failure": Expected(("exit", "error", "crash"), r"^Init failed", True, "init"),
}
# How much of what the leak kept must be seen as growth: a collector gives back other things meanwhile.
LEAST_GROWTH = {"node": 0.5, "java": 0.5, "dotnet": 0.9}
EXACT_GROWTH = 0.98
# What a runtime may take meanwhile, in bytes: .NET compiles what is called often once more, and keeps 6 MB of it.
TAKEN_BESIDE = {"dotnet": 10_000_000}
LITTLE_BESIDE = 2_000_000
# Where nothing else moves, the leak must be found, too.
FOUND_IN = ("python", "c")


def headline_of(scenario, truth):
    """The pattern, with what the function said of itself."""
    port = str((truth or {}).get("port", r"\d+"))
    return re.compile(EXPECTED[scenario].headline.replace("{port}", port))
