"""A runtime of its own, for what AWS's Python client does not do: `stream` sends its response in
pieces, `snapshot` asks for a restore before the first work, `workers` forks several that each ask
for work, `threads` has several threads do so, as on Managed Instances. The event {"sleep": s} makes
an invocation take that long.

Usage: raw_runtime.py stream|snapshot|workers|threads
"""

import http.client
import json
import os
import sys
import threading
import time

API = "/2018-06-01/runtime"


def ask(connection, path):
    connection.request("GET", f"{API}/{path}")
    answer = connection.getresponse()
    return answer.headers, answer.read()


def respond(connection, request_id, body, headers=None):
    connection.request(
        "POST", f"{API}/invocation/{request_id}/response", body, headers or {},
        encode_chunked=headers is not None,
    )  # fmt: skip
    connection.getresponse().read()


def in_pieces(seconds):
    yield b'"first '
    time.sleep(seconds)
    yield b'and last"'


STREAMING = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Transfer-Encoding": "chunked",
    "Content-Type": "application/octet-stream",
}


def serve(mode):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if mode == "snapshot":
        ask(connection, "restore/next")
    while True:
        headers, body = ask(connection, "invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        seconds = json.loads(body).get("sleep", 0)
        if mode == "stream":
            respond(connection, request_id, in_pieces(seconds), STREAMING)
            continue
        time.sleep(seconds)
        respond(connection, request_id, json.dumps({"pid": os.getpid()}))


if __name__ == "__main__":
    if sys.argv[1] == "workers" and os.fork() == 0:
        os.setsid()
    if sys.argv[1] == "threads":
        threading.Thread(target=serve, args=["threads"], daemon=True).start()
    serve(sys.argv[1])
