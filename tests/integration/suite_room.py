"""Runs a command as the first process of a room of its own, and says what was recorded there.

    suite_room.py RECORDING_DUMP RECORDS COMMAND...

The room is a pid namespace with an own /tmp (suites.py makes it): when this process ends, so has
everything that the command left running. Recordings are read with RECORDING_DUMP as soon as their
process is gone, noted as a line each in RECORDS, and removed: a suite starts thousands. No test's
expectations belong here.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

RECORDINGS = pathlib.Path("/tmp/lamprey")


def note(path, dump, to):
    said = subprocess.run([dump, path], capture_output=True, text=True)
    line = {"unreadable": said.stderr.strip()}
    if said.returncode == 0:
        seen = json.loads(said.stdout)
        line = {
            "executable": seen["executable"],
            "calls": sum(row["calls"] for row in seen["calls"].values()),
            "allocations": seen["memory"]["allocations"],
            "stacks": len(seen["stacks"]),
        }
    to.write(json.dumps(line) + "\n")
    path.unlink()


def is_gone(path):
    """A recording is named after its process, which may wait to be reaped."""
    try:
        stat = pathlib.Path(f"/proc/{path.stem}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def main(dump, records, *command):
    assert os.getpid() == 1, "only in a pid namespace: everything in it is killed at the end"
    child = os.posix_spawnp(command[0], command, os.environ)
    status = None
    with open(records, "w") as to:
        while status is None:
            for path in RECORDINGS.glob("*.rec"):
                if is_gone(path):
                    note(path, dump, to)
            while True:
                try:
                    ended, how = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if ended == 0:
                    break
                status = how if ended == child else status
            time.sleep(0.2)
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for path in RECORDINGS.glob("*.rec"):
            note(path, dump, to)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main(*sys.argv[1:])
