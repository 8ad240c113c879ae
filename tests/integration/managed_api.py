"""Lambda's two APIs as Managed Instances offer them: whoever asks for work gets some, so that one
process may have several invocations at a time; extensions hear only SHUTDOWN. `lamprey local` gives
out one invocation at a time. No expectations live here.
"""

import http.server
import json
import queue
import threading
import time
import uuid

NEXT = "/2018-06-01/runtime/invocation/next"


class ManagedApi(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Request)
        self.work = queue.Queue()
        self.answered = {}
        self.registered = []
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"

    def invoke_at_once(self, events, seconds=30):
        """Gives out all of them; waits until each has its answer. Their ids."""
        ids = [str(uuid.uuid4()) for _ in events]
        for request_id, event in zip(ids, events, strict=True):
            self.work.put((request_id, event))
        until = time.monotonic() + seconds
        while not set(ids) <= set(self.answered):
            assert time.monotonic() < until, "an invocation was not answered"
            time.sleep(0.01)
        return ids


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, body, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == NEXT:
            request_id, event = self.server.work.get()
            self._answer(
                json.dumps(event).encode(),
                Lambda_Runtime_Aws_Request_Id=request_id,
                Lambda_Runtime_Deadline_Ms=str(int(time.time() * 1000) + 30_000),
                Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:eu-west-1:1:function:managed",
            )
            return
        self.server.over.wait()
        shutdown = {"eventType": "SHUTDOWN", "shutdownReason": "spindown"}
        deadline = {"deadlineMs": int(time.time() * 1000) + 2000}
        self._answer(json.dumps({**shutdown, **deadline}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/register"):
            self.server.registered.append(json.loads(body)["events"])
            identity = {"functionName": "managed", "functionVersion": "1", "handler": "h"}
            self._answer(
                json.dumps(identity).encode(), Lambda_Extension_Identifier=str(uuid.uuid4())
            )
            return
        self.server.answered[self.path.split("/")[-2]] = json.loads(body)
        self._answer(b'{"status":"OK"}')

    def log_message(self, *words):
        pass
