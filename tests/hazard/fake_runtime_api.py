"""A Runtime API that answers as badly as it is told to. One thread a connection, raw sockets."""

import socket
import threading


class FakeRuntimeApi:
    """`misbehave(n)` names how the n-th request for work (0, 1, ...) is to be answered:
    "good", "bytes", "chunked", "continue", "500", "nonsense", "close", "close-mid-header",
    "204", "lower-case", "long-header". After `most` invocations every further request waits, as
    in a frozen environment. `ids`, `posts`: what went over the wire."""

    def __init__(self, most, misbehave=lambda n: "good", event_bytes=20):
        self.most = most
        self.misbehave = misbehave
        self.event = b"x" * event_bytes
        self.asked = 0
        self.ids = []
        self.posts = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def close(self):
        # The thread must be gone before the number of its descriptor is anybody else's.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while self._serve_one(connection, stream):
                pass
        except OSError:
            pass
        finally:
            stream.close()
            connection.close()

    def _serve_one(self, connection, stream):
        line = stream.readline().decode()
        if not line.strip():
            return False
        headers = {}
        while header := stream.readline().strip().decode():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        if "100-continue" in headers.get("expect", ""):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._read_body(stream, headers)
        if line.startswith("GET") and "/runtime/invocation/next" in line:
            return self._hand_out(connection)
        self.posts.append(line.split()[1].removeprefix("/2018-06-01/runtime/invocation/"))
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n" + b'{"status": "OK"}')
        return True

    @staticmethod
    def _read_body(stream, headers):
        if "chunked" not in headers.get("transfer-encoding", ""):
            stream.read(int(headers.get("content-length", 0)))
            return
        while size := int(stream.readline().split(b";")[0], 16):
            stream.read(size + 2)
        while stream.readline().strip():
            pass

    def _hand_out(self, connection):
        with self.lock:
            wait = len(self.ids) >= self.most
            how = self.misbehave(self.asked)
            self.asked += 1
        if wait:
            return connection.recv(1) != b""
        with self.lock:
            bad = {
                "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nsorry",
                "nonsense": b"\x00\xff]]>>> %s%n \r\n\r\n",
                "close": b"",
                "close-mid-header": b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: half-an-i",
                "204": b"HTTP/1.1 204 No Content\r\n\r\n",
            }
            if how in bad:
                connection.sendall(bad[how])
                return how in ("500", "204")
            request_id = f"8476a536-e9f4-11e8-9739-{len(self.ids):012d}"
            self.ids.append(request_id)
        self._send(connection, how, request_id)
        return True

    def _send(self, connection, how, request_id):
        name = "Lambda-Runtime-Aws-Request-Id"
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{name}: {request_id}\r\n"
            "Lambda-Runtime-Deadline-Ms: 1893456000123\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123:function:f\r\n"
        )
        if how == "long-header":
            head += f"Lambda-Runtime-Client-Context: {'c' * 5000}\r\n"
        if how == "lower-case":
            head = head.replace("Lambda-Runtime", "lambda-runtime").replace(": ", ":  ")
        if how == "chunked":
            body = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in self.event) + b"0\r\n\r\n"
            head += "Transfer-Encoding: chunked\r\n\r\n"
        else:
            body = self.event
            head += f"Content-Length: {len(body)}\r\n\r\n"
        data = head.encode() + body
        if how == "continue":
            data = b"HTTP/1.1 100 Continue\r\n\r\n" + data
        if how == "bytes":
            for byte in data:
                connection.sendall(bytes([byte]))
        else:
            connection.sendall(data)
