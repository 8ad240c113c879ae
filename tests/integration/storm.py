"""A storm of SIGKILLs over a function and its companion, and the count of what came through.

As a program: storm.py [KILLS] [SEED] [NAME=VALUE...], by default 10,000 kills; the rest are variables of the
function. Prints one line of JSON. The same in small is test_storm.py, and test_batch.py.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

from custom_runtime import custom_runtime

MUST_BE_EMPTY = ("lost", "twice", "wrong_ids", "broken_lines", "crashes")
# An end of runtime or companion that no SIGKILL was.
OTHER_END = re.compile(r"Error: (Runtime exited with error: )?(signal: (?!killed)|exit (status|code))")


def descendants(pid):
    """Pids below a process, with the paths of their programs."""
    found = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    for child in map(int, file.read().split()):
                        waiting.append(child)
                        found[child] = os.readlink(f"/proc/{child}/exe")
    return found


class Killer(threading.Thread):
    """Kills runtime, companion or both, at random moments, until it has done so `kills` times. `pause`: for how
    long it lets them live, at most."""

    def __init__(self, emulator, function, kills, seed, pause=0.03):
        super().__init__(daemon=True)
        self.emulator, self.function, self.left = emulator, str(function), kills
        self.random, self.pause = random.Random(seed), pause
        self.killed = collections.Counter()

    def run(self):
        while self.left > 0:
            time.sleep(self.random.uniform(0, self.pause))
            victims = {"runtime": [], "companion": []}
            for pid, program in descendants(self.emulator).items():
                if program == self.function:
                    victims["runtime"].append(pid)
                elif program.endswith("/extensions/lamprey"):
                    victims["companion"].append(pid)
            chosen = self.random.choice(["runtime", "companion", "both"])
            names = list(victims) if chosen == "both" else [chosen]
            self.random.shuffle(names)
            if not all(victims[name] for name in names):
                continue
            time.sleep(self.random.uniform(0, 0.004))
            for name in names:
                for pid in victims[name]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self.killed[chosen] += 1
            self.left -= 1


def under_fire(local_lambda, kills, seed, env=None, pause=0.03):
    """Which invocations were answered, what the log holds, and what was killed how often."""
    function = custom_runtime("storm")
    answers = []
    with local_lambda.serve(str(function), timeout=5, memory=512, env=env) as serving:
        killer = Killer(serving._process.pid, function, kills, seed, pause)
        killer.start()
        while killer.is_alive():
            answers.append(not serving.invoke(0)[1])
        # Then the last orphans are found: by a companion that is not the killed one. Without a part in
        # invocations that one's end has to be noticed before them, or nobody starts another.
        time.sleep(0.3)
        answers += [not serving.invoke(0)[1] for _ in range(3)]
        log = serving.stop()
    return answers, log, dict(killer.killed)


def storm(local_lambda, kills, seed, env=None):
    """What was sent, what came back, and what the records say of it."""
    began = time.monotonic()
    answers, log, killed = under_fire(local_lambda, kills, seed, env)
    counts = collections.Counter(record["request_id"] for record in log.invokes)
    # One after the other: the n-th call is the n-th START.
    answered = {started for started, good in zip(log.started_ids, answers) if good}
    return {
        "kills": killed,
        "seconds": round(time.monotonic() - began, 1),
        "invocations": len(answers),
        "answered": len(answered),
        "records": len(log.invokes),
        "late": sum(record.get("late", False) for record in log.invokes),
        "lost": sorted(answered - set(counts)),
        "twice": sorted(found for found, count in counts.items() if count > 1),
        "wrong_ids": sorted(set(counts) - set(log.started_ids)),
        "broken_lines": sum('"lamprey":"1"' in line and not line.startswith('{"lamprey"')
                            for line in log.lines),
        "complaints": sorted(set(log.complaints)),
        "crashes": sorted({line for line in log.lines if OTHER_END.search(line)}),
    }  # fmt: skip


def main(words):
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import conftest
    from local_lambda import LocalLambda
    from mounts import PRIVATE_TMP

    root = conftest.ROOT
    inside = [*conftest._unshare(), "sh", "-c", PRIVATE_TMP, "mode=1777", str(root)]
    local_lambda = LocalLambda(
        pathlib.Path(os.environ.get("LAMPREY_BUILD", root / "build/release")),
        root / "tests/integration/handlers",
        lambda command: [*inside, *command],
    )
    kills = int(words[0]) if words else 10_000
    seed = int(words[1]) if len(words) > 1 else 1
    result = storm(local_lambda, kills, seed, dict(word.split("=", 1) for word in words[2:]))
    print(json.dumps(result))
    return 1 if any(result[name] for name in MUST_BE_EMPTY) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
