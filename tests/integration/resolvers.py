"""A network of one's own in which names are asked of a resolver of ours: slow, or silent."""

import os
import subprocess
import sys

import pytest
from local_lambda import LocalLambda

# `seconds` before each answer (127.0.0.1, whatever the name); "never": none at all.
RESOLVER = """
import os, socket, sys, time
seconds = sys.argv[1]
parent = os.getppid()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.settimeout(0.1)
while os.getppid() == parent:
    try:
        asked, who = server.recvfrom(512)
    except TimeoutError:
        continue
    if seconds == "never":
        continue
    time.sleep(float(seconds))
    question = asked[12 : asked.index(b"\\0", 12) + 5]
    answer = b"\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\0\\0\\x04\\x7f\\0\\0\\x01"
    counts = b"\\0\\x01\\0\\x01\\0\\0\\0\\0"
    server.sendto(asked[:2] + b"\\x81\\x80" + counts + question + answer, who)
"""
PATIENT = "nameserver 127.0.0.1\noptions timeout:30\n"  # a resolv.conf: patience for a silent one
START = """
ip link set lo up && mount --bind "$1" /etc/resolv.conf || exit 125
"$0" -c "$2" "$3" &
shift 3
sleep 0.3
exec "$@"
"""


def with_resolver(local_lambda, workspace, seconds):
    """The same local Lambda, where names take `seconds`."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    resolv = workspace / "resolv.conf"
    resolv.write_text(PATIENT)
    words = ["unshare", "--net", "--mount", "sh", "-c", START, sys.executable, resolv, RESOLVER, seconds]
    words = [str(word) for word in words]
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace is allowed here (unshare --net)")
    return LocalLambda(
        local_lambda.build, local_lambda.folder, lambda c: [*words, *local_lambda.wrap(c)]
    )
